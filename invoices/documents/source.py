"""Where the facts of a document come from: the rows of an issued invoice and the copies it keeps."""

import logging
import struct
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import fields

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import override

from accounts.address_rules import printed_lines
from core.branding import ACCENT, WHITE, readable
from core.money import Money
from invoices.documents.codes import check_code
from invoices.documents.payload import (
    Check,
    ExchangedVat,
    InvoicePayload,
    Line,
    Party,
    Postal,
    Section,
    Supplier,
    TransferInstructions,
    VatRow,
)
from invoices.lines import sections_of
from invoices.models import Correction, Invoice, InvoiceKind, InvoiceLine

logger = logging.getLogger(__name__)

# What `payload_of` reads of an invoice, for prefetch_related.
FACTS = ("lines", "vat_groups")
PNG = b"\x89PNG\r\n\x1a\n"


def payload_of(invoice: Invoice) -> InvoicePayload:
    """What the document of an issued invoice prints: its own copies, nothing that may have changed since (I35).

    Two statements, the lines and the VAT groups; none where `FACTS` were prefetched.
    """
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    groups = sorted(invoice.vat_groups.all(), key=lambda group: (group.category, group.rate))
    due = invoice.total - Money(invoice.prepaid_minor, invoice.currency)
    with override(invoice.language):
        return InvoicePayload(
            kind=invoice.kind,  # type: ignore[arg-type]
            language=invoice.language,
            number=invoice.number,  # type: ignore[arg-type]
            issue_date=invoice.issue_date,  # type: ignore[arg-type]
            due_date=invoice.due_date,
            period_start=invoice.period_start,
            period_end=invoice.period_end,
            seller=supplier_of(invoice.seller),
            sold_to=party_of(invoice.sold_to, invoice.account_name, tax_id=invoice.customer_vat_id),
            bill_to=party_of(invoice.bill_to, invoice.account_name),
            ship_to=party_of(invoice.ship_to, invoice.account_name) if invoice.ship_to else None,
            profile_name=invoice.profile_name,
            sections=tuple(
                Section(section.name or invoice.profile_name, section.net, tuple(map(_line, section.lines)))
                for section in sections_of(invoice, lines)
            ),
            vat=tuple(
                VatRow(
                    group.category,
                    group.rate,
                    Money(group.base_minor, invoice.currency),
                    Money(group.vat_minor, invoice.currency),
                    group.wording,
                    Money(group.credit_minor, invoice.currency),
                )
                for group in groups
            ),
            net=invoice.net,
            credit=invoice.credit,
            vat_total=invoice.vat,
            total=invoice.total,
            prepaid=Money(invoice.prepaid_minor, invoice.currency),
            due=due,
            payment_term_days=invoice.payment_term_days,
            purchase_order=invoice.po_number,
            transfer=_transfer(invoice),
            check=_check(invoice),
            **_corrects(invoice),
            vat_exchanged=_exchanged(invoice),
        )


def supplier_of(copy: Mapping[str, str]) -> Supplier:
    """The seller of a copy that `Seller.snapshot` made."""
    return Supplier(
        name=copy["legal_name"],
        # A statement is made before the seller is complete as well.
        lines=tuple(printed_lines(copy)) if copy["country"] else (),
        tax_id=copy["vat_id"],
        registration_number=copy["registration_number"],
        email=copy.get("email", ""),
        logo=_logo(copy.get("logo", "")),
        address=_postal(copy),
        accent=readable(copy.get("accent") or ACCENT, WHITE),
    )


def party_of(copy: Mapping[str, str], account_name: str, *, tax_id: str = "") -> Party:
    """Somebody named by a copy of an address."""
    name = copy.get("company_name") or account_name
    return Party(name, tuple(printed_lines({**copy, "company_name": ""})), tax_id=tax_id, address=_postal(copy))


def _postal(copy: Mapping[str, str]) -> Postal:
    return Postal(**{field.name: copy.get(field.name, "") for field in fields(Postal)})


def _line(line: InvoiceLine) -> Line:
    return Line(
        description=line.description,
        detail=line.subscription_name,
        service_start=line.service_start,
        service_end=line.service_end,
        amount=line.net,
        vat_category=line.vat_category,
        vat_rate=line.vat_rate,
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
    )


def _transfer(invoice: Invoice) -> TransferInstructions:
    seller, reference = invoice.seller, invoice.payment_reference
    return TransferInstructions(seller["legal_name"], seller["iban"], reference, bic=seller.get("bic", ""))


def _exchanged(invoice: Invoice) -> ExchangedVat | None:
    if invoice.vat_exchanged is None or invoice.exchange_rate is None or invoice.exchange_day is None:
        return None
    return ExchangedVat(invoice.vat_exchanged, invoice.exchange_rate, invoice.exchange_day)


def _corrects(invoice: Invoice) -> dict[str, str]:
    """The number of the invoice that this document credits, or takes the place of (L3); one of a period does neither.

    One statement, for what is no invoice of a period.
    """
    if invoice.period_id is not None:
        return {}
    rows = Correction.objects.filter(Q(credit_note=invoice) | Q(corrected=invoice))
    number = rows.values_list("original__number", flat=True).first()
    if number is None:
        return {}
    return {"credited_number" if invoice.kind == InvoiceKind.CREDIT_NOTE else "corrected_number": number}


def _check(invoice: Invoice) -> Check:
    code = check_code(invoice.code)
    return Check(code, settings.BASE_URL + reverse("document_check_result", args=[code]))


def _logo(storage_name: str) -> str:
    """The logo as SVG text; empty where there is none that can be drawn, for no invoice waits for a picture."""
    if not storage_name:
        return ""
    try:
        with default_storage.open(storage_name) as file:
            content = file.read()
    except FileNotFoundError:
        logger.warning("The seller's logo %s is gone; documents are made without it", storage_name)
        return ""
    return _picture_as_svg(content) if content.startswith(PNG) else content.decode(errors="replace")


def _picture_as_svg(png: bytes) -> str:
    """A picture of dots inside an SVG of its size, which the header of the file tells."""
    width, height = struct.unpack(">II", png[16:24].ljust(8, b"\0"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f'<image width="{width}" height="{height}" href="data:image/png;base64,{b64encode(png).decode()}"/></svg>'
    )
