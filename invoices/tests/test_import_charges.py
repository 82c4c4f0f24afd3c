"""Charges come in whole and once, for whom they are known to be; and the sample of the standard, billed (step 6)."""

import csv
import gzip
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import Sum

from accounts.models import AccountRole, BillingAccount, Organisation
from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from core.periods import Month
from core.policy import Role
from invoices.focus import FileRefused
from invoices.models import Charge, ChargeImport, Invoice, InvoiceLine, ParkedProfile
from invoices.services.charge_import import NewCustomers, import_charges
from invoices.services.run import run_billing
from invoices.tests.factories import imported_subscription
from invoices.tests.focus_files import COLUMNS, ROW, focus
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, SubscriptionProfileFactory
from subscriptions.models import Subscription

pytestmark = pytest.mark.django_db

SAMPLE = settings.BASE_DIR.parent / "shared" / "data" / "focus" / "focus_sample.csv"


@pytest.fixture
def file(tmp_path: Path):
    """Writes rows to a file and gives its path; each call another file."""
    made = []

    def write(*changes: dict, content: bytes | None = None) -> Path:
        made.append(tmp_path / f"charges-{len(made)}.csv")
        made[-1].write_bytes(focus(*changes) if content is None else content)
        return made[-1]

    return write


@pytest.fixture
def account() -> BillingAccount:
    """The American account that the usual row is for, with a subscription for its sub-account."""
    account = BillingAccountFactory(american=True, external_id=ROW["BillingAccountId"])
    imported_subscription(BillingProfileFactory(account=account))
    return account


@pytest.fixture
def new() -> NewCustomers:
    return NewCustomers("US", UserFactory(email="owner@alfa.example"))


# --- Taking in ----------------------------------------------------------------------------------


def test_a_row_becomes_a_charge_of_its_subscription_as_delivered(account, file):
    report = import_charges(file({}, {"BilledCost": "-1.000000000000000001", "Tags": "NULL"}))

    first, second = Charge.objects.order_by("row_number")
    assert (first.account, first.subscription.external_id, first.month) == (account, "sub-1", date(2024, 9, 1))
    assert (first.cost, first.quantity, first.unit, first.currency) == (Decimal("8e-7"), 2, "Requests", "USD")
    assert (first.service_name, first.sku_id, first.region) == ("Simple Queue", "G95", "us-west-2")
    assert (first.tags, second.tags, second.cost) == ({"application": "Bright"}, {}, Decimal("-1.000000000000000001"))
    assert (report.rows, report.added, report.known, report.refused_rows) == (2, 2, 0, 0)
    assert report.stored["USD"].cost == report.in_file["USD"].cost == Decimal("-0.999999200000000001")


def test_the_same_file_again_changes_nothing(account, file):
    path = file({}, {"ResourceId": "another"})
    import_charges(path)
    before = list(Charge.objects.values()), list(ChargeImport.objects.values())

    report = import_charges(path)

    assert (report.added, report.known) == (0, 2)
    assert (list(Charge.objects.values()), list(ChargeImport.objects.values())) == before


def test_what_was_refused_before_and_fits_now_is_added_by_the_same_file(account, file):
    path = file({}, {"SubAccountId": "sub-2"})
    assert import_charges(path).refused == {"unknown sub-account": 1}
    imported_subscription(BillingProfile.objects.get(), "sub-2")

    report = import_charges(path)

    assert (report.added, report.known, report.refused_rows) == (1, 1, 0)
    assert list(Charge.objects.order_by("row_number").values_list("row_number", flat=True)) == [1, 2]
    assert (ChargeImport.objects.get().accepted_rows, ChargeImport.objects.get().refused_rows) == (2, 0)


def test_a_row_delivered_twice_is_booked_once_and_told(account, file):
    report = import_charges(file({}, {"ResourceId": "another"}, {}))

    assert (report.added, report.refused) == (2, {"delivered twice": 1})
    assert [(row.row_number, row.refusal.detail) for row in report.examples] == [(3, "also row 1")]
    # Another file that brings a row again, with its columns in another order.
    again = import_charges(file(content=focus({}, {"ResourceId": "third"}, columns=reversed(COLUMNS))))
    assert (again.added, again.refused_rows) == (1, 1)
    assert again.examples[0].refusal.detail == "also in charges-0.csv, row 1"
    assert Charge.objects.count() == 3


def test_a_packed_file_is_the_same_file(account, file):
    plain = focus({}, {"ResourceId": "another"})
    assert import_charges(file(content=gzip.compress(plain))).added == 2

    assert import_charges(file(content=plain)).known == 2
    assert ChargeImport.objects.count() == 1


def test_a_correction_and_a_late_charge_keep_what_they_are(account, file):
    correction = {"ChargeClass": "Correction", "BilledCost": "-3.5", "BillingPeriodStart": "2024-10-01 00:00:00"}

    import_charges(file(correction))

    charge = Charge.objects.get()
    assert (charge.charge_class, charge.cost, charge.month) == ("Correction", Decimal("-3.5"), date(2024, 10, 1))
    assert (charge.started_at.month, charge.tags) == (9, {"application": "Bright"})


def test_the_columns_of_later_versions_are_told_and_kept(account, file):
    newer = (*COLUMNS, "ServiceSubcategory", "SkuMeter", "InvoiceId")
    row = {"ServiceSubcategory": "Messaging", "SkuMeter": "Requests", "InvoiceId": "INV-1"}

    import_charges(file(content=focus(row, columns=newer)))

    charge = Charge.objects.select_related("imported_from").get()
    assert (charge.service_subcategory, charge.sku_meter) == ("Messaging", "Requests")
    assert charge.imported_from.version == "1.2"


def test_rows_are_refused_one_by_one_and_each_reason_is_told(account, file, tmp_path):
    path = file(
        {},
        {"BillingAccountId": "nobody", "BilledCost": "7"},
        {"BillingCurrency": "EUR"},
        {"SubAccountId": "=cmd|' /C calc'!A0"},
        {"ChargeCategory": "Tax", "BilledCost": "-3.5"},
        {"BilledCost": "+1+1"},
    )

    report = import_charges(path, refused_to=tmp_path / "refused.csv")

    assert report.refused == {
        "unknown account": 1,
        "another currency than the account's": 1,
        "unknown sub-account": 1,
        "tax is computed here": 1,
        "not a number": 1,
    }
    assert (report.added, Charge.objects.get().row_number) == (1, 1)
    with (tmp_path / "refused.csv").open(encoding="utf-8-sig") as written:
        rows = {row["Row"]: row for row in csv.DictReader(written)}
    assert sorted(rows) == ["2", "3", "4", "5", "6"]
    assert (rows["2"]["Reason"], rows["2"]["BillingAccountId"], rows["2"]["BilledCost"]) == (
        "unknown account",
        "nobody",
        "7",
    )
    assert (rows["3"]["Detail"], rows["5"]["BilledCost"]) == ("EUR, not USD", "-3.5")
    assert (rows["4"]["SubAccountId"], rows["6"]["BilledCost"]) == ("'=cmd|' /C calc'!A0", "'+1+1")
    assert report.in_file["USD"].rows - report.refused_by_accounts["USD"].rows == report.stored["USD"].rows == 1


def test_what_comes_after_an_account_was_closed_is_refused(account, file, new):
    """And what the same file brought before stays, so that it can be imported again."""
    first, later = file({}), file({}, {"BilledCost": "7"}, {"SubAccountId": "sub-9"})
    assert import_charges(first).added == 1
    BillingAccount.objects.filter(pk=account.pk).update(status="closed")

    again = import_charges(first, new=new)
    report = import_charges(later, new=new)

    assert (again.added, again.known, again.refused) == (0, 1, {})
    assert report.refused == {"delivered twice": 1, "closed account": 2}
    assert (report.added, Charge.objects.count(), report.subscriptions_made) == (0, 1, 0)


@pytest.mark.parametrize("spoiled", [b'"cut off', b'"a"b\n'])
def test_a_file_that_is_not_whole_leaves_nothing(account, file, spoiled):
    with pytest.raises(FileRefused):
        import_charges(file(content=focus({}, {}) + spoiled))

    assert (Charge.objects.count(), ChargeImport.objects.count()) == (0, 0)


def test_a_dry_run_says_what_would_come_of_it_and_writes_nothing(file, new):
    path = file({}, {"BillingCurrency": "XAU"})

    foretold = import_charges(path, new=new, is_dry=True)
    assert not any(model.objects.exists() for model in (Charge, ChargeImport, BillingAccount, Organisation))
    done = import_charges(path, new=new)

    assert (foretold.added, foretold.refused, foretold.accounts_made) == (done.added, done.refused, 1)
    assert Charge.objects.count() == 1


@pytest.mark.parametrize("rows", [1, 50])
def test_the_statements_of_an_import_do_not_grow_with_its_rows(account, file, django_assert_num_queries, rows: int):
    path = file(*[{"BilledCost": str(number)} for number in range(rows)])

    with django_assert_num_queries(13):
        assert import_charges(path).added == rows


# --- Making who is missing ----------------------------------------------------------------------


def test_missing_customers_are_made_in_one_organisation_with_an_owner(file, new):
    path = file(
        {},
        {"SubAccountId": "sub-2", "SubAccountName": "NULL"},
        {"BillingAccountId": "/providers/8611537"},
        {"BillingAccountId": "456", "BillingAccountName": "", "SubAccountId": "NULL"},
    )

    report = import_charges(path, new=new)

    assert (report.accounts_made, report.subscriptions_made, report.added, report.refused_rows) == (3, 4, 4, 0)
    assert sorted(BillingAccount.objects.values_list("external_id", "name")) == [
        ("/providers/8611537", "SunBird"),
        ("123", "SunBird (123)"),
        ("456", "456"),
    ]
    assert set(BillingAccount.objects.values_list("organisation__name", "agreement", "country", "currency")) == {
        ("Imported", "customer_agreement", "US", "USD")
    }
    assert set(AccountRole.objects.values_list("user", "role")) == {(new.owner.pk, Role.ACCOUNT_OWNER)}
    assert BillingProfile.objects.count() == 3
    assert sorted(Subscription.objects.values_list("account__external_id", "external_id", "name", "started_on")) == [
        ("/providers/8611537", "sub-1", "Atlas", date(2024, 9, 1)),
        ("123", "sub-1", "Atlas", date(2024, 9, 1)),
        ("123", "sub-2", "sub-2", date(2024, 9, 1)),
        ("456", "456", "Atlas", date(2024, 9, 1)),
    ]
    call_command("check_invariants", verbosity=0)


def test_a_second_file_adds_to_the_customers_of_the_first(file, new):
    import_charges(file({}), new=new)

    report = import_charges(file({"ResourceId": "another"}, {"SubAccountId": "sub-2"}), new=new)

    assert (report.accounts_made, report.subscriptions_made, report.added) == (0, 1, 2)
    assert (BillingAccount.objects.count(), BillingProfile.objects.count(), Organisation.objects.count()) == (1, 1, 1)


def test_an_incomplete_address_parks_the_profile_until_its_owner_fills_it_in(file, new):
    SellerFactory()
    import_charges(file({"BilledCost": "5"}), new=new)

    profile = BillingProfile.objects.get()
    assert (profile.bill_to.is_complete, profile.account.sold_to.is_complete) == (False, False)
    assert list(ParkedProfile.objects.values_list("profile", "reason")) == [(profile.pk, "address_incomplete")]
    assert run_billing(Month(2024, 9), on=date(2026, 11, 5)).issued == 0
    assert list(ParkedProfile.objects.values_list("released_at", flat=True)) == [None]


def test_in_a_demo_the_address_is_invented(file, new):
    SellerFactory()

    import_charges(file({"BilledCost": "5"}), new=NewCustomers("US", new.owner, invents_address=True))

    assert not ParkedProfile.objects.exists()
    assert run_billing(Month(2024, 9), on=date(2026, 11, 5)).issued == 1


def test_accounts_are_not_made_for_charges_in_another_currency_than_the_countrys(file, new):
    report = import_charges(file({"BillingCurrency": "EUR"}), new=new)

    assert (report.refused, BillingAccount.objects.count()) == ({"unknown account": 1}, 0)


def test_a_new_sub_account_of_an_online_services_account_brings_its_own_profile(file, new):
    profile = SubscriptionProfileFactory(account__external_id="123", account__american=True)

    import_charges(file({"SubAccountId": "sub-9"}), new=new)

    subscription = Subscription.objects.get(external_id="sub-9")
    assert subscription.profile != profile
    assert (subscription.profile.kind, subscription.account) == ("subscription", profile.account)


def test_nobody_chooses_among_several_profiles_for_a_new_sub_account(account, file, new):
    BillingProfileFactory(account=account)

    report = import_charges(file({"SubAccountId": "sub-2"}), new=new)

    assert (report.refused, report.subscriptions_made) == ({"unknown sub-account": 1}, 0)


# --- The command --------------------------------------------------------------------------------


def test_the_command_tells_totals_reasons_and_ends_with_three_where_rows_were_refused(account, file, capsys):
    path = file({"BilledCost": "1.5"}, {"BilledCost": "2e-18"}, {"BilledCost": "many"})

    with pytest.raises(SystemExit) as end:
        call_command("import_charges", path)

    said = capsys.readouterr()
    assert end.value.code == 3
    assert "3 rows read: 2 imported, 0 known already, 1 refused." in said.out
    assert "USD: read 2 rows, 1.500000000000000002" in said.out
    assert "stored 2 rows, 1.500000000000000002" in said.out
    assert "1 rows refused: not a number" in said.err
    assert "row 3: not a number: BilledCost 'many' (123)" in said.err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--create-missing"], "--country"),
        (["--create-missing", "--country", "XX"], "--country"),
        (["--create-missing", "--country", "US"], "--owner"),
        (["--create-missing", "--country", "US", "--owner", "nobody@x.example"], "nobody signs in as"),
    ],
)
def test_the_command_asks_for_what_it_needs(file, options, says):
    with pytest.raises(CommandError, match=says):
        call_command("import_charges", file({}), *options)


def test_the_command_refuses_what_is_no_file(file, tmp_path):
    with pytest.raises(CommandError, match=r"empty. Nothing was imported."):
        call_command("import_charges", file(content=b""))
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_charges", tmp_path / "nowhere.csv")
    with pytest.raises(CommandError, match="Is a directory"):
        call_command("import_charges", tmp_path)


def test_in_a_demo_the_staff_person_owns_what_is_imported(file, settings, capsys):
    settings.DEMO = True
    staff = UserFactory(staff=True)

    call_command("import_charges", file({}), "--create-missing", "--country", "us")

    assert AccountRole.objects.get().user == staff
    assert BillingAccount.objects.get().sold_to.city == "New York"
    assert "1 accounts and 1 subscriptions made." in capsys.readouterr().out


# --- The sample of the standard -----------------------------------------------------------------


@pytest.fixture
def sample() -> Path:
    if not SAMPLE.exists():
        pytest.skip("the sample file of FOCUS 1.0 is not here")
    return SAMPLE


def test_the_sample_is_billed_to_the_last_digit_and_a_second_time_changes_nothing(sample, new):
    SellerFactory()
    delivered: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    with sample.open(newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        key = (row["BillingPeriodStart"][:7], row["SubAccountId"], row["ServiceName"])
        delivered[key] += Decimal(row["BilledCost"])

    demo = NewCustomers("US", new.owner, invents_address=True)
    first = import_charges(sample, new=demo)
    for month in (Month(2024, 9), Month(2024, 10)):
        run_billing(month, on=date(2026, 11, 5))

    assert (first.added, first.refused_rows, first.accounts_made, first.subscriptions_made) == (1000, 0, 3, 73)
    assert first.stored["USD"].cost == sum(delivered.values())
    found = {}
    for line in InvoiceLine.objects.select_related("invoice", "subscription").annotate(exact=Sum("charges__cost")):
        month = str(Month.of(line.invoice.period_start))
        found[month, line.subscription.external_id, line.service_name] = line.exact
        assert abs(line.exact - line.net.amount) <= Decimal("0.005")
    assert found == dict(delivered)
    assert not Charge.objects.filter(line=None).exists()

    before = Invoice.objects.count(), InvoiceLine.objects.count(), Charge.objects.count()
    again = import_charges(sample, new=demo)
    repeated = [run_billing(month, on=date(2026, 11, 5) + timedelta(days=1)).issued for month in (Month(2024, 10),)]
    assert (again.added, again.known, repeated) == (0, 1000, [0])
    assert (Invoice.objects.count(), InvoiceLine.objects.count(), Charge.objects.count()) == before
    call_command("check_invariants", verbosity=0)
