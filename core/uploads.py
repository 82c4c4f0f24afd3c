"""Files that people hand in: judged by what is in them, not by what they are called (M7, T41, T43)."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple
from uuid import uuid4

from django import forms
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.errors import Refused

LARGEST = 5 * 1024 * 1024
TAIL = 1024


class Kind(NamedTuple):
    """A kind of file: its endings, and what stands at its beginning and near its end. Text has neither."""

    content_type: str
    endings: tuple[str, ...]
    beginning: bytes = b""
    end: bytes = b""


@dataclass(frozen=True)
class Kinds:
    """What may be handed in at one place, and how people say it."""

    words: str | Promise
    kinds: tuple[Kind, ...]

    def of(self, name: str) -> Kind | None:
        ending = PurePath(name).suffix.lower()
        return next((kind for kind in self.kinds if ending in kind.endings), None)

    @property
    def accept(self) -> str:
        """For the `accept` attribute of a file input."""
        return ",".join(ending for kind in self.kinds for ending in kind.endings)


_PAPERS = (
    Kind("application/pdf", (".pdf",), b"%PDF-", b"%%EOF"),
    Kind("image/png", (".png",), b"\x89PNG\r\n\x1a\n", b"IEND"),
    Kind("image/jpeg", (".jpg", ".jpeg"), b"\xff\xd8\xff", b"\xff\xd9"),
)
PAPERS = Kinds(gettext_lazy("PDF, PNG or JPEG"), _PAPERS)
PAPERS_AND_TEXT = Kinds(
    gettext_lazy("PDF, PNG, JPEG, TXT or CSV"),
    (*_PAPERS, Kind("text/plain", (".txt",)), Kind("text/csv", (".csv",))),
)


@dataclass(frozen=True)
class CheckedFile:
    """A file that may be kept: a harmless name, the kind that its content shows, and the content."""

    name: str
    content_type: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def check_file(upload: Any, kinds: Kinds = PAPERS) -> CheckedFile:
    """Read and check one file of at most 5 MB. Refuses `too_large`, `file_kind`, and `file_content` where it is
    empty, cut off, or not what its name says."""
    name = clean_name(upload.name or "")
    told = {"name": name, "kinds": kinds.words}
    if upload.size > LARGEST:
        raise Refused(_("%(name)s is larger than 5 MB. Hand in a smaller file."), "too_large", told)
    kind = kinds.of(name)
    if kind is None:
        raise Refused(
            _("%(name)s is no %(kinds)s file. Save it as one of these, and hand it in again."), "file_kind", told
        )
    content = upload.read()
    if not _is_whole(content, kind):
        raise Refused(
            _("%(name)s is not what its name says, is not whole, or is empty. Save it anew, and hand it in again."),
            "file_content",
            told,
        )
    return CheckedFile(name, kind.content_type, content)


def keep_file(file: CheckedFile, folder: str) -> str:
    """Write it where nobody can guess, before the row that names it: a row never points to nothing. Returns the
    name in the storage."""
    return str(default_storage.save(f"{folder}/{uuid4().hex}", ContentFile(file.content)))


def clean_name(name: str) -> str:
    """The last part of the name, without what a path, a header or a terminal could trip over."""
    base = unicodedata.normalize("NFC", PurePath(name.replace("\\", "/")).name)
    base = re.sub(r"[^\w. ()-]", "_", base).strip(" .") or "file"
    return f"{PurePath(base).stem[:80]}{PurePath(base).suffix[:10]}"


def _is_whole(content: bytes, kind: Kind) -> bool:
    if kind.beginning:
        return content.startswith(kind.beginning) and kind.end in content[-TAIL:]
    try:
        return bool(content) and "\x00" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False


class _SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class CheckedFileField(forms.FileField):
    """One file that was looked into; cleans to a CheckedFile, or None where none is demanded."""

    def __init__(self, *, kinds: Kinds = PAPERS, **options: Any) -> None:
        self.kinds = kinds
        options.setdefault("widget", forms.FileInput(attrs={"accept": kinds.accept}))
        super().__init__(**options)

    def clean(self, data: Any, initial: Any = None) -> Any:
        upload = super().clean(data, initial)
        return check_file(upload, self.kinds) if upload else None


class CheckedFilesField(CheckedFileField):
    """Several files, at most `most`; cleans to a list of CheckedFile. What is wrong with each is said at once."""

    def __init__(self, *, most: int, kinds: Kinds = PAPERS, **options: Any) -> None:
        self.most = most
        super().__init__(kinds=kinds, widget=_SeveralFiles(attrs={"accept": kinds.accept}), **options)

    def clean(self, data: Any, initial: Any = None) -> list[CheckedFile]:
        uploads: Iterable[Any] = data if isinstance(data, list | tuple) else [data] if data else []
        found, errors = [], []
        for upload in uploads or [None]:
            try:
                found.append(super().clean(upload, initial))
            except forms.ValidationError as error:
                errors.append(error)
        if len(found) > self.most:
            errors = [Refused(_("Hand in at most %(most)d files at once."), "too_many_files", {"most": self.most})]
        if errors:
            raise forms.ValidationError(errors)
        return [file for file in found if file]
