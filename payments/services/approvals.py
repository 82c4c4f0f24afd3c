"""Approve before pay: the limit, preparing, and what an owner decides.

A prepared payment holds nothing. It becomes a payment in two steps: the approval is committed, then it is paid under
a key that follows from it, so that two owners at once, or a worker after a crash, make one attempt. What can be paid
no more by then comes to nothing, and whoever prepared it hears why.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Forbidden, Refused
from core.history import acting
from core.money import Money
from core.policy import Action, demand, holders
from core.states import move
from invoices.models import Invoice
from payments.approval_mail import tell_of_decision, tell_to_approve
from payments.limits import demand_within
from payments.models import ApprovalRule, Family, Payment, PaymentMethod, PreparedPart, PreparedPayment
from payments.services.methods import lock_method
from payments.services.pay import check_method, check_payable, pay_invoices, pay_once
from payments.states import PreparedStatus
from profiles.models import BillingProfile

WAITS_FOR = timedelta(days=14)
SHORTEST_REASON = 5
# What may be different in a moment; everything else ends the prepared payment.
PASSING = {"under_way", "gateway_rests", "too_many_declines"}


def set_approval_limit(profile: BillingProfile, above: Money | None, *, by: User) -> None:
    """Let payments above that amount wait for an owner; None: none does. Refuses `online_services`, where one
    person does everything."""
    demand(by, Action.PROFILE_SET_APPROVAL, profile)
    if not profile.is_shown:
        raise Refused(_("Online services are paid by their administrator alone."), "online_services")
    with transaction.atomic(), acting(by, "approval.limit"):
        if above is None:
            ApprovalRule.objects.filter(profile=profile).delete()
        else:
            values = {"above_minor": above.minor, "currency": above.currency}
            ApprovalRule.objects.update_or_create(profile=profile, defaults=values)


def prepare_payment(
    invoices: Sequence[Invoice],
    *,
    method: PaymentMethod | None,
    by: User,
    amounts: Mapping[int, Money] | None = None,
    at: datetime | None = None,
) -> PreparedPayment:
    """Prepare paying these invoices of one profile (`method` None: by iDEAL), for an owner to approve, and mail them.

    Refuses what paying would refuse of invoices and method, `prepared_before` where one of the invoices waits in
    another, and `nobody_approves` where there is no owner besides.
    """
    at, amounts = at or timezone.now(), amounts or {}
    with transaction.atomic(), acting(by, "approval.prepare"):
        for invoice in invoices:
            demand(by, Action.INVOICE_PAY, invoice)
        locked = Invoice.objects.select_for_update(of=("self",)).select_related("profile__account")
        stored = list(locked.filter(pk__in=[invoice.pk for invoice in invoices]).order_by("pk"))
        if not stored or len({(invoice.profile_id, invoice.currency) for invoice in stored}) != 1:
            raise ValueError("a payment is of one or more invoices of one billing profile")
        parts = [(invoice, amounts.get(invoice.pk, invoice.amount_asked)) for invoice in stored]
        for invoice, part in parts:
            check_payable(invoice, part)
        if PreparedPayment.objects.waiting(at).filter(parts__invoice__in=stored).exists():
            raise Refused(_("This was prepared already and waits for approval."), "prepared_before")
        profile = stored[0].profile
        if method is not None:
            method = lock_method(method)
            check_method(method, stored[0], at)
        amount = Money.total((part for _invoice, part in parts), stored[0].currency)
        demand_within(method.family if method else Family.WALLET, amount)
        if not approvers_of(profile, besides=by):
            raise Refused(
                _("Nobody else owns this billing profile who could approve it. Ask an owner to add one, or to pay."),
                "nobody_approves",
            )
        prepared = PreparedPayment.objects.create(
            account=profile.account,
            profile=profile,
            method=method,
            amount_minor=amount.minor,
            currency=amount.currency,
            prepared_by=by,
            prepared_at=at,
            expires_at=at + WAITS_FOR,
        )
        for invoice, part in parts:
            PreparedPart.objects.create(prepared=prepared, invoice=invoice, amount_minor=part.minor)
        tell_to_approve(prepared, approvers_of(profile, besides=by))
    return prepared


def prepared_for(invoices: Sequence[Invoice], *, to: Any) -> PreparedPayment | None:
    """What waits for approval and would pay one of these invoices, as far as this person sees it."""
    rows = PreparedPayment.objects.allowing(to, Action.INVOICE_VIEW).waiting(timezone.now())
    return rows.filter(parts__invoice__in=invoices).order_by("pk").first()


def approve_payment(prepared: PreparedPayment, *, by: User, at: datetime | None = None) -> Payment:
    """Approve it and pay it, as this owner; returns the attempt. Not inside a transaction.

    Refuses `own` preparations, `decided` and `expired` ones, and what paying refuses: what passes leaves it waiting,
    what does not ends it.
    """
    at = at or timezone.now()
    with transaction.atomic(durable=True), acting(by, "approval.approve"):
        row = _locked(prepared)
        demand(by, Action.INVOICE_APPROVE_PAYMENT, row)
        is_mine = row.status == PreparedStatus.APPROVED and row.decided_by_id == by.pk
        if not is_mine:
            _check_open(row, at)
            if row.prepared_by_id == by.pk:
                raise Refused(_("Somebody else has to approve: you prepared it."), "own")
            move(row, PreparedStatus.APPROVED, decided_by=by, decided_at=at)
    return carry_out(row, at=at)


def carry_out(row: PreparedPayment, *, at: datetime) -> Payment:
    """Pay what was approved, once. Refuses what paying refuses, after it wrote that down."""
    row = PreparedPayment.objects.select_related("method", "decided_by", "payment").get(pk=row.pk)
    if row.payment is not None:
        return row.payment
    owner = row.decided_by
    if owner is None or row.status != PreparedStatus.APPROVED:
        raise Refused(_("Nothing was approved here."), "decided")
    parts = list(row.parts.select_related("invoice__profile__account", "prepared"))
    invoices, amounts = [part.invoice for part in parts], {part.invoice_id: part.amount for part in parts}
    key = f"approval-{row.code}"
    try:
        if row.method is None:
            payment = pay_once(invoices, by=owner, request_key=key, amounts=amounts, at=at)
        else:
            payment = pay_invoices(invoices, method=row.method, by=owner, request_key=key, amounts=amounts, at=at)
    except Forbidden:
        _come_to_nothing(row, _("Who approved it may not pay any more."))
        raise
    except Refused as refusal:
        if refusal.code in PASSING:
            _let_wait(row)
        else:
            _come_to_nothing(row, str(refusal))
        raise
    with transaction.atomic(), acting(owner, "approval.paid"):
        if PreparedPayment.objects.filter(pk=row.pk, payment=None).update(payment=payment):
            tell_of_decision(row)
    return payment


def refuse_payment(prepared: PreparedPayment, *, reason: str, by: User, at: datetime | None = None) -> None:
    """An owner does not approve, and says why. Refuses `reason_missing`, `own`, `decided`, `expired`."""
    at = at or timezone.now()
    if len(reason.strip()) < SHORTEST_REASON:
        raise Refused(_("Say why, so that who prepared it knows what to change."), "reason_missing")
    with transaction.atomic(), acting(by, "approval.refuse"):
        row = _locked(prepared)
        demand(by, Action.INVOICE_APPROVE_PAYMENT, row)
        _check_open(row, at)
        if row.prepared_by_id == by.pk:
            raise Refused(_("You prepared it: withdraw it instead."), "own")
        move(row, PreparedStatus.REFUSED, decided_by=by, decided_at=at, reason=reason.strip()[:500])
        tell_of_decision(row)


def withdraw_payment(prepared: PreparedPayment, *, by: User, at: datetime | None = None) -> None:
    """Who prepared it takes it back. Refuses `not_yours`, `decided`, `expired`."""
    at = at or timezone.now()
    with transaction.atomic(), acting(by, "approval.withdraw"):
        row = _locked(prepared)
        demand(by, Action.INVOICE_PAY, row)
        if row.prepared_by_id != by.pk:
            raise Refused(_("Only who prepared it withdraws it. An owner can refuse it."), "not_yours")
        _check_open(row, at)
        move(row, PreparedStatus.WITHDRAWN, decided_by=by, decided_at=at)


def end_prepared(prepared: PreparedPayment, *, at: datetime) -> None:
    """End what waited too long, or whose invoices were paid or credited in another way. Safe to repeat."""
    with transaction.atomic(), acting(None, "approval.ended"):
        row = _locked(prepared)
        if row.status != PreparedStatus.WAITING:
            return
        if row.expires_at <= at:
            move(row, PreparedStatus.EXPIRED, decided_at=at)
        elif row.parts.exclude(invoice__status__in=["due", "locked"]).exists():
            move(row, PreparedStatus.OVERTAKEN, decided_at=at)
        else:
            return
        tell_of_decision(row)


def approvers_of(profile: BillingProfile, *, besides: User) -> list[User]:
    """Who may approve what this person prepared, each once."""
    people = {held.user_id: held.user for held in holders(Action.INVOICE_APPROVE_PAYMENT, profile)}
    people.pop(besides.pk, None)
    return list(people.values())


def _locked(prepared: PreparedPayment) -> PreparedPayment:
    rows = PreparedPayment.objects.select_for_update(of=("self",))
    return rows.select_related("prepared_by", "profile__account", "method", "decided_by").get(pk=prepared.pk)


def _check_open(row: PreparedPayment, at: datetime) -> None:
    if row.status != PreparedStatus.WAITING:
        raise Refused(_("This was decided already. Look at what became of it."), "decided")
    if row.expires_at <= at:
        raise Refused(_("It waited too long. Have it prepared anew."), "expired")


def _let_wait(row: PreparedPayment) -> None:
    with transaction.atomic(), acting(row.decided_by, "approval.waits_again"):
        stored = _locked(row)
        if stored.status == PreparedStatus.APPROVED and stored.payment_id is None:
            move(stored, PreparedStatus.WAITING, decided_by=None, decided_at=None)


def _come_to_nothing(row: PreparedPayment, why: str) -> None:
    with transaction.atomic(), acting(row.decided_by, "approval.overtaken"):
        stored = _locked(row)
        if stored.status == PreparedStatus.APPROVED and stored.payment_id is None:
            move(stored, PreparedStatus.OVERTAKEN, reason=why[:500])
            tell_of_decision(stored)
