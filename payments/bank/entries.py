"""What a file of the bank says, in our words, whatever its format."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from django.utils.translation import gettext as _

from core.money import Money


class FileRefused(Exception):
    """The file cannot be read, or is not one of ours: nothing of it is taken. The text says why."""


@dataclass(frozen=True)
class ReadEntry:
    """One movement on the account; out of it where the amount is below zero. `references` are structured ones."""

    booked_on: date
    amount: Money
    bank_reference: str = ""
    name: str = ""
    account: str = ""
    text: str = ""
    references: tuple[str, ...] = ()
    end_to_end: str = ""
    is_return: bool = False


@dataclass
class ReadStatement:
    """One statement of one account, with the balances that it names."""

    iban: str
    number: str
    currency: str = ""
    opening: Money | None = None
    closing: Money | None = None
    entries: list[ReadEntry] = field(default_factory=list)

    def check(self) -> None:
        """Refuse a statement whose entries do not lead from one balance to the other: some of it is missing."""
        if self.opening is None or self.closing is None:
            return
        currency = self.opening.currency
        for amount in (self.closing, *(entry.amount for entry in self.entries)):
            if amount.currency != currency:
                told = {"number": self.number, "amount": amount, "currency": currency}
                raise FileRefused(_("statement %(number)s: %(amount)s on an account in %(currency)s") % told)
        total = Money.total((entry.amount for entry in self.entries), currency)
        if self.opening + total != self.closing:
            told = {
                "number": self.number,
                "opening": self.opening,
                "sum": self.opening + total,
                "closing": self.closing,
            }
            said = _(
                "statement %(number)s: %(opening)s and its entries come to %(sum)s, but it ends with %(closing)s. "
                "Some of it is missing."
            )
            raise FileRefused(said % told)


def keyed(iban: str, entries: Iterable[ReadEntry]) -> Iterator[tuple[str, ReadEntry]]:
    """Each entry with the key by which it is known again in another file of the same days.

    Two entries that look alike within one statement are two: the second has a number of its own.
    """
    seen: Counter[str] = Counter()
    for entry in entries:
        said = [
            iban,
            entry.booked_on.isoformat(),
            str(entry.amount),
            entry.bank_reference,
            entry.name,
            entry.text,
            list(entry.references),
            entry.end_to_end,
        ]
        base = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        seen[base] += 1
        yield hashlib.sha256(f"{base}:{seen[base]}".encode()).hexdigest(), entry
