"""Lists as CSV files that a spreadsheet opens: text stays text, whatever somebody called themselves (T38)."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from io import StringIO
from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header

PORTION = 64 * 1024
# A cell that begins like this is a formula to some spreadsheet; with an apostrophe before it, it is a text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_response(name: str, header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """The rows as the download `<name>.csv` (UTF-8 with its mark, RFC 4180).

    Numbers stay numbers and days are ISO 8601; every other cell is quoted text, and one that would be
    a formula is defused. `name` comes from the code and holds letters, digits and dashes.
    """
    return HttpResponse(b"".join(csv_stream(header, rows)), headers=_headers(f"{name}.csv"))


def csv_download(name: str, portions: Iterable[bytes]) -> StreamingHttpResponse:
    """What `csv_stream` yields as the download of that name, sent while it is made."""
    return StreamingHttpResponse(portions, headers=_headers(name))


def csv_stream(header: Sequence[Any], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """The same file in portions, for rows that are too many to hold at once."""
    text = StringIO("\ufeff")
    text.seek(0, 2)
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([str(title) for title in header])
    for row in rows:
        writer.writerow([cell(value) for value in row])
        if text.tell() > PORTION:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    yield text.getvalue().encode()


def _headers(name: str) -> dict[str, str]:
    return {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name) or "attachment",
        "Cache-Control": "no-store",
    }


def cell(value: Any) -> int | Decimal | str:
    """The value as it stands in a cell."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    written = "" if value is None else value.isoformat() if isinstance(value, date) else str(value)
    return f"'{written}" if written.startswith(_FORMULA) else written
