"""What every journey shares: windows of a real browser, people who go through them, a worker, mails."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import close_old_connections, connection
from playwright.sync_api import Browser

from accounts.models import User
from billing_portal.tests.journeys.person import EVERY_WAY, MOUSE, NO_SCRIPTS, SAMPLE, Person, Way
from billing_portal.tests.journeys.visit import Visit
from core.jobs import run_due
from core.sessions import SessionStore
from core.testing import MailServer

# Where allauth keeps how somebody signed in.
RECORDS, RECORDS_OF = "account_authentication_methods", "account_authentication_methods_user"
LOCALES = {"en": "en-GB", "nl": "nl-NL"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A journey runs in every way with --long, and else in the one of the sample that its name draws."""
    if "way" in metafunc.fixturenames:
        drawn = random.Random(metafunc.definition.nodeid).choice(SAMPLE)
        metafunc.parametrize("way", EVERY_WAY if metafunc.config.getoption("--long") else [drawn], ids=str)


@pytest.fixture
def visit(chromium: Browser, live_server: Any, settings: Any) -> Iterator[Callable[..., Visit]]:
    """`visit(user, language="nl", scripts=False, color="dark")` opens a window, signed in as that person."""
    settings.BASE_URL = live_server.url
    contexts, windows = [], []

    def open_window(
        user: User | None = None,
        *,
        language: str = "en",
        scripts: bool = True,
        color: str = "light",
        width: int = 1280,
        by_axe: bool = True,
    ) -> Visit:
        context = chromium.new_context(
            java_script_enabled=scripts,
            locale=LOCALES[language],
            viewport={"width": width, "height": 900},
            color_scheme=color,
            reduced_motion="reduce",  # a colour on its way to another has no contrast to check
            accept_downloads=True,
        )
        contexts.append(context)
        if user is not None:
            User.objects.filter(pk=user.pk).update(language=language, color_mode=color)
            context.add_cookies([session_cookie(user, live_server.url)])
        windows.append(Visit(context.new_page(), live_server.url, by_axe))
        return windows[-1]

    yield open_window
    for context in contexts:
        context.close()
    assert [trouble for window in windows for trouble in window.trouble] == []


@pytest.fixture
def person(visit: Callable[..., Visit], way: Way, long: bool) -> Callable[..., Person]:
    """`person(user)` is that user at the browser, in the way of this test; `person()` has not signed in.

    One way is looked at by axe; the others pass the same pages, in the colours that the sweep looks at.
    """

    def come(user: User | None = None) -> Person:
        window = visit(
            user,
            language=way.language,
            scripts=way.means != NO_SCRIPTS,
            color=way.color,
            by_axe=way.means != NO_SCRIPTS and (long or way.means == MOUSE),
        )
        return Person(window, way)

    return come


@pytest.fixture
def worker(live_server: Any) -> Iterator[None]:
    """A worker beside the web server, as in `dev.py run`: what is due is done within a moment."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            close_old_connections()
            if not run_due():
                stop.wait(0.1)
        connection.close()

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    yield
    stop.set()
    thread.join(timeout=30)


@pytest.fixture
def mailbox(mail_server: MailServer, worker: None) -> Callable[[str], EmailMessage]:
    """`mailbox("owner@x.example")` is the latest mail to that address; waits until there is one more than before."""
    read: dict[str, int] = {}

    def fetch(address: str) -> EmailMessage:
        def mine() -> list[EmailMessage]:
            return [mail for mail in list(mail_server.received) if mail["To"] == address]

        until(lambda: len(mine()) > read.get(address, 0))
        read[address] = len(mine())
        return mine()[-1]

    return fetch


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what the worker is about to do."""
    for _ in range(150):
        if is_so():
            return
        threading.Event().wait(0.1)
    raise AssertionError("it did not come to that")


def link_of(mail: EmailMessage, part: str) -> str:
    """The address in the text of a mail that has `part` in it, as a path."""
    body = mail.get_body(("plain",))
    text = body.get_content() if body else ""
    found = next((each for each in re.findall(r"https?://\S+", text) if part in each), None)
    assert found, f"no link with {part} in:\n{text}"
    return urlsplit(found).path


def session_cookie(user: User, base: str) -> dict[str, Any]:
    """A session of that person, for a browser."""
    session = SessionStore()
    # As everywhere in tests: whoever is signed in has also confirmed who they are.
    session[RECORDS_OF], session[RECORDS] = (
        str(user.pk),
        [{"method": "mfa", "at": time.time(), "reauthenticated": True}],
    )
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = django_settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return {"name": django_settings.SESSION_COOKIE_NAME, "value": session.session_key, "url": base}
