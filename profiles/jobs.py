"""What happens to profiles by the day."""

from datetime import datetime, time

from core.jobs import clock
from profiles.services.profiles import bring_po_numbers_up


@clock("daily", at=time(0, 10))
def bring_up_po_numbers(slot: datetime) -> None:
    """Make next PO numbers whose day has come the present ones (P17)."""
    bring_po_numbers_up(slot.date())
