"""The people of an organisation: its user administrators keep them, and people keep what is theirs (S0-12 to S0-17).

A person of two organisations belongs to neither alone: what others see of them, and whether they may sign in, no
administrator of one of them changes.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import IO, Any

from django.core.files.storage import default_storage
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import (
    AccountRole,
    BillingAccount,
    MemberInvitation,
    Organisation,
    OrganisationMember,
    Proof,
    User,
    UserProfile,
)
from accounts.services.contact import tell_security_changed
from accounts.services.limits import MEMBERS_PER_ORGANISATION, count
from accounts.services.notices import OWNER_ROLES
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
from accounts.services.pictures import small_picture
from accounts.services.roles import has_lasting_owner, lock_account
from accounts.services.sessions import end_sessions
from accounts.states import InvitationStatus
from core.codes import new_code
from core.errors import Refused
from core.history import acting
from core.messages import MailClass, queue_message
from core.policy import Action, demand, may, read_roles
from core.states import move

# What a person may write about themselves; the rest is the organisation's (S0-15).
OWN = frozenset({"name", "language", "business_phone", "line1", "postal_code", "city", "region", "country"})
ON_USER = frozenset({"name", "language"})
ALL = OWN | {"job_title", "department", "employee_id", "manager", "office"}


def read_profile(person: User) -> UserProfile:
    """The person's profile; an empty one that is not kept where there is none yet."""
    found = UserProfile.objects.select_related("user", "manager").filter(user=person).first()
    return found or UserProfile(user=person)


def profile_of(person: User) -> UserProfile:
    """The person's profile; made empty where there was none."""
    return UserProfile.objects.get_or_create(user=person)[0]


def save_person(
    person: User, values: Mapping[str, Any], *, version: int, by: User, organisation: Organisation | None = None
) -> bool:
    """Write what changed about a person. Returns whether anything did.

    `organisation` is the one whose user administrator edits; without it the person edits their own. Refuses
    `not_here`, `other_organisation`, `changed_meanwhile`.
    """
    allowed = OWN if organisation is None else ALL
    if set(values) - allowed:
        raise ValueError(f"not to be written here: {sorted(set(values) - allowed)}")
    with transaction.atomic():
        if organisation is not None:
            demand(by, Action.USER_EDIT, organisation)
            check_ours(organisation, person)
        elif by.pk != person.pk:
            raise ValueError("people edit themselves, or are edited for an organisation")
        profile_of(person)
        stored = UserProfile.objects.select_for_update(of=("self",)).select_related("user").get(user=person)
        if stored.version != version:
            raise Refused(
                _("Somebody else changed this person meanwhile. Look at both and decide."), "changed_meanwhile"
            )
        changed = {name: value for name, value in values.items() if _now(stored, name) != value}
        if not changed:
            return False
        on_user = {name: changed.pop(name) for name in list(changed) if name in ON_USER}
        with acting(by, "person.changed"):
            if on_user:
                User.objects.filter(pk=person.pk).update(**on_user)
            UserProfile.objects.filter(pk=stored.pk).update(**changed, version=version + 1)
    person.refresh_from_db()
    return True


def set_picture(
    person: User, file: IO[bytes] | None, *, size: int = 0, by: User, organisation: Organisation | None = None
) -> None:
    """Replace the person's picture by what `small_picture` makes of the file; None removes it. Refuses as that does,
    and as `save_person`."""
    if organisation is not None:
        demand(by, Action.USER_EDIT, organisation)
        check_ours(organisation, person)
    elif by.pk != person.pk:
        raise ValueError("people edit themselves, or are edited for an organisation")
    made = small_picture(file, size) if file is not None else None
    name = default_storage.save(f"people/{new_code()}.webp", made) if made is not None else ""
    with transaction.atomic(), acting(by, "person.picture_changed"):
        profile_of(person)
        stored = UserProfile.objects.select_for_update().get(user=person)
        old = stored.picture.name
        UserProfile.objects.filter(pk=stored.pk).update(picture=name)
        if old:
            transaction.on_commit(lambda: default_storage.delete(old))


def deactivate_person(organisation: Organisation, person: User, *, by: User) -> None:
    """Nobody signs in as that person any more: every session ends at once, and roles count for nothing.

    Refuses `yourself`, `not_here`, `other_organisation`, `inactive_person`, and `last_owner` of an account, whose
    other owners would be gone (S0-17, S4-14b).
    """
    with transaction.atomic():
        demand(by, Action.USER_EDIT, organisation)
        check_ours(organisation, person)
        if by.pk == person.pk:
            raise Refused(_("You cannot deactivate yourself. Ask another user administrator."), "yourself")
        # Every account of theirs, in one order, so that two administrators never wait for each other. What they become
        # meanwhile elsewhere waits for the lock on the person, since each new role names them.
        held = AccountRole.objects.filter(user=person).order_by("account_id")
        locked = set(held.values_list("account_id", flat=True))
        for account in BillingAccount.objects.filter(pk__in=locked).order_by("pk"):
            lock_account(account)
        stored = User.objects.select_for_update().get(pk=person.pk)
        if not locked.issuperset(held.values_list("account_id", flat=True)):
            raise Refused(_("Somebody else changed this a moment ago. Look again and retry."), "moved_meanwhile")
        owned = held.filter(role__in=OWNER_ROLES, expires_on=None)
        if not stored.is_active:
            raise Refused(_("%(person)s is deactivated already.") % {"person": person}, "inactive_person")
        for row in owned.select_related("account"):
            if row.account.status != "closed" and not has_lasting_owner(row.account, {row.pk}):
                raise Refused(
                    _("%(person)s is the last owner of %(account)s. Make somebody else owner first.")
                    % {"person": person, "account": row.account},
                    code="last_owner",
                )
        with acting(by, "person.deactivated"):
            User.objects.filter(pk=person.pk).update(is_active=False)
        Proof.objects.filter(user=person, used_at=None).delete()
        end_sessions(person)
        tell_security_changed(person, "deactivated", new=str(by))
    person.refresh_from_db()


def reactivate_person(organisation: Organisation, person: User, *, by: User) -> None:
    """Let the person sign in again, with the roles that were never taken away. Refuses as `deactivate_person`."""
    with transaction.atomic():
        demand(by, Action.USER_EDIT, organisation)
        check_ours(organisation, person)
        with acting(by, "person.reactivated"):
            User.objects.filter(pk=person.pk, is_active=False).update(is_active=True)
        tell_security_changed(person, "reactivated", new=str(by))
    person.refresh_from_db()


def check_ours(organisation: Organisation, person: User) -> None:
    """Refuse `not_here` and `other_organisation`: people of this organisation, and of no other, are kept here."""
    at = set(OrganisationMember.objects.filter(user=person).values_list("organisation_id", flat=True))
    if organisation.pk not in at:
        raise Refused(_("%(person)s does not belong to this organisation.") % {"person": person}, "not_here")
    if len(at) > 1 or person.is_staff:
        raise Refused(
            _("%(person)s belongs to another organisation too, so only they themselves or the vendor change this.")
            % {"person": person},
            code="other_organisation",
        )


# --- Joining --------------------------------------------------------------------------------------


def invite_member(
    organisation: Organisation,
    *,
    email: str,
    name: str,
    language: str,
    job_title: str = "",
    department: str = "",
    by: User,
) -> MemberInvitation:
    """Ask somebody to become a person of the organisation. Refuses `already_member`, `already_invited`, `too_many`."""
    demand(by, Action.USER_CREATE, organisation)
    email = email.strip().lower()
    if OrganisationMember.objects.filter(organisation=organisation, user__email__iexact=email).exists():
        raise Refused(_("This person belongs to the organisation already."), "already_member")
    count(MEMBERS_PER_ORGANISATION, organisation.pk)
    with transaction.atomic():
        Organisation.objects.select_for_update(no_key=True).only("pk").get(pk=organisation.pk)
        waiting = MemberInvitation.objects.filter(
            organisation=organisation, email__iexact=email, status=InvitationStatus.PENDING
        ).first()
        if waiting is not None and waiting.expires_at > timezone.now():
            raise Refused(
                _("%(email)s is invited already. You can send the invitation again or revoke it.") % {"email": email},
                code="already_invited",
            )
        if waiting is not None:
            move(waiting, InvitationStatus.REVOKED)
        token = new_token()
        made = MemberInvitation.objects.create(
            organisation=organisation,
            email=email,
            name=name,
            language=language,
            job_title=job_title,
            department=department,
            token_digest=digest(token),
            invited_by=by,
            expires_at=timezone.now() + timedelta(days=INVITATION_DAYS),
        )
        _mail_invitation(made, token)
    return made


def renew_member_invitation(offer: MemberInvitation, *, by: User) -> None:
    """Send it again with a new link; the one before stops working. Refuses `no_such_edge`, `too_many`."""
    demand(by, Action.USER_CREATE, offer.organisation)
    count(MEMBERS_PER_ORGANISATION, offer.organisation_id)
    with transaction.atomic():
        stored = (
            MemberInvitation.objects.select_for_update(of=("self",)).select_related("organisation").get(pk=offer.pk)
        )
        _mail_invitation(stored, renew(stored, by))


def revoke_member_invitation(offer: MemberInvitation, *, by: User) -> None:
    """Take it back: its link stops working."""
    demand(by, Action.USER_CREATE, offer.organisation)
    with transaction.atomic():
        stored = MemberInvitation.objects.select_for_update().get(pk=offer.pk)
        still_pending(stored)
        move(stored, InvitationStatus.REVOKED)


def find_member_invitation(token_digest: str) -> MemberInvitation | None:
    """The invitation behind a link that can still be taken; None otherwise."""
    rows = MemberInvitation.objects.select_related("organisation", "invited_by").filter(token_digest=token_digest)
    offer = (
        rows.filter(status=InvitationStatus.PENDING, expires_at__gt=timezone.now()).first() if token_digest else None
    )
    if offer is None or not may(offer.invited_by, Action.USER_CREATE, offer.organisation, read_roles(offer.invited_by)):
        return None
    person = person_with(offer.email)
    return offer if person is None or person.is_active else None


def join(offer: MemberInvitation, *, by: User) -> None:
    """Take it, signed in as the person it was sent to. Refuses `other_person`, `no_such_edge`."""
    demand_addressee(offer, by)
    with transaction.atomic():
        _take(offer, by)


def join_as_new_person(offer: MemberInvitation, *, name: str, password: str) -> User:
    """Become a person of the portal with the invited address. Refuses `person_exists`, and weak passwords."""
    with transaction.atomic():
        person = new_person(offer, name=name, password=password)
        with acting(None, "person.joined"):
            UserProfile.objects.create(user=person, job_title=offer.job_title, department=offer.department)
        _take(offer, person)
    return person


def _take(offer: MemberInvitation, person: User) -> None:
    stored = MemberInvitation.objects.select_for_update().get(pk=offer.pk)
    still_pending(stored)
    with acting(person, "organisation.joined"):
        move(stored, InvitationStatus.ACCEPTED, accepted_by=person)
        OrganisationMember.objects.get_or_create(organisation_id=stored.organisation_id, user=person)


def _mail_invitation(offer: MemberInvitation, token: str) -> None:
    queue_message(
        to=offer.email,
        template="member_invitation",
        mail_class=MailClass.MANDATORY_SERVICE,
        language=offer.language,
        context={
            "name": offer.name,
            "organisation": str(offer.organisation),
            "by": str(offer.invited_by),
            "days": INVITATION_DAYS,
        },
        secret_context={"path": reverse("joining", args=[token])},
        reference=f"organisation:{offer.organisation_id}",
        expires_at=offer.expires_at,
    )


def _now(profile: UserProfile, name: str) -> Any:
    if name in ON_USER:
        return getattr(profile.user, name)
    value = getattr(profile, name)
    return value.code if name == "country" else value
