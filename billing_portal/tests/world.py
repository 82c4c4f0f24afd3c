"""The world of the route matrix: two organisations, every role, objects at every distance from it."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from accounts.models import BillingAccount, User
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from core.policy import Role
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

ACCOUNT_ROLES = (Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR, Role.ACCOUNT_READER)
PROFILE_ROLES = (Role.PROFILE_OWNER, Role.PROFILE_CONTRIBUTOR, Role.PROFILE_READER, Role.INVOICE_MANAGER)

# Where an object lies, seen from somebody whose role is on the first account or its first profile.
POSITIONS = ("own", "sibling_profile", "sibling_account", "other_tenant", "online_services")


@dataclass(frozen=True)
class Place:
    """An account with the profile that an object of that position hangs on."""

    account: BillingAccount
    profile: BillingProfile


@dataclass
class World:
    """Everybody and every place; made once per test."""

    places: dict[str, Place] = field(default_factory=dict)
    actors: dict[str, User | None] = field(default_factory=dict)
    # Which roles count for the actor at that position: written by hand, not asked of the policy.
    roles: dict[tuple[str, str], set[Role]] = field(default_factory=dict)
    # The roles that an actor has on some profile of the account at that position.
    below: dict[tuple[str, str], set[Role]] = field(default_factory=dict)

    @cached_property
    def cases(self) -> list[tuple[str, str]]:
        return [(actor, position) for actor in self.actors for position in POSITIONS]


def make_world() -> World:
    """Two organisations; in the first, two customer agreements and an online-services account."""
    world = World()
    alfa, beta = OrganisationFactory(name="Alfa"), OrganisationFactory(name="Beta")
    first = BillingAccountFactory(organisation=alfa, owner=UserFactory(email="founder@alfa.example"))
    sibling = BillingAccountFactory(organisation=alfa, owner=UserFactory(email="founder2@alfa.example"))
    foreign = BillingAccountFactory(organisation=beta, owner=UserFactory(email="founder@beta.example"))
    online = BillingAccountFactory(organisation=alfa, online_services=True)
    world.places = {
        "own": Place(first, BillingProfileFactory(account=first, name="Own")),
        "sibling_profile": Place(first, BillingProfileFactory(account=first, name="Sibling")),
        "sibling_account": Place(sibling, BillingProfileFactory(account=sibling)),
        "other_tenant": Place(foreign, BillingProfileFactory(account=foreign)),
        "online_services": Place(online, SubscriptionProfileFactory(account=online)),
    }
    _cast(world)
    return world


def _cast(world: World) -> None:
    first, profile = world.places["own"].account, world.places["own"].profile
    world.actors["anonymous"] = None
    world.actors["no role"] = _member(first)
    for role in ACCOUNT_ROLES:
        world.actors[role] = AccountRoleFactory(account=first, user=_member(first), role=role).user
        for position in ("own", "sibling_profile"):
            world.roles[role, position] = {role}
    for role in PROFILE_ROLES:
        world.actors[role] = ProfileRoleFactory(profile=profile, user=_member(first), role=role).user
        world.roles[role, "own"] = {role}
        for position in ("own", "sibling_profile"):
            world.below[role, position] = {role}
    online = world.places["online_services"].account
    administrator = AccountRoleFactory(account=online, user=_member(online), role=Role.ACCOUNT_ADMINISTRATOR)
    world.actors[Role.ACCOUNT_ADMINISTRATOR] = administrator.user
    world.roles[Role.ACCOUNT_ADMINISTRATOR, "online_services"] = {Role.ACCOUNT_ADMINISTRATOR}
    for role in (Role.USER_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR):
        held = OrganisationRoleFactory(organisation=first.organisation, user=_member(first), role=role)
        world.actors[role] = held.user
    for position in ("own", "sibling_profile", "sibling_account"):
        # Reads the customer agreements of the organisation, not its online-services accounts (§2.2).
        world.roles[Role.ORGANISATION_ADMINISTRATOR, position] = {Role.ORGANISATION_ADMINISTRATOR}
    removed = AccountRoleFactory(account=first, user=_member(first), role=Role.ACCOUNT_CONTRIBUTOR)
    world.actors["removed"] = removed.user
    removed.delete()
    world.actors["staff"] = UserFactory(staff=True)
    foreign = world.places["other_tenant"].account
    world.actors["other owner"] = foreign.roles.get(role=Role.ACCOUNT_OWNER).user
    world.roles["other owner", "other_tenant"] = {Role.ACCOUNT_OWNER}
    world.actors["link holder"] = None  # not signed in, and with the link of an invitation in the session


def _member(account: Any) -> User:
    user = UserFactory()
    OrganisationMemberFactory(organisation=account.organisation, user=user)
    return user
