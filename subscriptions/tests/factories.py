"""Rows for the tests of this app and of those above it: valid and complete, as a person would have made them."""

from datetime import date
from decimal import Decimal

import factory
from factory.django import DjangoModelFactory

from core.codes import new_code
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Price, Product, Purchase, Subscription, Term


class ProductFactory(DjangoModelFactory):
    class Meta:
        model = Product

    code = factory.Sequence(lambda n: f"product-{n}")
    name = factory.Sequence(lambda n: f"Product {n}")
    name_nl = factory.Sequence(lambda n: f"Product {n} (nl)")
    description = "Mailboxes with 50 GB each"
    description_nl = "Postvakken van 50 GB"
    service_name = "Mail"


class PriceFactory(DjangoModelFactory):
    """€ 12.50 a month, from 2024 on."""

    class Meta:
        model = Price

    product = factory.SubFactory(ProductFactory)
    currency = "EUR"
    term = Term.MONTHLY
    unit_price = Decimal("12.5")
    valid_from = date(2024, 1, 1)


class SubscriptionFactory(DjangoModelFactory):
    """An active monthly subscription at a price of its own; `account` follows from the profile.

    `SubscriptionFactory(measured=True)` is one of which only charges from outside say what it costs.
    """

    class Meta:
        model = Subscription
        exclude = ["price"]

    class Params:
        measured = factory.Trait(
            price=None,
            product=None,
            name="alfa-production",
            external_id=factory.Sequence(lambda n: f"sub-account-{n}"),
            term=Term.MONTHLY,
            unit_price=0,
        )

    profile = factory.SubFactory(BillingProfileFactory)
    account = factory.SelfAttribute("profile.account")
    currency = factory.SelfAttribute("account.currency")
    price = factory.SubFactory(PriceFactory, currency=factory.SelfAttribute("..currency"))
    product = factory.SelfAttribute("price.product")
    name = factory.SelfAttribute("product.name")
    term = factory.SelfAttribute("price.term")
    unit_price = factory.SelfAttribute("price.unit_price")
    started_on = date(2026, 1, 15)


class PurchaseFactory(DjangoModelFactory):
    """The purchase of a one-off; that of a subscription is `PurchaseFactory(subscription=subscription)`."""

    class Meta:
        model = Purchase

    subscription = None
    profile = factory.LazyAttribute(
        lambda row: row.subscription.profile if row.subscription else BillingProfileFactory()
    )
    account = factory.SelfAttribute("profile.account")
    product = factory.LazyAttribute(lambda row: row.subscription.product if row.subscription else ProductFactory())
    term = factory.LazyAttribute(lambda row: row.subscription.term if row.subscription else Term.ONE_OFF)
    quantity = 1
    unit_price = Decimal("80")
    currency = factory.SelfAttribute("profile.currency")
    bought_on = date(2026, 1, 15)
    request_key = factory.LazyFunction(new_code)
