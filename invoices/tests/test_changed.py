"""What changed since the invoice before: per product, in words and numbers that add up; one statement."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from accounts.tests.factories import SellerFactory, UserFactory
from core.money import Money
from core.periods import Month
from invoices.changed import NAMED, changes_of
from invoices.models import Invoice
from invoices.services.run import run_billing
from invoices.tests.factories import ChargeFactory, InvoiceFactory, imported_subscription
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Subscription
from subscriptions.tests.factories import ProductFactory, PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

SEPTEMBER, OCTOBER = Month(2026, 9), Month(2026, 10)


@pytest.fixture
def profile() -> BillingProfile:
    SellerFactory()
    return BillingProfileFactory(account__owner=UserFactory(), created_at=datetime(2026, 9, 1, tzinfo=UTC))


def sold(profile: BillingProfile, name: str, price: str, **values: Any) -> Subscription:
    return SubscriptionFactory(
        **{
            "profile": profile,
            "product": ProductFactory(name=name),
            "unit_price": Decimal(price),
            "started_on": date(2026, 9, 1),
            **values,
        }
    )


def used(profile: BillingProfile, service: str, month: Month, cost: str) -> None:
    start = datetime.combine(month.first, datetime.min.time(), UTC)
    ChargeFactory(
        subscription=Subscription.objects.filter(external_id=service).first()
        or imported_subscription(profile, service),
        month=month.first,
        service_name=service,
        cost=Decimal(cost),
        started_at=start,
        ended_at=start.replace(day=2),
    )


def bill(month: Month) -> Invoice:
    run_billing(month, on=month.next.first)
    return Invoice.objects.get(period_start=month.first)


def test_products_that_are_new_gone_more_dearer_used_more_and_of_longer_terms(profile):
    sold(profile, "Same", "5")
    gone = sold(profile, "Gone", "7", ended_on=date(2026, 9, 30))
    more = sold(profile, "More", "10", quantity=2)
    dearer = sold(profile, "Dearer", "20")
    sold(profile, "Each quarter", "90", term="quarterly")
    sold(profile, "New", "40", started_on=date(2026, 10, 4))
    PurchaseFactory(profile=profile, product=ProductFactory(name="Once"), bought_on=date(2026, 9, 9), unit_price=3)
    used(profile, "Compute", SEPTEMBER, "100")
    used(profile, "Compute", OCTOBER, "112")
    first = bill(SEPTEMBER)
    Subscription.objects.filter(pk=more.pk).update(quantity=5)
    Subscription.objects.filter(pk=dearer.pk).update(unit_price=Decimal("22.50"))

    changes = changes_of(bill(OCTOBER))

    assert gone.ended_on
    assert changes_of(first) is None
    assert changes.since == SEPTEMBER.first
    assert [(each.product, each.words, each.difference.minor) for each in changes.named] == [
        ("Each quarter", "no term began in this month", -9000),
        ("New", "new", 4000),
        ("More", "5 instead of 2", 3000),
        ("Compute", "used 12% more", 1200),
        ("Gone", "no longer on the invoice", -700),
        ("Once", "bought the month before", -300),
        ("Dearer", "€22.50 each instead of €20.00", 250),
    ]
    september, october = Invoice.objects.order_by("period_start")
    assert changes.difference == october.net - september.net
    assert (changes.others, changes.rest) == (0, Money(0, "EUR"))


def test_the_largest_are_named_and_the_rest_is_added_up(profile):
    sold(profile, "Same", "5")
    for number in range(NAMED + 3):
        sold(profile, f"New {number:02}", str(number + 1), started_on=date(2026, 10, 1))
    bill(SEPTEMBER)

    changes = changes_of(bill(OCTOBER))

    assert len(changes.named) == NAMED
    assert (changes.others, changes.rest) == (3, Money(600, "EUR"))


def test_nothing_changed_says_so(profile, client):
    sold(profile, "Same", "5")
    bill(SEPTEMBER)

    changes = changes_of(bill(OCTOBER))

    assert (changes.named, changes.others, changes.difference) == ([], 0, Money(0, "EUR"))


def test_a_credit_note_counts_below_zero(profile):
    sold(profile, "Same", "5")
    used(profile, "Refund", OCTOBER, "-30")
    bill(SEPTEMBER)

    changes = changes_of(bill(OCTOBER))

    assert [(each.product, each.difference.minor) for each in changes.named] == [("Refund", -3000)]
    assert changes.difference == Money(-3000, "EUR")


def test_a_thousand_lines_take_one_statement(django_assert_num_queries):
    lines = [{"net_minor": number, "description": f"Line {number}"} for number in range(1, 1001)]
    first = InvoiceFactory(lines=lines[:500])
    second = InvoiceFactory(profile=first.profile, lines=lines)

    with django_assert_num_queries(1):
        changes = changes_of(second)

    assert (changes.others, changes.difference) == (492, second.net - first.net)


def test_the_page_shows_it_to_whoever_sees_the_invoice(profile, client):
    sold(profile, "<b>Loud</b>", "5")
    bill(SEPTEMBER)
    sold(profile, "New", "40", started_on=date(2026, 10, 4))
    invoice = bill(OCTOBER)
    client.force_login(profile.account.roles.first().user)

    page = client.get(reverse("invoice", args=[invoice.code])).content.decode()

    assert "What changed since September 2026" in page
    assert "+€40.00" in page
    assert "More than the month before" in page
    assert "<b>Loud" not in page
