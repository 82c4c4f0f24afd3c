"""Which VAT a supply carries (domain §3.6). Pure: no clock, no database.

Decided by where the seller and the customer are established, by the customer's VAT id, by what is
supplied and by the day on which the tax falls due, as the VAT directive (2006/112/EC) has it for services:

- at home, and to a business in the Union without a verified VAT id: the seller's rate;
- to a business elsewhere in the Union none, and the customer accounts for it (articles 44 and 196);
- to a consumer elsewhere in the Union the seller's rate, or for electronic services that of the
  customer's country once the seller has registered for the one-stop shop (articles 58, 59c and 369a);
- outside the Union none (articles 44, 58 and 59).

Rates are dated data: `data/vat_rates.csv`, which says where each comes from, and what staff entered beside it
(`invoices.vat_rates`), which counts before the file. A VAT id is checked here for
its form and its check digits; whether its register knows it is for `accounts` to say. Categories are those
of EN 16931 (UNCL 5305).
"""

import csv
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _

from accounts.validators import clean_vat_id
from subscriptions.supplies import Supply

RATES_FILE = Path(__file__).parent / "data" / "vat_rates.csv"
STANDARD, REDUCED = "standard", "reduced"
_KINDS = {Supply.ELECTRONIC: STANDARD, Supply.GENERAL: STANDARD, Supply.REDUCED: REDUCED}
# Article 58: a consumer is taxed where they live.
_WHERE_USED = {Supply.ELECTRONIC, Supply.REDUCED}


class DatedRate(NamedTuple):
    """The rate of a country in percent from a day until the next one of its kind; None where none is known then."""

    country: str
    kind: str
    since: date
    rate: Decimal | None
    source: str


def read_rates() -> dict[tuple[str, str], tuple[DatedRate, ...]]:
    """The rates of the file by country and kind, in the order of their first days."""
    rates: dict[tuple[str, str], list[DatedRate]] = {}
    with RATES_FILE.open(encoding="utf-8") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            since = date.fromisoformat(row["valid_from"])
            rate = DatedRate(row["country"], row["kind"], since, Decimal(row["rate"]), row["source"])
            rates.setdefault((rate.country, rate.kind), []).append(rate)
    return {place: tuple(sorted(dated, key=_since)) for place, dated in rates.items()}


def _since(rate: DatedRate) -> date:
    return rate.since


RATES = read_rates()
UNION = frozenset(country for country, kind in RATES if kind == STANDARD)


class UnknownRate(LookupError):
    """No rate is known for what is supplied, where and when: it must not be invoiced."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """A category of EN 16931, its rate in percent, and the sentence that the law wants where no VAT is charged."""

    category: str
    rate: Decimal
    reason: str = ""

    def wording(self, language: str) -> str:
        """The sentence in that language; empty where VAT is charged."""
        with override(language):
            return gettext(self.reason) if self.reason else ""


REVERSE_CHARGE = Treatment("AE", Decimal(0), _("Reverse charge: VAT due by the customer (article 196, 2006/112/EC)"))
OUT_OF_SCOPE = Treatment("O", Decimal(0), _("Outside the scope of EU VAT (articles 44, 58 and 59, 2006/112/EC)"))
ZERO_RATED = Treatment("Z", Decimal(0))


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides the VAT of a customer besides what is supplied and when; countries by ISO 3166-1 alpha-2.

    `is_business`: a VAT id of the customer's country in the Union that counts. `one_stop_shop_from`: the day
    from which the seller declares by the one-stop shop; None is never. `entered`: what staff entered of the rates of
    both countries, in the order in which they did.
    """

    seller_country: str
    customer_country: str
    is_business: bool = False
    one_stop_shop_from: date | None = None
    entered: tuple[DatedRate, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """From the first day to the last, both included, that treatment counts."""

    first: date
    last: date
    treatment: Treatment


def situation(
    seller_country: str,
    customer_country: str,
    vat_id: str,
    *,
    one_stop_shop_from: date | None = None,
    entered: Iterable[DatedRate] = (),
) -> Situation:
    """The situation of a customer with that VAT id, and with what staff `entered` of rates anywhere. Raises ValueError
    for a seller outside the Union, whose rules are not known here.
    """
    if seller_country not in UNION:
        raise ValueError(f"no VAT rule for a seller in {seller_country or 'no country'}")
    is_business = is_vat_id(vat_id, customer_country)
    of_both = tuple(rate for rate in entered if rate.country in {seller_country, customer_country})
    return Situation(seller_country, customer_country, is_business, one_stop_shop_from, of_both)


def treatment(where: Situation, on: date, supply: str = Supply.ELECTRONIC) -> Treatment:
    """The VAT of what is supplied there with its tax point on that day. Raises UnknownRate."""
    if where.customer_country not in UNION:
        return OUT_OF_SCOPE
    is_abroad = where.customer_country != where.seller_country
    if is_abroad and where.is_business:
        return REVERSE_CHARGE
    if supply == Supply.ZERO:
        return ZERO_RATED
    opened = where.one_stop_shop_from
    counts_there = is_abroad and supply in _WHERE_USED and opened is not None and opened <= on
    country = where.customer_country if counts_there else where.seller_country
    return _rated(rate_on(country, on, _KINDS[Supply(supply)], where.entered))


def rates_of(country: str, kind: str, entered: Iterable[DatedRate] = ()) -> list[DatedRate]:
    """The rates of that country and kind by their first days. Of several for a day what was entered last counts, and
    the file least.
    """
    found = {rate.since: rate for rate in RATES.get((country, kind), ())}
    found |= {rate.since: rate for rate in entered if (rate.country, rate.kind) == (country, kind)}
    return sorted(found.values(), key=_since)


def rate_on(country: str, on: date, kind: str = STANDARD, entered: Iterable[DatedRate] = ()) -> Decimal:
    """The rate of that country in percent on that day. Raises UnknownRate."""
    counting = counting_on(rates_of(country, kind, entered), on)
    if counting is None or counting.rate is None:
        raise UnknownRate(f"no {kind} rate of {country} on {on}")
    return counting.rate


def counting_on(dated: Sequence[DatedRate], on: date) -> DatedRate | None:
    """The one of them, given by their first days, that counts on that day; None before the first."""
    place = bisect_right(dated, on, key=_since)
    return dated[place - 1] if place else None


@cache
def pieces(where: Situation, supply: str, since: date, until: date) -> tuple[Piece, ...]:
    """How what is supplied there is treated over these days, both included; nothing for days without a known rate."""
    countries = {where.seller_country, where.customer_country}
    dated = [rate for country in countries for kind in (STANDARD, REDUCED) for rate in RATES.get((country, kind), ())]
    starts = {since, *(rate.since for rate in [*dated, *where.entered])}
    if where.one_stop_shop_from:
        starts.add(where.one_stop_shop_from)
    days = sorted(day for day in starts if since <= day <= until)
    found: list[Piece] = []
    for day, following in zip(days, [*days[1:], until + timedelta(days=1)], strict=True):
        try:
            decided = treatment(where, day, supply)
        except UnknownRate:
            continue
        last = following - timedelta(days=1)
        if found and found[-1].treatment == decided and found[-1].last == day - timedelta(days=1):
            found[-1] = Piece(found[-1].first, last, decided)
        else:
            found.append(Piece(day, last, decided))
    return tuple(found)


def tax_point(service_end: date, issued_on: date) -> date:
    """The day whose rate counts: that on which the service is complete, or that of an earlier invoice for it (article
    64 to 66 of the directive).
    """
    return min(service_end, issued_on)


def is_vat_id(vat_id: str, country: str) -> bool:
    """Whether this is a VAT id of that country of the Union, by its form and check digits."""
    if country not in UNION or not vat_id:
        return False
    try:
        clean_vat_id(vat_id, country)
    except ValidationError:
        return False
    return True


@cache
def _rated(rate: Decimal) -> Treatment:
    # EN 16931 has a category of its own for the rate of zero (BR-S-05).
    return Treatment("S", rate) if rate else ZERO_RATED
