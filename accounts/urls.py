"""Addresses of billing accounts and of invitations. The scope stands in the address, so that links in mails open it."""

from django.urls import URLPattern, path

from accounts import account_views, contact_views, security_views, views

urlpatterns: list[URLPattern] = [
    path("billing-accounts/", views.scopes, name="scopes"),
    path("billing-accounts/<code:code>/properties/", views.account_properties, name="account_properties"),
    path("billing-accounts/<code:code>/addresses/", views.account_addresses, name="account_addresses"),
    path("start/", account_views.start, name="start"),
    path("billing-accounts/<code:code>/start-here/", account_views.scope_default, name="scope_default"),
    path("billing-accounts/<code:code>/tax-ids/", account_views.account_tax_ids, name="account_tax_ids"),
    path("billing-accounts/<code:code>/tax-ids/check/", account_views.account_vat_check, name="account_vat_check"),
    path(
        "billing-accounts/<code:code>/planned-changes/<int:change>/withdrawal/",
        account_views.account_change_withdrawal,
        name="account_change_withdrawal",
    ),
    path("billing-accounts/<code:code>/legal-name/", account_views.account_name_change, name="account_name_change"),
    path("legal-names/<code:code>/withdrawal/", account_views.name_change_withdrawal, name="name_change_withdrawal"),
    path("legal-names/<code:code>/document/", account_views.name_change_document, name="name_change_document"),
    path("organisations/", account_views.organisations, name="organisations"),
    path("organisations/<code:code>/profile/", account_views.organisation_profile, name="organisation_profile"),
    path("organisations/<code:code>/profile/edit/", account_views.organisation_edit, name="organisation_edit"),
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
    path("contact-information/", contact_views.contact_information, name="contact_information"),
    path("contact-information/code/", contact_views.contact_code, name="contact_code"),
    path("contact-information/removal/", contact_views.contact_removal, name="contact_removal"),
    path("contact-information/confirmation/", contact_views.contact_confirmation, name="contact_confirmation"),
    path("contact-information/later/", contact_views.contact_later, name="contact_later"),
    path("contact-information/link/answer/", contact_views.contact_link_answer, name="contact_link_answer"),
    path("contact-information/link/<str:token>/", contact_views.contact_link, name="contact_link"),
    path("communication-preferences/", contact_views.communication_preferences, name="communication_preferences"),
    path("communication-preferences/by-mail/", contact_views.topics_ask, name="topics_ask"),
    path("communication-preferences/by-link/", contact_views.topics_by_link, name="topics_by_link"),
    path("communication-preferences/by-link/<str:token>/", contact_views.topics_link, name="topics_link"),
    path("security-info/", security_views.security_info, name="security_info"),
    path("security-info/sessions/", security_views.own_sessions, name="sessions"),
    path("security-info/second-factor/", security_views.second_factor_needed, name="second_factor_needed"),
    path("security-info/<str:kind>/", security_views.recovery_new, name="recovery_new"),
    path("security-info/<str:kind>/code/", security_views.recovery_code, name="recovery_code"),
    path("security-info/<str:kind>/removal/", security_views.recovery_removal, name="recovery_removal"),
    path("invitations/answer/", views.invitation_answer, name="invitation_answer"),
    path("invitations/<str:token>/", views.invitation, name="invitation"),
]
