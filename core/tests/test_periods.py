"""Months, terms and due dates: no day is lost and none is counted twice (Q8, F25)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.periods import Month, due_date, months_between, on_anchor, term_end, term_start_in

MONTHS = st.builds(Month, st.integers(2000, 2100), st.integers(1, 12))
DAYS = st.dates(date(2000, 1, 1), date(2100, 12, 31))
TERMS = st.sampled_from([1, 3, 6, 12])


@pytest.mark.parametrize(
    "text", ["2026-13", "2026-00", "26-10", "2026/10", "2026-1", "", "0000-01", "9999-12", "２０２６-10"]
)
def test_what_is_no_month_is_refused(text):
    with pytest.raises(ValueError, match="month"):
        Month.parse(text)


@given(MONTHS)
def test_a_month_is_written_and_read(month: Month):
    assert Month.parse(str(month)) == month
    assert Month.of(month.first) == Month.of(month.last) == month
    assert month.next.previous == month
    assert month.next.first - month.last == timedelta(days=1)
    assert month.days == (month.next.first - month.first).days


@given(MONTHS, st.integers(-500, 500))
def test_months_count_through_the_years(month: Month, count: int):
    later = month.plus(count)

    assert later.plus(-count) == month
    assert (later > month) == (count > 0)
    assert len(list(months_between(month, later))) == max(count + 1, 0)


@given(MONTHS, DAYS)
def test_a_day_is_in_one_month_and_a_month_is_closed_when_it_is_over(month: Month, day: date):
    assert (day in month) == (Month.of(day) == month)
    assert month.is_closed(day) == (Month.of(day) > month)


@pytest.mark.parametrize(
    ("month", "anchor", "day"),
    [
        ("2026-02", 31, 28),
        ("2028-02", 31, 29),
        ("2026-04", 31, 30),
        ("2026-05", 31, 31),
        ("2026-02", 29, 28),
        ("2026-02", 1, 1),
    ],
)
def test_F25_an_anchor_beyond_the_month_falls_on_its_last_day(month, anchor, day):
    assert on_anchor(Month.parse(month), anchor).day == day


@given(DAYS, TERMS)
def test_Q8_terms_follow_each_other_without_a_gap(anchor: date, months: int):
    """Two terms and the day between them, whatever the anchor."""
    first = term_start_in(Month.of(anchor), anchor, months)
    following = term_start_in(Month.of(anchor).plus(months), anchor, months)

    assert first == anchor
    assert term_end(anchor, anchor, months) + timedelta(days=1) == following


@given(DAYS, TERMS, st.integers(0, 400))
def test_Q8_a_term_starts_in_every_so_many_months_and_in_no_other(anchor: date, months: int, distance: int):
    month = Month.of(anchor).plus(distance)

    start = term_start_in(month, anchor, months)

    assert (start is None) == (distance % months != 0)
    assert start is None or start in month
    assert term_start_in(Month.of(anchor).plus(-1 - distance), anchor, months) is None


@given(DAYS, st.integers(0, 120))
def test_3_6_net_thirty_is_thirty_days_after_the_invoice_date(issued: date, days: int):
    assert (due_date(issued, days) - issued).days == days
