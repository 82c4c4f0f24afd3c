"""What every measurement shares: Django set up, a world of any size, ours and the limit in turn, and the table.

A measurement checks its result by SQL before it times anything, runs ours and the limit alternately in
one go, and quotes the ratio of each pair: machines differ and are noisy, the ratio does not.
"""

import gc
import os
import resource
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter

import django

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_portal.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402


class Wrong(AssertionError):
    """A result that is not what it should be. Nothing is timed then."""


@dataclass
class Comparison:
    """Seconds of ours and of the limit, pair by pair. A ratio of 1 is as fast as the limit."""

    name: str
    unit: str
    ours: list[float] = field(default_factory=list)
    limit: list[float] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        return [limit / ours for ours, limit in zip(self.ours, self.limit, strict=True)]

    def line(self, count: int) -> str:
        ratios = self.ratios
        return (
            f"{self.name}: ours {count / statistics.median(self.ours):,.0f} {self.unit}/s, "
            f"limit {count / statistics.median(self.limit):,.0f} {self.unit}/s, "
            f"ratio {statistics.median(ratios):.2f} (min {min(ratios):.2f}, max {max(ratios):.2f}, {len(ratios)} pairs)"
        )


def compare(
    name: str,
    unit: str,
    ours: Callable[..., None],
    limit: Callable[..., None],
    *,
    pairs: int = 3,
    before: Callable[[], object] | None = None,
) -> Comparison:
    """Run both in turn, each first in every other pair. What `before` makes, untimed, is handed to the next one."""
    found = Comparison(name, unit)
    for pair in range(pairs):
        order = [(found.ours, ours), (found.limit, limit)]
        for seconds, work in order if pair % 2 == 0 else reversed(order):
            seconds.append(timed(partial(work, before()) if before else work))
    return found


def timed(work: Callable[[], None]) -> float:
    gc.collect()
    began = perf_counter()
    work()
    return perf_counter() - began


class Counter:
    """Counts the statements of this process, exactly: every execute, COPY included."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute, sql, params, many, context):
        self.count += 1
        return execute(sql, params, many, context)


@contextmanager
def counted() -> Iterator[Counter]:
    counter = Counter()
    with connection.execute_wrapper(counter):
        yield counter


def peak_megabytes() -> float:
    """The most memory this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def browser() -> Client:
    """Somebody's browser, behind the proxy that ends HTTPS: what comes without is only redirected in production."""
    return Client(SERVER_NAME=settings.ALLOWED_HOSTS[0], headers={"x-forwarded-proto": "https"})


def scalar(sql: str, values: object = None) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone()[0]


def execute(sql: str, values: object = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {found!r}, not {wanted!r}")


@contextmanager
def own_database() -> Iterator[None]:
    """A database of the measurement alone, beside that of DATABASE_URL: every table empty and analysed as such,
    the worst that a run can start from. It is dropped at the end."""
    given = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"bench_{os.getpid()}"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        execute("ANALYZE")
        yield
    finally:
        connection.creation.destroy_test_db(given, verbosity=0)
