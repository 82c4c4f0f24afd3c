"""What changed on an invoice since the one of the month before, per product, in words and numbers.

Computed when the page is read, by one statement over the lines of the two invoices: both are final, so
it is always the same, and the run has nothing to write. The parts add up to the difference of the two
nets, whatever is shown of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import connection
from django.utils.translation import gettext as _

from core.figures import percentage, quantity, unit_price
from core.money import Money
from invoices.models import Invoice, InvoiceKind

# The largest differences are named one by one.
NAMED = 8


@dataclass(frozen=True)
class Change:
    """One product: what happened to it, and by how much it lowers (below zero) or raises the net."""

    product: str
    words: str
    difference: Money


@dataclass(frozen=True)
class Changes:
    """Those of an invoice against that of `since`, the first day of its period; `rest` is of those not named."""

    since: date
    difference: Money
    named: list[Change]
    others: int
    rest: Money


class _Row(NamedTuple):
    since: date
    sort: str
    product: str
    term: str | None
    is_now: bool
    was_before: bool
    quantity: Decimal
    quantity_before: Decimal
    price: Decimal | None
    price_before: Decimal | None
    net: int
    net_before: int
    products: int
    difference: int


def changes_of(invoice: Invoice) -> Changes | None:
    """What changed since the invoice before; None for a first one. One statement."""
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"invoice": invoice.pk, "profile": invoice.profile_id, "named": NAMED}
        sign = -1 if invoice.kind == InvoiceKind.CREDIT_NOTE else 1
        cursor.execute(_CHANGES, {**values, "start": invoice.period_start, "sign": sign})
        rows = [_Row(*row) for row in cursor.fetchall()]
    if not rows or invoice.period_id is None:
        return None
    named = [_change(row, invoice.currency) for row in rows if row.product is not None]
    whole = Money(int(rows[0].difference), invoice.currency)
    rest = whole - Money.total((each.difference for each in named), invoice.currency)
    return Changes(rows[0].since, whole, named, rows[0].products - len(named), rest)


def _change(row: _Row, currency: str) -> Change:
    difference = Money(int(row.net - row.net_before), currency)
    return Change(row.product, "; ".join(_words(row, currency)), difference)


def _words(row: _Row, currency: str) -> Iterator[str]:
    if row.sort == "change":
        yield _("changed within its term")
    elif row.sort == "term" and row.term != "monthly" and not (row.is_now and row.was_before):
        yield _("a term began in this month") if row.is_now else _("no term began in this month")
    elif not row.was_before:
        yield _("bought in this month") if row.sort == "purchase" else _("new")
    elif not row.is_now:
        yield _("bought the month before") if row.sort == "purchase" else _("no longer on the invoice")
    elif row.sort == "usage":
        yield _usage(row)
    else:
        if row.quantity != row.quantity_before:
            yield _("%(now)s instead of %(before)s") % {
                "now": quantity(row.quantity),
                "before": quantity(row.quantity_before),
            }
        if row.price != row.price_before and row.price is not None and row.price_before is not None:
            yield _("%(now)s each instead of %(before)s") % {
                "now": unit_price(row.price, currency),
                "before": unit_price(row.price_before, currency),
            }
        elif row.quantity == row.quantity_before:
            yield _("other prices")


def _usage(row: _Row) -> str:
    if row.net_before <= 0 or row.net <= 0:
        return _("used otherwise")
    change, before = abs(int(row.net - row.net_before)), int(row.net_before)
    # In whole percents, half of one up: words, and no amount.
    shown = percentage(Decimal((200 * change + before) // (2 * before)))
    return (_("used %(share)s more") if row.net > row.net_before else _("used %(share)s less")) % {"share": shown}


# A price stands where all lines of the product have the same. What is given back counts below zero.
_CHANGES = """
WITH earlier AS (
    SELECT id, period_start, CASE kind WHEN 'credit_note' THEN -1 ELSE 1 END AS sign FROM invoices_invoice
    WHERE profile_id = %(profile)s AND status <> 'draft' AND period_id IS NOT NULL AND period_start < %(start)s
    ORDER BY issue_date DESC, id DESC LIMIT 1
), line AS (
    SELECT l.invoice_id = %(invoice)s AS is_now,
        CASE WHEN l.change_id IS NOT NULL THEN 'change' WHEN l.term_start IS NOT NULL THEN 'term'
            WHEN l.purchase_id IS NOT NULL THEN 'purchase' ELSE 'usage' END AS sort,
        CASE WHEN l.change_id IS NOT NULL THEN l.section ELSE l.description END AS product,
        CASE WHEN l.term_start IS NOT NULL THEN s.term END AS term,
        l.quantity, l.unit_price, l.net_minor AS net
    FROM invoices_invoiceline l
    LEFT JOIN subscriptions_subscription s ON s.id = l.subscription_id
    WHERE l.invoice_id = %(invoice)s OR l.invoice_id = (SELECT id FROM earlier)
), product AS (
    SELECT sort, product, term, bool_or(is_now) AS is_now, bool_or(NOT is_now) AS was_before,
        %(sign)s * coalesce(sum(quantity) FILTER (WHERE is_now), 0) AS quantity,
        (SELECT sign FROM earlier) * coalesce(sum(quantity) FILTER (WHERE NOT is_now), 0) AS quantity_before,
        CASE WHEN min(unit_price) FILTER (WHERE is_now) = max(unit_price) FILTER (WHERE is_now)
            THEN min(unit_price) FILTER (WHERE is_now) END AS price,
        CASE WHEN min(unit_price) FILTER (WHERE NOT is_now) = max(unit_price) FILTER (WHERE NOT is_now)
            THEN min(unit_price) FILTER (WHERE NOT is_now) END AS price_before,
        %(sign)s * coalesce(sum(net) FILTER (WHERE is_now), 0) AS net,
        (SELECT sign FROM earlier) * coalesce(sum(net) FILTER (WHERE NOT is_now), 0) AS net_before
    FROM line GROUP BY sort, product, term
), changed AS (
    SELECT *, count(*) OVER () AS products, sum(net - net_before) OVER () AS difference
    FROM product WHERE net <> net_before OR is_now <> was_before OR quantity <> quantity_before
    ORDER BY abs(net - net_before) DESC, product, sort LIMIT %(named)s
)
SELECT e.period_start, c.sort, c.product, c.term, c.is_now, c.was_before, c.quantity, c.quantity_before, c.price,
    c.price_before, c.net, c.net_before, coalesce(c.products, 0), coalesce(c.difference, 0)
FROM earlier e LEFT JOIN changed c ON true
"""
