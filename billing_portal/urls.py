"""Every address of the portal. A route without an action, `signed_in_only` or `login_not_required` fails the build."""

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language

from billing_portal import health, views, views_access, views_reviews, views_take_outs, views_viewing
from billing_portal.demo.access import is_demo
from core.mail_hooks import mail_webhook

ACCOUNT = "billing-accounts/<code:code>/"
PROFILE = "billing-profiles/<code:code>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="home"),
    path("billing-accounts/<code:code>/", views.account_overview, name="account_overview"),
    path("billing-accounts/<code:code>/activity/", views.account_activity, name="account_activity"),
    path(
        "billing-accounts/<code:code>/activity/export/", views.account_activity_export, name="account_activity_export"
    ),
    path(
        "billing-accounts/<code:code>/access/people/<int:person>/",
        views_access.account_person,
        name="account_person",
    ),
    path(
        "billing-accounts/<code:code>/access/people/<int:person>/viewing/",
        views_viewing.account_viewing,
        name="account_viewing",
    ),
    path(
        "billing-profiles/<code:code>/permissions/people/<int:person>/viewing/",
        views_viewing.profile_viewing,
        name="profile_viewing",
    ),
    path("viewing/end/", views_viewing.viewing_end, name="viewing_end"),
    path("billing-accounts/<code:code>/access/reviews/", views_reviews.account_reviews, name="account_reviews"),
    path(
        "billing-accounts/<code:code>/access/reviews/new/", views_reviews.account_review_new, name="account_review_new"
    ),
    path(
        "billing-accounts/<code:code>/access/reviews/interval/",
        views_reviews.account_review_interval,
        name="account_review_interval",
    ),
    path("access-reviews/<code:code>/", views_reviews.access_review, name="access_review"),
    path("access-reviews/<code:code>/choices/", views_reviews.access_review_choices, name="access_review_choices"),
    path("access-reviews/<code:code>/end/", views_reviews.access_review_end, name="access_review_end"),
    path("access-reviews/<code:code>/export/", views_reviews.access_review_export, name="access_review_export"),
    path("billing-accounts/<code:code>/access/question/", views_access.account_question, name="account_question"),
    path("billing-profiles/<code:code>/activity/", views.profile_activity, name="profile_activity"),
    path(
        "billing-profiles/<code:code>/activity/export/", views.profile_activity_export, name="profile_activity_export"
    ),
    path(f"{ACCOUNT}take-out/", views_take_outs.take_outs, name="take_outs"),
    path("take-outs/<code:code>/file/", views_take_outs.take_out_file, name="take_out_file"),
    path("search/", views.search, name="search"),
    path("help/", views.help_page, name="help"),
    path("", include("accounts.urls")),
    path("", include("profiles.urls")),
    path("", include("subscriptions.urls")),
    path("", include("invoices.urls")),
    path("", include("payments.urls")),
    path("", include("support.urls")),
    path("preferences/", views.preferences, name="preferences"),
    path("language/", login_not_required(set_language), name="language"),
    path("sign-in/", include("accounts.sign_in_urls")),
    path("staff/", admin.site.urls),
    path("webhooks/mail/<slug:service>/", mail_webhook, name="mail_webhook"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

if is_demo():
    urlpatterns.append(path("", include("billing_portal.demo.urls")))

handler400 = "billing_portal.views.bad_request"
handler403 = "billing_portal.views.forbidden"
handler404 = "billing_portal.views.not_found"
handler500 = "billing_portal.views.server_error"
