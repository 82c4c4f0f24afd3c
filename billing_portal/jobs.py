"""Work of the portal as a whole: sealing the history of every app (I27), asking for reviews of access."""

from datetime import datetime, time

from billing_portal.activity import chain_sql
from billing_portal.models import TakeOut
from billing_portal.reviews import remind_of_reviews
from billing_portal.take_outs import end_take_outs, prepare
from core.jobs import clock, job
from core.seals import event_models, seal_entries

# With pauses that grow to an hour, that is a day.
TRIES_OF_A_DAY = 27


@clock("hourly", at=time(0, 20))
def seal_history(slot: datetime) -> None:
    """Seal every entry of history that has no seal yet, in the chain of its account."""
    for event in event_models():
        seal_entries(event, chain_sql(event))


@clock("daily", at=time(6))
def ask_for_reviews(slot: datetime) -> None:
    """Remind owners that the access to their account is to be reviewed."""
    remind_of_reviews(slot)


@job(due=lambda now: TakeOut.objects.filter(status="pending").order_by("pk"), tries=TRIES_OF_A_DAY)
def prepare_take_out(row_id: int) -> None:
    """Prepare the pieces of a take-out."""
    prepare(TakeOut.objects.select_related("account", "asked_by").get(pk=row_id))


@clock("hourly", at=time(0, 40))
def forget_take_outs(slot: datetime) -> None:
    """Remove the files of take-outs whose time is over."""
    end_take_outs(slot)
