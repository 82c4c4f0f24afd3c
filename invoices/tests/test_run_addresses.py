"""Which address and which VAT an invoice carries: those in force on its day of issue (S0-8a, §3.2, I35)."""

from datetime import UTC, date, datetime, timedelta

import pytest

from accounts.models import PlannedChange
from accounts.services.planned import apply_planned_change
from accounts.tests.factories import (
    AddressFactory,
    BillingAccountFactory,
    SellerFactory,
    UserFactory,
    VatCheckFactory,
)
from core.periods import Month
from invoices import coming
from invoices.documents.printed import printed
from invoices.documents.source import payload_of
from invoices.models import Invoice
from invoices.services.run import run_billing
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

OCTOBER, FIFTH = Month(2026, 10), date(2026, 11, 5)


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory()


def billed(account=None, *, on=FIFTH, **profile_values):
    account = account or BillingAccountFactory()
    profile = BillingProfileFactory(account=account, created_at=datetime(2026, 10, 1, tzinfo=UTC), **profile_values)
    SubscriptionFactory(profile=profile, started_on=date(2026, 10, 1), unit_price=10)
    run_billing(OCTOBER, on=on)
    return Invoice.objects.get(profile=profile)


def plan(account, day, **values):
    change = PlannedChange.objects.create(account=account, takes_effect_on=day, planned_by=UserFactory())
    change.parts.create(address=account.sold_to, values=values)
    return change


@pytest.mark.parametrize(("day", "line1"), [("2026-11-05", "Coolsingel 40"), ("2026-11-06", "Waalhaven Zuidzijde 21")])
def test_S0_8a_a_planned_change_counts_from_its_day_whether_the_job_ran_or_not(day, line1):
    account = BillingAccountFactory()
    plan(account, date.fromisoformat(day), line1="Coolsingel 40")

    invoice = billed(account)

    assert invoice.sold_to["line1"] == line1
    assert invoice.sold_to["city"] == "Rotterdam"


def test_S0_8a_an_invoice_of_a_day_before_carries_the_address_before():
    account = BillingAccountFactory()
    apply_planned_change(plan(account, FIFTH + timedelta(days=1), line1="Coolsingel 40"))

    assert billed(account).sold_to["line1"] == "Waalhaven Zuidzijde 21"


def test_a_withdrawn_change_counts_for_nothing():
    account = BillingAccountFactory()
    change = plan(account, FIFTH, line1="Coolsingel 40")
    PlannedChange.objects.filter(pk=change.pk).update(status="withdrawn")

    assert billed(account).sold_to["line1"] == "Waalhaven Zuidzijde 21"


def test_I35_an_issued_invoice_keeps_its_address():
    account = BillingAccountFactory()
    invoice = billed(account)
    apply_planned_change(plan(account, FIFTH, line1="Coolsingel 40"))

    invoice.refresh_from_db()
    assert invoice.sold_to["line1"] == "Waalhaven Zuidzijde 21"


def test_the_service_usage_address_is_copied_and_printed():
    invoice = billed(ship_to=AddressFactory(kind="ship_to", company_name="Magazijn", line1="Maasvlakte 7"))

    assert invoice.ship_to["line1"] == "Maasvlakte 7"
    parties = printed(payload_of(invoice))["parties"]
    assert [party["label"] for party in parties] == ["Sold to", "Bill to", "Used at"]
    assert parties[2]["name"] == "Magazijn"


def test_without_one_nothing_is_copied_or_printed():
    invoice = billed()

    assert invoice.ship_to == {}
    assert len(printed(payload_of(invoice))["parties"]) == 2


def test_the_service_usage_address_decides_the_vat():
    american = AddressFactory(kind="ship_to", american=True)

    assert billed(ship_to=american).vat_groups.get().category == "O"


@pytest.mark.parametrize(
    ("status", "said_yes", "category"),
    [
        ("verified", timedelta(0), "AE"),
        ("unreachable", timedelta(days=80), "AE"),
        ("verifying", timedelta(days=80), "AE"),
        ("unreachable", timedelta(days=100), "S"),
        ("unreachable", None, "S"),
        ("format_valid", None, "S"),
        ("refused", None, "S"),
    ],
)
def test_only_a_verified_vat_id_takes_the_vat_away(status, said_yes, category):
    account = BillingAccountFactory(country="DE", vat_id="DE136695976", sold_to__country="DE", vat_check="none")
    fifth = datetime(2026, 11, 5, tzinfo=UTC)
    yes = fifth - said_yes if said_yes is not None else None
    VatCheckFactory(account=account, number="DE136695976", status=status, verified_at=yes)

    invoice = billed(account)

    assert (invoice.vat_groups.get().category, invoice.customer_vat_id) == (category, "DE136695976")


def test_a_yes_for_another_number_counts_for_nothing():
    account = BillingAccountFactory(country="DE", vat_id="DE136695976", sold_to__country="DE", vat_check="none")
    VatCheckFactory(account=account, number="DE111111109", verified_at=datetime(2026, 11, 4, tzinfo=UTC))

    assert billed(account).vat_groups.get().category == "S"


# --- Which invoice comes next ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "on", "month"),
    [
        ("2026-11-03", "2026-12-05", Month(2026, 11)),  # October is billed already
        ("2026-11-20", "2026-12-05", Month(2026, 11)),
        ("2026-12-06", "2027-01-05", Month(2026, 12)),
    ],
)
def test_S0_8a_the_first_invoice_is_one_that_is_not_made_yet(day, on, month):
    profile = billed(invoice_day=5).profile

    found = coming.first_invoice(profile, date.fromisoformat(day))

    assert (found.on, found.month) == (date.fromisoformat(on), month)


def test_the_invoices_of_an_account_are_named_up_to_five_in_one_statement(django_assert_num_queries):
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner)
    for number in range(7):
        BillingProfileFactory(account=account, name=f"Profile {number}", invoice_day=number + 1)
    BillingProfileFactory(account=account, name="Closed", status="closed")

    with django_assert_num_queries(2):  # roles, profiles
        rows, more = coming.first_invoices(account, date(2026, 11, 20), user=owner)

    assert ([row.profile.name for row in rows], more) == ([f"Profile {number}" for number in range(5)], 2)
