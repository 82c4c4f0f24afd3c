"""The usage behind the lines of an invoice: the same line ids everywhere, and every digit as delivered (P25)."""

import csv
import io
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, SellerFactory, UserFactory
from core.periods import Month
from core.policy import Role
from invoices.models import Invoice
from invoices.services.run import run_billing
from invoices.tests.factories import ChargeFactory, imported_subscription
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

OCTOBER = Month(2026, 10)


@pytest.fixture
def profile() -> BillingProfile:
    SellerFactory()
    return BillingProfileFactory(created_at="2026-10-01T00:00:00Z")


def billed(profile: BillingProfile, charges: int = 3) -> Invoice:
    SubscriptionFactory(profile=profile, name="Fixed", started_on=OCTOBER.first)
    usage = imported_subscription(profile)
    for number in range(charges):
        ChargeFactory(
            subscription=usage,
            service_name=f"Service {number % 2}",
            cost=Decimal("1.230000000000000001"),
            resource_id=f"vm-{number}",
            tags={"team": "Warehouse", "cost centre": f"=cmd|{number}"},
            charge_class="Correction" if number == 1 else "",
        )
    run_billing(OCTOBER, on=OCTOBER.next.first)
    return Invoice.objects.get()


def rows_of(response) -> list[dict[str, str]]:
    content = response.content if not response.streaming else b"".join(response.streaming_content)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


def test_P25_the_usage_file_has_the_line_ids_of_the_invoice_and_every_digit(client, profile):
    invoice = billed(profile)
    client.force_login(ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user)

    usage = rows_of(client.get(reverse("invoice_usage_csv", args=[invoice.code])))
    lines = {row["Line"]: row for row in rows_of(client.get(reverse("invoice_csv", args=[invoice.code])))}

    assert len(usage) == 3
    sums: dict[str, Decimal] = {}
    for row in usage:
        assert lines[row["Line"]]["Description"] == row["Description of the line"] == row["Service"]
        sums[row["Line"]] = sums.get(row["Line"], Decimal(0)) + Decimal(row["Cost excl. VAT"])
    assert set(sums.values()) == {Decimal("2.460000000000000002"), Decimal("1.230000000000000001")}
    for line, exact in sums.items():
        assert abs(exact - Decimal(lines[line]["Amount excl. VAT"])) <= Decimal("0.005")
    assert usage[0]["Tags"] == '{"cost centre": "=cmd|0", "team": "Warehouse"}'
    assert {row["Class"] for row in usage} == {"", "Correction"}


def test_P25_lines_lead_to_their_usage_and_it_is_filtered_and_sorted(client, profile):
    invoice = billed(profile)
    client.force_login(AccountRoleFactory(account=profile.account).user)
    page = reverse("invoice_usage", args=[invoice.code])
    line = invoice.lines.get(description="Service 1")

    text = client.get(invoice.get_absolute_url()).content.decode()
    assert f"{page}?line={line.position}" in text
    one = client.get(f"{page}?line={line.position}").content.decode()
    assert "vm-1" in one
    assert "vm-0" not in one
    assert "team: Warehouse" in one
    assert "Correction of an earlier charge" in one
    assert "vm-2" in client.get(f"{page}?q=vm-2&sort=-cost").content.decode()
    assert "No charge fits" in client.get(f"{page}?q=nothing").content.decode()
    for nonsense in ("?line=x&sort=y&q=%00", "?line=99999999999999999999", "?after=x"):
        assert client.get(page + nonsense).status_code == 200


def test_P25_an_invoice_of_fixed_prices_has_none(client, profile):
    invoice = billed(profile, charges=0)
    client.force_login(AccountRoleFactory(account=profile.account).user)

    assert "Usage file" not in client.get(invoice.get_absolute_url()).content.decode()
    assert "No usage on this invoice" in client.get(reverse("invoice_usage", args=[invoice.code])).content.decode()


@pytest.mark.parametrize("route", ["invoice_usage", "invoice_usage_csv"])
def test_P25_statements_do_not_grow_with_the_rows(client, profile, route):
    counts = []
    for charges in (2, 40):
        other = BillingProfileFactory(account=profile.account, created_at="2026-10-01T00:00:00Z")
        usage = imported_subscription(other, f"sub-of-{charges}")
        for number in range(charges):
            ChargeFactory(subscription=usage, service_name=f"Service {number}")
        run_billing(OCTOBER, on=OCTOBER.next.first)
        invoice = Invoice.objects.get(profile=other)
        client.force_login(AccountRoleFactory(account=profile.account).user)
        address = reverse(route, args=[invoice.code])
        client.get(address)
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address)
            if answer.streaming:
                assert len(rows_of(answer)) == charges
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_P25_who_does_not_see_the_invoice_gets_no_usage(client, profile):
    invoice = billed(profile)
    client.force_login(UserFactory())

    for route in ("invoice_usage", "invoice_usage_csv"):
        assert client.get(reverse(route, args=[invoice.code])).status_code == 404
