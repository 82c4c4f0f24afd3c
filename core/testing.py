"""Fixtures for the tests of every app: a real mail server, and a guard on transactions.

`conftest.py` loads them for the whole suite.
"""

import asyncio
import email
import email.policy
import logging
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hypothesis
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.conf import settings
from django.db import connection

# It tells every command it gets.
logging.getLogger("mail.log").setLevel(logging.WARNING)

ROOT = Path(__file__).resolve().parent.parent
# Whoever types the security code of a card in a test types this one, so that it can be looked for everywhere
# (billing_portal/tests/leaks.py).
SECURITY_CODE = "9173"


def wait_until(true: Callable[[], bool]) -> None:
    """Until another process has done it. The limit only ends a test that hangs: machines are slow at times."""
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# --- A mail server ------------------------------------------------------------------------------


class MailServer:
    """An SMTP server on this machine that keeps what it gets, and errs as a test asks it to.

        mail_server.answers_to_recipient["a@x.example"] = ["451 4.7.1 later"]     # once, then accepts
        mail_server.answers_to_data["a@x.example"] = ["554 5.6.0 no"]
        mail_server.behaviour["a@x.example"] = ["cut mid-data", "cut after dot", "tar pit", "hang"]
        mail_server.banner = "554 go away"

    Answers and behaviour are used up, one per attempt. `release` ends every "hang". `on_mail` is called
    between taking a mail and saying so.
    """

    def __init__(self) -> None:
        self.received: list[EmailMessage] = []
        self.connections = 0
        self.banner = ""
        self.seconds_per_mail = 0.0
        self.on_mail: Callable[[], None] = lambda: None
        self.answers_to_recipient: dict[str, list[str]] = defaultdict(list)
        self.answers_to_data: dict[str, list[str]] = defaultdict(list)
        self.behaviour: dict[str, list[str]] = defaultdict(list)
        self.hanging = threading.Event()
        self.release = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail server", daemon=True)
        self._server: asyncio.Server

    @property
    def port(self) -> int:
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """For EMAIL_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def recipients(self) -> list[str]:
        return [mail["To"] for mail in self.received]

    def start(self) -> None:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def refuse(self) -> None:
        """Close the port: from now on nobody gets a connection."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    def stop(self) -> None:
        self.release.set()
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await self._loop.create_server(self._protocol, "127.0.0.1", 0)

    def _protocol(self) -> SMTP:
        return _ErringSMTP(self, _Handler(self), hostname="mail.test", loop=self._loop)

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Handler:
    def __init__(self, mail_server: MailServer) -> None:
        self.mail_server = mail_server

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answers = self.mail_server.answers_to_recipient[address]
        if answers:
            return answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: "_ErringSMTP", session: Session, envelope: Envelope) -> str:
        address = envelope.rcpt_tos[0]
        if answers := self.mail_server.answers_to_data[address]:
            return answers.pop(0)
        if self.mail_server.seconds_per_mail:
            await asyncio.sleep(self.mail_server.seconds_per_mail)
        parsed = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        self.mail_server.received.append(parsed)  # type: ignore[arg-type]
        self.mail_server.on_mail()
        if server.behaviour == "cut after dot":
            server.transport.abort()
        return f"250 2.0.0 queued as {len(self.mail_server.received)}"


class _ErringSMTP(SMTP):
    transport: Any
    envelope: Any
    session: Any

    def __init__(self, mail_server: MailServer, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.mail_server = mail_server
        self.behaviour = ""

    async def push(self, status: Any) -> None:
        if str(status).startswith("220 ") and self.session.host_name is None:
            self.mail_server.connections += 1
            status = self.mail_server.banner or status
        await super().push(status)

    async def smtp_DATA(self, arg: str) -> None:
        behaviour = self.mail_server.behaviour[self.envelope.rcpt_tos[0]] if self.envelope.rcpt_tos else []
        self.behaviour = behaviour.pop(0) if behaviour else ""
        if self.behaviour == "cut mid-data":
            await self.push("354 go on")
            await self._reader.read(200)
            self.transport.abort()
        elif self.behaviour == "hang":
            self.mail_server.hanging.set()
            while not self.mail_server.release.is_set():
                await asyncio.sleep(0.02)
            self.transport.abort()
        elif self.behaviour == "tar pit":
            # Each byte comes well within a timeout that only looks at the next byte.
            for byte in b"354 wait for it\r\n" * 20:
                if self.mail_server.release.is_set() or self.transport.is_closing():
                    break
                self._writer.write(bytes([byte]))
                await asyncio.sleep(0.1)
            self.transport.abort()
        else:
            await super().smtp_DATA(arg)


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    """A running MailServer, and Django set to send through it."""
    server = MailServer()
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    yield server
    server.stop()


# --- Transactions -------------------------------------------------------------------------------


class NetworkInTransaction(AssertionError):
    """Somebody talked to the network while a transaction was open (I34)."""


@pytest.fixture
def no_network_in_transactions(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a socket, or sends through one, inside `atomic` fails with the place that did it.

    The driver of the database is not watched: it has its own sockets.
    """
    for kind, names in ((socket.socket, ("connect", "send", "sendall")), (ssl.SSLSocket, ("send", "sendall"))):
        for name in names:
            monkeypatch.setattr(kind, name, _refusing_in_transactions(getattr(kind, name)))


def _refusing_in_transactions(original: Any) -> Any:
    def refusing(self: Any, *arguments: Any, **options: Any) -> Any:
        if connection.in_atomic_block:
            self.close()
            raise NetworkInTransaction(f"socket.{original.__name__}() inside a transaction")
        return original(self, *arguments, **options)

    return refusing


# --- Other processes ----------------------------------------------------------------------------

# Those of the running test, for who looks at what they left (billing_portal/tests/leaks.py).
started_processes: list[subprocess.Popen[str]] = []


def environment(**more: str) -> dict[str, str]:
    """The environment of a process of ours that works on the database of the running test."""
    database = connection.settings_dict
    user = quote(database["USER"] or "", safe="")
    if database["PASSWORD"]:
        user += ":" + quote(database["PASSWORD"], safe="")
    host = database["HOST"] or ""
    place = f"{user}@{quote(host, safe='')}:{database['PORT'] or 5432}/{database['NAME']}"
    return {
        **os.environ,
        # Not the settings of the test run, which forget what is given here.
        "DJANGO_SETTINGS_MODULE": "billing_portal.settings",
        "DATABASE_URL": f"postgres://{place}",
        "SECRET_KEY": settings.SECRET_KEY,
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def start_process(*arguments: str, **more: str) -> subprocess.Popen[str]:
    """`python <arguments>` in the root of the project, on the test's database; output is kept for the test."""
    process = subprocess.Popen(  # noqa: S603 our own commands
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    started_processes.append(process)
    return process


def thorough(test: Any) -> Any:
    """A property of money (Q6): 500 examples by default, as the suite has little time to spare; 20,000 with --long,
    which are more than 100,000 over all of them, and none that runs for longer than a test may.
    """
    now = hypothesis.settings.default
    is_long = now is not None and now.max_examples > 1000
    return hypothesis.settings(max_examples=20_000 if is_long else 500)(test)
