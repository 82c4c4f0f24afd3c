"""Every anchor over the years: each day of each term billed once, whatever the month, whenever the run (Q8, F25)."""

import calendar
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import call_command

from accounts.tests.factories import SellerFactory
from core import jobs
from core.periods import Month, months_between, term_end, term_start_in
from invoices.models import BillingPeriod, Invoice, InvoiceLine
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Subscription, Term
from subscriptions.tests.factories import ProductFactory

pytestmark = pytest.mark.django_db

FIRST = Month(2026, 1)
TERMS = [Term.MONTHLY, Term.QUARTERLY, Term.HALF_YEARLY, Term.YEARLY]


def in_time(months: list[Month]) -> Iterator[tuple[Month, date]]:
    """Each month on the fifth of the next."""
    return ((month, month.next.first + timedelta(days=4)) for month in months)


def late(months: list[Month]) -> Iterator[tuple[Month, date]]:
    """Nothing for long, then all at once (F26)."""
    yield months[-1], months[-1].next.first


def twice(months: list[Month]) -> Iterator[tuple[Month, date]]:
    """Each month two times, the second after midnight of the month after."""
    for month, _day in in_time(months):
        yield month, month.next.first
        yield month, month.next.last


def by_command(month: Month) -> None:
    call_command("run_billing", period=str(month), verbosity=0, stdout=StringIO())


def by_clock(month: Month) -> None:
    """Which month it is, the clock finds out."""
    jobs.tick()
    jobs.run_due(only=["invoices.start_billing", "invoices.bill_ranges"])


@pytest.mark.long(sample=4)
@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/Juneau", "Asia/Tokyo"])
@pytest.mark.parametrize("habit", [in_time, late, twice])
@pytest.mark.parametrize("begin", [by_command, by_clock])
def test_Q8_every_anchor_is_billed_without_a_gap_or_an_overlap(begin, habit, zone: str, long: bool):
    """At five past midnight where the seller is: in Tokyo the day before by UTC, in Juneau long after the new day."""
    SellerFactory(time_zone=zone)
    first, last = (FIRST, Month(2032, 12)) if long else (Month(2027, 3), Month(2028, 3))
    months = list(months_between(first, last))
    made = datetime.combine(first.first, time(), UTC)
    profile = BillingProfileFactory(created_at=made, time_zone=zone, invoice_day=1)
    days = range(1, 32) if long else (1, 15, 28, 29, 30, 31)
    anchors = [date(first.year, first.number, day) for day in days] + [date(2028, 2, 29)]
    expected = {bought(profile, anchor, term): starts(anchor, term, months) for anchor in anchors for term in TERMS}

    for month, on in habit(months):
        with time_machine.travel(datetime.combine(on, time(0, 5), ZoneInfo(zone)), tick=False):
            begin(month)

    assert BillingPeriod.objects.filter(profile=profile).count() == len(months)
    assert Invoice.objects.count() == len(months)
    found: dict[int, list[tuple[date, date]]] = {pk: [] for pk in expected}
    for subscription, start, end in InvoiceLine.objects.order_by("service_start").values_list(
        "subscription", "service_start", "service_end"
    ):
        found[subscription].append((start, end))
    assert found == expected
    for terms in found.values():
        assert all(later[0] - earlier[1] == timedelta(days=1) for earlier, later in itertools.pairwise(terms))


def bought(profile: BillingProfile, anchor: date, term: Term) -> int:
    product = ProductFactory()
    return Subscription.objects.create(
        account=profile.account,
        profile=profile,
        product=product,
        name=f"{anchor} {term}",
        term=term,
        unit_price=Decimal(1),
        currency="EUR",
        started_on=anchor,
    ).pk


def starts(anchor: date, term: Term, months: list[Month]) -> list[tuple[date, date]]:
    """The terms by `core.periods`, the home of the rule."""
    days = [term_start_in(month, anchor, term.months) for month in months]
    return [(day, term_end(day, anchor, term.months)) for day in days if day]


def test_F25_the_31st_falls_on_the_last_day_and_returns():
    anchor = date(2027, 1, 31)

    days = [term_start_in(month, anchor, 1) for month in months_between(Month(2027, 1), Month(2028, 4))]

    assert [day.day for day in days] == [calendar.monthrange(day.year, day.month)[1] for day in days]
