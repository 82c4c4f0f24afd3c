"""Addresses of billing profiles."""

from django.urls import path

from profiles import views

IN_ACCOUNT = "billing-accounts/<code:code>/billing-profiles/"
ONE = "billing-profiles/<code:code>/"

urlpatterns = [
    path(IN_ACCOUNT, views.profiles, name="profiles"),
    path(f"{IN_ACCOUNT}new/", views.profile_new, name="profile_new"),
    path(
        "billing-accounts/<code:code>/email-preference/",
        views.invoice_email_preference,
        name="invoice_email_preference",
    ),
    path(ONE, views.profile, name="profile"),
    path(f"{ONE}edit/", views.profile_edit, name="profile_edit"),
    path(f"{ONE}permissions/", views.profile_permissions, name="profile_permissions"),
    path(f"{ONE}permissions/new/", views.profile_role_new, name="profile_role_new"),
    path(f"{ONE}permissions/<int:role>/removal/", views.profile_role_removal, name="profile_role_removal"),
    path(f"{ONE}permissions/export/", views.profile_permissions_export, name="profile_permissions_export"),
    path(f"{ONE}email-preference/", views.profile_email_preference, name="profile_email_preference"),
]
