"""What was paid on an invoice: the only writer of `settled_minor` (I6, I11). The payment itself is of the app above."""

from datetime import date

from django.db import transaction
from django.utils.translation import gettext as _

from core.errors import Refused
from core.money import Money
from core.states import move
from invoices.models import Invoice, InvoiceKind, LedgerAccount
from invoices.services.ledger import post
from invoices.states import InvoiceStatus


@transaction.atomic
def settle_invoice(
    invoice: Invoice, amount: Money, *, reference: str, on: date, debit: LedgerAccount = LedgerAccount.GATEWAY
) -> None:
    """Count `amount` as paid on the invoice and post it; the invoice is paid when nothing is left.

    `debit` is where the money is now, `reference` the cause, "payment:<code>". `invoice` then has the
    stored values. Refuses `settles_too_much` for more than is owed, and `not_payable` for a document
    that asks for no money.
    """
    stored = _locked(invoice)
    if stored.kind != InvoiceKind.INVOICE or stored.status not in (InvoiceStatus.DUE, InvoiceStatus.LOCKED):
        raise Refused(_("This is not an open invoice. Choose one that is due."), "not_payable")
    if not Money.zero(amount.currency) < amount <= stored.amount_due:
        raise Refused(
            _("%(amount)s is not an amount that can be paid on %(number)s: %(due)s is owed.")
            % {"amount": amount, "number": stored.number, "due": stored.amount_due},
            "settles_too_much",
        )
    settled = stored.settled_minor + amount.minor
    if stored.status == InvoiceStatus.LOCKED:
        move(stored, InvoiceStatus.DUE)
    if amount == stored.amount_due:
        move(stored, InvoiceStatus.PAID, settled_minor=settled)
    else:
        Invoice.objects.filter(pk=stored.pk).update(settled_minor=settled)
    post(stored, debit=debit, credit=LedgerAccount.RECEIVABLE, amount=amount, reference=reference, on=on)
    invoice.refresh_from_db()


@transaction.atomic
def reopen_invoice(
    invoice: Invoice, amount: Money, *, reference: str, on: date, credit: LedgerAccount = LedgerAccount.GATEWAY
) -> None:
    """Take `amount` back from what was paid (a refund, a chargeback, a returned debit): the invoice is due again.

    Refuses `was_not_paid` for more than was settled.
    """
    stored = _locked(invoice)
    if not Money.zero(amount.currency) < amount <= stored.settled:
        raise Refused(_("Only what was paid can be taken back."), "was_not_paid")
    settled = stored.settled_minor - amount.minor
    if stored.status == InvoiceStatus.PAID:
        move(stored, InvoiceStatus.DUE, settled_minor=settled)
    else:
        Invoice.objects.filter(pk=stored.pk).update(settled_minor=settled)
    post(stored, debit=LedgerAccount.RECEIVABLE, credit=credit, amount=amount, reference=reference, on=on)
    invoice.refresh_from_db()


def _locked(invoice: Invoice) -> Invoice:
    return Invoice.objects.select_for_update().get(pk=invoice.pk)
