"""What the gateway said becomes what the portal knows: payment, allocations, invoices, books, receipt.

Every way here ends in `record_outcome`: our own call, the return page, a webhook, a look-up. It may be
told the same thing any number of times, in any order and at once.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.errors import Refused
from core.history import acting
from core.money import Money
from core.states import move
from invoices.models import CreditMove, Invoice, NumberSeries
from invoices.services.settling import reopen_invoice, settle_invoice, still_takes
from payments.declines import explain
from payments.gateways.base import ChargeOutcome, ChargeResult, DeclineReason, GatewayUnavailable
from payments.gateways.breaker import GatewayResting
from payments.gateways.registry import gateway_named
from payments.mail import tell_declined, tell_returned
from payments.models import Allocation, Decision, Family, Pace, ParkedReason, Payment, PaymentMethod
from payments.querysets import PaymentQuerySet
from payments.services.cases import close_settled, reopen_case
from payments.services.customers import known_customer
from payments.services.mandates import count_collection
from payments.services.overpaid import keep_rest, refunded_of_balance, take_from_balance
from payments.services.papers import ask_for_receipt
from payments.services.refunds import kept_of
from payments.states import AllocationStatus, MethodStatus, PaymentStatus, RefundStatus

# When to ask about an outcome that did not come; then a person has to look (I15).
LOOKUP_AFTER = (timedelta(minutes=5), timedelta(hours=1), *[timedelta(days=1)] * 5)
# "There is no such charge" is final only when a request that was on its way must have arrived.
ARRIVES_WITHIN = timedelta(minutes=2)
CLOCKS_DIFFER_BY = timedelta(minutes=10)

_HAS_MONEY = (PaymentStatus.SUCCEEDED, PaymentStatus.PARTIALLY_REFUNDED)
_GIVEN_UP = (PaymentStatus.FAILED, PaymentStatus.CANCELLED, PaymentStatus.CHARGED_BACK)


def look_up(payment: Payment, *, at: datetime | None = None) -> Payment:
    """Ask the gateway what became of the attempt, and record the answer or its silence. A gateway that is left
    alone was not silent: the attempt stays due."""
    at = at or timezone.now()
    try:
        return ask(payment, at=at)
    except GatewayResting:
        return payment
    except GatewayUnavailable:
        return record_silence(payment, at=at)


def ask(payment: Payment, *, at: datetime) -> Payment:
    """Ask the gateway what became of the attempt, and record it; raises GatewayUnavailable. Not inside a
    transaction."""
    result = gateway_named(payment.gateway).find_charge(**what_to_find(payment))
    return record_outcome(payment, result, at=at)


def what_to_find(payment: Payment) -> dict[str, Any]:
    """By what a gateway finds the charge of an attempt."""
    return {
        "key": payment.idempotency_key,
        "reference": payment.gateway_reference,
        "customer": known_customer(payment.account, payment.gateway),
        "since": payment.created_at - CLOCKS_DIFFER_BY,
    }


def ask_again(payments: PaymentQuerySet, *, at: datetime) -> int:
    """Have the job ask about these attempts now, also about those that were left to a person; returns how many."""
    return payments.open().update(next_lookup_at=at, lookups=0)


def record_silence(payment: Payment, *, at: datetime) -> Payment:
    """The gateway did not answer: it is asked again later. An attempt that just began is unknown now; one
    that waits for the bank, or is being processed, still does."""
    with transaction.atomic(durable=True), acting(None, "payment.unknown"):
        payment = _locked(payment)
        if payment.is_open:
            began = payment.status == PaymentStatus.CREATED
            _leave_open(payment, PaymentStatus.UNKNOWN if began else PaymentStatus(payment.status), at)
    return payment


def record_outcome(payment: Payment, result: ChargeResult, *, at: datetime) -> Payment:
    """Write down what the gateway says; returns the payment as it is now.

    An answer that does not fit (another amount, money after the attempt was given up) parks the payment
    for a person and moves no money in the books.
    """
    with transaction.atomic(durable=True), acting(None, f"payment.{result.outcome}"):
        payment = _locked(payment)
        if payment.is_open:
            _advance(payment, result, at)
        elif result.outcome == ChargeOutcome.SUCCEEDED and payment.status in _GIVEN_UP and not _was_decided(payment):
            _park(payment, ParkedReason.CAPTURED_AFTER_ALL)
        elif result.outcome == ChargeOutcome.RETURNED and payment.status in _HAS_MONEY:
            _take_back(payment, result, at)
    return payment


def settle_by_hand(payment: Payment, *, came: bool, at: datetime) -> Payment:
    """End an attempt as a person decided, in the caller's transaction, which has it locked; what is over stays,
    and needs nobody any more."""
    payment = _locked(payment)
    _park(payment, "")
    if not payment.is_open:
        return payment
    if came:
        result = ChargeResult(ChargeOutcome.SUCCEEDED, payment.idempotency_key, payment.gateway_reference)
        _succeed(payment, result, at)
    else:
        _fail(payment, DeclineReason.GATEWAY_TROUBLE, at)
    return payment


def win_back(payment: Payment, *, at: datetime) -> Payment:
    """The bank gave back what it had taken: the invoices are paid again, as a person decided (I14). In the caller's
    transaction. Refuses `not_owed` where one of them was paid in another way, or credited, meanwhile."""
    payment = _locked(payment)
    day, reference = timezone.localdate(at), _numbered(f"won:{payment.code}", payment)
    invoices = []
    for allocation in payment.allocations.filter(status=AllocationStatus.SETTLED).order_by("invoice_id"):
        invoice = Invoice.objects.select_for_update().get(pk=allocation.invoice_id)
        part = kept_of(allocation, payment.currency)
        if part > still_takes(invoice):
            raise Refused(
                _("%(number)s does not need the money any more. Give it back instead.") % {"number": invoice.number},
                "not_owed",
            )
        if part:
            settle_invoice(invoice, part, reference=reference, on=day)
        invoices.append(invoice)
    if payment.kept > refunded_of_balance(payment):
        raise Refused(_("A part of it was kept as a balance. Give it back instead."), "not_owed")
    close_settled(invoices)
    _park(payment, "")
    move(payment, PaymentStatus.SUCCEEDED, decline_reason="")
    if payment.refunds.filter(status=RefundStatus.GIVEN_BACK).exists():
        move(payment, PaymentStatus.PARTIALLY_REFUNDED)
    return payment


def next_receipt_number() -> str:
    """A number of the series of receipts. It is the last lock of the transaction, as with every series."""
    return next_receipt_numbers(1)[0]


def next_receipt_numbers(count: int) -> list[str]:
    """So many numbers in a row, as `next_receipt_number`."""
    NumberSeries.objects.get_or_create(kind="receipt", defaults={"prefix": "R"})
    series = NumberSeries.objects.select_for_update().get(kind="receipt")
    numbers = []
    for _number in range(count):
        numbers.append(str(series))
        series.next_number += 1
    series.save(update_fields=["next_number"])
    return numbers


def _advance(payment: Payment, result: ChargeResult, at: datetime) -> None:
    match result.outcome:
        case ChargeOutcome.SUCCEEDED if result.amount != payment.amount:
            _park(payment, ParkedReason.AMOUNT_DIFFERS)
            _leave_open(payment, PaymentStatus.UNKNOWN, at, gateway_reference=result.reference)
        case ChargeOutcome.SUCCEEDED:
            _succeed(payment, result, at)
        case ChargeOutcome.RETURNED if result.amount == payment.amount:
            # We hear of the money and of its return at once.
            _succeed(payment, result, at)
            _take_back(payment, result, at)
        case ChargeOutcome.RETURNED:
            _park(payment, ParkedReason.AMOUNT_DIFFERS)
            _leave_open(payment, PaymentStatus.UNKNOWN, at, gateway_reference=result.reference)
        case ChargeOutcome.FAILED:
            _fail(payment, result.decline or DeclineReason.DECLINED_BY_BANK, at, result.reference)
        case ChargeOutcome.CANCELLED:
            _release(payment)
            _end(payment, PaymentStatus.CANCELLED, gateway_reference=result.reference)
        case ChargeOutcome.NEVER_RECEIVED if at - payment.created_at >= ARRIVES_WITHIN:
            _fail(payment, DeclineReason.NEVER_RECEIVED, at)
        case ChargeOutcome.NEVER_RECEIVED:
            pass  # It may still be on its way; the look-up that is planned will tell.
        case ChargeOutcome.REQUIRES_ACTION:
            _leave_open(
                payment,
                PaymentStatus.REQUIRES_ACTION,
                at,
                gateway_reference=result.reference,
                action_url=result.action_url,
            )
        case ChargeOutcome.PROCESSING:
            _leave_open(payment, PaymentStatus.PROCESSING, at, gateway_reference=result.reference)


def _succeed(payment: Payment, result: ChargeResult, at: datetime) -> None:
    day, reference = timezone.localdate(at), f"payment:{payment.code}"
    held, booked = _held(payment), Money.zero(payment.currency)
    for allocation, invoice in held:
        # It may have been credited meanwhile: what it does not need is the customer's all the same.
        part = min(Money(allocation.amount_minor, payment.currency), still_takes(invoice))
        if part:
            settle_invoice(invoice, part, reference=reference, on=day)
            move(allocation, AllocationStatus.SETTLED, amount_minor=part.minor)
        else:
            move(allocation, AllocationStatus.RELEASED)
        booked += part
    keep_rest(payment, payment.amount - booked, on=day)
    close_settled([invoice for _allocation, invoice in held])
    _mark_method(payment, MethodStatus.ACTIVE)
    if payment.method is not None:
        count_collection(payment.method, day)
    if payment.parked_reason == ParkedReason.AMOUNT_DIFFERS:
        _write(payment, parked_reason="")
    _end(
        payment,
        PaymentStatus.SUCCEEDED,
        gateway_reference=result.reference,
        settled_at=at,
        receipt_number=next_receipt_number(),
    )
    ask_for_receipt(payment)


def _take_back(payment: Payment, result: ChargeResult, at: datetime) -> None:
    """The bank took the money back: what was paid with it is owed again."""
    reference = _numbered(f"returned:{payment.code}", payment)
    day, reason = timezone.localdate(at), result.decline or DeclineReason.DECLINED_BY_BANK
    settled = payment.allocations.filter(status=AllocationStatus.SETTLED).select_related("invoice__profile__account")
    for allocation in settled.order_by("invoice_id"):
        part = kept_of(allocation, payment.currency)
        if not part:
            continue
        reopen_invoice(allocation.invoice, part, reference=reference, on=day)
        pace = Pace.CHARGED_BACK if payment.family == Family.CARD else Pace.NORMAL
        reopen_case(allocation.invoice, pace, on=day)
    gone = refunded_of_balance(payment)
    take_from_balance(payment, payment.kept - gone, kind=CreditMove.CANCELLED, reference=reference, on=day)
    if explain(reason).is_about_card:
        _mark_method(payment, MethodStatus.DECLINED, last_decline_reason=reason, last_declined_at=at)
    move(payment, PaymentStatus.CHARGED_BACK, decline_reason=reason)
    tell_returned(payment)


def _numbered(reference: str, payment: Payment) -> str:
    """The cause of a posting, told apart from the one before it where the payment was won back already."""
    won = payment.decisions.filter(decision=Decision.PAID, status_before=PaymentStatus.CHARGED_BACK).count()
    return f"{reference}:{won}" if won else reference


def _fail(payment: Payment, reason: DeclineReason, at: datetime, reference: str = "") -> None:
    _release(payment)
    if explain(reason).is_about_card:
        _mark_method(payment, MethodStatus.DECLINED, last_decline_reason=reason, last_declined_at=at)
    _end(payment, PaymentStatus.FAILED, decline_reason=reason, gateway_reference=reference or payment.gateway_reference)
    tell_declined(payment)


def _release(payment: Payment) -> None:
    for allocation, _invoice in _held(payment):
        move(allocation, AllocationStatus.RELEASED)


def _end(payment: Payment, status: PaymentStatus, **fields: object) -> None:
    move(payment, status, next_lookup_at=None, action_url="", **fields)


def _leave_open(payment: Payment, status: PaymentStatus, at: datetime, **fields: object) -> None:
    """Still open. A change of status starts the schedule anew; the same again goes one step further."""
    if payment.parked_reason:
        lookups, asks_at = payment.lookups, None
    elif payment.status != status:
        lookups, asks_at = 0, at + LOOKUP_AFTER[0]
    elif payment.next_lookup_at is None or payment.next_lookup_at > at:
        lookups, asks_at = payment.lookups, payment.next_lookup_at
    else:
        lookups = payment.lookups + 1
        asks_at = at + LOOKUP_AFTER[lookups] if lookups < len(LOOKUP_AFTER) else None
    fields |= {"lookups": lookups, "next_lookup_at": asks_at}
    if payment.status != status:
        move(payment, status, **fields)
    else:
        _write(payment, **fields)


def _was_decided(payment: Payment) -> bool:
    """Whether a person saw to the money already: it is not parked for the same again. Who decided that none came
    has to hear when it did."""
    return payment.decisions.filter(decision__in=[Decision.GIVE_BACK, Decision.NOTHING_TO_DO]).exists()


def _park(payment: Payment, reason: ParkedReason | str) -> None:
    _write(payment, parked_reason=reason)


def _write(payment: Payment, **fields: object) -> None:
    Payment.objects.filter(pk=payment.pk).update(**fields)
    for name, value in fields.items():
        setattr(payment, name, value)


def _mark_method(payment: Payment, status: MethodStatus, **fields: object) -> None:
    if payment.method_id is None:
        return
    method = PaymentMethod.objects.select_for_update().get(pk=payment.method_id)
    if method.is_kept and method.status != status:
        move(method, status, **fields)
    elif method.is_kept and fields:
        PaymentMethod.objects.filter(pk=method.pk).update(**fields)


def _locked(payment: Payment) -> Payment:
    rows = Payment.objects.select_for_update(of=("self",)).select_related("account", "profile__account", "user")
    return rows.get(pk=payment.pk)


def _held(payment: Payment) -> list[tuple[Allocation, Invoice]]:
    """What the attempt holds, its invoices locked in the order in which everybody locks them."""
    held = {row.invoice_id: row for row in payment.allocations.filter(status=AllocationStatus.HELD)}
    invoices = Invoice.objects.select_for_update().filter(pk__in=held).order_by("pk")
    return [(held[invoice.pk], invoice) for invoice in invoices]
