"""What the factories make passes every rule that a form would ask."""

import pytest

from subscriptions.models import Term
from subscriptions.tests.factories import PriceFactory, ProductFactory, PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "make",
    [
        ProductFactory,
        PriceFactory,
        SubscriptionFactory,
        lambda: SubscriptionFactory(measured=True),
        PurchaseFactory,
    ],
)
def test_every_factory_makes_a_valid_row(make):
    make().full_clean()


def test_a_subscription_costs_what_its_price_says():
    price = PriceFactory(term=Term.YEARLY)

    subscription = SubscriptionFactory(price=price)

    assert (subscription.product, subscription.term, subscription.unit_price) == (price.product, "yearly", 12.5)


def test_the_purchase_of_a_subscription_is_on_its_profile():
    subscription = SubscriptionFactory()

    purchase = PurchaseFactory(subscription=subscription)

    assert (purchase.profile, purchase.term) == (subscription.profile, "monthly")
