"""Whatever others do at the moment an account is closed, one of the two is told no, and nothing goes on in a closed
account (I36, PR8).

Real connections and committed transactions; each pair meets 30 times with `--long`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import AccountRole, BillingAccount, Invitation, User
from accounts.services.addresses import WRITABLE
from accounts.services.closing import lock_to_close, reopen_account
from accounts.services.invitations import accept_invitation, invite_to_account
from accounts.services.joining import join_as_owner
from accounts.services.planned import plan_account_addresses
from accounts.services.roles import assign_account_role
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    SellerFactory,
    UserFactory,
)
from billing_portal.invariants import INVARIANTS
from billing_portal.tests.test_owner_races import at_once
from core.errors import Refused
from core.models import Message
from core.policy import Action, Role, may, read_roles
from payments.services.closing import close_account, close_account_by_staff, close_profile
from profiles.models import BillingProfile
from profiles.services.profiles import create_profile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.services.purchasing import purchase_product
from subscriptions.tests.factories import PriceFactory

pytestmark = pytest.mark.django_db(transaction=True)
TODAY = date(2026, 11, 21)


@dataclass
class Scene:
    """An account that can be closed, and everybody who may meet there."""

    account: BillingAccount
    owner: User
    second: User
    member: User
    head: User
    staff: User
    price: Any
    waiting: Invitation
    guest: User

    @property
    def seen(self) -> BillingAccount:
        """As another request has loaded it before."""
        return BillingAccount.objects.select_related("organisation", "sold_to").get(pk=self.account.pk)


def scene(*, profiles: int) -> Scene:
    SellerFactory()
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner)
    organisation = account.organisation
    for _number in range(profiles):
        BillingProfileFactory(account=account)
    waiting = invite_to_account(account, email="guest@x.example", role=Role.ACCOUNT_READER, by=owner)
    return Scene(
        account=account,
        owner=owner,
        second=AccountRoleFactory(account=account).user,
        member=OrganisationMemberFactory(organisation=organisation).user,
        head=OrganisationRoleFactory(organisation=organisation, role=Role.ORGANISATION_ADMINISTRATOR).user,
        staff=UserFactory(staff=True),
        price=PriceFactory(currency="EUR", valid_from=date(2026, 1, 1)),
        waiting=waiting,
        guest=UserFactory(email="guest@x.example"),
    )


def buy(scene: Scene, seen: BillingAccount) -> None:
    purchase_product(
        seen, profile=None, price=scene.price, quantity=1, by=scene.second, on=TODAY, request_key=uuid4().hex
    )


def invite(scene: Scene, seen: BillingAccount) -> None:
    invite_to_account(seen, email="new@x.example", role=Role.ACCOUNT_READER, by=scene.second)


def accept(scene: Scene, seen: BillingAccount) -> None:
    accept_invitation(Invitation.objects.select_related("account").get(pk=scene.waiting.pk), by=scene.guest)


def give_role(scene: Scene, seen: BillingAccount) -> None:
    assign_account_role(seen, user=scene.member, role=Role.ACCOUNT_READER, by=scene.second)


def join(scene: Scene, seen: BillingAccount) -> None:
    join_as_owner(seen, by=scene.head)


def add_profile(scene: Scene, seen: BillingAccount) -> None:
    create_profile(seen, name="Another", by=scene.second)


def plan(scene: Scene, seen: BillingAccount) -> None:
    values = {name: getattr(seen.sold_to, name) for name in WRITABLE} | {"line2": "Second floor"}
    today = timezone.localdate()
    plan_account_addresses(
        seen,
        sold_to=values,
        sold_to_version=seen.sold_to.version,
        takes_effect_on=today + timedelta(days=9),
        today=today,
        by=scene.second,
    )


def close_too(scene: Scene, seen: BillingAccount) -> None:
    close_account(seen, by=scene.second, on=TODAY)


def close_by_staff(scene: Scene, seen: BillingAccount) -> None:
    close_account_by_staff(seen, note="The company ended.", by=scene.staff, on=TODAY)


# Who does it, with how many billing profiles there; and whether one of the two has to lose. What an address change or
# an invitation began is withdrawn by a closing that comes later, and an accepted role is one for reading.
MEETS: dict[str, tuple[Callable[[Scene, BillingAccount], None], int, bool]] = {
    "buys on the profile": (buy, 1, True),
    "buys for the first time": (buy, 0, True),
    "adds another profile": (add_profile, 1, True),
    "adds the first profile": (add_profile, 0, False),
    "invites": (invite, 1, False),
    "accepts": (accept, 1, False),
    "gives a role": (give_role, 1, False),
    "becomes owner": (join, 1, False),
    "plans an address": (plan, 1, False),
    "closes too": (close_too, 1, True),
    "is of the staff": (close_by_staff, 1, True),
}
TOLD = {"account_closed", "not_eligible", "closed_already", "forbidden", "revoked"}


@pytest.mark.parametrize("name", MEETS)
def test_I36_a_closing_and_somebody_else_never_both_win(name, long):
    for _repeat in range(30 if long else 3):
        meet(name)


def meet(name: str) -> None:
    act, profiles, excludes = MEETS[name]
    met = scene(profiles=profiles)
    mine, theirs = met.seen, met.seen

    outcomes = at_once(lambda: close_account(mine, by=met.owner, on=TODAY), lambda: act(met, theirs))

    stored = BillingAccount.objects.get(pk=met.account.pk)
    assert set(outcomes) - {"done"} <= TOLD, (name, outcomes)
    assert "done" in outcomes, (name, outcomes)
    if excludes:
        assert outcomes.count("done") == 1, (name, outcomes)
    if stored.status == "closed":
        assert Message.objects.filter(template="account_closed", recipient=met.owner.email).count() == 1
        assert not may(met.owner, Action.PROFILE_CREATE, stored, read_roles(met.owner))
    assert goes_on_in_closed() == [], (name, outcomes)
    wipe(met)


def goes_on_in_closed() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(next(each.sql for each in INVARIANTS if each.id == "I36"))
        return [row[0] for row in cursor.fetchall()]


def wipe(met: Scene) -> None:
    """The next pair meets elsewhere; mails are counted anew."""
    Message.objects.all().delete()
    type(met.price).objects.all().update(valid_until=date(2026, 1, 2))
    met.account._meta.apps.get_model("accounts", "Seller").objects.all().delete()
    User.objects.filter(pk=met.guest.pk).update(email=f"{uuid4().hex}@x.example")


def test_the_last_two_profiles_are_not_closed_at_once_with_the_account():
    """One is closed by its own page while the account is: never is one left open in a closed account."""
    met = scene(profiles=2)
    profile = BillingProfile.objects.filter(account=met.account).earliest("pk")
    seen = met.seen

    outcomes = at_once(
        lambda: close_account(seen, by=met.owner, on=TODAY), lambda: close_profile(profile, by=met.second, on=TODAY)
    )

    assert set(outcomes) <= {"done", "not_eligible"}, outcomes
    assert goes_on_in_closed() == []


def test_I36_who_adds_a_row_without_a_service_waits_for_the_closing_and_loses():
    """The trigger alone, with the closing not yet committed when the row is added."""
    met = scene(profiles=0)
    holds, added = threading.Event(), threading.Event()
    told: list[str] = []

    def add() -> None:
        holds.wait(10)
        added.set()
        try:
            BillingProfileFactory(account=met.seen)
        except IntegrityError as refusal:
            told.append(str(refusal))
        finally:
            connection.close()

    other = threading.Thread(target=add)
    other.start()
    with transaction.atomic():
        lock_to_close(met.seen)
        holds.set()
        added.wait(10)
        close_account(met.seen, by=met.owner, on=TODAY)
    other.join(20)

    assert len(told) == 1
    assert "is closed" in told[0]
    assert not BillingProfile.objects.filter(account=met.account).exists()


def test_two_of_the_staff_open_it_once():
    met = scene(profiles=0)
    close_account(met.seen, by=met.owner, on=TODAY)
    one, other = met.seen, met.seen

    outcomes = at_once(
        lambda: reopen_account(one, note="By mistake", by=met.staff),
        lambda: reopen_account(other, note="By mistake", by=met.staff),
    )

    assert outcomes == ["done", "no_such_edge"]
    assert AccountRole.objects.filter(account=met.account, user=met.owner).exists()
    with pytest.raises(Refused):
        reopen_account(met.seen, note="By mistake", by=met.staff)
