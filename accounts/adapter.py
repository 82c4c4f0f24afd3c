"""What allauth asks this portal: no sign-up, tries counted in the database, and mail through the outbox."""

import base64
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from accounts import sign_in
from accounts.models import User
from accounts.second_factor import is_last_factor
from accounts.security import SECURITY_EVENTS
from accounts.services.contact import tell_security_changed
from accounts.services.limits import forget
from accounts.services.notices import mail_person
from accounts.services.sessions import end_sessions, remember_browser
from core.messages import MailClass
from core.policy import is_privileged, read_roles
from core.step_up import confirm

# allauth's mails that this portal sends, and the template of ours for each. Any other is a page we do not have.
NOTICES = {
    "account/email/password_changed": "password_changed",
    "account/email/password_reset": "password_changed",
}


class FactorAdapter(DefaultMFAAdapter):
    """Second factors: their secrets are kept encrypted, and who needs one keeps one."""

    def get_totp_issuer(self) -> str:
        return settings.PORTAL_NAME or str(_("Billing portal"))

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode()).decode()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """The last factor of somebody who needs one is replaced, and never removed."""
        return not (is_last_factor(authenticator) and is_privileged(authenticator.user))


def _cipher() -> MultiFernet:
    """Under a key made of SECRET_KEY; older keys open what they closed."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = (salted_hmac("accounts.factors", "key", secret=key, algorithm="sha256").digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed: people come in by invitation."""

    counted: list[int]

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Whether `?next=` may be followed: an address of this host. What is no address at all may not."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts={self.request.get_host()})

    def login(self, request: HttpRequest, user: User) -> None:  # type: ignore[override]
        super().login(request, user)
        remember_browser(request)

    def reauthenticate(self, user: Any, password: str) -> bool:
        """Where hashing has become dearer meanwhile, the right password is hashed anew. The session knows the hash,
        and would end by it."""
        is_right: bool = super().reauthenticate(user, password)
        if is_right:
            user.refresh_from_db(fields=["password"])
            self.request.session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        return is_right

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Who has a second factor confirms with it: a password alone would be the weaker way (T20)."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        by_factor = [method for method in methods if method["id"] != "reauthenticate"]
        return by_factor or methods

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Staff have no rights in the portal, so they begin where they work."""
        if request.user.is_staff and not read_roles(request.user).all_roles():  # type: ignore[union-attr]
            return reverse("admin:index")
        return str(super().get_login_redirect_url(request))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the try before the password is looked at, so that parallel tries are counted too (Q12)."""
        self.counted = sign_in.count_sign_in(request, credentials.get("email", ""))

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        person: User | None = super().authenticate(request, **credentials)  # type: ignore[assignment]
        if person is not None:
            forget(self.counted)
        return person

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        response = super().post_login(request, user, **kwargs)
        sign_in.remember_device(request, response, user.email)
        return response

    def send_notification_mail(  # type: ignore[override]
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """A password or a second factor was changed: said to the person, always (ASVS 6.3.7)."""
        event = template_prefix.removeprefix("mfa/email/")
        if event in SECURITY_EVENTS:
            if event in ("totp_activated", "webauthn_added"):
                # It was used a moment ago, to add it.
                confirm(self.request, user, "mfa")
            tell_security_changed(user, event)
            return
        end_sessions(user, but=self.request.session.session_key if self.request else None)
        mail_person(
            user,
            template=NOTICES[template_prefix],
            mail_class=MailClass.MANDATORY_SERVICE,
            context={"at": timezone.now()},
            reference=f"user:{user.pk}",
        )

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Nothing is sent by allauth itself."""
        raise ValueError(f"no mail of this portal answers to {template_prefix}")
