"""Billing by the clock: on the invoice day of each profile, where it is; what was missed first; once (F24, F26)."""

import logging
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from accounts.models import Seller
from accounts.tests.factories import SellerFactory
from core import jobs
from core.errors import Refused
from core.models import JobClaim, JobSlot
from core.periods import Month
from core.states import move
from invoices.models import BillingPeriod, BillingRun, Invoice, NumberSeries, RunRange
from invoices.services import schedule
from invoices.services.holding import hold_profile, release_hold
from invoices.services.run import run_billing
from invoices.services.schedule import resume_run, start_due_runs, start_run, stop_run
from invoices.states import RunStatus
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)
WORK = ["invoices.start_billing", "invoices.bill_ranges"]


@pytest.fixture(autouse=True)
def seller() -> Seller:
    return SellerFactory(time_zone="Europe/Amsterdam")


def customer(invoice_day: int = 5, zone: str = "Europe/Amsterdam", **values: Any) -> BillingProfile:
    made = values.pop("made", datetime(2026, 10, 1, tzinfo=UTC))
    profile = BillingProfileFactory(invoice_day=invoice_day, time_zone=zone, created_at=made, **values)
    SubscriptionFactory(profile=profile, unit_price=Decimal(10), started_on=made.date())
    return profile


def work_at(moment: datetime) -> None:
    """What a worker does at that moment, with all hours that came before it missed."""
    with time_machine.travel(moment, tick=False):
        jobs.tick()
        jobs.run_due(only=WORK)


def hours(first: datetime, last: datetime) -> list[datetime]:
    return [first + timedelta(hours=number) for number in range(int((last - first) / timedelta(hours=1)) + 1)]


def billed(profile: BillingProfile) -> list[tuple[date, date]]:
    rows = Invoice.objects.filter(profile=profile).order_by("period_start")
    return list(rows.values_list("period_start", "issue_date"))


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        # Summer time has ended everywhere by then.
        ("Europe/Amsterdam", "2026-11-04T22:55:00+00:00", "2026-11-04T23:05:00+00:00"),
        ("America/Juneau", "2026-11-05T08:55:00+00:00", "2026-11-05T09:05:00+00:00"),
        ("Asia/Tokyo", "2026-11-04T14:55:00+00:00", "2026-11-04T15:05:00+00:00"),
        ("Asia/Kathmandu", "2026-11-04T18:05:00+00:00", "2026-11-04T19:05:00+00:00"),
    ],
)
def test_I33_a_profile_is_billed_as_its_invoice_day_begins_where_it_is(zone: str, before: str, after: str):
    profile = customer(5, zone)

    work_at(datetime.fromisoformat(before))
    assert billed(profile) == []
    work_at(datetime.fromisoformat(after))

    # The date is the day where the seller is.
    on = datetime.fromisoformat(after).astimezone(ZoneInfo("Europe/Amsterdam")).date()
    assert billed(profile) == [(OCTOBER.first, on)]


def test_I33_a_month_that_is_over_where_the_profile_is_waits_until_it_is_where_the_seller_is():
    profile = customer(1, "Asia/Tokyo")

    work_at(datetime(2026, 10, 31, 15, 5, tzinfo=UTC))
    assert billed(profile) == []
    work_at(datetime(2026, 10, 31, 23, 5, tzinfo=UTC))

    assert billed(profile) == [(OCTOBER.first, date(2026, 11, 1))]


def test_each_is_billed_on_its_day_and_nobody_before():
    days = {customer(day): day for day in (1, 5, 28)}

    for day in range(1, 31):
        work_at(datetime(2026, 11, day, 12, 5, tzinfo=UTC))

    assert {profile: billed(profile) for profile in days} == {
        profile: [(OCTOBER.first, date(2026, 11, day))] for profile, day in days.items()
    }
    # Who had nothing to do left no row.
    assert BillingRun.objects.count() == 3


@pytest.mark.long(sample=2)
@pytest.mark.parametrize("day", [date(2027, 3, 14), date(2027, 3, 28), date(2027, 10, 31), date(2027, 11, 7)])
@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/Juneau"])
def test_F24_a_day_with_an_hour_too_few_or_too_many_is_billed_once(day: date, zone: str):
    month = Month.of(day).previous
    made = datetime.combine(month.first, time(), UTC)
    profile = customer(min(day.day, 28), zone, made=made)
    noon = datetime.combine(day, time(12, 5), UTC)

    for moment in hours(noon - timedelta(days=1), noon + timedelta(days=1)):
        work_at(moment)

    assert [period for period, _on in billed(profile)] == [month.first]
    assert BillingPeriod.objects.count() == 1


@pytest.mark.parametrize(
    ("back", "months"),
    [
        ("2026-11-08T09:17:00+00:00", [OCTOBER]),
        ("2027-02-08T09:17:00+00:00", [OCTOBER, NOVEMBER, Month(2026, 12), Month(2027, 1)]),
    ],
    ids=["three days", "three months"],
)
def test_F26_what_was_missed_is_made_up_for_in_order_once(back: str, months: list[Month]):
    profile = customer()
    moment = datetime.fromisoformat(back)

    work_at(moment)
    work_at(moment + timedelta(hours=1))

    assert billed(profile) == [(month.first, moment.date()) for month in months]
    numbers = list(Invoice.objects.order_by("period_start").values_list("number", flat=True))
    assert numbers == [f"G{place:09}" for place in range(1, len(months) + 1)]
    due = set(Invoice.objects.values_list("due_date", flat=True))
    assert due == {moment.date() + timedelta(days=profile.payment_term_days)}


def test_a_missed_slot_of_long_ago_bills_by_now(seller):
    profile = customer()
    JobSlot.objects.create(job="invoices.start_billing", slot=datetime(2026, 10, 20, 9, 5, tzinfo=UTC))

    work_at(datetime(2026, 11, 5, 12, 30, tzinfo=UTC))

    assert billed(profile) == [(OCTOBER.first, date(2026, 11, 5))]


def test_nothing_is_begun_while_nothing_can_be_issued_and_the_log_says_why(seller, caplog):
    customer()
    Seller.objects.update(vat_id="")

    with caplog.at_level(logging.WARNING):
        work_at(datetime(2026, 11, 5, 12, 5, tzinfo=UTC))

    assert not BillingRun.objects.exists()
    assert not JobClaim.objects.exists()
    assert "seller is incomplete" in caplog.text


# --- Runs in the background ---------------------------------------------------------------------


@pytest.fixture
def small_ranges(monkeypatch):
    monkeypatch.setattr(schedule, "RANGE", 2)


@pytest.fixture
def november():
    with time_machine.travel(datetime(2026, 11, 5, 12, tzinfo=UTC), tick=False) as clock:
        yield clock


def progress(run: BillingRun) -> Any:
    return BillingRun.objects.with_progress().get(pk=run.pk)


def test_a_run_is_cut_into_ranges_and_ends_with_control_totals(small_ranges, november):
    customers = [customer() for _ in range(5)]
    lacking = customer(bill_to__is_complete=False)
    held = customer()
    hold_profile(held, note="They dispute the contract.", by=None)

    run = start_run(OCTOBER, by=None)
    assert [part.profiles_total for part in run.ranges.order_by("pk")] == [2, 2, 2]
    jobs.run_due(only=WORK)

    row = progress(run)
    assert (row.status, row.profiles_total, row.profiles_done) == ("done", 6, 5)
    assert (row.profiles_parked, row.profiles_held, row.invoices_issued) == (1, 1, 5)
    [total] = RunRange.objects.filter(run=run).control_totals()
    assert total == {
        "kind": "invoice",
        "currency": "EUR",
        "documents": 5,
        "net_minor": sum(Invoice.objects.values_list("net_minor", flat=True)),
        "vat_minor": sum(Invoice.objects.values_list("vat_minor", flat=True)),
        "first_number": "G000000001",
        "last_number": "G000000005",
    }
    assert set(Invoice.objects.values_list("profile", flat=True)) == {each.pk for each in customers}
    assert not Invoice.objects.filter(profile__in=[lacking.pk, held.pk]).exists()


def test_one_range_is_one_row_of_the_queue(small_ranges, november):
    for _ in range(4):
        customer()
    start_run(OCTOBER, by=None)

    assert jobs.run_some(jobs.registry()["invoices.bill_ranges"]) == 1

    assert Invoice.objects.count() == 2


def test_a_run_that_is_stopped_goes_on_where_it_ended(small_ranges, november):
    for _ in range(4):
        customer()
    run = start_run(OCTOBER, by=None)
    jobs.run_some(jobs.registry()["invoices.bill_ranges"])

    stop_run(run)
    jobs.run_due(only=WORK)
    assert Invoice.objects.count() == 2
    resume_run(run)
    jobs.run_due(only=WORK)

    row = progress(run)
    assert (row.status, row.profiles_done, row.invoices_issued) == ("done", 4, 4)
    with pytest.raises(Refused) as refusal:
        resume_run(row)
    assert refusal.value.code == "nothing_left"


def test_a_month_has_one_run_at_a_time_and_none_where_nothing_is_due(november):
    customer()
    start_run(OCTOBER, by=None)

    with pytest.raises(Refused) as refusal:
        start_run(OCTOBER, by=None)
    assert refusal.value.code == "running_already"
    assert start_due_runs(timezone.now()) == []
    jobs.run_due(only=WORK)
    with pytest.raises(Refused) as refusal:
        start_run(OCTOBER, by=None)
    assert refusal.value.code == "nothing_due"


def test_a_run_that_failed_each_time_is_stopped_with_its_reason_and_begun_anew_by_the_clock(november):
    profile = customer()
    # Somebody dated a document wrongly; until that day nothing may be issued.
    first = start_run(OCTOBER, by=None)
    NumberSeries.objects.update_or_create(
        kind="invoice", defaults={"prefix": "G", "last_issue_date": date(2026, 11, 6)}
    )
    for _ in range(jobs.TRIES):
        jobs.run_due(only=["invoices.bill_ranges"])
        november.shift(timedelta(hours=2))
    assert (progress(first).status, billed(profile)) == ("running", [])

    november.move_to(datetime(2026, 11, 6, 12, 5, tzinfo=UTC))
    jobs.tick()
    jobs.run_due(only=WORK)

    first = progress(first)
    assert first.status == "stopped"
    assert "last document was issued on" in first.last_error
    assert billed(profile) == [(OCTOBER.first, date(2026, 11, 6))]
    assert not JobClaim.objects.exists()


def test_a_range_that_is_done_the_day_after_is_dated_that_day(november):
    profile = customer()
    start_run(OCTOBER, by=None)

    november.move_to(datetime(2026, 11, 6, 12, tzinfo=UTC))
    jobs.run_due(only=WORK)

    assert billed(profile) == [(OCTOBER.first, date(2026, 11, 6))]


# --- Holding ------------------------------------------------------------------------------------


def test_a_held_profile_is_billed_by_no_run_and_made_up_for_when_it_is_released():
    held, other = customer(), customer()
    hold = hold_profile(held, note="The price is wrong.", by=None)
    foretold = run_billing(OCTOBER, on=date(2026, 11, 5), is_dry=True)
    assert (foretold.issued, foretold.held) == (1, 1)

    for month in (11, 12):
        work_at(datetime(2026, month, 5, 12, 5, tzinfo=UTC))
    assert billed(held) == []
    assert len(billed(other)) == 2
    release_hold(hold, note="Mended.", by=None)
    work_at(datetime(2026, 12, 6, 12, 5, tzinfo=UTC))

    assert billed(held) == [(OCTOBER.first, date(2026, 12, 6)), (NOVEMBER.first, date(2026, 12, 6))]


def test_a_hold_has_a_note_and_is_placed_and_released_once():
    profile = customer()
    codes = []
    for attempt in (
        lambda: hold_profile(profile, note=" ", by=None),
        lambda: hold_profile(customer(status="closed"), note="Why", by=None),
    ):
        with pytest.raises(Refused) as refusal:
            attempt()
        codes.append(refusal.value.code)
    hold = hold_profile(profile, note="Why", by=None)
    for attempt in (
        lambda: hold_profile(profile, note="Again", by=None),
        lambda: release_hold(hold, note="", by=None),
    ):
        with pytest.raises(Refused) as refusal:
            attempt()
        codes.append(refusal.value.code)
    release_hold(hold, note="Done", by=None)
    with pytest.raises(Refused) as refusal:
        release_hold(hold, note="Twice", by=None)

    assert [*codes, refusal.value.code] == [
        "note_missing", "profile_closed", "already_held", "note_missing", "released_before",
    ]  # fmt: skip
    assert hold_profile(profile, note="Once more", by=None).released_at is None


def test_a_run_that_ends_at_once_by_two_workers_is_ended_once(november):
    customer()
    run = start_run(OCTOBER, by=None)
    jobs.run_due(only=WORK)

    schedule.conclude_run(run)

    assert progress(run).status == "done"
    with pytest.raises(Refused):
        move(BillingRun.objects.get(pk=run.pk), RunStatus.STOPPED)
