"""The services about a profile ask for the right themselves: who may not changes nothing (Q1, T08)."""

import pytest

from core.errors import Forbidden
from core.models import Message
from core.policy import Role
from profiles.models import BillingProfile, ExtraRecipient
from profiles.services import recipients
from profiles.services.profiles import set_policies
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile():
    profile = BillingProfileFactory(sends_invoices=True)
    ExtraRecipient.objects.create(profile=profile, email="books@bureau.example")
    return profile


SERVICES = {
    "add": lambda profile, by: recipients.add_recipient(profile, email="else@bureau.example", language="en", by=by),
    "ask again": lambda _profile, by: recipients.ask_again(ExtraRecipient.objects.get(), by=by),
    "remove": lambda _profile, by: recipients.remove_recipient(ExtraRecipient.objects.get(), by=by),
    "policies": lambda profile, by: set_policies(profile, marketplace_policy="none", allows_reservations=False, by=by),
}


def stored() -> list:
    return [*BillingProfile.objects.values(), *ExtraRecipient.objects.values()]


@pytest.mark.parametrize("service", SERVICES)
def test_Q1_a_reader_of_the_profile_changes_nothing_of_it(service, profile):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    before = stored()

    with pytest.raises(Forbidden):
        SERVICES[service](profile, reader)

    assert stored() == before
    assert not Message.objects.exists()
