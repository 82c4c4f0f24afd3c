"""Coming in: a role offered by mail to an address, taken by the person who reads that mail (T22).

The token is in the mail only, and works once, for seven days. What it gives is read from the row when
it is accepted, and the inviter is asked for the right again. Looking at the page uses nothing up.
On which scope the role lies, the row says by name; the scope itself knows what may be given there.
"""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.models import AccountRole, BillingAccount, Invitation, OrganisationMember, User
from accounts.services.limits import INVITATIONS_PER_ACCOUNT, count
from accounts.services.notices import mail_people
from accounts.services.offers import (
    INVITATION_DAYS,
    demand_addressee,
    digest,
    new_person,
    new_token,
    person_with,
    renew,
    still_pending,
)
from accounts.services.roles import (
    ON_ACCOUNT,
    RoleScope,
    check_agreement,
    check_end,
    give,
    lock_account,
    refuse_closed,
    scope_named,
)
from accounts.states import AccountStatus, InvitationStatus
from core.errors import Refused
from core.history import acting
from core.messages import MailClass, queue_message
from core.policy import Action, Role, demand, may, read_roles
from core.states import move


def invite_to_account(
    account: BillingAccount,
    *,
    email: str,
    role: Role,
    by: Any,
    expires_on: date | None = None,
    language: str | None = None,
) -> Invitation:
    """Offer an account role to whoever reads that mailbox. Refuses as `invite`, and `one_administrator`."""
    check_agreement(account)
    return invite(ON_ACCOUNT, account, email=email, role=role, by=by, expires_on=expires_on, language=language)


def invite(
    scope: RoleScope,
    obj: Any,
    *,
    email: str,
    role: Role,
    by: Any,
    expires_on: date | None = None,
    language: str | None = None,
) -> Invitation:
    """Offer a role on the object to whoever reads that mailbox, in the language given or that of the page.

    `expires_on` is the last day of the role, where it ends. Refuses `role_not_here`, `ends_in_the_past`,
    `already_member` (a person of the organisation gets the role at once, by `assign_role`), `already_invited`,
    `account_closed` and `too_many` after 20 in an hour (T23).
    """
    account = scope.account_of(obj)
    if role not in scope.roles:
        raise Refused(_("This role cannot be given here."), "role_not_here")
    check_end(expires_on)
    if person_in_organisation(account, email) is not None:
        raise Refused(_("This person belongs to the organisation already."), "already_member")
    with transaction.atomic():
        lock_account(account)
        demand(by, scope.right, obj)
        refuse_closed(account)
        count(INVITATIONS_PER_ACCOUNT, account.pk)
        return write_invitation(
            account, scope=scope, on=obj, email=email, role=role, by=by, expires_on=expires_on, language=language
        )


def write_invitation(
    account: BillingAccount,
    *,
    email: str,
    role: Role,
    by: Any,
    scope: RoleScope = ON_ACCOUNT,
    on: Any = None,
    expires_on: date | None = None,
    language: str | None = None,
) -> Invitation:
    """Write the invitation and its mail, in the caller's transaction, which has asked for the right.

    `on` is the object of the scope, the account itself without it.
    """
    email = email.strip().lower()
    now, code = timezone.now(), scope.code_of(on or account)
    waiting = waiting_on(scope, on or account).filter(email__iexact=email).first()
    if waiting is not None:
        if waiting.expires_at > now:
            raise Refused(
                _("%(email)s is invited already, until %(day)s. You can send the invitation again or revoke it.")
                % {"email": email, "day": timezone.localdate(waiting.expires_at)},
                code="already_invited",
            )
        move(waiting, InvitationStatus.REVOKED)
    token = new_token()
    invitation = Invitation.objects.create(
        account=account,
        scope=scope.name,
        scope_code=code,
        email=email,
        role=role,
        token_digest=digest(token),
        invited_by=by,
        invited_at=now,
        expires_at=now + timedelta(days=INVITATION_DAYS),
        role_expires_on=expires_on,
        language=language or get_language() or settings.LANGUAGE_CODE,
    )
    _mail(invitation, token)
    return invitation


def waiting_on(scope: RoleScope, obj: Any) -> QuerySet[Invitation]:
    """The invitations to the object that nobody answered yet, expired ones included."""
    rows = Invitation.objects.filter(account=scope.account_of(obj), status=InvitationStatus.PENDING)
    return rows.filter(scope=scope.name, scope_code=scope.code_of(obj))


def target_of(invitation: Invitation) -> tuple[RoleScope, Any]:
    """The scope that the invitation is about, and its object; None where that is not there any more."""
    scope = scope_named(invitation.scope)
    return scope, scope.find(invitation.account, invitation.scope_code)


def is_handover(invitation: Invitation) -> bool:
    """Whether an administrator offers to be replaced, rather than staff inviting the first one."""
    held = AccountRole.objects.filter(account=invitation.account_id, role=Role.ACCOUNT_ADMINISTRATOR)
    return invitation.role == Role.ACCOUNT_ADMINISTRATOR and held.filter(user=invitation.invited_by_id).exists()


def renew_invitation(invitation: Invitation, *, by: Any) -> None:
    """Send it again with a new link, for another seven days. The link sent before stops working.

    Refuses `no_such_edge` for one that was accepted or revoked, and `too_many` after 20 in an hour.
    """
    with transaction.atomic():
        lock_account(invitation.account)
        _demand_to_invite(by, invitation)
        refuse_closed(invitation.account)
        count(INVITATIONS_PER_ACCOUNT, invitation.account_id)
        invitation.refresh_from_db()
        _mail(invitation, renew(invitation, by))


def revoke_invitation(invitation: Invitation, *, by: Any) -> None:
    """Take the offer back: its link stops working. Refuses one that was accepted or revoked."""
    with transaction.atomic():
        lock_account(invitation.account)
        _demand_to_invite(by, invitation)
        invitation.refresh_from_db()
        still_pending(invitation)
        move(invitation, InvitationStatus.REVOKED)


def find_invitation(token_digest: str) -> Invitation | None:
    """The invitation with that digest, whatever became of it; None where there is none."""
    rows = Invitation.objects.select_related("account__organisation", "invited_by")
    return rows.filter(token_digest=token_digest).first()


def why_unusable(invitation: Invitation) -> Refused | None:
    """Why nobody can accept it any more, with the way out; None while somebody can."""
    if invitation.status == InvitationStatus.ACCEPTED:
        return Refused(_("This invitation was used already. Sign in with your e-mail address."), "used")
    if invitation.status == InvitationStatus.REVOKED:
        return Refused(
            _("This invitation was taken back. Ask %(whom)s for a new one.") % {"whom": _inviter(invitation)}, "revoked"
        )
    if invitation.status == InvitationStatus.EXPIRED:
        return _expired(invitation)
    end = invitation.role_expires_on
    if invitation.expires_at <= timezone.now() or (end is not None and end < timezone.localdate()):
        return _expired(invitation)
    if invitation.account.status == AccountStatus.CLOSED:
        return Refused(_("This billing account is closed, so nobody can come in."), "account_closed")
    if target_of(invitation)[1] is None:
        return Refused(_("What this invitation was for is not there any more, so nothing can be accepted."), "gone")
    person = person_with(invitation.email)
    if person is not None and not person.is_active:
        return Refused(
            _("%(email)s was deactivated. Ask a user administrator of %(organisation)s to change that.")
            % {"email": invitation.email, "organisation": invitation.account.organisation},
            code="deactivated",
        )
    if not _may_still_invite(invitation):
        return Refused(
            _("The person who invited you may no longer do so. Ask an owner of %(account)s for a new invitation.")
            % {"account": target_of(invitation)[1]},
            code="inviter_lost_right",
        )
    return None


def accept_invitation(invitation: Invitation, *, by: User) -> Any:
    """Take the offered role, signed in as the person it was sent to. Returns the role row.

    Refuses `used`, `revoked`, `expired`, `gone`, `inviter_lost_right`, `other_person`, `has_administrator`.
    """
    demand_addressee(invitation, by)
    with transaction.atomic():
        _lock_and_check(invitation)
        return _join(invitation, by)


def accept_as_new_person(invitation: Invitation, *, name: str, password: str) -> User:
    """Become a person of the portal with the invited address, and take the offered role.

    Refuses what `accept_invitation` refuses, `person_exists` where somebody with that address can sign
    in already, and a password that the validators do not take.
    """
    with transaction.atomic():
        _lock_and_check(invitation)
        person = new_person(invitation, name=name, password=password)
        _join(invitation, person)
    return person


def person_in_organisation(account: BillingAccount, email: str) -> User | None:
    """The person with that address, if it is one of the account's organisation."""
    people = User.objects.filter(memberships__organisation=account.organisation_id)
    return people.filter(email__iexact=email.strip()).first()


def _lock_and_check(invitation: Invitation) -> None:
    lock_account(invitation.account)
    invitation.refresh_from_db()
    if refusal := why_unusable(invitation):
        raise refusal


def _join(invitation: Invitation, person: User) -> Any:
    scope, obj = target_of(invitation)
    account, role = invitation.account, Role(invitation.role)
    with acting(person, "invitation.accepted"):
        move(invitation, InvitationStatus.ACCEPTED, accepted_by=person, accepted_at=timezone.now())
        OrganisationMember.objects.get_or_create(organisation=account.organisation, user=person)
        held = scope.held_by(obj, person)
        if held is not None and _is_at_least(scope, held, role):
            return held
        before = scope.people_to_tell(obj)
        if role == Role.ACCOUNT_ADMINISTRATOR:
            held = _hand_over(invitation, person)
        else:
            held = give(
                scope,
                obj,
                user=person,
                role=role,
                expires_on=invitation.role_expires_on,
                by=invitation.invited_by,
            )
    _tell_of_use(invitation, scope, obj, person, before)
    return held


def _hand_over(invitation: Invitation, person: User) -> AccountRole:
    """Make the person administrator: the first one, or in place of the one who offered it. One row, which moves."""
    account, now = invitation.account, timezone.now()
    held = AccountRole.objects.filter(account=account, role=Role.ACCOUNT_ADMINISTRATOR).first()
    if held is None:
        return AccountRole.objects.create(
            account=account, user=person, role=Role.ACCOUNT_ADMINISTRATOR, assigned_by=invitation.invited_by
        )
    if held.user_id != invitation.invited_by_id:
        raise Refused(_("This account has an administrator already. Ask support."), "has_administrator")
    held.user, held.assigned_by, held.assigned_at = person, invitation.invited_by, now
    held.save(update_fields=["user", "assigned_by", "assigned_at"])
    return held


def _tell_of_use(invitation: Invitation, scope: RoleScope, obj: Any, person: User, before: list[User]) -> None:
    """Mail the person what they are now, and whoever invited and those who owned it that the invitation was used."""
    context = {
        "who": str(person),
        "email": invitation.email,
        "role": invitation.role,
        "until": invitation.role_expires_on,
        "name": str(obj),
        "by": _inviter(invitation),
        "is_asleep": scope.is_asleep(obj),
    }
    mail = {"mail_class": MailClass.ACCESS_CHANGED, "reference": f"{obj._meta.model_name}:{obj.pk}"}
    mail_people([person], template="role_assigned", context={**context, "path": scope.home_of(obj)}, **mail)
    inviter = invitation.invited_by
    told = [*before, *([inviter] if inviter is not None else [])]
    template = "administration_handed_over" if invitation.role == Role.ACCOUNT_ADMINISTRATOR else "invitation_used"
    others = [each for each in told if each.pk != person.pk and each.is_active]
    may_look = {"path": scope.path_of(obj)} if template == "invitation_used" else {"path": ""}
    mail_people(others, template=template, context={**context, **may_look}, **mail)


def _is_at_least(scope: RoleScope, held: Any, role: Role) -> bool:
    """Whether an invitation to that role would give nothing: an invitation never takes a right away."""
    if held.expires_on is not None:
        return False
    strongest_first = [Role.ACCOUNT_ADMINISTRATOR, *scope.roles]
    return strongest_first.index(Role(held.role)) <= strongest_first.index(role)


def _demand_to_invite(by: Any, invitation: Invitation) -> None:
    """Owners may; and the vendor's staff, who invite the first one."""
    if not is_customer_staff(by):
        demand(by, *_right(invitation))


def is_customer_staff(person: Any) -> bool:
    """Whether this is one of the vendor's staff who may make customers; None is the system itself."""
    return person is None or (person.is_active and person.is_staff and person.has_perm("accounts.add_billingaccount"))


def _may_still_invite(invitation: Invitation) -> bool:
    inviter = invitation.invited_by
    return is_customer_staff(inviter) or may(inviter, *_right(invitation), read_roles(inviter))


def _right(invitation: Invitation) -> tuple[Action, Any]:
    """What whoever invites must be allowed, and on what; on the account where the object is not there any more."""
    if invitation.role == Role.ACCOUNT_ADMINISTRATOR:
        return Action.ACCOUNT_HAND_OVER, invitation.account
    scope, obj = target_of(invitation)
    return (scope.right, obj) if obj is not None else (Action.ACCOUNT_ASSIGN_ROLES, invitation.account)


def _expired(invitation: Invitation) -> Refused:
    return Refused(
        _("This invitation has expired. Ask %(whom)s to send it again.") % {"whom": _inviter(invitation)}, "expired"
    )


def _inviter(invitation: Invitation) -> str:
    return str(invitation.invited_by or _("the vendor"))


def _mail(invitation: Invitation, token: str) -> None:
    obj = target_of(invitation)[1]
    queue_message(
        to=invitation.email,
        template="account_invitation",
        mail_class=MailClass.MANDATORY_SERVICE,
        language=invitation.language,
        context={
            "account": str(invitation.account),
            "organisation": str(invitation.account.organisation),
            "on": str(obj) if invitation.scope_code else "",
            "role": invitation.role,
            "by": str(invitation.invited_by) if invitation.invited_by else "",
            "days": INVITATION_DAYS,
            "expires_at": invitation.expires_at,
        },
        secret_context={"path": reverse("invitation", args=[token])},
        reference=f"invitation:{invitation.code}",
        expires_at=invitation.expires_at,
    )
