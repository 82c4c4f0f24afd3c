"""What days of a term come to, to the cent (domain §3.9). Pure: no clock, no database.

A term is charged by its days: each day costs the rate that runs on it, divided by the days of the
term. Rounded is only the sum of the term so far, and a change is billed as the difference that it
makes to that sum. So whatever is changed, and how often, the lines of a term add up to its exact
price rounded once: a change there and back on one day comes to nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from core.money import Money, exponent


@dataclass(frozen=True)
class Step:
    """From this day on a whole term would cost so many minor units, exactly."""

    first: date
    rate: Fraction


def rate_of(quantity: int, unit_price: Decimal, currency: str) -> Fraction:
    """What a whole term of that many costs, in minor units, not rounded."""
    return quantity * Fraction(unit_price) * 10 ** exponent(currency)


def price_of_term(start: date, end: date, steps: Sequence[Step], currency: str) -> Money:
    """What the term from start to end comes to, both days included, rounded half up once.

    The first step runs from the start of the term, whatever its day; the days of the others do not run
    backwards and lie in the term. Of several on one day the last counts.
    """
    days = (end - start).days + 1
    firsts = [start, *(step.first for step in steps[1:])]
    if firsts != sorted(firsts) or firsts[-1] > end:
        raise ValueError("the steps of a term follow each other and lie in it")
    nexts = [*(first.toordinal() for first in firsts[1:]), end.toordinal() + 1]
    exact = sum(
        (
            step.rate * (following - first.toordinal())
            for step, first, following in zip(steps, firsts, nexts, strict=True)
        ),
        Fraction(0),
    )
    return Money.nearest(exact / days, currency)


def price_of_change(start: date, end: date, steps: Sequence[Step], new: Step, currency: str) -> Money:
    """What the new step adds to the term; below zero where it gives back."""
    return price_of_term(start, end, [*steps, new], currency) - price_of_term(start, end, steps, currency)
