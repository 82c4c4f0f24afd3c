"""What the clock does for people and accounts."""

from datetime import datetime

from accounts.models import Attempt
from accounts.services.limits import LONGEST
from core.jobs import clock


@clock("hourly")
def forget_old_attempts(slot: datetime) -> None:
    """Tries older than the longest limit count for nothing any more."""
    Attempt.objects.older(than=slot - LONGEST).delete()
