"""What the factories make passes every rule that a form would ask."""

import pytest

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.policy import Action, Role, may, roles_on
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("make", [BillingProfileFactory, SubscriptionProfileFactory, ProfileRoleFactory])
def test_every_factory_makes_a_valid_row(make):
    make().full_clean()


def test_a_profile_takes_the_currency_of_its_account():
    assert BillingProfileFactory(account=BillingAccountFactory(american=True)).currency == "USD"


def test_the_owner_of_a_profile_has_the_rights_of_one():
    owner = UserFactory()

    profile = BillingProfileFactory(owner=owner)

    assert roles_on(owner, profile) == {Role.PROFILE_OWNER}
    assert may(owner, Action.PROFILE_ASSIGN_ROLES, profile)
    assert owner.memberships.get().organisation == profile.account.organisation


def test_a_hidden_profile_is_invoiced_to_the_bill_to_of_its_account():
    profile = SubscriptionProfileFactory()

    assert profile.invoice_address == profile.account.bill_to
