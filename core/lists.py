"""Lists: a page at a time by key, sorted by a fixed map, counted no further than people read.

A page is found by the values of its edge rows, not by an offset, so a late page costs what the first
does, and rows that arrive meanwhile move nothing (architecture §6).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldError, ValidationError
from django.db import DataError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

PAGE_SIZE = 25
COUNTED_TO = 1000

Fetch = Callable[[Sequence[str], Sequence[str] | None, int], list[Any]]


@dataclass(frozen=True)
class ListPage:
    """One page of rows. `newer` and `older` are addresses, empty where there is nothing that way."""

    rows: list[Any]
    newer: str
    older: str

    @property
    def is_whole(self) -> bool:
        """Whether this page is the whole list."""
        return not self.newer and not self.older


def read_page(request: HttpRequest, rows: QuerySet, order: Sequence[str], size: int = PAGE_SIZE) -> ListPage:
    """The page that the address asks for (`after` or `before` a row), in one statement.

    `order` names columns that are never empty, ends in a unique one, and comes from the code, never
    from the request (T11). A key that makes no sense shows the first page.
    """
    return read_window(request, lambda direction, key, most: _window(rows, direction, key, most), order, size)


def read_window(request: HttpRequest, fetch: Fetch, order: Sequence[str], size: int = PAGE_SIZE) -> ListPage:
    """`read_page` for rows that no queryset gives: `fetch(direction, key, size)` returns one row more than `size`
    where there are more, beyond the key (texts) in that direction."""
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    backwards = bool(before and not after)
    key = _decode(before if backwards else after, len(order))
    backwards = backwards and key is not None
    direction = [_flip(name) for name in order] if backwards else list(order)
    try:
        found = fetch(direction, key, size)
    except (ValueError, ValidationError, DataError, FieldError):
        key, backwards = None, False
        found = fetch(order, None, size)
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    has_newer = more if backwards else key is not None
    has_older = bool(found) if backwards else more
    return ListPage(
        found,
        _address(request, before=key_of(found[0], order)) if has_newer and found else "",
        _address(request, after=key_of(found[-1], order)) if has_older and found else "",
    )


def sorting(request: HttpRequest, choices: Mapping[str, Sequence[str]], default: str) -> Sequence[str]:
    """The order that `?sort=` asks for: one of `choices`, reversed by a leading minus, else the default."""
    wanted = request.GET.get("sort", default)
    if wanted.removeprefix("-") not in choices:
        wanted = default
    order = choices[wanted.removeprefix("-")]
    return [_flip(name) for name in order] if wanted.startswith("-") else order


def capped_count(rows: QuerySet, limit: int = COUNTED_TO) -> int:
    """How many rows there are, counted to one more than the limit and no further."""
    return rows.order_by()[: limit + 1].count()


def _window(rows: QuerySet, order: Sequence[str], key: Sequence[Any] | None, size: int) -> list[Any]:
    if key is not None:
        rows = rows.filter(_beyond(order, key))
    return list(rows.order_by(*order)[: size + 1])


def _beyond(order: Sequence[str], key: Sequence[Any]) -> Q:
    """Rows that come after the key: compared column by column. The first column also bounds the index scan."""
    condition, equal = Q(), Q()
    for name, value in zip(order, key, strict=True):
        column, lookup = name.removeprefix("-"), "lt" if name.startswith("-") else "gt"
        condition |= equal & Q(**{f"{column}__{lookup}": value})
        equal &= Q(**{column: value})
    first, lookup = order[0].removeprefix("-"), "lte" if order[0].startswith("-") else "gte"
    return Q(**{f"{first}__{lookup}": key[0]}) & condition


def _flip(name: str) -> str:
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"


def key_of(row: Model | Mapping[str, Any], order: Sequence[str]) -> str:
    """The key of a row in an address: `?after=` it begins the next page."""
    values = [str(_value(row, name.removeprefix("-"))) for name in order]
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _value(row: Model | Mapping[str, Any], path: str) -> Any:
    for name in path.split("__"):
        row = row[name] if isinstance(row, Mapping) else getattr(row, name)
    return row


def _decode(text: str, length: int) -> list[str] | None:
    if not text or len(text) > 2000:
        return None
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        return None
    fits = isinstance(values, list) and len(values) == length and all(isinstance(value, str) for value in values)
    return values if fits and not any("\x00" in value for value in values) else None


def _address(request: HttpRequest, **key: str) -> str:
    query = request.GET.copy()
    query.pop("after", None)
    query.pop("before", None)
    query.update(key)
    return f"?{query.urlencode()}"
