"""What was paid on an invoice: the only writer of `settled_minor` (I6, I11). The payment itself is of the app above."""

from collections.abc import Sequence
from datetime import date

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from accounts.models import User
from core.database import insert_rows
from core.errors import Refused
from core.money import Money
from core.states import move, move_all
from invoices.models import Invoice, InvoiceKind, LedgerAccount, Offset, Posting
from invoices.services.ledger import post
from invoices.states import InvoiceStatus

AT_ONCE = 1000


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
    is_last = amount == stored.amount_due
    if stored.status == InvoiceStatus.LOCKED and is_last:
        move(stored, InvoiceStatus.DUE)
    if is_last:
        move(stored, InvoiceStatus.PAID, settled_minor=settled)
    else:
        _write(stored, settled_minor=settled)
        follow_dispute(stored)
    post(stored, debit=debit, credit=LedgerAccount.RECEIVABLE, amount=amount, reference=reference, on=on)
    invoice.refresh_from_db()


def settle_invoices(parts: Sequence[tuple[Invoice, Money, str]], *, on: date, debit: LedgerAccount) -> None:
    """Write what was counted as paid on invoices that the caller has locked, and post it; a few statements in all.

    Each part is an invoice, an amount and its cause, as of `settle_invoice`; `settled_minor` of the invoices has the
    new sum already, and an invoice may have several parts. Invoices are due, nothing of them is disputed, and
    nobody else writes them meanwhile.
    """
    invoices = {invoice.pk: invoice for invoice, _amount, _reference in parts}.values()
    paid = [invoice for invoice in invoices if not invoice.amount_due]
    rest = [invoice for invoice in invoices if invoice.amount_due]
    move_all(paid, InvoiceStatus.PAID, are_locked=True, settled_minor=F("total_minor") - F("prepaid_minor"))
    for invoice in paid:
        invoice.settled_minor = invoice.total_minor - invoice.prepaid_minor
    Invoice.objects.bulk_update(rest, ["settled_minor"], batch_size=AT_ONCE)
    moves = [
        {
            "account_id": invoice.account_id,
            "profile_id": invoice.profile_id,
            "invoice_id": invoice.pk,
            "reference": reference,
            "debit": debit,
            "credit": LedgerAccount.RECEIVABLE,
            "amount_minor": amount.minor,
            "currency": amount.currency,
            "posted_on": on,
        }
        for invoice, amount, reference in parts
    ]
    insert_rows(Posting, moves)


def still_takes(invoice: Invoice) -> Money:
    """How much can still be paid on the document: what is owed, and nothing where it asks for no money."""
    is_open = invoice.kind == InvoiceKind.INVOICE and invoice.status in (InvoiceStatus.DUE, InvoiceStatus.LOCKED)
    return invoice.amount_due if is_open else Money.zero(invoice.currency)


@transaction.atomic
def settle_credit_note(
    note: Invoice, amount: Money, *, reference: str, on: date, credit: LedgerAccount = LedgerAccount.GATEWAY
) -> None:
    """Count `amount` of a credit note as given to the customer and post it; it is settled when nothing is left.

    `credit` is where the money comes from, `reference` the cause, "refund:<code>". Refuses `not_a_credit_note`, and
    `settles_too_much` for more than is left of it.
    """
    stored = _locked(note)
    if stored.kind != InvoiceKind.CREDIT_NOTE or stored.status != InvoiceStatus.DUE:
        raise Refused(_("This is not a credit note of which something is left."), "not_a_credit_note")
    if not Money.zero(amount.currency) < amount <= stored.amount_due:
        raise Refused(
            _("%(due)s is left of %(number)s.") % {"number": stored.number, "due": stored.amount_due},
            "settles_too_much",
        )
    settled = stored.settled_minor + amount.minor
    if amount == stored.amount_due:
        move(stored, InvoiceStatus.PAID, settled_minor=settled)
    else:
        Invoice.objects.filter(pk=stored.pk).update(settled_minor=settled)
    post(stored, debit=LedgerAccount.RECEIVABLE, credit=credit, amount=amount, reference=reference, on=on)
    note.refresh_from_db()


@transaction.atomic
def offset(note: Invoice, invoice: Invoice, *, on: date, by: User | None = None) -> Money:
    """Let what is left of a credit note settle what is owed on an invoice of the same profile, as far as it goes.

    Returns how much that was; nothing where one of them is settled already.
    """
    rows = Invoice.objects.select_for_update().filter(pk__in=[note.pk, invoice.pk]).order_by("pk")
    stored = {row.pk: row for row in rows}
    given, taken = stored[note.pk], stored[invoice.pk]
    if given.profile_id != taken.profile_id or given.currency != taken.currency:
        raise ValueError("a credit note settles invoices of its own profile")
    amount = min(given.amount_due, taken.amount_due)
    is_open = given.status == InvoiceStatus.DUE and taken.status in (InvoiceStatus.DUE, InvoiceStatus.LOCKED)
    if not is_open or not amount:
        return Money.zero(given.currency)
    made = Offset.objects.create(
        credit_note=given,
        invoice=taken,
        amount_minor=amount.minor,
        currency=amount.currency,
        made_on=on,
        made_by=by,
    )
    reference = f"offset:{made.code}"
    settle_invoice(invoice, amount, reference=reference, on=on, debit=LedgerAccount.OFFSET)
    settle_credit_note(note, amount, reference=reference, on=on, credit=LedgerAccount.OFFSET)
    return amount


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
    if stored.status in (InvoiceStatus.PAID, InvoiceStatus.VOID):
        move(stored, InvoiceStatus.DUE, settled_minor=settled)
    else:
        _write(stored, settled_minor=settled)
    follow_dispute(stored)
    post(stored, debit=LedgerAccount.RECEIVABLE, credit=credit, amount=amount, reference=reference, on=on)
    invoice.refresh_from_db()


def follow_dispute(invoice: Invoice) -> None:
    """Lock an open invoice of which all that is owed is disputed, and let it be due where something else is; in the
    caller's transaction, which has it locked as a row."""
    if invoice.status == InvoiceStatus.DUE and invoice.disputed_minor and not invoice.amount_asked:
        move(invoice, InvoiceStatus.LOCKED)
    elif invoice.status == InvoiceStatus.LOCKED and invoice.amount_asked:
        move(invoice, InvoiceStatus.DUE)


def _write(invoice: Invoice, *, settled_minor: int) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(settled_minor=settled_minor)
    invoice.settled_minor = settled_minor


def _locked(invoice: Invoice) -> Invoice:
    return Invoice.objects.select_for_update().get(pk=invoice.pk)
