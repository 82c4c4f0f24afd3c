"""Payloads of documents for tests: the Alfa Logistiek invoice, whole or with something changed."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from core.money import Money
from invoices.documents.payload import (
    InvoicePayload,
    Line,
    Party,
    Postal,
    Section,
    Supplier,
    TransferInstructions,
    VatRow,
)

NAMES = (
    "Compute EU-West, algemeen",
    "Compute EU-West, geheugen",
    "Blokopslag SSD",
    "Uitgaand verkeer",
    "WMS Professional, licentie",
    "Scannerkoppeling",
    "Back-up 30 dagen",
    "Office-licentie",
    "Ondersteuning Standaard",
)
SECTIONS = ("Productie", "Magazijnsysteem (WMS)", "Kantoor en licenties")


def euro(minor: int) -> Money:
    return Money(minor, "EUR")


def payload(lines: int = 9, **changes: Any) -> InvoicePayload:
    """The October invoice of Alfa Logistiek with that many lines over three sections, in Dutch."""
    sections = _sections(lines)
    net = Money.total((section.total for section in sections), "EUR")
    vat = net.share(Decimal("0.21"))
    whole = InvoicePayload(
        kind="invoice",
        language="nl",
        number="G000118402",
        issue_date=date(2026, 11, 5),
        due_date=date(2026, 12, 5),
        period_start=date(2026, 10, 1),
        period_end=date(2026, 10, 31),
        seller=Supplier(
            "Noorderlicht Cloud B.V.",
            ("Kraanspoor 50", "1033 SE Amsterdam", "Nederland"),
            tax_id="NL000099998B57",
            registration_number="34123456",
            email="facturen@noorderlicht.example",
            address=Postal("Kraanspoor 50", postal_code="1033 SE", city="Amsterdam", country="NL"),
        ),
        sold_to=Party(
            "Alfa Logistiek B.V.",
            ("Waalhaven Z.z. 19", "3089 JH Rotterdam", "Nederland"),
            tax_id="NL123456782B90",
            address=Postal("Waalhaven Z.z. 19", postal_code="3089 JH", city="Rotterdam", country="NL"),
        ),
        bill_to=Party("Alfa Logistiek B.V.", ("Postbus 1234", "3000 AA Rotterdam", "Nederland")),
        profile_name="Operations NL",
        sections=sections,
        vat=(VatRow("S", Decimal(21), net, vat),),
        net=net,
        vat_total=vat,
        total=net + vat,
        prepaid=euro(0),
        due=net + vat,
        payment_term_days=30,
        purchase_order="PO-2026-0417",
        transfer=TransferInstructions("Noorderlicht Cloud B.V.", "NL91ABNA0417164300", "G000118402"),
    )
    return replace(whole, **changes)


def _sections(count: int) -> tuple[Section, ...]:
    lines = [
        Line(
            NAMES[index % len(NAMES)],
            service_start=date(2026, 10, 1),
            service_end=date(2026, 10, 31),
            amount=euro(12_345 + 731 * index),
            vat_category="S",
            vat_rate=Decimal(21),
            detail="West-Europa, SKU D4s v5" if index % 4 == 0 else "",
            quantity=Decimal(3412 + index),
            unit="uur",
            unit_price=Decimal("0.0361"),
        )
        for index in range(count)
    ]
    share = -(-count // len(SECTIONS))
    parts = [(title, lines[index * share : (index + 1) * share]) for index, title in enumerate(SECTIONS)]
    return tuple(
        Section(title, Money.total((line.amount for line in part), "EUR"), tuple(part)) for title, part in parts if part
    )
