"""A billing run by four workers over Redis against the same run by one.

The workers are Celery's, on a Redis of the measurement's own; the run is begun as staff and the clock
begin one, and cut into the same ranges. It is timed from the first range that is taken up to its end.
Meanwhile what the workers wait for is looked at twenty times a second: the share of their time that
goes into waiting for the row of the number series. Before, a month is billed by workers that are killed
at random moments and started again: it comes to the same.

    python benchmarks/run.py billing_workers [--short] [--profiles 100000] [--pairs 3] [--kills 5] [--ranges-of 2000]

`--short` is for CI: it fails on results, never on time.
"""

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any
from urllib.parse import quote

from billing_run import check, credited, seed
from common import Wrong, expect, own_database
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from core.models import JobClaim
from core.periods import Month
from invoices.models import BillingRun, RunRange
from invoices.services import schedule
from invoices.services.run import seller_today
from invoices.services.schedule import JOB, start_run

FOUR = 4
# Seconds. More often, and who looks takes from the four what one leaves over.
LOOKED_EVERY = 0.05
LONGEST = 3600.0


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="billing_workers", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="40,000 invoices, one pair, two kills")
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--kills", type=int, default=5, help="how often all workers are killed in one run")
    parser.add_argument("--ranges-of", type=int, default=schedule.RANGE, help="how many profiles are in a range")
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which they are killed")
    options = parser.parse_args(arguments)
    if not shutil.which("redis-server"):
        print("no redis-server is installed: apt install redis-server")
        return
    if options.short:
        options.profiles, options.pairs, options.kills = 40_000, 1, 2
    profiles, pairs = options.profiles, options.pairs
    schedule.RANGE = options.ranges_of
    # Months that are over, so that the documents can be dated today; the first two are not timed.
    first = Month.of(timezone.localdate()).plus(-2 - 2 * pairs)
    months = (first.plus(number) for number in range(2 * pairs + 2))
    with own_database(), redis() as url:
        seed(profiles, first)
        # The first fills the tables.
        wanted = bill(next(months), profiles, url, workers=FOUR).facts
        killed = bill_and_kill(next(months), profiles, url, options.kills, random.Random(options.seed))  # noqa: S311 no secret
        expect("what came of a run that was killed", killed, wanted)
        ratios, waits = [], []
        for pair in range(pairs):
            seconds = {}
            for workers in (1, FOUR) if pair % 2 == 0 else (FOUR, 1):
                billed = bill(next(months), profiles, url, workers=workers)
                expect("what came of a run", billed.facts, wanted)
                seconds[workers] = billed.seconds
                if workers == FOUR:
                    waits.append(billed.waited)
            ratios.append(seconds[1] / seconds[FOUR])
            print(f"one {profiles / seconds[1]:,.0f}/s, four {profiles / seconds[FOUR]:,.0f}/s", flush=True)
    print(
        f"billing run, {profiles:,} invoices: four workers {median(ratios):.2f}× one "
        f"(min {min(ratios):.2f}, max {max(ratios):.2f}, {pairs} pairs); "
        f"waiting for the number series: {median(waits):.1%} of their time"
    )


@dataclass(frozen=True)
class Billed:
    """Seconds from the first range in hand to the end of the run, the share of waiting for the series, and what came
    of it."""

    seconds: float
    waited: float
    facts: dict[str, Any]


def bill(month: Month, profiles: int, url: str, *, workers: int) -> Billed:
    run = begin(month)
    with celery(url, workers):
        wait_until(lambda: JobClaim.objects.filter(job=JOB, started_at__isnull=False).exists())
        began, busy, waiting = perf_counter(), 0, 0
        while not is_over(run):
            sleep(LOOKED_EVERY)
            inside, waits = look()
            busy, waiting = busy + inside, waiting + waits
            if perf_counter() - began > LONGEST:
                raise Wrong("the run did not end within an hour")
        seconds = perf_counter() - began
    return Billed(seconds, waiting / busy if busy else 0.0, outcome(run, month, profiles))


def bill_and_kill(month: Month, profiles: int, url: str, kills: int, chance: random.Random) -> dict[str, Any]:
    """Kill all workers at random moments of one run, so many times, and let the last ones end it; what came of it."""
    run, died = begin(month), 0
    while not is_over(run):
        done = progress(run)
        with celery(url, FOUR) as kill:
            if died == kills:
                wait_until(lambda: is_over(run), LONGEST)
                break
            # Somewhere in the chunk after the next one that is committed.
            wait_until(lambda done=done: progress(run) > done or is_over(run), LONGEST)
            sleep(chance.uniform(0, 2))
            kill()
        died += 1
        wait_until(lambda: look() == (0, 0), LONGEST)
        # What the dead had in hand is free when its lease ends; nobody waits for that here.
        JobClaim.objects.update(until=timezone.now())
    print(f"{profiles:,} invoices by workers that were killed {died} times", flush=True)
    return outcome(run, month, profiles)


def begin(month: Month) -> BillingRun:
    credited(month, on=seller_today())
    return start_run(month, by=None)


def is_over(run: BillingRun) -> bool:
    return BillingRun.objects.filter(pk=run.pk, status="done").exists()


def progress(run: BillingRun) -> int:
    return RunRange.objects.filter(run=run).aggregate(done=Sum("profiles_done"))["done"]


def outcome(run: BillingRun, month: Month, profiles: int) -> dict[str, Any]:
    expect("documents by the control totals", documents(run), profiles)
    expect("profiles that the run counted", progress(run), profiles)
    return check(month, profiles)


def documents(run: BillingRun) -> int:
    return sum(row["documents"] for row in RunRange.objects.filter(run=run).control_totals())


def look() -> tuple[int, int]:
    """How many other connections are inside a transaction now, and how many of them wait for the series."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK)
        return cursor.fetchone()


_LOOK = """
SELECT count(*), count(*) FILTER (WHERE wait_event_type = 'Lock' AND query LIKE '%invoices_numberseries%')
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IN ('active', 'idle in transaction')
"""


@contextmanager
def redis() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


@contextmanager
def celery(url: str, workers: int) -> Iterator[Callable[[], None]]:
    """So many worker processes, with the scheduler among them, on the measurement's database; what kills them all."""
    root = Path(__file__).resolve().parent.parent
    environment = {
        **os.environ,
        "CELERY_BROKER_URL": url,
        "DATABASE_URL": address_of_database(),
        "PYTHONPATH": str(root / "benchmarks"),
    }
    command = [sys.executable, "-m", "celery", "-A", "billing_only", "worker", "--beat", "--loglevel", "ERROR"]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "said").open("w+b") as said:
        command += ["--concurrency", str(workers), "--schedule", f"{folder}/beat"]
        process = subprocess.Popen(command, cwd=root, env=environment, stdout=said, stderr=said, start_new_session=True)

        def kill() -> None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

        try:
            yield kill
        except Wrong:
            said.seek(0)
            print(said.read().decode(errors="replace")[-2000:])
            raise
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=120)


def address_of_database() -> str:
    given = connection.settings_dict
    secret = f":{quote(given['PASSWORD'], safe='')}" if given["PASSWORD"] else ""
    # The embedded server answers on a socket.
    if socket_folder := given["OPTIONS"].get("host"):
        return f"postgres://{given['USER']}{secret}@/{given['NAME']}?host={socket_folder}"
    return f"postgres://{given['USER']}{secret}@{given['HOST'] or '127.0.0.1'}:{given['PORT'] or 5432}/{given['NAME']}"


def wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    began = perf_counter()
    while not true():
        if perf_counter() - began > seconds:
            raise Wrong("what was waited for did not happen")
        sleep(0.005)
