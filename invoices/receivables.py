"""Receivables by age on a chosen day, derived from the ledger: per account, billing profile or invoice, and currency.

What is owed on an invoice on that day is what the postings up to it left of accounts receivable, so that the sums of
this page are the balance of the ledger (I1), also for days that are past. What is below zero, credit notes and
payments beyond what an invoice needed, is in the customer's favour and has no age.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.money import Money

PAGE_SIZE = 50
PORTION = 2000
# Days late, from and to; what is in the customer's favour stands last.
AGES: dict[str, str | Promise] = {
    "not_due": _("Not due"),
    "days_30": _("1–30 days"),
    "days_60": _("31–60 days"),
    "days_90": _("61–90 days"),
    "older": _("Over 90 days"),
    "favour": _("In their favour"),
}
GROUPS: dict[str, str | Promise] = {
    "account": _("billing account"),
    "profile": _("billing profile"),
    "invoice": _("invoice"),
}
SORTS: dict[str, str | Promise] = {
    "total": _("largest total first"),
    "older": _("largest over 90 days first"),
    "oldest": _("oldest due date first"),
    "name": _("by name"),
}

_AGED = """
WITH moved AS (
    SELECT invoice_id, account_id, profile_id, currency,
           SUM(CASE debit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END) AS minor
      FROM invoices_posting
     WHERE (debit = 'receivable' OR credit = 'receivable') AND posted_on <= %(on)s
     GROUP BY invoice_id, account_id, profile_id, currency
), aged AS (
    SELECT moved.*, account.name AS account_name, account.code AS account_code, profile.name AS profile_name,
           invoice.number, invoice.due_date,
           CASE WHEN minor < 0 THEN 'favour'
                WHEN %(on)s - invoice.due_date > 90 THEN 'older'
                WHEN %(on)s - invoice.due_date > 60 THEN 'days_90'
                WHEN %(on)s - invoice.due_date > 30 THEN 'days_60'
                WHEN %(on)s - invoice.due_date > 0 THEN 'days_30'
                ELSE 'not_due' END AS age
      FROM moved
      JOIN accounts_billingaccount account ON account.id = moved.account_id
      JOIN profiles_billingprofile profile ON profile.id = moved.profile_id
      LEFT JOIN invoices_invoice invoice ON invoice.id = moved.invoice_id
     WHERE minor <> 0
       AND (%(account)s = '' OR account.code = %(account)s)
       AND (%(currency)s = '' OR moved.currency = %(currency)s)
       AND (%(words)s = ''
            OR strpos(lower(account.name), lower(%(words)s)) > 0
            OR strpos(lower(profile.name), lower(%(words)s)) > 0
            OR account.code = %(words)s
            OR invoice.number LIKE %(number)s)
)
"""
_SUMS = """
       COALESCE(SUM(minor) FILTER (WHERE age = 'not_due'), 0) AS not_due,
       COALESCE(SUM(minor) FILTER (WHERE age = 'days_30'), 0) AS days_30,
       COALESCE(SUM(minor) FILTER (WHERE age = 'days_60'), 0) AS days_60,
       COALESCE(SUM(minor) FILTER (WHERE age = 'days_90'), 0) AS days_90,
       COALESCE(SUM(minor) FILTER (WHERE age = 'older'), 0) AS older,
       COALESCE(SUM(minor) FILTER (WHERE age = 'favour'), 0) AS favour,
       SUM(minor) AS total, COUNT(*) AS documents, MIN(due_date) FILTER (WHERE minor > 0) AS oldest
"""
_ROWS = (
    _AGED
    + """
SELECT account_id, account_name, account_code, currency,
       CASE WHEN %(by)s = 'account' THEN '' ELSE profile_name END AS profile_name,
       CASE WHEN %(by)s = 'invoice' THEN number ELSE '' END AS number,
       CASE WHEN %(by)s = 'invoice' THEN invoice_id END AS invoice_id,
       CASE WHEN %(by)s = 'account' THEN NULL ELSE profile_id END AS profile_id,
       COUNT(*) OVER () AS found,
"""
    + _SUMS
    + """
  FROM aged
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
 ORDER BY CASE WHEN %(sort)s IN ('total', 'older') THEN currency END,
          CASE %(sort)s WHEN 'total' THEN SUM(minor) WHEN 'older' THEN SUM(minor) FILTER (WHERE age = 'older') END
              DESC NULLS LAST,
          CASE WHEN %(sort)s = 'oldest' THEN MIN(due_date) FILTER (WHERE minor > 0) END NULLS LAST,
          account_name, account_id, 5, 8, currency, 6
 LIMIT %(most)s OFFSET %(first)s
"""
)
_TOTALS = _AGED + "SELECT currency," + _SUMS + "FROM aged GROUP BY currency ORDER BY currency"
_LEDGER = """
SELECT currency, SUM(CASE debit WHEN 'receivable' THEN amount_minor ELSE -amount_minor END)
  FROM invoices_posting
 WHERE (debit = 'receivable' OR credit = 'receivable') AND posted_on <= %(on)s
 GROUP BY currency
"""


@dataclass(frozen=True)
class Asked:
    """Of which day, grouped by what (`GROUPS`), in which order (`SORTS`), and narrowed to what."""

    on: date
    by: str = "account"
    sort: str = "total"
    words: str = ""
    account: str = ""
    currency: str = ""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.words or self.account or self.currency)


@dataclass(frozen=True)
class Aged:
    """What one account, profile or invoice owes, by how late it is. `ages` goes in the order of `AGES`."""

    account_id: int
    account_name: str
    account_code: str
    profile_name: str
    number: str
    invoice_id: int | None
    documents: int
    oldest: date | None
    ages: list[Money]
    total: Money


@dataclass(frozen=True)
class Total:
    """All of a currency; `ledger` is the balance of accounts receivable, and only where nothing was left out."""

    currency: str
    documents: int
    ages: list[Money]
    total: Money
    ledger: Money | None


def rows_of(asked: Asked, *, first: int = 0, most: int | None = PAGE_SIZE) -> tuple[list[Aged], int]:
    """Rows from the one at `first` on, and how many there are in all (0 beyond the last). One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, {**_values(asked), "first": first, "most": most})
        found = _named(cursor)
    return [_aged(row) for row in found], found[0]["found"] if found else 0


def stream(asked: Asked) -> Iterator[Aged]:
    """Every row, read in portions by a cursor of the server."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_ROWS, {**_values(asked), "first": 0, "most": None})
        while portion := cursor.fetchmany(PORTION):
            names = [column[0] for column in cursor.description]
            for row in portion:
                yield _aged(dict(zip(names, row, strict=True)))


def totals_of(asked: Asked) -> list[Total]:
    """The sums of each currency, beside what the ledger says. Two statements."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, _values(asked))
        found = _named(cursor)
        cursor.execute(_LEDGER, {"on": asked.on})
        ledger = {currency: Money(int(minor), currency) for currency, minor in cursor.fetchall()}
    return [
        Total(
            row["currency"],
            row["documents"],
            _ages(row),
            Money(int(row["total"]), row["currency"]),
            None if asked.is_narrowed else ledger[row["currency"]],
        )
        for row in found
    ]


def _values(asked: Asked) -> dict[str, Any]:
    literal = asked.words.upper().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {**vars(asked), "number": f"{literal}%"}


def _named(cursor: Any) -> list[dict[str, Any]]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _aged(row: Mapping[str, Any]) -> Aged:
    return Aged(
        row["account_id"],
        row["account_name"],
        row["account_code"],
        row["profile_name"],
        row["number"] or "",
        row["invoice_id"],
        row["documents"],
        row["oldest"],
        _ages(row),
        Money(int(row["total"]), row["currency"]),
    )


def _ages(row: Mapping[str, Any]) -> list[Money]:
    return [Money(int(row[age]), row["currency"]) for age in AGES]
