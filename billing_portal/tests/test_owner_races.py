"""Whatever two people do at the same moment, an account keeps an owner who stays, and the loser is told (I20, PR8).

Real connections and committed transactions; each pair meets 50 times with `--long`.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import AccountRole, BillingAccount, Invitation, User
from accounts.services.handover import offer_administration, withdraw_offer
from accounts.services.invitations import accept_invitation, invite_to_account
from accounts.services.joining import join_as_owner
from accounts.services.people import deactivate_person
from accounts.services.roles import (
    ON_ACCOUNT,
    appoint_stand_in,
    assign_account_role,
    has_lasting_owner,
    remove_account_role,
    remove_roles,
)
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from core.errors import Forbidden, Refused
from core.policy import Role

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Two:
    """An account with two owners, and everybody else who may meet there."""

    account: BillingAccount
    first: AccountRole
    second: AccountRole
    keeper: User
    head: User
    third: User

    def invite(self, by: AccountRole) -> Invitation:
        return invite_to_account(self.account, email="new@x.example", role=Role.ACCOUNT_OWNER, by=by.user)


def two_owners() -> Two:
    first = AccountRoleFactory()
    account, organisation = first.account, first.account.organisation
    keeper = OrganisationRoleFactory(organisation=organisation, role=Role.USER_ADMINISTRATOR).user
    head = OrganisationRoleFactory(organisation=organisation, role=Role.ORGANISATION_ADMINISTRATOR).user
    for person in (keeper, head, third := UserFactory()):
        OrganisationMemberFactory(organisation=organisation, user=person)
    return Two(account, first, AccountRoleFactory(account=account), keeper, head, third)


def demote(two: Two, whom: AccountRole, by: AccountRole) -> None:
    assign_account_role(two.account, user=whom.user, role=Role.ACCOUNT_READER, by=by.user)


def end(two: Two, whom: AccountRole, by: AccountRole) -> None:
    day = timezone.localdate() + timedelta(days=1)
    assign_account_role(two.account, user=whom.user, role=Role.ACCOUNT_OWNER, expires_on=day, by=by.user)


def remove(two: Two, whom: AccountRole, by: AccountRole) -> None:
    remove_account_role(AccountRole.objects.select_related("account").get(pk=whom.pk), by=by.user)


def remove_both(two: Two, whom: AccountRole, by: AccountRole) -> None:
    remove_roles(ON_ACCOUNT, two.account, [two.first, two.second], by=by.user)


def deactivate(two: Two, whom: AccountRole, by: AccountRole) -> None:
    deactivate_person(two.account.organisation, whom.user, by=two.keeper)


def stand_in(two: Two, whom: AccountRole, by: AccountRole) -> None:
    day = timezone.localdate() + timedelta(days=5)
    appoint_stand_in(ON_ACCOUNT, two.account, held=whom, user=two.third, expires_on=day, by=by.user)


Deed = Callable[[Two, AccountRole, AccountRole], None]
# What each does to whom: to the other owner, or to themselves.
TO_EACH_OTHER: dict[str, tuple[Deed, Deed]] = {
    "demote and demote": (demote, demote),
    "remove and remove": (remove, remove),
    "demote and remove": (demote, remove),
    "end and end": (end, end),
    "end and remove": (end, remove),
    "remove and deactivate": (remove, deactivate),
    "deactivate and deactivate": (deactivate, deactivate),
    "all at once and demote": (remove_both, demote),
    "stand-in and remove": (stand_in, remove),
}
THEMSELVES: dict[str, tuple[Deed, Deed]] = {
    "both step down": (demote, demote),
    "both leave": (remove, remove),
    "one leaves, one ends": (remove, end),
    "one leaves, one is deactivated": (remove, deactivate),
    "both are deactivated": (deactivate, deactivate),
    "one ends, one steps down": (end, demote),
}
# Deeds of which both may hold: nobody who stays is lost by them.
HARMLESS = {"stand-in and remove"}


@pytest.mark.parametrize("name", TO_EACH_OTHER)
def test_I20_two_owners_who_meet_leave_one_who_stays(name, long):
    def meet() -> None:
        two = two_owners()
        one, other = TO_EACH_OTHER[name]

        outcomes = at_once(lambda: one(two, two.second, two.first), lambda: other(two, two.first, two.second))

        assert_owned(two, outcomes, name)

    for _repeat in range(50 if long else 2):
        meet()


@pytest.mark.parametrize("name", THEMSELVES)
def test_I20_two_owners_who_go_at_once_leave_one_who_stays(name, long):
    def meet() -> None:
        two = two_owners()
        one, other = THEMSELVES[name]

        outcomes = at_once(lambda: one(two, two.first, two.first), lambda: other(two, two.second, two.second))

        assert_owned(two, outcomes, name)

    for _repeat in range(50 if long else 2):
        meet()


def test_I20_an_invited_owner_comes_in_while_the_inviter_goes(long):
    """Either the new owner is in before the inviter has gone, or the inviter stays."""

    def meet() -> None:
        held = AccountRoleFactory()
        invitation = invite_to_account(held.account, email="new@x.example", role=Role.ACCOUNT_OWNER, by=held.user)
        new = User.objects.filter(email="new@x.example").first() or UserFactory(email="new@x.example")

        outcomes = at_once(
            lambda: accept_invitation(Invitation.objects.get(pk=invitation.pk), by=new),
            lambda: remove_account_role(AccountRole.objects.select_related("account").get(pk=held.pk), by=held.user),
        )

        assert has_lasting_owner(held.account)
        assert outcomes in (["done", "done"], ["done", "last_owner"])

    for _repeat in range(50 if long else 3):
        meet()


def test_I20_an_invited_owner_comes_in_while_the_inviter_is_demoted(long):
    def meet() -> None:
        two = two_owners()
        invitation = two.invite(two.first)
        new = User.objects.filter(email="new@x.example").first() or UserFactory(email="new@x.example")

        outcomes = at_once(
            lambda: accept_invitation(Invitation.objects.get(pk=invitation.pk), by=new),
            lambda: demote(two, two.first, two.second),
        )

        assert has_lasting_owner(two.account)
        assert outcomes in (["done", "done"], ["done", "inviter_lost_right"])
        came_in = AccountRole.objects.filter(account=two.account, user=new).exists()
        assert came_in == (outcomes == ["done", "done"])

    for _repeat in range(50 if long else 3):
        meet()


def test_I20_an_organisation_administrator_comes_in_while_the_owner_goes(long):
    def meet() -> None:
        two = two_owners()
        remove(two, two.second, two.first)

        outcomes = at_once(
            lambda: join_as_owner(two.account, by=two.head),
            lambda: remove(two, two.first, two.first),
        )

        assert has_lasting_owner(two.account)
        assert outcomes in (["done", "done"], ["done", "last_owner"])

    for _repeat in range(50 if long else 3):
        meet()


def test_I20_an_administrator_who_is_deactivated_while_the_successor_accepts(long):
    def meet() -> None:
        account = BillingAccountFactory(online_services=True, owner=UserFactory())
        held = AccountRole.objects.get(account=account)
        keeper = OrganisationRoleFactory(organisation=account.organisation, role=Role.USER_ADMINISTRATOR).user
        OrganisationMemberFactory(organisation=account.organisation, user=keeper)
        offer = offer_administration(account, email="next@x.example", by=held.user)
        successor = User.objects.filter(email="next@x.example").first() or UserFactory(email="next@x.example")

        at_once(
            lambda: accept_invitation(Invitation.objects.get(pk=offer.pk), by=successor),
            lambda: deactivate_person(account.organisation, held.user, by=keeper),
            lambda: withdraw_offer(Invitation.objects.select_related("account").get(pk=offer.pk), by=held.user),
        )

        assert has_lasting_owner(account)
        assert AccountRole.objects.filter(account=account, role=Role.ACCOUNT_ADMINISTRATOR).count() == 1

    for _repeat in range(50 if long else 3):
        meet()


def test_T06_the_last_owner_neither_ends_nor_is_deactivated():
    held = AccountRoleFactory()
    keeper = OrganisationRoleFactory(organisation=held.account.organisation, role=Role.USER_ADMINISTRATOR).user
    OrganisationMemberFactory(organisation=held.account.organisation, user=keeper)
    day = timezone.localdate() + timedelta(days=30)

    for act in (
        lambda: assign_account_role(
            held.account, user=held.user, role=Role.ACCOUNT_OWNER, expires_on=day, by=held.user
        ),
        lambda: deactivate_person(held.account.organisation, held.user, by=keeper),
    ):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.code == "last_owner"


def at_once(*verbs: Callable[[], Any]) -> list[str]:
    """Run each in a thread and connection of its own, all released together; what each was told."""
    start = threading.Barrier(len(verbs))

    def run(verb: Callable[[], Any]) -> str:
        start.wait()
        try:
            verb()
        except (Refused, Forbidden) as refusal:
            return getattr(refusal, "code", "forbidden")
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(verbs)) as pool:
        return sorted(pool.map(run, verbs))


def assert_owned(two: Two, outcomes: list[str], name: str) -> None:
    assert has_lasting_owner(two.account), (name, outcomes)
    if name in HARMLESS:
        return
    assert outcomes.count("done") == 1, (name, outcomes)
    told = {"forbidden", "last_owner", "removed_meanwhile", "inactive_person", "moved_meanwhile"}
    assert set(outcomes) - {"done"} <= told, (name, outcomes)
