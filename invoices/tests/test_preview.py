"""The next invoice before it is made: by the statements that draft it, month by month, and nothing written."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse

from accounts.models import Seller
from accounts.tests.factories import SellerFactory, UserFactory
from core.money import Money
from core.periods import Month
from invoices.models import BillingPeriod, Invoice, ParkReason
from invoices.services.credits import give_credit
from invoices.services.holding import hold_profile
from invoices.services.preview import Preview, preview_invoices
from invoices.services.run import run_billing
from invoices.tests.factories import ChargeFactory, imported_subscription
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)
TWELFTH = date(2026, 11, 12)
# Drafting, and three to read what came of it.
STATEMENTS = 20


@pytest.fixture(autouse=True)
def twelfth():
    SellerFactory()
    with time_machine.travel(datetime(2026, 11, 12, 12, tzinfo=UTC), tick=False):
        yield


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def profile(owner) -> BillingProfile:
    made = datetime(2026, 11, 1, tzinfo=UTC)
    profile = BillingProfileFactory(account__owner=owner, created_at=made)
    BillingPeriod.objects.create(profile=profile, month=OCTOBER.first)
    SubscriptionFactory(profile=profile, unit_price=Decimal(100), started_on=date(2026, 11, 3), name="Has begun")
    SubscriptionFactory(profile=profile, unit_price=Decimal(40), started_on=date(2026, 10, 20), name="Renews")
    SubscriptionFactory(profile=profile, unit_price=Decimal(9), started_on=date(2026, 12, 1), name="Later")
    PurchaseFactory(profile=profile, bought_on=TWELFTH, unit_price=Decimal("7.50"))
    charge(profile, "2.505", "Compute")
    return profile


def charge(profile: BillingProfile, cost: str, service: str) -> None:
    ChargeFactory(
        subscription=imported_subscription(profile, service),
        month=NOVEMBER.first,
        service_name=service,
        cost=Decimal(cost),
        started_at=datetime(2026, 11, 2, tzinfo=UTC),
        ended_at=datetime(2026, 11, 3, tzinfo=UTC),
    )


def euros(amount: str) -> Money:
    return Money(int(Decimal(amount) * 100), "EUR")


def only(profile: BillingProfile) -> Preview:
    [preview] = preview_invoices(profile, TWELFTH)
    return preview


def test_the_month_so_far_and_the_renewals_that_still_come(profile):
    preview = only(profile)

    assert (preview.month, preview.on) == (NOVEMBER, date(2026, 12, 5))
    assert (preview.so_far, preview.coming) == (euros("110.01"), euros("40"))
    assert [line.section for line in preview.lines if line.is_coming] == ["Renews"]
    assert (preview.vat, preview.total) == (euros("31.50"), euros("181.51"))
    assert not Invoice.objects.exists()


def test_it_is_what_the_run_then_issues(profile):
    preview = only(profile)

    run_billing(NOVEMBER, on=date(2026, 12, 5))

    invoice = Invoice.objects.get()
    assert (invoice.net, invoice.vat, invoice.total) == (preview.so_far + preview.coming, preview.vat, preview.total)
    lines = invoice.lines.order_by("position").values_list("description", "net_minor", "service_start")
    assert list(lines) == [(line.description, line.net.minor, line.service_start) for line in preview.lines]


def test_a_month_that_is_over_and_not_billed_yet_is_shown_before_the_present_one(profile):
    late = BillingProfileFactory(account=profile.account, created_at=datetime(2026, 10, 1, tzinfo=UTC), invoice_day=20)
    SubscriptionFactory(profile=late, unit_price=Decimal(40), started_on=date(2026, 10, 20))
    PurchaseFactory(profile=late, bought_on=date(2026, 10, 30), unit_price=Decimal(3))
    PurchaseFactory(profile=late, bought_on=TWELFTH, unit_price=Decimal(2))

    october, november = preview_invoices(late, TWELFTH)

    assert (october.month, october.on, october.so_far) == (OCTOBER, date(2026, 11, 20), euros("43"))
    # What October takes up is not in November again.
    assert (november.month, november.so_far, november.coming) == (NOVEMBER, euros("2"), euros("40"))


def test_a_held_profile_is_shown_too_and_what_does_not_fit_says_so(profile):
    hold_profile(profile, note="Why", by=None)
    assert only(profile).total == euros("181.51")

    profile.bill_to.is_complete = False
    profile.bill_to.save()

    assert only(profile).problem == ParkReason.ADDRESS_INCOMPLETE


def test_below_zero_it_is_in_the_customers_favour(profile):
    charge(profile, "-500", "Refund")

    preview = only(profile)

    assert preview.total == euros("-423.49")
    assert preview.vat == euros("-73.50")


def test_nothing_is_told_of_a_closed_profile_or_without_a_seller(profile):
    profile.status = "closed"
    assert preview_invoices(profile, TWELFTH) == []
    profile.status = "active"
    Seller.objects.all().delete()
    assert preview_invoices(profile, TWELFTH) == []


def test_the_profile_page_tells_the_total_and_the_page_every_line(client, owner, profile):
    client.force_login(owner)

    page = client.get(profile.get_absolute_url()).content.decode()
    lines = client.get(reverse("profile_next_invoice", args=[profile.code])).content.decode()

    assert "€181.51" in page
    assert reverse("profile_next_invoice", args=[profile.code]) in page
    for words in ("Still to come this month", "Renews", "€40.00", "Estimated total incl. VAT", "€181.51"):
        assert words in lines


@pytest.mark.parametrize("number", [1, 30])
def test_the_statements_do_not_grow_with_the_lines(profile, number: int, django_assert_num_queries):
    for _ in range(number):
        SubscriptionFactory(profile=profile, unit_price=Decimal(1), started_on=date(2026, 11, 3))

    with django_assert_num_queries(STATEMENTS):
        only(profile)


def test_S2_23_a_credit_is_foreseen_once_over_the_months_that_are_not_billed_yet():
    profile = BillingProfileFactory(created_at=datetime(2026, 10, 1, tzinfo=UTC))
    SubscriptionFactory(profile=profile, unit_price=Decimal(100), started_on=OCTOBER.first)
    give_credit(
        profile,
        source="promotion",
        amount=euros("120"),
        starts_on=OCTOBER.first,
        expires_on=None,
        description="Welcome",
        reason="As agreed",
        by=None,
        on=TWELFTH,
    )

    previews = preview_invoices(profile, TWELFTH)

    assert [(each.month, each.credit) for each in previews] == [(OCTOBER, euros("100")), (NOVEMBER, euros("20"))]
