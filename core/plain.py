"""JSON for the outbox: plain values that come back as what they were.

A mail is written when it is sent, in the recipient's language, so its dates and amounts must still be
dates and amounts then.
"""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from core.money import Money


class PlainEncoder(json.JSONEncoder):
    """Writes dates, moments, decimals and Money with their kind. Refuses everything else that is not
    JSON: a model instance would be stale when the mail is written, a translated text in the language
    of whoever caused it."""

    def default(self, value: Any) -> Any:
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise TypeError(f"{value} has no time zone")
            return {"$moment": value.isoformat()}
        if isinstance(value, date):
            return {"$date": value.isoformat()}
        if isinstance(value, Decimal):
            return {"$decimal": str(value)}
        if isinstance(value, Money):
            return {"$money": [value.minor, value.currency]}
        raise TypeError(f"{type(value).__name__} is not a plain value: {value!r}")


class PlainDecoder(json.JSONDecoder):
    """Reads what PlainEncoder wrote."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "object_hook": _revived})


def _revived(found: dict[str, Any]) -> Any:
    match found:
        case {"$moment": str(text)} if len(found) == 1:
            return datetime.fromisoformat(text)
        case {"$date": str(text)} if len(found) == 1:
            return date.fromisoformat(text)
        case {"$decimal": str(text)} if len(found) == 1:
            return Decimal(text)
        case {"$money": [int(minor), str(currency)]} if len(found) == 1:
            return Money(minor, currency)
    return found
