"""The structured invoice by EN 16931: one mapping of the payload, written as UBL 2.1 and as CII (L6, L7).

The CII goes into the PDF, which makes that a Factur-X file; the UBL is kept beside it. Both are written
from the same dictionary of business terms (BT-…) by the `factur-x` package, so they cannot differ. The
figures are those of the payload: nothing is computed here except the price of a line that has none.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext, override

from core.money import Money, exponent

from .payload import InvoicePayload, Line, Party, Postal, Supplier, VatRow
from .printed import UNPRINTABLE

LEVEL = "en16931"
# EN 16931 writes amounts in two decimals at most.
DECIMALS = 2
INVOICE, CREDIT_NOTE = "380", "381"
SEPA_TRANSFER, CREDIT_TRANSFER = "58", "30"
# ISO 6523: the Dutch chamber of commerce. Other registers stand without a scheme.
REGISTERS = {"NL": "0106"}
NOT_SUBJECT = "O"
# UNCL 5189: a discount.
DISCOUNT = "95"
# Why no VAT is charged, in the codes of the EN 16931 list.
EXEMPTIONS = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G", "O": "VATEX-EU-O"}
# UN/ECE recommendation 20; a unit that is none of these is one, and its name stands in the description.
UNITS = {
    "": "C62", "hour": "HUR", "hours": "HUR", "h": "HUR", "uur": "HUR", "day": "DAY", "days": "DAY", "month": "MON",
    "months": "MON", "year": "ANN", "minutes": "MIN", "seconds": "SEC", "gb": "E34", "gigabyte": "E34", "tb": "E35",
    "mb": "4L", "kwh": "KWH",
}  # fmt: skip
OTHER_UNIT = "C62"
# What XML 1.0 cannot hold, besides what no document prints.
UNWRITABLE = re.compile("[\ufffe\uffff]+")
VAT_ID = re.compile(r"[A-Z]{2}[A-Z0-9+*.]+")


class NotExpressible(Exception):
    """EN 16931 has no form for this invoice; the PDF stands alone."""


def cii_of(payload: InvoicePayload) -> bytes:
    """The invoice in the syntax of the United Nations, as it lies in the PDF. Raises NotExpressible."""
    # Loaded where documents are made: a process that only shows pages does without 30 MB.
    from facturx import generate_cii_xml  # noqa: PLC0415

    xml: bytes = generate_cii_xml(terms_of(payload), level=LEVEL, check_xsd=False, check_schematron=False)
    return xml


def ubl_of(payload: InvoicePayload) -> bytes:
    """The invoice in UBL 2.1. Raises NotExpressible."""
    from facturx import generate_ubl_xml  # noqa: PLC0415

    xml: bytes = generate_ubl_xml(terms_of(payload), level=LEVEL, check_xsd=False, check_schematron=False)
    return xml


def is_expressible(payload: InvoicePayload) -> bool:
    """Whether EN 16931 can hold it: a currency of three decimals cannot be written in two."""
    return exponent(payload.currency) <= DECIMALS


def terms_of(payload: InvoicePayload) -> dict[str, Any]:
    """The business terms of EN 16931, a new dictionary each time: the writer changes the one it is given."""
    if not is_expressible(payload):
        raise NotExpressible(f"EN 16931 allows two decimals, and {payload.currency} has {exponent(payload.currency)}")
    is_note = payload.kind == "credit_note"
    # Such an invoice may not carry VAT ids as such (BR-O-02); the seller's stands as a tax registration.
    is_outside = any(row.category == NOT_SUBJECT for row in payload.vat)
    terms: dict[str, Any] = {
        "BT-1": payload.number,
        "BT-2": payload.issue_date,
        "BT-3": CREDIT_NOTE if is_note else INVOICE,
        "BT-5": payload.currency,
        "BT-10": _text(payload.profile_name),
        "BT-72": payload.period_end,
        "BT-73": payload.period_start,
        "BT-74": payload.period_end,
        "BT-106": _amount(payload.net),
        "BT-109": _amount(payload.taxable),
        "BT-110": _amount(payload.vat_total),
        "BT-112": _amount(payload.total),
        "BT-115": _amount(payload.due),
        "BG-4": _seller(payload.seller, is_outside=is_outside),
        "BG-7": _buyer(payload.sold_to, is_outside=is_outside),
        "BG-23": [_vat(row) for row in payload.vat],
        "BG-25": list(_lines(payload)),
    }
    if payload.vat_exchanged and exponent(payload.vat_exchanged.amount.currency) <= DECIMALS:
        terms["BT-6"] = payload.vat_exchanged.amount.currency
        terms["BT-111"] = _amount(payload.vat_exchanged.amount)
    if payload.credit:
        terms["BT-107"] = _amount(payload.credit)
        with override(payload.language):
            terms["BG-20"] = [_allowance(row, row.credit) for row in payload.vat if row.credit]
    if payload.prepaid:
        terms["BT-113"] = _amount(payload.prepaid)
    if payload.purchase_order:
        terms["BT-13"] = _text(payload.purchase_order)
    if preceding := payload.credited_number or payload.corrected_number:
        terms["BG-3"] = [{"BT-25": preceding}]
    if not is_note:
        terms["BT-9"] = payload.due_date
        terms |= _transfer(payload)
    return terms


def _seller(seller: Supplier, *, is_outside: bool) -> dict[str, Any]:
    party = {"name": _text(seller.name), **_address(seller.address)}
    if seller.registration_number:
        party["legal_identifier"] = _text(seller.registration_number)
        if scheme := REGISTERS.get(seller.address.country):
            party["legal_identifier_schemeid"] = scheme
    if seller.tax_id:
        party["tax_identifier" if is_outside else "vat_identifier"] = _text(seller.tax_id)
    if seller.email:
        party["contacts"] = [{"name": _text(seller.name), "email": _text(seller.email)}]
    return party


def _buyer(buyer: Party, *, is_outside: bool) -> dict[str, Any]:
    party = {"name": _text(buyer.name), **_address(buyer.address)}
    if buyer.tax_id and VAT_ID.fullmatch(buyer.tax_id) and not is_outside:
        party["vat_identifier"] = buyer.tax_id
    elif buyer.tax_id:
        party["identifiers"] = {None: _text(buyer.tax_id)}
    return party


def _address(address: Postal) -> dict[str, Any]:
    parts = {
        "addr_l1": address.line1,
        "addr_l2": address.line2,
        "addr_l3": address.line3,
        "postcode": address.postal_code,
        "city": address.city,
        "country_subdivision": address.region,
        "country_code": address.country,
    }
    return {name: _text(value) for name, value in parts.items() if value.strip()}


def _vat(row: VatRow) -> dict[str, str]:
    terms = {"BT-116": _amount(row.base), "BT-117": _amount(row.amount), "BT-118": row.category}
    if row.category != NOT_SUBJECT:
        terms["BT-119"] = _plain(row.rate)
    if row.wording:
        terms["BT-120"] = _text(row.wording)
    if code := EXEMPTIONS.get(row.category):
        terms["BT-121"] = code
    return terms


def _allowance(row: VatRow, credit: Money) -> dict[str, str]:
    """A rate's share of the credit."""
    terms = {
        "amount": _amount(credit),
        "reason": gettext("Credit applied"),
        "reason_code": DISCOUNT,
        "vat_category_code": row.category,
    }
    return terms if row.category == NOT_SUBJECT else terms | {"vat_rate": _plain(row.rate)}


def _lines(payload: InvoicePayload) -> Iterator[dict[str, Any]]:
    position = 0
    for section in payload.sections:
        for line in section.lines:
            position += 1
            yield _line(line, position, section.title)


def _line(line: Line, position: int, section: str) -> dict[str, Any]:
    unit = UNITS.get(line.unit.lower(), OTHER_UNIT)
    said = [section, line.detail, line.unit if line.unit and unit == OTHER_UNIT else ""]
    terms: dict[str, Any] = {
        "BT-126": str(position),
        "BT-130": unit,
        "BT-131": _amount(line.amount),
        "BT-134": line.service_start,
        "BT-135": line.service_end,
        "BT-151": line.vat_category,
        "BT-153": _text(line.description),
        **_price(line),
    }
    if line.vat_category != NOT_SUBJECT:
        terms["BT-152"] = _plain(line.vat_rate)
    if description := " · ".join(_text(words) for words in said if words.strip()):
        terms["BT-154"] = description
    return terms


def _price(line: Line) -> dict[str, str]:
    """Quantity and price of which the line's amount is the product. No price is below zero (BR-27): what gives
    back has a quantity below zero. Where the charges had several prices, the price is that of the whole quantity."""
    quantity, price, currency = line.quantity or Decimal(0), line.unit_price, line.amount.currency
    if quantity and price is not None and Money.rounded(quantity * price, currency) == line.amount:
        return {"BT-129": _plain(-quantity if price < 0 else quantity), "BT-146": _plain(abs(price))}
    size = abs(quantity) or Decimal(1)
    terms = {
        "BT-129": _plain(-size if line.amount.minor < 0 else size),
        "BT-146": _amount(-line.amount if line.amount.minor < 0 else line.amount),
    }
    return terms if size == 1 else terms | {"BT-149": _plain(size)}


def _transfer(payload: InvoicePayload) -> dict[str, str]:
    transfer = payload.transfer
    if not transfer or not transfer.iban:
        return {}
    terms = {
        "BT-81": SEPA_TRANSFER if payload.currency == "EUR" else CREDIT_TRANSFER,
        "BT-83": _text(transfer.reference),
        "BT-84": transfer.iban,
        "BT-85": _text(transfer.holder),
    }
    return terms | ({"BT-86": transfer.bic} if transfer.bic else {})


def _amount(value: Money) -> str:
    return f"{value.amount:f}"


def _plain(value: Decimal) -> str:
    """Without the zeros that a numeric column adds, and never with an exponent."""
    return f"{value.normalize():f}"


def _text(words: str) -> str:
    """As XML can hold it: without controls and marks that turn the direction. Never empty."""
    return " ".join(UNWRITABLE.sub(" ", UNPRINTABLE.sub(" ", words)).split()) or "–"
