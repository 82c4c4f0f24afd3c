"""Who has a role that counts on a profile, and why."""

from datetime import date

import pytest

from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from core.policy import GRANTS, PROFILE_ROLES, Action, Role, may, roles_on
from profiles.capabilities import all_capabilities, capabilities
from profiles.people import (
    colleagues_of,
    count_people,
    effective_owners,
    people_on,
    role_left,
)
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 20)


def named(people):
    return [(here.user.name, here.role, here.is_inherited) for here in people]


@pytest.fixture
def profile():
    """A profile with somebody of every kind on it, and people elsewhere who must not show."""
    profile = BillingProfileFactory(name="Operations")
    account = profile.account
    AccountRoleFactory(account=account, user=UserFactory(name="Marieke"))
    AccountRoleFactory(account=account, user=UserFactory(name="Lars"), role=Role.ACCOUNT_READER)
    ProfileRoleFactory(profile=profile, user=UserFactory(name="Tom"), role=Role.INVOICE_MANAGER)
    ProfileRoleFactory(profile=profile, user=UserFactory(name="Fatima"), role=Role.PROFILE_READER)
    administrator = UserFactory(name="Olga")
    OrganisationRoleFactory(organisation=account.organisation, user=administrator, role=Role.ORGANISATION_ADMINISTRATOR)
    # None of these counts on this profile.
    OrganisationRoleFactory(organisation=account.organisation, role=Role.USER_ADMINISTRATOR)
    ProfileRoleFactory(profile=BillingProfileFactory(account=account))
    AccountRoleFactory(account=BillingAccountFactory(organisation=account.organisation))
    ProfileRoleFactory(profile=profile, expires_on=date(2026, 11, 19))
    ProfileRoleFactory(profile=profile, user=UserFactory(is_active=False))
    return profile


def test_S2_22_everybody_with_a_role_that_counts_the_highest_first(profile):
    assert named(people_on(profile, on=TODAY)) == [
        ("Marieke", Role.PROFILE_OWNER, True),
        ("Tom", Role.INVOICE_MANAGER, False),
        ("Fatima", Role.PROFILE_READER, False),
        ("Lars", Role.PROFILE_READER, True),
        ("Olga", Role.ORGANISATION_ADMINISTRATOR, True),
    ]


def test_the_page_and_the_policy_agree_about_everybody(profile):
    for here in people_on(profile, on=TODAY):
        assert here.rights == {action for action in Action if roles_on(here.user, profile) & GRANTS[action]}


def test_of_two_roles_the_higher_counts_and_both_are_told(profile):
    both = UserFactory(name="Sanne")
    AccountRoleFactory(account=profile.account, user=both, role=Role.ACCOUNT_CONTRIBUTOR)
    ProfileRoleFactory(profile=profile, user=both, role=Role.PROFILE_READER)

    here = next(here for here in people_on(profile, on=TODAY) if here.user == both)

    assert (here.role, here.is_inherited, here.scope) == (Role.PROFILE_CONTRIBUTOR, True, profile.account)
    assert [[str(value) for _what, value in chain] for chain in here.chains] == [
        [profile.account.name, "Billing account contributor", "Billing profile contributor"],
        ["Operations", "Billing profile reader"],
    ]


def test_of_two_equal_roles_the_one_given_here_counts(profile):
    both = UserFactory()
    AccountRoleFactory(account=profile.account, user=both, role=Role.ACCOUNT_READER)
    direct = ProfileRoleFactory(profile=profile, user=both, role=Role.PROFILE_READER)

    here = next(here for here in people_on(profile, on=TODAY) if here.user == both)

    assert (here.given_by, here.is_inherited) == (direct, False)


def test_the_last_day_of_a_role_counts(profile):
    last_day = ProfileRoleFactory(profile=profile, expires_on=TODAY)

    assert last_day.user in [here.user for here in people_on(profile, on=TODAY)]


def test_count_agrees_with_the_list(profile, django_assert_num_queries):
    other = BillingProfileFactory(account=profile.account)

    with django_assert_num_queries(3):
        counts = count_people([profile, other], account=profile.account, on=TODAY)

    assert counts == {each.pk: len(people_on(each, on=TODAY)) for each in (profile, other)}
    assert counts[profile.pk] == 5


def test_owners_who_are_told_are_those_of_profile_and_account(profile):
    own = ProfileRoleFactory(profile=profile, user=UserFactory(name="Anna")).user

    assert [user.name for user in effective_owners(profile, on=TODAY)] == ["Anna", "Marieke"]
    assert own in effective_owners(profile, on=TODAY)


def test_an_online_services_account_is_closed_to_the_organisation():
    profile = SubscriptionProfileFactory()
    OrganisationRoleFactory(organisation=profile.account.organisation, role=Role.ORGANISATION_ADMINISTRATOR)

    assert people_on(profile, on=TODAY) == []


def test_what_is_left_when_a_role_is_taken_away(profile):
    both = UserFactory()
    AccountRoleFactory(account=profile.account, user=both, role=Role.ACCOUNT_READER)
    direct = ProfileRoleFactory(profile=profile, user=both, role=Role.PROFILE_OWNER)
    alone = profile.roles.get(user__name="Tom")

    assert role_left(direct, on=TODAY) == Role.PROFILE_READER
    assert role_left(alone, on=TODAY) is None


def test_T14_colleagues_are_those_of_the_organisation_without_a_role_here(profile):
    stranger = BillingProfileFactory(owner=UserFactory(name="Stranger")).roles.get().user
    offered = colleagues_of(profile)

    assert "Lars" in [user.name for user in offered]
    assert stranger not in offered
    assert "Tom" not in [user.name for user in offered]


# --- What a role can ------------------------------------------------------------------------------


def test_S2_14_every_role_is_told_from_the_table_of_rights():
    can = {role: [line.text for line in lines if line.yes] for role, lines in all_capabilities(sends_invoices=True)}

    assert list(can) == list(PROFILE_ROLES)
    assert can[Role.PROFILE_READER] == ["View and download invoices", "Get invoices by e-mail, since this is on"]
    assert can[Role.INVOICE_MANAGER] == [
        "View and download invoices",
        "Pay invoices and get reminders",
        "Get invoices by e-mail, since this is on",
    ]
    assert len(can[Role.PROFILE_OWNER]) == 6
    assert len(can[Role.PROFILE_CONTRIBUTOR]) == 5


def test_what_comes_by_mail_is_said_as_it_stands():
    off = [line.text for line in capabilities(Role.PROFILE_READER, sends_invoices=False)]

    assert "Get invoices by e-mail, once on" in off


def test_the_list_speaks_of_somebody_who_may(profile):
    tom = profile.roles.get(user__name="Tom").user

    assert may(tom, Action.INVOICE_PAY, profile)
    assert not may(tom, Action.PROFILE_ASSIGN_ROLES, profile)
