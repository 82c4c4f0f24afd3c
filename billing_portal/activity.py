"""What happened on an account or a profile, read from the history of every app (I26, issue 4).

The history tables are found by themselves: whatever is tracked and names its account or its profile
shows here. One statement reads a page with what each entry changed; the names of people and things
that it mentions cost one statement per kind of thing.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries import countries

from accounts.models import Address, BillingAccount
from core.lists import ListPage, read_window
from core.money import Money
from core.seals import event_models
from core.templatetags.ui import day, moment, money
from payments.declines import explain
from payments.models import Payment
from profiles.models import BillingProfile

ORDER = ("-at", "-table", "-entry")
EXPORTED_AT_MOST = 10_000
PERIODS = {"7": gettext_lazy("Last 7 days"), "30": gettext_lazy("Last 30 days"), "365": gettext_lazy("Last year")}
EVENTS = {
    "insert": (gettext_lazy("Added"), "ok"),
    "update": (gettext_lazy("Changed"), "info"),
    "delete": (gettext_lazy("Removed"), "danger"),
}
# The words for what has no name of its own in the models.
KINDS = {
    "accounts.accountrole": gettext_lazy("Role on the billing account"),
    "profiles.profilerole": gettext_lazy("Role on a billing profile"),
    "accounts.organisationmember": gettext_lazy("Person of the organisation"),
    "accounts.organisationrole": gettext_lazy("Role in the organisation"),
    "payments.profilemethods": gettext_lazy("What a billing profile is paid with"),
    "payments.approvalrule": gettext_lazy("Approval of payments"),
}
# By column, or by model and column where the same one means something else.
FIELDS = {
    "accounts.vatcheck.holder": gettext_lazy("Name in the register"),
    "joined_at": gettext_lazy("Joined"),
    "date_joined": gettext_lazy("First came in"),
    "manager_id": gettext_lazy("Manager"),
    "contact_email_verified_at": gettext_lazy("Contact e-mail proved"),
    "contact_email_confirmed_at": gettext_lazy("Contact e-mail confirmed"),
    "alternate_email_verified_at": gettext_lazy("Alternate e-mail proved"),
    "phone_verified_at": gettext_lazy("Phone proved"),
    "planned_by_id": gettext_lazy("Planned by"),
    "planned_at": gettext_lazy("Planned on"),
    "requested_by_id": gettext_lazy("Requested by"),
    "requested_at": gettext_lazy("Requested on"),
    "decided_by_id": gettext_lazy("Decided by"),
    "decided_at": gettext_lazy("Decided on"),
    "ended_at": gettext_lazy("Ended on"),
    "subscription_id": gettext_lazy("Subscription"),
    "method_id": gettext_lazy("Payment method"),
    "signed_by_id": gettext_lazy("Signed by"),
    "notice_days": gettext_lazy("Days of notice"),
    "last_collected_on": gettext_lazy("Last collected"),
    "remove_from": gettext_lazy("Is deleted on"),
    "removal_asked_by_id": gettext_lazy("Deletion asked for by"),
    "monthly_minor": gettext_lazy("Amount a month"),
    "above_minor": gettext_lazy("Limit"),
    "prepared_by_id": gettext_lazy("Prepared by"),
    "prepared_at": gettext_lazy("Prepared"),
    "expires_at": gettext_lazy("Expires"),
    "payment_id": gettext_lazy("Payment"),
    "budget_minor": gettext_lazy("Budget"),
    "user_id": gettext_lazy("Person"),
    "profile_id": gettext_lazy("Billing profile"),
    "product_id": gettext_lazy("Product"),
    "bill_to_id": gettext_lazy("Bill-to address"),
    "sold_to_id": gettext_lazy("Sold-to address"),
    "ship_to_id": gettext_lazy("Service usage address"),
    "verified_at": gettext_lazy("Verified"),
    "decision_note": gettext_lazy("Reason"),
    "new_name": gettext_lazy("New legal name"),
    "default_id": gettext_lazy("Default"),
    "backup_id": gettext_lazy("Backup"),
    "organisation_id": gettext_lazy("Organisation"),
    "role": gettext_lazy("Role"),
    "stands_in_for_id": gettext_lazy("Stands in for"),
    "expires_on": gettext_lazy("Ends on"),
    "status": gettext_lazy("Status"),
    "family": gettext_lazy("Kind"),
    "brand": gettext_lazy("Brand"),
    "last4": gettext_lazy("Last four digits"),
    "valid_until": gettext_lazy("Valid until"),
    "issuing_country": gettext_lazy("Country of the bank"),
    "last_decline_reason": gettext_lazy("Reason of the last decline"),
    "last_declined_at": gettext_lazy("Last declined"),
    "unit_price": gettext_lazy("Unit price excl. VAT"),
    "currency": gettext_lazy("Currency"),
    "is_complete": gettext_lazy("Complete"),
    "external_id": gettext_lazy("Known outside as"),
}
# Codes that people read as words.
VALUES: dict[str, Callable[[str], object]] = {
    "last_decline_reason": lambda reason: explain(reason).short,
    "issuing_country": lambda code: countries.name(code) or code,
}
# What says nothing to people, or is told by the entry itself.
_SILENT = frozenset(
    {"id", "code", "version", "updated_at", "created_at", "created_by_id", "added_at", "added_by_id", "assigned_at"}
    | {"asked_at", "next_check_at", "failures", "trouble", "consultation", "document", "document_name", "document_type"}
    | {"assigned_by_id", "account_id", "fingerprint", "gateway", "token", "token_digest", "muted_at", "kind", "tiers"}
)


@dataclass(frozen=True)
class Filters:
    """What the page asks for: words that somebody's name or a value begins with, a kind of thing, a stretch of time."""

    words: str = ""
    kind: str = ""
    days: str = ""

    @classmethod
    def of(cls, request: HttpRequest) -> "Filters":
        kinds = {event._meta.label_lower for event in event_models()}
        asked = {name: request.GET.get(name, "").replace("\x00", "").strip()[:100] for name in ("q", "kind", "days")}
        return cls(
            words=asked["q"],
            kind=asked["kind"] if asked["kind"] in kinds else "",
            days=asked["days"] if asked["days"] in PERIODS else "",
        )

    @property
    def is_set(self) -> bool:
        return bool(self.words or self.kind or self.days)


@dataclass
class Entry:
    """One change of one thing. `changes` are (what, before, after) in words."""

    at: datetime
    table: str
    entry: int
    event: str
    told: Mapping[str, Any]
    after: Mapping[str, Any]
    before: Mapping[str, Any]
    what: str = ""
    name: str = ""
    changes: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def who(self) -> str:
        if "actor" in self.told and self.told["actor"] is None:
            return _("the system")
        return str(self.told.get("actor_name") or _("not known"))

    @property
    def where(self) -> str:
        """The network address the request came from; empty for the system's own work."""
        return str(self.told.get("address") or "")

    @property
    def agent(self) -> str:
        return str(self.told.get("agent") or "")

    @property
    def word(self) -> str:
        return str(EVENTS[self.event][0])

    @property
    def tone(self) -> str:
        return EVENTS[self.event][1]


def kinds_for(scope: BillingAccount | BillingProfile) -> list[tuple[str, str]]:
    """The kinds of things whose history the scope can show, by name."""
    found = [(event._meta.label_lower, _kind_name(event)) for event in event_models() if _belongs(event, scope)]
    return sorted(found, key=lambda pair: pair[1].lower())


def read_activity(request: HttpRequest, scope: BillingAccount | BillingProfile, filters: Filters) -> ListPage:
    """A page of entries, the newest first."""

    def fetch(direction: Sequence[str], key: Sequence[str] | None, size: int) -> list[Entry]:
        return _read(scope, filters, backwards=not direction[0].startswith("-"), key=key, most=size + 1)

    page = read_window(request, fetch, ORDER)
    _explain(page.rows, scope.currency)
    return page


def all_activity(scope: BillingAccount | BillingProfile, filters: Filters) -> list[Entry]:
    """The newest entries up to EXPORTED_AT_MOST, for the export."""
    entries = _read(scope, filters, backwards=False, key=None, most=EXPORTED_AT_MOST)
    _explain(entries, scope.currency)
    return entries


def entries_after(scope: BillingAccount | BillingProfile, key: Sequence[Any] | None, most: int) -> list[Entry]:
    """The oldest entries beyond that key (moment, table, entry), for reading everything piece by piece."""
    entries = _read(scope, Filters(), backwards=True, key=[str(part) for part in key] if key else None, most=most)
    _explain(entries, scope.currency)
    return entries


def chain_sql(event: type[models.Model]) -> str:
    """The account that an entry `e` of the table belongs to, as SQL; null where there is none. For the seals."""
    columns, tracked = _columns(event), _tracked(event)
    if "account_id" in columns:
        return "e.account_id"
    if tracked is BillingAccount:
        return "e.pgh_obj_id"
    if "profile_id" in columns:
        return "(SELECT account_id FROM profiles_billingprofile WHERE id = e.profile_id)"
    if tracked is Address:
        return """coalesce(
            (SELECT id FROM accounts_billingaccount WHERE sold_to_id = e.pgh_obj_id OR bill_to_id = e.pgh_obj_id),
            (SELECT account_id FROM profiles_billingprofile
                WHERE bill_to_id = e.pgh_obj_id OR ship_to_id = e.pgh_obj_id LIMIT 1))"""
    return "NULL::bigint"


def _belongs(event: type[models.Model], scope: BillingAccount | BillingProfile) -> str:
    """The condition under which an entry `e` of the table is about the scope `%(scope)s`; empty where none is."""
    columns, tracked = _columns(event), _tracked(event)
    if isinstance(scope, BillingProfile):
        if tracked is BillingProfile:
            return "e.pgh_obj_id = %(scope)s"
        if tracked is Address:
            return """e.pgh_obj_id IN (
                SELECT unnest(ARRAY[bill_to_id, ship_to_id]) FROM profiles_billingprofile WHERE id = %(scope)s)"""
        return "e.profile_id = %(scope)s" if "profile_id" in columns else ""
    if tracked is BillingAccount:
        return "e.pgh_obj_id = %(scope)s"
    if "account_id" in columns:
        return "e.account_id = %(scope)s"
    if "profile_id" in columns:
        return "e.profile_id IN (SELECT id FROM profiles_billingprofile WHERE account_id = %(scope)s)"
    if tracked is Address:
        return """e.pgh_obj_id IN (
            SELECT unnest(ARRAY[sold_to_id, bill_to_id]) FROM accounts_billingaccount WHERE id = %(scope)s
            UNION ALL SELECT unnest(ARRAY[bill_to_id, ship_to_id]) FROM profiles_billingprofile
            WHERE account_id = %(scope)s)"""
    return ""


def _read(
    scope: BillingAccount | BillingProfile,
    filters: Filters,
    *,
    backwards: bool,
    key: Sequence[str] | None,
    most: int,
) -> list[Entry]:
    values: dict[str, Any] = {"scope": scope.pk, "most": most}
    conditions = []
    if key is not None:
        at = parse_datetime(key[0])
        if at is None:
            raise ValueError("no moment")
        values |= {"at": at, "table": key[1], "entry": int(key[2])}
        sign = ">" if backwards else "<"
        conditions.append(f"(e.pgh_created_at, {{table}}, e.pgh_id::bigint) {sign} (%(at)s, %(table)s, %(entry)s)")
    if filters.days:
        values["since"] = timezone.now() - timedelta(days=int(filters.days))
        conditions.append("e.pgh_created_at >= %(since)s")
    if filters.words:
        # A prefix, with what LIKE would read as a pattern taken literally.
        escaped = filters.words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["words"] = f"{escaped}%"
        conditions.append(
            "(c.metadata->>'actor_name' ILIKE %(words)s OR EXISTS ("
            "SELECT 1 FROM jsonb_each_text(to_jsonb(e) - 'pgh_label') WHERE value ILIKE %(words)s))"
        )
    direction = "ASC" if backwards else "DESC"
    branches = []
    for event in event_models():
        label = event._meta.label_lower
        belongs = _belongs(event, scope)
        if not belongs or (filters.kind and filters.kind != label):
            continue
        table = connection.ops.quote_name(event._meta.db_table)
        named = f"'{label}'::text"
        wanted = " AND ".join([belongs, *(each.format(table=named) for each in conditions)])
        branches.append(
            f"""(SELECT e.pgh_created_at AS at, {named} AS label, e.pgh_id::bigint AS entry, e.pgh_label AS event,
                coalesce(c.metadata, '{{}}'::jsonb) AS told, to_jsonb(e) AS after,
                coalesce((SELECT to_jsonb(b) FROM {table} b WHERE b.pgh_obj_id = e.pgh_obj_id AND b.pgh_id < e.pgh_id
                    ORDER BY b.pgh_id DESC LIMIT 1), '{{}}'::jsonb) AS before
            FROM {table} e LEFT JOIN pghistory_context c ON c.id = e.pgh_context_id
            WHERE {wanted}
            ORDER BY e.pgh_created_at {direction}, e.pgh_id {direction} LIMIT %(most)s)"""  # noqa: S608 names of tables
        )
    if not branches:
        return []
    sql = f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS found"  # noqa: S608 names of tables
    sql += f" ORDER BY at {direction}, label {direction}, entry {direction} LIMIT %(most)s"
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [Entry(*row[:4], *map(_decoded, row[4:])) for row in cursor.fetchall()]


def _decoded(value: Any) -> Mapping[str, Any]:
    """Django keeps the driver from reading JSON by itself, for its own fields."""
    return json.loads(value) if isinstance(value, str) else value


# --- In words ---------------------------------------------------------------------------------------


def _explain(entries: Iterable[Entry], currency: str) -> None:
    """Fill in what each entry is about and what it changed; amounts of rows without a currency are in `currency`."""
    entries = list(entries)
    by_label = {event._meta.label_lower: event for event in event_models()}
    names = _names(entries, by_label)
    for entry in entries:
        event = by_label[entry.table]
        entry.what = _kind_name(event)
        entry.name = _name(event, entry, names)
        entry.changes = list(_changes(event, entry, names, currency))


def _names(
    entries: Iterable[Entry], by_label: Mapping[str, type[models.Model]]
) -> dict[type[models.Model], dict[int, str]]:
    """The names of everything that the entries mention, one statement per kind."""
    wanted: dict[type[models.Model], set[int]] = defaultdict(set)
    for entry in entries:
        for each in _fields(by_label[entry.table]):
            if isinstance(each, models.ForeignKey):
                for row in (entry.after, entry.before):
                    if row.get(str(each.column)) is not None:
                        wanted[each.related_model].add(row[each.column])  # type: ignore[index]
    # A payment is named after its account as well.
    beside: dict[Any, tuple[str, ...]] = {Payment: ("account",)}
    return {
        model: {
            row.pk: str(row)
            for row in model._default_manager.select_related(*beside.get(model, ())).filter(pk__in=keys)
        }
        for model, keys in wanted.items()
    }


def _changes(
    event: type[models.Model],
    entry: Entry,
    names: Mapping[type[models.Model], Mapping[int, str]],
    currency: str,
) -> Iterable[tuple[str, str, str]]:
    for each in _fields(event):
        if each.column in _SILENT:
            continue
        before = entry.before.get(str(each.column)) if entry.event == "update" else None
        after = entry.after.get(str(each.column))
        if entry.event == "delete":
            before, after = after, None
        if before != after and (before not in (None, "") or after not in (None, "")):
            of = entry.after.get("currency") or currency
            former, now = (_amount(each, value, of) or _said(each, value, names) for value in (before, after))
            yield _label(each), former, now


def _label(each: models.Field) -> str:
    by_model = f"{each.model._meta.label_lower}.{each.column}"
    label = str(FIELDS.get(by_model) or FIELDS.get(str(each.column)) or each.verbose_name)
    return label[:1].upper() + label[1:]


def _amount(each: models.Field, value: Any, currency: str) -> str:
    """An amount in words; empty for what is none."""
    is_amount = str(each.column).endswith("_minor") and isinstance(value, int)
    return money(Money(value, currency)) if is_amount else ""


def _said(each: models.Field, value: Any, names: Mapping[type[models.Model], Mapping[int, str]]) -> str:
    if value is None or value == "":
        return "—"
    if each.column in VALUES:
        return str(VALUES[str(each.column)](value))
    if isinstance(each, models.ForeignKey):
        return names.get(each.related_model, {}).get(value, f"#{value}")  # type: ignore[call-overload,no-any-return]
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if each.choices:
        return str(dict(each.flatchoices).get(value, value))
    if isinstance(each, models.DateTimeField) and (at := parse_datetime(value)):
        return moment(at)
    if isinstance(each, models.DateField) and (on := parse_date(value)):
        return day(on)
    return str(value)


def _name(event: type[models.Model], entry: Entry, names: Mapping[type[models.Model], Mapping[int, str]]) -> str:
    """What the thing is called: its own name, else the person or profile that it is about."""
    row = entry.after
    fields = {each.column: each for each in _fields(event)}
    if row.get("brand") and row.get("last4"):
        return f"{_said(fields['brand'], row['brand'], names)} {row['last4']}"
    for column in ("name", "email", "number", "subject", "user_id", "profile_id"):
        if column in fields and row.get(column):
            return _said(fields[column], row[column], names)
    if "kind" in fields:
        return _said(fields["kind"], row.get("kind"), names)
    return ""


def _fields(event: type[models.Model]) -> list[models.Field]:
    """The fields of the tracked model that its history keeps."""
    kept = _columns(event)
    return [each for each in _tracked(event)._meta.local_concrete_fields if each.column in kept]


def _columns(event: type[models.Model]) -> set[str]:
    return {str(each.column) for each in event._meta.local_concrete_fields}


def _tracked(event: type[models.Model]) -> type[models.Model]:
    return event.pgh_tracked_model  # type: ignore[attr-defined,no-any-return]


def _kind_name(event: type[models.Model]) -> str:
    tracked = _tracked(event)
    name = str(KINDS.get(tracked._meta.label_lower, tracked._meta.verbose_name))
    return name[:1].upper() + name[1:]
