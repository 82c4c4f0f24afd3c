"""What is disputed of an invoice, and what ends that (domain §3.6).

The disputed part is not collected, not reminded of, and not offered for payment; the rest stays due. An invoice of
which nothing else is owed is locked. The thread with the vendor is of
the support app, which calls these in its own transactions.
"""

from datetime import date

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import User
from core.errors import Refused
from core.money import Money
from core.policy import Action, demand
from core.states import move
from invoices.models import Correction, Dispute, Invoice, InvoiceKind, InvoiceLine
from invoices.services.correcting import credit_lines, demand_staff, left_to_credit, void_invoice
from invoices.services.settling import follow_dispute
from invoices.states import DisputeStatus, InvoiceStatus


def why_not_disputable(invoice: Invoice) -> str:
    """Why it cannot be disputed, with the way out; empty where it can."""
    if invoice.kind != InvoiceKind.INVOICE or invoice.status == InvoiceStatus.VOID:
        return _("Nothing is owed on this document. Ask the vendor about it.")
    if invoice.status == InvoiceStatus.LOCKED or invoice.disputed_minor:
        return _("This invoice is disputed already; go on in that conversation.")
    if invoice.status != InvoiceStatus.DUE:
        return _("This invoice is paid. Ask for a correction: what is credited is set off or paid back.")
    return ""


@transaction.atomic
def open_dispute(invoice: Invoice, *, line: InvoiceLine | None, amount: Money | None, by: User) -> Dispute:
    """Dispute an invoice, or so much of a line without VAT. What is owed besides stays due; where that is nothing,
    the invoice is locked from then on.

    Refuses `not_disputable`, and `not_of_line` for more than there is of the line.
    """
    demand(by, Action.INVOICE_DISPUTE, invoice)
    stored = Invoice.objects.select_for_update(of=("self",)).select_related("account", "profile").get(pk=invoice.pk)
    if why := why_not_disputable(stored):
        raise Refused(why, "not_disputable")
    disputed = stored.amount_due
    if line is not None:
        most = {each.pk: left for each, left in left_to_credit(stored)}.get(line.pk)
        disputed = amount or most or Money.zero(stored.currency)
        if most is None or not 0 < disputed.minor <= most.minor:
            raise Refused(_("Enter an amount of that line, above zero and at most what it comes to."), "not_of_line")
    dispute = Dispute.objects.create(
        account=stored.account,
        profile=stored.profile,
        invoice=stored,
        line=line,
        amount_minor=disputed.minor,
        currency=stored.currency,
        opened_by=by,
    )
    stored.disputed_minor = disputed.minor if line is None else _with_vat(line, disputed).minor
    Invoice.objects.filter(pk=stored.pk).update(disputed_minor=stored.disputed_minor)
    follow_dispute(stored)
    invoice.refresh_from_db()
    return dispute


@transaction.atomic
def withdraw_dispute(dispute: Dispute, *, by: User) -> None:
    """Agree after all: the invoice is due again. Refuses `no_such_edge` once it was decided."""
    demand(by, Action.INVOICE_DISPUTE, dispute.invoice)
    stored = _locked(dispute)
    move(stored, DisputeStatus.WITHDRAWN)
    _unlock(stored.invoice)
    dispute.refresh_from_db()


@transaction.atomic
def reject_dispute(dispute: Dispute, *, by: User) -> None:
    """The invoice stands, and is due again."""
    demand_staff(by)
    stored = _locked(dispute)
    move(stored, DisputeStatus.REJECTED, decided_by=by, decided_at=timezone.now())
    _unlock(stored.invoice)
    dispute.refresh_from_db()


@transaction.atomic
def uphold_dispute(dispute: Dispute, *, by: User, on: date) -> Correction:
    """The customer is right: a credit note for the disputed part of the line, or for the whole invoice, which is void
    then. What is left of the invoice is due again. Refuses what crediting refuses, and then nothing is decided."""
    demand_staff(by)
    stored = _locked(dispute)
    if stored.status != DisputeStatus.OPEN:
        raise Refused(_("This dispute was decided already."), "no_such_edge")
    _unlock(stored.invoice)
    with override("en"):
        why = f"Dispute {stored.code}"
    if stored.line is not None:
        amounts = {stored.line.pk: stored.amount}
        made = credit_lines(stored.invoice, amounts, reason=why, by=by, on=on)
    else:
        made = void_invoice(stored.invoice, reason=why, by=by, on=on)
    move(stored, DisputeStatus.UPHELD, decided_by=by, decided_at=timezone.now(), correction=made)
    dispute.refresh_from_db()
    return made


def _locked(dispute: Dispute) -> Dispute:
    """The dispute, its invoice locked first as everywhere."""
    Invoice.objects.select_for_update(of=("self",)).get(pk=dispute.invoice_id)
    return Dispute.objects.select_for_update(of=("self",)).select_related("invoice", "line").get(pk=dispute.pk)


def _unlock(invoice: Invoice) -> None:
    """Due again, unless it was paid or credited meanwhile."""
    Invoice.objects.filter(pk=invoice.pk).update(disputed_minor=0)
    invoice.refresh_from_db()
    follow_dispute(invoice)


def _with_vat(line: InvoiceLine, net: Money) -> Money:
    """So much of the line with its VAT, as it is asked for on the invoice."""
    return Money.rounded(net.amount * (100 + line.vat_rate) / 100, net.currency)
