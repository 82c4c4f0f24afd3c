"""Files on this machine that are whole or not there at all."""

import os
from contextlib import suppress
from typing import Any
from uuid import uuid4

from django.core.files.storage import FileSystemStorage


class WholeFileStorage(FileSystemStorage):
    """Django's storage, except that a name appears only once all of its content is on the disk (F20).

    A full disk leaves nothing, a killed worker a file ending in `.part`, and neither a name with half
    a file. A name that exists is never written over: the new file gets another.
    """

    def _save(self, name: str, content: Any) -> str:
        part = f"{name}.{uuid4().hex}.part"
        try:
            super()._save(part, content)  # type: ignore[misc]
            self._flush(part)
            return self._publish(part, name)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(self.path(part))

    def _flush(self, name: str) -> None:
        descriptor = os.open(self.path(name), os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _publish(self, part: str, name: str) -> str:
        """Give the finished file its name. A hard link fails where the name was taken meanwhile."""
        while True:
            try:
                os.link(self.path(part), self.path(name))
            except FileExistsError:
                name = self.get_available_name(name)
            else:
                return name
