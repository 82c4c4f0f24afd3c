"""VAT in the seller's currency on an invoice in another one (VAT directive, articles 91 and 230; L1).

The rate is that of the European Central Bank for the day of issue, or of the last day before it on which
the bank published one. Staff bring the rates in; where none is known, what needs one is not issued.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from accounts.models import Seller
from accounts.services.customers import currency_of
from core.money import quotient
from invoices.models import ExchangeRate

EURO = "EUR"
# The bank is closed at weekends and over Easter and Christmas; an older rate is none.
OLDEST = timedelta(days=7)
# What is stored and printed of a rate of exchange.
DECIMALS = 10


@dataclass(frozen=True, slots=True)
class Exchange:
    """So many units of an invoice's currency are one of `currency`, the seller's, by the rate of that day."""

    currency: str
    rate: Decimal
    day: date


def home_currency(seller: Seller) -> str:
    """The currency in which the seller declares VAT: that of its country."""
    return currency_of(str(seller.country))


def exchanges(seller: Seller, on: date) -> dict[str, Exchange]:
    """How each currency becomes the seller's on that day; those without a rate are not in it. One statement."""
    home = home_currency(seller)
    latest = ExchangeRate.objects.filter(day__gt=on - OLDEST, day__lte=on).order_by("currency", "-day")
    rows = {row.currency: row for row in latest.distinct("currency")}
    if home == EURO:
        return {currency: Exchange(home, row.rate, row.day) for currency, row in rows.items()}
    own = rows.get(home)
    if own is None:
        return {}
    found = {EURO: Exchange(home, quotient(Decimal(1), own.rate, DECIMALS), own.day)}
    for currency, row in rows.items():
        if currency != home:
            found[currency] = Exchange(home, quotient(row.rate, own.rate, DECIMALS), min(row.day, own.day))
    return found
