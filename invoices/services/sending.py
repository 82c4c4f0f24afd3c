"""An invoice to an address that somebody typed: to one's own accounting, or in the place of one that bounced.

It gives nobody a right: who sends it could download the same files and mail them. Once, to one address, in the
sender's name, and so many an hour; what goes there every month is an extra address, whose holder is asked (S4-2b).
"""

from datetime import timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.limits import Limit, count_all
from core.errors import Refused
from core.messages import Attachment, MailClass, queue_message
from core.models import MailComplaint, MessageStatus
from core.policy import Action, demand
from invoices.deliveries import LOST, SENT_BY_HAND, mail_context, resend_delivery
from invoices.documents.archive import SUFFIXES, file_name
from invoices.models import Delivery, DocumentKind, Invoice
from invoices.states import DocumentStatus
from profiles.models import ExtraRecipient
from profiles.recipients import InvoiceRecipient, recipients_on
from profiles.services.recipients import add_recipient, remove_recipient

PER_PERSON = Limit("invoice mail that a person sends", 20, timedelta(hours=1))
PER_ADDRESS = Limit("invoice mail to a typed address", 20, timedelta(days=1))
CONTENT_TYPES = {DocumentKind.PDF: "application/pdf", DocumentKind.UBL: "application/xml"}


@transaction.atomic
def send_invoice_to(invoice: Invoice, *, email: str, by: User, in_place_of: Delivery | None = None) -> Delivery:
    """Mail the PDF and the structured file to this address, once, in the words of the sender's language.

    An address that had the invoice before gets the same mail again. Refuses `not_ready` while the files are being
    made, `complained` when the holder marked our mail as spam, `too_many` after 20 in an hour or 20 to one address in
    a day, and for an address that had it what `resend_delivery` refuses.
    """
    demand(by, Action.INVOICE_DOWNLOAD, invoice)
    # Two presses at once: the second finds the delivery of the first.
    Invoice.objects.select_for_update(of=("self",), no_key=True).get(pk=invoice.pk)
    known = Delivery.objects.select_related("message", "user").filter(invoice=invoice, email__iexact=email).first()
    if known is not None:
        known.invoice = invoice
        if not (in_place_of and (known.message.is_unfinished or known.message.status == MessageStatus.ACCEPTED)):
            resend_delivery(known, by=by)
        _put_in_place(known, in_place_of)
        return known
    if MailComplaint.objects.of([email]):
        raise Refused(
            _("%(email)s marked our mail as spam. It goes there again once its holder asks for it.") % {"email": email},
            "complained",
        )
    attachments = [
        Attachment(document.file, file_name(invoice, SUFFIXES[kind]), CONTENT_TYPES[kind])
        for document in invoice.documents.filter(status=DocumentStatus.READY).order_by("kind")
        for kind in [DocumentKind(document.kind)]
    ]
    if not attachments:
        raise Refused(_("The PDF is being made. Try again in a moment."), "not_ready")
    count_all([(PER_PERSON, by.pk), (PER_ADDRESS, email.lower())])
    context = mail_context(invoice, InvoiceRecipient(email=email), attached=True)
    message = queue_message(
        to=email,
        template="invoice_issued",
        mail_class=MailClass.INVOICE_ISSUED,
        language=by.language,
        context=context | {"sender": str(by), "sender_email": by.billing_email},
        attachments=attachments,
        reference=f"invoice:{invoice.code}",
    )
    return Delivery.objects.create(
        invoice=invoice, email=email, sent_by=by, reason=SENT_BY_HAND, message=message, in_place_of=in_place_of
    )


@transaction.atomic
def repair_delivery(delivery: Delivery, *, email: str, by: User) -> Delivery:
    """Send an invoice that came back once more, to this address (F17): the same one, now that it works again, or
    another. An extra address is replaced for the coming invoices too, and its holder is asked. Refuses `arrived`
    unless it came back, and what the steps refuse."""
    profile = delivery.invoice.profile
    demand(by, Action.PROFILE_EDIT_RECIPIENTS, profile)
    delivery = (
        Delivery.objects.select_for_update(of=("self",)).select_related("invoice__profile__account").get(pk=delivery.pk)
    )
    if delivery.message.status not in LOST or delivery.replacements.exists():
        raise Refused(_("This mail was sent again meanwhile. See on the invoice what became of it."), "arrived")
    if email.lower() == delivery.email.lower():
        resend_delivery(delivery, by=by)
        return delivery
    made = send_invoice_to(delivery.invoice, email=email, by=by, in_place_of=delivery)
    extras = ExtraRecipient.objects.select_related("profile__account").filter(profile=profile)
    extra = extras.filter(email__iexact=delivery.email).first()
    if extra is not None:
        language = extra.language
        remove_recipient(extra, by=by)
        known = recipients_on(profile, on=timezone.localdate())
        if email.lower() not in {recipient.email.lower() for recipient in known}:
            add_recipient(profile, email=email, language=language, by=by)
    return made


def last_address(by: User) -> str:
    """Where this person sent an invoice last that did not come back; empty before the first time."""
    rows = Delivery.objects.filter(sent_by=by, in_place_of=None).exclude(message__status__in=LOST).order_by("-pk")
    return rows.values_list("email", flat=True).first() or ""


def repair_path(delivery: Delivery) -> str:
    """The page that mends a delivery that came back."""
    return reverse("delivery_repair", args=[delivery.invoice.code, delivery.pk])


def _put_in_place(delivery: Delivery, of: Delivery | None) -> None:
    if of is not None and delivery.in_place_of_id is None:
        delivery.in_place_of = of
        delivery.save(update_fields=["in_place_of"])
