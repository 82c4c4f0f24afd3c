"""The services about sections ask for the right themselves: who may not changes nothing (Q1, T08)."""

import pytest

from core.errors import Forbidden
from core.policy import Role
from profiles.models import InvoiceSection
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions import sections
from subscriptions.models import Subscription
from subscriptions.tests.factories import SubscriptionFactory

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
