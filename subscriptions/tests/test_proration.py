"""What days of a term come to: by day, to the cent, whatever was changed and how often (domain §3.9)."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Money
from core.testing import thorough
from subscriptions.proration import Step, price_of_change, price_of_term, rate_of

START = date(2026, 10, 15)
rates = st.builds(rate_of, st.integers(0, 500), st.decimals(0, 5000, places=4, allow_nan=False), st.just("EUR"))


@st.composite
def changed_terms(draw):
    """A term of any length, with steps on days that do not run backwards, several of them on one day perhaps."""
    days = draw(st.sampled_from([28, 29, 30, 31, 90, 92, 181, 365, 366]))
    later = sorted(draw(st.lists(st.integers(1, days - 1), max_size=8)))
    steps = [Step(START, draw(rates))] + [Step(START + timedelta(days=day), draw(rates)) for day in later]
    return START + timedelta(days=days - 1), steps


def by_day(end, steps):
    """The exact price, added up day by day."""
    days = (end - START).days + 1
    total = Fraction(0)
    for number in range(days):
        day = START + timedelta(days=number)
        total += [step.rate for step in steps if step.first <= day][-1] / days
    return total


@thorough
@given(changed_terms())
def test_P23_the_lines_of_a_term_add_up_to_its_days_rounded_once(term):
    end, steps = term

    lines = [Money.nearest(steps[0].rate, "EUR")]
    for place in range(1, len(steps)):
        lines.append(price_of_change(START, end, steps[:place], steps[place], "EUR"))

    assert Money.total(lines, "EUR") == price_of_term(START, end, steps, "EUR")
    assert abs(Money.total(lines, "EUR").minor - by_day(end, steps)) <= Fraction(1, 2)


@thorough
@given(changed_terms(), rates)
def test_P23_there_and_back_on_one_day_comes_to_nothing(term, other):
    end, steps = term
    there = Step(steps[-1].first + timedelta(days=1) if len(steps) == 1 else steps[-1].first, other)
    back = Step(there.first, steps[-1].rate)

    first = price_of_change(START, end, steps, there, "EUR")
    second = price_of_change(START, end, [*steps, there], back, "EUR")

    assert first + second == Money.zero("EUR")


def test_half_a_month_costs_half():
    half = price_of_change(
        date(2026, 11, 1),
        date(2026, 11, 30),
        [Step(date(2026, 11, 1), rate_of(1, Decimal("10"), "EUR"))],
        Step(date(2026, 11, 16), rate_of(3, Decimal("10"), "EUR")),
        "EUR",
    )

    assert half == Money(1000, "EUR")


@pytest.mark.parametrize("days", [(3, 2), (31,)])
def test_steps_that_run_backwards_or_leave_the_term_are_refused(days):
    steps = [Step(START, Fraction(1))] + [Step(START + timedelta(days=day), Fraction(2)) for day in days]

    with pytest.raises(ValueError, match="steps"):
        price_of_term(START, START + timedelta(days=30), steps, "EUR")
