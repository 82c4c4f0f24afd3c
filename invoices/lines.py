"""Lines as they are read: under their invoice section, or where the profile has but one, under their subscription."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import connection
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, NullIf
from django.http import HttpRequest

from core.lists import read_page
from core.money import Money
from invoices.models import Invoice, InvoiceLine

LINES_SHOWN = 50
# What the page says of a line.
_READ = (
    *("invoice_id", "position", "invoice_section", "section", "description", "quantity", "unit", "unit_price"),
    *("service_start", "service_end", "net_minor"),
)


@dataclass(frozen=True)
class Section:
    """Lines under one heading, and what all that stand under it come to without VAT.

    `is_alone`: no other line stands under it, also not on another page; `is_continued`: some stand on a page before.
    """

    name: str
    lines: list[InvoiceLine]
    net: Money
    is_alone: bool
    is_continued: bool = False

    @property
    def has_heading(self) -> bool:
        """Not where a single line already says what the heading would."""
        return bool(self.name) and not (self.is_alone and self.lines[0].description == self.name)


def grouped_lines(invoice: Invoice) -> list[Section]:
    """The lines in their order, those of one section together; one statement."""
    return sections_of(invoice, invoice.lines.order_by("position"))


def sections_of(invoice: Invoice, lines: Iterable[InvoiceLine]) -> list[Section]:
    """These lines of the invoice, which are in their order, those of one section together.

    What needs no heading comes first: below one it would look as if it belonged to it.
    """
    sections = []
    for name, group in groupby(lines, key=lambda line: line.invoice_section or line.section):
        listed = list(group)
        for line in listed:
            line.invoice = invoice
        net = Money.total((line.net for line in listed), invoice.currency)
        sections.append(Section(name, listed, net, is_alone=len(listed) == 1))
    return sorted(sections, key=lambda section: section.has_heading)


@dataclass(frozen=True)
class LinesPage:
    """Some of the lines, in the order of all. `newer` and `older` are addresses, as those of a ListPage."""

    sections: list[Section]
    shown: int
    count: int
    newer: str
    older: str


def read_lines(request: HttpRequest, invoice: Invoice) -> LinesPage:
    """The page of lines that the address asks for, with the sums of whole sections; two statements, however many,
    and one where all lines are on the page."""
    page = read_page(request, _in_reading_order(invoice), ["place", "position"], LINES_SHOWN)
    sums, count = _sums_of(page.rows) if page.is_whole else _sums_from_all(invoice, page.rows)
    sections = []
    for name, group in groupby(page.rows, key=lambda line: line.heading):
        listed = list(group)
        for line in listed:
            line.invoice = invoice
        net, number, first = sums[name]
        is_continued = bool(name) and listed[0].position > first
        sections.append(Section(name, listed, Money(net, invoice.currency), number == 1, is_continued))
    newer, older = (f"{address}#lines" if address else "" for address in (page.newer, page.older))
    return LinesPage(sections, len(page.rows), count, newer, older)


# Of each heading: what its lines come to, how many there are, and the position of the first.
Sums = dict[str, tuple[int, int, int]]


def _sums_of(lines: Sequence[Any]) -> tuple[Sums, int]:
    headings: dict[str, list[Any]] = {}
    for line in lines:
        headings.setdefault(line.heading, []).append(line)
    sums = {
        heading: (sum(line.net_minor for line in listed), len(listed), min(line.position for line in listed))
        for heading, listed in headings.items()
    }
    return sums, len(lines)


def _sums_from_all(invoice: Invoice, lines: Iterable[Any]) -> tuple[Sums, int]:
    """Those of the headings of these lines, with what stands on other pages, and the number of all lines."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, {"invoice": invoice.pk, "shown": list({line.heading for line in lines})})
        rows = cursor.fetchall()
    return {heading: (net, count, first) for heading, net, count, first, _all in rows}, rows[0][-1]


# As `_headed` has them.
_SUMS = """
SELECT * FROM (
    SELECT coalesce(nullif(invoice_section, ''), section) AS heading, sum(net_minor)::bigint, count(*), min(position),
        sum(count(*)) OVER ()::int
    FROM invoices_invoiceline WHERE invoice_id = %(invoice)s GROUP BY heading
) AS headings WHERE heading = ANY(%(shown)s)
"""


def _in_reading_order(invoice: Invoice) -> QuerySet[Any]:
    """As `sections_of` has them. Lines of one heading are neighbours, so one look to each side tells who is alone."""
    beside = InvoiceLine.objects.filter(
        Q(position=OuterRef("position") - 1) | Q(position=OuterRef("position") + 1), invoice=OuterRef("invoice")
    )
    needs_none = Q(heading="") | (
        Q(description=F("heading")) & ~Exists(_headed(beside).filter(heading=OuterRef("heading")))
    )
    return _headed(invoice.lines.only(*_READ)).annotate(place=Case(When(needs_none, then=0), default=1))


def _headed(lines: QuerySet[Any]) -> QuerySet[Any]:
    return lines.annotate(heading=Coalesce(NullIf("invoice_section", Value("")), "section"))
