"""Files of invoices: structured, as a sheet, several in one archive; and the public check of a document."""

import csv
import hashlib
import io
import zipfile
from decimal import Decimal

import pytest
from django.urls import reverse
from lxml import etree
from pypdf import PdfReader
from stdnum import iso11649

from core import jobs
from core.archives import stream_zip
from core.policy import Role
from invoices.documents.archive import read_document
from invoices.documents.check import CHECKS_PER_ADDRESS
from invoices.documents.codes import check_code, payment_reference, read_code, shown_code, transfer_qr
from invoices.documents.source import payload_of
from invoices.models import Document
from invoices.tests.factories import InvoiceFactory
from invoices.tests.payloads import euro
from invoices.tests.test_documents_render import squeezed, text_of
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def made(**values):
    invoice = InvoiceFactory(**values)
    jobs.run_due(only=["invoices.make_documents"])
    return invoice


def reader_of(invoice, client):
    person = ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_READER).user
    client.force_login(person)
    return person


# --- Structured, and as a sheet ------------------------------------------------------------------


def test_L7_a_reader_downloads_the_ubl_exactly_as_it_was_made(client):
    invoice = made(language="nl")
    reader_of(invoice, client)

    answer = client.get(reverse("invoice_ubl", args=[invoice.code]))

    assert answer.content == read_document(Document.objects.get(invoice=invoice, kind="ubl"))
    assert answer["Content-Type"] == "application/xml"
    assert answer["Content-Disposition"] == f'attachment; filename="Factuur-{invoice.number}.xml"'
    assert etree.fromstring(answer.content).tag.endswith("}Invoice")


def test_the_page_offers_pdf_ubl_and_csv(client):
    invoice = made()
    reader_of(invoice, client)

    page = client.get(invoice.get_absolute_url()).text

    for name in ("invoice_pdf", "invoice_ubl", "invoice_csv"):
        assert reverse(name, args=[invoice.code]) in page
    assert "PDF with Factur-X" in page


def test_T38_every_text_of_a_line_arrives_as_text_and_figures_stay_figures(client):
    texts = ("=1+1", "+SUM(A1)", "-2", "@x", "\t=1", "＝1", '","2', "line\nbreak")
    lines = [
        {"net_minor": 12_345, "description": text, "section": text, "unit": text, "quantity": Decimal("1.500")}
        for text in texts
    ]
    invoice = made(lines=lines)
    reader_of(invoice, client)

    answer = client.get(reverse("invoice_csv", args=[invoice.code]))

    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))[1:]
    formulas = ("=", "+", "-", "@", "\t", "＝")
    assert len(rows) == len(texts)
    assert not [cell for row in rows for cell in row if cell.startswith(formulas)]
    assert [row[0] for row in rows] == [str(place + 1) for place in range(len(texts))]
    assert {(row[5], row[8], row[9]) for row in rows} == {("1.5", "123.45", "EUR")}


# --- Several at once -----------------------------------------------------------------------------


def test_several_documents_come_in_one_archive_with_their_checksums(client):
    profile = BillingProfileFactory()
    invoices = [made(profile=profile, language="en") for _ in range(3)]
    other = made(profile=BillingProfileFactory(account=profile.account))
    reader_of(invoices[0], client)

    answer = client.get(reverse("invoices_zip", args=[profile.account.code]))

    assert answer.streaming
    archive = zipfile.ZipFile(io.BytesIO(answer.getvalue()))
    names = {f"Invoice-{invoice.number}.{suffix}" for invoice in invoices for suffix in ("pdf", "xml")}
    assert set(archive.namelist()) == {*names, "SHA256SUMS"}
    assert not [name for name in archive.namelist() if other.number in name]
    assert archive.testzip() is None
    for line in archive.read("SHA256SUMS").decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(archive.read(name)).hexdigest() == digest


def test_the_archive_holds_what_the_list_was_narrowed_to(client):
    profile = BillingProfileFactory()
    first, second = made(profile=profile), made(profile=profile)
    reader_of(first, client)

    answer = client.get(reverse("invoices_zip", args=[profile.account.code]), {"number": second.number})

    names = zipfile.ZipFile(io.BytesIO(answer.getvalue())).namelist()
    assert [name for name in names if first.number in name] == []
    assert len(names) == 3


def test_F39_a_damaged_file_is_left_out_of_the_archive_and_named(client, media):
    invoice = made()
    (media / Document.objects.get(kind="pdf").file).write_bytes(b"forged")
    reader_of(invoice, client)

    archive = zipfile.ZipFile(io.BytesIO(client.get(reverse("invoices_zip", args=[invoice.account.code])).getvalue()))

    assert archive.namelist() == [f"Invoice-{invoice.number}.xml", "left out.txt", "SHA256SUMS"]
    assert f"Invoice-{invoice.number}.pdf" in archive.read("left out.txt").decode()


def test_an_archive_is_written_piece_by_piece_and_gives_each_name_once():
    sizes = [len(piece) for piece in stream_zip((f"{'same' if n < 2 else n}.pdf", bytes(100_000)) for n in range(20))]

    assert max(sizes) < 150_000
    archive = b"".join(stream_zip([("a.pdf", b"1"), ("a.pdf", b"2")]))
    assert zipfile.ZipFile(io.BytesIO(archive)).namelist() == ["a.pdf", "a-2.pdf", "SHA256SUMS"]


# --- Reference and QR code of a transfer ---------------------------------------------------------


def test_the_reference_is_one_that_banks_check():
    reference = payment_reference("G000118402")

    assert reference == iso11649.validate(reference)
    assert payment_reference("G-000118402") == reference
    assert payment_reference("") == payment_reference("x" * 22) == ""


def test_the_same_reference_stands_on_page_paper_and_in_the_structured_invoice(client):
    invoice = made()
    reader_of(invoice, client)

    reference = invoice.payment_reference
    assert iso11649.is_valid(reference)
    assert reference in client.get(invoice.get_absolute_url()).text
    assert squeezed(reference) in squeezed(text_of(read_document(Document.objects.get(kind="pdf"))))
    assert reference.encode() in read_document(Document.objects.get(kind="ubl"))


def test_the_qr_code_of_a_transfer_is_for_euros_that_are_owed():
    facts = {
        "holder": "Noorderlicht Cloud B.V.",
        "iban": "NL91ABNA0417164300",
        "bic": "",
        "reference": "RF18539007547034",
    }

    assert "<svg" in transfer_qr(amount=euro(166_279), **facts)
    assert transfer_qr(amount=euro(0), **facts) == ""
    assert transfer_qr(amount=euro(100_000_000_000), **facts) == ""
    assert transfer_qr(amount=type(euro(1))(100, "USD"), **facts) == ""


# --- Whether a document is ours ------------------------------------------------------------------


def test_L4_whoever_holds_the_document_sees_number_date_total_and_the_end_of_our_iban_and_nothing_else(client):
    invoice = made(po_number="PO-SECRET", account_name="Secret B.V.", profile_name="Secret profile")
    code = check_code(invoice.code)
    text = squeezed(text_of(read_document(Document.objects.get(kind="pdf"))))
    assert squeezed(shown_code(code)) in text

    answer = client.get(reverse("document_check"), {"code": f" {shown_code(code)} "}, follow=True)

    assert answer.status_code == 200
    assert "This document is ours" in answer.text
    for words in (invoice.number, "€121.00", invoice.seller["iban"][-4:]):
        assert words in answer.text
    secrets = ["SECRET", "Secret", invoice.code, invoice.seller["iban"], invoice.bill_to["line1"], invoice.account.code]
    assert [words for words in secrets if words in answer.text] == []


@pytest.mark.parametrize("code", ["xxxxxxxxxxxx", "x", "ünïcödé", "../../etc", "\x00", "1" * 500])
def test_a_code_of_no_document_is_said_to_be_none(client, code):
    made()

    answer = client.get(reverse("document_check"), {"code": code}, follow=True)

    assert answer.status_code in {200, 404}
    assert "This document is ours" not in answer.text


def test_T13_an_address_may_check_so_often_and_no_more(client):
    code = check_code(made().code)
    address = reverse("document_check_result", args=[code])

    answers = [client.get(address).status_code for _ in range(CHECKS_PER_ADDRESS.times + 1)]

    assert answers == [200] * CHECKS_PER_ADDRESS.times + [429]


def test_a_code_is_read_as_people_type_it_and_does_not_lead_back_to_the_invoice():
    invoice = InvoiceFactory()

    assert read_code("7K3M 9QXT-2HWO\n") == "7k3m9qxt2hw0"
    assert payload_of(invoice).check.code == check_code(invoice.code)
    assert not set(invoice.code) >= set(check_code(invoice.code)) or check_code(invoice.code) not in invoice.code


def test_the_pdf_of_an_invoice_has_its_pictures_described(client):
    made()

    content = read_document(Document.objects.get(kind="pdf"))
    root = PdfReader(io.BytesIO(content)).trailer["/Root"]
    alts = _alternatives(root["/StructTreeRoot"])
    assert {"QR code for the transfer in a banking app", "QR code that checks this document"} <= alts


def _alternatives(element) -> set[str]:
    element = element.get_object()
    if not hasattr(element, "get"):
        return set()
    found = {str(element["/Alt"])} if "/Alt" in element else set()
    children = element.get("/K", [])
    for child in children if isinstance(children, list) else [children]:
        found |= _alternatives(child)
    return found
