"""Work of the portal as a whole: sealing the history of every app (I27)."""

from datetime import datetime, time

from billing_portal.activity import chain_sql
from core.jobs import clock
from core.seals import event_models, seal_entries


@clock("hourly", at=time(0, 20))
def seal_history(slot: datetime) -> None:
    """Seal every entry of history that has no seal yet, in the chain of its account."""
    for event in event_models():
        seal_entries(event, chain_sql(event))
