"""The lines of an invoice as a sheet: one row a line, with figures that a program reads (I5)."""

from itertools import chain

from django.http import HttpResponse
from django.utils.translation import gettext as _

from core.money import Money
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
    # The credit has no line of its own: a row for each rate, so that the sheet adds up to what is taxed.
    credits = [
        [None, "", _("Credit applied"), invoice.period_start, invoice.period_end, None, "", None,
         -Money(group.credit_minor, invoice.currency).amount, invoice.currency, group.category,
         group.rate.normalize() + 0]
        for group in invoice.vat_groups.exclude(credit_minor=0).order_by("category", "rate")
    ]  # fmt: skip
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
    return csv_response(f"{invoice.code}", header, chain(rows, credits))
