"""Public identifiers: what stands in a URL instead of a primary key.

They are long and random, so they tell nothing about how many rows there are; who may see a row is
decided by `core.policy`, never by the code being hard to guess (T01).
"""

import re
import secrets

from django.db import models
from django.http import HttpRequest

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 20


def new_code() -> str:
    """A new public identifier: 20 characters of Crockford's base 32, 100 bits."""
    return "".join(ALPHABET[byte % 32] for byte in secrets.token_bytes(LENGTH))


def code_asked_for(request: HttpRequest, key: str) -> str:
    """The public identifier that the query has under that key; empty where there is none, or what is no such thing.

    A path is read by `CodeConverter` already; a query may say anything, also what PostgreSQL has no text for.
    """
    text = request.GET.get(key, "")
    return text if re.fullmatch(CodeConverter.regex, text) else ""


class CodeField(models.CharField):
    """The public identifier of a row: unique, made once, never edited."""

    def __init__(self, **options: object) -> None:
        defaults = {"max_length": 32, "unique": True, "default": new_code, "editable": False}
        super().__init__(**{**defaults, **options})  # type: ignore[arg-type]

    def deconstruct(self) -> tuple[str, str, list[object], dict[str, object]]:
        """A plain CharField that says all it is: a history table keeps many states of one row, so its copy of
        the field must not become unique again by a default."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.CharField", args, kwargs  # type: ignore[return-value]


class CodeConverter:
    """The URL converter `<code:...>`."""

    regex = "[0-9a-z]{8,32}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value
