"""Giving money back and giving debts up (I17): asked for, above a limit agreed by a second person, then done.

A refund is a row with its key before the gateway is asked, outside any transaction; asked again under the same key
it is one refund. When the money is back, the invoices it had paid are owed again, the latest first.
"""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Refused
from core.history import acting
from core.money import Money
from core.states import move
from core.templatetags.ui import money
from invoices.models import CreditMove, Invoice, LedgerAccount
from invoices.services.settling import reopen_invoice, settle_invoice
from payments.gateways.base import GatewayUnavailable, RefundOutcome
from payments.gateways.registry import gateway_named
from payments.mail import tell_refunded
from payments.models import Allocation, CollectionCase, Pace, Payment, Refund, RefundPart, WriteOff
from payments.services.cases import end_case, reopen_case
from payments.services.overpaid import refunded_of_balance, source_of, take_from_balance
from payments.services.papers import ask_for_refund_proof
from payments.states import AllocationStatus, PaymentStatus, RefundStatus, WriteOffStatus

REFUNDABLE = (PaymentStatus.SUCCEEDED, PaymentStatus.PARTIALLY_REFUNDED)
SHORTEST_REASON = 10
TRY_AGAIN = timedelta(minutes=10)
TRIES = 50


def refundable(payment: Payment) -> Money:
    """How much of it may still go back: what came, less all refunds that were not declined or failed, and less what
    was overpaid and has been used since."""
    if payment.status not in REFUNDABLE:
        return Money.zero(payment.currency)
    used = payment.kept - refunded_of_balance(payment) - payment.balance_left
    gone = Refund.objects.counting().filter(payment=payment).aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return max(payment.amount - used - Money(gone, payment.currency), Money.zero(payment.currency))


def ask_refund(payment: Payment, amount: Money, *, reason: str, by: User, at: datetime | None = None) -> Refund:
    """Ask that so much of a payment goes back. Above the limit it waits for a second person, else it goes at once.

    Refuses `reason_missing`, `not_refundable` for a payment without money, and `too_much`.
    """
    at, reason = at or timezone.now(), _checked(reason)
    with transaction.atomic(durable=True), acting(by, "refund.ask"):
        payment = Payment.objects.select_for_update().get(pk=payment.pk)
        left = refundable(payment)
        if not left:
            raise Refused(_("Nothing of this payment can go back any more."), "not_refundable")
        if not Money.zero(payment.currency) < amount <= left:
            raise Refused(_("At most %(left)s can go back.") % {"left": money(left)}, "too_much")
        second = _needs_second(amount)
        return Refund.objects.create(
            payment=payment,
            amount_minor=amount.minor,
            reason=reason,
            status=RefundStatus.PROPOSED if second else RefundStatus.AGREED,
            asked_by=by,
            asked_at=at,
            needs_second=second,
            idempotency_key=f"refund-{uuid.uuid4().hex}",
            next_at=None if second or payment.is_from_bank else at,
        )


def agree_refund(refund: Refund, *, by: User, at: datetime | None = None) -> None:
    """A second person agrees. Refuses `same_person`, and what is decided already."""
    at = at or timezone.now()
    with transaction.atomic(), acting(by, "refund.agree"):
        refund = Refund.objects.select_for_update(of=("self",)).select_related("payment").get(pk=refund.pk)
        _second_person(refund, by)
        next_at = None if refund.payment.is_from_bank else at
        move(refund, RefundStatus.AGREED, agreed_by=by, agreed_at=at, next_at=next_at)


def decline_refund(refund: Refund, *, by: User, at: datetime | None = None) -> None:
    """It does not go back. Who asked may take it back so, too."""
    with transaction.atomic(), acting(by, "refund.decline"):
        move(Refund.objects.get(pk=refund.pk), RefundStatus.DECLINED, agreed_by=by, agreed_at=at or timezone.now())


def carry_out(refund: Refund, *, at: datetime) -> None:
    """Ask the gateway to give it back, and record what it says. Safe to run twice; not inside a transaction."""
    refund = Refund.objects.select_related("payment").get(pk=refund.pk)
    if refund.status != RefundStatus.AGREED or refund.next_at is None:
        return
    payment = refund.payment
    try:
        result = gateway_named(payment.gateway).refund(
            key=refund.idempotency_key, reference=payment.gateway_reference, amount=refund.amount
        )
    except GatewayUnavailable:
        tries = refund.tries + 1
        Refund.objects.filter(pk=refund.pk).update(tries=tries, next_at=at + TRY_AGAIN if tries < TRIES else None)
        return
    if result.outcome == RefundOutcome.REFUSED:
        with transaction.atomic(), acting(None, "refund.failed"):
            stored = Refund.objects.select_for_update().get(pk=refund.pk)
            if stored.status == RefundStatus.AGREED:
                move(stored, RefundStatus.FAILED, next_at=None)
    elif result.outcome == RefundOutcome.PROCESSING:
        Refund.objects.filter(pk=refund.pk).update(gateway_reference=result.reference, next_at=at + TRY_AGAIN)
    else:
        _given_back(refund, reference=result.reference, at=at)


def confirm_transferred(refund: Refund, *, by: User, at: datetime | None = None) -> None:
    """Staff have transferred it from the bank: what came by transfer goes back by hand. Refuses `by_gateway`."""
    if not refund.payment.is_from_bank:
        raise Refused(_("The payment provider gives this back."), "by_gateway")
    with acting(by, "refund.transferred"):
        _given_back(refund, reference="", at=at or timezone.now())


def _given_back(refund: Refund, *, reference: str, at: datetime) -> None:
    """The money is back: the invoices are owed again, and the books say so. Twice is once."""
    day = timezone.localdate(at)
    with transaction.atomic(), acting(None, "refund.given_back"):
        payment = Payment.objects.select_for_update(of=("self",)).select_related("account", "profile__account", "user")
        paid = payment.get(pk=refund.payment_id)
        refund = Refund.objects.select_for_update().get(pk=refund.pk)
        if refund.status != RefundStatus.AGREED:
            return
        move(refund, RefundStatus.GIVEN_BACK, gateway_reference=reference, settled_at=at, next_at=None)
        rest, reference = Money(refund.amount_minor, paid.currency), f"refund:{refund.pk}"
        # What no invoice needed goes first, then what they had.
        of_balance = max(min(rest, paid.balance_left), rest - _kept_by_invoices(paid))
        if of_balance:
            RefundPart.objects.create(refund=refund, amount_minor=of_balance.minor)
        # What the bank took back meanwhile is owed again already.
        is_open_again = paid.status == PaymentStatus.CHARGED_BACK
        if of_balance and not is_open_again:
            take_from_balance(paid, of_balance, kind=CreditMove.REFUNDED, reference=reference, on=day)
        for allocation, part in _take(paid, rest - of_balance):
            RefundPart.objects.create(refund=refund, allocation=allocation, amount_minor=part.minor)
            if is_open_again:
                continue
            invoice = allocation.invoice
            reopen_invoice(invoice, part, reference=reference, on=day, credit=source_of(paid))
            if invoice.status == "due":
                reopen_case(invoice, Pace.NORMAL, on=day, standing=invoice.is_overdue(day))
        back = Refund.objects.filter(payment=paid, status=RefundStatus.GIVEN_BACK).aggregate(sum=Sum("amount_minor"))
        to = PaymentStatus.REFUNDED if back["sum"] == paid.amount_minor else PaymentStatus.PARTIALLY_REFUNDED
        if paid.status != to and not is_open_again:
            move(paid, to)
        refund.payment = paid
        ask_for_refund_proof(refund)
        tell_refunded(paid, Money(refund.amount_minor, paid.currency), key=f"refund:{refund.pk}")


def _take(payment: Payment, amount: Money) -> list[tuple[Allocation, Money]]:
    """From which invoices the amount is taken: the one that fell due last first, none below what it had."""
    rows = payment.allocations.filter(status=AllocationStatus.SETTLED).select_related("invoice__profile__account")
    left, found = amount, []
    for allocation in rows.order_by("-invoice__due_date", "-invoice_id"):
        part = min(left, kept_of(allocation, payment.currency))
        if part:
            found.append((allocation, part))
            left -= part
    return sorted(found, key=lambda row: row[0].invoice_id)


def _kept_by_invoices(payment: Payment) -> Money:
    rows = payment.allocations.filter(status=AllocationStatus.SETTLED)
    return Money.total((kept_of(allocation, payment.currency) for allocation in rows), payment.currency)


def kept_of(allocation: Allocation, currency: str) -> Money:
    """What of it has not gone back."""
    gone = allocation.refund_parts.aggregate(sum=Sum("amount_minor"))["sum"] or 0
    return Money(allocation.amount_minor - gone, currency)


# --- Write-offs ---------------------------------------------------------------------------------


def ask_write_off(invoice: Invoice, amount: Money, *, reason: str, by: User, at: datetime | None = None) -> WriteOff:
    """Give up so much of what is owed on an invoice; above the limit a second person agrees first.

    Refuses `reason_missing`, `not_payable`, `too_much`, `under_way` and `proposed_before`.
    """
    at, reason = at or timezone.now(), _checked(reason)
    with transaction.atomic(), acting(by, "write_off.ask"):
        invoice = Invoice.objects.select_for_update(of=("self",)).get(pk=invoice.pk)
        _check_write_off(invoice, amount)
        if WriteOff.objects.filter(invoice=invoice, status=WriteOffStatus.PROPOSED).exists():
            raise Refused(_("A write-off of this invoice waits for a second person already."), "proposed_before")
        second = _needs_second(amount)
        row = WriteOff.objects.create(
            invoice=invoice, amount_minor=amount.minor, reason=reason, asked_by=by, asked_at=at, needs_second=second
        )
        if not second:
            _write_off(row, invoice, by=None, at=at)
    return row


def agree_write_off(row: WriteOff, *, by: User, at: datetime | None = None) -> None:
    """A second person agrees, and it is done. Refuses `same_person`, and what does not fit the invoice any more."""
    at = at or timezone.now()
    with transaction.atomic(), acting(by, "write_off.agree"):
        invoice = Invoice.objects.select_for_update(of=("self",)).get(pk=row.invoice_id)
        row = WriteOff.objects.select_for_update().get(pk=row.pk)
        _second_person(row, by)
        _check_write_off(invoice, Money(row.amount_minor, invoice.currency))
        _write_off(row, invoice, by=by, at=at)


def decline_write_off(row: WriteOff, *, by: User, at: datetime | None = None) -> None:
    """It stays owed."""
    with transaction.atomic(), acting(by, "write_off.decline"):
        move(WriteOff.objects.get(pk=row.pk), WriteOffStatus.DECLINED, agreed_by=by, agreed_at=at or timezone.now())


def _write_off(row: WriteOff, invoice: Invoice, *, by: User | None, at: datetime) -> None:
    move(row, WriteOffStatus.DONE, agreed_by=by, agreed_at=at)
    amount, day = Money(row.amount_minor, invoice.currency), timezone.localdate(at)
    settle_invoice(invoice, amount, reference=f"write-off:{row.pk}", on=day, debit=LedgerAccount.BAD_DEBT)
    for case in CollectionCase.objects.settled().filter(invoice=invoice):
        end_case(case)


def _check_write_off(invoice: Invoice, amount: Money) -> None:
    if invoice.status != "due" or invoice.kind != "invoice":
        raise Refused(_("%(number)s asks for no money.") % {"number": invoice.number}, "not_payable")
    if not Money.zero(amount.currency) < amount <= invoice.amount_due:
        raise Refused(_("At most %(left)s can be written off.") % {"left": money(invoice.amount_due)}, "too_much")
    if Allocation.objects.holding([invoice]).exists():
        raise Refused(_("A payment of this invoice is under way. Wait until its outcome is known."), "under_way")


# --- Parts --------------------------------------------------------------------------------------


def _needs_second(amount: Money) -> bool:
    return amount.amount > settings.SECOND_PERSON_ABOVE


def _second_person(row: Refund | WriteOff, by: User) -> None:
    if row.asked_by_id == by.pk:
        raise Refused(_("Somebody else has to agree: you asked for it."), "same_person")


def _checked(reason: str) -> str:
    if len(reason.strip()) < SHORTEST_REASON:
        raise Refused(_("Say why, so that somebody else understands it next year."), "reason_missing")
    return reason.strip()[:500]
