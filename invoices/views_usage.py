"""What was used behind the lines of an invoice: a page, and a file with the same line ids (P25)."""

import json
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from core.lists import read_page, sorting
from core.policy import Action, requires, while_allowed
from core.spreadsheets import csv_download, csv_stream
from invoices.documents.archive import file_name
from invoices.lines import grouped_lines
from invoices.models import Charge, Invoice, InvoiceLine

SORTS = {"line": ["line__position", "pk"], "cost": ["cost", "pk"], "from": ["started_at", "pk"]}
CHUNK = 2000


@requires(Action.INVOICE_VIEW, Invoice)
def invoice_usage(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """The charges behind the lines, or behind one of them; three statements, however many there are."""
    places = _places(invoice)
    wanted = request.GET.get("line", "")
    chosen = next((line for line, _place in places.values() if str(line.position) == wanted), None)
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    rows = _charges(invoice)
    if chosen is not None:
        rows = rows.filter(line=chosen)
    if words:
        rows = rows.filter(resource_id__istartswith=words)
    page = read_page(request, rows, sorting(request, SORTS, "line"))
    measured = [(line, place) for line, place in places.values() if line.unit_price is None]
    context = {
        "account": invoice.account,
        "invoice": invoice,
        "page": page,
        "rows": [(charge, *places[charge.line_id or 0]) for charge in page.rows],
        "chosen": chosen,
        "lines": [("", _("All lines")), *((str(line.position), f"{place}. {line}") for line, place in measured)],
        "line": str(chosen.position) if chosen else "",
        "words": words,
        "is_filtered": bool(chosen or words),
    }
    return render(request, "invoices/invoice_usage.html", context)


@requires(Action.INVOICE_DOWNLOAD, Invoice)
@require_safe
def invoice_usage_csv(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """Every charge as delivered, with the id that its line has in the CSV and in the structured invoice; sent while it
    is read, by two statements.
    """
    header = [
        _("Line"), _("Description of the line"), _("Subscription"), _("Service"), _("Subcategory"), _("Category"),
        _("Class"), _("Description"), _("Resource"), _("Region"), _("SKU"), _("Meter"), _("From"), _("Until"),
        _("Quantity"), _("Unit"), _("Cost excl. VAT"), _("Currency"), _("Tags"),
    ]  # fmt: skip
    note = _("Your right to download this was taken away while the file was made. It is not complete.")
    rows = while_allowed(request.user, Action.INVOICE_DOWNLOAD, invoice, _rows(invoice), every=CHUNK, ending=[[note]])
    name = file_name(invoice, "csv").replace(".csv", f"-{_('usage')}.csv")
    return csv_download(name, csv_stream(header, rows))  # type: ignore[return-value]


def _rows(invoice: Invoice) -> Iterator[list[Any]]:
    places = _places(invoice)
    charges = _charges(invoice).order_by("line__position", "pk")
    for charge in charges.iterator(chunk_size=CHUNK):
        line, place = places[charge.line_id or 0]
        yield [
            place, line.description, line.section, charge.service_name, charge.service_subcategory, charge.category,
            charge.charge_class, charge.description, charge.resource_id, charge.region, charge.sku_id,
            charge.sku_meter, charge.started_at, charge.ended_at,
            None if charge.quantity is None else charge.quantity.normalize() + 0, charge.unit,
            charge.cost.normalize() + 0, charge.currency,
            json.dumps(charge.tags, ensure_ascii=False, sort_keys=True) if charge.tags else "",
        ]  # fmt: skip


def _charges(invoice: Invoice) -> QuerySet[Charge]:
    return Charge.objects.filter(line__invoice=invoice).select_related("line")


def _places(invoice: Invoice) -> dict[int, tuple[InvoiceLine, int]]:
    """Each line with its id on the paper: its place in reading order, counted from 1; one statement."""
    lines = [line for section in grouped_lines(invoice) for line in section.lines]
    return {line.pk: (line, place) for place, line in enumerate(lines, start=1)}
