"""Charges from outside come in: a FOCUS file, whole or not at all, and the same file or row once (domain §3.9).

Rows are streamed into a temporary table and taken from there by a handful of statements, whatever
their number. A file is known by the digest of what it says, packed or not, and a row by its place in it, so
importing again adds only what was refused before and fits now. A row that says in every column what another
one says, of this file or of one before, is the same charge delivered twice: it is refused, and told.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from decimal import Context, Decimal, InvalidOperation
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from accounts.models import Agreement, BillingAccount, Organisation, User
from accounts.services.customers import currency_of, open_account
from core.database import copy_rows
from core.errors import Refused
from core.history import acting
from core.periods import Month
from core.spreadsheets import cell
from invoices.focus import BadRow, ChargeRow, FileRefused, RowRefused, digest, read_charges, unpacked
from invoices.models import ChargeImport, ParkReason
from invoices.services.drafts import Problem
from invoices.services.parking import park_profiles
from profiles.models import BillingProfile
from profiles.services.profiles import create_profile, create_subscription_profile
from subscriptions.models import Subscription

Refuse = Callable[[BadRow], None]

IMPORTED = "Imported"
# How many refused rows a report names; the file of refused rows holds all.
NAMED = 20
TOLD_EACH = 10_000
_EXACT = Context(prec=60)


@dataclass(frozen=True)
class NewCustomers:
    """How accounts are made that a file names and nobody knows: all in one country, owned by one person.

    `invents_address` fills their addresses in; it is for a demo, and elsewhere the owner has to.
    """

    country: str
    owner: User
    invents_address: bool = False


@dataclass
class Total:
    """Rows and the exact sum of their cost in one currency."""

    rows: int = 0
    cost: Decimal = Decimal(0)

    def add(self, cost: Decimal) -> None:
        self.rows += 1
        self.cost = _EXACT.add(self.cost, cost)


@dataclass
class ImportReport:
    """What became of a file. Memory does not grow with it."""

    is_dry: bool
    rows: int = 0
    added: int = 0
    version: str = ""
    # Rows that an earlier import of the same file added.
    known: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: list[BadRow] = field(default_factory=list)
    # By currency: what the rows that were read come to, and what the database now holds of this file.
    in_file: dict[str, Total] = field(default_factory=dict)
    refused_by_accounts: dict[str, Total] = field(default_factory=dict)
    stored: dict[str, Total] = field(default_factory=dict)
    source: ChargeImport | None = None
    accounts_made: int = 0
    subscriptions_made: int = 0

    @property
    def refused_rows(self) -> int:
        return self.refused.total()


def import_charges(
    path: Path | str,
    *,
    new: NewCustomers | None = None,
    is_dry: bool = False,
    refused_to: Path | None = None,
    name: str = "",
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Import the file, all of it that fits or, where something goes wrong, nothing.

    With `new`, accounts and sub-accounts that nobody knows are made. `refused_to` gets every refused row as
    CSV, `progress` how many rows were read, now and then; `name` is what the file is called. A dry run does
    everything and takes it back. Raises FileRefused for what is no whole file of charges, and OSError for one
    that cannot be read.
    """
    path, report = Path(path), ImportReport(is_dry)
    with path.open("rb") as raw, _refusals(report, refused_to) as refuse, transaction.atomic():
        file = unpacked(raw)
        sha256, size = digest(file)
        source = _Source(read_charges(file, partial(setattr, report, "version")), report, refuse, progress)
        with connection.cursor() as cursor:
            # Two imports at once would both make who is missing.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('import_charges'))")
            cursor.execute(_TABLE)
        copy_rows("incoming_charge", _COLUMNS, source.rows())
        if source.failure:
            raise source.failure
        if file.tell() != size or file.read(1):
            raise FileRefused("the file changed while it was read")
        _keep_open()
        if new:
            _make_missing(report, new)
        _refuse_twice(report, refuse, sha256)
        _refuse_strangers(report, refuse)
        called = (name or path.name)[-255:]
        _take(report, ChargeImport(file_name=called, sha256=sha256, size_bytes=size, version=report.version))
        transaction.set_rollback(is_dry)
    return report


class _Source:
    """The rows of the file on their way into the temporary table; those that are refused are counted and left out."""

    def __init__(
        self,
        charges: Iterator[ChargeRow | BadRow],
        report: ImportReport,
        refuse: Refuse,
        progress: Callable[[int], None] | None,
    ) -> None:
        self.charges, self.report, self.refuse, self.progress = charges, report, refuse, progress
        # An error cannot pass through COPY and keep its kind.
        self.failure: FileRefused | None = None

    def rows(self) -> Iterator[tuple[Any, ...]]:
        try:
            for row in self.charges:
                self.report.rows += 1
                if self.progress and self.report.rows % TOLD_EACH == 0:
                    self.progress(self.report.rows)
                if isinstance(row, BadRow):
                    self.refuse(row)
                else:
                    self.report.in_file.setdefault(row.currency, Total()).add(row.cost)
                    yield tuple(getattr(row, name) for name in _COLUMNS)
        except FileRefused as failure:
            self.failure = failure


def _keep_open() -> None:
    """Let nobody close an account while charges come to it."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_OPEN)


def _make_missing(report: ImportReport, new: NewCustomers) -> None:
    """Accounts for unknown ids whose charges are in the currency of the country, and subscriptions for unknown
    sub-accounts."""
    currency = currency_of(new.country)
    with connection.cursor() as cursor:
        cursor.execute(_MISSING_ACCOUNTS, {"currency": currency})
        for external_id, name in cursor.fetchall():
            _make_account(external_id, name, new)
            report.accounts_made += 1
        cursor.execute(_MISSING_SUBSCRIPTIONS)
        for account_id, external_id, name, month in cursor.fetchall():
            report.subscriptions_made += _make_subscription(account_id, external_id, name, Month.of(month), new)


def _make_account(external_id: str, name: str, new: NewCustomers) -> BillingAccount:
    organisation = Organisation.objects.filter(name=IMPORTED).order_by("pk").first()
    if organisation is None:
        with acting(None, "organisation.created"):
            organisation = Organisation.objects.create(name=IMPORTED)
    name = name or external_id
    address = {"company_name": name, **(_INVENTED.get(new.country, {}) if new.invents_address else {})}
    if BillingAccount.objects.filter(organisation=organisation, name__iexact=name).exists():
        name = f"{name[:90]} ({external_id})"
    return open_account(
        organisation=organisation,
        name=name,
        agreement=Agreement.CUSTOMER_AGREEMENT,
        country=new.country,
        sold_to=address,
        external_id=external_id,
        owner=new.owner,
        by=None,
    )


def _make_subscription(account_id: int, external_id: str, name: str, month: Month, new: NewCustomers) -> bool:
    """On the account's only profile, or on one of its own; on one of several nobody can choose here."""
    account = BillingAccount.objects.get(pk=account_id)
    name = name or external_id
    profiles = list(BillingProfile.objects.filter(account=account).shown().open()[:2])
    if account.is_online_services:
        profile = create_subscription_profile(account, name=name, by=None)
    elif profiles:
        profile = profiles[0]
    else:
        profile = create_profile(account, name=account.name[:100], by=None)
        if not profile.invoice_address.is_complete:
            park_profiles(month, [Problem(profile.pk, ParkReason.ADDRESS_INCOMPLETE, profile.invoice_address.kind)])
    if len(profiles) > 1:
        return False
    with acting(None, "subscription.imported"):
        Subscription.objects.create(
            account=account,
            profile=profile,
            external_id=external_id,
            name=name,
            currency=account.currency,
            started_on=month.first,
        )
    return True


def _refuse_twice(report: ImportReport, refuse: Refuse, sha256: str) -> None:
    """Refuse the rows that say what another row says, here or in another file, and take them out."""
    with connection.cursor() as cursor:
        cursor.execute(_TWICE, {"sha256": sha256})
        for row_number, detail, account_id, sub_account_id, cost, currency in cursor.fetchall():
            report.refused_by_accounts.setdefault(currency, Total()).add(cost)
            why = RowRefused("delivered twice", detail)
            refuse(BadRow(row_number, why, account_id, sub_account_id, f"{cost.normalize():f}"))


def _refuse_strangers(report: ImportReport, refuse: Refuse) -> None:
    """Refuse the rows of accounts that nobody knows or that are billed in another currency; `_take` leaves them out."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(_STRANGERS)
        for row_number, reason, detail, account_id, sub_account_id, cost, currency in cursor:
            report.refused_by_accounts.setdefault(currency, Total()).add(cost)
            refuse(BadRow(row_number, RowRefused(reason, detail), account_id, sub_account_id, f"{cost.normalize():f}"))


def _take(report: ImportReport, source: ChargeImport) -> None:
    """Write the rows that are left, each once, and hold what is stored against what was read."""
    ChargeImport.objects.bulk_create([source], ignore_conflicts=True)
    source = ChargeImport.objects.select_for_update().get(sha256=source.sha256)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"source": source.pk})
        report.added = cursor.rowcount
        cursor.execute(_STORED, {"source": source.pk})
        report.stored = {currency: Total(rows, cost) for currency, rows, cost in cursor.fetchall()}
    report.known = sum(total.rows for total in report.stored.values()) - report.added
    for currency, total in report.in_file.items():
        refused = report.refused_by_accounts.get(currency, Total())
        stored = report.stored.get(currency, Total())
        if (stored.rows, stored.cost) != (total.rows - refused.rows, _EXACT.subtract(total.cost, refused.cost)):
            raise Refused(
                f"{currency}: {stored.rows} rows and {stored.cost} are stored, but {total.rows - refused.rows} rows "
                f"and {total.cost - refused.cost} were read. Nothing was imported.",
                "control_total",
            )
    ChargeImport.objects.filter(pk=source.pk).update(
        accepted_rows=report.added + report.known, refused_rows=report.refused_rows, version=report.version
    )
    report.source = source


@contextmanager
def _refusals(report: ImportReport, refused_to: Path | None) -> Iterator[Refuse]:
    """What counts a refused row, and writes it to the file where one is wanted."""
    with ExitStack() as stack:
        writer = None
        if refused_to:
            file = stack.enter_context(refused_to.open("w", newline="", encoding="utf-8-sig"))
            writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
            writer.writerow(["Row", "Reason", "Detail", "BillingAccountId", "SubAccountId", "BilledCost"])

        def refuse(row: BadRow) -> None:
            report.refused[row.refusal.reason] += 1
            if len(report.examples) < NAMED:
                report.examples.append(row)
            if writer:
                why, cost = row.refusal, _figure(row.cost)
                values = (row.row_number, why.reason, why.detail, row.account_id, row.sub_account_id, cost)
                writer.writerow([cell(value) for value in values])

        yield refuse


def _figure(text: str) -> Decimal | str:
    """The cost as a number where it is one, so that it stays one in a spreadsheet."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text


# Addresses that exist and belong to nobody in particular, for a demo.
_INVENTED = {
    "US": {"line1": "350 5th Ave", "city": "New York", "region": "NY", "postal_code": "10118"},
    "NL": {"line1": "Stationsplein 45", "city": "Rotterdam", "postal_code": "3013 AK"},
    "BE": {"line1": "Grote Markt 1", "city": "Brussel", "postal_code": "1000"},
    "DE": {"line1": "Friedrichstraße 43", "city": "Berlin", "postal_code": "10117"},
    "GB": {"line1": "221B Baker Street", "city": "London", "postal_code": "NW1 6XE"},
}

_COLUMNS = [column.name for column in fields(ChargeRow)]

_TABLE = """
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_charge (
    row_number int PRIMARY KEY,
    account_id text,
    account_name text,
    sub_account_id text,
    sub_account_name text,
    month date,
    category text,
    charge_class text,
    service_name text,
    sku_id text,
    description text,
    resource_id text,
    region text,
    quantity numeric(38, 18),
    unit text,
    cost numeric(38, 18),
    currency text,
    started_at timestamptz,
    ended_at timestamptz,
    tags jsonb,
    service_subcategory text,
    sku_meter text,
    fingerprint uuid
) ON COMMIT DROP;
TRUNCATE incoming_charge;
"""

_KEEP_OPEN = """
SELECT FROM accounts_billingaccount
WHERE external_id IN (SELECT account_id FROM incoming_charge)
ORDER BY id
FOR KEY SHARE
"""

_MISSING_ACCOUNTS = """
SELECT i.account_id, max(i.account_name)
FROM incoming_charge i
WHERE i.currency = %(currency)s
    AND NOT EXISTS (SELECT FROM accounts_billingaccount a WHERE a.external_id = i.account_id)
GROUP BY i.account_id
ORDER BY i.account_id
"""

_MISSING_SUBSCRIPTIONS = """
SELECT a.id, i.sub_account_id, max(i.sub_account_name), min(i.month)
FROM incoming_charge i
JOIN accounts_billingaccount a ON a.external_id = i.account_id AND a.currency = i.currency AND a.status <> 'closed'
WHERE NOT EXISTS (
    SELECT FROM subscriptions_subscription s WHERE s.account_id = a.id AND s.external_id = i.sub_account_id
)
GROUP BY a.id, i.sub_account_id
ORDER BY a.id, min(i.month), i.sub_account_id
"""

# The first of equal rows counts, and one that this file has brought before.
_TWICE = """
DELETE FROM incoming_charge i
USING (
    SELECT s.row_number, coalesce(
        (SELECT 'also in ' || f.file_name || ', row ' || c.row_number
        FROM invoices_charge c JOIN invoices_chargeimport f ON f.id = c.imported_from_id
        WHERE c.fingerprint = s.fingerprint AND f.sha256 <> %(sha256)s LIMIT 1),
        CASE WHEN s.row_number > s.first THEN 'also row ' || s.first END
    ) AS detail
    FROM (SELECT row_number, fingerprint, min(row_number) OVER (PARTITION BY fingerprint) AS first FROM incoming_charge)
        AS s
) AS twice
WHERE twice.row_number = i.row_number AND twice.detail IS NOT NULL
RETURNING i.row_number, twice.detail, i.account_id, i.sub_account_id, i.cost, i.currency
"""

_STRANGERS = """
SELECT i.row_number,
    CASE WHEN a.id IS NULL THEN 'unknown account'
        WHEN a.currency <> i.currency THEN 'another currency than the account''s'
        WHEN a.status = 'closed' THEN 'closed account'
        ELSE 'unknown sub-account' END,
    CASE WHEN a.currency <> i.currency THEN i.currency || ', not ' || a.currency ELSE '' END,
    i.account_id, i.sub_account_id, i.cost, i.currency
FROM incoming_charge i
LEFT JOIN accounts_billingaccount a ON a.external_id = i.account_id
LEFT JOIN subscriptions_subscription s ON s.account_id = a.id AND s.external_id = i.sub_account_id
WHERE a.id IS NULL OR a.currency <> i.currency OR s.id IS NULL
    -- What the same file brought before the account was closed stays.
    OR a.status = 'closed' AND NOT EXISTS (SELECT FROM invoices_charge c WHERE c.fingerprint = i.fingerprint)
ORDER BY i.row_number
"""

_TAKE = """
INSERT INTO invoices_charge (
    imported_from_id, row_number, account_id, subscription_id, month, category, charge_class, service_name, sku_id,
    description, resource_id, region, quantity, unit, cost, currency, started_at, ended_at, tags,
    service_subcategory, sku_meter, fingerprint
)
SELECT %(source)s, i.row_number, a.id, s.id, i.month, i.category, i.charge_class, i.service_name, i.sku_id,
    i.description, i.resource_id, i.region, i.quantity, i.unit, i.cost, i.currency, i.started_at, i.ended_at, i.tags,
    i.service_subcategory, i.sku_meter, i.fingerprint
FROM incoming_charge i
JOIN accounts_billingaccount a ON a.external_id = i.account_id AND a.currency = i.currency AND a.status <> 'closed'
JOIN subscriptions_subscription s ON s.account_id = a.id AND s.external_id = i.sub_account_id
ORDER BY i.row_number
ON CONFLICT (imported_from_id, row_number) DO NOTHING
"""

_STORED = """
SELECT currency, count(*), sum(cost) FROM invoices_charge WHERE imported_from_id = %(source)s GROUP BY currency
"""
