"""Runs at once, runs that die: one invoice per profile and month, numbers without a gap (F01, F28, M1, M2).

On committed transactions; the other runs are processes of their own, as a scheduler starts them.
"""

import random
import signal
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import Max, Sum
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from core.models import JobClaim
from core.periods import Month
from core.testing import start_process, wait_until
from invoices.models import (
    BillingPeriod,
    BillingRun,
    Charge,
    ChargeImport,
    Dispatch,
    Document,
    Invoice,
    InvoiceLine,
    NumberSeries,
    RunRange,
)
from invoices.services import schedule
from invoices.services.run import run_billing, seller_today
from invoices.services.schedule import start_run
from invoices.tests.factories import ChargeFactory, imported_subscription
from invoices.tests.focus_files import focus
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Subscription
from subscriptions.tests.factories import PriceFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)

OCTOBER, FIFTH = Month(2026, 10), date(2026, 11, 5)
COMMAND = ("manage.py", "run_billing", "--period", "2026-10", "--on", "2026-11-05", "--chunk", "7")

WORKER = ("manage.py", "work", "--only", "invoices.bill_ranges", "--poll", "0.05")


def customers(count: int) -> list[BillingProfile]:
    """Profiles with a subscription and a charge each."""
    SellerFactory()
    account, price = BillingAccountFactory(owner=UserFactory()), PriceFactory()
    profiles = [
        BillingProfileFactory(account=account, created_at=datetime(2026, 10, 1, tzinfo=UTC)) for _ in range(count)
    ]
    for number, profile in enumerate(profiles):
        SubscriptionFactory(
            profile=profile, price=price, unit_price=Decimal(number) + Decimal("0.5"), started_on=date(2026, 10, 3)
        )
        ChargeFactory(subscription=imported_subscription(profile, f"sub-{number}"))
    return profiles


def everything_is_billed_once(profiles: list[BillingProfile]) -> None:
    invoices = Invoice.objects.order_by("number")
    assert Counter(invoices.values_list("profile", flat=True)) == Counter(profile.pk for profile in profiles)
    assert [invoice.number for invoice in invoices] == [f"G{place:09}" for place in range(1, len(profiles) + 1)]
    assert NumberSeries.objects.get(kind="invoice").next_number == len(profiles) + 1
    assert BillingPeriod.objects.count() == len(profiles)
    assert (Document.objects.count(), Dispatch.objects.count()) == (len(profiles), len(profiles))
    assert InvoiceLine.objects.count() == 2 * len(profiles)
    assert not Charge.objects.filter(line=None).exists()
    call_command("check_invariants", verbosity=0)


def test_F28_M2_runs_at_once_of_which_one_is_killed_bill_every_profile_once(long: bool):
    profiles = customers(300 if long else 40)
    runs = [start_process(*COMMAND) for _ in range(8 if long else 3)]
    # When the first invoices stand, somewhere in the middle of whatever it is doing.
    wait_until(lambda: Invoice.objects.exists())
    time.sleep(random.uniform(0, 0.1))

    runs[0].send_signal(signal.SIGKILL)
    said = [run.communicate(timeout=120)[0] for run in runs]

    # Whether or not the killed one was done by then, the others left nothing undone.
    assert [run.returncode for run in runs[1:]] == [0] * (len(runs) - 1), said
    everything_is_billed_once(profiles)


def test_imports_of_one_file_at_once_take_it_once(tmp_path, long: bool):
    UserFactory(email="owner@alfa.example")
    file = tmp_path / "charges.csv"
    file.write_bytes(
        focus(*[{"SubAccountId": f"sub-{number % 7}", "ResourceId": f"machine-{number}"} for number in range(500)])
    )
    command = ("manage.py", "import_charges", str(file), "--create-missing", "--country", "US")

    imports = [start_process(*command, "--owner", "owner@alfa.example") for _ in range(5 if long else 2)]

    said = [each.communicate(timeout=300)[0] for each in imports]
    assert {each.returncode for each in imports} == {0}, said
    assert (Charge.objects.count(), ChargeImport.objects.count(), Subscription.objects.count()) == (500, 1, 7)
    assert sum("500 imported" in text for text in said) == 1


def test_F01_a_run_killed_while_it_numbers_leaves_nothing_and_the_next_one_bills_all():
    profiles = customers(10)
    run_billing(OCTOBER, on=FIFTH, among=BillingProfile.objects.filter(pk=profiles[0].pk))
    with transaction.atomic():
        # Everything is written by then but the numbers, for which it waits.
        NumberSeries.objects.select_for_update().get(kind="invoice")
        run = start_process(*COMMAND)
        wait_until(somebody_waits_for_a_lock)
        assert BillingPeriod.objects.count() == 1
        run.send_signal(signal.SIGKILL)
        run.communicate()
    wait_until(lambda: not somebody_is_inside())
    assert (Invoice.objects.count(), BillingPeriod.objects.count(), Charge.objects.filter(line=None).count()) == (
        1,
        1,
        9,
    )
    assert BillingRun.objects.filter(status="running").count() == 1

    RunRange.objects.filter(status="waiting").update(heard_at=timezone.now() - timedelta(hours=1))
    run_billing(OCTOBER, on=FIFTH)

    everything_is_billed_once(profiles)
    assert set(BillingRun.objects.values_list("status", flat=True)) == {"done", "stopped"}


@pytest.mark.long(sample=1)
@pytest.mark.parametrize("seed", range(50))
def test_F01_workers_killed_at_random_points_and_started_again_come_to_the_same(seed: int, monkeypatch):
    """Of a run in ranges, as the clock and staff begin it; the control totals are exact, whoever died."""
    monkeypatch.setattr(schedule, "RANGE", 5)
    chance = random.Random(seed)
    profiles = customers(20)
    run = start_run(OCTOBER, by=None)

    for _death in range(2):
        worker = start_process(*WORKER)
        issued = Invoice.objects.count()
        wait_until(lambda issued=issued: Invoice.objects.count() > issued or is_over(run))
        time.sleep(chance.uniform(0, 0.15))
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        wait_until(lambda: not somebody_is_inside())
        # What a dead one had in hand is free again when its lease ends; nobody waits for that here.
        JobClaim.objects.update(until=timezone.now())
    last = start_process(*WORKER)
    wait_until(lambda: is_over(run))
    last.send_signal(signal.SIGTERM)
    last.communicate()

    everything_is_billed_once(profiles)
    [total] = RunRange.objects.filter(run=run).control_totals()
    sums = Invoice.objects.aggregate(net=Sum("net_minor"), vat=Sum("vat_minor"), last=Max("number"))
    assert (total["documents"], total["net_minor"], total["vat_minor"]) == (20, sums["net"], sums["vat"])
    assert (total["first_number"], total["last_number"]) == ("G000000001", sums["last"])
    assert BillingRun.objects.with_progress().get().profiles_done == 20


def is_over(run: BillingRun) -> bool:
    return BillingRun.objects.filter(pk=run.pk, status="done").exists()


def test_F28_schedulers_at_once_begin_one_run_and_share_it(long: bool):
    profiles, schedulers = customers(12), 5 if long else 2
    BillingProfile.objects.update(invoice_day=1)
    last = Month.of(seller_today()).previous

    scheduler = ("manage.py", "work", "--once", "--only", "invoices.start_billing")
    workers = [start_process(*scheduler) for _ in range(schedulers)]
    said = [worker.communicate(timeout=120)[0] for worker in workers]
    workers.append(start_process("manage.py", "work", "--once", "--only", "invoices.bill_ranges"))
    said += [worker.communicate(timeout=120)[0] for worker in workers[schedulers:]]

    assert {worker.returncode for worker in workers} == {0}, said
    months = {BillingPeriod.objects.filter(profile=profile).count() for profile in profiles}
    assert months == {(last.year - 2026) * 12 + last.number - 9}
    assert BillingRun.objects.count() == 1
    call_command("check_invariants", verbosity=0)


def test_F01_a_run_that_dies_at_any_statement_is_finished_by_the_next(long: bool):
    """By default at every third."""
    profiles, last = customers(3), 0
    for step in range(1, 200, 1 if long else 3):
        run_until(step)
        numbered = NumberSeries.objects.filter(kind="invoice").values_list("next_number", flat=True).first() or 1
        assert Invoice.objects.count() == BillingPeriod.objects.count() == numbered - 1
        assert not Invoice.objects.filter(status="draft").exists()
        last = step
        if Invoice.objects.exists():
            break
    assert last > 25
    everything_is_billed_once(profiles)
    run_billing(OCTOBER, on=FIFTH)
    everything_is_billed_once(profiles)


def test_I8_the_number_series_is_locked_by_the_last_statements_alone(django_assert_num_queries):
    """While another run holds the series, this one has written all but the numbers."""
    customers(3)
    seen: list[str] = []

    with connection.execute_wrapper(lambda execute, sql, *rest: (seen.append(sql), execute(sql, *rest))[1]):
        run_billing(OCTOBER, on=FIFTH)

    taken = next(place for place, sql in enumerate(seen) if "SET next_number" in sql)
    # The control totals carry the numbers, and nobody else writes in the same row.
    written = [
        place for place, sql in enumerate(seen) if "INSERT INTO invoices_" in sql and "invoices_runtotal" not in sql
    ]
    assert max(written) < taken
    assert seen[taken - 1] == "SET CONSTRAINTS ALL IMMEDIATE"
    # The planner is told of the first chunk when it is committed.
    ends = next(place for place, sql in enumerate(seen) if sql.startswith("ANALYZE"))
    assert [" ".join(sql.split()[:3]) for sql in seen[taken + 1 : ends]] == [
        "UPDATE invoices_invoice i",
        "INSERT INTO invoices_runtotal",
    ]


class Killed(BaseException):
    """What a dead process does not catch either."""


def run_until(step: int) -> None:
    """A run that dies before its statement of that number."""
    count = 0

    def die_at_step(execute, sql, params, many, context):
        nonlocal count
        count += 1
        if count >= step:
            raise Killed
        return execute(sql, params, many, context)

    with dying(), connection.execute_wrapper(die_at_step):
        run_billing(OCTOBER, on=FIFTH)


@contextmanager
def dying():
    try:
        yield
    except Killed:
        connection.close()


def somebody_waits_for_a_lock() -> bool:
    return _activity("wait_event_type = 'Lock'")


def somebody_is_inside() -> bool:
    return _activity("state <> 'idle'")


def _activity(condition: str) -> bool:
    with connection.cursor() as cursor:
        # Within a transaction it would tell the same again and again.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            f" AND pid <> pg_backend_pid() AND {condition}"
        )
        return cursor.fetchone()[0] > 0
