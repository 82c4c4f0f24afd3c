"""Disputes: the invoice is locked, nothing of it is collected, and the vendor's decision ends it (§3.6)."""

from datetime import date, timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from accounts.tests.factories import SellerFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.money import Money
from core.policy import Role
from invoices.models import Dispute, Invoice
from invoices.services.correcting import void_invoice
from invoices.services.settling import settle_invoice
from invoices.tests.factories import InvoiceFactory
from payments.services.pay import pay_invoices
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import ProfileRoleFactory
from support.models import SupportRequest
from support.services import decide_dispute, dispute_invoice, withdraw

pytestmark = pytest.mark.django_db
ON = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory()


@pytest.fixture
def invoice() -> Invoice:
    return InvoiceFactory(lines=[10_000, 4_000])


@pytest.fixture
def manager(invoice):
    return ProfileRoleFactory(profile=invoice.profile, role=Role.INVOICE_MANAGER).user


@pytest.fixture
def staff():
    return UserFactory(staff=True)


def disputed(invoice, by, **values) -> SupportRequest:
    return dispute_invoice(invoice, **{"text": "We never had that", **values}, by=by)


def state(invoice) -> tuple[str, int]:
    invoice.refresh_from_db()
    return invoice.status, invoice.amount_due.minor


def test_3_6_a_disputed_invoice_is_locked_and_left_out_of_collection(invoice, manager):
    method = PaymentMethodFactory(account=invoice.account)

    disputed(invoice, manager)

    assert state(invoice) == ("locked", 16_940)
    assert not Invoice.objects.open().exists()
    assert not Invoice.objects.overdue(on=invoice.due_date + timedelta(days=60)).exists()
    with pytest.raises(Refused):
        pay_invoices([invoice], method=method, by=manager, request_key="x")
    assert [message.template for message in Message.objects.all()] == ["support_question"]


def test_3_6_a_line_is_disputed_on_the_page_and_staff_credit_it(client, invoice, manager, staff):
    client.force_login(manager)
    line = invoice.lines.get(position=2)
    address = reverse("invoice_dispute", args=[invoice.code])
    assert b"The whole invoice" in client.get(address).content

    sent = client.post(address, {"line": line.pk, "amount": "10.00", "text": "Two, not four"})

    asked = SupportRequest.objects.get()
    assert sent.headers["Location"] == asked.get_absolute_url()
    assert b"stays due" in client.get(invoice.get_absolute_url()).content
    desk = Client()
    desk.force_login(staff)
    decision = reverse("admin:support_dispute", args=[asked.pk])
    assert desk.get(decision).status_code == 200
    desk.post(decision, {"decision": "uphold", "answer": "You are right"})

    dispute = Dispute.objects.get()
    note = dispute.correction.credit_note
    assert (dispute.status, note.net_minor, state(invoice)) == ("upheld", 1_000, ("due", 16_940 - 1_210))
    assert note.number.encode() in client.get(asked.get_absolute_url()).content
    mail = Message.objects.get(template="support_answer")
    assert (mail.recipient, note.number in mail.context["text"]) == (manager.billing_email, True)


def test_3_6_upholding_a_dispute_of_the_whole_invoice_voids_it(invoice, manager, staff):
    asked = disputed(invoice, manager)

    decide_dispute(asked, upholds=True, text="You are right", by=staff, on=ON)

    assert state(invoice) == ("void", 0)


def test_3_6_rejecting_makes_it_due_again_and_says_why(invoice, manager, staff):
    asked = disputed(invoice, manager)
    with pytest.raises(Refused):
        decide_dispute(asked, upholds=False, text=" ", by=staff, on=ON)
    assert state(invoice)[0] == "locked"

    decide_dispute(asked, upholds=False, text="The order says four", by=staff, on=ON)

    asked.refresh_from_db()
    assert (state(invoice), asked.status, Dispute.objects.get().status) == (("due", 16_940), "closed", "rejected")


def test_3_6_withdrawing_makes_it_due_again(client, invoice, manager):
    asked = disputed(invoice, manager)
    client.force_login(manager)

    client.post(reverse("dispute_withdrawal", args=[asked.code]))

    assert (state(invoice)[0], Dispute.objects.get().status) == ("due", "withdrawn")
    with pytest.raises(Refused):
        withdraw(asked, by=manager)


def test_3_6_money_that_comes_all_the_same_is_counted(invoice, manager, staff):
    asked = disputed(invoice, manager)
    settle_invoice(invoice, Money(1_000, "EUR"), reference="payment:a", on=ON)
    assert state(invoice) == ("locked", 15_940)
    settle_invoice(invoice, Money(15_940, "EUR"), reference="payment:b", on=ON)

    decide_dispute(asked, upholds=True, text="You are right", by=staff, on=ON)

    note = Dispute.objects.get().correction.credit_note
    assert (state(invoice), state(note)) == (("void", 0), ("due", 16_940))


def test_3_6_staff_void_a_locked_invoice_and_the_dispute_can_still_be_answered(invoice, manager, staff):
    asked = disputed(invoice, manager)
    void_invoice(invoice, reason="Wrong", by=staff, on=ON)

    decide_dispute(asked, upholds=False, text="It was voided already", by=staff, on=ON)

    assert state(invoice) == ("void", 0)


@pytest.mark.parametrize("status", ["paid", "locked", "void"])
def test_what_is_not_due_is_not_disputed_and_says_what_to_do(client, invoice, manager, status):
    if status == "paid":
        settle_invoice(invoice, invoice.amount_due, reference="payment:a", on=ON)
    elif status == "void":
        void_invoice(invoice, reason="Wrong", by=None, on=ON)
    else:
        disputed(invoice, manager)

    with pytest.raises(Refused) as refusal:
        disputed(invoice, manager)

    assert refusal.value.code == "not_disputable"
    client.force_login(manager)
    assert client.get(reverse("invoice_dispute", args=[invoice.code])).status_code == 200


def test_a_reader_does_not_dispute_and_a_customer_does_not_decide(invoice, manager):
    reader = ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_READER).user
    with pytest.raises(Forbidden):
        disputed(invoice, reader)
    asked = disputed(invoice, manager)
    with pytest.raises(PermissionDenied):
        decide_dispute(asked, upholds=True, text="Mine", by=manager, on=ON)
    assert state(invoice)[0] == "locked"
