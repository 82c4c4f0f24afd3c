"""Giving and taking roles on a billing profile: the rules of `accounts.services.roles`, told where they differ."""

from collections.abc import Collection
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, Invitation, User
from accounts.services.invitations import invite
from accounts.services.roles import RoleScope, assign_role, has_lasting_owner, register_scope, remove_role
from core.errors import Refused
from core.policy import PROFILE_ROLES, Action, Role
from profiles.models import BillingProfile, ProfileRole
from profiles.people import effective_owners


def assign_profile_role(
    profile: BillingProfile, *, user: User, role: Role, by: Any, expires_on: date | None = None
) -> ProfileRole:
    """Give the person that role on the profile, in place of the one given there before (S2-22, S4-13).

    Only its owners and those of its account may. Refuses `role_not_here`, `not_a_member`,
    `inactive_person`, `ends_in_the_past`, `already_holds`, `last_owner`, and `no_roles_here` on the
    hidden profile of an online-services subscription.
    """
    refuse_hidden(profile)
    return assign_role(ON_PROFILE, profile, user=user, role=role, by=by, expires_on=expires_on)  # type: ignore[return-value]


def invite_to_profile(
    profile: BillingProfile,
    *,
    email: str,
    role: Role,
    by: Any,
    expires_on: date | None = None,
    language: str | None = None,
) -> Invitation:
    """Offer a role on the profile to whoever reads that mailbox (S4-13). Refuses as `invite`, and `no_roles_here`."""
    refuse_hidden(profile)
    return invite(ON_PROFILE, profile, email=email, role=role, by=by, expires_on=expires_on, language=language)


def remove_profile_role(held: ProfileRole, *, by: Any) -> None:
    """Take away a role given on a profile (S4-14a). What comes from the account is taken away there.

    Refuses `removed_meanwhile`, `last_owner` and `no_roles_here`.
    """
    refuse_hidden(held.profile)
    remove_role(ON_PROFILE, held, by=by)


def has_lasting_effective_owner(profile: BillingProfile, without: Collection[int] = ()) -> bool:
    """Whether somebody owns the profile without an end date, by a role on it or by inheritance (I20).

    The role rows of the profile with these primary keys are left aside.
    """
    direct = ProfileRole.objects.active(timezone.localdate()).filter(
        profile=profile, role=Role.PROFILE_OWNER, expires_on=None
    )
    return direct.exclude(pk__in=without).exists() or has_lasting_owner(profile.account)


def refuse_hidden(profile: BillingProfile) -> None:
    """Refuse `no_roles_here` on the hidden profile of an online-services subscription."""
    if not profile.is_shown:
        raise Refused(
            _("A subscription of an online-services account has no roles of its own: its administrator owns it."),
            "no_roles_here",
        )


def _find(account: BillingAccount, code: str) -> BillingProfile | None:
    profiles = BillingProfile.objects.filter(account=account, code=code).shown().open()
    return profiles.select_related("account").first()


ON_PROFILE = register_scope(
    RoleScope(
        name="profile",
        model=ProfileRole,
        field="profile",
        right=Action.PROFILE_ASSIGN_ROLES,
        roles=PROFILE_ROLES,
        owner=Role.PROFILE_OWNER,
        account_of=lambda profile: profile.account,
        owner_stays=has_lasting_effective_owner,
        people_to_tell=effective_owners,
        path_of=lambda profile: reverse("profile_permissions", args=[profile.code]),
        home_of=lambda profile: profile.get_absolute_url(),
        code_of=lambda profile: profile.code,
        find=_find,
    )
)
