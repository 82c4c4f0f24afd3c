"""Signing in: what is counted, which browser is known, and the forms of allauth that need more than it gives."""

import ipaddress
import secrets
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm as BaseChangePasswordForm
from allauth.account.forms import LoginForm as BaseLoginForm
from allauth.account.forms import ResetPasswordForm as BaseResetPasswordForm
from allauth.account.forms import ResetPasswordKeyForm
from django.conf import settings
from django.core import signing
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from accounts.models import LinkKind
from accounts.services import limits
from accounts.services.links import ask_for_link

DEVICE_COOKIE = "__Host-device" if settings.HTTPS else "device"
DEVICE_DAYS = 90
RESET_KEY = "password_request"
PEOPLE_PER_DEVICE = 5


def count_sign_in(request: HttpRequest, email: str) -> list[int]:
    """Count one try to sign in as that person; refuses `too_many`, alike for people that do not exist.

    A browser that the person has signed in with before has a count of its own. So nobody can keep a
    person out by guessing from elsewhere (T13): the guesses of strangers share one count.
    """
    device = known_device(request, email)
    return limits.count_all(
        [
            (limits.SIGN_IN_PER_PERSON, f"{_plain(email)} {device}"),
            (limits.SIGN_IN_PER_ADDRESS, network_of(request)),
        ]
    )


def known_device(request: HttpRequest, email: str) -> str:
    """The random name of this browser, if that person has signed in with it lately; else empty."""
    kept = _read(request)
    return kept["name"] if _digest(email) in kept["people"] else ""


def remember_device(request: HttpRequest, response: HttpResponse, email: str) -> None:
    """Let this browser be known as one that the person signs in with. It opens nothing by itself."""
    kept, person = _read(request), _digest(email)
    people = [person, *(other for other in kept["people"] if other != person)][:PEOPLE_PER_DEVICE]
    name = kept["name"] or secrets.token_urlsafe(16)
    response.set_cookie(
        DEVICE_COOKIE,
        signing.dumps({"name": name, "people": people}, salt=DEVICE_COOKIE),
        max_age=DEVICE_DAYS * 24 * 60 * 60,
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def network_of(request: HttpRequest) -> str:
    """The network address that a request comes from; of IPv6 the /64, which is what one subscriber gets."""
    address = ipaddress.ip_address(get_adapter(request).get_client_ip(request))
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def in_our_words(form: Any, **labels: str) -> None:
    """Our labels on a form of allauth's, and no grey copy of each within its field."""
    for name, label in labels.items():
        form.fields[name].label = label
    for field in form.fields.values():
        field.widget.attrs.pop("placeholder", None)


class LoginForm(BaseLoginForm):
    """E-mail and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_our_words(self, login=_("E-mail"), password=_("Password"))


class NewPasswordForm(ResetPasswordKeyForm):
    """The password that takes the place of a lost one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_our_words(self, password1=_("New password"), password2=_("New password, again"))


class ResetPasswordForm(BaseResetPasswordForm):
    """Asks for the address alone; counts, writes the request down, and looks nobody up (T14)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_our_words(self, email=_("E-mail"))
        # The outbox has no room for more, and no address of ours is longer (RFC 5321).
        self.fields["email"].validators.append(MaxLengthValidator(254))

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"])
        request = get_adapter().request
        limits.count_all([(limits.RESET_PER_PERSON, _plain(email)), (limits.RESET_PER_ADDRESS, network_of(request))])
        return email

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email = str(self.cleaned_data["email"])
        request.session[RESET_KEY] = ask_for_link(LinkKind.PASSWORD, email).code
        return email


class ChangePasswordForm(BaseChangePasswordForm):
    """Asks for the old password, and counts the guesses: a session that somebody left open is no way in."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_our_words(
            self,
            oldpassword=_("Password until now"),
            password1=_("New password"),
            password2=_("New password, again"),
        )
        self.fields["oldpassword"].help_text = ""  # where it is forgotten, the page says

    def clean_oldpassword(self) -> str:
        counted = limits.count(limits.SIGN_IN_PER_PERSON, f"change {self.user.pk}")
        old: str = super().clean_oldpassword()
        limits.forget(counted)
        return old


def _read(request: HttpRequest) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = signing.loads(
            request.COOKIES.get(DEVICE_COOKIE, ""), salt=DEVICE_COOKIE, max_age=DEVICE_DAYS * 24 * 60 * 60
        )
    except signing.BadSignature:
        return {"name": "", "people": []}
    return kept


def _digest(email: str) -> str:
    return salted_hmac(DEVICE_COOKIE, _plain(email), algorithm="sha256").hexdigest()[:32]


def _plain(email: str) -> str:
    return email.strip().lower()
