"""A billing run by four workers over Redis against the same run by one.

The workers are Celery's, on a Redis of the measurement's own; the run is begun as staff and the clock
begin one, and cut into the same ranges. It is timed from the first range that is taken up to its end.
Meanwhile what the workers wait for is looked at every few milliseconds: the share of their time that
goes into waiting for the row of the number series.

    python benchmarks/run.py billing_workers [--short] [--profiles 100000] [--pairs 3]

`--short` is for CI: it fails on results, never on time.
"""

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, sleep

from billing_run import _SEED, LINES, check
from common import Wrong, execute, expect, own_database
from django.db import connection
from django.utils import timezone

from core.models import JobClaim
from core.periods import Month
from invoices.models import BillingRun, RunRange
from invoices.services.schedule import JOB, start_run

FOUR = 4
LOOKED_EVERY = 0.005


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="billing_workers", description=__doc__.split("\n")[0])
    parser.add_argument("--short", action="store_true", help="40,000 invoices, one pair")
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args(arguments)
    if not shutil.which("redis-server"):
        print("no redis-server is installed: apt install redis-server")
        return
    profiles, pairs = (40_000, 1) if options.short else (options.profiles, options.pairs)
    # Months that are over, so that the documents can be dated today; the first fills the tables and is not timed.
    first = Month.of(timezone.localdate()).plus(-2 - 2 * pairs)
    months = (first.plus(number) for number in range(2 * pairs + 1))
    with own_database(), redis() as url:
        execute(_SEED, {"profiles": profiles, "lines": LINES, "first": first.first})
        bill(next(months), profiles, url, workers=FOUR)
        ratios, waits = [], []
        for pair in range(pairs):
            seconds = {}
            for workers in (1, FOUR) if pair % 2 == 0 else (FOUR, 1):
                seconds[workers], waited = bill(next(months), profiles, url, workers=workers)
                if workers == FOUR:
                    waits.append(waited)
            ratios.append(seconds[1] / seconds[FOUR])
            print(f"one {profiles / seconds[1]:,.0f}/s, four {profiles / seconds[FOUR]:,.0f}/s", flush=True)
    print(
        f"billing run, {profiles:,} invoices: four workers {median(ratios):.2f}× one "
        f"(min {min(ratios):.2f}, max {max(ratios):.2f}, {pairs} pairs); "
        f"waiting for the number series: {median(waits):.1%} of their time"
    )


def bill(month: Month, profiles: int, url: str, *, workers: int) -> tuple[float, float]:
    """Seconds from the first range in hand to the end of the run, and the share of waiting for the series."""
    run = start_run(month, by=None)
    with celery(url, workers):
        wait_until(lambda: JobClaim.objects.filter(job=JOB, started_at__isnull=False).exists())
        began, busy, waiting = perf_counter(), 0, 0
        while not BillingRun.objects.filter(pk=run.pk, status="done").exists():
            sleep(LOOKED_EVERY)
            inside, waits = look()
            busy, waiting = busy + inside, waiting + waits
            if perf_counter() - began > 3600:
                raise Wrong("the run did not end within an hour")
        seconds = perf_counter() - began
    expect("documents by the control totals", documents(run), profiles)
    check(month, profiles)
    return seconds, waiting / busy if busy else 0.0


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
def celery(url: str, workers: int) -> Iterator[None]:
    """So many worker processes, with the scheduler among them, on the measurement's database."""
    given = connection.settings_dict
    host, port = given["HOST"] or "127.0.0.1", given["PORT"] or 5432
    secret = f":{given['PASSWORD']}" if given["PASSWORD"] else ""
    database = f"postgres://{given['USER']}{secret}@{host}:{port}/{given['NAME']}"
    environment = {**os.environ, "CELERY_BROKER_URL": url, "DATABASE_URL": database}
    command = [sys.executable, "-m", "celery", "-A", "billing_portal", "worker", "--beat", "--loglevel", "ERROR"]
    with tempfile.TemporaryDirectory() as folder:
        command += ["--concurrency", str(workers), "--schedule", f"{folder}/beat"]
        root = Path(__file__).resolve().parent.parent
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=root, env=environment, **quiet)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=120)


def wait_until(true: Callable[[], bool]) -> None:
    began = perf_counter()
    while not true():
        if perf_counter() - began > 60:
            raise Wrong("the workers did not come up")
        sleep(0.005)
