"""Rates of exchange come in: the CSV of the European Central Bank, of one day or of all its history.

Its first column is the day, each other one a currency; empty and N/A stand for no rate. A file is taken
whole or not at all; what is known already stays, and a file that contradicts it is refused.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from core.errors import Refused
from invoices.models import ExchangeRate

# The whole history since 1999 is 1.2 MB.
LARGEST_FILE = 8 * 1024 * 1024
PORTION = 5000
# What numeric(20,10) holds.
LARGEST, DECIMALS = Decimal(10**9), 10


@dataclass(frozen=True)
class RatesReport:
    """How many rates of the file are new, and how many were there."""

    added: int
    known: int


@transaction.atomic
def import_rates(file: BinaryIO, *, since: date | None = None) -> RatesReport:
    """Take in the rates of the file, those before `since` left out. Refuses `no_rates`, naming line and reason, and
    `contradicts`.
    """
    content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Refused(_("The file is larger than %(size)s MB: it is no file of rates.") % {"size": 8}, "no_rates")
    added = known = 0
    rows = (row for row in _rates(content) if since is None or row.day >= since)
    while portion := list(islice(rows, PORTION)):
        stored = _stored(portion)
        for row in portion:
            there = stored.get((row.currency, row.day))
            if there is not None and there != row.rate:
                raise Refused(
                    _("%(day)s, %(currency)s: the file says %(rate)s, but %(known)s is known. Correct what is wrong.")
                    % {"day": row.day, "currency": row.currency, "rate": row.rate, "known": there.normalize()},
                    "contradicts",
                )
        fresh = [row for row in portion if (row.currency, row.day) not in stored]
        ExchangeRate.objects.bulk_create(fresh)
        added, known = added + len(fresh), known + len(portion) - len(fresh)
    if not added + known:
        raise Refused(_("There are no rates in the file."), "no_rates")
    return RatesReport(added, known)


def _stored(portion: list[ExchangeRate]) -> dict[tuple[str, date], Decimal]:
    days = {row.day for row in portion}
    rows = ExchangeRate.objects.filter(day__gte=min(days), day__lte=max(days))
    return {(currency, day): rate for currency, day, rate in rows.values_list("currency", "day", "rate")}


def _rates(content: bytes) -> Iterator[ExchangeRate]:
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        heading = [name.strip() for name in next(rows, [])]
        if heading[:1] != ["Date"]:
            raise _refused(1, _("the first column is not Date"))
        currencies = heading[1:]
        if len(set(filter(None, currencies))) != len(list(filter(None, currencies))):
            raise _refused(1, _("a currency stands there twice"))
        seen: set[date] = set()
        for number, row in enumerate(rows, start=2):
            if not any(cell.strip() for cell in row):
                continue
            day = _day(row[0].strip(), number)
            if day in seen:
                raise _refused(number, _("the day %(day)s stands there twice") % {"day": day})
            seen.add(day)
            for currency, cell in zip(currencies, row[1:], strict=False):
                text = cell.strip()
                if currency and text and text != "N/A":
                    yield ExchangeRate(currency=_currency(currency, number), day=day, rate=_rate(text, number))
    except (UnicodeDecodeError, csv.Error):
        raise Refused(_("This is no CSV file of rates. Hand in the file as the bank gives it."), "no_rates") from None


def _day(text: str, line: int) -> date:
    """2026-11-20, or as the bank writes it in the file of one day: 20 November 2026."""
    for pattern in ("%Y-%m-%d", "%d %B %Y"):
        try:
            return datetime.strptime(text, pattern).date()  # noqa: DTZ007 a day has no zone
        except ValueError:
            continue
    raise _refused(line, _("“%(text)s” is no day") % {"text": text[:40]})


def _currency(text: str, line: int) -> str:
    # The bank's history has currencies that are gone; they are no part of ISO 4217 any more, and kept as they are.
    if len(text) != 3 or not text.isascii() or not text.isupper() or not text.isalpha():
        raise _refused(line, _("“%(text)s” is no currency") % {"text": text[:40]})
    return text


def _rate(text: str, line: int) -> Decimal:
    if text.replace(".", "", 1).isdigit() and text.isascii():
        rate = Decimal(text)
        power = rate.as_tuple().exponent
        if 0 < rate < LARGEST and isinstance(power, int) and -power <= DECIMALS:
            return rate
    raise _refused(line, _("“%(text)s” is no rate") % {"text": text[:40]})


def _refused(line: int, why: str) -> Refused:
    return Refused(_("Line %(line)s: %(why)s. Nothing was taken in.") % {"line": line, "why": why}, "no_rates")
