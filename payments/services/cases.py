"""Cases of collecting: where each stands, when it goes on, how it ends and begins again (§3.9)."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.utils import timezone

from core.states import move, move_all
from invoices.models import Invoice
from payments.models import CollectionCase, Pace, ProfileMethods, Standing
from payments.schedule import HOUR, Schedule, Way, next_step, schedule_of
from payments.services.standing import follow_standing, follow_standings
from payments.states import CaseStatus
from profiles.models import BillingProfile


def close_settled(invoices: Iterable[Invoice]) -> None:
    """End the cases of invoices on which nothing is owed any more, and bring subscriptions back (P20).

    In the transaction that booked the money, in a few statements whatever their number. Twice is once.
    """
    profiles = {invoice.pk: invoice.profile_id for invoice in invoices}
    settled = CollectionCase.objects.settled().filter(invoice__among=profiles)
    cases = list(settled.select_for_update(of=("self",)).only("invoice_id", "status").order_by("pk"))
    move_all(cases, CaseStatus.CLOSED, are_locked=True, next_at=None, closed_at=timezone.now())
    if cases:
        follow_standings({profiles[case.invoice_id] for case in cases})


def end_case(case: CollectionCase) -> None:
    """Nothing is owed any more."""
    move(case, CaseStatus.CLOSED, next_at=None, closed_at=timezone.now())


def reopen_case(invoice: Invoice, pace: Pace, *, on: date, standing: bool = True) -> CollectionCase:
    """Money was taken back, so the invoice is owed again: its case counts from today. In the caller's transaction.

    Where a card holder had the bank take it back the pace is `charged_back`; a returned debit goes by the calendar.
    Without `standing` the subscriptions stay as they are until a step says otherwise.
    """
    case = CollectionCase.objects.open().filter(invoice=invoice).first()
    values = {
        "pace": pace,
        "standing": Standing.PAST_DUE if standing else Standing.FINE,
        "day_zero": on,
        "last_day": None if pace != Pace.NORMAL else 0,
        "next_at": morning(invoice.profile, on),
    }
    if case is None:
        case = CollectionCase.objects.create(invoice=invoice, **values)
    else:
        write(case, **values)
    plan_next(case, invoice.profile)
    follow_standing(invoice.profile)
    return case


def stand(case: CollectionCase, standing: Standing) -> None:
    """The case has come so far; it never goes back before it is paid."""
    order: Sequence[str] = Standing.values
    if order.index(standing) > order.index(case.standing):
        write(case, standing=standing)
    follow_standing(case.invoice.profile)


def plan_next(case: CollectionCase, profile: BillingProfile) -> None:
    step = next_step(schedule_for(case, profile), case.last_day)
    write(case, next_at=morning(profile, case.day_of(step.day)) if step else None)


def schedule_for(case: CollectionCase, profile: BillingProfile) -> Schedule:
    return schedule_of(profile.account.agreement, way_of(profile), case.pace)


def way_of(profile: BillingProfile) -> Way:
    """Who moves the money of the profile: we, where it has a method that can be asked and nobody switched it off."""
    chosen = ProfileMethods.objects.filter(profile=profile).select_related("default").first()
    if chosen is None or chosen.default is None or not chosen.charges_automatically:
        return Way.TRANSFER
    return Way.TRANSFER if chosen.default.is_transfer or not chosen.default.is_kept else Way.CHARGE


def morning(profile: BillingProfile, day: date) -> datetime:
    """When a step of that day is taken: in the morning where the profile is."""
    return datetime.combine(day, time(HOUR), ZoneInfo(profile.time_zone))


def write(case: CollectionCase, **fields: object) -> None:
    CollectionCase.objects.filter(pk=case.pk).update(**fields)
    for name, value in fields.items():
        setattr(case, name, value)
