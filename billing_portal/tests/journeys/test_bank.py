"""The bank: a statement is taken in, booked, undone and set aside; a customer pays several invoices by one transfer; a
second person agrees to what one asked for."""

import pytest
from django.urls import reverse

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.tests.journeys.person import KEYBOARD
from core import jobs
from core.money import Money
from core.templatetags.ui import money
from invoices.models import Invoice
from invoices.tests.factories import InvoiceFactory
from payments.models import BankEntry, Payment, Refund, Remittance, WriteOff
from payments.tests.bank_files import OUR_IBAN, Move, camt
from profiles.tests.factories import BillingProfileFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WHY = "As agreed with the customer by phone"


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory(iban=OUR_IBAN, bic="ABNANL2A")


@pytest.fixture
def marieke():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def profile(marieke):
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)
    return BillingProfileFactory(account=account, name="Operations NL")


@pytest.fixture
def joris(person):
    return person(UserFactory(name="Joris Postma", staff=True))


def test_P24_T40_staff_take_in_a_statement_book_what_is_suggested_undo_it_and_set_it_aside(joris, profile, tmp_path):
    paid, other = (InvoiceFactory(profile=profile) for _number in range(2))
    content = camt([Move("121.00", reference=paid.payment_reference), Move("121.00", text="november", name="J. Vos")])
    joris.opens(reverse("admin:payments_bankfile_changelist"))
    joris.follows("Take in a statement")
    takes_in(joris, tmp_path, content[:-20])
    joris.sees("it is no whole XML document: line %(line)d", line=2)
    joris.looks()
    takes_in(joris, tmp_path, content)
    is_booked(joris, movements=2)

    joris.opens(reverse("admin:payments_bankentry_changelist") + "?needs_a_look=yes")
    joris.looks()
    joris.press_on(joris.row("J. Vos").get_by_role("link", name=joris.word("Book"), exact=True))
    joris.reads("A movement at the bank")
    joris.looks()
    joris.presses("Book")
    joris.sees("Choose an invoice, or type its number.")
    joris.looks()
    joris.ticks(f"{other.number} · {other.account_name} · {money_of(joris, 121_00)}")
    joris.presses("Book")
    joris.sees("Booked. The receipt goes to those who get the invoices.")
    joris.looks()
    assert set(Invoice.objects.values_list("status", flat=True)) == {"paid"}

    joris.follows("Undo")
    joris.reads("Undo a booking")
    joris.presses("Undo")
    joris.sees("One thing needs another look")
    joris.looks()
    joris.types("Reason", WHY)
    joris.presses("Undo")
    joris.sees("Undone. What it paid is owed again.")
    joris.looks()
    joris.follows("Nothing of it is ours to book")
    joris.types("Reason", WHY)
    joris.looks()
    joris.presses("Set aside")
    joris.sees("Set aside.")
    assert list(BankEntry.objects.order_by("pk").values_list("status", flat=True)) == ["booked", "set_aside"]
    assert Invoice.objects.get(pk=other.pk).status == "due"


def test_P24_I30_a_customer_pays_two_invoices_by_one_transfer_and_sees_them_paid(
    person, joris, marieke, profile, tmp_path
):
    invoices = [InvoiceFactory(profile=profile) for _number in range(3)]
    payer = person(marieke)
    payer.opens(f"/billing-accounts/{profile.account.code}/invoices/")
    payer.opens(reverse("remittances", args=[profile.account.code]))
    payer.looks()
    payer.follows("New remittance")
    payer.reads("Pay several invoices by one transfer")
    payer.ticks(invoices[2].number)
    payer.looks()
    payer.presses("Make the remittance")
    payer.reads("Remittance")
    payer.sees("Nothing yet. A transfer within SEPA takes one working day, and is booked when our bank reports it.")
    payer.looks()
    remittance = Remittance.objects.get()
    payer.types("IBAN you pay from", "NL02 ABNA 0123 4567 89")
    with payer.page.expect_download() as download:
        payer.presses("Download the payment file")
    assert remittance.reference in download.value.path().read_text()

    joris.opens(reverse("admin:bank_file_new"))
    takes_in(joris, tmp_path, camt([Move("250.00", reference=remittance.reference)]))
    is_booked(joris)
    joris.opens(reverse("admin:payments_bankentry_changelist"))
    joris.looks()
    payer.opens(remittance.get_absolute_url())
    payer.sees("Booked in all")
    payer.sees(money_of(payer, 250_00))
    payer.looks()
    payer.opens(reverse("payments", args=[profile.account.code]))
    payer.sees(money_of(payer, 8_00))
    payer.looks()
    assert [Invoice.objects.get(pk=each.pk).status for each in invoices] == ["paid", "paid", "due"]


def test_I17_P24_a_refund_and_a_write_off_wait_for_a_second_person(person, joris, profile, tmp_path):
    paid, lost = (InvoiceFactory(profile=profile, lines=[1_000_00]) for _number in range(2))
    joris.opens(reverse("admin:bank_file_new"))
    takes_in(joris, tmp_path, camt([Move("1210.00", reference=paid.payment_reference)]))
    is_booked(joris)
    joris.opens(reverse("admin:refund_new", args=[Payment.objects.get().pk]))
    joris.reads("Give money back")
    joris.types("Reason", WHY)
    joris.looks()
    joris.presses("Continue")
    joris.sees("It waits for a second person.")
    decides(joris, "Agree, as the second person")
    joris.sees("Somebody else has to agree: you asked for it.")
    joris.looks()
    joris.opens(reverse("admin:payments_writeoff_changelist"))
    joris.follows("Write an invoice off")
    joris.types("Invoice number", lost.number)
    joris.looks()
    joris.presses("Continue")
    joris.types("Reason", WHY)
    joris.looks()
    joris.presses("Continue")
    joris.sees("It waits for a second person.")

    second = person(UserFactory(name="Petra Smit", staff=True))
    second.opens(reverse("admin:payments_refund_changelist"))
    decides(second, "Agree, as the second person")
    second.sees("Agreed")
    second.looks()
    decides(second, "I have transferred it from the bank")
    second.sees("Given back")
    second.looks()
    second.opens(reverse("admin:payments_writeoff_changelist"))
    decides(second, "Agree, as the second person")
    second.sees("Agreed")
    second.looks()
    assert Refund.objects.get().status == "given_back"
    assert WriteOff.objects.get().status == "done"
    assert list(Invoice.objects.order_by("pk").values_list("status", flat=True)) == ["due", "paid"]


def takes_in(somebody, folder, content):
    """A file is chosen in a window of the system, which no page draws."""
    file = folder / "statement.xml"
    file.write_bytes(content)
    somebody.field("Statement of the bank").set_input_files(file)
    somebody.presses("Take in")


def is_booked(somebody, movements=1):
    said = "%(read)d movements read, %(new)d of them new. What is certain is booked in a moment."
    somebody.sees(said, read=movements, new=movements)
    jobs.run_due(only=["payments.match_bank_entries"])


def decides(somebody, action):
    """The only row of the list, and what is to be done with it."""
    page, wanted = somebody.page, somebody.word(action)
    box, choice = page.locator("input.action-select"), page.locator("select[name=action]")
    if somebody.way.means == KEYBOARD:
        somebody.reaches(box)
        page.keyboard.press("Space")
        somebody.reaches(choice)
        page.keyboard.type(wanted)
    else:
        box.click()
        choice.select_option(label=wanted)
    somebody.presses("Go")


def money_of(somebody, minor: int) -> str:
    with somebody.speaking():
        return money(Money(minor, "EUR"))
