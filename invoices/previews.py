"""What documents and mails look like with the data of a chosen invoice, before anybody gets them. Nothing is kept and
nothing is sent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext_lazy, override

from core.mail import ReadyMail, write_mail
from core.messages import MailClass, new_message
from core.models import Message
from invoices.deliveries import mail_context
from invoices.documents.render import render_invoice
from invoices.documents.source import payload_of
from invoices.models import Invoice, InvoiceKind
from invoices.preview_stock import stock_of
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
    """A mail as it would be written now: `is_about` the chosen invoice, or of the latest of its kind, or, where none
    was written yet, `is_made_up` of the invoice's names and amounts."""

    template: str
    language: str
    mail: ReadyMail
    is_about: bool
    is_made_up: bool = False

    @property
    def page(self) -> str:
        return str(self.mail.alternatives[0][0])


def templates() -> list[str]:
    """Every mail that the portal can write, by the name of its folder."""
    places: Any = settings.TEMPLATES[0]["DIRS"]
    folders = (folder for each in places for folder in (Path(each) / "emails").iterdir())
    return sorted(folder.name for folder in folders if (folder / "subject.txt").exists())


def shown_mail(invoice: Invoice, template: str, language: str) -> Shown | None:
    """The mail in that language: of this invoice, else the latest one of its kind, else made of the invoice's
    names and amounts; None where there is no such mail.

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
        return Shown(template, language, _made_up(invoice, template, language), is_about=True, is_made_up=True)
    message.language, message.attachments, message.secret_context = language, [], {}
    message.recipient = EXAMPLE
    return Shown(template, language, write_mail(message), is_about=own is not None)


def _made_up(invoice: Invoice, template: str, language: str) -> ReadyMail:
    with override(language):
        context = stock_of(invoice)
    made = new_message(
        to=EXAMPLE, template=template, mail_class=MailClass.MANDATORY_SERVICE, language=language, context=context
    )
    return write_mail(made)


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


Make = Callable[[Invoice, str], bytes | None]
_documents: dict[str, tuple[Any, Make]] = {}


def offer_document(kind: str, label: Any) -> Callable[[Make], Make]:
    """Register what makes a kind of document with the data of an invoice in a language, or of the latest of its kind;
    None where there is nothing to make it of. The app that knows the document does."""

    def register(make: Make) -> Make:
        _documents[kind] = (label, make)
        return make

    return register


def kinds_of_document() -> list[tuple[str, Any]]:
    """The name and the words of each kind of document."""
    return [(kind, label) for kind, (label, _make) in _documents.items()]


def shown_document(invoice: Invoice, kind: str, language: str) -> bytes | None:
    """The document as it would come out now, in that language; a kept one is not touched. None where there is no such
    kind, or nothing to make it of. Raises RenderFailed."""
    _label, make = _documents.get(kind, ("", None))
    return make(invoice, language) if make else None


@offer_document("invoice", gettext_lazy("Invoice"))
def _invoice(invoice: Invoice, language: str) -> bytes | None:
    return _latest_of(InvoiceKind.INVOICE, invoice, language)


@offer_document("credit_note", gettext_lazy("Credit note"))
def _credit_note(invoice: Invoice, language: str) -> bytes | None:
    return _latest_of(InvoiceKind.CREDIT_NOTE, invoice, language)


def _latest_of(kind: str, invoice: Invoice, language: str) -> bytes | None:
    """This one where it is of that kind; else the latest of its account, or of all."""
    of_kind = Invoice.objects.filter(kind=kind).exclude(number=None).order_by("-pk")
    found = invoice if invoice.kind == kind else of_kind.filter(account=invoice.account).first() or of_kind.first()
    if found is None:
        return None
    payload = payload_of(found)
    if not payload.number:
        payload = replace(payload, number="—", issue_date=timezone.localdate())
    return render_invoice(replace(payload, language=language)).pdf


def kinds_of_mail() -> Iterator[tuple[str, bool]]:
    """Each mail with whether one was written already, or is of the chosen invoice."""
    written = set(Message.objects.filter(channel="email").values_list("template", flat=True).distinct())
    for template in templates():
        yield template, template == INVOICE_MAIL or template in written
