"""The addresses of the sandbox, under /sandbox/."""

from django.urls import path

from payments.gateways.sandbox import views

urlpatterns = [
    path("cards/<slug:reference>/", views.sandbox_card, name="sandbox_card"),
    path("cards/<slug:reference>/check/", views.sandbox_card_check, name="sandbox_card_check"),
    path("cards/<slug:reference>/leave/", views.sandbox_card_leave, name="sandbox_card_leave"),
    path("checks/<slug:reference>/", views.sandbox_check, name="sandbox_check"),
]
