"""What an invoice comes to by EN 16931: the official examples to the cent, and that nothing is lost (L6, I2–I4)."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Money
from core.testing import thorough
from invoices.calculation import Adjustment, Item, Rate, compute

# Beside the checkout; not part of the project.
EXAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "en16931"
NAMES = ("creditnote1", "example1", "example3", "example5", "example9")
NAMESPACES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
}
# Three lines of the examples are not the product of their own quantity and price; EN 16931 has no rule that says so.
# What they mean is fed instead: goods that came back, and a price for both.
MEANT = {("example1", "20"): {"quantity": -6}, ("example3", "1"): {"per": 2}, ("example3", "2"): {"per": 2}}


def found(name: str) -> ET.Element:
    path = EXAMPLES / f"ubl-tc434-{name}.xml"
    if not path.exists():
        pytest.skip(f"the official example {name} is not beside the checkout: {path}")
    return ET.parse(path).getroot()  # noqa: S314 official files


def figure(node: ET.Element, path: str, default: str = "0") -> Decimal:
    return Decimal(node.findtext(path, default, NAMESPACES))


def rate_of(node: ET.Element, path: str) -> Rate:
    tax = node.find(path, NAMESPACES)
    assert tax is not None
    return Rate(tax.findtext("cbc:ID", "", NAMESPACES), figure(tax, "cbc:Percent"))


def signed(node: ET.Element) -> Decimal:
    amount = figure(node, "cbc:Amount")
    return amount if node.findtext("cbc:ChargeIndicator", "", NAMESPACES) == "true" else -amount


def items_of(name: str, root: ET.Element) -> Iterator[tuple[Item, Decimal]]:
    for line in (*root.findall("cac:InvoiceLine", NAMESPACES), *root.findall("cac:CreditNoteLine", NAMESPACES)):
        quantity = line.find("cbc:InvoicedQuantity", NAMESPACES)
        quantity = line.find("cbc:CreditedQuantity", NAMESPACES) if quantity is None else quantity
        assert quantity is not None
        meant = MEANT.get((name, line.findtext("cbc:ID", "", NAMESPACES)), {})
        yield (
            Item(
                Decimal(meant.get("quantity", quantity.text or "")),
                figure(line, "cac:Price/cbc:PriceAmount"),
                rate_of(line, "cac:Item/cac:ClassifiedTaxCategory"),
                Decimal(meant.get("per", figure(line, "cac:Price/cbc:BaseQuantity", "1"))),
                tuple(signed(each) for each in line.findall("cac:AllowanceCharge", NAMESPACES)),
            ),
            figure(line, "cbc:LineExtensionAmount"),
        )


@pytest.mark.parametrize("name", NAMES)
def test_L6_the_official_examples_come_out_to_the_cent(name):
    root = found(name)
    currency = root.findtext("cbc:DocumentCurrencyCode", "", NAMESPACES)
    items = list(items_of(name, root))
    beside = [
        Adjustment(signed(each), rate_of(each, "cac:TaxCategory"))
        for each in root.findall("cac:AllowanceCharge", NAMESPACES)
    ]
    prepaid = figure(root, "cac:LegalMonetaryTotal/cbc:PrepaidAmount")

    totals = compute([item for item, _net in items], currency, adjustments=beside, prepaid=prepaid)

    assert [net.amount for net in totals.line_nets] == [net for _item, net in items]
    said = {
        (rate_of(row, "cac:TaxCategory"), figure(row, "cbc:TaxableAmount"), figure(row, "cbc:TaxAmount"))
        for row in root.findall("cac:TaxTotal/cac:TaxSubtotal", NAMESPACES)
    }
    assert {(group.rate, group.base.amount, group.vat.amount) for group in totals.groups} == said
    amounts = {
        "LineExtensionAmount": totals.lines,
        "AllowanceTotalAmount": totals.allowances,
        "ChargeTotalAmount": totals.charges,
        "TaxExclusiveAmount": totals.net,
        "TaxInclusiveAmount": totals.total,
        "PrepaidAmount": totals.prepaid,
        "PayableAmount": totals.due,
    }
    said_totals = {tag: figure(root, f"cac:LegalMonetaryTotal/cbc:{tag}") for tag in amounts}
    assert {tag: amount.amount for tag, amount in amounts.items()} == said_totals
    assert totals.vat.amount == figure(root, f"cac:TaxTotal/cbc:TaxAmount[@currencyID='{currency}']")


RATES = st.sampled_from(
    [Rate("S", Decimal(21)), Rate("S", Decimal(9)), Rate("S", Decimal("25.5")), Rate("Z", Decimal(0))]
)
FIGURES = st.decimals(-(10**9), 10**9, places=6)
ITEMS = st.builds(Item, FIGURES, FIGURES, RATES, st.sampled_from([Decimal(1), Decimal(3), Decimal(100)]))
ADJUSTMENTS = st.builds(Adjustment, FIGURES, RATES)


@thorough
@given(
    st.lists(ITEMS, max_size=8),
    st.lists(ADJUSTMENTS, max_size=3),
    FIGURES,
    st.sampled_from(["EUR", "JPY", "KWD"]),
)
def test_I2_I3_I4_L6_totals_are_sums_of_what_stands_on_the_paper(items, adjustments, prepaid, currency):
    totals = compute(items, currency, adjustments=adjustments, prepaid=prepaid)

    def total(amounts):
        return Money.total(amounts, currency)

    assert totals.lines == total(totals.line_nets)
    assert totals.net == totals.lines - totals.allowances + totals.charges == total(g.base for g in totals.groups)
    assert totals.vat == total(group.vat for group in totals.groups)
    assert totals.total == totals.net + totals.vat
    assert totals.due == totals.total - totals.prepaid
    assert len({group.rate for group in totals.groups}) == len(totals.groups)
    for group in totals.groups:
        assert 2 * abs(group.vat.minor * 100 - group.base.minor * group.rate.percent) <= 100
    assert min(totals.allowances.minor, totals.charges.minor) >= 0


def test_a_price_for_none_is_no_price():
    with pytest.raises(ValueError, match="one or more"):
        compute([Item(Decimal(1), Decimal(1), Rate("S", Decimal(21)), Decimal(0))], "EUR")
