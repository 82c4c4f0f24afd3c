"""Collecting what is owed by the schedule: charge, remind, disable, delete, each step once (§3.9).

A step is a row before it has an effect. What it does inside the database (mail into the outbox, statuses) is
committed with it; a charge is asked for outside, under a key that follows from the row, so that a second go finds
the first attempt. A step that comes late moves those that follow by as many days.
"""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand
from core.templatetags.ui import day as day_words
from invoices.models import Invoice
from invoices.states import InvoiceStatus
from payments.collecting_mail import tell_step
from payments.declines import explain
from payments.gateways.base import DeclineReason
from payments.models import (
    CollectionCase,
    CollectionStep,
    DebitNotice,
    Family,
    Initiator,
    Pace,
    Payment,
    PaymentMethod,
    ProfileMethods,
    Standing,
    StepOutcome,
)
from payments.schedule import PROMISE_DAYS, Act, Step, Way, day_of, next_step, schedule_of
from payments.services.cases import close_settled, end_case, morning, plan_next, schedule_for, stand, write
from payments.services.overpaid import use_balance_first
from payments.services.pay import pay_invoices
from payments.services.standing import follow_standing
from payments.states import OPEN_PAYMENT, MethodStatus, PaymentStatus

CHUNK = 1000
# While the bank works on a payment, nothing else is done about its invoice.
LOOK_AGAIN = timedelta(hours=1)
# Refusals that say nothing of the method: the step is taken in another hour.
_LATER = {"gateway_rests", "too_many_declines"}
# Declines that are not the customer's doing: tried again, but nothing is past due for them.
_OUR_TROUBLE = {DeclineReason.GATEWAY_TROUBLE, DeclineReason.NEVER_RECEIVED}
_STANDINGS = {Act.DISABLE: Standing.DISABLED, Act.DELETE: Standing.DELETED}


# --- Opening ------------------------------------------------------------------------------------


def open_cases(*, at: datetime) -> int:
    """A case for each open invoice whose first step has come; returns how many. Safe to repeat.

    One that is past due already begins with its first step of today: nobody is disabled for what the portal did
    not say in time.
    """
    on = timezone.localdate(at)
    first = min(step.day for step in schedule_of("customer_agreement", Way.CHARGE, Pace.NORMAL))
    known = CollectionCase.objects.open().filter(invoice=OuterRef("pk"))
    invoices = Invoice.objects.open().filter(due_date__lte=on - timedelta(days=first)).exclude(Exists(known))
    invoices = invoices.exclude(account__status="closed")
    number = 0
    while chunk := list(invoices.select_related("profile").order_by("pk")[:CHUNK]):
        CollectionCase.objects.bulk_create([_new_case(invoice, on) for invoice in chunk], ignore_conflicts=True)
        number += len(chunk)
    return number


def _new_case(invoice: Invoice, on: date) -> CollectionCase:
    due = invoice.due_date or on
    is_late = due < on
    zero = on if is_late else due
    case = CollectionCase(invoice=invoice, day_zero=zero, last_day=-1 if is_late else None)
    case.next_at = morning(invoice.profile, on if is_late else zero - timedelta(days=7))
    return case


# --- Going on -----------------------------------------------------------------------------------


def go_on(case: CollectionCase, *, at: datetime) -> None:
    """Take the step of a case that has come, or find that it has to wait. Safe to run twice."""
    begun = _begin(case, at=at)
    if begun is None:
        return
    step, row = begun
    if step.act == Act.CHARGE:
        _charge(row, at)


def _begin(case: CollectionCase, *, at: datetime) -> tuple[Step, CollectionStep] | None:
    """The step that is due, written down; done already where it is not a charge."""
    with transaction.atomic(), acting(None, "case.step"):
        case = _locked(case.pk)
        invoice, on = case.invoice, timezone.localdate(at)
        if not case.is_open or case.next_at is None or case.next_at > at:
            return None
        if invoice.status in (InvoiceStatus.PAID, InvoiceStatus.VOID):
            end_case(case)
            follow_standing(invoice.profile)
            return None
        if invoice.status != InvoiceStatus.DUE:
            # Disputed: left alone, and its days stand still (each late step moves the rest).
            write(case, next_at=morning(invoice.profile, on + timedelta(days=1)))
            follow_standing(invoice.profile)
            return None
        if case.promised_on is not None and case.is_promised(on):
            write(case, next_at=morning(invoice.profile, case.promised_on + timedelta(days=1)))
            return None
        if Payment.objects.filter(allocations__invoice=invoice, status__in=OPEN_PAYMENT).exists():
            write(case, next_at=at + LOOK_AGAIN)
            return None
        step = _next_step(case, on)
        if step is None:
            write(case, next_at=None)
            return None
        if step.day >= 0:
            use_balance_first(invoice, on=on)
            if not invoice.amount_asked:
                write(case, next_at=at)  # paid, or only what is disputed is left: looked at anew
                close_settled([invoice])
                return None
        if step.day >= 0 and (late := (on - case.day_of(step.day)).days) > 0:
            write(case, day_zero=case.day_zero + timedelta(days=late))
        row = CollectionStep.objects.get_or_create(
            case=case, pace=case.pace, day=step.day, defaults={"act": step.act, "begun_at": at}
        )[0]
        if step.act == Act.CHARGE and row.done_at is None:
            return step, row
        if row.done_at is None:
            _act(case, step)
            _write_step(row, StepOutcome.DONE, at)
        _done(case, step)
        return None


def _next_step(case: CollectionCase, on: date) -> Step | None:
    """The step to take; nothing is announced any more on the day itself."""
    schedule = schedule_for(case, case.invoice.profile)
    step = next_step(schedule, case.last_day)
    while step is not None and step.act == Act.ANNOUNCE and on >= case.day_zero:
        step = next_step(schedule, step.day)
    return step


def _act(case: CollectionCase, step: Step) -> None:
    """What a step does apart from charging: mail, and what it means for the subscriptions."""
    if step.act in _STANDINGS:
        stand(case, _STANDINGS[step.act])
    elif step.day > 0 or case.pace != Pace.NORMAL:
        stand(case, Standing.PAST_DUE)
    schedule = schedule_for(case, case.invoice.profile)
    tell_step(case, step.act, disable_day=day_of(schedule, Act.DISABLE), delete_day=day_of(schedule, Act.DELETE))


def _charge(row: CollectionStep, at: datetime) -> None:
    """Ask the default method, then the backup. No transaction is open while a gateway answers (I34)."""
    case = CollectionCase.objects.select_related("invoice__profile__account").get(pk=row.case_id)
    on, outcome = timezone.localdate(at), StepOutcome.NOTHING_TO_CHARGE
    reasons: set[str] = set()
    if _awaits_debit(case.invoice, on):
        return _charged(row, StepOutcome.WAITS, reasons, at)
    chosen = ProfileMethods.objects.filter(profile=case.invoice.profile_id).select_related("default", "backup").first()
    for method in chargeable(chosen, case.invoice, on=on):
        try:
            payment = pay_invoices(
                [case.invoice],
                method=method,
                by=None,
                request_key=f"step-{row.pk}-{method.pk}",
                initiated_by=Initiator.AUTOMATIC,
                at=at,
            )
        except Refused as refusal:
            if refusal.code in {"under_way", "not_payable", "pays_too_much"}:
                outcome = StepOutcome.WAITS
                break
            if refusal.code in _LATER:
                write(case, next_at=at + LOOK_AGAIN)
                return None
            continue  # this method cannot be asked; the next one may
        if payment.status != PaymentStatus.FAILED:
            outcome = StepOutcome.DONE if payment.is_settled else StepOutcome.WAITS
            break
        outcome = StepOutcome.FAILED
        reasons.add(payment.decline_reason)
    return _charged(row, outcome, reasons, at)


def _charged(row: CollectionStep, outcome: StepOutcome, reasons: set[str], at: datetime) -> None:
    with transaction.atomic(), acting(None, "case.charged"):
        case = _locked(row.case_id)
        _write_step(row, outcome, at)
        if not case.is_open:
            return  # paid: the money closed it
        step = Step(row.day, Act(row.act))
        if outcome == StepOutcome.NOTHING_TO_CHARGE or reasons - _OUR_TROUBLE:
            stand(case, Standing.PAST_DUE)
        if outcome == StepOutcome.NOTHING_TO_CHARGE:
            _act(case, Step(row.day, Act.REMIND))
        if reasons and all(explain(reason).is_hard for reason in reasons):
            write(case, pace=Pace.ACCELERATED, day_zero=timezone.localdate(at), last_day=None)
            write(case, next_at=at)
            return
        _done(case, step)


def chargeable(chosen: ProfileMethods | None, invoice: Invoice, *, on: date) -> list[PaymentMethod]:
    """What may be charged for it without anybody asking, in order: the default, then the backup. One statement for each
    card among them.

    Not a direct debit, which is collected on the day that was announced (I19); not what expired; and not what was
    refused for good, or wants its holder, until somebody pays with it, mends or replaces it.
    """
    if chosen is None or not chosen.charges_automatically:
        return []
    cards = [method for method in (chosen.default, chosen.backup) if method and method.family == Family.CARD]
    usable = [method for method in cards if method.is_kept and not method.is_expired(on)]
    return [method for method in usable if not _is_refused(method, invoice)]


def _is_refused(method: PaymentMethod, invoice: Invoice) -> bool:
    if method.status == MethodStatus.DECLINED and explain(method.last_decline_reason).is_hard:
        return True
    failed = Payment.objects.filter(method=method, allocations__invoice=invoice, status=PaymentStatus.FAILED)
    latest = failed.order_by("-pk").first()
    return latest is not None and explain(latest.decline_reason).asks_person


# --- Promises -----------------------------------------------------------------------------------


def promise_to_pay(invoice: Invoice, *, until: date, by: User, at: datetime) -> CollectionCase:
    """Somebody who may pay says by when: until then nothing is charged or asked for. Once per case.

    Refuses `not_payable`, `too_late` for a day beyond two weeks or before today, `promised_before`.
    """
    demand(by, Action.INVOICE_PAY, invoice)
    on = timezone.localdate(at)
    last = on + timedelta(days=PROMISE_DAYS)
    if not on <= until <= last:
        raise Refused(
            _("Choose a day from today to %(day)s.") % {"day": day_words(last)},
            "too_late",
        )
    with transaction.atomic(), acting(by, "case.promise"):
        invoice = Invoice.objects.select_for_update(of=("self",)).select_related("profile").get(pk=invoice.pk)
        if invoice.status != InvoiceStatus.DUE or not invoice.is_overdue(on):
            raise Refused(_("%(number)s is not past due.") % {"number": invoice.number}, "not_payable")
        case = CollectionCase.objects.open().select_for_update().filter(invoice=invoice).first()
        if case is None:
            case = _new_case(invoice, on)
            case.save()
        if case.promised_on is not None:
            raise Refused(
                _("A payment of %(number)s was promised before, for %(day)s. Pay it, or write to us.")
                % {"number": invoice.number, "day": day_words(case.promised_on)},
                "promised_before",
            )
        after = morning(invoice.profile, until + timedelta(days=1))
        next_at = max(case.next_at, after) if case.next_at else None
        write(case, promised_on=until, promised_by=by, promised_at=at, next_at=next_at)
    return case


# --- Parts --------------------------------------------------------------------------------------


def _done(case: CollectionCase, step: Step) -> None:
    write(case, last_day=step.day)
    plan_next(case, case.invoice.profile)


def _write_step(row: CollectionStep, outcome: StepOutcome, at: datetime) -> None:
    CollectionStep.objects.filter(pk=row.pk).update(outcome=outcome, done_at=at)


def _awaits_debit(invoice: Invoice, on: date) -> bool:
    """Whether it is collected, or will be, by a direct debit that is announced on its own (I19)."""
    if DebitNotice.objects.filter(invoice=invoice).exclude(status="announced").exists():
        return False
    default = ProfileMethods.objects.filter(profile=invoice.profile_id, default__family=Family.DIRECT_DEBIT)
    return default.filter(default__mandate__status="active", default__valid_until__gte=on).exists()


def _locked(case_id: int) -> CollectionCase:
    """The case as it is stored. Its invoice is locked before it, as where money comes in."""
    Invoice.objects.select_for_update(of=("self",)).get(cases=case_id)
    rows = CollectionCase.objects.select_for_update(of=("self",)).select_related("invoice__profile__account")
    return rows.get(pk=case_id)
