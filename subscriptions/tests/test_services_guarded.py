"""The services about subscriptions ask for the right themselves: who may not changes nothing (Q1, T08)."""

import pytest

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.errors import Forbidden
from core.policy import Role
from profiles.models import BillingProfile, InvoiceSection
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions import sections
from subscriptions.models import Subscription
from subscriptions.services.purchasing import purchase_product
from subscriptions.services.viewers import share_invoices
from subscriptions.tests.factories import PriceFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk():
    """A section with a subscription in it, on a profile with another subscription in none."""
    profile = BillingProfileFactory()
    InvoiceSection.objects.create(profile=profile, name="General", is_default=True)
    section = InvoiceSection.objects.create(profile=profile, name="Desk")
    SubscriptionFactory(profile=profile, section=section)
    SubscriptionFactory(profile=profile)
    return section


def _move(desk: InvoiceSection, by):
    sections.move_to_section(Subscription.objects.get(section=None), section=desk, by=by)


SERVICES = {
    "add": lambda desk, by: sections.add_section(desk.profile, name="Warehouse", by=by),
    "rename": lambda desk, by: sections.rename_section(desk, name="Front desk", by=by),
    "remove": lambda desk, by: sections.remove_section(desk, by=by),
    "move": _move,
}


def stored() -> list:
    return [*InvoiceSection.objects.values(), *Subscription.objects.order_by("pk").values_list("pk", "section")]


@pytest.mark.parametrize("service", SERVICES)
def test_Q1_a_reader_of_the_profile_changes_no_section(service, desk):
    reader = ProfileRoleFactory(profile=desk.profile, role=Role.PROFILE_READER).user
    before = stored()

    with pytest.raises(Forbidden):
        SERVICES[service](desk, reader)

    assert stored() == before


def test_Q1_only_the_administrator_shares_the_invoices_of_a_subscription():
    subscription = SubscriptionFactory(profile=SubscriptionProfileFactory())
    viewer = ProfileRoleFactory(profile=subscription.profile, role=Role.PROFILE_READER).user

    with pytest.raises(Forbidden):
        share_invoices(subscription, is_on=True, by=viewer)

    assert not BillingProfile.objects.get().shares_invoices


@pytest.mark.parametrize("is_online", [True, False])
def test_Q1_who_may_not_buy_is_told_that_and_not_what_is_on_offer(is_online):
    account = BillingAccountFactory(online_services=is_online)
    price = PriceFactory(currency="USD")

    with pytest.raises(Forbidden):
        purchase_product(
            account, price=price, quantity=1, profile=None, by=UserFactory(), on=price.valid_from, request_key="k" * 20
        )

    assert not Subscription.objects.exists()
    assert not BillingProfile.objects.exists()
