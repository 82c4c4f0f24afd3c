"""How the state and the figures of an invoice are shown."""

from collections.abc import Container
from datetime import date
from decimal import Decimal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from core import figures
from core.money import Money
from core.templatetags.ui import chip, day, days_away, money, status_chip
from invoices.models import Invoice, InvoiceKind, VatGroup

register = template.Library()


@register.simple_tag
def invoice_status(invoice: Invoice, on: date, processing: Container[int] = ()) -> SafeString:
    """The chip of an invoice. `processing` holds the ids of those with an attempt that is not over (§3.6)."""
    if invoice.status == "due" and invoice.pk in processing:
        return chip(_("Processing"), "info")
    if invoice.is_overdue(on):
        return chip(_("Past due"), "danger")
    if invoice.kind == InvoiceKind.CREDIT_NOTE and invoice.status == "paid":
        return chip(_("Settled"), "ok")
    return status_chip(invoice)


@register.simple_tag
def due_day(invoice: Invoice, on: date) -> str:
    """The day an invoice is due, and while it is open how far away that is; a dash for a credit note."""
    if invoice.kind != InvoiceKind.INVOICE or invoice.due_date is None:
        return "—"
    if invoice.status != "due":
        return day(invoice.due_date)
    tone = " danger-text" if invoice.due_date < on else ""
    return format_html(
        '{} <span class="sub{}">{}</span>', day(invoice.due_date), tone, days_away(days_until(invoice.due_date, on))
    )


@register.filter
def days_until(due: date, on: date) -> int:
    """How many days lie between: negative where the day is past."""
    return (due - on).days


@register.filter
def quantity(value: Decimal) -> str:
    """Without the zeros that a numeric column adds."""
    return figures.quantity(value)


@register.filter
def unit_price(value: Decimal | None, currency: str) -> str:
    """The price of one, as exact as it is; a dash where charges of several prices make the line."""
    return figures.unit_price(value, currency) if value is not None else "—"


@register.filter
def signed_total(invoice: Invoice) -> Money:
    """The total as a list shows it: below zero where it is in the customer's favour (I4)."""
    return -invoice.total if invoice.kind == InvoiceKind.CREDIT_NOTE else invoice.total


@register.filter
def in_favour(amount: Money) -> Money:
    """An amount that lowers what is owed, below zero."""
    return -amount


@register.filter
def vat_label(group: VatGroup) -> str:
    """VAT 21% over €1,200.00; for a rate of zero the reason instead."""
    base = money(group.base)
    if group.category == "AE":
        return _("VAT reverse charged, over %(base)s") % {"base": base}
    if group.category == "O":
        return _("Not subject to VAT, %(base)s") % {"base": base}
    return _("VAT %(rate)s over %(base)s") % {"rate": figures.percentage(group.rate), "base": base}


@register.filter
def exchanged_label(invoice: Invoice) -> str:
    """VAT in EUR (1 EUR = 1.0837 USD, 4 Jan 2027): what the seller declares (L1)."""
    rate, when = invoice.exchange_rate or Decimal(0), day(invoice.exchange_day)
    one = f"{figures.quantity(rate)} {invoice.currency}"
    said = _("VAT in {home} (1 {home} = {rate}, {day})")
    return said.format(home=invoice.vat_currency, rate=one, day=when)
