"""Addresses of subscriptions and purchases."""

from django.urls import path

from subscriptions import views, views_access, views_changes, views_cloning, views_sections

IN_ACCOUNT = "billing-accounts/<code:code>/"
PROFILE = "billing-profiles/<code:code>/"

urlpatterns = [
    path(f"{IN_ACCOUNT}subscriptions/", views.subscriptions, name="subscriptions"),
    path(f"{IN_ACCOUNT}purchase/", views.purchase, name="purchase"),
    path(f"{IN_ACCOUNT}purchase/<int:price>/", views.purchase_order, name="purchase_order"),
    path("subscriptions/<code:code>/", views.subscription, name="subscription"),
    path("subscriptions/<code:code>/address/", views.subscription_address, name="subscription_address"),
    path(
        "subscriptions/<code:code>/planned-changes/<int:change>/withdrawal/",
        views.subscription_change_withdrawal,
        name="subscription_change_withdrawal",
    ),
    path(
        "subscriptions/<code:code>/email-preference/",
        views.subscription_email_preference,
        name="subscription_email_preference",
    ),
    path("subscriptions/<code:code>/change/", views_changes.subscription_change, name="subscription_change"),
    path(
        "subscriptions/<code:code>/cancellation/",
        views_changes.subscription_cancellation,
        name="subscription_cancellation",
    ),
    path(
        "subscriptions/<code:code>/recurring-billing/",
        views_changes.subscription_recurring_billing,
        name="subscription_recurring_billing",
    ),
    path(
        "subscriptions/<code:code>/reactivation/",
        views_changes.subscription_reactivation,
        name="subscription_reactivation",
    ),
    path("subscriptions/<code:code>/move/", views_changes.subscription_move, name="subscription_move"),
    path(
        "subscriptions/<code:code>/recipients/",
        views.subscription_recipients,
        name="subscription_recipients",
    ),
    path(
        "subscriptions/<code:code>/recipients/new/",
        views.subscription_recipient_new,
        name="subscription_recipient_new",
    ),
    path(
        "subscriptions/<code:code>/recipients/test/",
        views.subscription_recipient_test,
        name="subscription_recipient_test",
    ),
    path(
        "subscriptions/<code:code>/recipients/mute/",
        views.subscription_invoice_mute,
        name="subscription_invoice_mute",
    ),
    path(
        "subscriptions/<code:code>/recipients/<int:recipient>/removal/",
        views.subscription_recipient_removal,
        name="subscription_recipient_removal",
    ),
    path(
        "subscriptions/<code:code>/recipients/<int:recipient>/question/",
        views.subscription_recipient_question,
        name="subscription_recipient_question",
    ),
    path(
        "subscriptions/<code:code>/invoice-access/",
        views_access.subscription_invoice_access,
        name="subscription_invoice_access",
    ),
    path(
        "subscriptions/<code:code>/invoice-access/switch/",
        views_access.subscription_invoice_switch,
        name="subscription_invoice_switch",
    ),
    path(
        "subscriptions/<code:code>/invoice-access/new/",
        views_access.subscription_viewer_new,
        name="subscription_viewer_new",
    ),
    path(
        "subscriptions/<code:code>/invoice-access/<int:role>/removal/",
        views_access.subscription_viewer_removal,
        name="subscription_viewer_removal",
    ),
    path(
        "subscriptions/<code:code>/invoice-access/invitations/<int:invitation>/renewal/",
        views_access.subscription_invitation_renewal,
        name="subscription_invitation_renewal",
    ),
    path(
        "subscriptions/<code:code>/invoice-access/invitations/<int:invitation>/removal/",
        views_access.subscription_invitation_removal,
        name="subscription_invitation_removal",
    ),
    path("subscriptions/<code:code>/section/", views_sections.subscription_section, name="subscription_section"),
    path(f"{PROFILE}cloning/", views_cloning.profile_cloning, name="profile_cloning"),
    path(f"{PROFILE}sections/", views_sections.profile_sections, name="profile_sections"),
    path(f"{PROFILE}sections/new/", views_sections.profile_section_new, name="profile_section_new"),
    path(f"{PROFILE}sections/<int:section>/", views_sections.profile_section_edit, name="profile_section_edit"),
    path(
        f"{PROFILE}sections/<int:section>/removal/",
        views_sections.profile_section_removal,
        name="profile_section_removal",
    ),
]
