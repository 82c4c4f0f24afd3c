"""Links of mails that pay one invoice without signing in (P18): made, read, revoked, logged."""

from datetime import datetime, timedelta

from django.core import signing
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from core.history import acting
from core.policy import Action, demand
from invoices.models import Invoice
from payments.models import PayLink, PayLinkUse
from payments.schedule import LINK_DAYS

_SIGNER = signing.Signer(salt="payments.pay-link")


def make_link(invoice: Invoice, *, at: datetime) -> str:
    """The path of a new link for the invoice, in the caller's transaction. It belongs into `secret_context`."""
    link = PayLink.objects.create(invoice=invoice, created_at=at, expires_at=at + timedelta(days=LINK_DAYS))
    return path_of(link)


def path_of(link: PayLink) -> str:
    return reverse("pay_link", args=[_SIGNER.sign(link.code)])


def result_path_of(link: PayLink) -> str:
    """Where the gateway sends whoever paid by the link."""
    return reverse("pay_link_result", args=[_SIGNER.sign(link.code)])


def link_with(token: str) -> PayLink | None:
    """The link of that token, working or not; None for one that was never made."""
    try:
        code = _SIGNER.unsign(token)
    except signing.BadSignature:
        return None
    return PayLink.objects.select_related("invoice__profile", "invoice__account").filter(code=code).first()


def log_use(link: PayLink, what: str) -> None:
    PayLinkUse.objects.create(link=link, what=what)


def revoke_links(invoice: Invoice, *, by: User, at: datetime | None = None) -> int:
    """Let no link of the invoice work any more; returns how many did."""
    demand(by, Action.INVOICE_PAY, invoice)
    return revoke_for_staff(invoice, by=by, at=at)


def revoke_for_staff(invoice: Invoice, *, by: User, at: datetime | None = None) -> int:
    """The same by the vendor's staff; views see to their right."""
    at = at or timezone.now()
    with transaction.atomic(), acting(by, "pay_link.revoke"):
        return PayLink.objects.filter(invoice=invoice).working(at).update(revoked_at=at, revoked_by=by)
