"""A subscription is changed, cancelled and brought back, each time with its money said before."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, UserFactory
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import PriceFactory, ProductFactory, SubscriptionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_3_5_3_9_more_licences_then_none_then_back(person):
    office = ProductFactory(name="Office licence", name_nl="Office-licentie")
    marieke = UserFactory(name="Marieke de Vries")
    profile = BillingProfileFactory(account=BillingAccountFactory(owner=marieke))
    began = timezone.localdate() - timedelta(days=40)
    bought = SubscriptionFactory(profile=profile, price=PriceFactory(product=office), started_on=began)
    browser = person(marieke)

    browser.opens(bought.get_absolute_url())
    browser.follows("Change quantity or plan")
    browser.types("Quantity", "4")
    browser.presses("Continue")
    browser.reads("What is about to change")
    browser.looks()
    browser.presses("Change now")
    browser.reads("Changes")
    browser.looks()

    browser.follows("Cancel the subscription")
    browser.picks("Now")
    browser.presses("Cancel the subscription")
    browser.reads("Changes")
    browser.follows("Reactivate")
    browser.presses("Reactivate")
    browser.sees("Active again.")

    bought.refresh_from_db()
    kinds = bought.changes.order_by("pk").values_list("kind", flat=True)
    assert (bought.status, bought.quantity) == ("active", 4)
    assert list(kinds) == ["quantity", "cancelled", "reactivated"]
