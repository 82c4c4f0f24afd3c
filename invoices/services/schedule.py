"""When profiles are billed without anybody asking, and runs that workers do: begun, stopped, gone on with, ended.

A run is cut into ranges of profiles; each is a row that one worker bills (`invoices.jobs.bill_ranges`),
on one machine or by Celery on many. A worker that dies leaves its range waiting, and whoever takes it up
finds billed what was billed. The clock looks every hour; what it did not bill, because nothing ran or a
range failed again and again, it begins anew: in the order of the months, once (F26, F28).
"""

import logging
from datetime import datetime

from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Refused
from core.models import JobClaim
from core.periods import Month
from core.querysets import JobClaimQuerySet
from core.states import move
from invoices.models import BillingHold, BillingRun, RunOrigin, RunRange
from invoices.services.due import Profiles, months_come, profiles_behind
from invoices.services.run import CHUNK, profiles_of, refusals_now, seller_today
from invoices.states import RangeStatus, RunStatus

logger = logging.getLogger(__name__)

# Profiles in one range: one transaction. A larger one costs no less for each invoice, and at the end of a run the
# others wait for whoever took the last one.
RANGE = CHUNK
JOB = "invoices.bill_ranges"


def start_due_runs(at: datetime) -> list[BillingRun]:
    """Begin a run for every month whose invoice day has come for profiles that were not billed, each where it is.

    A month that a run is working on is left to it. What keeps every invoice from being issued is logged, and
    stands on the staff's page of runs.
    """
    for run in BillingRun.objects.in_background().filter(status=RunStatus.RUNNING):
        _give_up(run, at)
    begun = []
    for month in months_come(at):
        if not month.is_closed(seller_today()):
            # Where the profile is, the month is over; where the seller is, in a few hours.
            continue
        try:
            begun.append(start_run(month, day_come_by=at, by=None))
        except Refused as refusal:
            if refusal.code not in ("nothing_due", "running_already"):
                logger.warning("The billing of %s cannot begin: %s", month, refusal)
    return begun


def start_run(month: Month, *, day_come_by: datetime | None = None, by: User | None) -> BillingRun:
    """Begin billing every profile that is behind, up to and including the month, dated today; workers do it.

    With `day_come_by` only those for which that is the last month whose invoice day had come by then. Refuses
    `nothing_due`, `running_already`, and what `run_billing` refuses.
    """
    for refusal in refusals_now(month):
        raise refusal
    run = BillingRun(
        month=month.first,
        issue_date=seller_today(),
        origin=RunOrigin.CLOCK if day_come_by else RunOrigin.STAFF,
        day_come_by=day_come_by,
        started_by=by,
    )
    parts = _cut(profiles_behind(profiles_of(run), month))
    if not parts:
        raise Refused(_("Nothing is due: every profile is billed up to %(month)s.") % {"month": month}, "nothing_due")
    run.profiles_total = sum(count for _first, _last, count in parts)
    try:
        with transaction.atomic():
            run.save()
            RunRange.objects.bulk_create(
                RunRange(run=run, first_profile=first, last_profile=last, profiles_total=count)
                for first, last, count in parts
            )
    except IntegrityError:
        raise Refused(
            _("A run of %(month)s is on its way. Wait for its end, or stop it.") % {"month": month}, "running_already"
        ) from None
    return run


def stop_run(run: BillingRun) -> None:
    """Let no worker bill another chunk of it. What is billed stays billed, and the run can be gone on with."""
    move(run, RunStatus.STOPPED, finished_at=timezone.now())


def resume_run(run: BillingRun) -> None:
    """Go on where it ended, also with ranges that had failed. Refuses `running_already`, `nothing_left`."""
    waiting = run.ranges.filter(status=RangeStatus.WAITING)
    if not waiting.exists():
        raise Refused(_("Everything of this run is done."), "nothing_left")
    try:
        with transaction.atomic():
            move(run, RunStatus.RUNNING, finished_at=None, last_error="")
            _claims(run).delete()
    except IntegrityError:
        raise Refused(
            _("Another run of %(month)s is on its way.") % {"month": Month.of(run.month)}, "running_already"
        ) from None


def conclude_run(run: BillingRun) -> None:
    """End a run whose ranges are all done; the others go on."""
    if run.ranges.filter(status=RangeStatus.WAITING).exists():
        return
    held = BillingHold.objects.unreleased().filter(profile__in=profiles_of(run)).count()
    # Of two workers that come to the end at once, one moves it.
    running = BillingRun.objects.select_for_update().filter(pk=run.pk, status=RunStatus.RUNNING)
    with transaction.atomic():
        for row in running:
            move(row, RunStatus.DONE, finished_at=timezone.now(), profiles_held=held)


def _give_up(run: BillingRun, at: datetime) -> None:
    """Stop a run that has nothing left but ranges that failed each time, so that the next one tries them."""
    stopped = dict(_claims(run).stopped(at=at).values_list("row_id", "last_error"))
    waiting = set(run.ranges.filter(status=RangeStatus.WAITING).values_list("pk", flat=True))
    if not waiting:
        conclude_run(run)
    elif waiting <= stopped.keys():
        error = next(iter(stopped.values())) or _("The worker died each time.")
        logger.error("The billing run %s of %s has stopped: %s", run.code, run, error)
        move(run, RunStatus.STOPPED, finished_at=at, last_error=error)
        _claims(run).delete()


def _claims(run: BillingRun) -> JobClaimQuerySet:
    return JobClaim.objects.filter(job=JOB, row_id__in=run.ranges.values("pk"))


def _cut(profiles: Profiles) -> list[tuple[int, int, int]]:
    """First id, last id and number of each range; one statement, and memory for the ranges alone."""
    inner, values = profiles.order_by().values_list("pk").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_RANGES.format(profiles=inner), [RANGE, *values])
        return cursor.fetchall()


_RANGES = """
SELECT min(id), max(id), count(*)
FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / %s AS part FROM ({profiles}) AS due (id)) AS placed
GROUP BY part ORDER BY part
"""
