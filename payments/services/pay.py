"""Paying invoices: the intent first, then the gateway, then the outcome (PR3, M4).

Nothing is asked of the gateway before the attempt and its key are committed, and no transaction is open
while it answers (I34). While the outcome of an attempt is not certain, its invoices take no other (I12).
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from core.errors import Refused
from core.history import acting
from core.money import Money
from core.policy import Action, demand
from core.templatetags.ui import clock
from invoices.models import Invoice
from payments.approval_rules import needs_approval
from payments.gateways.base import (
    ChargeOutcome,
    ChargeRequest,
    ChargeResult,
    DeclineReason,
    GatewayUnavailable,
    MethodKind,
)
from payments.gateways.breaker import GatewayResting, rest_of
from payments.gateways.registry import gateway_named
from payments.limits import demand_within
from payments.models import Allocation, DebitNotice, Family, Initiator, Mandate, PayLink, Payment, PaymentMethod
from payments.services.customers import customer_of
from payments.services.methods import is_offered, lock_method
from payments.services.pay_links import result_path_of
from payments.services.settle import LOOKUP_AFTER, look_up, record_outcome, record_silence, what_to_find

# T31: cards are not tried out here. Counted over the account, within an hour.
DECLINES_AT_MOST = 10
DECLINES_WITHIN = timedelta(hours=1)


def pay_invoices(
    invoices: Sequence[Invoice],
    *,
    method: PaymentMethod,
    by: User | None,
    request_key: str,
    amounts: Mapping[int, Money] | None = None,
    initiated_by: Initiator = Initiator.USER,
    at: datetime | None = None,
) -> Payment:
    """Pay these invoices of one billing profile with one method; returns the attempt, whatever became of it.

    `amounts` maps the id of an invoice to a part of what it owes; without it all is paid. `request_key` is
    the form's own: the same form sent again, by the same person and for the same, gives the first attempt
    back (I16, T59). `by` is None for what the portal collects by itself; a direct debit of that kind has to
    have been announced (I19), while a person who pays by it sees amount and day before.

    Refuses, and asks the gateway nothing: `not_payable`, `pays_too_much`, `under_way` (an attempt whose
    outcome is open), `method_gone`, `expired`, `mandate_ended`, `not_announced`, `not_offered`,
    `too_many_declines`, `request_changed`, `gateway_rests`, `over_limit`, `needs_approval` (an owner approves
    what others pay above the limit of the profile; what is collected automatically is exempt).
    """
    if by is None and initiated_by == Initiator.USER:
        raise ValueError("a person pays, or nobody does")
    return _pay(invoices, method, by, request_key, amounts or {}, initiated_by, at or timezone.now())


def pay_once(
    invoices: Sequence[Invoice],
    *,
    by: User,
    request_key: str,
    amounts: Mapping[int, Money] | None = None,
    at: datetime | None = None,
) -> Payment:
    """Pay these invoices once by iDEAL, on the bank's page, and keep nothing to be charged again (§3.4).

    Returns the attempt; it waits for the person at its `action_url`. Otherwise as `pay_invoices`; refuses
    `only_euro` too.
    """
    if any(invoice.currency != "EUR" for invoice in invoices):
        raise Refused(_("iDEAL pays euros only. Choose another payment method."), "only_euro")
    return _pay(invoices, None, by, request_key, amounts or {}, Initiator.USER, at or timezone.now())


def pay_by_link(link: PayLink, *, amount: Money, request_key: str, at: datetime | None = None) -> Payment:
    """Pay the invoice of a link once, on the gateway's page, by whoever holds the link (P18). Nothing is kept.

    Otherwise as `pay_once`; refuses `link_ended` too.
    """
    at = at or timezone.now()
    if not link.works_at(at):
        raise Refused(_("This link has expired or was revoked. Sign in, or ask for a new mail."), "link_ended")
    if link.invoice.currency != "EUR":
        raise Refused(_("iDEAL pays euros only. Choose another payment method."), "only_euro")
    key, amounts = f"link-{link.pk}-{request_key}"[:64], {link.invoice_id: amount}
    return _pay([link.invoice], None, None, key, amounts, Initiator.LINK, at, return_path=result_path_of(link))


def _pay(
    invoices: Sequence[Invoice],
    method: PaymentMethod | None,
    by: User | None,
    request_key: str,
    amounts: Mapping[int, Money],
    initiated_by: Initiator,
    at: datetime,
    return_path: str = "",
) -> Payment:
    parts = _parts(invoices, amounts)
    digest = _digest(parts, amounts, method, by)
    if (earlier := _earlier(request_key, digest)) is not None:
        return earlier
    _check_answers(method.gateway if method else settings.PAYMENT_GATEWAY)
    for attempt in attempts_holding([invoice for invoice, _part in parts]):
        look_up(attempt, at=at)
    try:
        payment, is_new = _write_intent(parts, method, by, request_key, digest, initiated_by, at)
    except IntegrityError:
        # The same form came twice at once: the other request wrote the attempt. A breach of another
        # rule is not ours to explain.
        earlier = _earlier(request_key, digest)
        if earlier is None:
            raise
        return earlier
    return _ask_gateway(payment, at, return_path) if is_new else payment


def attempts_holding(invoices: Sequence[Invoice]) -> QuerySet[Payment]:
    """The attempts whose outcome is open and that hold one of these invoices."""
    return Payment.objects.open().filter(allocations__invoice__in=invoices).distinct()


def cancel_payment(payment: Payment, *, by: User, at: datetime | None = None) -> Payment:
    """Give up an attempt that waits for the bank's check. It may have succeeded meanwhile: the gateway says."""
    at = at or timezone.now()
    demand(by, Action.INVOICE_PAY, payment)
    if not payment.is_open:
        return payment
    gateway = gateway_named(payment.gateway)
    try:
        result = gateway.cancel_charge(**what_to_find(payment))
    except GatewayUnavailable:
        return record_silence(payment, at=at)
    return record_outcome(payment, result, at=at)


def _parts(invoices: Sequence[Invoice], amounts: Mapping[int, Money]) -> list[tuple[Invoice, Money]]:
    if not invoices or len({(invoice.profile_id, invoice.currency) for invoice in invoices}) != 1:
        raise ValueError("a payment is of one or more invoices of one billing profile")
    return sorted(
        ((invoice, amounts.get(invoice.pk, invoice.amount_asked)) for invoice in invoices), key=lambda part: part[0].pk
    )


def _write_intent(
    parts: Sequence[tuple[Invoice, Money]],
    method: PaymentMethod | None,
    by: User | None,
    request_key: str,
    digest: str,
    initiated_by: Initiator,
    at: datetime,
) -> tuple[Payment, bool]:
    """The attempt, committed with its key and what it holds; False where the same form had made it already."""
    with transaction.atomic(durable=True), acting(by, "invoice.pay"):
        for invoice, _part in parts:
            if by is not None:
                demand(by, Action.INVOICE_PAY, invoice)
        locked = Invoice.objects.select_for_update(of=("self",)).select_related("profile", "account")
        stored = {invoice.pk: invoice for invoice in locked.filter(pk__in=[i.pk for i, _p in parts]).order_by("pk")}
        if (earlier := _earlier(request_key, digest)) is not None:
            return earlier, False
        for invoice, part in parts:
            check_payable(stored[invoice.pk], part)
        profile = stored[parts[0][0].pk].profile
        if initiated_by != Initiator.AUTOMATIC and needs_approval(
            by, profile, [(stored[invoice.pk], part) for invoice, part in parts]
        ):
            raise Refused(
                _("An owner of this billing profile approves payments of this size. Sign in and ask for approval."),
                "needs_approval",
            )
        if method is not None:
            method = lock_method(method)
            check_method(method, stored[parts[0][0].pk], at)
            if method.family == Family.DIRECT_DEBIT:
                _check_mandate(method, parts, initiated_by, at)
        amount = Money.total((part for _invoice, part in parts), parts[0][1].currency)
        demand_within(method.family if method else Family.WALLET, amount)
        _check_declines(profile.account, at)
        payment = Payment.objects.create(
            account_id=profile.account_id,
            profile=profile,
            method=method,
            family=method.family if method else Family.WALLET,
            method_text=method.short_name if method else "iDEAL",
            gateway=method.gateway if method else settings.PAYMENT_GATEWAY,
            amount_minor=amount.minor,
            currency=amount.currency,
            idempotency_key=uuid.uuid4().hex,
            request_key=request_key,
            request_hash=digest,
            initiated_by=initiated_by,
            user=by,
            created_at=at,
            next_lookup_at=at + LOOKUP_AFTER[0],
        )
        for invoice, part in parts:
            Allocation.objects.create(payment=payment, invoice=invoice, amount_minor=part.minor)
    return payment, True


def _ask_gateway(payment: Payment, at: datetime, return_path: str = "") -> Payment:
    gateway, method = gateway_named(payment.gateway), payment.method
    try:
        request = ChargeRequest(
            key=payment.idempotency_key,
            token=method.token if method else "",
            customer=customer_of(payment.account, gateway),
            amount=payment.amount,
            description=", ".join(payment.allocations.values_list("invoice__number", flat=True)),  # type: ignore[arg-type]
            return_url=settings.BASE_URL + (return_path or reverse("payment_return", args=[payment.code])),
            kind=MethodKind(method.family) if method else MethodKind.CARD,
            off_session=payment.initiated_by == Initiator.AUTOMATIC,
        )
        result = gateway.charge(request) if method else gateway.open_payment(request)
    except GatewayResting:
        # Others were refused a moment earlier; of this attempt nothing has left the portal.
        result = ChargeResult(
            ChargeOutcome.FAILED, payment.idempotency_key, decline=DeclineReason.GATEWAY_TROUBLE, amount=payment.amount
        )
    except GatewayUnavailable:
        return record_silence(payment, at=at)
    return record_outcome(payment, result, at=at)


def _earlier(request_key: str, digest: str) -> Payment | None:
    payment = Payment.objects.filter(request_key=request_key).first()
    if payment is not None and payment.request_hash != digest:
        raise Refused(
            _("This form was used for another payment. Open the invoice again and pay from there."), "request_changed"
        )
    return payment


def _check_answers(gateway: str) -> None:
    until = rest_of(gateway)
    if until is not None:
        raise Refused(
            _(
                "The payment provider does not answer at the moment. Nothing was asked of it and nothing was taken. "
                "Try again after %(time)s, or transfer the amount as the invoice says."
            )
            % {"time": clock(until)},
            "gateway_rests",
        )


def check_payable(invoice: Invoice, part: Money) -> None:
    """Refuses `not_payable`, `under_way` and `pays_too_much`."""
    if invoice.status == "paid":
        raise Refused(_("%(number)s is paid already.") % {"number": invoice.number}, "not_payable")
    if invoice.status != "due" or invoice.kind != "invoice":
        raise Refused(_("%(number)s asks for no money.") % {"number": invoice.number}, "not_payable")
    if Allocation.objects.holding([invoice]).exists():
        raise Refused(
            _(
                "A payment of %(number)s is under way and its outcome is not known yet. "
                "We ask the payment provider; until then it cannot be paid again, so that nothing is paid twice."
            )
            % {"number": invoice.number},
            "under_way",
        )
    if not Money.zero(invoice.currency) < part <= invoice.amount_asked:
        raise Refused(
            _("Less is owed on %(number)s by now. Look at the amount and pay again.") % {"number": invoice.number},
            "pays_too_much",
        )


def check_method(method: PaymentMethod, invoice: Invoice, at: datetime) -> None:
    """Refuses `not_offered`, `by_transfer`, `expired` and `mandate_ended`."""
    if not is_offered(method, invoice.profile):
        raise Refused(_("This payment method belongs to another billing profile."), "not_offered")
    if method.is_transfer:
        raise Refused(_("A bank transfer is sent from your bank: the invoice says how."), "by_transfer")
    if method.is_expired(timezone.localdate(at)):
        if method.family == Family.DIRECT_DEBIT:
            raise mandate_ended(method)
        raise Refused(_("%(method)s has expired. Choose another card, or add one.") % {"method": method}, "expired")


def _check_mandate(
    method: PaymentMethod, parts: Sequence[tuple[Invoice, Money]], initiated_by: Initiator, at: datetime
) -> None:
    mandate = Mandate.objects.active().filter(method=method).first()
    if mandate is None:
        raise mandate_ended(method)
    if initiated_by == Initiator.USER:
        return
    notices = DebitNotice.objects.to_collect(timezone.localdate(at)).filter(mandate=mandate)
    said = {notice.invoice_id: notice.amount_minor for notice in notices.filter(invoice__in=[i for i, _p in parts])}
    if any(part.minor > said.get(invoice.pk, 0) for invoice, part in parts):
        raise Refused(_("This direct debit was not announced in time."), "not_announced")


def mandate_ended(method: PaymentMethod) -> Refused:
    return Refused(_("The mandate of %(method)s has ended. Sign a new one.") % {"method": method}, "mandate_ended")


def _check_declines(account: BillingAccount, at: datetime) -> None:
    recent = Payment.objects.failed().filter(account=account, created_at__gt=at - DECLINES_WITHIN)
    if recent.count() >= DECLINES_AT_MOST:
        raise Refused(_("Too many payments were declined. Wait an hour, or pay by bank transfer."), "too_many_declines")


def _digest(
    parts: Sequence[tuple[Invoice, Money]], amounts: Mapping[int, Money], method: PaymentMethod | None, by: User | None
) -> str:
    # "All that is owed" stays the same request when the first one has paid it meanwhile.
    asked = [[invoice.pk, amounts[invoice.pk].minor if invoice.pk in amounts else "all"] for invoice, _part in parts]
    return hashlib.sha256(json.dumps([by and by.pk, method and method.pk, asked]).encode()).hexdigest()
