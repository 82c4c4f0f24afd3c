"""A vendor moves in: organisations, accounts with addresses and numbers, people and roles from one file.

Each row is taken whole or refused with its line; the others go on. The same file again changes nothing: what is
there already stays as its people have it by now. The file is read row by row, so its size does not matter.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import DataError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django_countries import countries

from accounts.address_rules import rules_for
from accounts.models import (
    AccountRole,
    Agreement,
    BillingAccount,
    Organisation,
    OrganisationMember,
    OrganisationRole,
    User,
)
from accounts.services.addresses import WRITABLE
from accounts.services.customers import open_account, owner_role
from accounts.services.invitations import write_invitation
from accounts.services.offers import person_with
from accounts.validators import clean_registration_number, clean_vat_id
from core.errors import Refused
from core.history import acting
from core.policy import ACCOUNT_ROLES, Role

PORTION = 200
LONGEST_VALUE = 2000
_ADDRESS = tuple(f"{kind}_{name}" for kind in ("sold_to", "bill_to") for name in WRITABLE)
# What each kind of record may say; the first names are demanded.
FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "organisation": (("organisation_id", "name"), ("language",)),
    "account": (
        ("account_id", "organisation_id", "name", "agreement", "country"),
        ("vat_id", "registration_number", *_ADDRESS),
    ),
    "user": (("email", "name", "organisation_id"), ("language",)),
    "role": (("email", "role"), ("account_id", "organisation_id", "expires_on", "language")),
}
COLUMNS = ("record", *dict.fromkeys(name for parts in FIELDS.values() for part in parts for name in part))
_ON_ORGANISATION = (Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR)


class FileRefused(Exception):
    """The file as a whole makes no sense; the message says where."""


@dataclass(frozen=True)
class RefusedRow:
    """A row that was not taken: where it stands, which field is wrong (empty for the whole), and why."""

    line: int
    field: str
    reason: str


@dataclass
class ImportReport:
    """What came of it. `made`, `invited` and `there` count records by kind."""

    rows: int = 0
    refused: int = 0
    made: Counter[str] = field(default_factory=Counter)
    invited: int = 0
    there: Counter[str] = field(default_factory=Counter)


def import_accounts(
    path: Path, *, is_dry: bool = False, refuse: Callable[[RefusedRow], object] = lambda row: None
) -> ImportReport:
    """Take in a CSV or JSON file of records, in their order, PORTION rows a transaction.

    `refuse` gets every refused row as it comes. A dry run does everything and keeps nothing. Raises FileRefused
    where the rest of the file cannot be read; what was taken before stays.
    """
    report = ImportReport()
    with transaction.atomic() if is_dry else nullcontext():
        rows = read_records(path)
        while portion := list(islice(rows, PORTION)):
            with transaction.atomic():
                for line, record in portion:
                    _take(report, refuse, line, record)
        if is_dry:
            transaction.set_rollback(True)
    return report


def _take(report: ImportReport, refuse: Callable[[RefusedRow], object], line: int, record: Mapping[str, str]) -> None:
    report.rows += 1
    try:
        kind = _checked(record)
        with transaction.atomic(), acting(None, "import"):
            outcome = _TAKE[kind](record)
    except ValidationError as error:
        report.refused += 1
        for name, messages in _told(error).items():
            refuse(RefusedRow(line, name, " ".join(messages)))
    except DataError as error:
        report.refused += 1
        refuse(RefusedRow(line, "", str(error).strip().splitlines()[0]))
    else:
        report.invited += outcome == "invited"
        if outcome == "there":
            report.there[kind] += 1
        else:
            report.made[kind] += 1


def _told(error: ValidationError) -> dict[str, list[str]]:
    return error.message_dict if hasattr(error, "error_dict") else {"": error.messages}


def _checked(record: Mapping[str, str]) -> str:
    """The kind of the record; refuses what no record of this kind says, and what it lacks."""
    kind = record.get("record", "")
    if kind not in FIELDS:
        raise ValidationError({"record": _("Use one of: %(names)s.") % {"names": ", ".join(FIELDS)}})
    demanded, more = FIELDS[kind]
    wrong = {}
    for name, value in record.items():
        if value and name not in {"record", *demanded, *more}:
            wrong[name] = _("A record of this kind has no such field.")
        elif len(value) > LONGEST_VALUE or "\x00" in value:
            wrong[name] = _("This value is too long, or holds a character that is none.")
    wrong |= {name: _("This field is demanded.") for name in demanded if not record.get(name)}
    language = record.get("language")
    if language and language not in dict(settings.LANGUAGES):
        wrong["language"] = _("Use one of: %(names)s.") % {"names": ", ".join(dict(settings.LANGUAGES))}
    if wrong:
        raise ValidationError(wrong)
    return kind


# --- Records --------------------------------------------------------------------------------------


def _organisation(record: Mapping[str, str]) -> str:
    _fits(Organisation, external_id=record["organisation_id"], name=record["name"])
    _row, is_new = Organisation.objects.get_or_create(
        external_id=record["organisation_id"],
        defaults={"name": record["name"], "preferred_language": record.get("language") or "en"},
    )
    return "made" if is_new else "there"


def _account(record: Mapping[str, str]) -> str:
    country, agreement = record["country"].upper(), record["agreement"].replace("-", "_")
    if country not in dict(countries):
        raise ValidationError({"country": _("There is no such country: use two letters of ISO 3166-1, like NL.")})
    if agreement not in Agreement.values:
        names = ", ".join(Agreement.values)
        raise ValidationError({"agreement": _("Use one of: %(names)s.") % {"names": names}})
    organisation = _find_organisation(record)
    known = BillingAccount.objects.filter(external_id=record["account_id"]).first()
    if known is not None:
        if (known.organisation_id, known.agreement, known.country.code) != (organisation.pk, agreement, country):
            said = _("An account of this ID is there, of another organisation, agreement or country.")
            raise ValidationError({"account_id": said})
        return "there"
    _fits(BillingAccount, external_id=record["account_id"], name=record["name"])
    bill_to = _address(record, "bill_to", country)
    if bill_to and agreement == Agreement.CUSTOMER_AGREEMENT:
        said = _("On a customer agreement each billing profile has a bill-to of its own: leave it out.")
        raise ValidationError({"bill_to_company_name": said})
    numbers = _numbers(record, country)
    open_account(
        organisation=organisation,
        name=record["name"],
        agreement=Agreement(agreement),
        country=country,
        sold_to=_address(record, "sold_to", country),
        bill_to=bill_to or None,
        vat_id=numbers["vat_id"],
        registration_number=numbers["registration_number"],
        external_id=record["account_id"],
        by=None,
    )
    return "made"


def _user(record: Mapping[str, str]) -> str:
    email, organisation = _email(record), _find_organisation(record)
    person, is_new = person_with(email), False
    if person is None:
        _fits(User, email=email, name=record["name"])
        person = User.objects.create_user(email, None, name=record["name"], language=record.get("language") or "en")
        is_new = True
    _member, is_new_member = OrganisationMember.objects.get_or_create(organisation=organisation, user=person)
    return "made" if is_new or is_new_member else "there"


def _role(record: Mapping[str, str]) -> str:
    email, role = _email(record), record["role"]
    if bool(record.get("account_id")) == bool(record.get("organisation_id")):
        raise ValidationError({"account_id": _("Name either the account or the organisation.")})
    expires_on = _day(record)
    if record.get("organisation_id"):
        return _organisation_role(_find_organisation(record), email, role, expires_on)
    account = BillingAccount.objects.filter(external_id=record["account_id"]).first()
    if account is None:
        raise ValidationError({"account_id": _("There is no account of this ID.")})
    allowed = [owner_role(account.agreement)] if account.is_online_services else list(ACCOUNT_ROLES)
    _demand_role(role, allowed)
    return _account_role(account, email, Role(role), expires_on, record.get("language") or None)


def _account_role(
    account: BillingAccount, email: str, role: Role, expires_on: date | None, language: str | None
) -> str:
    person = person_with(email)
    if person is None:
        try:
            write_invitation(account, email=email, role=role, by=None, expires_on=expires_on, language=language)
        except Refused as refusal:
            if refusal.code != "already_invited":
                raise
            return "there"
        return "invited"
    held = AccountRole.objects.filter(account=account, user=person, stands_in_for=None).first()
    if held is not None:
        if (held.role, held.expires_on) != (role, expires_on):
            raise ValidationError({"role": _("The person holds another role there, or until another day.")})
        return "there"
    if role == Role.ACCOUNT_ADMINISTRATOR and AccountRole.objects.filter(account=account, role=role).exists():
        raise ValidationError({"role": _("An online-services account has exactly one administrator; it has one.")})
    OrganisationMember.objects.get_or_create(organisation=account.organisation, user=person)
    AccountRole.objects.create(account=account, user=person, role=role, expires_on=expires_on)
    return "made"


def _organisation_role(organisation: Organisation, email: str, role: str, expires_on: date | None) -> str:
    _demand_role(role, list(_ON_ORGANISATION))
    person = User.objects.filter(email__iexact=email, memberships__organisation=organisation).first()
    if person is None:
        raise ValidationError({"email": _("Nobody of the organisation has this address: put a user record before.")})
    _row, is_new = OrganisationRole.objects.get_or_create(
        organisation=organisation, user=person, role=role, defaults={"expires_on": expires_on}
    )
    return "made" if is_new else "there"


_TAKE = {"organisation": _organisation, "account": _account, "user": _user, "role": _role}


def _find_organisation(record: Mapping[str, str]) -> Organisation:
    organisation = Organisation.objects.filter(external_id=record["organisation_id"]).first()
    if organisation is None:
        raise ValidationError({"organisation_id": _("There is no organisation of this ID: put its record before.")})
    return organisation


def _address(record: Mapping[str, str], kind: str, country: str) -> dict[str, str]:
    """The fields of one address; refuses, at each field, what its country does not take. Nothing at all is
    taken as not known yet."""
    values = {name: record.get(f"{kind}_{name}", "") for name in WRITABLE}
    if not any(values.values()):
        return {}
    wrong = {f"{kind}_{name}": said for name, said in rules_for(country).errors(values).items()}
    if not values["company_name"]:
        wrong[f"{kind}_company_name"] = _("This field is demanded.")
    if values["email"]:
        try:
            validate_email(values["email"])
        except ValidationError as error:
            wrong[f"{kind}_email"] = error.messages[0]
    if wrong:
        raise ValidationError(wrong)
    return values


def _numbers(record: Mapping[str, str], country: str) -> dict[str, str]:
    numbers, wrong = {}, {}
    for name, clean in (("vat_id", clean_vat_id), ("registration_number", clean_registration_number)):
        try:
            numbers[name] = clean(record.get(name, ""), country)
        except ValidationError as error:
            wrong[name] = error.messages
    if wrong:
        raise ValidationError(wrong)
    return numbers


def _email(record: Mapping[str, str]) -> str:
    try:
        validate_email(record["email"])
    except ValidationError as error:
        raise ValidationError({"email": error.messages}) from error
    return record["email"].lower()


def _day(record: Mapping[str, str]) -> date | None:
    written = record.get("expires_on")
    if not written:
        return None
    try:
        day = date.fromisoformat(written)
    except ValueError:
        raise ValidationError({"expires_on": _("Write the day like 2027-12-31.")}) from None
    if day < timezone.localdate():
        raise ValidationError({"expires_on": _("This day is over.")})
    return day


def _demand_role(role: str, allowed: list[Role]) -> None:
    if role not in allowed:
        raise ValidationError({"role": _("Use one of: %(names)s.") % {"names": ", ".join(allowed)}})


def _fits(model: Any, **values: str) -> None:
    """Refuse values that are longer than their column."""
    for name, value in values.items():
        longest = model._meta.get_field(name).max_length
        if longest and len(value) > longest:
            column = "name" if name == "name" else name
            raise ValidationError({column: _("At most %(number)d characters.") % {"number": longest}})


# --- Reading --------------------------------------------------------------------------------------


def read_records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line and fields of each record. A file whose name ends in .json or .jsonl holds objects, in an array or one
    after the other; any other is CSV with a header. Raises FileRefused."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _read_json(file) if path.suffix in {".json", ".jsonl"} else _read_csv(file)
    except OSError as error:
        raise FileRefused(_("The file cannot be read: %(error)s.") % {"error": error.strerror}) from error
    except UnicodeDecodeError as error:
        raise FileRefused(_("The file is not written in UTF-8.")) from error


def _read_csv(file: IO[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(file, restkey="", restval="")
    try:
        _check_columns(reader.fieldnames or [])
        for row in reader:
            if extra := row.pop("", None):
                row[_("column without a name")] = " ".join(extra)
            if any(row.values()):
                yield reader.line_num, {name: (value or "").strip() for name, value in row.items()}
    except csv.Error as error:
        said = _("Line %(line)d is no CSV: %(error)s.")
        raise FileRefused(said % {"line": reader.line_num, "error": error}) from error


def _check_columns(names: Any) -> None:
    if "record" not in names:
        raise FileRefused(_("The first line has to name the columns, one of them “record”."))
    if unknown := [name for name in names if name not in COLUMNS]:
        raise FileRefused(_("These columns are not known: %(names)s.") % {"names": ", ".join(unknown)})


def _read_json(file: IO[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Objects one by one, each held in memory alone."""
    decoder, rest, line = json.JSONDecoder(), "", 1
    while part := file.read(64 * 1024):
        rest += part
        while True:
            stripped = rest.lstrip(" \t\r\n,[]")
            line += rest[: len(rest) - len(stripped)].count("\n")
            rest = stripped
            if not rest:
                break
            try:
                record, end = decoder.raw_decode(rest)
            except json.JSONDecodeError:
                if len(rest) > 256 * 1024 or not rest.startswith("{"):
                    raise _no_json(line) from None
                break
            if not isinstance(record, dict):
                raise _no_json(line)
            yield line, _flat(record)
            line += rest[:end].count("\n")
            rest = rest[end:]
    if rest:
        raise _no_json(line)


def _no_json(line: int) -> FileRefused:
    return FileRefused(_("What begins on line %(line)d is no JSON object.") % {"line": line})


def _flat(record: Mapping[str, Any]) -> dict[str, str]:
    """Nested addresses under the names of their columns; numbers as they are written."""
    flat: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{name}_{inner}": str(each).strip() for inner, each in value.items() if each is not None}
        elif value is not None:
            flat[name] = str(value).strip()
    return flat
