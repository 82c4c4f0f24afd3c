"""A vendor moves in: the file, its rows, what is refused and why, and the same file again."""

import csv
import json
import tracemalloc

import pytest
from django.core.management import CommandError, call_command

from accounts.models import (
    AccountRole,
    BillingAccount,
    Invitation,
    Organisation,
    OrganisationMember,
    OrganisationRole,
    User,
    VatCheck,
)
from accounts.services.account_import import COLUMNS, FileRefused, import_accounts, read_records
from accounts.tests.factories import UserFactory
from core.history import last_change
from core.models import Message

pytestmark = pytest.mark.django_db

SOLD_TO = {"company_name": "Alfa B.V.", "line1": "Coolsingel 40", "postal_code": "3011 AD", "city": "Rotterdam"}
FLAT = {f"sold_to_{name}": value for name, value in SOLD_TO.items()}
ALFA = {"record": "organisation", "organisation_id": "C-1", "name": "Alfa", "language": "nl"}
ACCOUNT = {
    "record": "account",
    "account_id": "A-1",
    "organisation_id": "C-1",
    "name": "Alfa B.V.",
    "agreement": "customer_agreement",
    "country": "NL",
    "vat_id": "NL000099998B57",
    "registration_number": "24381907",
}
PERSON = {"record": "user", "email": "Noor@alfa.example", "name": "Noor", "organisation_id": "C-1", "language": "nl"}
OWNER = {"record": "role", "email": "marieke@alfa.example", "role": "account_owner", "account_id": "A-1"}
KEEPER = {"record": "role", "email": "noor@alfa.example", "role": "user_administrator", "organisation_id": "C-1"}
RECORDS = [ALFA, {**ACCOUNT, **FLAT}, PERSON, OWNER, KEEPER]


@pytest.fixture
def write(tmp_path):
    def write_file(records, name="customers.csv"):
        path = tmp_path / name
        if name.endswith(".csv"):
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(records)
        else:
            path.write_text(json.dumps(records, indent=1))
        return path

    return write_file


def taken(path, **options):
    refused = []
    report = import_accounts(path, refuse=refused.append, **options)
    return report, [(row.line, row.field) for row in refused]


def count():
    models = (
        Organisation,
        BillingAccount,
        User,
        OrganisationMember,
        OrganisationRole,
        AccountRole,
        Invitation,
        Message,
    )
    return [model.objects.count() for model in models]


@pytest.mark.parametrize("name", ["customers.csv", "customers.json"])
def test_everything_comes_in_and_the_same_file_again_changes_nothing(write, name):
    records = RECORDS if name.endswith("csv") else [ALFA, {**ACCOUNT, "sold_to": SOLD_TO}, *RECORDS[2:]]
    path = write(records, name)

    report, refused = taken(path)

    assert (refused, report.rows, report.invited) == ([], 5, 1)
    account = BillingAccount.objects.get()
    assert (account.external_id, account.organisation.external_id, account.currency) == ("A-1", "C-1", "EUR")
    assert (account.sold_to.line1, account.sold_to.is_complete, account.vat_id) == (
        "Coolsingel 40",
        True,
        "NL000099998B57",
    )
    assert VatCheck.objects.get().status == "format_valid"
    person = User.objects.get()
    assert (person.email, person.language, person.has_usable_password()) == ("noor@alfa.example", "nl", False)
    assert OrganisationRole.objects.get().user == person
    assert (Invitation.objects.get().email, Message.objects.get().template) == (
        "marieke@alfa.example",
        "account_invitation",
    )
    assert last_change(account).by == "system"

    before = count()
    again, refused = taken(path)
    assert (refused, sum(again.made.values()), sum(again.there.values())) == ([], 0, 5)
    assert count() == before


def test_somebody_known_gets_the_role_at_once(write):
    person = UserFactory(email="marieke@alfa.example")

    taken(write(RECORDS))

    assert AccountRole.objects.get().user == person
    assert OrganisationMember.objects.filter(user=person).exists()


def test_a_dry_run_says_the_same_and_keeps_nothing(write):
    report, refused = taken(write(RECORDS), is_dry=True)

    assert (refused, sum(report.made.values())) == ([], 5)
    assert count() == [0] * 8


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({**ALFA, "record": "customer"}, "record"),
        ({**ALFA, "name": ""}, "name"),
        ({**ALFA, "name": "x" * 201}, "name"),
        ({**ALFA, "language": "xx"}, "language"),
        ({**ALFA, "vat_id": "NL1"}, "vat_id"),
        ({**ACCOUNT, "country": "XX"}, "country"),
        ({**ACCOUNT, "agreement": "none"}, "agreement"),
        ({**ACCOUNT, "organisation_id": "C-9"}, "organisation_id"),
        ({**ACCOUNT, **FLAT, "sold_to_postal_code": "1"}, "sold_to_postal_code"),
        ({**ACCOUNT, **FLAT, "sold_to_email": "no"}, "sold_to_email"),
        ({**ACCOUNT, **FLAT, "sold_to_company_name": ""}, "sold_to_company_name"),
        ({**ACCOUNT, "bill_to_line1": "Weena 1"}, "bill_to_postal_code"),
        ({**ACCOUNT, "vat_id": "NL123456789B01"}, "vat_id"),
        ({**ACCOUNT, "registration_number": "1"}, "registration_number"),
        ({**PERSON, "email": "no"}, "email"),
        ({**OWNER, "account_id": "A-9"}, "account_id"),
        ({**OWNER, "account_id": ""}, "account_id"),
        ({**OWNER, "role": "account_administrator"}, "role"),
        ({**OWNER, "expires_on": "tomorrow"}, "expires_on"),
        ({**OWNER, "expires_on": "2001-01-01"}, "expires_on"),
        ({**KEEPER, "email": "nobody@alfa.example"}, "email"),
        ({**KEEPER, "role": "account_owner"}, "role"),
    ],
)
def test_a_wrong_row_is_refused_at_its_field_and_the_others_go_on(write, record, field):
    extra = {**ALFA, "organisation_id": "C-2", "name": "Beta"}
    base = [ALFA] if record["record"] == "account" else RECORDS

    _report, refused = taken(write([*base, record, extra]))

    assert (len(base) + 2, field) in refused
    assert {line for line, _field in refused} == {len(base) + 2}
    assert Organisation.objects.filter(name="Beta").exists()
    assert not BillingAccount.objects.exclude(vat_id="NL000099998B57").exists()


def test_an_account_of_another_country_is_not_the_same_account(write):
    taken(write(RECORDS))

    _report, refused = taken(write([{**ACCOUNT, "country": "BE", "vat_id": "", "registration_number": ""}]))

    assert refused == [(2, "account_id")]


def test_what_its_people_changed_since_stays(write):
    path = write(RECORDS)
    taken(path)
    Organisation.objects.update(name="Alfa Groep")

    taken(path)

    assert Organisation.objects.get().name == "Alfa Groep"


def test_an_online_services_account_has_one_administrator_and_a_bill_to(write):
    online = {**ACCOUNT, **FLAT, "agreement": "online-services"}
    first, second = UserFactory(email="a@alfa.example"), UserFactory(email="b@alfa.example")
    roles = [{**OWNER, "role": "account_administrator", "email": each.email} for each in (first, second)]

    _report, refused = taken(write([ALFA, online, *roles]))

    assert refused == [(5, "role")]
    assert BillingAccount.objects.get().bill_to.line1 == "Coolsingel 40"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "name the columns"),
        ("a.csv", b"record,colour\n", "colour"),
        ("a.csv", b"record,name\norganisation,\xff\n", "UTF-8"),
        ("a.json", b"nonsense", "line 1"),
        ("a.json", b'[{"record": "organisation"},\n\n 7]', "line 3"),
        ("a.json", b'{"record": "organisation", ', "line 1"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_with_the_place(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(FileRefused, match=said):
        list(read_records(path))


def test_a_row_with_more_cells_than_columns_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("record,organisation_id,name\norganisation,C-1,Alfa,and more\n")

    assert [line for line, _field in taken(path)[1]] == [2]


def test_the_file_is_read_row_by_row(tmp_path):
    path = tmp_path / "many.json"
    with path.open("w") as file:
        file.write("[")
        for number in range(60_000):
            file.write(json.dumps({"record": "organisation", "organisation_id": str(number), "name": "A"}) + ",\n")
        file.write("]")
    tracemalloc.start()

    assert sum(1 for _record in read_records(path)) == 60_000

    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2 * 1024 * 1024 < path.stat().st_size


def test_the_command_says_what_it_did_and_ends_accordingly(write, tmp_path, capsys):
    call_command("import_accounts", str(write(RECORDS)))
    assert "account: 1 made, 0 there already" in capsys.readouterr().out

    with pytest.raises(SystemExit) as end:
        call_command("import_accounts", str(write([{**ALFA, "name": ""}])), refused=tmp_path / "refused.csv")
    assert end.value.code == 3
    assert "Line 2, name: This field is demanded." in capsys.readouterr().err
    assert (tmp_path / "refused.csv").read_text().splitlines()[1] == "2,name,This field is demanded."

    with pytest.raises(CommandError, match="cannot be read"):
        call_command("import_accounts", str(tmp_path / "none.csv"))
    call_command("import_accounts", str(write(RECORDS)), dry_run=True)
    assert "would be made" in capsys.readouterr().out
