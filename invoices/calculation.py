"""What an invoice comes to, by EN 16931: pure, exact, and to the minor unit.

Lines are rounded first and then summed; allowances and charges of the document join the group of their
rate; VAT is computed once on the sum of each group; totals are sums of what stands on the paper (L6).
The billing run computes the same in SQL, a chunk at a time (`invoices.services.drafts`), and the tests
hold the two against each other; what is not made by the run is computed here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

from core.money import Money

# Wide enough for the product of two figures of numeric(38,18).
_EXACT = Context(prec=120, rounding=ROUND_HALF_UP)


class Rate(NamedTuple):
    """A category of EN 16931 (UNCL 5305) and its rate in percent: what lines share one VAT group by."""

    category: str
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Adjustment:
    """An allowance or a charge beside the price, in major units: what it gives is below zero (BG-20, BG-21)."""

    amount: Decimal
    rate: Rate


@dataclass(frozen=True, slots=True)
class Item:
    """A line as it is priced, in major units: so many, each `price` for `per` of them, and what is added to it."""

    quantity: Decimal
    price: Decimal
    rate: Rate
    per: Decimal = Decimal(1)
    adjustments: tuple[Decimal, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """VAT of one category and rate, once on the group's sum (BG-23, I3)."""

    rate: Rate
    base: Money
    vat: Money


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of a document (BG-22). `lines` is their sum; `net` is that with allowances and charges."""

    line_nets: tuple[Money, ...]
    lines: Money
    allowances: Money
    charges: Money
    net: Money
    groups: tuple[Group, ...]
    vat: Money
    total: Money
    prepaid: Money
    due: Money


def line_net(item: Item, currency: str) -> Money:
    """The net of a line, rounded half up (BT-131). Raises ValueError for a price per none."""
    if not item.per:
        raise ValueError("a price is for one or more")
    worth = _EXACT.divide(_EXACT.multiply(item.quantity, item.price), item.per)
    return Money.rounded(_EXACT.add(worth, sum(item.adjustments, Decimal(0))), currency)


def vat_groups(nets: Iterable[tuple[Money, Rate]], currency: str) -> tuple[Group, ...]:
    """What amounts without VAT come to by rate, in the order of category and rate; VAT is rounded once for each."""
    bases: dict[Rate, Money] = {}
    for net, rate in nets:
        bases[rate] = bases.get(rate, Money.zero(currency)) + net
    return tuple(Group(rate, base, base.share(rate.percent / 100)) for rate, base in sorted(bases.items()))


def compute(
    items: Sequence[Item], currency: str, *, adjustments: Sequence[Adjustment] = (), prepaid: Decimal = Decimal(0)
) -> Totals:
    """The document that these lines make. Amounts that give back are below zero; nothing is split or lost."""
    nets = tuple(line_net(item, currency) for item in items)
    beside = [(Money.rounded(adjustment.amount, currency), adjustment.rate) for adjustment in adjustments]
    groups = vat_groups([*zip(nets, (item.rate for item in items), strict=True), *beside], currency)
    lines = Money.total(nets, currency)
    allowances = Money.total((-amount for amount, _rate in beside if amount.minor < 0), currency)
    charges = Money.total((amount for amount, _rate in beside if amount.minor >= 0), currency)
    net = lines - allowances + charges
    vat = Money.total((group.vat for group in groups), currency)
    paid = Money.rounded(prepaid, currency)
    return Totals(nets, lines, allowances, charges, net, groups, vat, net + vat, paid, net + vat - paid)
