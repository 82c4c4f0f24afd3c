"""The file of an invoice: made once from its own copies, kept with its digest, put back when lost."""

import errno
import hashlib
import io
import os
import signal
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone
from pypdf import PdfReader

from core import jobs
from core.errors import Refused
from core.models import JobClaim
from core.storage import WholeFileStorage
from core.templatetags.ui import money
from invoices.documents import render
from invoices.documents.archive import (
    Damaged,
    file_name,
    make_document,
    read_document,
    restore_document,
    retry_document,
)
from invoices.documents.einvoice import ubl_of
from invoices.documents.source import payload_of
from invoices.models import Document, Invoice, VatGroup
from invoices.tests.factories import InvoiceFactory
from invoices.tests.test_documents_render import squeezed, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def make_all() -> None:
    jobs.run_due(only=["invoices.make_documents"])


def document_of(invoice) -> Document:
    return Document.objects.get(invoice=invoice, kind="pdf")


def files(media: Path) -> list[str]:
    return sorted(str(path.relative_to(media)) for path in media.rglob("*") if path.is_file())


def test_I28_the_job_makes_the_pdf_once_and_keeps_its_digest_and_size(media):
    invoice = InvoiceFactory()

    make_all()

    document = document_of(invoice)
    content = (media / document.file).read_bytes()
    assert document.status == "ready"
    assert document.file == f"invoices/2026/11/{invoice.code}.pdf"
    assert document.sha256 == hashlib.sha256(content).hexdigest()
    assert document.size_bytes == len(content)
    assert document.replaced_characters == ""
    assert document.made_at is not None
    ubl = Document.objects.get(invoice=invoice, kind="ubl")
    assert files(media) == [document.file, ubl.file]
    assert read_document(document) == content
    assert read_document(ubl) == ubl_of(payload_of(invoice))
    assert (ubl.status, ubl.file) == ("ready", f"invoices/2026/11/{invoice.code}.xml")


def test_L4_a_document_that_is_ready_is_never_made_again(media):
    invoice = InvoiceFactory()
    make_all()
    before = os.stat(media / document_of(invoice).file)

    make_document(document_of(invoice))
    make_all()

    after = os.stat(media / document_of(invoice).file)
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


def test_I5_the_pdf_says_what_the_rows_of_the_invoice_say():
    invoice = InvoiceFactory(
        lines=[
            {"net_minor": 12_345, "section": "Production", "description": "Compute EU-West"},
            {"net_minor": 655, "section": "Office", "description": "Office licence"},
        ],
        po_number="PO-2026-0417",
    )
    make_all()

    text = squeezed(text_of(read_document(document_of(invoice))))

    wanted = [invoice.number, "PO-2026-0417", invoice.profile_name, invoice.account_name, "Compute EU-West", "Office"]
    wanted += [str(money(amount)) for amount in (invoice.net, invoice.vat, invoice.total)]
    wanted += [invoice.seller["legal_name"], invoice.seller["vat_id"], "NL91 ABNA 0417 1643 00", "3089 JH Rotterdam"]
    assert [words for words in wanted if squeezed(words) not in text] == []


def test_I35_what_changes_after_issue_does_not_reach_the_document():
    invoice = InvoiceFactory()
    before = payload_of(invoice)

    account, profile = invoice.account, invoice.profile
    type(account).objects.filter(pk=account.pk).update(name="Renamed", vat_id="")
    type(profile).objects.filter(pk=profile.pk).update(name="Renamed", po_number="PO-9")
    type(account.sold_to).objects.filter(pk=account.sold_to_id).update(line1="Elsewhere 1", company_name="Renamed")

    assert payload_of(type(invoice).objects.get(pk=invoice.pk)) == before


def test_L1_reverse_charge_is_said_as_it_was_stored_with_the_invoice():
    invoice = InvoiceFactory(status="draft", rate=Decimal(0))
    VatGroup.objects.update(category="AE", wording="Btw verlegd (artikel 196)")

    [row] = payload_of(invoice).vat

    assert (row.category, row.rate, row.amount.minor, row.wording) == ("AE", 0, 0, "Btw verlegd (artikel 196)")


def test_the_facts_of_an_invoice_take_two_statements(django_assert_num_queries):
    invoice = InvoiceFactory(lines=[{"net_minor": 100, "section": f"Section {index}"} for index in range(9)])

    with django_assert_num_queries(2):
        facts = payload_of(invoice)

    assert len(facts.sections) == 9


def test_a_dutch_invoice_is_dutch_whatever_language_the_worker_speaks():
    invoice = InvoiceFactory(language="nl")

    make_all()

    reader = PdfReader(io.BytesIO(read_document(document_of(invoice))))
    assert reader.metadata.title == f"Factuur {invoice.number}"
    assert file_name(invoice) == f"Factuur-{invoice.number}.pdf"


def test_a_credit_note_says_so_and_asks_for_no_money():
    note = InvoiceFactory(kind="credit_note")

    make_all()

    text = text_of(read_document(document_of(note)))
    assert f"Credit note {note.number}" in text
    assert "Amount due" not in text


@pytest.mark.django_db(transaction=True)
def test_F38_a_renderer_that_dies_leaves_the_document_pending_and_it_is_made_a_minute_later(media):
    invoice = InvoiceFactory()
    render.render_invoice(payload_of(invoice))
    os.kill(render._worker.process.pid, signal.SIGKILL)
    render._worker.process.wait()

    make_all()

    document = document_of(invoice)
    assert document.status == "pending"
    assert document.last_error.startswith("RenderFailed: ")
    assert files(media) == []
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        make_all()
    document.refresh_from_db()
    assert (document.status, document.last_error) == ("ready", "")


@pytest.mark.django_db(transaction=True)
def test_F20_a_full_disk_leaves_no_file_and_the_document_is_made_when_there_is_room(media, settings):
    invoice = InvoiceFactory()
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.FullStorage"}}

    make_all()

    document = document_of(invoice)
    assert document.status == "pending"
    assert "No space left on device" in document.last_error
    assert files(media) == []
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "core.storage.WholeFileStorage"}}
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        make_all()
    assert document_of(invoice).status == "ready"


class FullStorage(WholeFileStorage):
    """A disk that fills up while the file is flushed."""

    def _flush(self, name: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.django_db(transaction=True)
def test_F38_a_renderer_that_keeps_failing_is_asked_for_a_day_and_then_left_to_a_person(settings):
    invoice = InvoiceFactory()
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.FullStorage"}}

    start, hours = timezone.now(), 0
    while not JobClaim.objects.filter(tries_left=0).exists():
        with time_machine.travel(start + timedelta(hours=hours), tick=False):
            make_all()
        hours += 1

    assert hours == 27
    assert document_of(invoice).status == "pending"
    assert JobClaim.objects.get().last_error.endswith("No space left on device")


def test_a_document_that_the_compiler_refuses_has_failed_until_somebody_has_it_tried_again():
    invoice = InvoiceFactory(status="draft", language="q")
    document = Document.objects.create(invoice=invoice)
    Invoice.objects.filter(pk=invoice.pk).update(
        number="G1", issue_date=date(2026, 11, 5), due_date=date(2026, 12, 5), status="due"
    )

    make_all()

    document.refresh_from_db()
    assert document.status == "failed"
    assert document.last_error.startswith("RenderRefused: ")
    retry_document(document)
    assert document_of(invoice).status == "pending"
    with pytest.raises(Refused):
        retry_document(document)


def test_a_file_that_a_dead_worker_left_is_taken_over_or_gives_way(media):
    same, other = InvoiceFactory(), InvoiceFactory()
    left = render.render_invoice(payload_of(same)).pdf
    for invoice, content in ((same, left), (other, b"%PDF half a fi")):
        default_storage.save(f"invoices/2026/11/{invoice.code}.pdf", ContentFile(content))

    make_all()

    assert read_document(document_of(same)) == left
    assert read_document(document_of(other)).startswith(b"%PDF-")
    assert len(files(media)) == 4  # a PDF and a UBL each


def test_characters_that_no_font_shows_are_kept_with_the_document():
    invoice = InvoiceFactory(account_name="上海 Trading", sold_to={**_address(), "company_name": "上海 Trading"})

    make_all()

    assert document_of(invoice).replaced_characters == "上海"


def _address() -> dict[str, str]:
    return {"line1": "Waalhaven 1", "city": "Rotterdam", "postal_code": "3089 JH", "country": "NL"}


@pytest.mark.parametrize("country", ["US", "DE", "JP", "BR", "GB", "SG"])
def test_addresses_are_printed_as_their_country_writes_them(country):
    invoice = InvoiceFactory(sold_to={**_address(), "country": country, "region": "", "company_name": "Beta"})

    party = payload_of(invoice).sold_to

    assert party.name == "Beta"
    assert "Waalhaven 1" in party.lines
    assert any("Rotterdam" in line for line in party.lines)


def test_F39_a_changed_or_lost_file_is_given_to_nobody(media):
    changed, lost = InvoiceFactory(), InvoiceFactory()
    make_all()
    content = bytearray(read_document(document_of(changed)))
    content[len(content) // 2] ^= 1
    (media / document_of(changed).file).write_bytes(content)
    (media / document_of(lost).file).unlink()

    for invoice in (changed, lost):
        with pytest.raises(Damaged):
            read_document(document_of(invoice))


def test_F39_a_damaged_file_is_made_again_byte_for_byte_and_the_damaged_one_is_kept(media):
    invoice = InvoiceFactory()
    make_all()
    document = document_of(invoice)
    original = read_document(document)
    (media / document.file).write_bytes(b"something else")

    restore_document(document)

    assert read_document(document) == original
    assert (media / f"{document.file}.damaged").read_bytes() == b"something else"


def test_F39_a_document_that_would_come_out_differently_is_not_put_back(media):
    invoice = InvoiceFactory()
    document = document_of(invoice)
    pdf = b"%PDF of an older template"
    default_storage.save("invoices/old.pdf", ContentFile(pdf))
    Document.objects.filter(pk=document.pk).update(
        status="ready", file="invoices/old.pdf", sha256=hashlib.sha256(pdf).hexdigest(), size_bytes=len(pdf)
    )
    (media / "invoices/old.pdf").unlink()

    with pytest.raises(Refused) as refusal:
        restore_document(document_of(invoice))

    assert refusal.value.code == "differs"
    assert files(media) == []


def test_I28_check_documents_names_what_is_damaged_lost_failed_and_left_over(media, capsys):
    fine, damaged, failed = InvoiceFactory(), InvoiceFactory(), InvoiceFactory()
    make_document(document_of(fine))
    make_document(document_of(damaged))
    Document.objects.filter(invoice=failed).update(status="failed", last_error="OSError: no space")
    (media / document_of(damaged).file).write_bytes(b"x")
    stray = media / "invoices/2026/11/stray.pdf"
    stray.write_bytes(b"x")
    os.utime(stray, (0, 0))

    with pytest.raises(SystemExit) as end:
        call_command("check_documents")
    first = capsys.readouterr().out
    stray.unlink()
    call_command("check_documents", "--restore", "--retry")

    assert end.value.code == 1
    assert f"{damaged.number}: the file is damaged or gone" in first
    assert f"{failed.number}: could not be made: OSError: no space" in first
    assert "invoices/2026/11/stray.pdf belongs to no document" in first
    assert fine.number not in first
    assert read_document(document_of(damaged))
    assert document_of(failed).status == "pending"


def test_I34_no_transaction_is_open_while_the_renderer_is_asked(no_network_in_transactions):
    invoice = InvoiceFactory()

    make_all()

    assert document_of(invoice).status == "ready"


# --- Storage --------------------------------------------------------------------------------------


def test_F20_a_name_is_given_only_to_a_whole_file_and_never_to_a_second_one(media):
    storage = WholeFileStorage(location=media)

    first = storage.save("a/b.txt", ContentFile(b"one"))
    second = storage.save("a/b.txt", ContentFile(b"two"))
    with pytest.raises(OSError, match="No space"):
        FullStorage(location=media).save("a/c.txt", ContentFile(b"three"))

    assert first == "a/b.txt"
    assert second != first
    assert (media / first).read_bytes() == b"one"
    assert (media / second).read_bytes() == b"two"
    assert files(media) == sorted([first, second])
