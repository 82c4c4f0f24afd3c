"""Addresses of billing accounts and of invitations. The scope stands in the address, so that links in mails open it."""

from django.urls import URLPattern, path

from accounts import views

urlpatterns: list[URLPattern] = [
    path("billing-accounts/", views.scopes, name="scopes"),
    path("billing-accounts/<code:code>/properties/", views.account_properties, name="account_properties"),
    path("billing-accounts/<code:code>/addresses/", views.account_addresses, name="account_addresses"),
    path("billing-accounts/<code:code>/access/", views.account_access, name="account_access"),
    path("billing-accounts/<code:code>/access/new/", views.account_role_new, name="account_role_new"),
    path(
        "billing-accounts/<code:code>/access/<int:role>/removal/",
        views.account_role_removal,
        name="account_role_removal",
    ),
    path(
        "billing-accounts/<code:code>/access/invitations/<int:invitation>/renewal/",
        views.account_invitation_renewal,
        name="account_invitation_renewal",
    ),
    path(
        "billing-accounts/<code:code>/access/invitations/<int:invitation>/removal/",
        views.account_invitation_removal,
        name="account_invitation_removal",
    ),
    path("invitations/answer/", views.invitation_answer, name="invitation_answer"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
]
