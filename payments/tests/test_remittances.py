"""Remittances: one transfer and one reference for several invoices, its files, and what comes of the money (P24)."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import DatabaseError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from stdnum import iso11649

from accounts.tests.factories import AccountRoleFactory, SellerFactory, UserFactory
from core.errors import Forbidden, Refused
from core.money import Money
from core.policy import Role
from core.testing import thorough
from invoices.tests.factories import InvoiceFactory
from payments.bank.pain import CREDIT_TRANSFER, sepa_text
from payments.jobs import make_papers, match_bank_entries
from payments.models import BankBooking, BankEntry, Paper, Payment, Remittance
from payments.services.bank import take_in_file, undo_booking
from payments.services.matching import suggestions
from payments.services.remittances import make_remittance, payment_file, received_of
from payments.tests.bank_files import OUR_IBAN, Move, camt
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db
# Of the customer who pays; every leak search looks for such numbers.
THEIRS = "NL02ABNA0123456789"
NS = {"p": CREDIT_TRANSFER}


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory(iban=OUR_IBAN, bic="ABNANL2A")


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def owner(profile):
    return AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_OWNER).user


@pytest.fixture
def invoices(profile):
    return [InvoiceFactory(profile=profile) for _number in range(3)]


@pytest.fixture
def remittance(profile, invoices, owner):
    return make_remittance(profile.account, invoices[:2], by=owner)


def take_in(*moves, bank="ing", number="1"):
    take_in_file(camt(moves, bank=bank, number=number), name="s.xml", by=None)
    match_bank_entries(list(BankEntry.objects.to_match().values_list("pk", flat=True)))
    return BankEntry.objects.latest("pk")


def statuses(invoices):
    return [type(each).objects.get(pk=each.pk).status for each in invoices]


# --- Making one ---------------------------------------------------------------------------------


def test_P24_one_reference_of_iso_11649_for_all_that_is_ticked(remittance, invoices):
    assert iso11649.is_valid(remittance.reference)
    assert len(remittance.reference) == 16
    assert remittance.amount == Money(24_200, "EUR")
    assert {part.invoice for part in remittance.parts.all()} == set(invoices[:2])


def test_P24_no_reference_of_a_remittance_reads_as_one_of_an_invoice(profile, owner):
    for _time in range(5):
        made = make_remittance(profile.account, [InvoiceFactory(profile=profile)], by=owner)
        assert made.reference[5].isalpha()


def test_P24_what_is_made_stays_as_it_is(remittance):
    with pytest.raises(DatabaseError, match="Cannot update"), transaction.atomic():
        Remittance.objects.filter(pk=remittance.pk).update(amount_minor=1)


@pytest.mark.parametrize("values", [{"status": "paid"}, {"kind": "credit_note"}])
def test_P24_what_is_not_open_is_refused(values, profile, invoices, owner):
    other = InvoiceFactory(profile=profile, **values)
    with pytest.raises(Refused) as refusal:
        make_remittance(profile.account, [*invoices, other], by=owner)
    assert refusal.value.code == "not_payable"
    assert not Remittance.objects.exists()


def test_P24_invoices_of_another_account_are_refused(profile, invoices, owner):
    with pytest.raises((Refused, Forbidden)):
        make_remittance(profile.account, [*invoices, InvoiceFactory()], by=owner)


def test_P24_without_an_account_of_ours_there_is_nothing_to_transfer_to(profile, invoices, owner, seller):
    type(seller).objects.update(iban="")
    with pytest.raises(Refused) as refusal:
        make_remittance(profile.account, invoices, by=owner)
    assert refusal.value.code == "no_account"


def test_P24_several_profiles_take_the_right_on_the_account(profile, invoices, owner):
    other = InvoiceFactory(profile=BillingProfileFactory(account=profile.account))
    manager = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    ProfileRoleFactory(profile=other.profile, role=Role.INVOICE_MANAGER, user=manager)
    with pytest.raises(Forbidden):
        make_remittance(profile.account, [invoices[0], other], by=manager)
    assert make_remittance(profile.account, [invoices[0]], by=manager).profile == profile
    assert make_remittance(profile.account, [invoices[0], other], by=owner).profile is None


# --- When the money comes -----------------------------------------------------------------------


@pytest.mark.parametrize("bank", ["ing", "rabobank", "abnamro", "bunq"])
def test_P24_the_money_goes_to_exactly_these_invoices(bank, remittance, invoices):
    entry = take_in(Move("242.00", reference=remittance.reference), bank=bank)
    assert statuses(invoices) == ["paid", "paid", "due"]
    assert entry.status == "booked"
    assert BankBooking.objects.get().remittance == remittance
    assert received_of(remittance) == remittance.amount


def test_P24_the_reference_is_found_as_people_write_it(remittance, invoices):
    take_in(Move("242.00", text=f"betaling {remittance.grouped_reference.lower()} dank"))
    assert statuses(invoices) == ["paid", "paid", "due"]


def test_P24_of_too_little_the_oldest_invoice_gets_it_first(remittance, invoices):
    take_in(Move("130.00", reference=remittance.reference))
    assert sorted(statuses(invoices[:2])) == ["due", "paid"]
    assert Payment.objects.get().allocations.count() == 2


def test_P24_of_too_much_the_rest_is_kept_as_a_balance(remittance, invoices):
    entry = take_in(Move("300.00", reference=remittance.reference))
    assert statuses(invoices) == ["paid", "paid", "due"]
    assert (entry.status, Payment.objects.get().kept) == ("booked", Money(5_800, "EUR"))


def test_P24_what_was_paid_meanwhile_is_not_paid_again(remittance, invoices):
    take_in(Move("121.00", reference=invoices[0].payment_reference))
    entry = take_in(Move("242.00", reference=remittance.reference), number="2")
    assert statuses(invoices) == ["paid", "paid", "due"]
    assert (entry.status, Payment.objects.latest("pk").kept) == ("booked", Money(12_100, "EUR"))


def test_P24_an_invoice_gets_no_more_than_was_meant_for_it(profile, owner):
    first, second = (InvoiceFactory(profile=profile) for _number in range(2))
    take_in(Move("100.00", reference=first.payment_reference))
    made = make_remittance(profile.account, [first, second], by=owner)
    undo_booking(BankBooking.objects.get(), reason="It was meant for another customer", by=UserFactory())
    take_in(Move("142.00", reference=made.reference), number="2")
    parts = BankBooking.objects.latest("pk").payment.allocations.order_by("invoice_id")
    assert [part.amount_minor for part in parts] == [2_100, 12_100]


def test_P24_invoices_of_several_profiles_become_a_payment_each(profile, invoices, owner):
    elsewhere = BillingProfileFactory(account=profile.account)
    other = InvoiceFactory(profile=elsewhere, issue_date=invoices[-1].issue_date)
    made = make_remittance(profile.account, [invoices[0], other], by=owner)
    entry = take_in(Move("242.00", reference=made.reference))
    assert statuses([invoices[0], other]) == ["paid", "paid"]
    assert entry.status == "booked"
    assert {payment.profile for payment in Payment.objects.all()} == {profile, other.profile}
    assert received_of(made) == made.amount
    call_command("check_invariants")


def test_P24_two_remittances_in_one_transfer_are_for_a_person(profile, invoices, owner, remittance):
    other = make_remittance(profile.account, [invoices[2]], by=owner)
    entry = take_in(Move("363.00", text=f"{remittance.reference} {other.reference}"))
    assert not Payment.objects.exists()
    assert set(suggestions(entry)) == set(invoices)


def test_P24_a_remittance_beside_another_invoice_is_for_a_person(invoices, remittance):
    entry = take_in(Move("363.00", text=f"{remittance.reference} en {invoices[2].number}"))
    assert entry.status == "open"


def test_P24_the_numbers_of_its_own_invoices_beside_it_do_no_harm(invoices, remittance):
    text = f"{remittance.reference} {invoices[0].number} {invoices[1].number}"
    assert take_in(Move("242.00", text=text)).status == "booked"


# --- Its files ----------------------------------------------------------------------------------


def file_of(client, remittance, **values):
    sent = {
        "name": "Alfa Logistiek B.V.",
        "iban": THEIRS,
        "pays_on": timezone.localdate() + timedelta(days=2),
        **values,
    }
    return client.post(f"/remittances/{remittance.code}/payment-file/", sent)


def test_P24_the_payment_file_orders_one_transfer_with_the_reference(client, owner, remittance):
    client.force_login(owner)
    answer = file_of(client, remittance)
    assert answer["Content-Disposition"] == f'attachment; filename="pain.001-{remittance.reference}.xml"'
    root = etree.fromstring(answer.content)
    said = {
        "count": root.findtext(".//p:GrpHdr/p:NbOfTxs", namespaces=NS),
        "sum": root.findtext(".//p:PmtInf/p:CtrlSum", namespaces=NS),
        "amount": root.findtext(".//p:InstdAmt", namespaces=NS),
        "currency": root.find(".//p:InstdAmt", NS).get("Ccy"),
        "from": root.findtext(".//p:DbtrAcct/p:Id/p:IBAN", namespaces=NS),
        "to": root.findtext(".//p:CdtrAcct/p:Id/p:IBAN", namespaces=NS),
        "bic": root.findtext(".//p:CdtrAgt/p:FinInstnId/p:BICFI", namespaces=NS),
        "day": root.findtext(".//p:ReqdExctnDt/p:Dt", namespaces=NS),
        "type": root.findtext(".//p:CdtrRefInf/p:Tp/p:CdOrPrtry/p:Cd", namespaces=NS),
        "reference": root.findtext(".//p:CdtrRefInf/p:Ref", namespaces=NS),
    }
    assert said == {
        "count": "1",
        "sum": "242.00",
        "amount": "242.00",
        "currency": "EUR",
        "from": THEIRS,
        "to": OUR_IBAN,
        "bic": "ABNANL2A",
        "day": (timezone.localdate() + timedelta(days=2)).isoformat(),
        "type": "SCOR",
        "reference": remittance.reference,
    }


def test_P24_the_payment_file_has_the_elements_of_the_schema_in_their_order(client, owner, remittance):
    client.force_login(owner)
    root = etree.fromstring(file_of(client, remittance).content)
    batch = [child.tag.partition("}")[2] for child in root.find("p:CstmrCdtTrfInitn/p:PmtInf", NS)]
    assert " ".join(batch) == (
        "PmtInfId PmtMtd NbOfTxs CtrlSum PmtTpInf ReqdExctnDt Dbtr DbtrAcct DbtrAgt ChrgBr CdtTrfTxInf"
    )
    transfer = [child.tag.partition("}")[2] for child in root.find(".//p:CdtTrfTxInf", NS)]
    assert transfer == ["PmtId", "Amt", "CdtrAgt", "Cdtr", "CdtrAcct", "RmtInf"]
    head = [child.tag.partition("}")[2] for child in root.find("p:CstmrCdtTrfInitn/p:GrpHdr", NS)]
    assert head == ["MsgId", "CreDtTm", "NbOfTxs", "CtrlSum", "InitgPty"]


@pytest.mark.parametrize(
    "name",
    ["</Nm><Amt>1</Amt>", "]]><x/>", "A & B <b>", "&lt;&#x3c;", "\u202eevil", "Ñandú Åse & Müller GmbH", "a" * 70],
)
def test_P24_no_name_becomes_an_element(name, client, owner, remittance):
    client.force_login(owner)
    plain = etree.fromstring(file_of(client, remittance).content)
    hostile = etree.fromstring(file_of(client, remittance, name=name).content)
    assert [each.tag for each in hostile.iter()] == [each.tag for each in plain.iter()]
    said = hostile.findtext(".//p:Dbtr/p:Nm", namespaces=NS)
    assert said == sepa_text(said, 70)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"iban": "NL91ABNA0417164301"}, "This is no IBAN"),
        ({"iban": ""}, "This field is required"),
        ({"name": "北京"}, "Write the name with those"),
        ({"pays_on": timezone.localdate() - timedelta(days=2)}, "Choose today or a later day"),
        ({"pays_on": timezone.localdate() + timedelta(days=800)}, "a year ahead at most"),
    ],
)
def test_P24_what_no_bank_takes_is_said_at_its_field(values, said, client, owner, remittance):
    client.force_login(owner)
    answer = file_of(client, remittance, **values)
    assert answer["Content-Type"].startswith("text/html")
    assert said in answer.content.decode()


@given(st.text(max_size=80))
@thorough
def test_EPC217_any_text_becomes_one_that_every_bank_takes(text):
    said = sepa_text(text, 70)
    assert set(said) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")
    assert len(said) <= 70
    assert not said.startswith(("/", " "))
    assert not said.endswith(("/", " "))
    assert "//" not in said
    assert sepa_text(said, 70) == said


def test_EPC217_letters_keep_their_sound():
    assert sepa_text("Müller & Søn – Łódź_Straße", 70) == "Muller + Son - Lodz-Strasse"


def test_P24_the_pdf_advice_is_made_and_given_out(client, owner, remittance):
    make_papers([paper.pk for paper in Paper.objects.all()])
    client.force_login(owner)
    answer = client.get(f"/remittances/{remittance.code}/pdf/")
    assert answer.content.startswith(b"%PDF")
    assert f"Remittance-advice-{remittance.reference}.pdf" in answer["Content-Disposition"]


# --- Pages --------------------------------------------------------------------------------------


def test_P24_invoices_are_ticked_and_one_remittance_comes_of_it(client, owner, profile, invoices):
    client.force_login(owner)
    address = f"/billing-accounts/{profile.account.code}/remittances/new/"
    assert all(invoice.number in client.get(address).content.decode() for invoice in invoices)
    answer = client.post(address, {"invoice": [invoice.code for invoice in invoices[1:]]}, follow=True)
    made = Remittance.objects.get()
    assert {part.invoice for part in made.parts.all()} == set(invoices[1:])
    page = answer.content.decode()
    assert made.grouped_reference in page
    assert "data:image/svg+xml" in page
    assert "in an earlier remittance" in client.get(address).content.decode()
    assert (
        made.grouped_reference in client.get(f"/billing-accounts/{profile.account.code}/remittances/").content.decode()
    )


def test_P24_the_total_of_what_is_ticked_is_seen_without_making_one(client, owner, profile, invoices):
    client.force_login(owner)
    address = f"/billing-accounts/{profile.account.code}/remittances/new/"
    some = client.get(address, {"look": "1", "invoice": [invoices[0].code]})
    assert some.context["form"].total == Money(12_100, "EUR")
    assert client.get(address, {"look": "1"}).context["form"].total == Money(0, "EUR")
    assert not Remittance.objects.exists()


def test_P24_nothing_ticked_is_said(client, owner, profile, invoices):
    client.force_login(owner)
    answer = client.post(f"/billing-accounts/{profile.account.code}/remittances/new/", {})
    assert "Tick at least one invoice." in answer.content.decode()


def test_P24_what_came_stands_on_the_page(client, owner, remittance):
    take_in(Move("242.00", reference=remittance.reference))
    client.force_login(owner)
    page = client.get(f"/remittances/{remittance.code}/").content.decode()
    assert Payment.objects.get().get_absolute_url() in page
    assert "File for your bank" not in page


def test_P24_a_list_costs_the_same_whatever_its_length(client, owner, profile, django_assert_max_num_queries):
    client.force_login(owner)
    address = f"/billing-accounts/{profile.account.code}/remittances/"
    for _time in range(3):
        make_remittance(profile.account, [InvoiceFactory(profile=profile)], by=owner)
    with django_assert_max_num_queries(30) as few:
        client.get(address)
    for _time in range(5):
        make_remittance(profile.account, [InvoiceFactory(profile=profile)], by=owner)
    with django_assert_max_num_queries(len(few.captured_queries)):
        client.get(address)


def test_T01_readers_see_it_and_strangers_do_not(client, profile, remittance):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    client.force_login(reader)
    assert "File for your bank" not in client.get(f"/remittances/{remittance.code}/").content.decode()
    assert file_of(client, remittance).status_code == 403
    client.force_login(UserFactory())
    assert client.get(f"/remittances/{remittance.code}/").status_code == 404


def test_I30_the_account_number_of_the_payer_is_kept_nowhere(client, owner, remittance, caplog):
    """The leak search of every test listens to this one: the number is written to no table, line or mail."""
    client.force_login(owner)
    assert THEIRS.encode() in file_of(client, remittance).content
    assert THEIRS not in caplog.text


def test_Q5_who_pays_on_one_profile_chooses_and_finds_its_own_alone(client, profile, invoices, owner, remittance):
    sibling = BillingProfileFactory(account=profile.account, name="Quite another profile")
    other = InvoiceFactory(profile=sibling)
    theirs = make_remittance(profile.account, [other], by=owner)
    manager = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    ProfileRoleFactory(
        profile=BillingProfileFactory(account=profile.account, name="Third"), user=manager, role="invoice_manager"
    )
    client.force_login(manager)
    address = f"/billing-accounts/{profile.account.code}/remittances/"

    listed, page = (client.get(address + more) for more in ("", "new/"))

    assert remittance.reference in listed.content.decode().replace(" ", "").replace("\xa0", "")
    assert theirs.reference not in listed.content.decode().replace(" ", "").replace("\xa0", "")
    names = [name for _code, name in page.context["profile_choices"]]
    assert sorted(names) == sorted([profile.name, "Third"])
    assert page.context["profile"] is not None


def test_Q5_a_reader_makes_no_payment_file(profile, remittance):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    with pytest.raises(Forbidden):
        payment_file(remittance, name="Alfa", iban=THEIRS, pays_on=timezone.localdate(), by=reader)
