"""Bulk work in PostgreSQL: rows by COPY, streamed, transactions planned for batches, and statistics after a table has
grown.

Never into a table with row history: its triggers want the context of who acts, which a COPY as the
first statement of a transaction does not carry.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import pghistory.models
from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_PORTION = 64 * 1024


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Write the rows into the table by one COPY, in the caller's transaction, and return how many.

    Rows are taken one by one, so memory does not grow with them. None is NULL; dictionaries and lists
    become JSON; everything else is written as its `str`. Text with a NUL character is refused by the
    database, as everywhere. A table with row history raises ValueError.
    """
    if table in _tables_with_history():
        raise ValueError(f"{table} has row history: write it with bulk_create, within `acting`")
    quote = connection.ops.quote_name
    stream = _Lines(rows)
    names = ", ".join(quote(column) for column in columns)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(f"COPY {quote(table)} ({names}) FROM STDIN", stream, _PORTION)
    return stream.count


def insert_rows(model: type[Model], rows: Sequence[Mapping[str, Any]]) -> int:
    """Write rows of a model by one COPY, each a mapping of attributes ("invoice_id") with the same keys; what they do
    not name has the default of its field; a key may be one of `next_ids`. For tables without row history, as
    `copy_rows`."""
    if not rows:
        return 0
    fields = [field for field in model._meta.concrete_fields if not field.generated]
    named = [field for field in fields if field.attname in rows[0]]
    rest = [field for field in fields if not (field in named or field.primary_key or field.has_db_default())]
    filled = [field for field in rest if field.get_default() is not None]
    defaults = [field.get_default() for field in filled]
    made = [(place, field.get_default) for place, field in enumerate(filled) if callable(field.default)]

    def given() -> Iterator[list[Any]]:
        for row in rows:
            for place, make in made:
                defaults[place] = make()
            yield [*(row[field.attname] for field in named), *defaults]

    return copy_rows(model._meta.db_table, [str(field.column) for field in [*named, *filled]], given())


def next_ids(model: type[Model], count: int) -> list[int]:
    """So many keys that no row of the model has or will have, for rows that are written together with what names
    them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [model._meta.db_table, model._meta.pk.column, count],
        )
        return [number for (number,) in cursor.fetchall()]


@contextmanager
def bulk_transaction() -> Iterator[None]:
    """A transaction for a batch. Its plans are made for that: rows are looked up by their keys and not by walking a
    table, compiling takes longer than doing, and a lock is waited for for half a minute and not for ever.

    No trigger is ignored, and that is said: where it is not, each trigger of pgtrigger runs into an error and catches
    it, and PostgreSQL then walks over every foreign key of the transaction that is to be checked."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('random_page_cost', '1.1', true), set_config('jit', 'off', true),"
                " set_config('lock_timeout', '30s', true), set_config('pgtrigger.ignore', '{}', true)"
            )
        yield


def analyze(*models: type[Model]) -> None:
    """Bring the planner's statistics of these tables up to date.

    A table that was analysed while it was empty is planned for as if it still were, and the check of a
    foreign key then walks the wrong index. A role that does not own the tables gets a notice only.
    """
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE " + ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models))


def analyze_grown(*models: type[Model], by: int) -> None:
    """The same for those tables of which the planner knows fewer rows than the `by` that were just written. A plan that
    a session made while a table was small it keeps until then, also in the triggers of the table."""
    tables = {model._meta.db_table: model for model in models}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE oid = ANY(%s::regclass[]) AND reltuples < %s", [list(tables), by]
        )
        grown = [tables[name] for (name,) in cursor.fetchall()]
    if grown:
        analyze(*grown)


@cache
def _tables_with_history() -> frozenset[str]:
    events = (model for model in apps.get_models() if issubclass(model, pghistory.models.Event))
    tracked: Iterable[Any] = (event.pgh_tracked_model for event in events)
    return frozenset(model._meta.db_table for model in tracked if model)


class _Lines(io.RawIOBase):
    """The rows in the text format of COPY, as a file that is read in portions."""

    def __init__(self, rows: Iterable[Sequence[Any]]) -> None:
        self.count = 0
        self._encoded = self._encode(rows)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, length = [self._rest], len(self._rest)
        while length < size or size < 0:
            line = next(self._encoded, None)
            if line is None:
                break
            parts.append(line)
            length += len(line)
        whole = b"".join(parts)
        self._rest = whole[size:] if size >= 0 else b""
        return whole[:size] if size >= 0 else whole

    def _encode(self, rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        for row in rows:
            self.count += 1
            yield ("\t".join(map(_field, row)) + "\n").encode()


def _field(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    text = str(value)
    # Nearly every text has nothing to escape, and asking is quicker than translating.
    return text if text.isprintable() and "\\" not in text else text.translate(_ESCAPES)
