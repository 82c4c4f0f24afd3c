"""The lines of an invoice as a sheet: one row a line, with figures that a program reads (I5)."""

from django.http import HttpResponse
from django.utils.translation import gettext as _

from core.spreadsheets import csv_response
from invoices.lines import grouped_lines
from invoices.models import Invoice


def lines_csv(invoice: Invoice) -> HttpResponse:
    """Every line in the order of the document, its amounts in major units without VAT; the same ids as in the UBL."""
    header = [
        _("Line"), _("Section"), _("Description"), _("Service period from"), _("until"), _("Quantity"), _("Unit"),
        _("Unit price"), _("Amount excl. VAT"), _("Currency"), _("VAT category"), _("VAT rate (%)"),
    ]  # fmt: skip
    lines = [line for section in grouped_lines(invoice) for line in section.lines]
    rows = (
        [
            place,
            line.section,
            line.description,
            line.service_start,
            line.service_end,
            line.quantity.normalize() + 0,
            line.unit,
            None if line.unit_price is None else line.unit_price.normalize() + 0,
            line.net.amount,
            invoice.currency,
            line.vat_category,
            line.vat_rate.normalize() + 0,
        ]
        for place, line in enumerate(lines, start=1)
    )
    return csv_response(f"{invoice.code}", header, rows)
