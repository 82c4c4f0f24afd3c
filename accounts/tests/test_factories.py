"""The factories make rows that the models themselves call valid."""

import pytest

from accounts.tests import factories
from core.policy import Role

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "make",
    [
        factories.UserFactory,
        factories.OrganisationFactory,
        factories.OrganisationMemberFactory,
        factories.OrganisationRoleFactory,
        factories.AddressFactory,
        factories.BillingAccountFactory,
        factories.AccountRoleFactory,
        factories.SellerFactory,
        lambda: factories.AddressFactory(american=True),
        lambda: factories.AddressFactory(german=True),
        lambda: factories.BillingAccountFactory(online_services=True),
        lambda: factories.BillingAccountFactory(american=True),
    ],
)
def test_a_factory_makes_a_valid_row(make):
    row = make()

    row.full_clean(exclude=["assigned_by", "created_by", "logo", "language", "color_mode"])


def test_the_seller_lacks_nothing():
    assert factories.SellerFactory().missing() == []


@pytest.mark.parametrize(("online_services", "role"), [(False, Role.ACCOUNT_OWNER), (True, Role.ACCOUNT_ADMINISTRATOR)])
def test_the_owner_gets_the_role_of_the_agreement(online_services, role):
    person = factories.UserFactory()

    account = factories.BillingAccountFactory(online_services=online_services, owner=person)

    assert [(held.user, held.role) for held in account.roles.all()] == [(person, role)]
    assert [member.user for member in account.organisation.members.all()] == [person]
