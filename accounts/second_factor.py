"""The second factor: who needs one, what stands before every page until there is one, codes that count (ASVS 6.3.3).

Owners, account, user and organisation administrators and staff need one. Who came in a short while ago may go on
without for `SECOND_FACTOR_GRACE_DAYS`, counted from the day the person first came in: nothing that somebody does
later, no new role and no removed factor, starts that time anew. Afterwards every page leads to the one where a
factor is added. A session is let through when the factor was used in it: that there is one somewhere is not enough.

Wrong codes are counted in the database, and a code of an authenticator app is taken once (ASVS 6.5.1): allauth's
own counters live in the cache, which each process has for itself.
"""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from allauth.account.authentication import get_authentication_records
from allauth.mfa.base.forms import AuthenticateForm as BaseAuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as BaseReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm as BaseActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import limits
from accounts.sign_in import in_our_words
from core.errors import Refused
from core.policy import RoleBook, before_every_page, is_privileged
from core.step_up import BY_CARD, ask_for_confirmation

# The pages with which somebody adds a factor or leaves.
OPEN = frozenset(
    {
        "second_factor_needed",
        "security_info",
        "sessions",
        "language",
        "demo_confirmation",
    }
)
FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def has_factor(person: Any) -> bool:
    """Whether the person has an authenticator app or a passkey."""
    return Authenticator.objects.filter(user_id=person.pk, type__in=FACTORS).exists()


def is_last_factor(authenticator: Authenticator) -> bool:
    """Whether the person would have no factor without this one."""
    others = Authenticator.objects.filter(user_id=authenticator.user_id, type__in=FACTORS)
    return not others.exclude(pk=authenticator.pk).exists()


def used_factor(request: HttpRequest) -> bool:
    """Whether a second factor was used in this session."""
    records = get_authentication_records(request, request.user)  # type: ignore[arg-type]
    return any(record["method"] == "mfa" for record in records)


def grace_ends_at(person: User) -> datetime:
    """Until when somebody who needs a factor may go on without."""
    return person.date_joined + timedelta(days=settings.SECOND_FACTOR_GRACE_DAYS)


def is_in_grace(request: HttpRequest, book: RoleBook | None = None) -> bool:
    """Whether the person of this page needs a factor, has used none, and may still go on."""
    person: User = request.user  # type: ignore[assignment]
    if used_factor(request) or request.session.get(BY_CARD) or not is_privileged(person, book):
        return False
    return timezone.now() < grace_ends_at(person)


@before_every_page
def stand_before(request: HttpRequest, book: RoleBook) -> HttpResponse | None:
    """Sign out whoever is privileged and was away for long (ASVS 7.3.1); ask for the second factor."""
    person: User = request.user  # type: ignore[assignment]
    if not is_privileged(person, book):
        return None
    if request.idle_for > settings.IDLE_MINUTES * 60:  # type: ignore[attr-defined]
        return _sign_out(request)
    if used_factor(request) or request.session.get(BY_CARD):
        return None
    if request.resolver_match is not None and request.resolver_match.url_name in OPEN:
        return None
    if has_factor(person):
        return ask_for_confirmation(request)
    if timezone.now() < grace_ends_at(person):
        return None
    return redirect("second_factor_needed")


def _sign_out(request: HttpRequest) -> HttpResponse:
    path = request.get_full_path()
    logout(request)
    messages.info(request, _("You were away for a while, so we signed you out."))
    return redirect(f"{reverse('account_login')}?{urlencode({'next': path})}")


# --- Codes ----------------------------------------------------------------------------------------


class _Counted:
    """Counts a code before it is looked at, and takes each one once."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_our_words(self, code=_("Code"))

    def clean_code(self: Any) -> str:
        try:
            counted = limits.count(limits.FACTOR_PER_PERSON, self.user.pk)
            code = super().clean_code()  # type: ignore[misc]
            limits.count(limits.FACTOR_CODE_ONCE, f"{self.user.pk} {code}")
        except Refused as refusal:
            raise forms.ValidationError(refusal.messages, code=refusal.code) from refusal
        limits.forget(counted)
        return str(code)


class AuthenticateForm(_Counted, BaseAuthenticateForm):
    """The code at signing in."""


class ReauthenticateForm(_Counted, BaseReauthenticateForm):
    """The code before something sensitive."""


class ActivateTOTPForm(_Counted, BaseActivateTOTPForm):
    """The first code of an authenticator app."""


class AddPasskeyForm(AddWebAuthnForm):
    """A passkey, under a name that its person knows it by."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
