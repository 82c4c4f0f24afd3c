"""What the documents say is there: tests, routes, words, commands, files."""

import re
import subprocess

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands

from billing_portal.checks import routes
from core.policy import _COLUMNS as COLUMNS
from core.policy import GRANTS, Action

OURS = ("core", "accounts", "profiles", "subscriptions", "invoices", "payments", "support", "billing_portal")
# Commands that people who run the portal never type: they serve those who develop it.
FOR_DEVELOPERS = {"translations"}


def text_of(name: str) -> str:
    return (settings.BASE_DIR / name).read_text()


def all_tests() -> set[str]:
    files = settings.BASE_DIR.glob("*/**/tests/**/test_*.py")
    return {name for file in files for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}


def rows() -> list[list[str]]:
    lines = text_of("docs/traceability.md").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| S")]


def test_every_test_named_in_the_traceability_table_exists():
    named = {name for row in rows() for name in re.findall(r"`(test_\w+)`", row[3])}
    assert len(named) > 50
    assert named - all_tests() == set()


def test_every_route_named_in_the_traceability_table_exists():
    known = {pattern.name for _route, pattern in routes()} | {"account_login", "account_reset_password"}
    named = {name for row in rows() for name in re.findall(r"`(\w+)`", row[2])}
    assert len(named) > 20
    assert named - known == set()


def test_every_statement_has_a_page_or_says_what_is_missing():
    assert [row[0] for row in rows() if row[2] == "—" and not row[4]] == []
    assert len(rows()) == 110


def test_what_is_built_names_a_test_that_proves_it():
    assert [row[0] for row in rows() if row[3] == "—" and not row[4]] == []


def test_every_model_is_in_the_glossary():
    glossary = text_of("docs/glossary.md")
    models = [
        model.__name__
        for model in apps.get_models()
        if model.__module__.split(".")[0] in OURS
        and not model.__name__.endswith("Event")
        and "sandbox" not in model.__module__
        and not model._meta.auto_created
    ]
    assert len(models) > 30
    assert [name for name in models if f"`{name}`" not in glossary] == []


@pytest.mark.parametrize(
    "command",
    sorted(name for name, app in get_commands().items() if str(app).startswith(OURS) and "contrib" not in app),
)
def test_every_command_is_documented(command: str):
    if command not in FOR_DEVELOPERS:
        assert f"manage.py {command}" in text_of("README.md") + text_of("docs/operations.md")


def test_the_architecture_page_is_short_and_names_what_exists():
    page = text_of("ARCHITECTURE.md")
    assert len(page.split()) <= 900
    for path in re.findall(r"`([\w/]+\.(?:py|md))`", page):
        found = subprocess.run(["git", "ls-files", f"*{path}"], cwd=settings.BASE_DIR, capture_output=True, text=True)
        assert found.stdout, path


def test_the_table_of_rights_is_written_down():
    """A right is changed in two places, and the second is read by people: docs/permissions.md."""
    named = {row[0]: row[1:] for row in _table_of(text_of("docs/permissions.md"))}
    codes = [code for code, _role in COLUMNS.items()]
    wanted = {
        action: ["yes" if COLUMNS[code] in GRANTS[action] else "" for code in codes]
        for action in sorted(map(str, Action))
    }
    wrong = {action: cells for action, cells in wanted.items() if named.get(action) != cells}
    assert wrong == {}, "docs/permissions.md lacks:\n" + "\n".join(
        f"| {action} | {' | '.join(cells)} |" for action, cells in wrong.items()
    )
    assert set(named) == set(wanted)


def _table_of(page: str) -> list[list[str]]:
    lines = [line for line in page.splitlines() if re.match(r"\| \w+:\w+ \|", line)]
    return [[cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")] for line in lines]
