"""The pages of allauth that this portal uses, under /sign-in/. What is not here does not exist: nobody signs up,
and addresses are not changed by their owner (S0-11a)."""

from allauth.account import views
from allauth.mfa.base import views as factor_views
from allauth.mfa.recovery_codes import views as code_views
from allauth.mfa.totp import views as app_views
from allauth.mfa.webauthn import views as passkey_views
from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView

from accounts.password_views import password_codes, password_factor, password_factor_link
from accounts.security_views import passkey_removal, with_a_credential

# Where allauth has lists of its own, ours is the one page.
to_security_info = RedirectView.as_view(pattern_name="security_info")

urlpatterns: list[URLPattern] = [
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", views.password_change, name="account_change_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path("password/reset/codes/<str:code>/", password_codes, name="password_codes"),
    path("password/reset/factor/", password_factor, name="password_factor"),
    path("password/reset/factor/<str:token>/", password_factor_link, name="password_factor_link"),
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]{1,13})-(?P<key>.{1,100})/$",
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("second-factor/", with_a_credential(factor_views.authenticate), name="mfa_authenticate"),
    path("second-factor/confirmation/", with_a_credential(factor_views.reauthenticate), name="mfa_reauthenticate"),
    path("second-factor/list/", to_security_info, name="mfa_index"),
    path("second-factor/app/", app_views.activate_totp, name="mfa_activate_totp"),
    path("second-factor/app/removal/", app_views.deactivate_totp, name="mfa_deactivate_totp"),
    path("second-factor/recovery-codes/", code_views.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("second-factor/recovery-codes/new/", code_views.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("second-factor/passkeys/", to_security_info, name="mfa_list_webauthn"),
    path("second-factor/passkeys/new/", with_a_credential(passkey_views.add_webauthn), name="mfa_add_webauthn"),
    path(
        "second-factor/passkeys/confirmation/",
        with_a_credential(passkey_views.reauthenticate_webauthn),
        name="mfa_reauthenticate_webauthn",
    ),
    path("second-factor/passkeys/<int:pk>/removal/", passkey_removal, name="mfa_remove_webauthn"),
]
