"""Statements of the bank: read, matched, booked, undone; nothing twice, and no guess booked as fact (P24)."""

import io
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, SellerFactory, UserFactory
from core.errors import Refused
from core.money import Money
from core.policy import Role
from invoices.models import LedgerAccount
from invoices.services.ledger import balance
from invoices.tests.factories import InvoiceFactory
from payments.bank.camt import read_camt
from payments.bank.entries import FileRefused
from payments.jobs import match_bank_entries, reconcile_yesterday
from payments.models import BankBooking, BankEntry, BankFile, BookedBy, Payment
from payments.services.bank import (
    book_entry,
    read_statements,
    set_aside,
    take_in_file,
    undo_booking,
)
from payments.services.matching import returned_of, suggestions
from payments.tests.bank_files import OUR_IBAN, Move, camt, ing_csv, rabobank_csv
from payments.tests.factories import PaymentFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db
BANKS = ["ing", "rabobank", "abnamro", "bunq"]


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory(iban=OUR_IBAN)


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def invoice(profile):
    return InvoiceFactory(profile=profile)


@pytest.fixture
def staff():
    return UserFactory(is_staff=True)


def take_in(content, name="statement.xml"):
    taken = take_in_file(content, name=name, by=None)
    match_bank_entries(list(BankEntry.objects.to_match().values_list("pk", flat=True)))
    return taken


def only():
    return BankEntry.objects.get()


# --- Booked by itself -----------------------------------------------------------------------------


@pytest.mark.parametrize("bank", BANKS)
def test_P24_a_payment_reference_books_the_invoice_in_the_shapes_of_four_banks(bank, invoice):
    take_in(camt([Move("121.00", reference=invoice.payment_reference)], bank=bank))
    invoice.refresh_from_db()
    payment = Payment.objects.get()
    assert invoice.status == "paid"
    assert (payment.family, payment.gateway, payment.amount) == ("transfer", "bank", invoice.total)
    assert payment.receipt_number
    assert BankBooking.objects.get().why == BookedBy.REFERENCE
    assert only().status == "booked"
    assert balance(LedgerAccount.BANK, "EUR", invoice=invoice) == invoice.total


@pytest.mark.parametrize("bank", BANKS)
def test_P24_the_number_and_the_amount_book_the_invoice(bank, invoice):
    take_in(camt([Move("121.00", text=f"betaling factuur {invoice.number}")], bank=bank))
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert BankBooking.objects.get().why == BookedBy.NUMBER


@pytest.mark.parametrize("written", ["{}", "RE {} DANK", "{}/1", "grouped"])
def test_P24_a_reference_is_found_as_people_write_it(written, invoice):
    reference = invoice.payment_reference
    grouped = " ".join(reference[start : start + 4] for start in range(0, len(reference), 4))
    take_in(camt([Move("121.00", text=grouped if written == "grouped" else written.format(reference))]))
    assert only().status == "booked"


def test_P24_one_transfer_pays_several_invoices_that_it_names(profile):
    invoices = [InvoiceFactory(profile=profile) for _number in range(3)]
    take_in(camt([Move("363.00", text=" ".join(invoice.number for invoice in invoices))]))
    assert Payment.objects.get().allocations.count() == 3
    assert {type(each).objects.get(pk=each.pk).status for each in invoices} == {"paid"}


def test_P24_a_part_is_booked_as_a_part(invoice):
    take_in(camt([Move("21.00", reference=invoice.payment_reference)]))
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due) == ("due", Money(10_000, "EUR"))


def test_P24_what_is_more_than_owed_is_kept_as_a_balance(invoice):
    take_in(camt([Move("150.00", reference=invoice.payment_reference)]))
    invoice.refresh_from_db()
    entry = only()
    assert (invoice.status, entry.status, Payment.objects.get().kept) == ("paid", "booked", Money(2_900, "EUR"))
    assert entry not in BankEntry.objects.for_a_person()


@pytest.mark.parametrize("make", [ing_csv, rabobank_csv])
def test_P24_a_csv_is_booked_like_a_statement(make, invoice):
    take_in(make([Move("121.00", text=invoice.number), Move("-5.00", text="kosten")]), "export.csv")
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert sorted(BankEntry.objects.values_list("amount_minor", flat=True)) == [-500, 12_100]


# --- Never a guess ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("euros", "text"),
    [
        ("121.00", ""),
        ("121.00", "factuur november"),
        ("150.00", "{number}"),
        ("121.00", "RF00{number}"),
        ("121.00", "{wrong}"),
        ("-121.00", "{number}"),
    ],
)
def test_P24_a_guess_is_a_suggestion_and_no_booking(euros, text, invoice):
    wrong = invoice.number[:-1] + ("0" if invoice.number[-1] != "0" else "1")
    take_in(camt([Move(euros, text=text.format(number=invoice.number, wrong=wrong), name="Onbekend")]))
    entry = only()
    assert (entry.status, Payment.objects.count()) == ("open", 0)
    assert entry in BankEntry.objects.for_a_person()


def test_P24_invoices_of_two_customers_in_one_transfer_are_for_a_person():
    invoices = [InvoiceFactory(), InvoiceFactory()]
    take_in(camt([Move("242.00", text=" ".join(invoice.number for invoice in invoices))]))
    assert not Payment.objects.exists()
    assert set(suggestions(only())) == set(invoices)


def test_P24_the_name_and_the_amount_make_the_first_suggestion(profile):
    InvoiceFactory()
    mine = InvoiceFactory(profile=profile)
    take_in(camt([Move("121.00", name=profile.account.name)]))
    assert suggestions(only())[0] == mine


def test_I12_what_is_being_paid_online_is_not_booked_at_the_same_time(invoice):
    PaymentFactory(invoices=[invoice], status="unknown")
    take_in(camt([Move("121.00", reference=invoice.payment_reference)]))
    assert only().status == "open"
    assert not BankBooking.objects.exists()


# --- Once ---------------------------------------------------------------------------------------


def test_P24_the_same_file_twice_books_once(invoice):
    content = camt([Move("121.00", reference=invoice.payment_reference)])
    assert take_in(content).is_new
    assert not take_in(content).is_new
    assert (BankFile.objects.count(), BankEntry.objects.count(), Payment.objects.count()) == (1, 1, 1)


def test_P24_an_overlapping_file_books_what_is_new(invoice):
    first = Move("21.00", reference=invoice.payment_reference, bank_reference="A1")
    second = Move("100.00", reference=invoice.payment_reference, bank_reference="A2")
    take_in(camt([first]))
    taken = take_in(camt([first, second], number="2"))
    invoice.refresh_from_db()
    assert (taken.file.entries_read, taken.file.entries_new) == (2, 1)
    assert invoice.status == "paid"


def test_P24_two_that_look_alike_on_one_day_are_two(invoice):
    alike = Move("10.00", reference=invoice.payment_reference, bank_reference="SAME")
    take_in(camt([alike, alike]))
    invoice.refresh_from_db()
    assert invoice.settled == Money(2_000, "EUR")


def test_P24_looking_twice_books_once(invoice):
    take_in(camt([Move("21.00", reference=invoice.payment_reference)]))
    match_bank_entries([only().pk])
    assert Payment.objects.count() == 1


# --- By hand ------------------------------------------------------------------------------------


def test_P24_staff_book_what_is_left_to_another_invoice(profile, invoice, staff):
    other = InvoiceFactory(profile=profile)
    take_in(camt([Move("242.00")]))
    book_entry(only(), [invoice], why=BookedBy.STAFF, by=staff, keeps_rest=False)
    assert (only().status, only().left) == ("partly", other.total)
    book_entry(only(), [other], why=BookedBy.STAFF, by=staff)
    other.refresh_from_db()
    assert (other.status, only().status) == ("paid", "booked")
    with pytest.raises(Refused):
        book_entry(only(), [other], why=BookedBy.STAFF, by=staff)


def test_P24_a_wrong_booking_is_undone_and_booked_anew(profile, invoice, staff):
    take_in(camt([Move("121.00", reference=invoice.payment_reference)]))
    undo_booking(BankBooking.objects.get(), reason="It was meant for the other invoice", by=staff)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_due) == ("due", invoice.total)
    assert Payment.objects.get().status == "undone"
    assert not balance(LedgerAccount.BANK, "EUR", invoice=invoice)
    other = InvoiceFactory(profile=profile)
    book_entry(only(), [other], why=BookedBy.STAFF, by=staff)
    other.refresh_from_db()
    assert other.status == "paid"
    with pytest.raises(Refused) as refusal:
        undo_booking(BankBooking.objects.order_by("pk").first(), reason="It was meant for another", by=staff)
    assert refusal.value.code == "undone_before"


def test_P24_undoing_needs_a_reason(invoice, staff):
    take_in(camt([Move("121.00", reference=invoice.payment_reference)]))
    with pytest.raises(Refused) as refusal:
        undo_booking(BankBooking.objects.get(), reason="no", by=staff)
    assert refusal.value.code == "reason_missing"


def test_P24_a_returned_payment_leads_to_its_booking(invoice, staff):
    take_in(camt([Move("121.00", reference=invoice.payment_reference)]))
    back = Move("-121.00", text=f"Retour {invoice.number}", is_return=True)
    take_in(camt([back], number="2"))
    entry = BankEntry.objects.get(amount_minor__lt=0)
    assert (entry.is_return, entry.status) == (True, "open")
    assert returned_of(entry) == [BankBooking.objects.get()]


def test_P24_what_is_not_ours_is_set_aside_with_a_reason(staff):
    take_in(camt([Move("-5.00", text="kosten")]))
    set_aside(only(), note="Costs of the account itself", by=staff)
    assert not BankEntry.objects.for_a_person().exists()


def test_I15_what_the_bank_brought_is_no_business_of_a_gateway(invoice):
    take_in(camt([Move("121.00", reference=invoice.payment_reference)]))
    reconcile_yesterday(timezone.now() + timedelta(days=1))
    assert Payment.objects.get().parked_reason == ""


def test_I1_I15_every_invariant_holds_after_booking_and_undoing(profile, invoice, staff):
    AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_OWNER)
    take_in(camt([Move("50.00", reference=invoice.payment_reference), Move("200.00", text=invoice.number)]))
    undo_booking(BankBooking.objects.get(), reason="It was meant for the other invoice", by=staff)
    call_command("check_invariants")


# --- Files that are none ------------------------------------------------------------------------

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>
<Document><BkToCstmrStmt>&b;</BkToCstmrStmt></Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><Document>&e;</Document>"""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"   ",
        b"\x00\x01\x02",
        b"<",
        b"<html></html>",
        b"<Document><pain001/></Document>",
        b"<Document><BkToCstmrStmt></BkToCstmrStmt></Document>",
        BOMB,
        OUTSIDE,
        BOMB.decode().encode("utf-16"),
        camt([Move("10.00")])[:-40],
        camt([Move("10.00")], tail="<more/>"),
        camt([Move("10.00")], closing="5000"),
        camt([Move("10.00")]).replace(b">10.00<", b">10.001<"),
        camt([Move("99999999999999999")]),
        camt([Move("10.00")]).replace(b"EUR", b"EUX"),
        camt([Move("10.00")]).replace(b"2026-11-20", b"2026-13-45"),
        b"<Document><BkToCstmrStmt>" + b"<a>" * 100,
        b"a,b,c\n1,2,3",
        ing_csv([Move("10.00")]) + b"\r\n1,2",
        ing_csv([Move("x")]),
        ing_csv([Move("10.00")]).replace(b"20261120", b"today"),
    ],
)
def test_T40_a_file_that_is_none_is_refused_whole(content):
    with pytest.raises(FileRefused):
        take_in_file(content, name="x", by=None)
    assert not BankFile.objects.exists()
    assert not BankEntry.objects.exists()


SIDE = b"<CdtDbtInd>CRDT</CdtDbtInd><Sts>"


def swapped(old, new, **options):
    """A statement of ten euros in which something else stands."""
    content = camt([Move("10.00")], **options)
    assert old in content
    return content.replace(old, new)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (swapped(SIDE, b"<Sts>"), "in or out"),
        (swapped(SIDE, b"<CdtDbtInd>BOTH</CdtDbtInd><Sts>"), "in or out"),
        (swapped(b"<Cd>CLBD</Cd>", b"<Cd>ITBD</Cd>"), "balance"),
        (swapped(b"<Cd>OPBD</Cd>", b"<Cd>XXXX</Cd>"), "balance"),
        (swapped(b"<Amt Ccy='EUR'>10.00", b"<Amt Ccy='USD'>10.00"), "USD"),
        (swapped(b'encoding="UTF-8"', b'encoding="EBCDIC-NL"'), "encoding"),
        (swapped(b'encoding="UTF-8"', b'encoding="shift_jis"'), "encoding"),
        (swapped(b"Alfa", b"Alf\xe4"), "no whole XML"),
        (ing_csv([Move("10.00")]).replace(b'"Bij"', b'"?"'), "in or out"),
        (ing_csv([Move("10.00")]).decode().encode("utf-16"), "no whole XML"),
        (b"x" * (50 * 1024 * 1024 + 1), "larger than"),
    ],
)
def test_T40_what_would_have_to_be_guessed_is_refused_with_words(content, said):
    with pytest.raises(FileRefused, match=said):
        take_in_file(content, name="x", by=None)
    assert not BankEntry.objects.exists()


def test_P24_a_batch_whose_parts_name_no_amounts_is_for_a_person(profile):
    """One credit for two transfers: which of them pays what is not said, so nothing is booked."""
    first, second = (InvoiceFactory(profile=profile) for _number in range(2))
    content = camt([Move("242.00", reference=first.payment_reference)])
    start, end = content.index(b"<TxDtls>"), content.index(b"</NtryDtls>")
    other = content[start:end].replace(first.payment_reference.encode(), second.payment_reference.encode())
    take_in(content[:end] + other + content[end:])
    assert (only().status, only().references, Payment.objects.count()) == ("open", "", 0)


def test_P24_a_batch_whose_parts_name_their_amounts_is_a_movement_each(profile):
    first, second = (InvoiceFactory(profile=profile) for _number in range(2))
    content = camt([Move("121.00", reference=first.payment_reference)], bank="rabobank", closing="1242")
    start, end = content.index(b"<TxDtls>"), content.index(b"</NtryDtls>")
    other = content[start:end].replace(first.payment_reference.encode(), second.payment_reference.encode())
    head = content[:start].replace(b"<Ntry><NtryRef>1</NtryRef><Amt Ccy='EUR'>121.00", b"<Ntry><Amt Ccy='EUR'>242.00")
    take_in(head + content[start:end] + other + content[end:])
    assert sorted(Payment.objects.values_list("amount_minor", flat=True)) == [12_100, 12_100]
    assert {type(each).objects.get(pk=each.pk).status for each in (first, second)} == {"paid"}


def test_P24_money_in_another_currency_pays_no_invoice_in_euros(invoice):
    """As a bank keeps an account in dollars: the statement adds up, and nothing is booked."""
    take_in(camt([Move("121.00", reference=invoice.payment_reference)]).replace(b"EUR", b"USD"))
    assert (only().currency, only().status, Payment.objects.count()) == ("USD", "open", 0)


@pytest.mark.parametrize("bank", BANKS)
def test_P24_a_returned_debit_of_each_bank_is_known_as_one_and_books_nothing(bank, invoice):
    take_in(camt([Move("-121.00", text=f"Storno {invoice.number}", is_return=True)], bank=bank))
    assert (only().is_return, only().status, Payment.objects.count()) == (True, "open", 0)


def test_P24_a_statement_of_another_account_is_refused():
    with pytest.raises(FileRefused, match="not ours"):
        take_in_file(camt([Move("10.00")], iban="NL02ABNA0123456789"), name="x", by=None)


def test_T40_every_cut_of_a_statement_is_refused_or_whole(pytestconfig):
    content = camt([Move("10.00", text="a & b")])
    step = 1 if pytestconfig.getoption("--long") else 97
    for length in range(0, len(content) - 1, step):
        with pytest.raises(FileRefused):
            read_statements(content[:length])


def test_PR12_account_numbers_of_customers_are_kept_masked():
    text = "van NL91 ABNA 0417 1643 00 wegens"
    take_in(camt([Move("10.00", text=text)]))
    assert "0417" not in only().text
    assert "NL…4300" in only().text


def test_a_pending_entry_is_not_taken():
    content = camt([Move("10.00")], closing="1000").replace(b"<Sts>BOOK</Sts>", b"<Sts>PDNG</Sts>")
    assert read_camt(io.BytesIO(content))[0].entries == []


# --- The command --------------------------------------------------------------------------------


def test_the_command_says_what_came_of_each_file(tmp_path, capsys, invoice):
    file = tmp_path / "statement.xml"
    file.write_bytes(camt([Move("121.00", reference=invoice.payment_reference), Move("5.00")]))
    call_command("import_bank_statement", str(file), "--dry-run")
    assert not BankFile.objects.exists()
    call_command("import_bank_statement", str(file))
    assert "2 movements read, 2 new, 1 booked, 1 for a person" in capsys.readouterr().out
    call_command("import_bank_statement", str(file))
    assert "known already" in capsys.readouterr().out
    file.write_bytes(BOMB)
    with pytest.raises(CommandError, match="document type"):
        call_command("import_bank_statement", str(file))


# --- Staff --------------------------------------------------------------------------------------


def test_P24_staff_take_in_book_and_undo_in_the_admin(admin_client, profile, invoice):
    other = InvoiceFactory(profile=profile)
    content = camt([Move("121.00", text="november", name=profile.account.name)])
    admin_client.post("/staff/payments/bankfile/new/", {"file": SimpleUploadedFile("s.xml", content)})
    match_bank_entries([only().pk])
    page = f"/staff/payments/bankentry/{only().pk}/booking/"
    assert invoice.number in admin_client.get(page).content.decode()
    assert "There is no invoice" in admin_client.post(page, {"numbers": "G999999999"}).content.decode()
    admin_client.post(page, {"invoices": [invoice.pk]})
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    booking = BankBooking.objects.get()
    undoing = f"/staff/payments/bankentry/bookings/{booking.pk}/undoing/"
    assert admin_client.post(undoing, {"reason": "no"}).status_code == 200
    admin_client.post(undoing, {"reason": "It was meant for the other invoice"})
    admin_client.post(page, {"numbers": other.number})
    other.refresh_from_db()
    assert other.status == "paid"
    for address in ("/staff/payments/bankfile/", "/staff/payments/bankentry/?needs_a_look=yes"):
        assert admin_client.get(address).status_code == 200


def test_T40_a_bomb_is_refused_in_the_admin_with_words(admin_client):
    page = admin_client.post("/staff/payments/bankfile/new/", {"file": SimpleUploadedFile("s.xml", BOMB)})
    assert "document type" in page.content.decode()
    assert not BankFile.objects.exists()


def test_P24_staff_set_aside_in_the_admin(admin_client):
    take_in(camt([Move("-5.00", text="kosten")]))
    aside = f"/staff/payments/bankentry/{only().pk}/aside/"
    assert admin_client.get(aside).status_code == 200
    admin_client.post(aside, {"reason": "Costs of the account itself"})
    assert only().status == "set_aside"


def test_P24_who_may_not_change_movements_books_nothing(client, invoice):
    client.force_login(UserFactory(is_staff=True))
    take_in(camt([Move("150.00", text=invoice.number)]))
    assert (
        client.post(f"/staff/payments/bankentry/{only().pk}/booking/", {"numbers": invoice.number}).status_code == 403
    )
    assert client.get("/staff/payments/bankfile/new/").status_code == 403
