"""An invoice that is not right: a correction is asked for and made, and a line is disputed and credited."""

import re

import pytest

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.tests.journeys.conftest import link_of
from core.money import Money
from core.templatetags.ui import money
from invoices.models import Correction, Dispute, Invoice
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def marieke():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def staff():
    return UserFactory(name="Joris Postma", staff=True)


@pytest.fixture
def invoice(marieke) -> Invoice:
    SellerFactory(email="desk@vendor.example")
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)
    profile = BillingProfileFactory(account=account, name="Operations NL")
    return InvoiceFactory(profile=profile, lines=[100_00, 40_00])


def test_P7_L3_a_correction_is_asked_for_approved_and_chained_both_ways(person, marieke, staff, invoice, mailbox):
    owner = person(marieke)
    owner.opens(invoice.get_absolute_url())
    owner.follows("Ask for a correction of this invoice")
    owner.reads("Ask for a corrected invoice")
    owner.looks()
    owner.follows("PO number")
    owner.types("PO number", "PO-2026-0417")
    owner.types("Explanation", "It was on our order")
    owner.looks()
    owner.presses("Send")
    owner.reads("Correction of %(number)s", number=invoice.number)
    owner.sees("PO-2026-0417")
    owner.looks()
    owner.follows(invoice.number)
    owner.follows("Ask for a correction of this invoice")
    owner.sees("Asked for already")
    owner.looks()

    desk = person(staff)
    desk.opens(link_of(mailbox("desk@vendor.example"), "/staff/"))
    desk.follows("Decide")
    desk.sees("PO-2026-0417")
    desk.picks("Decline")
    desk.presses("Decide, and tell the customer")
    desk.sees("Say why not: the customer reads it.")
    desk.looks()
    desk.picks("Approve")
    desk.types("answer", "Your order has it indeed.")
    desk.presses("Decide, and tell the customer")
    desk.sees("Done, and the customer was told.")
    desk.looks()

    made = Correction.objects.get()
    owner.opens(link_of(mailbox("marieke@alfa.example"), "/corrections/"))
    owner.sees("Your order has it indeed.")
    owner.looks()
    note, corrected = made.credit_note, made.corrected
    owner.follows(note.number)
    for here, onward in ((note, corrected), (corrected, invoice), (invoice, note)):
        owner.page.wait_for_url(re.compile(re.escape(here.get_absolute_url())))
        for other in {invoice, note, corrected} - {here}:
            owner.link(other.number).wait_for()
        owner.looks()
        owner.follows(onward.number)
    assert made.corrected.po_number == "PO-2026-0417"


def test_3_6_a_line_is_disputed_with_a_file_and_credited(person, marieke, staff, invoice, mailbox, tmp_path):
    owner = person(marieke)
    owner.opens(invoice.get_absolute_url())
    owner.follows("Dispute this invoice")
    owner.reads("Dispute an invoice")
    owner.looks()
    owner.presses("Dispute it")
    owner.sees("One thing needs another look")
    owner.looks()
    with owner.speaking():
        second = f"2. Service 2 · {money(Money(40_00, 'EUR'))}"
    owner.selects("What do you not agree with?", second)
    owner.types("How much of that line, excl. VAT", "10")
    owner.types("Why?", "Two hours, and not four")
    paper = tmp_path / "hours.csv"
    paper.write_text("day,hours\n2026-10-01,2\n")
    owner.page.locator("input[type=file]:visible").set_input_files(paper)
    owner.presses("Dispute it")
    owner.sees("It is not collected until the vendor has decided; the rest of the invoice stays due.")
    owner.sees("hours.csv")
    owner.looks()
    owner.follows(invoice.number)
    invoice.refresh_from_db()
    with owner.speaking():
        parts = {"disputed": money(invoice.disputed), "asked": money(invoice.amount_asked)}
    said = "%(disputed)s of this invoice is disputed and not collected until the vendor has decided. "
    owner.sees(said + "The rest, %(asked)s, stays due.", **parts)
    owner.looks()
    owner.follows("To the conversation")

    desk = person(staff)
    desk.opens(link_of(mailbox("desk@vendor.example"), "/staff/"))
    desk.link("hours.csv").wait_for()
    desk.looks()
    desk.follows("Decide about the dispute")
    desk.reads("Decide about the dispute")
    desk.picks("The customer is right: credit it")
    desk.types("Answer", "It was two hours.")
    desk.looks()
    desk.presses("Decide, and tell the customer")
    desk.sees("Done, and the customer was told.")
    desk.looks()

    note = Dispute.objects.get().correction.credit_note
    assert (note.net_minor, note.total_minor) == (10_00, 12_10)
    owner.opens(link_of(mailbox("marieke@alfa.example"), "/support-requests/"))
    owner.sees("It was two hours.")
    owner.looks()
    owner.follows(note.number)
    owner.sees("In your favour")
    owner.looks()
    owner.follows(invoice.number)
    owner.sees("Ask about a charge")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due.minor) == ("due", 169_40 - 12_10)
