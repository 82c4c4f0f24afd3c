"""A made file in the storage: put there once, with its digest and size, and never given out when it has changed
(L4, F39). What a row keeps of its file are `file`, `sha256`, `size_bytes` and `made_at`."""

import hashlib
import logging
from typing import Any, Protocol

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

logger = logging.getLogger(__name__)


class Damaged(Exception):
    """The stored file is not the one that was made: it is gone, or its digest differs. Nobody gets it."""


class Kept(Protocol):
    """A row that keeps a file."""

    file: Any
    sha256: Any


def keep(content: bytes, name: str) -> dict[str, Any]:
    """Store the file, and say what its row has to know of it."""
    return {
        "file": _stored(content, name),
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "made_at": timezone.now(),
    }


def read(row: Kept) -> bytes:
    """The file of a row, exactly as it was made. Raises Damaged, and says so in the log."""
    try:
        with default_storage.open(row.file) as file:
            content: bytes = file.read()
    except FileNotFoundError:
        content = b""
    if hashlib.sha256(content).hexdigest() != row.sha256:
        logger.error("The file %s of %s %s is damaged or gone", row.file, type(row).__name__, row)
        raise Damaged(str(row))
    return content


def _stored(content: bytes, name: str) -> str:
    """Store the file and return its name. One that a dead worker left there belongs to no row yet; it is the same
    file, or it gives way."""
    if default_storage.exists(name):
        with default_storage.open(name) as left:
            if left.read() == content:
                return name
        default_storage.delete(name)
    stored: str = default_storage.save(name, ContentFile(content))
    return stored
