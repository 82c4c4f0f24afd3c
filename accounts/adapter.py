"""What allauth asks this portal: no sign-up, tries counted in the database, and mail through the outbox."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts import sign_in
from accounts.models import User
from accounts.services.limits import forget
from accounts.services.notices import mail_person
from core.messages import MailClass
from core.policy import read_roles

# allauth's mails that this portal sends, and the template of ours for each. Any other is a page we do not have.
NOTICES = {
    "account/email/password_changed": "password_changed",
    "account/email/password_reset": "password_changed",
}


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed: people come in by invitation."""

    counted: list[int]

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """Whether `?next=` may be followed: an address of this host. What is no address at all may not."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts={self.request.get_host()})

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
        """A password was changed: said to the person, always, at the sign-in address (ASVS 6.3.7)."""
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
