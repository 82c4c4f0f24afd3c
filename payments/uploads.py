"""Checking the files that people hand in, by what is in them and not by what they are called (T43)."""

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

LARGEST = 5 * 1024 * 1024
MOST_FILES = 5
# Ending, beginning of the content, kind.
KINDS = (
    ({".pdf"}, b"%PDF-", "application/pdf"),
    ({".png"}, b"\x89PNG\r\n\x1a\n", "image/png"),
    ({".jpg", ".jpeg"}, b"\xff\xd8\xff", "image/jpeg"),
)


@dataclass(frozen=True)
class CheckedFile:
    """A file that may be kept: a harmless name, its content, and the kind that the content shows."""

    name: str
    content: bytes
    content_type: str


def check_file(upload: Any) -> CheckedFile:
    """The uploaded file, or a ValidationError that names the way out: PDF, PNG or JPEG, at most 5 MB, not empty."""
    name = re.sub(r"[^\w. -]", "_", PurePath(upload.name.replace("\\", "/")).name)[-100:]
    if upload.size > LARGEST:
        raise ValidationError(
            _("%(name)s is larger than %(most)s. Hand in a smaller file."),
            "too_large",
            {"name": name, "most": filesizeformat(LARGEST)},
        )
    content = upload.read()
    for endings, beginning, content_type in KINDS:
        if PurePath(name).suffix.lower() in endings and content.startswith(beginning):
            return CheckedFile(name, content, content_type)
    raise ValidationError(
        _("%(name)s is no PDF, PNG or JPEG. Save it as one of these, and hand it in again."), "kind", {"name": name}
    )
