"""What only the pages of the vendor's staff are drawn with."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from django import template
from django.db.models import Model
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from core.staff import EMPTY

register = template.Library()

_HEAD = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
_HEADING = re.compile(r"<th\b(?! role)")
_PART = re.compile(r"<(table|thead|tbody|tr|td|th)\b(?! role)")
_ROLES = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell", "th": "rowheader"}
_EMPTY = re.compile(rf"<td[^>]*>({EMPTY})?</td>")


@register.filter
def titled(row: Model) -> SafeString:
    """The name of a row as a heading: the kind of thing first, above it where the name does not begin with it."""
    kind, name = str(capfirst(row._meta.verbose_name)), str(row)
    if name.startswith(f"{kind} "):
        return format_html("{}", name)
    return format_html('<span class="staff-kind">{}</span> {}', kind, name)


@register.simple_block_tag
def cards(content: str) -> SafeString:
    """A table whose rows are cards on a phone: each cell gets the name of its column, and says that it is a cell.

    It has one head, and no table within it. `labelled` is the same for the lists that Django draws.
    """
    head, end, body = content.partition("</thead>")
    labels = [strip_tags(text).strip().replace('"', "&quot;") for text in _HEAD.findall(head)]
    place = iter(())

    def opened(match: re.Match[str]) -> str:
        nonlocal place
        tag = match[1]
        if tag == "tr":
            place = iter(labels)
        label = next(place, "") if tag in ("td", "th") else ""
        return f'<{tag} role="{_ROLES[tag]}"' + (f' data-label="{label}"' if tag == "td" else "")

    head = _HEADING.sub('<th role="columnheader"', head)
    return mark_safe(_PART.sub(opened, head + end) + _PART.sub(opened, body))  # noqa: S308 what the template drew


@register.filter
def labelled(cells: Iterable[str], headers: Sequence[dict[str, Any]]) -> list[SafeString]:
    """The cells of a row as Django drew them, each with the name of its column for where rows are cards.

    They say that they are cells of a table: what is drawn as a card is none to a screen reader by itself.
    """
    return [_labelled(cell, header) for cell, header in zip(cells, headers, strict=True)]


def _labelled(cell: str, header: dict[str, Any]) -> SafeString:
    tag = cell[:3]
    role = format_html(' role="{}"', "rowheader" if tag == "<th" else "cell")
    named = format_html(' data-label="{}"', capfirst(header["text"])) if "action-checkbox" not in cell[:30] else ""
    empty = " data-empty" if _EMPTY.fullmatch(cell) else ""
    return mark_safe(f"{tag}{role}{named}{empty}{cell[3:]}")  # noqa: S308 drawn and escaped by Django
