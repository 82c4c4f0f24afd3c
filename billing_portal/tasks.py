"""What Celery runs: two tasks, for every job of every app.

Beat only says *look*: `wake` reserves due rows and sends their ids on. A message that is lost, or
delivered twice, or whose worker dies, costs time and never work: the reservation runs out and the next
`wake` sends the row again, and who comes second finds that the row is no longer reserved for it.
"""

import uuid

from django.utils import timezone

from billing_portal.celery import app
from core import jobs
from core.models import JobClaim

# Rows of one job that are on their way to a worker at the same time.
ON_THEIR_WAY_AT_MOST = 1000


@app.task(name="billing_portal.wake")
def wake() -> None:
    """Write the slots of the clock that have come, and send on what is due."""
    jobs.tick()
    for job in jobs.waiting():
        send_on(job)


@app.task(name="billing_portal.run_rows")
def run_rows(job: str, row_ids: list[int], token: str) -> None:
    """Run these rows of that job, if they are still reserved under that token."""
    jobs.run_reserved(jobs.Reservation(jobs.registry()[job], uuid.UUID(token), row_ids))


def send_on(job: jobs.Job) -> None:
    """Reserve due rows of that job and send their ids to the workers."""
    room = ON_THEIR_WAY_AT_MOST - JobClaim.objects.on_their_way(job.name, at=timezone.now()).count()
    while room > 0 and (reservation := jobs.reserve(job)):
        for portion in reservation.portions():
            run_rows.delay(job.name, portion, str(reservation.token))
            room -= len(portion)
