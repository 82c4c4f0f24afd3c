"""A file of charges that staff hand in: kept at once, imported by a worker, whose progress anybody may look at."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.files import File
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.codes import new_code
from core.errors import Refused
from core.states import move
from invoices.focus import FileRefused
from invoices.models import ChargeUpload
from invoices.services.charge_import import ImportReport, import_charges
from invoices.states import UploadStatus

# What a browser sends in one go; larger files are for `manage.py import_charges`.
LARGEST_UPLOAD = 512 * 1024 * 1024


@transaction.atomic
def upload_charges(file: Any, *, by: Any) -> ChargeUpload:
    """Keep the file for a worker. Refuses `too_large` and `empty`."""
    if file.size > LARGEST_UPLOAD:
        raise Refused(
            _("The file is larger than %(size)s MB. Pack it with gzip, or import it on the server.")
            % {"size": LARGEST_UPLOAD // 1024**2},
            "too_large",
        )
    if not file.size:
        raise Refused(_("The file is empty."), "empty")
    upload = ChargeUpload(file_name=Path(file.name).name[-255:], size_bytes=file.size, uploaded_by=by)
    upload.file.save(f"{new_code()}.bin", file, save=False)
    ChargeUpload.objects.bulk_create([upload])
    return upload


def import_upload(upload: ChargeUpload) -> None:
    """Import it and say what became of it. May be repeated: what was imported is known, and counts as done."""
    if upload.status != UploadStatus.WAITING:
        return
    kept = upload.file.name or ""
    with tempfile.TemporaryDirectory() as folder:
        path, refused_to = Path(folder) / "charges", Path(folder) / "refused.csv"
        with upload.file.open("rb") as stored, path.open("wb") as local:
            shutil.copyfileobj(stored, local)
        try:
            report = import_charges(path, refused_to=refused_to, name=upload.file_name, progress=_progress(upload))
        except (FileRefused, Refused) as refusal:
            move(upload, UploadStatus.REFUSED, refusal=str(refusal), finished_at=timezone.now(), file="")
        else:
            _conclude(upload, report, refused_to)
    upload.file.storage.delete(kept)


def _conclude(upload: ChargeUpload, report: ImportReport, refused_to: Path) -> None:
    name = ""
    if report.refused_rows:
        with refused_to.open("rb") as refused:
            name = upload.refused_file.storage.save(f"charge-uploads/{upload.code}-refused.csv", File(refused))
    move(
        upload,
        UploadStatus.DONE,
        rows_read=report.rows,
        added_rows=report.added,
        known_rows=report.known,
        refused_rows=report.refused_rows,
        refused_file=name,
        result=report.source,
        finished_at=timezone.now(),
        file="",
    )


def _progress(upload: ChargeUpload) -> Callable[[int], None]:
    """Writes how far it is over a connection of its own, for the import is one transaction that nobody else sees."""

    def tell(rows: int) -> None:
        beside = connection.copy()
        try:
            with beside.cursor() as cursor:
                cursor.execute("UPDATE invoices_chargeupload SET rows_read = %s WHERE id = %s", [rows, upload.pk])
        finally:
            beside.close()

    return tell
