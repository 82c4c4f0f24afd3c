"""View as: an owner sees an account, or one billing profile of it, as somebody else sees it (P12).

Nothing that belongs to the person is used: neither session nor second factor nor messages. What is seen are pages
of the scope alone, with the person's roles there as they are stored now, and only for as long as the viewer may see
all of that scope anyway. So it never shows more than the viewer could look up, and never changes anything.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from accounts.services.notices import mail_person
from billing_portal.models import Viewing
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import INHERITED_AS, Action, Lens, Role, RoleBook, demand, look_through, may, read_roles
from profiles.models import BillingProfile

LASTS = timedelta(minutes=30)
# Where the session of the viewer says what is looked at.
VIEWING = "viewing"


@transaction.atomic
def start_viewing(scope: BillingAccount | BillingProfile, *, user: User, by: Any) -> Viewing:
    """Look at the account or profile as that person for half an hour. The person is told by mail, once a day, and
    the owners read it in the activity.

    Refuses `yourself`, `inactive_person` and `no_role`: who has no role sees nothing.
    """
    demand(by, right_to_view(scope), scope)
    if user.pk == by.pk:
        raise Refused(_("This is you: what you see is what you may see."), "yourself")
    if not user.is_active:
        raise Refused(_("%(person)s is deactivated and sees nothing.") % {"person": user}, "inactive_person")
    if not seen_as(user, scope).all_roles():
        raise Refused(
            _("%(person)s has no role on %(name)s, and sees nothing of it.") % {"person": user, "name": scope},
            "no_role",
        )
    now = timezone.now()
    profile = scope if isinstance(scope, BillingProfile) else None
    account = scope.account if isinstance(scope, BillingProfile) else scope
    with acting(by, "viewing.started"):
        viewing = Viewing.objects.create(
            account=account, profile=profile, user=user, viewer=by, started_at=now, ends_at=now + LASTS
        )
    mail_person(
        user,
        template="viewed_as",
        mail_class=MailClass.ACCESS_CHANGED,
        context={"by": str(by), "name": str(scope), "path": reverse("help")},
        reference=f"viewing:{viewing.pk}",
        key=f"viewing:{by.pk}:{scope._meta.model_name}:{scope.pk}:{timezone.localdate(now)}",
    )
    return viewing


def end_viewing(viewing: Viewing) -> None:
    """Back to one's own eyes; once more changes nothing."""
    with acting(viewing.viewer, "viewing.ended"):
        Viewing.objects.running(timezone.now()).filter(pk=viewing.pk).update(ended_at=timezone.now())


def put_on(viewing: Viewing, viewer_book: RoleBook) -> User | None:
    """The person as they are seen in that scope, to stand in for the viewer; None where there is nothing to see any
    more: one of the two lost the roles it takes, or the person was deactivated."""
    viewer, person = viewing.viewer, viewing.user
    if not may(viewer, right_to_view(viewing.scope), viewing.scope, viewer_book) or not person.is_active:
        return None
    look_through(person, lens_on(viewing.scope))
    return person if person._role_book.all_roles() else None  # type: ignore[attr-defined]


def right_to_view(scope: BillingAccount | BillingProfile) -> Action:
    return Action.PROFILE_VIEW_AS if isinstance(scope, BillingProfile) else Action.ACCOUNT_VIEW_AS


def seen_as(user: User, scope: BillingAccount | BillingProfile) -> RoleBook:
    """The person's roles as far as they count in that scope."""
    return lens_on(scope)(read_roles(user))


def lens_on(scope: BillingAccount | BillingProfile) -> Lens:
    """What leaves of all roles of a person those that count in one account, or on one profile."""
    return _lens_on_profile(scope) if isinstance(scope, BillingProfile) else _lens_on_account(scope)


def _lens_on_account(account: BillingAccount) -> Lens:
    def narrow(book: RoleBook) -> RoleBook:
        below = [pk for pk, parent in book.account_of_profile.items() if parent == account.pk]
        roles = set(book.accounts.get(account.pk, ()))
        if account.is_open_to_organisation:
            # Reads every customer agreement of the organisation; here it counts for this one alone.
            roles |= book.organisations.get(account.organisation_id, set()) & {Role.ORGANISATION_ADMINISTRATOR}
        return RoleBook(
            accounts={account.pk: roles} if roles else {},
            profiles={pk: book.profiles[pk] for pk in below},
            account_of_profile=dict.fromkeys(below, account.pk),
            closed=book.closed & {account.pk},
        )

    return narrow


def _lens_on_profile(profile: BillingProfile) -> Lens:
    def narrow(book: RoleBook) -> RoleBook:
        # A role from above counts as what it means here, so that nothing of the account is seen but its name.
        roles = {INHERITED_AS[role] for role in book.accounts.get(profile.account_id, ())}
        roles |= book.profiles.get(profile.pk, set())
        if not roles:
            return RoleBook()
        return RoleBook(
            profiles={profile.pk: roles},
            account_of_profile={profile.pk: profile.account_id},
            closed=book.closed & {profile.account_id},
        )

    return narrow
