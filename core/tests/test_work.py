"""`manage.py work` as it is run: real processes on committed rows, stopped, killed and cut off."""

import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import connection
from django.utils import timezone

from core.messages import MailClass, queue_message
from core.models import JobClaim, JobSlot, Message
from core.testing import MailServer, start_process, wait_until

pytestmark = pytest.mark.django_db
# Other processes see only what is committed.
committed = pytest.mark.django_db(transaction=True)


def queue(count: int = 1, to: str = "a{}@x.example") -> None:
    for number in range(count):
        queue_message(
            to=to.format(number),
            template="test_mail",
            mail_class=MailClass.SERVICE,
            language="en",
            context={"asked_at": timezone.now()},
        )


@pytest.fixture
def start(mail_server: MailServer) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `manage.py work …` on the test's database and mail server; what still runs is killed at the end."""
    started = []

    def start_one(*arguments: str) -> subprocess.Popen[str]:
        started.append(start_process("manage.py", "work", *arguments, EMAIL_URL=mail_server.url))
        return started[-1]

    yield start_one
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def accepted() -> int:
    return Message.objects.filter(status="accepted").count()


@committed
def test_once_runs_what_is_due_and_ends(start, mail_server):
    queue(3)

    output, _ = start("--once").communicate(timeout=300)

    assert len(mail_server.received) == 3, output
    assert re.search(r"^\d+ rows tried\.$", output, re.MULTILINE)
    assert JobSlot.objects.exists()


@committed
def test_mail_queued_while_it_works_leaves_within_a_second(start, mail_server):
    process = start()
    assert "Working." in process.stdout.readline()
    queue(1, "first@x.example")
    wait_until(lambda: accepted() == 1)
    time.sleep(1)

    began = time.monotonic()
    queue(1, "second@x.example")
    wait_until(lambda: accepted() == 2)

    assert time.monotonic() - began < 20  # half a second of pause; the rest is room for a busy machine


@committed
def test_F28_four_workers_side_by_side_send_each_mail_once(start, mail_server):
    queue(400)

    processes = [start("--only", "core.send_messages") for _ in range(4)]
    wait_until(lambda: accepted() == 400)
    for process in processes:
        process.send_signal(signal.SIGTERM)

    assert [process.wait(30) for process in processes] == [0] * 4
    assert Counter(Counter(mail_server.recipients).values()) == {1: 400}
    assert not JobClaim.objects.exists()


@committed
def test_asked_to_stop_it_finishes_the_mail_in_hand_and_leaves_the_rest_due(start, mail_server):
    mail_server.seconds_per_mail = 0.3
    queue(50)
    process = start()
    wait_until(lambda: len(mail_server.received) >= 2)

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0
    assert Message.objects.counted_by_status() == {
        "accepted": len(mail_server.received),
        "queued": 50 - len(mail_server.received),
    }
    assert not JobClaim.objects.exists()


@committed
def test_I25_kill_9_within_a_mail_costs_the_lease_and_repeats_only_that_mail(start, mail_server):
    queue(1, "a@x.example")
    queue(1, "b@x.example")
    queue(1, "c@x.example")
    mail_server.behaviour["b@x.example"] = ["hang"]
    killed = start("--only", "core.send_messages")
    assert mail_server.hanging.wait(30)

    killed.kill()
    killed.wait()
    assert Message.objects.counted_by_status() == {"accepted": 1, "sending": 1, "queued": 1}
    assert Message.objects.due(at=timezone.now()).count() == 2
    # The lease ends.
    assert JobClaim.objects.update(until=timezone.now()) == 3
    mail_server.release.set()
    start("--once").wait(60)
    doubtful = Message.objects.get(recipient="b@x.example")
    assert (doubtful.status, doubtful.possibly_twice) == ("deferred", True)
    # The minute passes.
    Message.objects.filter(status="deferred").update(next_attempt_at=timezone.now())
    start("--once").wait(60)

    assert Counter(mail_server.recipients) == {"a@x.example": 1, "b@x.example": 1, "c@x.example": 1}
    assert list(Message.objects.order_by("pk").values_list("status", "possibly_twice")) == [
        ("accepted", False),
        ("accepted", True),
        ("accepted", False),
    ]


@committed
def test_PR9_workers_killed_at_random_never_lose_a_mail_nor_send_it_a_third_time(start, mail_server):
    mail_server.seconds_per_mail = 0.01
    queue(60)

    for _ in range(3):
        before = accepted()
        process = start("--only", "core.send_messages")
        wait_until(lambda before=before: accepted() >= min(before + 5, 60))
        process.kill()
        process.wait()
        # Leases and pauses end.
        JobClaim.objects.update(until=timezone.now())
        Message.objects.filter(status="deferred").update(next_attempt_at=timezone.now())
    for _ in range(2):
        start("--once", "--only", "core.send_messages").wait(60)
        JobClaim.objects.update(until=timezone.now())
        Message.objects.filter(status="deferred").update(next_attempt_at=timezone.now())

    assert Message.objects.counted_by_status() == {"accepted": 60}
    times_sent = Counter(mail_server.recipients)
    assert len(times_sent) == 60
    repeated = {address for address, times in times_sent.items() if times > 1}
    assert max(times_sent.values()) <= 2
    assert repeated <= set(Message.objects.filter(possibly_twice=True).values_list("recipient", flat=True))
    ids = {mail["To"]: mail["Message-ID"] for mail in mail_server.received}
    assert all(mail["Message-ID"] == ids[mail["To"]] for mail in mail_server.received)


@committed
def test_lost_database_connection_is_opened_again(start, mail_server):
    process = start()
    queue(1, "first@x.example")
    wait_until(lambda: accepted() == 1)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    queue(1, "second@x.example")
    wait_until(lambda: accepted() == 2)

    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_started_before_the_database_it_waits_and_ends_when_asked(mail_server):
    process = start_process(
        "manage.py", "work", DATABASE_URL="postgres://nobody@127.0.0.1:9/nothing", EMAIL_URL=mail_server.url
    )

    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)

    assert "The database does not answer, trying again in 0.5 s" in lines[1]
    assert process.returncode == 0


# --- What it says -------------------------------------------------------------------------------


def test_help_names_the_exit_statuses():
    words = load_command_class("core", "work").create_parser("manage.py", "work").format_help()

    assert "Exit status: 0 ended as asked; 1 wrong arguments" in re.sub(r"\s+", " ", words)


def test_list_names_jobs_and_appointments(capsys):
    call_command("work", list=True)

    assert "core.send_messages\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--only", "nope"], "No such job: nope"), (["--poll", "0"], "--poll takes a number of seconds above 0")],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(CommandError, match=words):
        call_command("work", *arguments)


def test_status_of_a_quiet_portal_is_fine(capsys):
    queue(2)

    call_command("work", status=True)

    said = capsys.readouterr().out
    assert "core.send_messages: 2" in said
    assert "queued: 2" in said


def test_I32_status_names_what_stopped_and_fails(capsys):
    queue(1)
    JobClaim.objects.create(
        job="core.send_messages",
        row_id=Message.objects.get().pk,
        token="0" * 32,
        until=timezone.now(),
        tries_left=0,
        last_error="ZeroDivisionError: no way",
    )

    with pytest.raises(CommandError, match="Somebody has to look"):
        call_command("work", status=True)

    assert "ZeroDivisionError: no way" in capsys.readouterr().out


def test_I25_status_fails_when_a_mail_has_no_outcome_after_15_minutes(capsys):
    queue(1)
    Message.objects.update(created_at=timezone.now() - timedelta(minutes=15, seconds=1))

    with pytest.raises(CommandError, match="Somebody has to look"):
        call_command("work", status=True)

    assert "without an outcome after 15 minutes: 1" in capsys.readouterr().out
