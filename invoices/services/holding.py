"""Keeping a profile from being billed for a while, by people of the vendor."""

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Refused
from invoices.models import BillingHold
from profiles.models import BillingProfile


def hold_profile(profile: BillingProfile, *, note: str, by: User | None) -> BillingHold:
    """No run bills this profile until it is released. Refuses `note_missing`, `profile_closed` and `already_held`."""
    _demand_note(note)
    if profile.status == "closed":
        raise Refused(_("This billing profile is closed; nothing is billed there any more."), "profile_closed")
    try:
        with transaction.atomic():
            return BillingHold.objects.create(profile=profile, note=note.strip(), placed_by=by)
    except IntegrityError:
        raise Refused(_("%(profile)s is held already.") % {"profile": profile}, "already_held") from None


def release_hold(hold: BillingHold, *, note: str, by: User | None) -> None:
    """Let the next run bill the profile, the months that it missed first. Refuses `note_missing` and
    `released_before`."""
    _demand_note(note)
    now = timezone.now()
    unreleased = BillingHold.objects.unreleased().filter(pk=hold.pk)
    if not unreleased.update(released_at=now, released_by=by, release_note=note.strip()):
        raise Refused(_("Somebody released %(profile)s before you did.") % {"profile": hold.profile}, "released_before")
    hold.refresh_from_db()


def _demand_note(note: str) -> None:
    if not note.strip():
        raise Refused(_("Write down why, for whoever looks at it after you."), "note_missing")
