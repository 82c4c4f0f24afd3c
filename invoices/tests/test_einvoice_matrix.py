"""Every VAT case in every kind of document: the official rules of EN 16931 find nothing, and the PDF is made (L6, L7).

What VAT is charged is decided by `invoices.tax`, as in a billing run. The rules are those of CEN for UBL and those of
Factur-X, which hold them, for CII; whatever they find counts, a warning as much as an error.
"""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from pypdf import PdfReader

from core.money import Money
from invoices.documents.einvoice import cii_of, ubl_of
from invoices.documents.payload import ExchangedVat, InvoicePayload, Line, Postal, Section, VatRow
from invoices.documents.render import render_invoice
from invoices.tax import Treatment, situation, treatment
from invoices.tests.payloads import payload
from invoices.tests.test_einvoice import findings, lines_of  # noqa: F401 a fixture
from subscriptions.supplies import Supply

TAX_POINT = date(2026, 10, 31)
HOME = (Postal("Waalhaven Z.z. 19", postal_code="3089 JH", city="Rotterdam", country="NL"), "NL123456782B90")
BELGIAN = (Postal("Markt 1", postal_code="9000", city="Gent", country="BE"), "BE0428759497")
CONSUMER = (Postal("Fő utca 1", postal_code="1011", city="Budapest", country="HU"), "")
AMERICAN = (Postal("1 Main St", city="New York", region="NY", postal_code="10001", country="US"), "12-3456789")
OPENED = date(2026, 1, 1)  # the seller declares by the one-stop shop from this day

# Where the customer is, what is supplied, since when there is a one-stop shop, and the category and rate that gives.
VAT = {
    "standard": (HOME, Supply.ELECTRONIC, None, ("S", 21)),
    "reduced": (HOME, Supply.REDUCED, None, ("S", 9)),
    "zero": (HOME, Supply.ZERO, None, ("Z", 0)),
    "reverse charge": (BELGIAN, Supply.ELECTRONIC, None, ("AE", 0)),
    "consumer abroad": (CONSUMER, Supply.ELECTRONIC, None, ("S", 21)),
    "one-stop shop": (CONSUMER, Supply.ELECTRONIC, OPENED, ("S", 27)),
    "outside the EU": (AMERICAN, Supply.ELECTRONIC, None, ("O", 0)),
    # No supply of the portal is exempt; a vendor's data may be.
    "exempt": (HOME, None, None, ("E", 0)),
}


def _amounts(whole: InvoicePayload, lines: list[Line], credit: int = 0, prepaid: int = 0) -> InvoicePayload:
    """The payload with these lines, and with that much credit before VAT and that much paid before."""
    currency = lines[0].amount.currency
    net = Money.total((line.amount for line in lines), currency)
    [row] = whole.vat
    base = net - Money(credit, currency)
    vat = base.share(row.rate / 100)
    total, paid = base + vat, Money(prepaid, currency)
    return replace(
        whole,
        sections=(Section("Productie", net, tuple(lines)),),
        vat=(replace(row, base=base, amount=vat, credit=Money(credit, currency)),),
        net=net,
        credit=Money(credit, currency) if credit else None,
        vat_total=vat,
        total=total,
        prepaid=paid,
        due=total - paid,
    )


def _given_back(line: Line) -> Line:
    return replace(line, amount=Money(-12_346, "EUR"), quantity=Decimal(-2), unit_price=Decimal("61.73"))


def _in(currency: str, whole: InvoicePayload) -> InvoicePayload:
    return _amounts(whole, [replace(line, amount=Money(line.amount.minor, currency)) for line in lines_of(whole)])


def _of_many_lines(whole: InvoicePayload) -> InvoicePayload:
    [row] = whole.vat
    lines = lines_of(payload(1000))
    return _amounts(whole, [replace(line, vat_category=row.category, vat_rate=row.rate) for line in lines])


KINDS: dict[str, Callable[[InvoicePayload], InvoicePayload]] = {
    "one line": lambda whole: _amounts(whole, lines_of(whole)[:1]),
    "nine lines": lambda whole: whole,
    "a thousand lines": _of_many_lines,
    "a line below zero": lambda whole: _amounts(whole, [*lines_of(whole), _given_back(lines_of(whole)[0])]),
    "a discount": lambda whole: _amounts(
        whole, [*lines_of(whole), replace(lines_of(whole)[0], amount=Money(-2_500, "EUR"), unit_price=None)]
    ),
    "charges of several prices": lambda whole: _amounts(
        whole, [replace(line, unit_price=None, quantity=line.quantity) for line in lines_of(whole)]
    ),
    "lowered by credit": lambda whole: _amounts(whole, lines_of(whole), credit=10_000),
    "lowered to nothing by credit": lambda whole: _amounts(whole, lines_of(whole), credit=whole.net.minor),
    "paid in part before": lambda whole: _amounts(whole, lines_of(whole), prepaid=whole.total.minor // 3),
    "paid wholly before": lambda whole: _amounts(whole, lines_of(whole), prepaid=whole.total.minor),
    "US dollars": lambda whole: replace(
        _in("USD", whole), vat_exchanged=ExchangedVat(Money(2_345, "EUR"), Decimal("1.0837"), date(2026, 11, 4))
    ),
    "yen": lambda whole: _in("JPY", whole),
    "credit note": lambda whole: replace(
        whole, kind="credit_note", number="GC000000001", credited_number="G000118402", due_date=None, transfer=None
    ),
    "credit note of a month below zero": lambda whole: replace(whole, kind="credit_note", number="GC000000002"),
    "corrected invoice": lambda whole: replace(whole, number="G000118403", corrected_number="G000118402"),
}


def document(vat: str, kind: str) -> InvoicePayload:
    (address, tax_id), supply, opened, wanted = VAT[vat]
    decided = Treatment("E", Decimal(0), "Exempt (article 135, 2006/112/EC)")
    if supply is not None:
        decided = treatment(situation("NL", address.country, tax_id, one_stop_shop_from=opened), TAX_POINT, supply)
    assert (decided.category, decided.rate) == wanted
    whole = payload(9)
    lines = [replace(line, vat_category=decided.category, vat_rate=decided.rate) for line in lines_of(whole)]
    row = VatRow(decided.category, decided.rate, whole.net, whole.vat_total, decided.wording("nl"))
    buyer = replace(whole.sold_to, tax_id=tax_id, address=address)
    if kind == "US dollars" and not decided.rate:
        return _in("USD", _amounts(replace(whole, sold_to=buyer, vat=(row,)), lines))  # no VAT to say in euro
    return KINDS[kind](_amounts(replace(whole, sold_to=buyer, vat=(row,)), lines))


@pytest.mark.long(sample=7)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vat", VAT)
def test_L6_L7_every_vat_case_in_every_kind_of_document_passes_the_official_rules(vat, kind, findings):  # noqa: F811
    whole = document(vat, kind)

    assert findings("ubl", ubl_of(whole)) == []
    assert findings("cii", cii_of(whole)) == []
    pdf = PdfReader(io.BytesIO(render_invoice(whole).pdf))
    assert pdf.attachments == {"factur-x.xml": [cii_of(whole)]}
    assert pdf.trailer["/Root"]["/Lang"].startswith("nl")
