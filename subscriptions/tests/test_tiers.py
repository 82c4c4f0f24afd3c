"""Volume prices: the tier that a quantity reaches is the price of each, also after a change (S2-11)."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import IntegrityError
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, UserFactory
from core.money import Money
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Price, PriceTier, Purchase
from subscriptions.services.changing import change_subscription, plan_change
from subscriptions.services.purchasing import purchase_product
from subscriptions.tests.factories import PriceFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 10, 1)


@pytest.fixture
def price() -> Price:
    price = PriceFactory(unit_price=Decimal(10))
    PriceTier.objects.create(price=price, from_quantity=10, unit_price=Decimal("8.5"))
    PriceTier.objects.create(price=price, from_quantity=100, unit_price=Decimal(7))
    return price


@pytest.mark.parametrize(
    ("quantity", "each"), [(1, "10"), (9, "10"), (10, "8.5"), (99, "8.5"), (100, "7"), (5000, "7")]
)
def test_the_tier_that_is_reached_is_the_price_of_each(price, quantity, each):
    assert price.unit_price_for(quantity) == Decimal(each)
    assert price.total(quantity) == Money.rounded(Decimal(each) * quantity, "EUR")


def bought(price: Price, quantity: int) -> Purchase:
    profile = BillingProfileFactory()
    owner = AccountRoleFactory(account=profile.account).user
    return purchase_product(
        profile.account, price=price, quantity=quantity, profile=profile, by=owner, on=TODAY, request_key="k" * 20
    )


def test_S2_11_what_is_bought_costs_its_tier_and_keeps_the_tiers_of_its_day(price):
    purchase = bought(price, 12)
    PriceTier.objects.update(unit_price=Decimal(1))
    subscription = purchase.subscription

    assert (purchase.unit_price, subscription.unit_price) == (Decimal("8.5"), Decimal("8.5"))
    fewer = plan_change(subscription, quantity=5, price=None, on=date(2026, 10, 10))
    more = plan_change(subscription, quantity=100, price=None, on=date(2026, 10, 10))
    assert (fewer.unit_price_after, more.unit_price_after) == (Decimal(10), Decimal(7))


def test_a_changed_quantity_is_stored_with_the_price_of_its_tier(price):
    purchase = bought(price, 12)
    subscription, owner = purchase.subscription, purchase.bought_by
    planned = plan_change(subscription, quantity=100, price=None, on=date(2026, 10, 16))

    change_subscription(
        subscription, quantity=100, price=None, expected=planned.net, request_key="c", by=owner, on=date(2026, 10, 16)
    )

    subscription.refresh_from_db()
    assert (subscription.quantity, subscription.unit_price) == (100, Decimal(7))
    # 16 of 31 days: (100 × 7 − 12 × 8.5) × 16 / 31
    assert planned.net == Money.nearest((70_000 - 10_200) * Fraction(16, 31), "EUR")


def test_without_tiers_the_price_stays_whatever_the_quantity():
    subscription = SubscriptionFactory(unit_price=Decimal("12.5"), started_on=TODAY)

    assert plan_change(subscription, quantity=500, price=None, on=TODAY).unit_price_after == Decimal("12.5")


def test_a_tier_begins_above_one(price):
    with pytest.raises(IntegrityError):
        PriceTier.objects.create(price=price, from_quantity=1, unit_price=Decimal(1))


def test_the_offer_names_its_tiers_and_sums_up_with_them(client, price):
    profile = BillingProfileFactory()
    client.force_login(AccountRoleFactory(account=profile.account).user)

    offers = client.get(reverse("purchase", args=[profile.account.code])).content.decode()
    order = client.get(
        reverse("purchase_order", args=[profile.account.code, price.pk]), {"quantity": 20, "profile": profile.code}
    ).content.decode()

    assert "€8.50 from 10 on" in offers
    assert "20 × €8.50" in order
    assert "€170.00" in order


def test_staff_set_tiers_and_overlapping_prices_are_refused(client, price):
    client.force_login(UserFactory(staff=True))
    page = reverse("admin:subscriptions_price_change", args=[price.pk])
    tiers = price.tiers.order_by("from_quantity")
    sent = {
        "tiers-TOTAL_FORMS": 3,
        "tiers-INITIAL_FORMS": 2,
        "tiers-2-from_quantity": 500,
        "tiers-2-unit_price": "6.25",
    }
    for place, tier in enumerate(tiers):
        sent |= {
            f"tiers-{place}-id": tier.pk,
            f"tiers-{place}-price": price.pk,
            f"tiers-{place}-from_quantity": tier.from_quantity,
            f"tiers-{place}-unit_price": tier.unit_price,
        }
    client.post(page, {**sent, "tiers-2-price": price.pk})
    assert price.unit_price_for(500) == Decimal("6.25")

    product = price.product
    row = {"currency": "EUR", "term": "monthly", "unit_price": "11", "valid_until": ""}
    old = {f"prices-0-{name}": value for name, value in row.items()} | {"prices-0-valid_from": "2024-01-01"}
    new = {f"prices-1-{name}": value for name, value in row.items()} | {"prices-1-valid_from": "2027-01-01"}
    form = {
        **{name: getattr(product, name) for name in ("code", "name", "service_name", "kind", "supply")},
        "prices-TOTAL_FORMS": 2,
        "prices-INITIAL_FORMS": 1,
        "prices-0-id": price.pk,
        "prices-0-product": product.pk,
        **old,
        **new,
        "prices-1-product": product.pk,
    }
    address = reverse("admin:subscriptions_product_change", args=[product.pk])
    assert "still counts on 2027-01-01. End it the day before." in client.post(address, form).content.decode()
    assert Price.objects.count() == 1
    client.post(address, {**form, "prices-0-valid_until": "2026-12-31"})
    assert Price.objects.count() == 2
    # Somebody else ends the second one and adds a third, while this page is still open.
    Price.objects.filter(valid_from=date(2027, 1, 1)).update(valid_until=date(2027, 12, 31))
    PriceFactory(product=product, valid_from=date(2028, 1, 1))
    stale = {**form, "prices-0-valid_until": "2026-12-31", "prices-1-valid_from": "2028-02-01"}
    assert "still counts on 2028-02-01" in client.post(address, stale).content.decode()
    assert Price.objects.count() == 3
