"""Addresses of a demo; included only where `is_demo()`."""

from django.urls import path

from billing_portal.demo import views

urlpatterns = [
    path("demo/sign-in/", views.demo_sign_in, name="demo_sign_in"),
    path("demo/confirmation/", views.demo_confirmation, name="demo_confirmation"),
    path("demo/mail/", views.demo_mails, name="demo_mails"),
    path("demo/mail/<int:mail>/", views.demo_mail, name="demo_mail"),
    path("demo/mail/<int:mail>/html/", views.demo_mail_html, name="demo_mail_html"),
]
