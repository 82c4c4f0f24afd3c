"""The pages of an invoice that was mailed: every state that a mail can end in, and what can be done about it."""

from typing import Any

from django.utils import timezone

from billing_portal.tests.journeys.swept import Pages
from core.messages import MailClass, queue_message
from core.models import MailComplaint, Message, MessageAttempt, MessageStatus
from core.policy import Role
from invoices.deliveries import SENT_BY_HAND
from invoices.models import Delivery, Invoice
from invoices.tests.factories import InvoiceFactory
from profiles.models import BillingProfile, ProfileRole
from profiles.recipients import EXTRA

REFUSED = "550 5.1.1 The email account that you tried to reach does not exist. Try double-checking the address."
_WORDS = {
    MessageStatus.BOUNCED: REFUSED,
    MessageStatus.GIVEN_UP: "4.4.1 timed out",
    MessageStatus.DEFERRED: "451 later",
}


def add_mail_pages(pages: Pages, profile: BillingProfile) -> None:
    """One invoice with a mail in every state, and the pages that send it again."""
    invoice = InvoiceFactory(profile=profile)
    for number, status in enumerate(MessageStatus):
        _mailed(invoice, f"state{number}@alfa.example", status, reason=Role.PROFILE_READER)
    owner = pages.people["owner"]
    reader = ProfileRole.objects.filter(profile=profile, role=Role.PROFILE_READER).get().user
    extra = profile.extra_recipients.exclude(confirmed_at=None).get()
    lost = [
        _mailed(invoice, reader.email, MessageStatus.BOUNCED, user=reader, reason=Role.PROFILE_READER),
        _mailed(invoice, owner.email, MessageStatus.GIVEN_UP, user=owner, reason=Role.PROFILE_OWNER),
        _mailed(invoice, extra.email, MessageStatus.BOUNCED, reason=EXTRA),
        _mailed(invoice, f"{'long' * 14}@alfa.example", MessageStatus.BOUNCED, sent_by=owner, reason=SENT_BY_HAND),
    ]
    replaced = _mailed(invoice, "old@alfa.example", MessageStatus.BOUNCED, sent_by=owner, reason=SENT_BY_HAND)
    Delivery.objects.filter(pk=lost[-1].pk).update(in_place_of=replaced)
    for delivery in (*lost, replaced):
        pages.add("owner", "delivery_repair", invoice.code, delivery.pk)
    MailComplaint.objects.create(recipient=reader.email, message=lost[0].message)
    pages.add("owner", "invoice", invoice.code)
    for query in ("", "?mail=credit_given"):
        pages.add("staff", "admin:invoices_invoice_preview", invoice.pk, query=query)
    for actor in ("owner", Role.PROFILE_READER):
        pages.add(actor, "invoice_sending", invoice.code)


def _mailed(invoice: Invoice, email: str, status: str, **values: Any) -> Delivery:
    message = queue_message(
        to=email, template="invoice_issued", mail_class=MailClass.INVOICE_ISSUED, language="en", context={}
    )
    if status != MessageStatus.QUEUED:
        now, words = timezone.now(), _WORDS.get(MessageStatus(status), "")
        accepted_at = now if status == MessageStatus.ACCEPTED else None
        rows = Message.objects.filter(pk=message.pk)
        if status not in {MessageStatus.WITHDRAWN, MessageStatus.SUPPRESSED, MessageStatus.SENDING}:
            rows.update(status=MessageStatus.SENDING)
        rows.update(status=status, last_error=words, accepted_at=accepted_at)
        MessageAttempt.objects.create(message=message, at=now, outcome=status, words=words)
    return Delivery.objects.create(invoice=invoice, email=email.lower(), message=message, **values)
