"""What the whole suite shares: sweeps and their samples, the browser, the database."""

import contextlib
import gc
import os
import random
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import hypothesis
import psycopg2
import pytest
from django.contrib.auth.signals import user_logged_in
from django.contrib.contenttypes.management import create_contenttypes
from django.db import connection
from django.db.models.signals import post_migrate
from django.http import HttpRequest
from playwright.sync_api import Browser, sync_playwright

from dev import BROWSERS, only_one

pytest_plugins = ["core.testing", "billing_portal.tests.leaks"]

CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
CI = os.environ.get("CI") == "true"  # there a missing browser is a failure and not a skip
ABOUT_THE_ENGINE = {"test_models", "test_guards", "test_constraints", "test_history", "test_operations_database"}
SAMPLE = 10  # cases of each long sweep that the default run takes

hypothesis.settings.register_profile("default", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run whole sweeps, not a seeded sample of each")


def pytest_configure(config: pytest.Config) -> None:
    hypothesis.settings.load_profile("long" if config.getoption("--long") else "default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("browser"):
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skipif(not CI, reason="no Chromium is installed: apt install chromium"))
        elif is_about_the_engine(item):
            item.add_marker("engine")
    if not config.getoption("--long"):
        left_out = beyond_the_sample(items)
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def is_about_the_engine(item: pytest.Item) -> bool:
    """Whether it shows what PostgreSQL does: it commits, or stands in a file about what rows may not be."""
    database = item.get_closest_marker("django_db")
    return bool(database and database.kwargs.get("transaction")) or item.path.stem in ABOUT_THE_ENGINE


def beyond_the_sample(items: list[pytest.Item]) -> set[pytest.Item]:
    """The cases of tests marked `long` that are not in the sample, which is the same in every run and process.

    `@pytest.mark.long(sample=25)` takes another number than ten.
    """
    sweeps = defaultdict(list)
    for item in items:
        if marker := item.get_closest_marker("long"):
            sweeps[item.nodeid.split("[")[0], marker.kwargs.get("sample", SAMPLE)].append(item)
    left_out: set[pytest.Item] = set()
    for (test, sample), cases in sweeps.items():
        left_out |= set(random.Random(test).sample(cases, max(len(cases) - sample, 0)))  # noqa: S311
    return left_out


@pytest.fixture(autouse=True)
def confirmed_sign_ins(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whoever signs in has confirmed just now who they are, so that a test reaches its page in one step.

    Not in tests marked `step_up`, which are about just that.
    """
    if request.node.get_closest_marker("step_up"):
        yield
        return

    def confirmed(sender: object, request: HttpRequest, user: Any, **kwargs: object) -> None:
        import_module("core.step_up").confirm(request, user, "mfa")  # needs the apps, which come after this file

    user_logged_in.connect(confirmed)
    yield
    user_logged_in.disconnect(confirmed)


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the whole of a sweep is wanted, for tests that count their own steps."""
    return request.config.getoption("--long")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One real browser for the tests of this process; each test opens its own context in it.

    While it runs, playwright keeps an event loop in this thread, and Django has another connection there than
    without one. The one left behind is closed each time: a fork, which has no loop, would take it up.
    """
    connection.close()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
        connection.close()


# --- The database -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings, django_db_blocker, tmp_path_factory):
    """Of several processes the first migrates a database, and all of them copy it: migrating takes ten seconds."""
    test = connection.settings_dict["TEST"]
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return
    everybodys = tmp_path_factory.getbasetemp().parent
    with only_one(everybodys / "template.lock"), django_db_blocker.unblock():
        if not (everybodys / "template").exists():
            ours, name = test["NAME"], connection.settings_dict["NAME"]
            test["NAME"] = template_name(name)
            gc.disable()  # looking for garbage between the many states of a migration is a third of the time
            connection.creation.create_test_db(verbosity=0, autoclobber=True)
            gc.enable()
            connection.close()
            test["NAME"], connection.settings_dict["NAME"] = ours, name
            (everybodys / "template").touch()
    test["TEMPLATE"] = template_name(connection.settings_dict["NAME"])


def template_name(database: str) -> str:
    return f"test_{database}_template"


def pytest_unconfigure(config: pytest.Config) -> None:
    """The process that started the others removes what they copied."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        name = connection.settings_dict["NAME"]
        server = psycopg2.connect(**connection.get_connection_params() | {"dbname": "postgres"})
        server.autocommit = True
        with contextlib.closing(server), server.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{template_name(name)}"')


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Tests on committed transactions leave the tables empty, in a tenth of the time that TRUNCATE of all takes.

    Rows go as a replica's do: past the guards against just that, whose own test finds them in force. Types and
    permissions stay, so that nothing has to make them anew.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        (may_act_as_replica,) = cursor.fetchone()
        if not may_act_as_replica:
            cursor.execute(
                "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname LIKE 'pgtrigger_no_truncate%'"
            )
            for table, trigger in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
            yield
            return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(connection.ops), "sql_flush", deletions)
        post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
        post_migrate.disconnect(create_contenttypes)
        yield


KEPT = {"django_content_type", "auth_permission"}


def deletions(operations: Any, style: object, tables: Iterable[str], **options: object) -> list[str]:
    """What empties the tables that have rows; in place of Django's `sql_flush`."""
    quoted = [operations.quote_name(table) for table in tables if table not in KEPT]
    with operations.connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in quoted))  # noqa: S608
        filled = [table for (table,) in cursor.fetchall()]
    return ["SET LOCAL session_replication_role = replica", *(f"DELETE FROM {table}" for table in filled)]  # noqa: S608
