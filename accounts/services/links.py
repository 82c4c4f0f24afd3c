"""Links by mail for somebody who is not signed in: asked for on a page, made by a job (T14, M6).

The page writes one row and looks nobody up, so known, unknown, locked and deactivated cost the same. A job finds
out whose address it is.
"""

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language

from accounts.models import LinkKind, LinkRequest, User
from accounts.services.notices import mail_person
from accounts.services.passwords import answer_password_request
from accounts.services.topics import LINK_DAYS, topics_link
from core.messages import MailClass


def ask_for_link(kind: LinkKind, email: str) -> LinkRequest:
    """Write down that somebody wants such a link sent to that address. The caller has counted the try."""
    language = get_language() or settings.LANGUAGE_CODE
    return LinkRequest.objects.create(kind=kind, email=email.strip().lower(), language=language)


def answer_link_request(request: LinkRequest) -> None:
    """Queue the mail that answers it, in the caller's transaction, and mark it as answered."""
    person = User.objects.filter(email__iexact=request.email, is_active=True).first()
    if request.kind == LinkKind.PASSWORD:
        answer_password_request(request, person)
    elif person is not None:
        mail_topics_link(person)
    LinkRequest.objects.filter(pk=request.pk).update(answered_at=timezone.now())


def mail_topics_link(person: User) -> None:
    """Send a fresh link to the person's topics."""
    mail_person(
        person,
        template="topics_link",
        mail_class=MailClass.SERVICE,
        context={"days": LINK_DAYS},
        secret_context={"path": topics_link(person)},
        reference=f"user:{person.pk}",
    )
