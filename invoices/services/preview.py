"""The next invoice of a profile as it stands today, by the statements that draft it: no second calculation.

Whatever month is not billed yet is shown: one that is over and whose invoice day has not come, and the
present one, with the terms that still start in it. What is bought, changed or measured later comes on top.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from accounts.models import Seller
from core.money import Money
from core.periods import Month, on_anchor
from invoices.exchange import home_currency
from invoices.models import Invoice, ParkReason, VatGroup
from invoices.services.crediting import Spent
from invoices.services.drafts import compute_drafts
from invoices.services.due import read_candidates, with_standing
from invoices.tax import UNION
from profiles.models import BillingProfile

# Of a profile that is behind for long, so many months are shown.
MONTHS = 3
# And so many lines of each; the invoice has them all.
LINES = 200


@dataclass(frozen=True)
class PreviewLine:
    """A line as it would be printed. `is_coming`: it starts after today."""

    section: str
    description: str
    quantity: Decimal
    unit_price: Decimal | None
    service_start: date
    service_end: date
    net: Money
    is_coming: bool


@dataclass(frozen=True)
class Preview:
    """What a month comes to so far. Amounts are below zero in the customer's favour; `on` is when it is invoiced.

    `problem` says why nothing can be told: what would park the profile.
    """

    month: Month
    on: date
    so_far: Money
    coming: Money
    credit: Money
    vat_groups: list[VatGroup]
    vat: Money
    prepaid: Money
    lines: list[PreviewLine]
    count: int
    problem: ParkReason | None = None

    @property
    def total(self) -> Money:
        """With VAT, before what was paid in advance."""
        return self.so_far + self.coming - self.credit + self.vat

    @property
    def to_pay(self) -> Money:
        return self.total - self.prepaid

    @property
    def lines_left(self) -> int:
        return self.count - len(self.lines)

    @property
    def parts(self) -> Iterator[tuple[bool, list[PreviewLine]]]:
        """The lines of what has begun, and those of what still comes."""
        for is_coming in (False, True):
            if found := [line for line in self.lines if line.is_coming == is_coming]:
                yield is_coming, found


def preview_invoices(profile: BillingProfile, today: date) -> list[Preview]:
    """The months that are not billed yet, up to the present one; empty where the seller cannot be billed for."""
    seller = Seller.objects.first()
    if seller is None or str(seller.country) not in UNION or profile.status == "closed":
        return []
    with transaction.atomic():
        return list(_previews(profile, seller, today))


def _previews(profile: BillingProfile, seller: Seller, today: date) -> Iterator[Preview]:
    present = Month.of(today)
    rows = with_standing(BillingProfile.objects.filter(pk=profile.pk))
    last = rows.values_list("last_billed", flat=True).get()
    month = Month.of(last).next if last else max(Month.of(profile.created_at.date()), present.previous)
    month = max(month, present.plus(1 - MONTHS))
    spent = Spent()
    while month <= present:
        on = max(on_anchor(month.next, profile.invoice_day), today)
        candidates, problems = read_candidates(rows, seller, month, on=on)
        problems += compute_drafts(month, candidates, on=on, home=home_currency(seller), spent=spent.on([profile.pk]))
        problem = ParkReason(problems[0].reason) if problems else None
        if not problem and month < present:
            spent.add()
        yield _read(profile, month, on, today, problem)
        month = month.next


def _read(profile: BillingProfile, month: Month, on: date, today: date, problem: ParkReason | None) -> Preview:
    """What stands in the temporary tables, in three statements."""

    def money(minor: Any) -> Money:
        return Money(int(minor or 0), profile.currency)

    with connection.cursor() as cursor:
        cursor.execute(_SUMS, {"today": today})
        so_far, coming, count, sign, credit, prepaid, vat = cursor.fetchone()
        cursor.execute(_LINES, {"number": LINES})
        lines = [
            PreviewLine(section, description, quantity, price, first, last, money(net), first > today)
            for section, description, quantity, price, first, last, net in cursor.fetchall()
        ]
        cursor.execute(_GROUPS)
        groups = [_group(profile, *row) for row in cursor.fetchall()]
    return Preview(
        month=month,
        on=on,
        so_far=money(so_far),
        coming=money(coming),
        credit=money((sign or 1) * (credit or 0)),
        vat_groups=groups,
        vat=money((sign or 1) * (vat or 0)),
        prepaid=money((sign or 1) * (prepaid or 0)),
        lines=lines,
        count=count,
        problem=problem,
    )


def _group(profile: BillingProfile, category: str, rate: Decimal, base: Decimal, vat: Decimal) -> VatGroup:
    """As an invoice has it, for pages that show one; it is not stored."""
    nowhere = Invoice(currency=profile.currency)
    return VatGroup(invoice=nowhere, category=category, rate=rate, base_minor=int(base), vat_minor=int(vat))


_SUMS = """
SELECT l.so_far, l.coming, l.number, d.sign, d.credit, d.prepaid, d.vat
FROM (
    SELECT sum(net) FILTER (WHERE service_start <= %(today)s) AS so_far,
        sum(net) FILTER (WHERE service_start > %(today)s) AS coming, count(*) AS number
    FROM billing_draft_line
) AS l
LEFT JOIN billing_draft d ON true
"""

_LINES = """
SELECT coalesce(nullif(invoice_section, ''), section), description, quantity, unit_price, service_start, service_end,
    net
FROM billing_draft_line ORDER BY position LIMIT %(number)s
"""

_GROUPS = "SELECT category, rate, base, vat FROM billing_draft_group WHERE category IS NOT NULL ORDER BY 1, 2"
