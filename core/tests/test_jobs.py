"""The registry of jobs: what is taken, by whom, and what becomes of failures (I32, F28, F29)."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from core import jobs
from core.messages import MailClass, queue_message
from core.models import JobClaim, JobSlot, Message

START = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def registered(monkeypatch) -> Callable[..., jobs.Job]:
    """Registers a job over messages whose status is `queued`, for this test alone."""
    jobs.registry()
    monkeypatch.setattr(jobs, "_jobs", {})
    monkeypatch.setattr(jobs, "_clocks", {})

    def register(function: Callable, **options) -> jobs.Job:
        waiting = options.pop("due", lambda now: Message.objects.filter(status="queued").order_by("pk"))
        jobs.job(due=waiting, **options)(function)
        return jobs.registry()[f"core.tests.test_jobs.{function.__name__}"]

    return register


def rows(count: int) -> list[int]:
    return [
        queue_message(
            to="a@x.example", template="test_mail", mail_class=MailClass.SERVICE, language="en", context={}
        ).pk
        for _ in range(count)
    ]


def done(*row_ids: int) -> None:
    Message.objects.filter(pk__in=row_ids).update(status="withdrawn")


# --- The good path ------------------------------------------------------------------------------


def test_job_gets_each_due_row_once_in_order_and_leaves_no_claim(registered):
    ran = []

    def work(row_id):
        ran.append(row_id)
        done(row_id)

    registered(work)
    waiting = rows(45)

    assert jobs.run_due() == 45
    assert ran == waiting
    assert not JobClaim.objects.exists()


def test_batch_job_gets_at_most_so_many_rows_at_once(registered):
    sizes = []

    def work(row_ids):
        sizes.append(len(row_ids))
        done(*row_ids)

    registered(work, batch=10)
    rows(25)

    jobs.run_due()

    assert sizes == [10, 10, 5]


def test_limit_ends_the_run_and_leaves_the_rest_due(registered):
    registered(lambda row_ids: done(*row_ids), batch=10)
    rows(25)

    assert jobs.run_due(limit=10) == 10
    assert Message.objects.filter(status="queued").count() == 15


def test_only_the_named_job_runs(registered):
    ran = []
    for name in ("first", "second"):

        def work(row_id, name=name):
            ran.append(name)
            done(row_id)

        work.__name__ = name
        registered(work)
    rows(1)

    jobs.run_due(only=["core.tests.test_jobs.second"])

    assert ran == ["second"]


def test_unknown_job_is_refused_with_the_known_names(registered):
    registered(done)

    with pytest.raises(ValueError, match=r"No such job: nope\. There are: core\.tests\.test_jobs\.done"):
        jobs.run_due(only=["nope"])


def test_two_jobs_of_one_name_are_refused(registered):
    registered(done)

    with pytest.raises(ValueError, match="Two jobs are called"):
        registered(done)


def test_rows_are_taken_with_few_statements(registered, django_assert_num_queries):
    registered(lambda row_ids: None, batch=100, due=lambda now: Message.objects.filter(status="queued"))
    rows(100)

    # What waits; due, claim, still due; start; still due, pause those, delete the others; then nothing waits any more.
    with django_assert_num_queries(9):
        jobs.run_due()


def test_whoever_looks_for_work_asks_for_all_jobs_in_one_statement(django_assert_num_queries):
    """With nothing to do, of the real registry; with a row to do, that of its job alone is taken."""
    with django_assert_num_queries(1):
        assert jobs.run_due() == 0
    queued = queue_message(
        to="a@x.example", template="test_mail", mail_class=MailClass.SERVICE, language="en", context={}
    )

    assert [job.name for job in jobs.waiting()] == ["core.send_messages"]
    JobClaim.objects.create(
        job="core.send_messages", row_id=queued.pk, token=uuid4(), until=timezone.now() + jobs.LEASE, tries_left=5
    )
    assert jobs.waiting() == []

    slots = [JobSlot.objects.create(job="core.tidy", slot=START + timedelta(days=day)) for day in (0, 1)]
    assert [job.name for job in jobs.waiting()] == ["core.tidy"]
    JobSlot.objects.filter(pk=slots[0].pk).update(finished_at=START)
    JobClaim.objects.create(
        job="core.tidy", row_id=slots[1].pk, token=uuid4(), until=timezone.now() + jobs.LEASE, tries_left=5
    )
    assert jobs.waiting() == []


# --- Failures -----------------------------------------------------------------------------------


def test_I32_failing_row_does_not_stop_the_others_and_is_logged_once(registered, caplog):
    ran = []

    def work(row_id):
        if row_id == bad:
            raise ZeroDivisionError("no way")
        ran.append(row_id)
        done(row_id)

    registered(work)
    first, bad, last = rows(3)

    jobs.run_due()

    assert ran == [first, last]
    [claim] = JobClaim.objects.all()
    assert (claim.row_id, claim.last_error) == (bad, "ZeroDivisionError: no way")
    assert caplog.messages == [f"Job core.tests.test_jobs.work failed on row {bad}"]


def test_I32_failing_row_is_tried_five_times_with_growing_pauses_then_left_alone(registered):
    tried_at = []

    def work(row_id):
        tried_at.append(timezone.now())
        raise ZeroDivisionError

    registered(work)
    with time_machine.travel(START, tick=False) as clock:
        rows(1)
        for minute in range(600):
            clock.move_to(START + timedelta(minutes=minute))
            jobs.run_due()

        assert [(moment - START) // timedelta(minutes=1) for moment in tried_at] == [0, 1, 6, 21, 81]
        assert JobClaim.objects.stopped(at=timezone.now()).count() == 1
        assert JobClaim.objects.failing().count() == 0


def test_I32_stopped_row_is_tried_again_when_its_claim_is_deleted(registered):
    ran = []
    registered(lambda row_id: [ran.append(row_id), done(row_id)])
    [row] = rows(1)
    JobClaim.objects.create(
        job="core.tests.test_jobs.<lambda>", row_id=row, token=uuid4(), until=timezone.now(), tries_left=0
    )

    jobs.run_due()
    assert ran == []
    JobClaim.objects.all().delete()
    jobs.run_due()

    assert ran == [row]


def test_I32_rows_of_a_failed_batch_are_then_tried_one_by_one(registered):
    portions = []

    def work(row_ids):
        portions.append(row_ids)
        if bad in row_ids:
            raise ZeroDivisionError
        done(*row_ids)

    registered(work, batch=10)
    with time_machine.travel(START, tick=False) as clock:
        one, bad, three = rows(3)
        jobs.run_due()
        clock.move_to(START + timedelta(minutes=1))
        jobs.run_due()

    assert portions == [[one, bad, three], [one], [bad], [three]]
    assert list(JobClaim.objects.values_list("row_id", flat=True)) == [bad]


def test_job_that_leaves_its_row_due_does_not_spin(registered):
    ran = []
    registered(lambda row_id: ran.append(row_id))
    with time_machine.travel(START, tick=False) as clock:
        rows(1)
        jobs.run_due()
        jobs.run_due()
        assert len(ran) == 1
        clock.move_to(START + timedelta(minutes=1))
        jobs.run_due()

    assert len(ran) == 2
    assert JobClaim.objects.get().tries_left == jobs.TRIES


def test_row_that_another_worker_finished_is_let_go(registered):
    """Between looking for due rows and claiming them, somebody else may have done one."""
    ran = []
    looks = []

    def due(now):
        looks.append(now)
        if len(looks) == 2:
            done(row)
        return Message.objects.filter(status="queued")

    registered(lambda row_id: ran.append(row_id), due=due)
    [row] = rows(1)

    jobs.run_due()

    assert ran == []
    assert not JobClaim.objects.exists()


def test_F28_who_comes_second_to_the_first_rows_takes_the_next_ones(registered, monkeypatch):
    job = registered(lambda row_ids: done(*row_ids), batch=2)
    waiting, claim, first, looks = rows(6), jobs._claim, [], iter(range(2))

    def claim_after_somebody_else(*given):
        if next(looks, None) is not None:  # between the look at the queue and the claim, twice
            first.append(jobs.reserve(job))
        return claim(*given)

    monkeypatch.setattr(jobs, "_claim", claim_after_somebody_else)

    late = jobs.reserve(job)

    assert sorted(row for each in (*first, late) for row in each.rows) == waiting
    assert [len(each.rows) for each in (*first, late)] == [2, 2, 2]


def test_stop_ends_after_the_row_in_hand_and_lets_the_others_go(registered):
    ran = []

    def work(row_id):
        ran.append(row_id)
        done(row_id)
        jobs.stop()

    registered(work)
    first, *others = rows(3)

    jobs.run_due()
    assert (ran, JobClaim.objects.count()) == ([first], 0)
    jobs.resume()
    jobs.run_due()
    jobs.resume()
    jobs.run_due()
    jobs.resume()

    assert ran == [first, *others]


# --- Several at once, on committed rows ---------------------------------------------------------


def in_threads(count: int, work: Callable[[], None]) -> None:
    together = threading.Barrier(count)

    def start() -> None:
        together.wait()
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batch", [0, 7])
def test_F28_six_workers_run_each_row_once(registered, batch):
    ran = []

    def work(found):
        row_ids = found if batch else [found]
        time.sleep(0.001)
        ran.extend(row_ids)
        done(*row_ids)

    registered(work, batch=batch)
    waiting = rows(150)

    in_threads(6, jobs.run_due)
    jobs.run_due()

    assert sorted(ran) == waiting
    assert not JobClaim.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_F28_six_schedulers_keep_one_appointment_once(registered):
    ran = []

    @jobs.clock("daily", at=clock_time(6))
    def remind(slot: datetime) -> None:
        time.sleep(0.05)
        ran.append(slot)

    def work() -> None:
        for _ in range(5):
            jobs.tick()
            jobs.run_due()

    in_threads(6, work)

    assert len(ran) == 1
    assert ran == [JobSlot.objects.get().slot]
    assert (ran[0].hour, ran[0].tzinfo) == (6, UTC)


@pytest.mark.django_db(transaction=True)
def test_lease_of_a_dead_worker_ends_and_that_of_a_living_one_is_renewed(registered):
    working, finish, ran = threading.Event(), threading.Event(), []

    def work(row_id):
        ran.append(row_id)
        working.set()
        finish.wait()
        done(row_id)

    job = registered(work, lease=timedelta(seconds=0.6))
    rows(1)
    worker = threading.Thread(target=lambda: (jobs.run_due(), connection.close()))
    worker.start()
    working.wait()

    time.sleep(1.2)
    assert jobs.reserve(job) is None
    finish.set()
    worker.join()

    assert len(ran) == 1


def test_I32_row_of_a_dead_worker_is_taken_up_when_the_lease_ends(registered):
    ran = []
    job = registered(lambda row_id: [ran.append(row_id), done(row_id)])
    with time_machine.travel(START, tick=False) as clock:
        [row] = rows(1)
        jobs.reserve(job)  # and then the worker dies
        clock.move_to(START + jobs.LEASE - timedelta(seconds=1))
        jobs.run_due()
        assert ran == []
        clock.move_to(START + jobs.LEASE)
        jobs.run_due()

    assert ran == [row]
    assert timedelta(minutes=5) > jobs.LEASE


def test_I32_row_that_kills_its_worker_each_time_is_left_alone_after_five(registered):
    def die(row_id):
        raise KeyboardInterrupt  # nothing is written down, as with kill -9

    registered(die)
    with time_machine.travel(START, tick=False) as clock:
        rows(1)
        deaths = 0
        for minute in range(60):
            clock.move_to(START + timedelta(minutes=minute))
            try:
                jobs.run_due()
            except KeyboardInterrupt:
                deaths += 1

        assert deaths == 5
        assert JobClaim.objects.stopped(at=timezone.now()).count() == 1


def test_F29_reservation_delivered_twice_runs_once(registered):
    ran = []
    job = registered(lambda row_id: ran.append(row_id))
    rows(3)
    reservation = jobs.reserve(job)

    assert jobs.run_reserved(reservation) == 3
    assert jobs.run_reserved(reservation) == 0
    assert len(ran) == 3


def test_F29_reservation_that_ran_out_and_went_to_another_does_nothing(registered):
    ran = []
    job = registered(lambda row_id: [ran.append(row_id), done(row_id)])
    with time_machine.travel(START, tick=False) as clock:
        [row] = rows(1)
        late = jobs.reserve(job)
        clock.move_to(START + jobs.LEASE)
        second = jobs.reserve(job)

        assert jobs.run_reserved(late) == 0
        assert jobs.run_reserved(second) == 1

    assert ran == [row]


# --- The clock ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "at", "now", "slot"),
    [
        ("hourly", clock_time(0), "2026-11-20T09:30:00+00:00", "2026-11-20T09:00:00+00:00"),
        ("hourly", clock_time(0, 45), "2026-11-20T09:30:00+00:00", "2026-11-20T08:45:00+00:00"),
        ("hourly", clock_time(0, 30), "2026-11-20T09:30:00+00:00", "2026-11-20T09:30:00+00:00"),
        ("hourly", clock_time(0, 45), "2026-11-20T00:30:00+00:00", "2026-11-19T23:45:00+00:00"),
        ("daily", clock_time(6), "2026-11-20T09:30:00+00:00", "2026-11-20T06:00:00+00:00"),
        ("daily", clock_time(6), "2026-11-20T05:59:59+00:00", "2026-11-19T06:00:00+00:00"),
        ("daily", clock_time(0), "2026-11-20T00:30:00+01:00", "2026-11-19T00:00:00+00:00"),
    ],
)
def test_slot_is_the_latest_appointment_that_has_come(every, at, now, slot):
    clock = jobs.Clock("name", every, at)

    assert clock.slot(datetime.fromisoformat(now)) == datetime.fromisoformat(slot)


def test_appointment_is_kept_once_per_slot_and_again_in_the_next(registered):
    kept = []

    @jobs.clock("hourly")
    def sweep(slot: datetime) -> None:
        kept.append(slot)

    with time_machine.travel(START, tick=False) as clock:
        for minute in range(0, 120, 10):
            clock.move_to(START + timedelta(minutes=minute))
            jobs.tick()
            jobs.run_due()

    assert [slot.hour for slot in kept] == [9, 10, 11]
    assert JobSlot.objects.filter(finished_at__isnull=True).count() == 0


def test_appointment_that_failed_is_kept_later_also_when_its_hour_has_passed(registered, caplog):
    kept = []

    @jobs.clock("hourly")
    def sweep(slot: datetime) -> None:
        kept.append(slot.hour)
        if len(kept) == 1:
            raise ZeroDivisionError

    with time_machine.travel(START + timedelta(minutes=29, seconds=30), tick=False) as clock:
        jobs.tick()
        jobs.run_due()
        clock.shift(timedelta(minutes=1))
        jobs.tick()
        jobs.run_due()

    assert kept == [9, 9, 10]


def test_ticking_again_writes_nothing(registered, django_assert_num_queries):
    jobs.clock("hourly")(lambda slot: None)
    jobs.tick(START)

    with django_assert_num_queries(1):
        jobs.tick(START)


def test_tidying_keeps_what_is_due_or_in_hand_and_forgets_the_rest(registered):
    def fail(row_id):
        raise ZeroDivisionError

    job = registered(fail)
    with time_machine.travel(START, tick=False) as clock:
        settled, failing, held = rows(3)
        jobs.run_due()
        clock.move_to(START + timedelta(seconds=30))
        done(settled)
        JobClaim.objects.filter(row_id=held).delete()
        jobs.reserve(job)
        JobClaim.objects.create(job="of.yesterday", row_id=1, token=uuid4(), until=START, tries_left=0)
        JobSlot.objects.create(job="core.tidy", slot=START, finished_at=START - timedelta(days=60, seconds=1))
        recent = JobSlot.objects.create(job="core.tidy", slot=START - timedelta(days=60), finished_at=START)

        jobs.tidy(START)

    assert set(JobClaim.objects.values_list("row_id", flat=True)) == {failing, held}
    assert list(JobSlot.objects.all()) == [recent]


def test_real_registry_holds_every_job_under_its_app():
    names = jobs.registry().keys()

    assert "core.send_messages" in names
    assert {name.split(".")[0] for name in names} <= {
        "core", "accounts", "profiles", "subscriptions", "invoices", "payments", "billing_portal",
    }  # fmt: skip


# Tables of a handful of rows, whatever the vendor's size.
SMALL = {"accounts_servicenotice", "payments_gatewayhealth"}


def test_no_job_walks_a_whole_table_to_find_its_rows():
    """Workers look twice a second: each finds what is due by an index on just that, as PostgreSQL plans it once it is
    told to do without walking."""
    walked = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL")
        of_some_rows = {name for (name,) in cursor.fetchall()}
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        for job in jobs.registry().values():
            due, values = job.due(timezone.now()).order_by().values("pk").query.sql_with_params()
            cursor.execute(f"EXPLAIN (FORMAT JSON) {due}", values)
            for step in steps(cursor.fetchone()[0][0]["Plan"]):
                is_whole = "Index Cond" not in step and step.get("Index Name", "") not in of_some_rows
                if "Relation Name" in step and is_whole and step["Relation Name"] not in SMALL:
                    walked.append((job.name, step["Relation Name"]))

    assert walked == []


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan, and all within it."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from steps(inner)
