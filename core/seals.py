"""Seals over the history: proof that no entry was changed, removed or slipped in afterwards (I27, T57).

A job seals every new entry: the seal holds the digest of what the entry says (its row and who was
acting) and is chained to the seal before it, one chain per account. Nobody can then change an entry
without breaking the chain, not even somebody who may write to the database.

Lawful erasure empties fields of entries by `erase_history` and `erase_actors` alone, and seals what is left;
verification tells such entries from altered ones. What came in since the last run of the job has no seal yet and
is counted as the unsealed tail.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from core.models import HistorySeal

BATCH = 1000
SAID_AT_MOST = 20
# What follows before the first seal of a chain.
START = "0" * 64
# Chain of the entries that belong to no account: people, organisations.
NO_ACCOUNT = 0

_LOCK = 727_001


@dataclass(frozen=True)
class Break:
    """A place where the history is not what was sealed."""

    seal: HistorySeal
    what: str

    def __str__(self) -> str:
        where = f"{self.seal.table} {self.seal.entry}"
        return f"{where} (seal {self.seal.number} of account {self.seal.chain}): {self.what}"


@dataclass
class Verdict:
    """What a verification found. `breaks` are in the order of sealing and at most SAID_AT_MOST."""

    chains: int = 0
    seals: int = 0
    erased: int = 0
    unsealed: int = 0
    head: str = ""
    breaks: list[Break] = field(default_factory=list)


def event_models() -> list[type[models.Model]]:
    """The tables of history, by label."""
    found = [model for model in apps.get_models() if hasattr(model, "pgh_tracked_model")]
    return sorted(found, key=lambda model: model._meta.label_lower)


def seal_entries(event: type[models.Model], chain_sql: str, *, batch: int = BATCH) -> int:
    """Seal the entries of one table of history that have no seal yet; returns how many.

    `chain_sql` is an SQL expression over the row `e` for the account id, null where there is none.
    """
    sealed = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            _lock(cursor)
            columns = _columns(event)
            cursor.execute(
                f"""
                SELECT e.pgh_id, coalesce({chain_sql}, {NO_ACCOUNT}), {_DIGEST}
                FROM {_table(event)} e LEFT JOIN pghistory_context c ON c.id = e.pgh_context_id
                WHERE NOT EXISTS (
                    SELECT 1 FROM core_historyseal s WHERE s.table = %(label)s AND s.entry = e.pgh_id)
                ORDER BY e.pgh_id LIMIT %(batch)s
                """,  # noqa: S608 names of tables and columns
                {"label": event._meta.label_lower, "batch": batch, "columns": columns},
            )
            rows = cursor.fetchall()
            _append(event._meta.label_lower, rows, columns)
        sealed += len(rows)
        if len(rows) < batch:
            return sealed


def erase_history(model: type[models.Model], row_id: int, *, fields: Sequence[str]) -> None:
    """Empty these text fields in every entry about one row, and seal what is left (I27, S4-2b).

    The one lawful way to change history: for personal data that has to go. In the caller's transaction.
    """
    event = next(each for each in event_models() if each.pgh_tracked_model is model)  # type: ignore[attr-defined]
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor)
        # The role of the portal may not update history; this one function, which its owner made, may.
        cursor.execute("SELECT core_erase_history(%s::regclass, %s, %s)", [event._meta.db_table, row_id, list(fields)])
        _seal_again(cursor, event, "e.pgh_obj_id = %(of)s", row_id, erased=",".join(fields))


def erase_actors(actors: Sequence[int]) -> None:
    """Take the names, network addresses and browsers of these people (primary keys) out of everything that they did,
    leave `#` and the number of each, and seal what is left (I27, I29). In the caller's transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor)
        cursor.execute("SELECT core_erase_actors(%s::bigint[])", [list(actors)])
        for event in event_models():
            _seal_again(cursor, event, "c.metadata->>'actor' = ANY(%(of)s)", list(map(str, actors)), erased="actor")


def _seal_again(cursor: Any, event: type[models.Model], which: str, of: Any, *, erased: str) -> None:
    """Seal what is left of entries that were sealed before; `which` is a condition over the entry `e` and who was
    acting, `c`."""
    label, columns = event._meta.label_lower, _columns(event)
    cursor.execute(
        f"""
        SELECT e.pgh_id, s.chain, {_DIGEST}
        FROM {_table(event)} e LEFT JOIN pghistory_context c ON c.id = e.pgh_context_id
        JOIN core_historyseal s ON s.table = %(label)s AND s.entry = e.pgh_id AND s.erased = ''
        WHERE {which} ORDER BY e.pgh_id
        """,  # noqa: S608 names of tables and columns, and conditions of ours
        {"label": label, "of": of, "columns": columns},
    )
    _append(label, cursor.fetchall(), columns, erased=erased)


def verify_seals() -> Verdict:
    """Look at every seal and at every entry that was sealed. Reads only; memory does not grow with the history."""
    verdict = Verdict()
    found = [*_broken_links(verdict), *_broken_entries()]
    found.sort(key=lambda each: each.seal.pk)
    verdict.breaks = found[:SAID_AT_MOST]
    with connection.cursor() as cursor:
        for event in event_models():
            cursor.execute(
                f"""
                SELECT count(*) FROM {_table(event)} e WHERE NOT EXISTS (
                    SELECT 1 FROM core_historyseal s WHERE s.table = %s AND s.entry = e.pgh_id)
                """,  # noqa: S608 the name of a table
                [event._meta.label_lower],
            )
            verdict.unsealed += cursor.fetchone()[0]
    return verdict


def _broken_links(verdict: Verdict) -> Iterator[Break]:
    """Seals that do not follow from the one before; counts what there is."""
    chain, number, digest = None, 0, START
    heads = hashlib.sha256()
    for seal in HistorySeal.objects.order_by("chain", "number").iterator(chunk_size=5000):
        if seal.chain != chain:
            heads.update(digest.encode())
            chain, number, digest = seal.chain, 0, START
            verdict.chains += 1
        verdict.seals += 1
        verdict.erased += bool(seal.erased)
        if seal.number != number + 1:
            yield Break(seal, f"{seal.number - number - 1} seals before it are missing")
        elif seal.digest != _link(digest, seal):
            yield Break(seal, "the seal was altered, or does not follow from the one before")
        number, digest = seal.number, seal.digest
    heads.update(digest.encode())
    verdict.head = heads.hexdigest()


def _broken_entries() -> Iterator[Break]:
    """Sealed entries that are gone or say something else now; the latest seal of each counts."""
    shapes = HistorySeal.objects.order_by().values_list("table", "columns").distinct()
    known = {event._meta.label_lower: event for event in event_models()}
    for label, columns in list(shapes):
        if label not in known:
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                SELECT s.id, e.pgh_id IS NULL
                FROM core_historyseal s
                LEFT JOIN {_table(known[label])} e ON e.pgh_id = s.entry
                LEFT JOIN pghistory_context c ON c.id = e.pgh_context_id
                WHERE s.table = %(label)s AND s.columns = %(stored)s
                  AND (e.pgh_id IS NULL OR s.content <> {_DIGEST})
                  AND NOT EXISTS (
                    SELECT 1 FROM core_historyseal later
                    WHERE later.table = s.table AND later.entry = s.entry AND later.id > s.id)
                ORDER BY s.id LIMIT {SAID_AT_MOST}
                """,  # noqa: S608 names of tables and columns
                {"label": label, "stored": columns, "columns": columns.split(",")},
            )
            rows = cursor.fetchall()
        seals = HistorySeal.objects.in_bulk([pk for pk, _gone in rows])
        for pk, is_gone in rows:
            yield Break(seals[pk], "the entry is gone" if is_gone else "the entry was altered")


# What an entry says: the columns it had when it was sealed, in the order of their names, and who was acting.
# A column that a later migration adds is no part of it.
_DIGEST = """
encode(sha256(convert_to(
    (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(e)) WHERE key = ANY(%(columns)s))::text
    || coalesce(c.metadata::text, ''), 'UTF8')), 'hex')
"""


def _append(label: str, rows: Sequence[tuple[int, int, str]], columns: Sequence[str], erased: str = "") -> None:
    """Seal these (entry, chain, content) in order, each behind the last of its chain."""
    chains = {chain for _entry, chain, _content in rows}
    last = HistorySeal.objects.filter(chain__in=chains).order_by("chain", "-number").distinct("chain")
    heads: dict[int, tuple[int, str]] = {seal.chain: (seal.number, seal.digest) for seal in last}
    seals = []
    for entry, chain, content in rows:
        number, digest = heads.get(chain, (0, START))
        seal = HistorySeal(
            chain=chain,
            number=number + 1,
            table=label,
            entry=entry,
            columns=",".join(columns),
            content=content,
            erased=erased,
        )
        seal.digest = _link(digest, seal)
        heads[chain] = (seal.number, seal.digest)
        seals.append(seal)
    HistorySeal.objects.bulk_create(seals)


def _link(before: str, seal: HistorySeal) -> str:
    parts = (before, seal.chain, seal.number, seal.table, seal.entry, seal.columns, seal.content, seal.erased)
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def _columns(event: type[models.Model]) -> list[str]:
    return sorted(str(each.column) for each in event._meta.local_concrete_fields)


def _table(event: type[models.Model]) -> str:
    return connection.ops.quote_name(event._meta.db_table)


def _lock(cursor: Any) -> None:
    """One sealer at a time; times are written the same way whatever the session is set to."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s), set_config('timezone', 'UTC', true)", [_LOCK])
