"""What somebody who runs the portal relies on: named variables, a start that says what it lacks, two questions
that a supervisor asks, and a log that can be searched and shown."""

import ast
import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from django.contrib.auth.decorators import login_not_required
from django.core.checks import run_checks
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.urls import path

from billing_portal import urls
from billing_portal.logging import logging_settings, redact_secrets, redacted_text

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
READERS = ("billing_portal/settings.py", "billing_portal/gunicorn.py")


# --- Variables ----------------------------------------------------------------------------------


def variables_read() -> set[str]:
    """Every variable that the code takes out of the environment: env.x("NAME"), secret("NAME"), environ.get("NAME")."""
    names = set()
    for file in READERS:
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = ast.unparse(node.func)
                if re.fullmatch(r"secret|env\.\w+|os\.environ\.get", called):
                    names.add(node.args[0].value)
    return names


def test_every_variable_is_in_the_example_and_no_other():
    assert set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", EXAMPLE, re.MULTILINE)) == variables_read()


def test_every_variable_is_in_the_operations_guide_and_no_other():
    assert set(re.findall(r"^\| `([A-Z][A-Z_]+)`", OPERATIONS, re.MULTILINE)) == variables_read()


APPS = ("core", "accounts", "profiles", "subscriptions", "invoices", "payments", "support", "billing_portal")


def test_no_other_file_reads_the_environment():
    readers = {
        str(file.relative_to(ROOT))
        for app in APPS
        for file in (ROOT / app).rglob("*.py")
        if "tests" not in file.parts
        and re.search(r"os\.environ(\.get|\[)|os\.getenv|env\.(str|bool|int)\(", file.read_text())
    }

    assert readers == set(READERS)


@pytest.mark.parametrize("missing", ["SECRET_KEY", "DATABASE_URL"])
def test_a_missing_secret_stops_the_start_with_its_name(missing):
    given = {"SECRET_KEY": "x" * 50, "DATABASE_URL": "postgres://nobody@localhost/none"}
    del given[missing]

    started = start_settings(**given)

    assert started.returncode != 0
    assert f"{missing} is not set" in started.stderr.splitlines()[-1]


def test_a_database_that_is_not_postgresql_stops_the_start():
    started = start_settings(SECRET_KEY="x" * 50, DATABASE_URL="sqlite:///portal.sqlite3")

    assert "must name a PostgreSQL database" in started.stderr.splitlines()[-1]


def test_an_unknown_log_format_stops_the_start():
    started = start_settings(SECRET_KEY="x" * 50, DATABASE_URL="postgres://nobody@localhost/none", LOG_FORMAT="xml")

    assert started.stderr.splitlines()[-1] == "ValueError: LOG_FORMAT is 'xml'; it may be json or console."


def test_only_migrating_uses_the_owner_of_the_tables():
    urls = {
        "SECRET_KEY": "x" * 50,
        "DATABASE_URL": "postgres://app@localhost/portal",
        "DATABASE_ADMIN_URL": "postgres://owner@localhost/portal",
    }

    users = {command: start_settings(command, **urls).stdout.strip() for command in ("migrate", "work", "shell")}

    assert users == {"migrate": "owner", "work": "app", "shell": "app"}


def start_settings(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process that has nothing but this environment, and print the database's user."""
    code = "from billing_portal import settings; print(settings.DATABASES['default']['USER'])"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
    )


# --- Health -------------------------------------------------------------------------------------


def test_healthz_answers_without_a_database(client):
    """No database is allowed in this test: a query would fail it."""
    answer = client.get("/healthz")

    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (
        200,
        b"ok\n",
        "max-age=0, no-cache, no-store, must-revalidate, private",
    )


@pytest.mark.django_db
def test_readyz_answers_ok_when_the_migrations_are_applied(client):
    answer = client.get("/readyz")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_readyz_names_the_migrations_when_the_code_is_ahead(client):
    newest = MigrationLoader(connection).graph.leaf_nodes("sessions")[0]
    MigrationRecorder(connection).record_unapplied(*newest)

    answer = client.get("/readyz")

    assert (answer.status_code, answer.content) == (503, b"migrations\n")


def test_readyz_names_the_database_when_it_does_not_answer():
    """A process whose DATABASE_URL leads to a port where nobody listens."""
    code = (
        "import django; django.setup()\n"
        "from django.test import Client\n"
        "answers = [Client().get(path) for path in ('/healthz', '/readyz')]\n"
        "print([(answer.status_code, answer.content) for answer in answers])"
    )
    environment = os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.stdout.splitlines()[-1] == "[(200, b'ok\\n'), (503, b'database\\n')]"


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_health_is_asked_for_and_not_told(client, address):
    assert client.post(address).status_code == 405


# --- The log ------------------------------------------------------------------------------------


@login_not_required
def broken(request):
    structlog.get_logger("portal.test").info("about to break", password="hunter2-canary")
    raise RuntimeError("postgres://portal:hunter2-canary@db/portal is gone")


urlpatterns = [path("broken/", broken, name="broken"), *urls.urlpatterns]
handler500 = "billing_portal.views.server_error"


@pytest.fixture
def log():
    """What is written from now on, in the format of production."""
    yield from written_as("json")


@pytest.fixture
def readable_log():
    """What is written from now on, in the format of a trial."""
    yield from written_as("console")


def written_as(log_format: str) -> Iterator[io.StringIO]:
    formatter = logging_settings(log_format)["formatters"]["events"]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter.pop("()")(**formatter))
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def lines(log: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_an_answer_is_one_line_with_the_reference_that_its_header_has(client, log):
    answer = client.get("/healthz?token=canary")

    (line,) = lines(log)
    assert line.keys() == {"event", "level", "logger", "timestamp", "reference", "method", "path", "status", "ms"}
    assert (line["event"], line["method"], line["path"], line["status"]) == ("answered", "GET", "/healthz", 200)
    assert line["reference"] == answer["X-Request-ID"]
    assert re.fullmatch(r"[2-9A-HJKMNP-Z]{10}", line["reference"])
    assert "canary" not in log.getvalue()


def test_a_reference_that_the_client_sends_is_not_believed(client):
    assert client.get("/healthz", headers={"X-Request-ID": "MINE"})["X-Request-ID"] != "MINE"


@pytest.mark.urls(__name__)
@pytest.mark.django_db
def test_the_page_of_an_error_shows_the_reference_of_its_lines_and_no_secret_is_logged(log):
    answer = Client(raise_request_exception=False).get("/broken/")

    before, error, after = lines(log)
    assert answer.status_code == after["status"] == 500
    assert before["reference"] == error["reference"] == after["reference"] == answer["X-Request-ID"]
    assert answer["X-Request-ID"] in answer.content.decode()
    assert error["level"] == "error"
    assert error["exception"].splitlines()[-1] == "RuntimeError: postgres://portal:[redacted]@db/portal is gone"
    assert "hunter2-canary" not in log.getvalue()


def test_the_reference_does_not_stay_for_what_is_logged_afterwards(client, log):
    client.get("/healthz")
    logging.getLogger("portal.test").warning("later")

    assert lines(log)[-1].keys() == {"event", "level", "logger", "timestamp"}


def test_a_line_break_in_a_value_does_not_make_a_second_line(log):
    logging.getLogger("portal.test").warning('name: %s", "level": "critical"', "Alfa\nBeta\r\x1b[31m")

    assert len(log.getvalue().splitlines()) == 1


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("postgres://portal:s3cret@db:5432/portal", "postgres://portal:[redacted]@db:5432/portal"),
        ("/sign-in/password/reset/key/3-cgx2-7f1d/", "/sign-in/password/reset/key/[redacted]/"),
        ("/invitations/3f9a0c/", "/invitations/[redacted]/"),
        ("Authorization: Bearer abcdefghijk", "Authorization: [redacted] [redacted]"),
        ("{'password': 'two words', 'name': 'Alfa'}", "{'password': [redacted], 'name': 'Alfa'}"),
        ("Key (token)=(abc) already exists", "Key (token)=[redacted] already exists"),
        ("?csrfmiddlewaretoken=abc&page=2", "?csrfmiddlewaretoken=[redacted]&page=2"),
        ("Cookie: __Host-session=abc; theme=dark", "Cookie: [redacted]; theme=dark"),
        ("SECRET_KEY=abc", "SECRET_KEY=[redacted]"),
        ("charged with sk_live_51Hxyzabc", "charged with [redacted]"),
        ("card 4242 4242 4242 4242", "card [redacted]"),
        ("card 5555555555554444.", "card [redacted]."),
        ("to NL91 ABNA 0417 1643 00 today", "to NL...4300 today"),
        ("to NL91ABNA0417164300 today", "to NL...4300 today"),
    ],
)
def test_I30_text_that_looks_secret_is_taken_out(said, logged):
    assert redacted_text(said) == logged


@pytest.mark.parametrize(
    "said",
    [
        "invoice 2026-000042 of 1234567890123 cents",
        "NL91 ABNA 0417 1643 01 has wrong check digits",
        "3.1415926535897932384",
        "/invoices/0f3k9z2m4n6p8q1r5t7v/payment/",
        "signed in as marieke@alfa.example",
    ],
)
def test_text_that_is_no_secret_stays(said):
    assert redacted_text(said) == said


def test_I30_values_with_the_name_of_a_secret_are_taken_out_whatever_they_are():
    event = {
        "event": "asked",
        "api_key": "abc",
        "one_time_code": 123456,
        "token": None,
        "headers": {"Cookie": "a", "Accept": "text/html"},
        "forms": [{"password1": "x"}, ("NL91ABNA0417164300",)],
        "count": 3,
    }

    assert redact_secrets(None, "info", event) == {
        "event": "asked",
        "api_key": "[redacted]",
        "one_time_code": "[redacted]",
        "token": None,
        "headers": {"Cookie": "[redacted]", "Accept": "text/html"},
        "forms": [{"password1": "[redacted]"}, ["NL...4300"]],
        "count": 3,
    }


def test_T45_a_huge_value_is_cut():
    assert redacted_text("x" * 50_000) == "x" * 10_000 + "... (50000 characters)"


def test_a_trial_writes_the_same_for_people_to_read(readable_log):
    logging.getLogger("portal.test").warning("password=canary", extra={"status": 3})

    assert re.search(r"\[warning +\] password=\[redacted\] +\[portal\.test\] status=3\n", readable_log.getvalue())


# --- What a real portal may not be started with -------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("VAT_VERIFIER", "fake", "portal.E004"),
        ("SMS_URL", "console:", "portal.E005"),
        ("SMS_CARRIER", "billing_portal.demo.mail.DemoCarrier", "portal.E005"),
        ("SMS_URL", "http://carrier.example/messages", "portal.E006"),
    ],
)
def test_what_only_pretends_is_refused_by_the_check_of_a_deployment(settings, name, value, found):
    settings.VAT_VERIFIER = "vies"
    setattr(settings, name, value)

    assert [error.id for error in run_checks(tags=["security"], include_deployment_checks=True) if error.id == found]


@pytest.mark.parametrize(("verifier", "carrier"), [("vies", "https://carrier.example/messages"), ("off", "")])
def test_what_does_its_work_passes_that_check(settings, verifier, carrier):
    settings.VAT_VERIFIER, settings.SMS_URL = verifier, carrier
    pretending = {"portal.E004", "portal.E005", "portal.E006"}

    found = {error.id for error in run_checks(tags=["security"], include_deployment_checks=True)}

    assert found & pretending == set()
