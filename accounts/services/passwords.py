"""Forgotten passwords: one mail for whoever asks, and the same work whether the address is known or not (T14, M6)."""

from datetime import timedelta

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language

from accounts.models import User
from core.messages import MailClass, queue_message


def mail_reset_link(email: str) -> None:
    """Queue the mail that a request for a new password causes: a link that works once, for 30 minutes, or,
    to an address that nobody signs in with, the word that this is so. The page says the same for both."""
    person = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    # Making a token asks the database and the key: it is done for nobody as well.
    someone = person or User(pk=0, email=email)
    path = reverse(
        "account_reset_password_from_key",
        kwargs={"uidb36": user_pk_to_url_str(someone), "key": default_token_generator.make_token(someone)},
    )
    queue_message(
        to=person.email if person else email,
        template="password_reset" if person else "password_unknown",
        mail_class=MailClass.PASSWORD_RESET,
        language=person.language if person else get_language() or settings.LANGUAGE_CODE,
        context={"minutes": settings.PASSWORD_RESET_TIMEOUT // 60},
        secret_context={"path": path} if person else {},
        reference="password-reset",
        expires_at=timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT),
    )
