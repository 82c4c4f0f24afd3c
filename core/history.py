"""History of what people change, and who was acting (I24, I26)."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pghistory
from django.db import models


def acting(by: Any, action: str) -> AbstractContextManager[Any]:
    """Every tracked change inside is recorded as done by this person (None is the system) as that action."""
    who = {"actor": by.pk, "actor_name": str(by)} if by is not None else {"actor": None, "actor_name": "system"}
    return pghistory.context(**who, action=action)


def tracked(exclude: tuple[str, ...] = ()) -> Callable[[type[models.Model]], type[models.Model]]:
    """Keep every state of the model's rows, written by the database itself; never COPY into such a table."""
    events = (pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())
    return pghistory.track(*events, exclude=list(exclude))  # type: ignore[no-any-return]


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
