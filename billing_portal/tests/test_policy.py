"""`may`, `allowing` and the table agree: for every role, scope, action and model (architecture §5).

The oracle is the table and the cast of `world.py`. A right that `may` gives and a list leaves out is a
page that cannot be found; the other way round it is a leak.
"""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.utils import timezone

from accounts.models import BillingAccount, Organisation
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from billing_portal.tests.test_routes import SAMPLES
from billing_portal.tests.world import POSITIONS, World, make_world
from core.errors import Forbidden
from core.policy import GRANTS, PROFILE_ROLES, Action, Role, demand, holders, may, read_roles, requires
from core.step_up import BY_CARD
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db
# An organisation is looked at below.
IN_ACCOUNTS = [model for model in SAMPLES if model is not Organisation]


def representative(actions: list[Action]) -> list[Action]:
    """One action of each distinct row of the table: equal rows give equal answers."""
    rows: dict[frozenset[Role], Action] = {}
    for action in actions:
        rows.setdefault(GRANTS[action], action)
    return [*dict.fromkeys([*rows.values(), Action.ACCOUNT_SEE, Action.PROFILE_VIEW, Action.INVOICE_VIEW])]


def wanted(world: World, model: type, action: Action, actor: str, position: str) -> bool:
    roles = world.roles.get((actor, position), set())
    if model.POLICY.account == "" or model.POLICY.profile is None:
        roles = roles - {*PROFILE_ROLES}  # they count below
    if action == Action.ACCOUNT_SEE and model.POLICY.account == "":
        roles = roles | world.below.get((actor, position), set())
    return bool(roles & GRANTS[action])


@pytest.mark.parametrize(
    "model", [model for model in SAMPLES if model is not Organisation], ids=lambda model: model.__name__
)
def test_may_and_allowing_agree_with_the_table(model, long):
    world = make_world()
    rows = {position: SAMPLES[model](world.places[position]) for position in POSITIONS}
    wrong = []
    for actor, user in world.actors.items():
        person: Any = user or AnonymousUser()
        person._role_book = read_roles(person)
        for action in [*Action] if long else representative([*Action]):
            listed = set(model._default_manager.allowing(person, action).values_list("pk", flat=True))
            for position, row in rows.items():
                expected = wanted(world, model, action, actor, position)
                answers = (may(person, action, row), row.pk in listed)
                if answers != (expected, expected):
                    wrong.append((actor, action.value, position, answers, expected))
    assert wrong == []


def test_every_model_in_the_tree_is_looked_at_or_shown_with_its_parent():
    in_the_tree = {model for model in apps.get_models() if hasattr(model, "POLICY")}

    assert {model.__name__ for model in in_the_tree - set(SAMPLES)} == {
        "CreditLot",
        "CreditTransaction",
        "Delivery",
        "Dispute",
        "Document",
        "ParkedProfile",
    } & {model.__name__ for model in in_the_tree}


@pytest.mark.parametrize("role", [Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR])
def test_roles_on_the_organisation_count_there(role):
    held, other = OrganisationRoleFactory(role=role), OrganisationRoleFactory(role=role)

    for action in Action:
        expected = role in GRANTS[action]
        listed = set(Organisation.objects.allowing(held.user, action))
        assert listed == ({held.organisation} if expected else set()), action
        assert may(held.user, action, held.organisation) == expected
        assert not may(held.user, action, other.organisation)


def test_roles_add_up_and_the_highest_wins():
    profile = BillingProfileFactory()
    person = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_READER).user
    ProfileRoleFactory(profile=profile, user=person, role=Role.PROFILE_OWNER)
    sibling = BillingProfileFactory(account=profile.account)

    assert may(person, Action.PROFILE_ASSIGN_ROLES, profile)
    assert not may(person, Action.PROFILE_ASSIGN_ROLES, sibling)
    assert may(person, Action.PROFILE_VIEW, sibling)


def test_nothing_but_the_name_of_the_account_flows_upward():
    profile = BillingProfileFactory()
    person = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user

    assert [action for action in Action if may(person, action, profile.account)] == [
        action for action in Action if action == Action.ACCOUNT_SEE
    ]


def test_a_role_counts_to_its_last_day_and_not_a_day_longer(time_machine):
    time_machine.move_to("2026-11-20 12:00", tick=False)
    held = AccountRoleFactory(role=Role.ACCOUNT_READER, expires_on=timezone.localdate())

    assert may(held.user, Action.ACCOUNT_VIEW, held.account)
    time_machine.move_to("2026-11-21 12:00", tick=False)
    assert not may(held.user, Action.ACCOUNT_VIEW, held.account)
    assert [row.user for row in holders(Action.ACCOUNT_VIEW, held.account)] == []


def test_I23_somebody_deactivated_has_no_rights_and_is_nobodys_holder():
    account = BillingAccountFactory(owner=UserFactory(is_active=False))
    person = account.roles.get().user

    assert not [action for action in Action if may(person, action, account)]
    assert [*holders(Action.ACCOUNT_VIEW, account)] == []


def test_demand_asks_the_rights_stored_now_and_not_those_of_the_request():
    held = AccountRoleFactory(role=Role.ACCOUNT_CONTRIBUTOR)
    held.user._role_book = read_roles(held.user)
    demand(held.user, Action.ACCOUNT_EDIT_SOLD_TO, held.account)

    held.delete()

    assert may(held.user, Action.ACCOUNT_EDIT_SOLD_TO, held.account)  # the book of the request
    with pytest.raises(Forbidden):
        demand(held.user, Action.ACCOUNT_EDIT_SOLD_TO, held.account)


def test_an_unknown_action_is_an_error_and_no_answer():
    account = BillingAccountFactory()

    with pytest.raises(ValueError, match="account:fly"):
        may(UserFactory(), "account:fly", account)


def test_the_roles_of_a_person_are_read_by_one_statement(django_assert_num_queries):
    profile = BillingProfileFactory()
    person = AccountRoleFactory(account=profile.account).user
    ProfileRoleFactory(profile=profile, user=person)
    OrganisationRoleFactory(user=person)

    with django_assert_num_queries(1):
        book = read_roles(person)

    assert (len(book.accounts), len(book.profiles), len(book.organisations)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("model", "anywhere"), [(BillingProfile, False), (BillingAccount, False), (BillingAccount, True)]
)
def test_the_check_of_a_page_takes_two_statements_however_much_somebody_may(
    rf, model, anywhere, django_assert_num_queries
):
    @requires(Action.PROFILE_VIEW, model, anywhere=anywhere)
    def page(request, obj):
        return HttpResponse(obj.pk)

    def give():
        account = BillingAccountFactory(organisation=organisation)
        profile = BillingProfileFactory(account=account)
        AccountRoleFactory(account=account, user=person, role=Role.ACCOUNT_READER)
        ProfileRoleFactory(profile=profile, user=person, role=Role.INVOICE_MANAGER)
        ProfileRoleFactory(profile=BillingProfileFactory(account=account), user=person)
        OrganisationRoleFactory(user=person)
        return {BillingProfile: profile, BillingAccount: account}[model]

    organisation, person = OrganisationFactory(), UserFactory()
    OrganisationRoleFactory(organisation=organisation, user=person, role=Role.ORGANISATION_ADMINISTRATOR)
    request = rf.get("/")
    request.user, request.idle_for, request.session = person, 0, {BY_CARD: True}
    first = give()
    for _more in range(2):
        with django_assert_num_queries(2):  # the roles, and the object if it is there for the person
            assert page(request, code=first.code).content == str(first.pk).encode()
        for _number in range(6):
            give()
