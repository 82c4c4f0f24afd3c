"""The addresses of a demo, for tests: `billing_portal.urls` decides once, when it is loaded, and not per test."""

from django.urls import include, path

from billing_portal import urls

urlpatterns = [*urls.urlpatterns, path("", include("billing_portal.demo.urls"))]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500
