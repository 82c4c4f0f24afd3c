"""Who may do what on a billing profile, and why: roles given on it, and those that come from above.

`core.policy` decides about one person; this module lists everybody for the pages, the mails and the
rule that an owner stays.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Case, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Least, Lower
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountRole, BillingAccount, Organisation, OrganisationRole, User
from core.policy import GRANTS, INHERITED_AS, PROFILE_ROLES, Action, Role
from profiles.models import BillingProfile, ProfileRole

COLLEAGUES = 200


Given = ProfileRole | AccountRole | OrganisationRole


@dataclass
class PersonHere:
    """A person with a role that counts on a profile: given on it, on its account, on its organisation, or several;
    their own, or as a stand-in for somebody."""

    user: User
    direct: ProfileRole | None = None
    inherited: AccountRole | None = None
    administration: OrganisationRole | None = None
    stand_ins: list[ProfileRole | AccountRole] = field(default_factory=list)

    @property
    def role(self) -> Role:
        """The role that counts here: the highest of those held (§2.1)."""
        return means_here(self.given_by)

    @property
    def inherited_role(self) -> Role | None:
        """What the account role means here."""
        return INHERITED_AS[Role(self.inherited.role)] if self.inherited else None

    @property
    def rows(self) -> list[Given]:
        """Every row that gives a role here; their own first, and those on the profile before those from above."""
        own = [row for row in (self.direct, self.inherited, self.administration) if row is not None]
        rows: list[Given] = [*own, *self.stand_ins]
        return sorted(rows, key=lambda row: not isinstance(row, ProfileRole))

    @property
    def given_by(self) -> Given:
        """The row that gives the role that counts; of several that give it, the first."""
        return min(self.rows, key=lambda row: _ORDER.index(means_here(row)))

    @property
    def scope(self) -> BillingProfile | BillingAccount | Organisation:
        """Where the role that counts was given."""
        row = self.given_by
        if isinstance(row, ProfileRole):
            return row.profile
        return row.account if isinstance(row, AccountRole) else row.organisation

    @property
    def is_inherited(self) -> bool:
        return not isinstance(self.given_by, ProfileRole)

    @property
    def instead_of(self) -> User | None:
        """For whom the person stands in by the role that counts."""
        return stands_in_for(self.given_by)

    @property
    def removable(self) -> list[ProfileRole]:
        """The rows that can be taken away on the profile."""
        return [row for row in self.rows if isinstance(row, ProfileRole)]

    @property
    def chains(self) -> list[list[tuple[str, object]]]:
        """Where each of the roles comes from, as links of (what, value); the one that counts first."""
        return [_chain(row) for row in sorted(self.rows, key=lambda row: row is not self.given_by)]

    @property
    def owns_account(self) -> bool:
        """Whether the person could take the inherited roles away: on the account, where they were given."""
        above = [row for row in self.rows if isinstance(row, AccountRole)]
        return any(Action.ACCOUNT_ASSIGN_ROLES in _rights(Role(row.role)) for row in above)

    @property
    def rights(self) -> set[Action]:
        """What the person may do here."""
        return set().union(*(_rights(Role(row.role)) for row in self.rows))


_ORDER = [*PROFILE_ROLES, Role.ORGANISATION_ADMINISTRATOR]


def means_here(row: Given) -> Role:
    """What a role that was given there is on the profile."""
    return INHERITED_AS.get(Role(row.role), Role(row.role))


def stands_in_for(row: Given) -> User | None:
    return None if isinstance(row, OrganisationRole) else row.stands_in_for


def people_on(profile: BillingProfile, *, on: date, users: Collection[int] | None = None) -> list[PersonHere]:
    """Everybody with a role that counts on the profile that day, or these of them; the highest first, then by name."""
    account = profile.account
    people: dict[int, PersonHere] = {}

    def person(user: User) -> PersonHere:
        return people.setdefault(user.pk, PersonHere(user))

    named = ("user", "assigned_by", "stands_in_for")
    for direct in _of(users, ProfileRole.objects.active(on).filter(profile=profile).select_related(*named)):
        direct.profile = profile
        if direct.stands_in_for_id:
            person(direct.user).stand_ins.append(direct)
        else:
            person(direct.user).direct = direct
    for role in _of(users, AccountRole.objects.active(on).filter(account=account).select_related(*named)):
        role.account = account
        if role.stands_in_for_id:
            person(role.user).stand_ins.append(role)
        else:
            person(role.user).inherited = role
    if account.is_open_to_organisation:
        for administration in _of(users, _administrators(account, on)):
            person(administration.user).administration = administration
    return sorted(people.values(), key=lambda here: (_ORDER.index(here.role), here.user.name.lower(), here.user.pk))


def users_on(profile: BillingProfile, *, on: date) -> QuerySet[User]:
    """Everybody with a role that counts on the profile that day, with `rank`, the place of the highest of their roles,
    and `folded_name`; a page of them at a time costs what the page holds."""
    account = profile.account
    sources: list[QuerySet] = [
        ProfileRole.objects.active(on).filter(profile=profile),
        AccountRole.objects.active(on).filter(account=account),
    ]
    if account.is_open_to_organisation:
        sources.append(_administrators(account, on))
    users = Q(pk__in=sources[0].values("user"))
    for rows in sources[1:]:
        users |= Q(pk__in=rows.values("user"))
    ranks = [Coalesce(_highest(rows), _NOWHERE) for rows in sources]
    return User.objects.filter(users).annotate(rank=Least(*ranks), folded_name=Lower("name"))


def with_role(users: QuerySet[Any], role: Role | None, words: str) -> QuerySet[Any]:
    """Of `users_on`, those whose role here is this one, and whose name or address begins like that."""
    if role is not None:
        users = users.filter(rank=_ORDER.index(role))
    if not words:
        return users
    return users.filter(Q(name__istartswith=words) | Q(name__icontains=f" {words}") | Q(email__istartswith=words))


_NOWHERE = Value(len(_ORDER))


def _highest(rows: QuerySet) -> Subquery:
    """The place of the highest of these roles that a person holds, seen from the row of the person."""
    places = [
        When(role=role, then=_ORDER.index(INHERITED_AS.get(role, role)))
        for role in Role
        if INHERITED_AS.get(role, role) in _ORDER
    ]
    of_person = rows.filter(user=OuterRef("pk")).order_by()
    place = Case(*places, default=_NOWHERE, output_field=IntegerField())
    return Subquery(of_person.annotate(place=place).order_by("place").values("place")[:1])


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
    for here in people_on(held.profile, on=on, users=[held.user_id]):
        left = [row for row in here.rows if not (isinstance(row, ProfileRole) and row.pk == held.pk)]
        return min(map(means_here, left), key=_ORDER.index) if left else None
    return None


def colleagues_of(profile: BillingProfile) -> list[User]:
    """People of the organisation to whom a role may be given, by name: the first of them, for an owner who types."""
    members = User.objects.filter(memberships__organisation_id=profile.account.organisation_id, is_active=True)
    return list(members.exclude(profile_roles__profile=profile).order_by("name", "pk")[:COLLEAGUES])


def _chain(row: Given) -> list[tuple[str, object]]:
    instead = [(_("standing in for"), row.stands_in_for)] if stands_in_for(row) else []  # type: ignore[union-attr]
    if isinstance(row, ProfileRole):
        return [(_("Role given on"), row.profile), (_("as"), row.get_role_display()), *instead]
    if isinstance(row, AccountRole):
        here = INHERITED_AS[Role(row.role)].label
        links = [(_("Role given on"), row.account), (_("as"), row.get_role_display()), *instead]
        return [*links, (_("which means here"), here)]
    return [
        (_("Role given on"), row.organisation),
        (_("as"), row.get_role_display()),
        (_("which means here"), _("Reads everything, changes nothing")),
    ]


def _of(users: Collection[int] | None, rows: Any) -> Any:
    return rows if users is None else rows.filter(user__in=users)


def _rights(role: Role) -> set[Action]:
    return {action for action, roles in GRANTS.items() if role in roles}


def _administrators(account: BillingAccount, on: date):  # type: ignore[no-untyped-def]
    rows = OrganisationRole.objects.active(on).filter(organisation_id=account.organisation_id)
    return rows.filter(role=Role.ORGANISATION_ADMINISTRATOR).select_related("user", "assigned_by", "organisation")
