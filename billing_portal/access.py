"""Straight answers about access (P12): all that one person may do in an account, and all who may do one thing.

Both are read from the rows that give roles and from the table of rights, as `core.policy` reads them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.functional import Promise

from accounts.models import AccountRole, BillingAccount, OrganisationRole, User
from billing_portal.guide import ACTIONS
from core.policy import GRANTS, PROFILE_ROLES, Action, Role
from profiles.models import BillingProfile, ProfileRole

SHOWN = 200


@dataclass(frozen=True)
class Grant:
    """A role of somebody, where it was given, and what it allows."""

    user: User
    role: Role
    scope: str
    href: str
    row: Any
    reaches_down: bool

    @property
    def allows(self) -> list[str | Promise]:
        return [label for action, label in ACTIONS.items() if self.role in GRANTS[action]]

    @property
    def denies(self) -> list[str | Promise]:
        """What other roles of the same scope allow, and this one does not."""
        known = {action for action in ACTIONS if _on_profiles(action) or self.role not in PROFILE_ROLES}
        return [label for action, label in ACTIONS.items() if action in known and self.role not in GRANTS[action]]


def grants_of(account: BillingAccount, *, on: date, user: User | None = None) -> list[Grant]:
    """Every role that counts somewhere in the account that day, of one person or of everybody; three statements.

    The widest scope first. A role that has ended, or whose holder is deactivated, counts no more and is left out.
    """
    return [
        *_on_organisation(account, on, user),
        *_on_account(account, on, user),
        *_on_profiles_of(account, on, user),
    ]


def people_of(account: BillingAccount) -> models.QuerySet[User]:
    """Everybody whom access to the account is about: people of its organisation, and whoever has a role in it."""
    concerned = (
        Q(memberships__organisation=account.organisation_id)
        | Q(account_roles__account=account)
        | Q(profile_roles__profile__account=account)
    )
    return User.objects.filter(concerned).distinct()


def who_may(account: BillingAccount, action: Action, *, on: date) -> list[Grant]:
    """Who may do that somewhere in the account, and by which of their roles."""
    return [grant for grant in grants_of(account, on=on) if grant.role in GRANTS[action]]


def asked_action(text: str) -> Action | None:
    """The action that a query names, if people have a word for it."""
    return next((action for action in ACTIONS if action == text), None)


def questions() -> Sequence[tuple[str, str | Promise]]:
    """What can be asked about, for a list to choose from."""
    return [(str(action), label) for action, label in ACTIONS.items()]


def _on_organisation(account: BillingAccount, on: date, user: User | None) -> Iterable[Grant]:
    if not account.is_open_to_organisation:
        return
    rows = OrganisationRole.objects.active(on).filter(
        organisation_id=account.organisation_id, role=Role.ORGANISATION_ADMINISTRATOR
    )
    for row in _whose(rows, user, "organisation"):
        yield Grant(row.user, Role(row.role), row.organisation.name, "", row, True)


def _on_account(account: BillingAccount, on: date, user: User | None) -> Iterable[Grant]:
    href = reverse("account_access", args=[account.code])
    rows = AccountRole.objects.active(on).filter(account=account)
    for row in _whose(rows, user):
        yield Grant(row.user, Role(row.role), account.name, href, row, True)


def _on_profiles_of(account: BillingAccount, on: date, user: User | None) -> Iterable[Grant]:
    shown = BillingProfile.objects.filter(account=account).shown()
    rows = ProfileRole.objects.active(on).filter(profile__in=shown).order_by("profile__name", "pk")
    for row in _whose(rows, user, "profile"):
        href = reverse("profile_permissions", args=[row.profile.code])
        yield Grant(row.user, Role(row.role), row.profile.name, href, row, False)


def _whose(rows: models.QuerySet, user: User | None, *scope: str) -> models.QuerySet:
    narrowed = rows if user is None else rows.filter(user=user)
    instead = () if rows.model is OrganisationRole else ("stands_in_for",)
    return narrowed.select_related("user", "assigned_by", *instead, *scope)


def _on_profiles(action: Action) -> bool:
    """Whether a role on a billing profile could allow it at all."""
    return any(role in GRANTS[action] for role in PROFILE_ROLES)
