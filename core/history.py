"""History of what people change, and who was acting (I24, I26)."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pghistory
from django.db import models
from pghistory import runtime

from core.guards import no_truncate


@contextmanager
def acting(by: Any, action: str) -> Iterator[None]:
    """Every tracked change inside is recorded as done by this person (None is the system) as that action.

    Each act is a context of its own, so that what is written once about it stays true: the library would
    let a later act of the same request rename an earlier one.
    """
    who = {"actor": by.pk, "actor_name": str(by)} if by is not None else {"actor": None, "actor_name": "system"}
    outer = getattr(runtime._tracker, "value", None)
    if outer is None:
        with pghistory.context(**who, action=action):
            yield
        return
    runtime._tracker.value = runtime.Context(uuid.uuid4(), {**outer.metadata, **who, "action": action})
    try:
        yield
    finally:
        runtime._tracker.value = outer


def tracked(exclude: tuple[str, ...] = ()) -> Callable[[type[models.Model]], type[models.Model]]:
    """Keep every state of the model's rows, written by the database itself and final there (I27).

    Never COPY into such a table.
    """
    events = (pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
    return pghistory.track(  # type: ignore[no-any-return]
        *events, exclude=list(exclude), append_only=True, meta={"triggers": [no_truncate()]}
    )


@dataclass(frozen=True)
class Change:
    """One entry of a row's history: when, by whom (empty where nobody said), as which action."""

    at: datetime
    by: str
    action: str


def last_change(row: Any) -> Change | None:
    """Who changed a tracked row last; None where its history is empty. For "somebody else saved this"."""
    entry = row.events.select_related("pgh_context").order_by("-pgh_id").first()
    if entry is None:
        return None
    told = entry.pgh_context.metadata if entry.pgh_context else {}
    return Change(entry.pgh_created_at, told.get("actor_name", ""), told.get("action", ""))
