"""Step 5 of the thread: something is bought, and the first purchase brings its own profile."""

import pytest

from accounts.tests.factories import BillingAccountFactory, UserFactory
from profiles.models import BillingProfile
from subscriptions.models import Subscription
from subscriptions.tests.factories import PriceFactory, ProductFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_S2_10_the_first_purchase_makes_the_first_profile_and_the_second_uses_it(person, way):
    office = ProductFactory(name="Office licence", name_nl="Office-licentie")
    PriceFactory(product=office)
    buyer = UserFactory(name="Sanne Jansen")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=buyer)
    product = {"en": office.name, "nl": office.name_nl}[way.language]
    sanne = person(buyer)

    sanne.opens(f"/billing-accounts/{account.code}/")
    sanne.follows("Subscriptions")
    sanne.reads("Subscriptions")
    sanne.sees("No subscriptions yet")
    sanne.looks()
    sanne.follows("See what is on offer")
    sanne.reads("Buy")
    sanne.looks()
    orders(sanne, product, "3")
    sanne.sees("A new one, the first of this account: %(name)s, invoiced to its sold-to address.", name=account.name)
    sanne.looks()
    sanne.presses("Buy now")
    sanne.reads("What was bought")
    sanne.looks()

    made = BillingProfile.objects.get()
    assert (made.account, made.bill_to.line1) == (account, account.sold_to.line1)

    sanne.opens(f"/billing-accounts/{account.code}/purchase/")
    orders(sanne, product, "1")
    sanne.sees(made.name)
    sanne.presses("Buy now")
    sanne.reads("What was bought")
    sanne.follows("Subscriptions")
    sanne.reads("Subscriptions")
    sanne.looks()
    assert [(each.quantity, each.profile) for each in Subscription.objects.order_by("pk")] == [(3, made), (1, made)]


def test_S2_7_a_quantity_that_makes_no_sense_is_refused_at_its_field(person):
    PriceFactory(product=ProductFactory(name="Office licence", name_nl="Office-licentie"))
    buyer = UserFactory(name="Sanne Jansen")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=buyer)
    sanne = person(buyer)
    sanne.opens(f"/billing-accounts/{account.code}/purchase/")
    sanne.follows("Buy %(product)s %(term)s", product=product_name(sanne), term=sanne.word("per month"))
    sanne.types("Quantity", "0")
    sanne.presses("Continue")
    sanne.sees("One thing needs another look")
    sanne.looks()
    assert not Subscription.objects.exists()


def orders(somebody, product: str, quantity: str) -> None:
    somebody.follows("Buy %(product)s %(term)s", product=product, term=somebody.word("per month"))
    somebody.reads(product)
    somebody.looks()
    somebody.types("Quantity", quantity)
    somebody.presses("Continue")
    somebody.sees("What you are about to buy")


def product_name(somebody) -> str:
    return {"en": "Office licence", "nl": "Office-licentie"}[somebody.way.language]
