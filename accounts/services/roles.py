"""Giving and taking roles. The rules are the same on an account and on a billing profile: `RoleScope` says
where they differ, and the app of the profile makes its own.

Two owners who demote each other at the same moment must not both succeed (I20, M3): every change locks
the row of the account first, and asks for the right again with the lock in hand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountRole, BillingAccount, OrganisationMember, User
from accounts.services.notices import OWNER_ROLES, mail_people, owners_of
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import ACCOUNT_ROLES, Action, Role, demand


@dataclass(frozen=True)
class RoleScope:
    """What the rules need to know of the scope that a role is given on.

    `field` is the foreign key of the role model; `right` is the action of those who give `roles`, of
    which the first is the owner's and must not run out; `account_of` gives the account whose row is locked;
    `owner_stays(obj, without)` says whether somebody else owns the object without an end date when that
    role row no longer does; `people_to_tell` are the owners (§3.9); `path_of` is where the mail links to.
    """

    model: type[models.Model]
    field: str
    right: Action
    roles: tuple[Role, ...]
    account_of: Callable[[Any], BillingAccount]
    owner_stays: Callable[[Any, models.Model], bool]
    people_to_tell: Callable[[Any], list[User]]
    path_of: Callable[[Any], str]

    @property
    def owner(self) -> Role:
        return self.roles[0]


def assign_role(
    scope: RoleScope, obj: Any, *, user: User, role: Role, by: Any, expires_on: date | None = None
) -> models.Model:
    """Give the person that role on the object, in place of the one held there. Returns the role row.

    Refuses `role_not_here`, `not_a_member` (people of other organisations are invited), `inactive_person`,
    `ends_in_the_past`, `already_holds` (nothing changed, no mail), `last_owner`.
    """
    with transaction.atomic():
        lock_account(scope.account_of(obj))
        demand(by, scope.right, obj)
        if role not in scope.roles:
            raise Refused(_("This role cannot be given here."), "role_not_here")
        _check_person(scope.account_of(obj), user)
        check_end(expires_on)
        held = _rows(scope, obj).filter(user=user).first()
        if held is not None:
            if (held.role, held.expires_on) == (role, expires_on):
                raise Refused(
                    _("%(person)s has this role already.") % {"person": user},
                    code="already_holds",
                )
            stays_owner = role == scope.owner and expires_on is None
            if held.role == scope.owner and not stays_owner and not scope.owner_stays(obj, held):
                raise _last_owner(obj)
        with acting(by, "role.assigned"):
            values = {"role": role, "expires_on": expires_on, "assigned_by": by, "assigned_at": timezone.now()}
            given, _created = scope.model._default_manager.update_or_create(
                **{scope.field: obj}, user=user, defaults=values
            )
        _tell(scope, obj, given, "role_assigned", by)
    return given


def remove_role(scope: RoleScope, held: Any, *, by: Any) -> None:
    """Take the role away. Refuses `removed_meanwhile`, `role_not_here` (the one administrator of an
    online-services account) and `last_owner`."""
    obj = getattr(held, scope.field)
    with transaction.atomic():
        lock_account(scope.account_of(obj))
        demand(by, scope.right, obj)
        stored = _rows(scope, obj).select_related("user").filter(pk=held.pk).first()
        if stored is None:
            raise Refused(_("Somebody else removed this role a moment ago."), "removed_meanwhile")
        if stored.role not in scope.roles:
            raise Refused(_("This role cannot be taken away here."), "role_not_here")
        if stored.role == scope.owner and not scope.owner_stays(obj, stored):
            raise _last_owner(obj)
        _tell(scope, obj, stored, "role_removed", by)
        with acting(by, "role.removed"):
            stored.delete()


def lock_account(account: BillingAccount) -> None:
    """Let one change of roles at a time happen on the account, until the transaction ends."""
    BillingAccount.objects.select_for_update(no_key=True).only("pk").get(pk=account.pk)


def check_end(expires_on: date | None) -> None:
    """Refuse `ends_in_the_past` for a last day that is over."""
    if expires_on is not None and expires_on < timezone.localdate():
        raise Refused(_("The role would have ended already. Choose a day from today on."), "ends_in_the_past")


def _rows(scope: RoleScope, obj: Any) -> models.QuerySet:
    return scope.model._default_manager.filter(**{scope.field: obj})


def _check_person(account: BillingAccount, user: User) -> None:
    if not user.is_active:
        raise Refused(
            _("%(person)s is deactivated. A user administrator can change that.") % {"person": user},
            code="inactive_person",
        )
    if not OrganisationMember.objects.filter(organisation_id=account.organisation_id, user=user).exists():
        raise Refused(
            _("%(person)s does not belong to this organisation. Send an invitation instead.") % {"person": user},
            code="not_a_member",
        )


def _last_owner(obj: Any) -> Refused:
    return Refused(
        _("%(name)s needs at least one owner without an end date. Make somebody else owner first.") % {"name": obj},
        code="last_owner",
    )


def _tell(scope: RoleScope, obj: Any, held: Any, template: str, by: Any) -> None:
    """Mail the person and the owners. Whoever lost the role gets no link: the page is closed to them."""
    context = {
        "who": str(held.user),
        "role": str(held.role),  # the mail says it in the language of its reader
        "until": held.expires_on,
        "name": str(obj),
        "by": str(by),
        "path": scope.path_of(obj),
    }
    owners = [person for person in scope.people_to_tell(obj) if person.pk != held.user_id]
    lost = {"path": ""} if template == "role_removed" else {}
    for people, told in (([held.user], {**context, **lost}), (owners, context)):
        mail_people(
            people,
            template=template,
            mail_class=MailClass.ACCESS_CHANGED,
            context=told,
            reference=f"{obj._meta.model_name}:{obj.pk}",
        )


# --- On an account --------------------------------------------------------------------------------


def has_lasting_owner(account: BillingAccount, without: models.Model | None = None) -> bool:
    """Whether somebody owns the account without an end date, the given role row left aside."""
    owners = AccountRole.objects.filter(account=account, role__in=OWNER_ROLES, expires_on=None, user__is_active=True)
    if isinstance(without, AccountRole):
        owners = owners.exclude(pk=without.pk)
    return owners.exists()


ON_ACCOUNT = RoleScope(
    model=AccountRole,
    field="account",
    right=Action.ACCOUNT_ASSIGN_ROLES,
    roles=ACCOUNT_ROLES,
    account_of=lambda account: account,
    owner_stays=has_lasting_owner,
    people_to_tell=owners_of,
    path_of=lambda account: reverse("account_access", args=[account.code]),
)


def assign_account_role(
    account: BillingAccount, *, user: User, role: Role, by: Any, expires_on: date | None = None
) -> AccountRole:
    """Give the person that role on the account; only its owners may. Refuses as `assign_role` does, and
    `one_administrator` on an online-services account, which has one administrator and no other roles."""
    _check_agreement(account)
    return assign_role(ON_ACCOUNT, account, user=user, role=role, by=by, expires_on=expires_on)  # type: ignore[return-value]


def remove_account_role(held: AccountRole, *, by: Any) -> None:
    """Take an account role away; only owners may, and the last one stays. Refuses as `remove_role` does."""
    _check_agreement(held.account)
    remove_role(ON_ACCOUNT, held, by=by)


def _check_agreement(account: BillingAccount) -> None:
    if account.is_online_services:
        raise Refused(
            _(
                "An online-services account has exactly one administrator. The administrator hands it over by an "
                "offer that the successor accepts: ask support for it."
            ),
            code="one_administrator",
        )
