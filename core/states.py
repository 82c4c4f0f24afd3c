"""Statuses: which may follow which, and the only writer of one.

A model that has a status names its table of edges as `TRANSITIONS`: `{(from, to): "event.name"}`.
The tables stand in `<app>/states.py`; the database refuses every other edge by a trigger made from
the same table.
"""

from collections.abc import Sequence
from typing import Any

import pgtrigger
from django.db import models, transaction
from django.utils.translation import gettext as _

from core.errors import Refused

Transitions = dict[tuple[str, str], str]


class Status(models.TextChoices):
    """A status: a word with a tone. Tones are danger, warn, ok, info and neutral."""

    @property
    def tone(self) -> str:
        return self.__tones__[self.value]  # type: ignore[attr-defined,no-any-return]


def move(obj: Any, to: str, **fields: Any) -> None:
    """Move the row to that status and write `fields` with it, in one UPDATE filtered on the stored status.

    Raises Refused `no_such_edge` when the table has no such edge, and `moved_meanwhile` when somebody
    else moved the row first; the row is then as they left it.
    """
    edge = (obj.status, str(to))
    if edge not in type(obj).TRANSITIONS:
        raise Refused(
            _("This is %(from)s and cannot become %(to)s.") % {"from": obj.get_status_display(), "to": _label(obj, to)},
            code="no_such_edge",
        )
    rows = type(obj)._base_manager.filter(pk=obj.pk, status=obj.status)
    if rows.update(status=to, **fields) != 1:
        raise Refused(_("Somebody else changed this a moment ago. Look again and retry."), "moved_meanwhile")
    note_move(obj, to, **fields)


def move_all(rows: Sequence[Any], to: str, *, are_locked: bool = False, **fields: Any) -> list[Any]:
    """Move these rows of one model as `move` does, in two statements whatever their number. Returns those that moved;
    the others were moved by somebody else meanwhile and are as they left them. In the caller's transaction, or one of
    its own. `are_locked`: the caller read them under a lock, so all of them move, in one statement.

    Raises Refused `no_such_edge` where one of them may not go there; then none did.
    """
    if not rows:
        return []
    model = type(rows[0])
    for row in rows:
        if (row.status, str(to)) not in model.TRANSITIONS:
            move(row, to)
    known = {row.pk: row.status for row in rows}
    with transaction.atomic(savepoint=False):
        free = set(known)
        if not are_locked:
            stored = model._base_manager.select_for_update().filter(pk__among=known).order_by("pk")
            free = {pk for pk, status in stored.values_list("pk", "status") if known[pk] == status}
        model._base_manager.filter(pk__among=free).update(status=to, **fields)
    moved = [row for row in rows if row.pk in free]
    for row in moved:
        note_move(row, to, **fields)
    return moved


def note_move(obj: Any, to: str, **fields: Any) -> None:
    """Let the object know of a move that its row has made, by a statement that does more than that."""
    obj.status = str(to)
    for name, value in fields.items():
        setattr(obj, name, value)


def only_along(transitions: Transitions, name: str) -> pgtrigger.Trigger:
    """The trigger that refuses every change of `status` that the table does not have."""
    return pgtrigger.FSM(name=name, field="status", transitions=list(transitions))


def _label(obj: Any, status: str) -> str:
    return str(dict(obj._meta.get_field("status").choices).get(str(status), status))
