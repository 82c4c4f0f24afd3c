"""Who may do what, and why: one person with all their roles, one action with all who may (P12, S2-14)."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import OrganisationMember
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from billing_portal.access import grants_of, who_may
from core.policy import Action, Role, may, read_roles
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(name="Alfa Logistiek", owner=owner)


@pytest.fixture
def tom(account):
    person = UserFactory(name="Tom Bakker", email="tom@alfa.example")
    OrganisationMember.objects.create(organisation=account.organisation, user=person)
    return person


def today():
    return timezone.localdate()


def page_of(client, owner, account, person):
    client.force_login(owner)
    return client.get(reverse("account_person", args=[account.code, person.pk]))


def test_P12_a_person_is_shown_with_every_role_its_scope_and_its_end(client, owner, account, tom):
    ends = today() + timedelta(days=9)
    AccountRoleFactory(account=account, user=tom, role=Role.ACCOUNT_READER, assigned_by=owner)
    profile = BillingProfileFactory(account=account, name="Warehouse")
    ProfileRoleFactory(profile=profile, user=tom, role=Role.INVOICE_MANAGER, assigned_by=owner, expires_on=ends)

    response = page_of(client, owner, account, tom)

    found = [(grant.role, grant.scope, grant.row.expires_on) for grant in response.context["grants"]]
    assert found == [(Role.ACCOUNT_READER, "Alfa Logistiek", None), (Role.INVOICE_MANAGER, "Warehouse", ends)]
    assert profile.get_absolute_url() + "permissions/" in response.content.decode()


def test_P12_what_a_role_allows_is_what_the_policy_grants(account, owner, tom):
    profile = BillingProfileFactory(account=account)
    ProfileRoleFactory(profile=profile, user=tom, role=Role.INVOICE_MANAGER)

    [grant] = grants_of(account, on=today(), user=tom)

    assert "Pay invoices" in map(str, grant.allows)
    assert "Buy with a billing profile" in map(str, grant.denies)
    assert not set(grant.allows) & set(grant.denies)


def test_P12_a_role_that_ended_or_of_somebody_deactivated_is_not_shown(account, owner, tom):
    AccountRoleFactory(account=account, user=tom, expires_on=today() - timedelta(days=1))
    gone = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user
    gone.is_active = False
    gone.save(update_fields=["is_active"])

    assert [grant.user for grant in grants_of(account, on=today())] == [owner]


def test_T01_roles_of_other_accounts_and_people_of_other_organisations_are_not_shown(client, owner, account, tom):
    elsewhere = BillingAccountFactory(organisation=account.organisation)
    AccountRoleFactory(account=elsewhere, user=tom)
    stranger = AccountRoleFactory(account=BillingAccountFactory()).user

    assert page_of(client, owner, account, tom).context["grants"] == []
    assert page_of(client, owner, account, stranger).status_code == 404


def test_P12_for_every_action_exactly_those_are_named_who_may(account, owner, tom):
    """The answer and the rights agree, for each action that is asked about and each person of a mixed cast."""
    profile = BillingProfileFactory(account=account)
    people = [owner, tom]
    ProfileRoleFactory(profile=profile, user=tom, role=Role.PROFILE_READER)
    for role in (Role.ACCOUNT_CONTRIBUTOR, Role.ACCOUNT_READER):
        people.append(AccountRoleFactory(account=account, role=role).user)
    for role in (Role.PROFILE_OWNER, Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER):
        people.append(ProfileRoleFactory(profile=profile, role=role).user)
    people.append(OrganisationRoleFactory(organisation=account.organisation, role=Role.ORGANISATION_ADMINISTRATOR).user)

    for action in (Action.INVOICE_PAY, Action.INVOICE_VIEW, Action.PROFILE_ASSIGN_ROLES, Action.METHOD_ADD):
        named = {grant.user for grant in who_may(account, action, on=today())}
        assert named == {person for person in people if may(person, action, profile, read_roles(person))}, action


def test_P12_the_question_names_people_and_says_how_many(client, owner, account, tom):
    ProfileRoleFactory(profile=BillingProfileFactory(account=account), user=tom, role=Role.INVOICE_MANAGER)
    client.force_login(owner)

    response = client.get(reverse("account_question", args=[account.code]), {"action": "invoice:pay"})

    assert [grant.user for grant in response.context["grants"]] == [owner, tom]
    assert "2 people may." in response.content.decode()


@pytest.mark.parametrize("action", ["", "invoice:fly", "\x00", "a" * 5000])
def test_Q10_a_question_about_nothing_asks_for_one(client, owner, account, action):
    client.force_login(owner)

    response = client.get(reverse("account_question", args=[account.code]), {"action": action})

    assert response.status_code == 200
    assert "Choose what it is about" in response.content.decode()


def test_the_statements_do_not_grow_with_the_roles(client, owner, account, tom, django_assert_num_queries):
    def give(count):
        for _number in range(count):
            ProfileRoleFactory(profile=BillingProfileFactory(account=account), user=tom, role=Role.INVOICE_MANAGER)

    client.force_login(owner)
    address = reverse("account_person", args=[account.code, tom.pk])
    for more in (1, 4):
        give(more)
        with django_assert_num_queries(8):
            client.get(address)
