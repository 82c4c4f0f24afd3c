"""What happens to profiles by the day."""

from datetime import datetime, time

from django.utils import timezone

from accounts.services.roles import end_stand_in
from core.jobs import clock, job
from profiles.models import ProfileRole
from profiles.services.profiles import bring_po_numbers_up
from profiles.services.roles import ON_PROFILE


@clock("daily", at=time(0, 10))
def bring_up_po_numbers(slot: datetime) -> None:
    """Make next PO numbers whose day has come the present ones (P17)."""
    bring_po_numbers_up(slot.date())


@job(due=lambda now: ProfileRole.objects.stood_in_until(timezone.localdate(now)))
def end_stand_ins_on_profiles(row_id: int) -> None:
    """Clear stand-ins away whose last day is over, and tell everybody concerned."""
    end_stand_in(ON_PROFILE, ProfileRole.objects.select_related("profile__account").get(pk=row_id))
