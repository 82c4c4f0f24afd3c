"""What the vendor's staff keeps: products and their prices."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from accounts.tests.factories import UserFactory
from subscriptions.models import Price, Product
from subscriptions.tests.factories import PriceFactory, PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    client.force_login(UserFactory(staff=True))
    return client


def sent(**price):
    row = {"currency": "EUR", "term": "monthly", "unit_price": "0.0125", "valid_from": "2026-01-01", "valid_until": ""}
    return {
        "code": "mailbox",
        "name": "Mailbox",
        "service_name": "Mail",
        "kind": "own",
        "supply": "electronic",
        "is_offered": "on",
        "prices-TOTAL_FORMS": 1,
        "prices-INITIAL_FORMS": 0,
        **{f"prices-0-{name}": value for name, value in (row | price).items()},
    }


def test_staff_makes_a_product_with_a_price_finer_than_a_cent(staff):
    staff.post(reverse("admin:subscriptions_product_add"), sent())

    price = Price.objects.get()
    assert (price.product.name, price.unit_price, price.valid_from) == ("Mailbox", Decimal("0.0125"), date(2026, 1, 1))


@pytest.mark.parametrize(
    "mistake", [{"currency": "XYZ"}, {"unit_price": "-1"}, {"unit_price": "ten"}, {"valid_until": "2025-01-01"}]
)
def test_a_mistake_is_explained_and_nothing_is_saved(staff, mistake):
    response = staff.post(reverse("admin:subscriptions_product_add"), sent(**mistake))

    assert response.status_code == 200
    assert Product.objects.count() == 0


def test_a_price_is_shown_without_the_zeros_of_its_column(staff):
    price = PriceFactory(unit_price=Decimal("12.5"))

    text = staff.get(reverse("admin:subscriptions_product_change", args=[price.product_id])).content.decode()

    assert 'value="12.5"' in text


def test_a_product_that_was_bought_stays(staff):
    bought = SubscriptionFactory()

    staff.post(reverse("admin:subscriptions_product_delete", args=[bought.product_id]), {"post": "yes"})

    assert Product.objects.filter(pk=bought.product_id).exists()


@pytest.mark.parametrize(("name", "make"), [("subscription", SubscriptionFactory), ("purchase", PurchaseFactory)])
def test_what_was_bought_is_looked_at_only(staff, name, make):
    row = make()

    assert staff.get(reverse(f"admin:subscriptions_{name}_changelist")).status_code == 200
    assert staff.get(reverse(f"admin:subscriptions_{name}_change", args=[row.pk])).status_code == 200
    assert staff.post(reverse(f"admin:subscriptions_{name}_change", args=[row.pk]), {}).status_code == 403
    assert staff.get(reverse(f"admin:subscriptions_{name}_add")).status_code == 403
