"""Where the mail and the text messages of a demo go: into the viewer, not to anybody."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.translation import gettext as _

from billing_portal.demo.models import DemoMail
from core.mail import Outcome, Status


class DemoBackend(BaseEmailBackend):
    """Keeps every mail for the demo's mail page and sends none."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            alternatives = getattr(message, "alternatives", [])
            html = next((content for content, kind in alternatives if kind == "text/html"), "")
            DemoMail.objects.create(
                recipient=", ".join(message.recipients()),
                subject=str(message.subject),
                text=str(message.body),
                html=html,
                attachments=[_name(attachment) for attachment in message.attachments],
            )
        return len(email_messages)


class DemoCarrier:
    """Keeps every text message beside the mails."""

    def send(self, to: str, text: str, reference: str) -> Outcome:
        DemoMail.objects.create(recipient=to, subject=_("Text message"), text=text, html="", attachments=[])
        return Outcome(Status.ACCEPTED)


def _name(attachment: object) -> str:
    return str(attachment[0]) if isinstance(attachment, tuple) else "attachment"
