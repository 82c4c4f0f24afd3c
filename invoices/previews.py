"""What documents and mails look like with the data of a chosen invoice, before anybody gets them. Nothing is kept and
nothing is sent."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from core.mail import ReadyMail, write_mail
from core.messages import MailClass, new_message
from core.models import Message
from invoices.deliveries import mail_context
from invoices.documents.render import render_invoice
from invoices.documents.source import payload_of
from invoices.models import Invoice
from profiles.recipients import InvoiceRecipient

LANGUAGES = ("en", "nl")
LOOKS = ("light", "dark")
INVOICE_MAIL = "invoice_issued"
EXAMPLE = "name@company.example"
# With which words a mail program asks for the dark look; the preview answers for it.
_ASKS = "(prefers-color-scheme: dark)"
_ANSWERS = {"light": "not all", "dark": "all"}


@dataclass(frozen=True)
class Shown:
    """A mail as it would be written now; `is_about` the chosen invoice, or else made of the latest of its kind."""

    template: str
    language: str
    mail: ReadyMail
    is_about: bool

    @property
    def page(self) -> str:
        return str(self.mail.alternatives[0][0])


def templates() -> list[str]:
    """Every mail that the portal can write, by the name of its folder."""
    places: Any = settings.TEMPLATES[0]["DIRS"]
    folders = (folder for each in places for folder in (Path(each) / "emails").iterdir())
    return sorted(folder.name for folder in folders if (folder / "subject.txt").exists())


def shown_mail(invoice: Invoice, template: str, language: str) -> Shown | None:
    """The mail in that language: of this invoice, else the latest one of its kind; None where none was written yet.

    Codes and links that open doors were emptied with the outcome of a mail, and stand empty.
    """
    if template not in templates():
        return None
    if template == INVOICE_MAIL:
        return Shown(template, language, _of_this(invoice, language), is_about=True)
    written = Message.objects.filter(template=template, channel="email").order_by("-pk")
    own = written.filter(reference=f"invoice:{invoice.code}").first()
    message = own or written.first()
    if message is None:
        return None
    message.language, message.attachments, message.secret_context = language, [], {}
    message.recipient = EXAMPLE
    return Shown(template, language, write_mail(message), is_about=own is not None)


def _of_this(invoice: Invoice, language: str) -> ReadyMail:
    message = new_message(
        to=EXAMPLE,
        template=INVOICE_MAIL,
        mail_class=MailClass.INVOICE_ISSUED,
        language=language,
        context=mail_context(invoice, InvoiceRecipient(email=EXAMPLE), attached=True),
    )
    return write_mail(message)


def in_look(page: str, look: str) -> str:
    """The page as a mail program in the light or the dark look shows it."""
    return page.replace(f"@media {_ASKS}", f"@media {_ANSWERS[look]}")


def shown_document(invoice: Invoice, language: str) -> bytes:
    """The document of the invoice as it would come out now, in that language; the kept one is not touched.

    Raises RenderFailed.
    """
    payload = payload_of(invoice)
    if not payload.number:
        payload = replace(payload, number="—", issue_date=timezone.localdate())
    return render_invoice(replace(payload, language=language)).pdf


def kinds_of_mail(invoice: Invoice) -> Iterator[tuple[str, bool]]:
    """Each mail with whether there is something to show."""
    written = set(Message.objects.filter(channel="email").values_list("template", flat=True).distinct())
    for template in templates():
        yield template, template == INVOICE_MAIL or template in written
