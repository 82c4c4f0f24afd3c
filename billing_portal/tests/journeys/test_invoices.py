"""Step 8 of the thread: an invoice is found, read, and downloaded with the figures of its page."""

import io
import re
import zipfile

import pytest
from pypdf import PdfReader

from accounts.tests.factories import BillingAccountFactory, UserFactory
from billing_portal.tests.journeys.person import KEYBOARD, MOUSE
from core.archives import CHECKSUMS
from core.jobs import run_due
from core.templatetags.ui import money
from invoices.documents.codes import check_code, shown_code
from invoices.models import Document
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def marieke():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def profiles(marieke):
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)
    return [BillingProfileFactory(account=account, name=name) for name in ("Operations NL", "Warehouse Rotterdam")]


def test_P13_an_invoice_is_found_by_state_by_profile_by_number_and_by_the_search_of_the_portal(
    person, marieke, profiles
):
    operations, warehouse = profiles
    paid = InvoiceFactory(profile=operations, status="paid")
    due = InvoiceFactory(profile=operations)
    other = InvoiceFactory(profile=warehouse)
    reader = person(marieke)
    reader.opens(f"/billing-accounts/{operations.account.code}/invoices/")
    reader.reads("Invoices")
    for invoice in (paid, due, other):
        reader.sees_in_row(invoice.number, invoice.profile_name)
    reader.looks()

    follows_segment(reader, "Paid")
    reader.does_not_see(due.number)
    reader.sees(paid.number)
    follows_segment(reader, "All")
    reader.selects("Billing profile", "Warehouse Rotterdam")
    applies(reader)
    reader.does_not_see(due.number)
    reader.sees(other.number)
    reader.looks()
    reader.selects("Billing profile", "All profiles")
    applies(reader)
    reader.types("Invoice number", due.number)
    applies(reader, typed=True)
    reader.does_not_see(other.number)
    reader.sees_in_row(due.number, "Operations NL")

    reader.types("Invoice number", "G9999")
    applies(reader, typed=True)
    reader.sees("No invoice fits")
    reader.looks()

    reader.types("Search", due.number)
    reader.page.keyboard.press("Enter")
    reader.reads("Search: %(words)s", words=due.number)
    reader.looks()
    reader.press_on(reader.page.locator("main").get_by_role("link", name=re.compile(due.number)).first)
    reader.sees("Bill-to address")


def test_I5_the_pdf_has_the_figures_of_the_page(person, way, marieke, profiles):
    account = profiles[0].account
    account.organisation.preferred_language = way.language
    account.organisation.save(update_fields=["preferred_language"])
    invoice = InvoiceFactory(profile=profiles[0], lines=[1_234_56, 78_90, 5])
    while Document.objects.exclude(status="ready").exists() and run_due():
        pass
    reader = person(marieke)
    reader.opens(f"/invoices/{invoice.code}/")
    reader.sees("Total incl. VAT")
    reader.looks()
    with reader.page.expect_download() as download:
        reader.follows("Download PDF")
    text = squeezed(pdf_text(download.value.path().read_bytes()))
    shown = squeezed(reader.page.locator("main").inner_text())
    with reader.speaking():
        figures = [money(each) for each in (invoice.net, invoice.vat, invoice.total)]
        figures += [money(line.net) for line in invoice.lines.all()]
    assert len(figures) == 6
    for figure in figures:
        assert squeezed(figure) in shown
        assert squeezed(figure) in text
    assert invoice.number in text


def test_several_invoices_come_as_one_archive(person, marieke, profiles):
    made = [InvoiceFactory(profile=profile) for profile in profiles]
    while run_due():
        pass
    reader = person(marieke)
    reader.opens(f"/billing-accounts/{profiles[0].account.code}/invoices/")
    with reader.page.expect_download() as download:
        reader.follows("Download documents")
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert all(f"{invoice.number}.pdf" in " ".join(names) for invoice in made)
    assert CHECKSUMS in names


def test_L8_everything_is_asked_for_waited_for_and_downloaded(person, marieke, profiles):
    InvoiceFactory(profile=profiles[0])
    while run_due():
        pass
    owner = person(marieke)
    owner.opens(f"/billing-accounts/{profiles[0].account.code}/take-out/")
    owner.presses("Prepare a take-out")
    owner.sees("The take-out is being prepared. You get a mail when it is ready.")
    owner.sees("One is being prepared now.")
    owner.looks()
    while run_due():
        pass
    owner.opens(f"/billing-accounts/{profiles[0].account.code}/take-out/")
    owner.sees("Ready")
    owner.looks()
    with owner.page.expect_download() as download:
        owner.follows("Download")
    assert CHECKSUMS in zipfile.ZipFile(download.value.path()).namelist()


def test_L4_whoever_holds_a_paper_asks_whether_it_is_ours(person, profiles):
    invoice = InvoiceFactory(profile=profiles[0])
    while run_due():
        pass
    holder = person()
    holder.opens("/check/")
    holder.types("Code", "0000-0000-0000")
    holder.presses("Check")
    holder.sees(
        "We made no document with this code. Compare it with the paper once more. If it is right, do not pay, and "
        "tell us."
    )
    holder.looks()
    holder.types("Code", shown_code(check_code(invoice.code)).lower())
    holder.presses("Check")
    holder.sees(invoice.number)
    holder.does_not_see("Operations NL")
    holder.looks()


def follows_segment(somebody, label: str) -> None:
    """A segment may carry a number after its word."""
    group = somebody.page.locator(".seg")
    link = group.get_by_role("link", name=re.compile(rf"^{re.escape(somebody.word(label))}\b"))
    somebody.press_on(link.first)


def applies(somebody, *, typed: bool = False) -> None:
    """With scripts a list applies itself and a field is sent by Enter; without, there is a button."""
    if somebody.way.means in {MOUSE, KEYBOARD}:
        if typed:
            somebody.page.keyboard.press("Enter")
        elif somebody.way.means == KEYBOARD:
            somebody.page.keyboard.press("Tab")
    else:
        somebody.presses("Apply")


def pdf_text(pdf: bytes) -> str:
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def squeezed(text: str) -> str:
    """Without the kinds of space that numbers are written with."""
    return re.sub(r"[\s\u200b]+", "", text)
