"""Addresses of billing profiles."""

from django.urls import path

from profiles import access_views, address_views, views, views_recipients

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
    path(f"{ONE}policies/", views.profile_policies, name="profile_policies"),
    path(f"{ONE}policies/edit/", views.profile_policies_edit, name="profile_policies_edit"),
    path(f"{ONE}addresses/", address_views.profile_addresses, name="profile_addresses"),
    path(
        f"{ONE}planned-changes/<int:change>/withdrawal/",
        address_views.profile_change_withdrawal,
        name="profile_change_withdrawal",
    ),
    path(f"{ONE}permissions/", access_views.profile_permissions, name="profile_permissions"),
    path(f"{ONE}permissions/new/", access_views.profile_role_new, name="profile_role_new"),
    path(f"{ONE}permissions/removal/", access_views.profile_roles_removal, name="profile_roles_removal"),
    path(f"{ONE}permissions/<int:role>/removal/", access_views.profile_role_removal, name="profile_role_removal"),
    path(f"{ONE}permissions/<int:role>/stand-in/", access_views.profile_role_stand_in, name="profile_role_stand_in"),
    path(
        f"{ONE}permissions/invitations/<int:invitation>/renewal/",
        access_views.profile_invitation_renewal,
        name="profile_invitation_renewal",
    ),
    path(
        f"{ONE}permissions/invitations/<int:invitation>/removal/",
        access_views.profile_invitation_removal,
        name="profile_invitation_removal",
    ),
    path(f"{ONE}permissions/export/", access_views.profile_permissions_export, name="profile_permissions_export"),
    path(f"{ONE}email-preference/", views.profile_email_preference, name="profile_email_preference"),
    path(f"{ONE}recipients/", views_recipients.profile_recipients, name="profile_recipients"),
    path(f"{ONE}recipients/new/", views_recipients.profile_recipient_new, name="profile_recipient_new"),
    path(f"{ONE}recipients/test/", views_recipients.profile_recipient_test, name="profile_recipient_test"),
    path(f"{ONE}recipients/mute/", views_recipients.profile_invoice_mute, name="profile_invoice_mute"),
    path(
        f"{ONE}recipients/<int:recipient>/removal/",
        views_recipients.profile_recipient_removal,
        name="profile_recipient_removal",
    ),
    path(
        f"{ONE}recipients/<int:recipient>/question/",
        views_recipients.profile_recipient_question,
        name="profile_recipient_question",
    ),
    path("recipients/<str:token>/", views_recipients.recipient, name="recipient"),
    path(
        "recipients/<str:token>/confirmation/", views_recipients.recipient_confirmation, name="recipient_confirmation"
    ),
    path("recipients/<str:token>/refusal/", views_recipients.recipient_refusal, name="recipient_refusal"),
]
