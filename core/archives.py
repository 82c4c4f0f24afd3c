"""Several files as one ZIP archive, sent while it is being written: it never lies whole in memory or on the disk."""

import hashlib
import zipfile
from collections.abc import Container, Iterable, Iterator

CHECKSUMS = "SHA256SUMS"


def stream_zip(files: Iterable[tuple[str, bytes]]) -> Iterator[bytes]:
    """The archive of these files (name, content), piece by piece; the last lists the SHA-256 of each, as `sha256sum`
    reads it. A name that came before gets a number. Stored, not deflated: PDFs are compressed already."""
    pieces = _Pieces()
    digests: dict[str, str] = {}
    tried: dict[str, int] = {}
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        for name, content in files:
            unique = _unique(name, digests, tried)
            digests[unique] = hashlib.sha256(content).hexdigest()
            archive.writestr(zipfile.ZipInfo(unique, (1980, 1, 1, 0, 0, 0)), content)
            yield pieces.taken()
        listed = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
        archive.writestr(zipfile.ZipInfo(CHECKSUMS, (1980, 1, 1, 0, 0, 0)), listed)
    yield pieces.taken()


def _unique(name: str, known: Container[str], tried: dict[str, int]) -> str:
    """The name with a number where it came before; `tried` holds the last one, so that ten thousand equal names cost no
    more than as many different ones."""
    stem, dot, suffix = name.rpartition(".")
    unique, number = name, tried.get(name, 1)
    while unique in known:
        number += 1
        unique = f"{stem}-{number}{dot}{suffix}"
    tried[name] = number
    return unique


class _Pieces:
    """A file that can only be written on, as a response is."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def taken(self) -> bytes:
        """What was written since it was last asked."""
        piece = bytes(self._written)
        self._written.clear()
        return piece
