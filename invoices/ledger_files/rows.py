"""The postings of a time, their sums, and the same as CSV: each posting is a line of debit and one of credit."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Case, CharField, Count, Q, QuerySet, Sum, Value, When
from django.utils.translation import gettext as _

from core.money import Money
from core.spreadsheets import csv_stream
from invoices.models import LedgerAccount, Posting

PORTION = 2000


@dataclass(frozen=True)
class Stretch:
    """From one day to another, both included; of one currency, or of all."""

    starts_on: date
    ends_on: date
    currency: str = ""

    def postings(self) -> QuerySet[Posting]:
        rows = Posting.objects.filter(posted_on__range=(self.starts_on, self.ends_on))
        return rows.filter(currency=self.currency) if self.currency else rows


@dataclass(frozen=True)
class Sums:
    """What stands in the books in a time and currency: so many lines, and the same sum on both sides."""

    currency: str
    lines: int
    debit: Money
    credit: Money


class Journal:
    """Where a posting is kept: told by the accounts between which it moves money."""

    SALES, BANK, PROVIDER, MEMORIAL = "1-sales", "2-bank", "3-provider", "4-memorial"


def journal_of() -> Case:
    """The journal of each posting, as a column."""

    def between(*accounts: LedgerAccount) -> Q:
        return Q(debit__in=accounts) | Q(credit__in=accounts)

    return Case(
        When(between(LedgerAccount.REVENUE, LedgerAccount.VAT), then=Value(Journal.SALES)),
        When(between(LedgerAccount.BANK), then=Value(Journal.BANK)),
        When(between(LedgerAccount.GATEWAY), then=Value(Journal.PROVIDER)),
        default=Value(Journal.MEMORIAL),
        output_field=CharField(),
    )


def sums_of(stretch: Stretch) -> list[Sums]:
    """The control totals, by currency; one statement. Both sides are summed for themselves."""
    found = stretch.postings().order_by("currency").values("currency")
    rows = found.annotate(
        number=Count("pk"),
        debits=Sum("amount_minor", filter=Q(debit__in=LedgerAccount.values)),
        credits=Sum("amount_minor", filter=Q(credit__in=LedgerAccount.values)),
    )
    return [
        Sums(
            row["currency"],
            2 * row["number"],
            Money(int(row["debits"] or 0), row["currency"]),
            Money(int(row["credits"] or 0), row["currency"]),
        )
        for row in rows
    ]


def ledger_csv(stretch: Stretch) -> Iterator[bytes]:
    """The file in portions, in the language in use; the last rows are the sums. Memory does not grow with it."""
    header = [
        *(_("Date"), _("Posting"), _("Reference"), _("Ledger account"), _("Name of the ledger account")),
        *(_("Customer"), _("Name of the customer"), _("Billing profile"), _("Invoice"), _("Currency")),
        *(_("Debit"), _("Credit")),
    ]
    return csv_stream(header, _lines(stretch))


def _lines(stretch: Stretch) -> Iterator[list[Any]]:
    names = {account.value: str(account.label) for account in LedgerAccount}
    rows = stretch.postings().order_by("posted_on", "pk")
    columns = ("posted_on", "pk", "reference", "debit", "credit", "account__code", "account__name", "profile__name")
    sums: dict[str, list[Money]] = {}
    for row in rows.values_list(*columns, "invoice__number", "currency", "amount_minor").iterator(PORTION):
        on, key, reference, debit, credit, code, name, profile, invoice, currency, minor = row
        amount = Money(minor, currency)
        total = sums.setdefault(currency, [Money.zero(currency), Money.zero(currency)])
        for side, account in enumerate((debit, credit)):
            total[side] += amount
            sides = [amount.amount, ""] if side == 0 else ["", amount.amount]
            yield [on, key, reference, account, names[account], code, name, profile, invoice or "", currency, *sides]
    for currency, (debits, credits) in sorted(sums.items()):
        yield [stretch.ends_on, "", _("Total"), *[""] * 6, currency, debits.amount, credits.amount]
