"""Work in the background: the registry of jobs, and how a row is taken, run and let go.

The row is the queue (architecture §11). A job is a function of one row id, and the rows due for it:

    @job(due=lambda now: Document.objects.unwritten())
    def write_document(row_id): ...

    @job(due=..., batch=100)                 # gets a list of at most 100 row ids
    def send_messages(row_ids): ...

    @clock("daily", at=time(6))              # once per slot; gets the slot's moment, in UTC
    def remind_of_due_invoices(slot): ...

They stand in `<app>/jobs.py`, `<app>/mail.py` or `<app>/sms.py`. A job does one thing and changes its row so that it
is no longer due; it runs outside any transaction, may run twice, and looks at the row again before it
acts. `manage.py work` and Celery run the same registry, also side by side.

Who has a row in hand is a `JobClaim`: one INSERT that another worker's claim turns into nothing. A
worker renews the lease while it lives, so what a dead one had in hand is taken up again within
`lease`. A job that raises is tried again after a growing pause, and left alone after `tries` (I32):
`manage.py work --status` and the admin show it.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from types import TracebackType
from typing import Any, Literal

from django.core.exceptions import EmptyResultSet
from django.db import Error, connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules

from core.models import JobClaim, JobSlot

logger = logging.getLogger(__name__)

# A dead worker's rows are taken up again after this; a living one renews it three times as often.
LEASE = timedelta(minutes=2)
TRIES = 5
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
# A job that returns and leaves its row due would otherwise spin.
STILL_DUE_PAUSE = timedelta(minutes=1)
# A job that hangs for this long loses its lease although its process lives.
RENEWED_AT_MOST = timedelta(hours=1)
SLOTS_KEPT = timedelta(days=60)
# Rows taken at once, one after the other, by a job that runs row by row.
HANDFUL = 20
# How often a worker looks for rows that nobody claimed a moment before it, until it rests.
LOOKS = 20

# In which modules of an app jobs are registered.
JOB_MODULES = ("jobs", "mail", "mail_events", "retention", "sms")

Due = Callable[[datetime], QuerySet[Any]]
Every = Literal["hourly", "daily"]


@dataclass(frozen=True)
class Job:
    """A registered function with the rows that are due for it."""

    name: str
    run: Callable[[Any], Any]
    due: Due
    batch: int
    tries: int
    lease: timedelta


@dataclass(frozen=True)
class Clock:
    """A function that runs once per hour or day, and the job that carries its slots."""

    name: str
    every: Every
    at: time

    def slot(self, now: datetime) -> datetime:
        """The latest appointment that is not in the future (UTC)."""
        now = now.astimezone(UTC)
        if self.every == "hourly":
            slot, step = now.replace(minute=self.at.minute, second=0, microsecond=0), timedelta(hours=1)
        else:
            slot, step = datetime.combine(now.date(), self.at, UTC), timedelta(days=1)
        return slot if slot <= now else slot - step


@dataclass(frozen=True)
class Reservation:
    """Rows of one job set aside for one worker, in the order of the queue; `retried` were tried before."""

    job: Job
    token: uuid.UUID
    rows: list[int]
    retried: frozenset[int] = frozenset()

    def portions(self) -> list[list[int]]:
        """The rows as the job is given them. In a batch job, a row that was tried before runs alone and
        last: it may be the one that killed its batch."""
        if not self.job.batch:
            return [[row_id] for row_id in self.rows]
        fresh = [row_id for row_id in self.rows if row_id not in self.retried]
        step = self.job.batch
        whole = [fresh[start : start + step] for start in range(0, len(fresh), step)]
        return whole + [[row_id] for row_id in self.rows if row_id in self.retried]


_jobs: dict[str, Job] = {}
_clocks: dict[str, Clock] = {}
_stop = threading.Event()


# --- Registering --------------------------------------------------------------------------------


def job(
    *, due: Due, batch: int = 0, tries: int = TRIES, lease: timedelta = LEASE
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Register a function of one row id, or with `batch` of a list of at most that many row ids.

    `due(now)` is the queryset of rows that wait for it, in the order they should be taken; it must
    allow a further `filter` (no slice, no union).
    """

    def register(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        _add(Job(_name(function), function, due, batch, tries, lease))
        return function

    return register


def clock(
    every: Every, *, at: time = time(0), tries: int = TRIES, lease: timedelta = LEASE
) -> Callable[[Callable[[datetime], Any]], Callable[[datetime], Any]]:
    """Register a function that runs once per hour (at minute `at.minute`) or day (at `at`, UTC).

    It gets the slot's moment. Slots missed while nothing ran are not made up for: a function does all
    that is due by its slot.
    """

    def register(function: Callable[[datetime], Any]) -> Callable[[datetime], Any]:
        name = _name(function)

        def keep_slot(row_id: int) -> None:
            slot = JobSlot.objects.get(pk=row_id)
            function(slot.slot)
            JobSlot.objects.filter(pk=row_id).update(finished_at=timezone.now())

        _add(Job(name, keep_slot, lambda now: JobSlot.objects.unfinished(name), 0, tries, lease))
        _clocks[name] = Clock(name, every, at)
        return function

    return register


def registry() -> dict[str, Job]:
    """Every job of every app by its name."""
    _discover()
    return _jobs


@cache
def _discover() -> None:
    autodiscover_modules(*JOB_MODULES)


def clocks() -> dict[str, Clock]:
    """Every appointment of the clock by its name."""
    registry()
    return _clocks


# --- Running ------------------------------------------------------------------------------------


def run_due(*, limit: int | None = None, only: Iterable[str] = ()) -> int:
    """Run what is due, job by job in turn, until nothing is left, `limit` is reached or `stop()` was
    called. Returns how many rows were tried. `only` names jobs."""
    tried = 0
    while not stopping() and (limit is None or tried < limit):
        before = tried
        for each in waiting(only=only):
            tried += run_some(each)
        if tried == before:
            break
    return tried


def waiting(*, only: Iterable[str] = ()) -> list[Job]:
    """The jobs that have due rows which nobody has in hand, asked in one statement: workers look twice a second."""
    now, chosen = timezone.now(), _chosen(only)
    asked: list[str] = []
    parameters: list[Any] = []
    kept_by_clock = [each.name for each in chosen if each.name in _clocks]
    if kept_by_clock:
        # One look for all of them: they wait in the same table, and are a third of the jobs.
        asked.append(
            "SELECT DISTINCT slot.job FROM core_jobslot AS slot WHERE slot.job = ANY(%s) AND slot.finished_at IS NULL"
            " AND NOT EXISTS (SELECT FROM core_jobclaim AS claim WHERE claim.job = slot.job AND claim.row_id = slot.id"
            " AND (claim.until > %s OR tries_left = 0))"
        )
        parameters += [kept_by_clock, now]
    for each in chosen:
        if each.name in _clocks:
            continue
        try:
            due, of_due = each.due(now).order_by().values("pk").query.get_compiler(connection=connection).as_sql()
        except EmptyResultSet:
            continue
        asked.append(
            f"SELECT %s WHERE EXISTS (SELECT FROM ({due}) AS due (row_id) WHERE NOT EXISTS (SELECT FROM core_jobclaim"  # noqa: S608
            " AS claim WHERE claim.job = %s AND claim.row_id = due.row_id AND (claim.until > %s OR tries_left = 0)))"
        )
        parameters += [each.name, *of_due, each.name, now]
    if not asked:
        return []
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asked), parameters)
        names = {name for (name,) in cursor.fetchall()}
    return [each for each in chosen if each.name in names]


def run_some(job: Job) -> int:
    """Run one batch, or a handful of single rows, of that job. Returns how many rows were tried."""
    reservation = reserve(job)
    return run_reserved(reservation) if reservation else 0


def run_reserved(reservation: Reservation) -> int:
    """Run the rows of a reservation that are still its own. Returns how many were tried."""
    tried = 0
    for portion in reservation.portions():
        if stopping():
            _let_go(reservation, portion)
        else:
            tried += _try(reservation, portion)
    return tried


def tick(now: datetime | None = None) -> None:
    """Write the slots of the clock that have come. Any number of workers may: the row is unique."""
    now = now or timezone.now()
    wanted = {(each.name, each.slot(now)) for each in clocks().values()}
    known = JobSlot.objects.filter(job__in=[job for job, _ in wanted], slot__in=[slot for _, slot in wanted])
    missing = wanted - set(known.values_list("job", "slot"))
    JobSlot.objects.bulk_create([JobSlot(job=job, slot=slot) for job, slot in missing], ignore_conflicts=True)


def stop() -> None:
    """Finish the row in hand and take no other."""
    _stop.set()


def stopping() -> bool:
    """Whether a long batch should end after the row in hand; the rest stays due."""
    return _stop.is_set()


def resume() -> None:
    """Take work again after `stop()`."""
    _stop.clear()


def wait(seconds: float) -> None:
    """Sleep, but wake up at once for `stop()`."""
    _stop.wait(seconds)


# --- Claims -------------------------------------------------------------------------------------


def reserve(job: Job, *, limit: int | None = None) -> Reservation | None:
    """Set aside due rows that nobody has in hand; None where there are none. Workers that look at the queue in the same
    moment see the same rows: who comes second looks again, for there may be more behind them."""
    for _look in range(LOOKS):
        candidates = _free(job, limit or job.batch or HANDFUL)
        if not candidates:
            break
        if (reservation := _reserve(job, candidates)).rows:
            return reservation
    return None


def _free(job: Job, most: int) -> list[int]:
    now = timezone.now()
    taken = JobClaim.objects.filter(Q(until__gt=now) | Q(tries_left=0), job=job.name, row_id=OuterRef("pk"))
    return list(job.due(now).filter(~Exists(taken)).values_list("pk", flat=True)[:most])


def _reserve(job: Job, candidates: list[int]) -> Reservation:
    """Those of the rows that are still free and due."""
    now, token = timezone.now(), uuid.uuid4()
    tries_left = _claim(job, candidates, token, now)
    # A row that another worker finished between the two statements was free to claim, but is not due.
    still_due = set(job.due(now).filter(pk__in=tries_left).values_list("pk", flat=True)) if tries_left else set()
    if gone := set(tries_left) - still_due:
        JobClaim.objects.filter(job=job.name, token=token, row_id__in=gone).delete()
    return Reservation(
        job,
        token,
        rows=[row_id for row_id in candidates if row_id in still_due],
        retried=frozenset(row_id for row_id in still_due if tries_left[row_id] < job.tries),
    )


def _claim(job: Job, row_ids: Sequence[int], token: uuid.UUID, now: datetime) -> dict[int, int]:
    """Claim those of the rows that are free: row id -> tries left."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO core_jobclaim (job, row_id, token, until, tries_left, last_error)
            SELECT %(job)s, row_id, %(token)s, %(until)s, %(tries)s, ''
            FROM unnest(%(rows)s::bigint[]) AS row_id
            ORDER BY row_id
            ON CONFLICT (job, row_id) DO UPDATE
            SET token = excluded.token, until = excluded.until, started_at = NULL
            WHERE core_jobclaim.until <= %(now)s AND core_jobclaim.tries_left > 0
            RETURNING row_id, tries_left
            """,
            {
                "job": job.name,
                "token": str(token),
                "until": now + job.lease,
                "tries": job.tries,
                "rows": list(row_ids),
                "now": now,
            },
        )
        return dict(cursor.fetchall())


def _try(reservation: Reservation, row_ids: list[int]) -> int:
    job = reservation.job
    token = uuid.uuid4()
    own = JobClaim.objects.filter(job=job.name, token=reservation.token, row_id__in=row_ids, tries_left__gt=0)
    now = timezone.now()
    # A new token: a message that a broker delivers twice finds nothing of its own any more (F29).
    started = own.update(token=token, started_at=now, until=now + job.lease, tries_left=F("tries_left") - 1)
    if not started:
        return 0
    claims = JobClaim.objects.filter(job=job.name, token=token)
    if started < len(row_ids):
        row_ids = [row_id for row_id in row_ids if row_id in set(claims.values_list("row_id", flat=True))]
    with _Lease(job, claims), Boundary(lambda error: _fail(job, claims, error)):
        job.run(row_ids if job.batch else row_ids[0])
        _succeed(job, claims, row_ids)
    return started


def _let_go(reservation: Reservation, row_ids: list[int]) -> None:
    own = JobClaim.objects.filter(job=reservation.job.name, token=reservation.token, row_id__in=row_ids)
    own.filter(tries_left=reservation.job.tries).delete()
    own.update(until=timezone.now())


class Boundary:
    """Where every error ends, as those of a view end in the request handler: one bad row must not stop
    the others. `on_error` gets the error and writes it down."""

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self.on_error = on_error

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, Exception):
            self.on_error(error)
            return True
        return False


def _succeed(job: Job, claims: QuerySet[JobClaim], row_ids: list[int]) -> None:
    now = timezone.now()
    still_due = list(job.due(now).filter(pk__in=row_ids).values_list("pk", flat=True))
    if still_due and not stopping():
        claims.filter(row_id__in=still_due).update(
            until=now + STILL_DUE_PAUSE, started_at=None, tries_left=job.tries, last_error=""
        )
        claims.exclude(row_id__in=still_due).delete()
    else:
        claims.delete()


def _fail(job: Job, claims: QuerySet[JobClaim], error: Exception) -> None:
    # A job may have died of its connection: the claim is written over a new one.
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    now = timezone.now()
    # What a batch finished before it failed is done.
    left = set(job.due(now).filter(pk__in=claims.values("row_id")).values_list("pk", flat=True))
    claims.exclude(row_id__in=left).delete()
    for claim in claims:
        logger.error("Job %s failed on row %s", job.name, claim.row_id, exc_info=error)
        pause = PAUSES[min(job.tries - claim.tries_left, len(PAUSES)) - 1]
        claims.filter(pk=claim.pk).update(
            until=now + pause if claim.tries_left else now,
            started_at=None,
            last_error=f"{type(error).__name__}: {error}"[:2000],
        )


class _Lease:
    """Renews the lease of the claims from a thread for as long as this process lives."""

    def __init__(self, job: Job, claims: QuerySet[JobClaim]) -> None:
        self.job, self.claims = job, claims
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._renew, name=f"lease of {job.name}", daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *raised: object) -> None:
        self.done.set()
        self.thread.join()

    def _renew(self) -> None:
        step = self.job.lease / 3
        for _renewal in range(int(RENEWED_AT_MOST / step)):
            if self.done.wait(step.total_seconds()):
                return
            try:
                self.claims.update(until=timezone.now() + self.job.lease)
            except Error:
                logger.warning("The lease of %s could not be renewed", self.job.name, exc_info=True)
            finally:
                connection.close()


def _add(new: Job) -> None:
    if new.name in _jobs:
        raise ValueError(f"Two jobs are called {new.name}")
    _jobs[new.name] = new


def _name(function: Callable[..., Any]) -> str:
    package = function.__module__
    for module in JOB_MODULES:
        package = package.removesuffix(f".{module}")
    return f"{package}.{function.__name__}"


def _chosen(only: Iterable[str]) -> list[Job]:
    wanted = set(only)
    known = registry()
    if unknown := wanted - known.keys():
        raise ValueError(f"No such job: {', '.join(sorted(unknown))}. There are: {', '.join(sorted(known))}.")
    return [each for name, each in known.items() if not wanted or name in wanted]


# --- Housekeeping -------------------------------------------------------------------------------


@clock("daily", at=time(3))
def tidy(slot: datetime) -> None:
    """Forget appointments kept long ago, and claims on rows that are due no more."""
    JobSlot.objects.filter(finished_at__lt=slot - SLOTS_KEPT).delete()
    for each in registry().values():
        idle = JobClaim.objects.idle(at=slot).filter(job=each.name)
        due = each.due(timezone.now()).filter(pk__in=list(idle.values_list("row_id", flat=True)))
        idle.exclude(row_id__in=list(due.values_list("pk", flat=True))).delete()
    JobClaim.objects.idle(at=slot).exclude(job__in=registry()).delete()
