"""Celery as the runner: a real worker and beat on a real Redis, which is killed and emptied meanwhile (F29, F30)."""

import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.utils import timezone

from core.jobs import LEASE
from core.messages import MailClass, queue_message
from core.models import JobClaim, JobSlot, Message
from core.testing import MailServer, start_process, wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not shutil.which("redis-server"), reason="no redis-server is installed: apt install redis-server"
    ),
]


class Redis:
    """A redis-server of this test, in memory only."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        wait_until(self.answers)

    def kill(self) -> None:
        """What is in it is lost."""
        self.process.kill()
        self.process.wait()

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def celery(redis: Redis, mail_server: MailServer, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `celery -A billing_portal …` on the test's database, Redis and mail server."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = start_process(
            "-m", "celery", "-A", "billing_portal", *arguments,
            EMAIL_URL=mail_server.url, CELERY_BROKER_URL=redis.url,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()  # SIGQUIT would be quicker, but whoever starts the suite in the background has it ignored
    for process in started:
        try:
            process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@pytest.fixture
def beat(celery: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> subprocess.Popen[str]:
    return celery("beat", "--schedule", str(tmp_path / "beat"), "--pidfile", "")


def queue(count: int, to: str = "a{}@x.example") -> None:
    for number in range(count):
        queue_message(
            to=to.format(number),
            template="test_mail",
            mail_class=MailClass.SERVICE,
            language="en",
            context={"asked_at": timezone.now()},
        )


def accepted() -> int:
    return Message.objects.filter(status="accepted").count()


def test_F29_F30_two_workers_send_each_mail_once_though_redis_dies_and_forgets(redis, celery, beat, mail_server):
    queue(150)
    for name in "ab":
        celery("worker", "--concurrency", "2", "--hostname", f"{name}@%h", "--loglevel", "WARNING")

    wait_until(lambda: accepted() == 150)
    wait_until(lambda: JobSlot.objects.filter(finished_at__isnull=False).exists())
    # Everything on its way is lost with Redis; so are the wake-up calls until it is back.
    redis.kill()
    queue(50, "later{}@x.example")
    redis.start()
    # Of rows that were set aside for a message that got lost, the reservation ends.
    JobClaim.objects.filter(started_at=None).update(until=timezone.now())
    wait_until(lambda: accepted() == 200)

    assert Counter(Counter(mail_server.recipients).values()) == {1: 200}
    wait_until(lambda: not JobClaim.objects.filter(job="core.send_messages").exists())


def test_I32_worker_killed_within_a_mail_costs_the_lease_and_no_mail(celery, beat, mail_server):
    queue(1, "stuck@x.example")
    mail_server.behaviour["stuck@x.example"] = ["hang"]
    killed = celery("worker", "--pool", "solo", "--loglevel", "WARNING")
    assert mail_server.hanging.wait(60)

    killed.kill()
    killed.wait()
    mail_server.release.set()
    celery("worker", "--pool", "solo", "--loglevel", "WARNING")
    queue(1, "other@x.example")
    wait_until(lambda: accepted() == 1)
    assert mail_server.recipients == ["other@x.example"]
    # The lease ends, then the minute of doubt.
    left = JobClaim.objects.filter(job="core.send_messages", started_at__isnull=False).earliest("started_at")
    assert left.until - left.started_at == LEASE
    JobClaim.objects.update(until=timezone.now())
    wait_until(lambda: Message.objects.filter(status="deferred", possibly_twice=True).exists())
    Message.objects.filter(status="deferred").update(next_attempt_at=timezone.now())
    wait_until(lambda: accepted() == 2)

    assert mail_server.recipients == ["other@x.example", "stuck@x.example"]


def test_celery_without_a_broker_says_what_to_do():
    process = start_process("-m", "celery", "-A", "billing_portal", "worker", CELERY_BROKER_URL="")

    output, _ = process.communicate(timeout=300)

    assert process.returncode != 0
    assert "CELERY_BROKER_URL is not set" in output
