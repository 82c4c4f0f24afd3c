"""Addresses of subscriptions and purchases."""

from django.urls import path

from subscriptions import views

IN_ACCOUNT = "billing-accounts/<code:code>/"

urlpatterns = [
    path(f"{IN_ACCOUNT}subscriptions/", views.subscriptions, name="subscriptions"),
    path(f"{IN_ACCOUNT}purchase/", views.purchase, name="purchase"),
    path(f"{IN_ACCOUNT}purchase/<int:price>/", views.purchase_order, name="purchase_order"),
    path("subscriptions/<code:code>/", views.subscription, name="subscription"),
    path(
        "subscriptions/<code:code>/email-preference/",
        views.subscription_email_preference,
        name="subscription_email_preference",
    ),
]
