"""Giving out a file that came with a message."""

from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponse
from django.utils.http import content_disposition_header

from support.models import SupportFile


def file_response(file: SupportFile) -> HttpResponse:
    """The file as a download, never shown in the portal, whatever its content says it is (M7)."""
    if not default_storage.exists(file.storage_name):
        raise Http404
    response = FileResponse(default_storage.open(file.storage_name), content_type="application/octet-stream")
    response["Content-Disposition"] = content_disposition_header(True, file.name)
    response["X-Content-Type-Options"] = "nosniff"
    return response  # type: ignore[return-value]
