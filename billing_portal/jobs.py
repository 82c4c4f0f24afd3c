"""Work of the portal as a whole: sealing the history of every app (I27), asking for reviews of access."""

from datetime import datetime, time

from billing_portal.activity import chain_sql
from billing_portal.reviews import remind_of_reviews
from core.jobs import clock
from core.seals import event_models, seal_entries


@clock("hourly", at=time(0, 20))
def seal_history(slot: datetime) -> None:
    """Seal every entry of history that has no seal yet, in the chain of its account."""
    for event in event_models():
        seal_entries(event, chain_sql(event))


@clock("daily", at=time(6))
def ask_for_reviews(slot: datetime) -> None:
    """Remind owners that the access to their account is to be reviewed."""
    remind_of_reviews(slot)
