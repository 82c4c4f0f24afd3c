"""The file of a document: made once, kept with its digest, checked whenever it is read (L4, I28, F39)."""

import hashlib
import logging
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.text import slugify
from django.utils.translation import gettext, override

from core.errors import Refused
from core.jobs import stopping
from core.states import move
from invoices.documents.codes import check_code
from invoices.documents.einvoice import is_expressible, ubl_of
from invoices.documents.keeping import Damaged, keep, read
from invoices.documents.payload import InvoicePayload
from invoices.documents.render import (
    Rendered,
    RenderFailed,
    RenderRefused,
    finished,
    render,
    render_invoice,
    request_of,
)
from invoices.documents.source import payload_of
from invoices.models import Document, DocumentKind, Invoice
from invoices.states import DocumentStatus

logger = logging.getLogger(__name__)

__all__ = [
    "FOLDER",
    "SUFFIXES",
    "Damaged",
    "file_name",
    "make_document",
    "make_documents",
    "read_document",
    "restore_document",
    "retry_document",
]

# Documents handed to the renderer before the first of them is stored.
AHEAD = 2
FOLDER = "invoices"
SUFFIXES = {DocumentKind.PDF: "pdf", DocumentKind.UBL: "xml"}
LONGEST_ERROR = 1000


def make_documents(documents: Iterable[Document]) -> list[Exception]:
    """Make the files of pending documents and keep them. Safe to repeat: a document is made once.

    What was asked for is the PDF; the structured invoice (UBL) is made from the same facts and kept with it.

    One is typeset in the renderer's process while this one stores the one before and reads the one
    after. Returns what may mend itself (the renderer died, the disk is full), for the caller to try
    those again. A document that the compiler refuses has failed, and waits for `retry_document`. Both
    are written to the document, in words.
    """
    failures = []
    with ThreadPoolExecutor(1, "renderer") as renderer:
        under_way: deque[tuple[Document, InvoicePayload, Future[Rendered]]] = deque()
        for document in documents:
            if document.status == DocumentStatus.PENDING and not stopping():
                payload = payload_of(document.invoice)
                under_way.append((document, payload, renderer.submit(render, request_of(payload))))
            if len(under_way) > AHEAD:
                failures.append(_finish(*under_way.popleft()))
        failures += [_finish(*each) for each in under_way]
    return [failure for failure in failures if failure]


def make_document(document: Document) -> None:
    """Make the file of one pending document. Raises RenderFailed or OSError for what may mend itself."""
    for failure in make_documents([document]):
        raise failure


def read_document(document: Document) -> bytes:
    """The file of a ready document, exactly as it was made. Raises Damaged, and says so in the log."""
    return read(document)


def restore_document(document: Document) -> None:
    """Put back a lost or damaged file by making it again. Refuses `differs` unless every byte is the same.

    The document's row does not change; a file that is there but damaged is kept beside the new one.
    """
    content = _content_of(document)
    if hashlib.sha256(content).hexdigest() != document.sha256:
        raise Refused(
            gettext("Made again, the document differs from the one that was sent. Take its file from a backup."),
            code="differs",
        )
    if default_storage.exists(document.file):
        with default_storage.open(document.file) as damaged:
            default_storage.save(f"{document.file}.damaged", ContentFile(damaged.read()))
        default_storage.delete(document.file)
    default_storage.save(document.file, ContentFile(content))


def retry_document(document: Document) -> None:
    """Make a failed document after all. Refuses `no_such_edge` one that has not failed."""
    move(document, DocumentStatus.PENDING)


def file_name(invoice: Invoice, suffix: str = "pdf") -> str:
    """What the file is called where it goes to people: Factuur-G000118402.pdf, in the invoice's language."""
    with override(invoice.language):
        return f"{slugify(invoice.get_kind_display()).capitalize()}-{invoice.number}.{suffix}"


def _content_of(document: Document) -> bytes:
    payload = payload_of(document.invoice)
    return ubl_of(payload) if document.kind == DocumentKind.UBL else render_invoice(payload).pdf


def _finish(document: Document, payload: InvoicePayload, result: Future[Rendered]) -> Exception | None:
    """Keep what was rendered; or write down why nothing was, and return what may mend itself."""
    invoice = document.invoice
    try:
        rendered = finished(result.result(), payload)
        facts = _kept(rendered.pdf, invoice, "pdf")
        ubl = _kept(ubl_of(payload), invoice, "xml") if is_expressible(payload) else None
    except RenderRefused as error:
        logger.exception("Document %s cannot be made", document)
        move(document, DocumentStatus.FAILED, last_error=_words(error))
        return None
    except (RenderFailed, OSError) as error:
        Document.objects.filter(pk=document.pk, status=DocumentStatus.PENDING).update(last_error=_words(error))
        return error
    if not rendered.logo_drawn:
        logger.warning("The seller's logo could not be drawn on document %s", document)
    with transaction.atomic():
        move(
            document,
            DocumentStatus.READY,
            **facts,
            check_code=check_code(invoice.code),
            replaced_characters=rendered.replaced_characters[:500],
            last_error="",
        )
        if ubl:
            Document.objects.create(invoice=invoice, kind=DocumentKind.UBL, status=DocumentStatus.READY, **ubl)
    return None


def _kept(content: bytes, invoice: Invoice, suffix: str) -> dict[str, Any]:
    return keep(content, f"{FOLDER}/{invoice.issue_date:%Y/%m}/{invoice.code}.{suffix}")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
