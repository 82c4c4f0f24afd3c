"""The words and figures of an invoice document: every string on the page is made here, once.

`printed` gives what `invoice.typ` reads, in the payload's language, with the formatting functions the
pages use, so that page and PDF show the same figures (I5).
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.utils.translation import gettext, ngettext, override

from core.figures import percentage, quantity, unit_price
from core.money import Money
from core.templatetags.ui import day, money, period

from .codes import shown_code
from .payload import ExchangedVat, InvoicePayload, Line, Party, Section, Supplier, TransferInstructions, VatRow

# Longer text is cut with an ellipsis: no field of a document needs more, and a page has an end (M8).
TEXT_LIMIT = 300
# From this many lines on, the sections stand at a glance on the first page.
OVERVIEW_FROM_LINES = 20
# A word without a place to break would run off the page.
UNBROKEN_LIMIT = 32
ZERO_WIDTH_SPACE = "\N{ZERO WIDTH SPACE}"
# Controls, and the marks that turn the direction of what follows: with them a name could show an
# account number backwards. Script that runs from right to left needs none of them.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")
UNBROKEN = re.compile(rf"[^\s{ZERO_WIDTH_SPACE}-]{{{UNBROKEN_LIMIT},}}")


def printed(payload: InvoicePayload) -> dict[str, Any]:
    """Everything the template prints, as JSON-able text in the payload's language, cleaned and bounded."""
    with override(payload.language):
        return cleaned(_document(payload))


def _parties(payload: InvoicePayload) -> Iterator[dict[str, Any]]:
    yield printed_party(gettext("Sold to"), payload.sold_to)
    yield printed_party(gettext("Bill to"), payload.bill_to)
    if payload.ship_to is not None:
        yield printed_party(gettext("Used at"), payload.ship_to)


def _document(payload: InvoicePayload) -> dict[str, Any]:
    heading = gettext("Credit note") if payload.kind == "credit_note" else gettext("Invoice")
    title = f"{heading} {payload.number}"
    lines = sum(len(section.lines) for section in payload.sections)
    return {
        "language": payload.language,
        "title": title,
        "heading": heading,
        "number": payload.number,
        "keywords": [payload.number, payload.issue_date.isoformat()],
        "running": title,
        "pages": gettext("Page {page} of {pages}"),
        "seller": printed_seller(payload.seller),
        "parties": list(_parties(payload)),
        "owed": _owed(payload),
        "facts": list(_facts(payload)),
        "remark": _remark(payload),
        "overview": _overview(payload.sections) if lines >= OVERVIEW_FROM_LINES and len(payload.sections) > 1 else None,
        "lines": {
            "heading": gettext("Charges"),
            "columns": [
                gettext("Description"),
                gettext("Service period"),
                gettext("Quantity"),
                gettext("Unit price"),
                gettext("Amount excl. VAT"),
            ],
            "groups": list(_groups(payload.sections)),
        },
        "vat": {
            "heading": gettext("VAT"),
            "columns": [gettext("Rate"), gettext("Taxable amount"), gettext("VAT amount")],
            "rows": [_vat_row(row) for row in payload.vat],
        },
        "totals": {"heading": gettext("Totals"), "rows": list(_totals(payload))},
        "payment": _payment(payload),
        "check": _check(payload),
        "attached": gettext("The invoice for the computer (EN 16931)"),
    }


def printed_seller(seller: Supplier) -> dict[str, Any]:
    """The letterhead and the foot of a page, in the language in use."""
    facts = [(gettext("VAT ID"), seller.tax_id), (gettext("Registration number"), seller.registration_number)]
    if seller.email:
        facts.append((gettext("E-mail"), seller.email))
    foot = [seller.name, *(f"{label} {value}" for label, value in facts[:2] if value)]
    return {
        "name": seller.name,
        "lines": list(seller.lines),
        "facts": [(label, value) for label, value in facts if value],
        "foot": " · ".join(foot),
    }


def printed_party(label: str, party: Party) -> dict[str, Any]:
    """Somebody named on a document, under a label."""
    lines = list(party.lines)
    if party.tax_id:
        lines.append(f"{gettext('VAT ID')} {party.tax_id}")
    if party.registration_number:
        lines.append(f"{gettext('Registration number')} {party.registration_number}")
    return {"label": label, "name": party.name, "lines": lines}


def _owed(payload: InvoicePayload) -> dict[str, str]:
    if payload.kind == "credit_note":
        return {"label": gettext("Credited to you"), "amount": money(payload.total), "note": ""}
    note = ""
    if payload.due and payload.due_date:
        note = gettext("due on {date}").format(date=day(payload.due_date))
    return {"label": gettext("Amount due"), "amount": money(payload.due), "note": note}


def _facts(payload: InvoicePayload) -> Iterator[tuple[str, str]]:
    credit = payload.kind == "credit_note"
    yield gettext("Credit note date") if credit else gettext("Invoice date"), day(payload.issue_date)
    yield gettext("Billing period"), period(payload.period_start, payload.period_end)
    if credit and payload.credited_number:
        yield gettext("Credits invoice"), payload.credited_number
    if not credit and payload.payment_term_days is not None:
        days = payload.payment_term_days
        yield gettext("Payment term"), ngettext("{days} day", "{days} days", days).format(days=days)
    yield gettext("Billing profile"), payload.profile_name
    if payload.purchase_order:
        yield gettext("Purchase order number"), payload.purchase_order


def _remark(payload: InvoicePayload) -> str:
    if payload.corrected_number:
        text = gettext("This invoice takes the place of invoice {number}, which was credited in full.")
        return text.format(number=payload.corrected_number)
    if not payload.credited_number:
        return ""
    return gettext("This credit note corrects invoice {number}.").format(number=payload.credited_number)


def _overview(sections: tuple[Section, ...]) -> dict[str, Any]:
    return {
        "heading": gettext("Invoice sections"),
        "columns": [gettext("Section"), gettext("Amount excl. VAT")],
        "rows": [(section.title, money(section.total)) for section in sections],
    }


def _groups(sections: tuple[Section, ...]) -> Iterator[dict[str, Any]]:
    periods = cache(period)  # Most lines of a document are of the same month.
    for section in sections:
        lines = [_line(line, periods(line.service_start, line.service_end)) for line in section.lines]
        yield {"title": section.title, "total": money(section.total), "lines": lines}


def _line(line: Line, service_period: str) -> dict[str, str]:
    return {
        "description": line.description,
        "detail": line.detail,
        "period": service_period,
        "quantity": "" if line.quantity is None else quantity(line.quantity, line.unit),
        "price": "" if line.unit_price is None else unit_price(line.unit_price, line.amount.currency),
        "amount": money(line.amount),
    }


def _vat_row(row: VatRow) -> dict[str, str]:
    return {
        "rate": percentage(row.rate),
        "base": money(row.base),
        "amount": money(row.amount),
        "wording": row.wording,
    }


def _totals(payload: InvoicePayload) -> Iterator[dict[str, str]]:
    def row(label: str, amount: Money, weight: str = "") -> dict[str, str]:
        return {"label": label, "amount": money(amount), "weight": weight}

    lines = [line.amount for section in payload.sections for line in section.lines]
    credits_given = [amount for amount in lines if amount.minor < 0]
    if credits_given:
        charges = [amount for amount in lines if amount.minor >= 0]
        yield row(gettext("Charges"), Money.total(charges, payload.currency))
        yield row(gettext("Credits"), Money.total(credits_given, payload.currency))
    if payload.credit:
        yield row(gettext("Charges less credits") if credits_given else gettext("Charges"), payload.net)
        yield row(gettext("Credit applied"), -payload.credit)
    yield row(gettext("Subtotal excl. VAT"), payload.taxable)
    if payload.vat_total or any(group.rate for group in payload.vat):
        yield row(gettext("VAT"), payload.vat_total)
    if payload.vat_exchanged:
        yield row(_exchanged(payload.vat_exchanged, payload.currency), payload.vat_exchanged.amount)
    yield row(gettext("Total incl. VAT"), payload.total, "total")
    if payload.prepaid:
        yield row(gettext("Paid in advance"), -payload.prepaid)
    if payload.kind == "invoice":
        yield row(gettext("Amount due"), payload.due, "due")


def _exchanged(vat: ExchangedVat, currency: str) -> str:
    one = f"{quantity(vat.rate)} {currency}"
    return gettext("VAT in {home} (1 {home} = {rate}, {day})").format(
        home=vat.amount.currency, rate=one, day=day(vat.day)
    )


def _payment(payload: InvoicePayload) -> dict[str, Any]:
    note = ""
    if payload.kind == "credit_note":
        note = gettext("You do not have to pay this credit note. It is settled with your open invoices or paid back.")
    elif not payload.due:
        note = gettext("Nothing is left to pay.")
    elif payload.transfer:
        return printed_transfer(payload.transfer, payload.due)
    return {"heading": gettext("Payment"), "note": note, "rows": [], "picture": ""}


def printed_transfer(transfer: TransferInstructions, amount: Money) -> dict[str, Any]:
    """How an amount is transferred, in the language in use."""
    rows = [
        (gettext("IBAN"), _in_fours(transfer.iban)),
        (gettext("Payment reference"), _in_fours(transfer.reference)),
        (gettext("In the name of"), transfer.holder),
        (gettext("Amount"), money(amount)),
    ]
    if transfer.bic:
        rows[0] = (gettext("IBAN and BIC"), f"{rows[0][1]} · {transfer.bic}")
    return {
        "heading": gettext("Payment"),
        "note": gettext("Please transfer the amount due and give the payment reference."),
        "rows": rows,
        "picture": gettext("QR code for the transfer in a banking app"),
    }


def _check(payload: InvoicePayload) -> dict[str, str] | None:
    check = payload.check
    if check is None:
        return None
    place = check.url.removesuffix(f"{check.code}/").partition("://")[2]
    return {
        "note": gettext("Is this document ours? Scan the code, or enter it at {place}.").format(place=place),
        "code": shown_code(check.code),
        "picture": gettext("QR code that checks this document"),
    }


def _in_fours(text: str) -> str:
    """The usual groups of four of an IBAN or a reference, held together on one line."""
    return "\N{NO-BREAK SPACE}".join(text[index : index + 4] for index in range(0, len(text), 4))


def cleaned(value: Any) -> Any:
    """Every text within, bounded and printable; the shape stays as it is."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {key: cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value


def clean_text(text: str) -> str:
    """The text as it can be printed on one line: composed, without controls, cut at `TEXT_LIMIT`.

    Long unbroken words get invisible places to break.
    """
    text = unicodedata.normalize("NFC", UNPRINTABLE.sub(" ", text[: 4 * TEXT_LIMIT])).strip(" ")
    if len(text) > TEXT_LIMIT:
        text = text[: TEXT_LIMIT - 1] + "…"
    return UNBROKEN.sub(_breakable, text)


def _breakable(match: re.Match) -> str:
    word = match[0]
    return ZERO_WIDTH_SPACE.join(word[index : index + 8] for index in range(0, len(word), 8))
