"""Who may do what on a billing profile, and why: roles given on it, and those that come from above.

`core.policy` decides about one person; this module lists everybody for the pages, the mails and the
rule that an owner stays.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountRole, BillingAccount, Organisation, OrganisationRole, User
from core.policy import GRANTS, INHERITED_AS, PROFILE_ROLES, Action, Role
from profiles.models import BillingProfile, ProfileRole

COLLEAGUES = 200


@dataclass
class PersonHere:
    """A person with a role that counts on a profile: given on it, on its account, on its organisation, or several."""

    user: User
    direct: ProfileRole | None = None
    inherited: AccountRole | None = None
    administration: OrganisationRole | None = None

    @property
    def role(self) -> Role:
        """The role that counts here: the highest of those held (§2.1)."""
        held = [Role(self.direct.role)] if self.direct else []
        held += [INHERITED_AS[Role(self.inherited.role)]] if self.inherited else []
        return min(held, key=PROFILE_ROLES.index) if held else Role.ORGANISATION_ADMINISTRATOR

    @property
    def inherited_role(self) -> Role | None:
        """What the account role means here."""
        return INHERITED_AS[Role(self.inherited.role)] if self.inherited else None

    @property
    def given_by(self) -> ProfileRole | AccountRole | OrganisationRole:
        """The row that gives the role that counts; of two that give it, the one on the profile."""
        if self.direct and self.direct.role == self.role:
            return self.direct
        return self.inherited or self.direct or self.administration  # type: ignore[return-value]

    @property
    def scope(self) -> BillingProfile | BillingAccount | Organisation:
        """Where the role that counts was given."""
        row = self.given_by
        if isinstance(row, ProfileRole):
            return row.profile
        return row.account if isinstance(row, AccountRole) else row.organisation

    @property
    def is_inherited(self) -> bool:
        return self.given_by is not self.direct

    @property
    def chains(self) -> list[list[tuple[str, object]]]:
        """Where each of the roles comes from, as links of (what, value); the one that counts first."""
        rows = [row for row in (self.direct, self.inherited, self.administration) if row]
        return [_chain(row) for row in sorted(rows, key=lambda row: row is not self.given_by)]

    @property
    def owns_account(self) -> bool:
        """Whether the person could take the inherited roles away: on the account, where they were given."""
        return self.inherited is not None and Action.ACCOUNT_ASSIGN_ROLES in _rights(Role(self.inherited.role))

    @property
    def rights(self) -> set[Action]:
        """What the person may do here."""
        held = [Role(row.role) for row in (self.direct, self.inherited, self.administration) if row]
        return set().union(*map(_rights, held))


def people_on(profile: BillingProfile, *, on: date) -> list[PersonHere]:
    """Everybody with a role that counts on the profile that day, the highest first, then by name."""
    account = profile.account
    people: dict[int, PersonHere] = {}

    def person(user: User) -> PersonHere:
        return people.setdefault(user.pk, PersonHere(user))

    for direct in ProfileRole.objects.active(on).filter(profile=profile).select_related("user", "assigned_by"):
        direct.profile = profile
        person(direct.user).direct = direct
    for role in AccountRole.objects.active(on).filter(account=account).select_related("user", "assigned_by"):
        role.account = account
        person(role.user).inherited = role
    if account.is_open_to_organisation:
        for administration in _administrators(account, on):
            person(administration.user).administration = administration
    order = [*PROFILE_ROLES, Role.ORGANISATION_ADMINISTRATOR]
    return sorted(people.values(), key=lambda here: (order.index(here.role), here.user.name.lower(), here.user.pk))


def count_people(profiles: Iterable[BillingProfile], *, account: BillingAccount, on: date) -> dict[int, int]:
    """How many people have a role that counts on each of these profiles of one account, by profile id."""
    above = set(AccountRole.objects.active(on).filter(account=account).values_list("user_id", flat=True))
    if account.is_open_to_organisation:
        above |= set(_administrators(account, on).values_list("user_id", flat=True))
    users: dict[int, set[int]] = defaultdict(set)
    direct = ProfileRole.objects.active(on).filter(profile__in=profiles)
    for profile_id, user_id in direct.values_list("profile_id", "user_id"):
        users[profile_id].add(user_id)
    return {profile.pk: len(users[profile.pk] | above) for profile in profiles}


def effective_owners(profile: BillingProfile, *, on: date | None = None) -> list[User]:
    """The owners of the profile, of its own or by inheritance, each once: whom mails about access reach (§3.9)."""
    day = on or timezone.localdate()
    return [here.user for here in people_on(profile, on=day) if here.role == Role.PROFILE_OWNER]


def keepers_of(profile: BillingProfile, *, on: date) -> list[User]:
    """Who looks after the profile: its owners and contributors, of its own or by inheritance."""
    keeping = (Role.PROFILE_OWNER, Role.PROFILE_CONTRIBUTOR)
    return [here.user for here in people_on(profile, on=on) if here.role in keeping and here.user.is_active]


def role_left(held: ProfileRole, *, on: date) -> Role | None:
    """The role that still counts for the person here when that one is taken away, or None."""
    for here in people_on(held.profile, on=on):
        if here.user.pk == held.user_id:
            here.direct = None
            return here.role if here.inherited or here.administration else None
    return None


def colleagues_of(profile: BillingProfile) -> list[User]:
    """People of the organisation to whom a role may be given, by name: the first of them, for an owner who types."""
    members = User.objects.filter(memberships__organisation_id=profile.account.organisation_id, is_active=True)
    return list(members.exclude(profile_roles__profile=profile).order_by("name", "pk")[:COLLEAGUES])


def _chain(row: ProfileRole | AccountRole | OrganisationRole) -> list[tuple[str, object]]:
    if isinstance(row, ProfileRole):
        return [(_("Role given on"), row.profile), (_("as"), row.get_role_display())]
    if isinstance(row, AccountRole):
        here = INHERITED_AS[Role(row.role)].label
        return [(_("Role given on"), row.account), (_("as"), row.get_role_display()), (_("which means here"), here)]
    return [
        (_("Role given on"), row.organisation),
        (_("as"), row.get_role_display()),
        (_("which means here"), _("Reads everything, changes nothing")),
    ]


def _rights(role: Role) -> set[Action]:
    return {action for action, roles in GRANTS.items() if role in roles}


def _administrators(account: BillingAccount, on: date):  # type: ignore[no-untyped-def]
    rows = OrganisationRole.objects.active(on).filter(organisation_id=account.organisation_id)
    return rows.filter(role=Role.ORGANISATION_ADMINISTRATOR).select_related("user", "assigned_by", "organisation")
