"""What leaves the portal as a file: the documents of an invoice, its lines, several documents at once; and the
public page that says whether a document is ours."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import BillingAccount
from accounts.services.limits import count
from accounts.sign_in import network_of
from core.archives import stream_zip
from core.errors import Refused
from core.policy import Action, may, read_roles, requires
from invoices.documents.archive import SUFFIXES, Damaged, file_name, read_document
from invoices.documents.check import CHECKS_PER_ADDRESS, find_document
from invoices.documents.codes import read_code, shown_code
from invoices.documents.sheet import lines_csv
from invoices.filters import InvoiceFilter
from invoices.models import Document, DocumentKind, Invoice
from invoices.states import DocumentStatus
from profiles.models import BillingProfile

CONTENT_TYPES = {DocumentKind.PDF: "application/pdf", DocumentKind.UBL: "application/xml"}
# One archive holds at most so many invoices; whoever wants more narrows the list.
MOST_AT_ONCE = 1000


@requires(Action.INVOICE_DOWNLOAD, Invoice)
@require_safe
def invoice_pdf(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """The PDF exactly as it was made, its digest checked (F39); a page that says so while it is being made."""
    return _file(request, invoice, get_object_or_404(invoice.documents, kind=DocumentKind.PDF))


@requires(Action.INVOICE_DOWNLOAD, Invoice)
@require_safe
def invoice_ubl(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """The structured invoice (UBL 2.1, EN 16931) exactly as it was made (L7). It is made with the PDF."""
    asked_for = invoice.documents.filter(Q(kind=DocumentKind.UBL) | ~Q(status=DocumentStatus.READY))
    return _file(request, invoice, get_object_or_404(asked_for))


@requires(Action.INVOICE_DOWNLOAD, Invoice)
@require_safe
def invoice_csv(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """The lines as a sheet, in the words of the reader and with figures that a program reads."""
    response = lines_csv(invoice)
    response["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=file_name(invoice, "csv"))
    return response


@requires(Action.INVOICE_DOWNLOAD, BillingAccount, anywhere=True)
@require_safe
def invoices_zip(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The documents of the listed invoices in one archive, sent while it is being read; the newest first."""
    mine = Invoice.objects.allowing(request.user, Action.INVOICE_DOWNLOAD).filter(account=account).issued()
    profiles = BillingProfile.objects.allowing(request.user, Action.INVOICE_DOWNLOAD).filter(account=account).shown()
    wanted = InvoiceFilter(request.GET, profiles=list(profiles), on=timezone.localdate()).apply(mine)
    newest = wanted.order_by("-issue_date", "-pk").values_list("pk", flat=True)[:MOST_AT_ONCE]
    rows = Document.objects.filter(invoice__in=list(newest), status=DocumentStatus.READY)
    rows = rows.select_related("invoice__account")
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=f"{_('invoices')}.zip"),
        "Cache-Control": "no-store",
    }
    documents = rows.order_by("-invoice__issue_date", "-invoice_id", "kind")
    files = stream_zip(_files(list(documents), request.user))
    return StreamingHttpResponse(files, content_type="application/zip", headers=headers)  # type: ignore[return-value]


@login_not_required
@never_cache
def document_check(request: HttpRequest) -> HttpResponse:
    """Asks for the code that stands on a document."""
    typed = request.GET.get("code", "")
    if code := read_code(typed):
        return redirect("document_check_result", code=code)
    return _unknown(request) if typed.strip() else render(request, "invoices/document_check.html")


@login_not_required
@never_cache
def document_check_result(request: HttpRequest, code: str) -> HttpResponse:
    """Whether the document with that code is ours: its number, date, total and the end of our IBAN, nothing else."""
    try:
        count(CHECKS_PER_ADDRESS, network_of(request))
    except Refused as refusal:
        return render(request, "invoices/document_check.html", {"refusal": refusal}, status=429)
    document = find_document(code)
    if document is None:
        return _unknown(request)
    context = {"invoice": document.invoice, "code": shown_code(code)}
    return render(request, "invoices/document_check_result.html", context)


def _unknown(request: HttpRequest) -> HttpResponse:
    return render(request, "invoices/document_check.html", {"is_unknown": True}, status=404)


def _file(request: HttpRequest, invoice: Invoice, document: Document) -> HttpResponse:
    if document.status != DocumentStatus.READY:
        return _without_file(request, invoice, document, status=202)
    try:
        content = read_document(document)
    except Damaged:
        return _without_file(request, invoice, document, status=503)
    kind = DocumentKind(document.kind)
    name = file_name(invoice, SUFFIXES[kind])
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=name),
        "Cache-Control": "no-store",
    }
    return HttpResponse(content, content_type=CONTENT_TYPES[kind], headers=headers)


def _files(documents: list[Document], user: Any) -> Iterator[tuple[str, bytes]]:
    """Name and content of each. One that is damaged is left out, and a note says which; so is one that the person may
    not download any more by the time it comes up (I23)."""
    left_out, is_withdrawn = [], False
    for document in documents:
        if not may(user, Action.INVOICE_DOWNLOAD, document.invoice, read_roles(user)):
            is_withdrawn = True
            continue
        name = file_name(document.invoice, SUFFIXES[DocumentKind(document.kind)])
        try:
            content = read_document(document)
        except Damaged:
            left_out.append(name)
        else:
            yield name, content
    if is_withdrawn:
        note = _("Your right to download the other files was taken away while this archive was made.")
        yield f"{_('not complete')}.txt", f"{note}\n".encode()
    if left_out:
        note = _("These files are damaged and were left out. We have been told and will put them back.")
        yield f"{_('left out')}.txt", "\n".join([note, *left_out, ""]).encode()


def _without_file(request: HttpRequest, invoice: Invoice, document: Document, *, status: int) -> HttpResponse:
    context = {"account": invoice.account, "invoice": invoice, "document": document, "is_damaged": status == 503}
    response = render(request, "invoices/invoice_pdf.html", context, status=status)
    response["Cache-Control"] = "no-store"
    if document.status == DocumentStatus.PENDING and not document.last_error:
        response["Refresh"] = "3"
    return response
