"""No card number, no security code and no full account number stays anywhere, in any test (PR12, L11).

Heard is what the process writes: every statement that changes the database, every line of the log as the product
renders it, every mail. Where a test starts processes of ours, which nobody hears, every table is read at its end. What
workers are given needs no ear: rows and their ids alone. A leak fails the test that wrote it; a test that proves
masking by writing a number on purpose is marked `writes_numbers`.
"""

import logging
import logging.config
import re
from collections.abc import Callable, Generator, Iterator
from typing import Any

import psycopg2.extensions
import pytest
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection
from django.db.backends.signals import connection_created
from schwifty import registry

from billing_portal.logging import masked_card_number, masked_iban
from core import testing
from core.testing import SECURITY_CODE

# The vendor's own account stands on its invoices.
OURS = frozenset({"NL91ABNA0417164300"})
IBAN_LENGTHS = {country: registry.get_iban_spec(country).iban_length for country in registry.get_countries()}

# As they are written and printed; each begins with a set of characters, which is what makes looking cheap.
# One random UUID in thirty thousand begins like a card number.
_CARD = rb"[3-6](?<![\w.].)\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?!\w|\.\d|-[0-9a-f]{4}-[0-9a-f]{12}\b)"
_AMEX = rb"3(?<![\w.].)[47]\d\d[ -]?\d{6}[ -]?\d{5}(?!\w|\.\d)"
_IBAN = rb"[A-Z](?<!\w.)[A-Z]\d\d ?[A-Z0-9]{4} ?[A-Z0-9 ]{6,32}"
_CODE = rb"['\"=](?:%b)['\"& )]" % SECURITY_CODE.encode()
_SUSPICIOUS = re.compile(b"|".join([_CARD, _AMEX, _IBAN, _CODE]))

_found: list[str] = []


def leaks_of(text: bytes) -> Iterator[str]:
    """The numbers in it, by form and check digits."""
    for found in _SUSPICIOUS.finditer(text):
        number = found[0].decode().strip()
        if SECURITY_CODE in number and len(number) == len(SECURITY_CODE) + 2:
            yield f"the security code {number}"
        elif number[0].isdigit():
            if _is_masked(masked_card_number, number):
                yield f"the card number {number}"
        else:
            yield from _accounts(number)


def _accounts(text: str) -> Iterator[str]:
    """The account number that this begins with, by the length that its country gives it."""
    compact = text.replace(" ", "")
    length = IBAN_LENGTHS.get(compact[:2], 0)
    if length <= len(compact) and compact[:length] not in OURS and _is_masked(masked_iban, compact[:length]):
        yield f"the account number {compact[:length]}"


def _is_masked(mask: Callable[[re.Match[str]], str], number: str) -> bool:
    """Whether the log would not show it: it has the check digits of such a number."""
    whole = re.fullmatch(r".+", number)
    return whole is not None and mask(whole) != number


def heard(text: bytes, where: str) -> None:
    """Something was written there."""
    for leak in leaks_of(text):
        _found.append(f"{leak} in {where}: {text[:300].decode(errors='replace')}")


def taken() -> list[str]:
    """What was found since the last time."""
    found, _found[:] = list(_found), []
    return found


# --- Ears ---------------------------------------------------------------------------------------


class HeardCursor(psycopg2.extensions.cursor):
    """Tells what it sends. Questions change nothing."""

    def execute(self, query: Any, vars: Any = None) -> None:
        super().execute(query, vars)
        sent: Any = self.query
        if sent and not sent.startswith((b"SELECT", b"SAVEPOINT", b"RELEASE")):
            heard(sent, "the database")

    def executemany(self, query: Any, vars_list: Any) -> None:
        for each in vars_list:
            self.execute(query, each)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        super().copy_expert(sql, _HeardStream(file), size)


class _HeardStream:
    """A file on its way into a table, or out of one, piece by piece."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def read(self, size: int = -1) -> Any:
        piece = self.file.read(size)
        heard(piece.encode() if isinstance(piece, str) else piece, "the database")
        return piece

    def write(self, piece: Any) -> Any:
        return self.file.write(piece)


class Ear(logging.Handler):
    """Hears the log. A line is rendered only where there is something to see: most lines have nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        said = f"{record.msg!r} {record.args!r}".encode()
        if record.exc_info or any(leaks_of(said)):
            heard(self.format(record).encode(), "the log")


def _hear_connection(sender: object, connection: Any, **kwargs: object) -> None:
    connection.connection.cursor_factory = HeardCursor


def _heard_mail(original: Any) -> Any:
    def message(self: EmailMessage, *arguments: Any, **options: Any) -> Any:
        parts = [self.subject, self.body, *(str(each[0]) for each in getattr(self, "alternatives", []))]
        heard("\n".join(map(str, parts)).encode(), "a mail")
        return original(self, *arguments, **options)

    return message


def _every_row() -> Iterator[tuple[str, str]]:
    """(table, row) of the whole database."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")
            for (row,) in cursor.fetchall():
                yield table, row


# --- In the run ---------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    connection_created.connect(_hear_connection)
    EmailMessage.message = _heard_mail(EmailMessage.message)  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def ear() -> Ear:
    """Renders lines as the product does."""
    configured = logging.config.DictConfigurator(settings.LOGGING)
    listening = Ear()
    listening.setFormatter(configured.configure_formatter(settings.LOGGING["formatters"]["events"]))
    return listening


@pytest.fixture(autouse=True)
def _hears_the_log(ear: Ear) -> None:
    root = logging.getLogger()
    if ear not in root.handlers:  # a test that configures logging has put it off
        root.addHandler(ear)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    """The tables are read before they are emptied, and the verdict comes when everything is put away."""
    if testing.started_processes:
        testing.started_processes.clear()
        if item.get_closest_marker("django_db"):
            for table, row in _every_row():
                heard(row.encode(), table)
    result = yield
    leaks = taken()
    if leaks and not item.get_closest_marker("writes_numbers"):
        pytest.fail("stays behind:\n" + "\n".join(leaks[:10]), pytrace=False)
    return result
