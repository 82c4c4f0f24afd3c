"""Movements as CSV: the exports of ING and Rabobank, and a plain layout of our own. Which column is what is data."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from core.money import Money
from payments.bank.entries import FileRefused, ReadEntry, ReadStatement

MOST_ROWS = 100_000


@dataclass(frozen=True)
class Layout:
    """The names of the columns of one bank; `sides` is the column that says out or in, and its two words."""

    name: str
    iban: str
    day: str
    day_format: str
    amount: str
    counterparty: str
    account: str
    text: tuple[str, ...]
    currency: str = ""
    reference: str = ""
    sides: tuple[str, str, str] | None = None
    return_codes: str = ""


LAYOUTS = (
    Layout(
        "ING",
        iban="Rekening",
        day="Datum",
        day_format="%Y%m%d",
        amount="Bedrag (EUR)",
        counterparty="Naam / Omschrijving",
        account="Tegenrekening",
        text=("Mededelingen",),
        sides=("Af Bij", "Af", "Bij"),
    ),
    Layout(
        "Rabobank",
        iban="IBAN/BBAN",
        day="Datum",
        day_format="%Y-%m-%d",
        amount="Bedrag",
        counterparty="Naam tegenpartij",
        account="Tegenrekening IBAN/BBAN",
        text=("Omschrijving-1", "Omschrijving-2", "Omschrijving-3", "Betalingskenmerk"),
        currency="Munt",
        reference="Volgnr",
        return_codes="Reden retour",
    ),
    Layout(
        "plain",
        iban="iban",
        day="date",
        day_format="%Y-%m-%d",
        amount="amount",
        counterparty="name",
        account="account",
        text=("text",),
        currency="currency",
        reference="reference",
    ),
)


def read_sheet(content: bytes) -> list[ReadStatement]:
    """The movements of the file, one statement per account. Raises FileRefused with the line that cannot be read."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    if "\x00" in text:
        raise FileRefused(_("it is no text"))
    separator = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        layout = _layout(rows.fieldnames or ())
        found: dict[str, ReadStatement] = {}
        for number, row in enumerate(rows, 2):
            if number > MOST_ROWS:
                raise FileRefused(_("it has more than %(most)d rows; split it") % {"most": MOST_ROWS})
            entry, iban = _entry(layout, row, number)
            statement = found.setdefault(iban, ReadStatement(iban, "", entry.amount.currency))
            statement.entries.append(entry)
    except csv.Error:
        raise FileRefused(_("line %(line)d is no row of a CSV") % {"line": rows.line_num}) from None
    if not found:
        raise FileRefused(_("it holds no movement"))
    return list(found.values())


def _layout(columns: Sequence[str]) -> Layout:
    for layout in LAYOUTS:
        if {layout.iban, layout.day, layout.amount, layout.counterparty} <= set(columns):
            return layout
    known = ", ".join(layout.name for layout in LAYOUTS)
    raise FileRefused(_("its columns are those of no layout we know (%(known)s)") % {"known": known})


def _entry(layout: Layout, row: Mapping[str, str | None], number: int) -> tuple[ReadEntry, str]:
    if None in row.values() or None in row:
        raise FileRefused(_("line %(line)d has more or fewer cells than the first line") % {"line": number})
    cells = {name: (value or "").strip() for name, value in row.items()}
    iban = cells[layout.iban].replace(" ", "").upper()
    currency = (cells.get(layout.currency) or "EUR")[:3]
    amount = _money(cells[layout.amount], currency, number)
    if layout.sides:
        column, out, into = layout.sides
        if cells.get(column) not in (out, into) or amount.minor < 0:
            said = {"line": number, "said": cells.get(column, "")[:20]}
            raise FileRefused(_("line %(line)d: “%(said)s” does not say whether money came in or out") % said)
        amount = -amount if cells[column] == out else amount
    entry = ReadEntry(
        booked_on=_day(cells[layout.day], layout.day_format, number),
        amount=amount,
        bank_reference=cells.get(layout.reference, "")[:100],
        name=cells[layout.counterparty][:140],
        account=cells.get(layout.account, "").replace(" ", "").upper()[:34],
        text=" ".join(filter(None, (cells.get(name, "") for name in layout.text)))[:500],
        is_return=bool(cells.get(layout.return_codes)),
    )
    return entry, iban


def _money(text: str, currency: str, number: int) -> Money:
    plain = re.sub(r"[ \u00a0]", "", text)
    if "," in plain:
        plain = plain.replace(".", "").replace(",", ".")
    try:
        amount = Decimal(plain)
        money = Money.rounded(amount, currency) if amount.is_finite() and abs(amount) < 10**13 else None
    except (InvalidOperation, ValueError):
        money = None
    if money is None or money.amount != amount:
        raise FileRefused(
            _("line %(line)d: “%(said)s” is no amount of %(currency)s")
            % {"line": number, "said": text[:20], "currency": currency}
        )
    return money


def _day(text: str, day_format: str, number: int) -> date:
    try:
        return datetime.strptime(text, day_format).date()  # noqa: DTZ007 a day, without a time
    except ValueError:
        raise FileRefused(_("line %(line)d: “%(said)s” is no day") % {"line": number, "said": text[:20]}) from None
