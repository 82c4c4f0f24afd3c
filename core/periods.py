"""Billing periods: calendar months, terms that start in them, due dates. Pure: no clock, no database."""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import total_ordering


@total_ordering
@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month, the billing period of this portal (domain §3.9)."""

    year: int
    number: int

    def __post_init__(self) -> None:
        if not (1 <= self.number <= 12 and 1900 <= self.year <= 9998):
            raise ValueError(f"{self.year}-{self.number} is not a month")

    @classmethod
    def parse(cls, text: str) -> "Month":
        """From `2026-10`. Raises ValueError for anything else."""
        match = re.fullmatch(r"([0-9]{4})-([0-9]{2})", text)
        if not match:
            raise ValueError(f"{text!r} is not a month: write it as 2026-10")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> "Month":
        return cls(day.year, day.month)

    @property
    def first(self) -> date:
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        return date(self.year, self.number, calendar.monthrange(self.year, self.number)[1])

    @property
    def days(self) -> int:
        return self.last.day

    def plus(self, months: int) -> "Month":
        index = self.year * 12 + self.number - 1 + months
        return Month(index // 12, index % 12 + 1)

    @property
    def next(self) -> "Month":
        return self.plus(1)

    @property
    def previous(self) -> "Month":
        return self.plus(-1)

    def is_closed(self, on: date) -> bool:
        """Only a month that is over may be billed."""
        return on > self.last

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __lt__(self, other: "Month") -> bool:
        return (self.year, self.number) < (other.year, other.number)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


def months_between(first: Month, last: Month) -> Iterator[Month]:
    """Every month from first to last, both included; none where last lies before first."""
    month = first
    while month <= last:
        yield month
        month = month.next


def on_anchor(month: Month, anchor_day: int) -> date:
    """The anchor day in that month; 29, 30 and 31 fall on the last day of a shorter one and return."""
    return date(month.year, month.number, min(anchor_day, month.days))


def term_start_in(month: Month, anchor: date, term_months: int) -> date | None:
    """The day on which a term of `term_months` that is anchored on `anchor` starts in that month, or None."""
    distance = (month.year - anchor.year) * 12 + month.number - anchor.month
    if distance < 0 or distance % term_months:
        return None
    return on_anchor(month, anchor.day)


def term_end(start: date, anchor: date, term_months: int) -> date:
    """The last day of the term that starts on `start`: the day before the next one starts."""
    return on_anchor(Month.of(start).plus(term_months), anchor.day) - timedelta(days=1)


def due_date(issue_date: date, payment_term_days: int) -> date:
    """ "Net 30" is thirty days after the invoice date (domain §3.6)."""
    return issue_date + timedelta(days=payment_term_days)
