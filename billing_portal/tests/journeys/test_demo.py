"""The demo: everybody in it can be tried, every mail can be read, and nothing of it is there without DEMO."""

import random
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from accounts.models import User
from billing_portal.demo.models import DemoMail, DemoMarker
from billing_portal.demo.people import PEOPLE
from billing_portal.invariants import find_violations
from core.testing import start_process
from invoices.models import Invoice

ADDRESSES = ("demo/sign-in/", "demo/mail/", "demo/mail/1/", "demo/mail/1/html/")
ROUTED = f"""
import django; django.setup()
from django.urls import Resolver404, resolve
def is_routed(path):
    try:
        return bool(resolve("/" + path))
    except Resolver404:
        return False
print([is_routed(path) for path in {ADDRESSES!r}])
"""


def said(*arguments: str, **environment: str) -> tuple[int, str]:
    """How one of our processes ended on the database of this test, and what it said."""
    process = start_process(*arguments, **environment)
    text = process.communicate(timeout=300)[0]
    return process.returncode, text


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("demo", "is_marked", "is_whole", "is_there"),
    [
        ("1", True, True, True),
        ("1", True, False, False),
        ("1", False, False, False),
        ("0", True, True, False),
    ],
)
def test_the_pages_of_a_demo_take_the_setting_and_the_mark(demo, is_marked, is_whole, is_there):
    if is_marked:
        DemoMarker.objects.create(is_whole=is_whole)
    ended, text = said("-c", ROUTED, DEMO=demo)
    assert (ended, text.strip().splitlines()[-1]) == (0, str([is_there] * len(ADDRESSES)))


@pytest.mark.django_db(transaction=True)
def test_a_demo_is_refused_without_the_setting_and_in_a_database_that_is_used():
    ended, text = said("manage.py", "demo", DEMO="0")
    assert (ended, "set DEMO=1" in text) == (1, True)
    User.objects.create_user("somebody@real.example", "a password of twelve")
    ended, text = said("manage.py", "demo", DEMO="1")
    assert (ended, "This database is in use" in text) == (1, True)
    ended, text = said("manage.py", "demo", "--list-sign-ins", DEMO="1")
    assert (ended, "This is no demo" in text) == (1, True)
    assert not DemoMarker.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_deployment_with_a_demo_fails_its_check():
    ended, text = said("manage.py", "check", "--deploy", DEMO="1")
    assert (ended, "portal.E003" in text) == (1, True)
    assert "portal.E003" not in said("manage.py", "check", "--deploy", DEMO="0")[1]


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.urls("billing_portal.tests.journeys.demo_urls")
def test_everybody_of_the_demo_world_comes_in_by_their_card(visit, settings, tmp_path: Path, long):
    """Three of them by default."""
    make_demo(settings, tmp_path)
    window = visit()
    page = window.page
    window.open("/sign-in/login/")
    assert page.locator("button.demo").count() == len(PEOPLE)
    window.check()
    for person in PEOPLE if long else random.Random(5).sample(list(PEOPLE), 2):
        window.open("/sign-in/login/")
        page.locator("button.demo").filter(has_text=person.name).click()
        page.wait_for_url(lambda address: "/sign-in/" not in address)
        page.locator("main h1, #content").first.wait_for()
        window.check_quiet()
        page.context.clear_cookies()

    window.open("/demo/mail/?q=tom@alfa.example")
    mails = DemoMail.objects.filter(recipient="tom@alfa.example")
    assert page.locator("tbody tr").count() == min(mails.count(), 25) > 0
    window.check()
    page.locator("tbody a").first.click()
    window.check()
    if page.get_by_role("link", name="As a mail program shows it").count():
        page.get_by_role("link", name="As a mail program shows it").click()
        window.check_quiet()

    assert list(find_violations()) == []
    before = Invoice.objects.count(), DemoMail.objects.count()
    assert "there already" in said("manage.py", "demo", DEMO="1", MEDIA_ROOT=str(tmp_path))[1]
    assert (Invoice.objects.count(), DemoMail.objects.count()) == before


def make_demo(settings: Any, folder: Path) -> None:
    """The whole demo world in the database of this test, as `manage.py demo` makes it."""
    ended, text = said("manage.py", "demo", DEMO="1", MEDIA_ROOT=str(folder), BASE_URL=settings.BASE_URL)
    assert ended == 0, text
    settings.DEMO, settings.MEDIA_ROOT = True, folder
    assert django_settings.DEMO
