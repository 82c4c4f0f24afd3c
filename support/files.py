"""Files that people send along: which kinds, how large, and what they really are (M7)."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import PurePath
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from core.errors import Refused

MOST_BYTES = 5 * 1024 * 1024
MOST_FILES = 3
FOLDER = "support"
# What the first bytes of each kind are; text has none and is read instead.
KINDS: dict[str, tuple[str, bytes]] = {
    ".pdf": ("application/pdf", b"%PDF-"),
    ".png": ("image/png", b"\x89PNG\r\n\x1a\n"),
    ".jpg": ("image/jpeg", b"\xff\xd8\xff"),
    ".jpeg": ("image/jpeg", b"\xff\xd8\xff"),
    ".txt": ("text/plain", b""),
    ".csv": ("text/csv", b""),
}


@dataclass(frozen=True)
class CheckedFile:
    """A file that was looked into, in memory."""

    name: str
    content_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def check_file(upload: UploadedFile) -> CheckedFile:
    """Read and check one file. Refuses `too_large`, `file_kind` and `file_content` (it is not what its name says)."""
    name = _clean_name(upload.name or "")
    if (upload.size or 0) > MOST_BYTES:
        raise Refused(_("%(name)s is larger than 5 MB. Send a smaller one.") % {"name": name}, "too_large")
    suffix = PurePath(name).suffix.lower()
    if suffix not in KINDS:
        raise Refused(_("%(name)s is no PDF, PNG, JPEG, TXT or CSV file.") % {"name": name}, "file_kind")
    content_type, start = KINDS[suffix]
    content = upload.read()
    if not content.startswith(start) or not content or (not start and not _is_text(content)):
        raise Refused(
            _("%(name)s is not what its name says, or is empty. Save it anew and try again.") % {"name": name},
            "file_content",
        )
    return CheckedFile(name, content_type, content)


def keep_file(file: CheckedFile) -> str:
    """Write it where nobody can guess; returns the name in the storage."""
    return default_storage.save(f"{FOLDER}/{uuid4().hex}", ContentFile(file.content))


def _clean_name(name: str) -> str:
    """The last part of the name, without what a path, a header or a terminal could trip over."""
    base = unicodedata.normalize("NFC", PurePath(name.replace("\\", "/")).name)
    base = re.sub(r"[^\w. ()-]", "_", base).strip(" .") or "file"
    stem, suffix = PurePath(base).stem[:80], PurePath(base).suffix[:10]
    return f"{stem}{suffix}"


def _is_text(content: bytes) -> bool:
    try:
        return "\x00" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False
