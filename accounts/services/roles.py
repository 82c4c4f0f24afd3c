"""Giving and taking roles. The rules are the same on an account, on a billing profile and wherever else roles are
given: `RoleScope` says where they differ, and each app makes and registers its own.

Two owners who demote each other at the same moment must not both succeed (I20, M3): every change locks
the row of the account first, and asks for the right again with the lock in hand.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountRole, BillingAccount, OrganisationMember, User
from accounts.services.notices import OWNER_ROLES, mail_people, owners_of
from accounts.states import AccountStatus
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import ACCOUNT_ROLES, Action, Role, demand


@dataclass(frozen=True)
class RoleScope:
    """What the rules need to know of the scope that a role is given on.

    `name` is how an invitation remembers it. `field` is the foreign key of the role model; `right` is the action of
    those who give `roles`; `owner` is the one among them that must not run out, if any; `account_of` gives the
    account whose row is locked; `owner_stays(obj, without)` says whether somebody else owns the object without an
    end date when those role rows (primary keys) no longer do; `people_to_tell` are the owners (§3.9); `path_of` is
    where the mails link to, `home_of` where somebody who was invited comes in. `code_of` and
    `find(account, code)` turn the object into what an invitation keeps of it, and back; None where it is gone.
    """

    name: str
    model: type[models.Model]
    field: str
    right: Action
    roles: tuple[Role, ...]
    account_of: Callable[[Any], BillingAccount]
    owner_stays: Callable[[Any, Collection[int]], bool]
    people_to_tell: Callable[[Any], list[User]]
    path_of: Callable[[Any], str]
    home_of: Callable[[Any], str]
    code_of: Callable[[Any], str]
    find: Callable[[BillingAccount, str], Any]
    owner: Role | None = None
    # Whether those who hold a role there see the list of roles, and whether what is given there sleeps for now.
    shows_roles: bool = True
    is_asleep: Callable[[Any], bool] = lambda obj: False

    def rows(self, obj: Any) -> models.QuerySet:
        """Every role given on the object, stand-ins included."""
        return self.model._default_manager.filter(**{self.field: obj})

    def held_by(self, obj: Any, user: Any) -> Any:
        """The person's own role there, not as a stand-in; None without one."""
        return self.rows(obj).filter(user=user, stands_in_for=None).first()


_SCOPES: dict[str, RoleScope] = {}


def register_scope(scope: RoleScope) -> RoleScope:
    """Let invitations to that scope be found again. Called once per scope, by the app that gives its roles."""
    _SCOPES[scope.name] = scope
    return scope


def scope_named(name: str) -> RoleScope:
    return _SCOPES[name]


def assign_role(
    scope: RoleScope, obj: Any, *, user: User, role: Role, by: Any, expires_on: date | None = None
) -> models.Model:
    """Give the person that role on the object, in place of the one held there. Returns the role row.

    Whoever stands in for the person follows: to the same role, and no longer than it lasts. Refuses
    `role_not_here`, `not_a_member` (people of other organisations are invited), `inactive_person`,
    `ends_in_the_past`, `already_holds` (nothing changed, no mail), `last_owner`, `account_closed`.
    """
    with transaction.atomic():
        lock_account(scope.account_of(obj))
        demand(by, scope.right, obj)
        refuse_closed(scope.account_of(obj))
        if role not in scope.roles:
            raise Refused(_("This role cannot be given here."), "role_not_here")
        _check_person(scope.account_of(obj), user)
        check_end(expires_on)
        held = scope.held_by(obj, user)
        if held is not None:
            if (held.role, held.expires_on) == (role, expires_on):
                raise Refused(
                    _("%(person)s has this role already.") % {"person": user},
                    code="already_holds",
                )
            stays_owner = role == scope.owner and expires_on is None
            if held.role == scope.owner and not stays_owner and not scope.owner_stays(obj, {held.pk}):
                raise _last_owner(obj)
        with acting(by, "role.assigned"):
            given = give(scope, obj, user=user, role=role, expires_on=expires_on, by=by)
            followers = _lead(scope, obj, given)
        _tell(scope, obj, given, "role_assigned", by)
        for follower in followers:
            _tell(scope, obj, follower, "role_assigned", by)
    return given


def give(
    scope: RoleScope, obj: Any, *, user: User, role: Role, expires_on: date | None, by: Any, stands_in_for: Any = None
) -> Any:
    """Write the role row, in the caller's transaction, which has asked every question."""
    values = {"role": role, "expires_on": expires_on, "assigned_by": by, "assigned_at": timezone.now()}
    given, _created = scope.model._default_manager.update_or_create(
        **{scope.field: obj}, user=user, stands_in_for=stands_in_for, defaults=values
    )
    return given


def appoint_stand_in(scope: RoleScope, obj: Any, *, held: Any, user: User, expires_on: date | None, by: Any) -> Any:
    """Let somebody hold that role in place of its holder until a day, for a holiday or an illness (§2.2).

    The one who is replaced keeps the role. Refuses `removed_meanwhile`, `role_not_here`, `stands_in` (a stand-in has
    no stand-in), `yourself`, `end_needed`, `ends_in_the_past`, `ends_after_role`, `already_holds` and what
    `assign_role` refuses of the person.
    """
    with transaction.atomic():
        lock_account(scope.account_of(obj))
        demand(by, scope.right, obj)
        refuse_closed(scope.account_of(obj))
        (stored,) = _stored(scope, obj, [held])
        _check_stand_in(stored, user, expires_on)
        _check_person(scope.account_of(obj), user)
        before = scope.rows(obj).filter(user=user, stands_in_for=stored.user).first()
        if before is not None and (before.role, before.expires_on) == (stored.role, expires_on):
            raise Refused(
                _("%(person)s stands in for %(whom)s until that day already.") % {"person": user, "whom": stored.user},
                code="already_holds",
            )
        with acting(by, "role.stand_in_appointed"):
            given = give(
                scope,
                obj,
                user=user,
                role=Role(stored.role),
                expires_on=expires_on,
                by=by,
                stands_in_for=stored.user,
            )
        _tell(scope, obj, given, "stand_in_appointed", by)
    return given


def remove_role(scope: RoleScope, held: Any, *, by: Any) -> None:
    """Take the role away. Refuses as `remove_roles` does."""
    remove_roles(scope, getattr(held, scope.field), [held], by=by)


def remove_roles(scope: RoleScope, obj: Any, held: Sequence[Any], *, by: Any) -> None:
    """Take these roles on the object away, all of them or none; who stood in for their holders goes with them.

    Refuses `removed_meanwhile`, `role_not_here` (the one administrator of an online-services account) and
    `last_owner`.
    """
    with transaction.atomic():
        lock_account(scope.account_of(obj))
        demand(by, scope.right, obj)
        stored = _stored(scope, obj, held)
        leaving = [row.user_id for row in stored if row.stands_in_for_id is None]
        followers = scope.rows(obj).filter(stands_in_for__in=leaving).exclude(pk__in=[row.pk for row in stored])
        going = [*stored, *followers.select_related("user", "stands_in_for").order_by("pk")]
        without = {row.pk for row in going}
        if any(row.role == scope.owner for row in stored) and not scope.owner_stays(obj, without):
            raise _last_owner(obj)
        if len(going) == 1:
            _tell(scope, obj, going[0], "role_removed", by)
        else:
            _tell_several(scope, obj, going, by)
        with acting(by, "role.removed"):
            scope.rows(obj).filter(pk__in=without).delete()


def end_stand_in(scope: RoleScope, held: Any) -> None:
    """Clear away a stand-in whose last day is over, and tell both and the owners; nobody where the account is closed.
    It counted no more since then."""
    obj = getattr(held, scope.field)
    with transaction.atomic():
        lock_account(scope.account_of(obj))
        over = scope.rows(obj).filter(pk=held.pk, expires_on__lt=timezone.localdate()).exclude(stands_in_for=None)
        stored = over.select_related("user", "stands_in_for").first()
        if stored is None:
            return
        if scope.account_of(obj).status != AccountStatus.CLOSED:
            _tell(scope, obj, stored, "stand_in_ended", None)
        with acting(None, "role.stand_in_ended"):
            over.delete()


def lock_account(account: BillingAccount) -> None:
    """Let one change of roles at a time happen on the account, until the transaction ends; nobody closes it so long.

    `account` has the status that is stored.
    """
    locking = BillingAccount.objects.select_for_update(no_key=True)
    account.refresh_from_db(fields=["status"], from_queryset=locking)


def refuse_closed(account: BillingAccount) -> None:
    """Refuse `account_closed`; to be asked with the account locked."""
    if account.status == AccountStatus.CLOSED:
        raise Refused(
            _("This billing account is closed, so nothing can be added to it. Support can open it again."),
            "account_closed",
        )


def check_end(expires_on: date | None) -> None:
    """Refuse `ends_in_the_past` for a last day that is over."""
    if expires_on is not None and expires_on < timezone.localdate():
        raise Refused(_("The role would have ended already. Choose a day from today on."), "ends_in_the_past")


def _stored(scope: RoleScope, obj: Any, held: Sequence[Any]) -> list[Any]:
    """The rows as they are now, in the caller's lock."""
    wanted = {row.pk for row in held}
    rows = scope.rows(obj).select_related("user", "stands_in_for").filter(pk__in=wanted)
    stored = list(rows.order_by("user__name", "pk"))
    if len(stored) != len(wanted):
        raise Refused(
            _("Somebody else removed this role a moment ago.")
            if len(wanted) == 1
            else _("Somebody else removed one of these roles a moment ago. Nothing was removed now; choose again."),
            code="removed_meanwhile",
        )
    if any(row.role not in scope.roles for row in stored):
        raise Refused(_("This role cannot be taken away here."), "role_not_here")
    return stored


def _lead(scope: RoleScope, obj: Any, led: Any) -> list[Any]:
    """Let whoever stands in for a person have the role that the person has now. Returns the rows that changed."""
    changed = []
    for row in scope.rows(obj).filter(stands_in_for=led.user).select_related("user", "stands_in_for").order_by("pk"):
        end = min(filter(None, [row.expires_on, led.expires_on]))
        if (row.role, row.expires_on) != (led.role, end):
            row.role, row.expires_on = led.role, end
            row.save(update_fields=["role", "expires_on"])
            changed.append(row)
    return changed


def _check_stand_in(held: Any, user: User, expires_on: date | None) -> None:
    if held.stands_in_for_id is not None:
        raise Refused(
            _("%(person)s stands in for somebody. Appoint another stand-in for %(whom)s instead.")
            % {"person": held.user, "whom": held.stands_in_for},
            code="stands_in",
        )
    if held.user_id == user.pk:
        raise Refused(_("Nobody stands in for themselves. Choose somebody else."), "yourself")
    if expires_on is None:
        raise Refused(_("Say until which day: a stand-in always ends."), "end_needed")
    check_end(expires_on)
    if held.expires_on is not None and held.expires_on < expires_on:
        raise Refused(
            _("%(person)s has the role until an earlier day. Choose that day, or let the role last longer first.")
            % {"person": held.user},
            code="ends_after_role",
        )


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
    """Mail the person, whoever is replaced, and the owners. Whoever lost the role gets no link: the page is closed
    to them."""
    context = {**_said(held), "name": str(obj), "by": str(by or ""), "path": scope.path_of(obj)}
    context["is_asleep"] = scope.is_asleep(obj)
    others = [held.stands_in_for] if held.stands_in_for_id else []
    others += scope.people_to_tell(obj)
    is_lost = template in {"role_removed", "stand_in_ended"}
    lost = {"path": ""} if is_lost or not scope.shows_roles else {}
    told = [person for person in others if person.pk != held.user_id]
    for people, words in (([held.user], {**context, **lost}), (told, context)):
        _mail(people, obj, template, words)


def _tell_several(scope: RoleScope, obj: Any, going: Sequence[Any], by: Any) -> None:
    """Mail each of those who lost a role their own, and each owner one list."""
    context = {"name": str(obj), "by": str(by), "path": scope.path_of(obj)}
    for row in going:
        people = [row.user, row.stands_in_for] if row.stands_in_for_id else [row.user]
        _mail(people, obj, "role_removed", {**context, **_said(row), "path": ""})
    alone = {row.user_id for row in going} if len(going) == 1 else set()
    owners = [person for person in scope.people_to_tell(obj) if person.pk not in alone]
    _mail(owners, obj, "roles_removed", {**context, "removed": [_said(row) for row in going]})


def _said(held: Any) -> dict[str, Any]:
    return {
        "who": str(held.user),
        "role": str(held.role),  # the mail says it in the language of its reader
        "until": held.expires_on,
        "instead_of": str(held.stands_in_for) if held.stands_in_for_id else "",
    }


def _mail(people: Sequence[User], obj: Any, template: str, context: dict[str, Any]) -> None:
    mail_people(
        people,
        template=template,
        mail_class=MailClass.ACCESS_CHANGED,
        context=context,
        reference=f"{obj._meta.model_name}:{obj.pk}",
    )


# --- On an account --------------------------------------------------------------------------------


def has_lasting_owner(account: BillingAccount, without: Collection[int] = ()) -> bool:
    """Whether somebody owns the account without an end date, the role rows of these primary keys left aside."""
    owners = AccountRole.objects.filter(account=account, role__in=OWNER_ROLES, expires_on=None, user__is_active=True)
    return owners.exclude(pk__in=without).exists()


ON_ACCOUNT = register_scope(
    RoleScope(
        name="account",
        model=AccountRole,
        field="account",
        right=Action.ACCOUNT_ASSIGN_ROLES,
        roles=ACCOUNT_ROLES,
        owner=Role.ACCOUNT_OWNER,
        account_of=lambda account: account,
        owner_stays=has_lasting_owner,
        people_to_tell=owners_of,
        path_of=lambda account: reverse("account_access", args=[account.code]),
        home_of=lambda account: reverse("account_overview", args=[account.code]),
        code_of=lambda account: "",
        find=lambda account, code: account,
    )
)


def assign_account_role(
    account: BillingAccount, *, user: User, role: Role, by: Any, expires_on: date | None = None
) -> AccountRole:
    """Give the person that role on the account; only its owners may. Refuses as `assign_role` does, and
    `one_administrator` on an online-services account, which has one administrator and no other roles."""
    check_agreement(account)
    return assign_role(ON_ACCOUNT, account, user=user, role=role, by=by, expires_on=expires_on)  # type: ignore[return-value]


def remove_account_role(held: AccountRole, *, by: Any) -> None:
    """Take an account role away; only owners may, and the last one stays. Refuses as `remove_role` does."""
    check_agreement(held.account)
    remove_role(ON_ACCOUNT, held, by=by)


def check_agreement(account: BillingAccount) -> None:
    """Refuse `one_administrator` on an online-services account."""
    if account.is_online_services:
        raise Refused(
            _(
                "An online-services account has exactly one administrator. The administrator hands it over by an "
                "offer that the successor accepts."
            ),
            code="one_administrator",
        )
