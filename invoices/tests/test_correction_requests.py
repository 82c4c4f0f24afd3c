"""Asking for a corrected invoice, and the answer: pages, staff, mails (P7)."""

from datetime import date

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from accounts.tests.factories import SellerFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Role
from invoices.models import Correction, CorrectionRequest, Invoice
from invoices.services.correction_requests import (
    approve_correction,
    decline_correction,
    request_correction,
    withdraw_correction,
)
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import ProfileRoleFactory

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


@pytest.fixture
def browser(client, manager):
    client.force_login(manager)
    return client


def ask(invoice, by, **values) -> CorrectionRequest:
    common = {"reason": "po_number", "proposed": {"po_number": "PO-77"}, "explanation": "Forgotten"}
    return request_correction(invoice, **{**common, **values}, by=by)


def templates() -> list[str]:
    return sorted(Message.objects.values_list("template", flat=True))


def test_P7_a_customer_asks_on_the_page_and_staff_approve(browser, invoice, staff):
    address = reverse("correction_request_new", args=[invoice.code])
    assert b"PO number" in browser.get(address).content
    sent = browser.post(f"{address}?reason=po_number", {"po_number": "PO-77", "explanation": "Forgotten"})

    asked = CorrectionRequest.objects.get()
    assert sent.headers["Location"] == asked.get_absolute_url()
    assert templates() == ["correction_requested"]

    desk = Client()
    desk.force_login(staff)
    decision = reverse("admin:invoices_correction_decision", args=[asked.pk])
    assert b"PO-77" in desk.get(decision).content
    desk.post(decision, {"decision": "approve", "answer": "Done"})

    made = Correction.objects.get(request=asked)
    assert (made.corrected.po_number, made.is_full) == ("PO-77", True)
    assert templates() == ["correction_decided", "correction_requested"]
    shown = browser.get(asked.get_absolute_url()).content.decode()
    assert made.credit_note.number in shown


def test_L3_the_chain_is_shown_on_all_three_pages(browser, invoice, manager, staff):
    made = approve_correction(ask(invoice, manager), answer="", by=staff, on=ON)

    documents = {invoice, made.credit_note, made.corrected}
    said = f"credited in full by {made.credit_note}, and {made.corrected} takes its place"
    assert said in browser.get(invoice.get_absolute_url()).content.decode()
    for document in documents:
        shown = browser.get(document.get_absolute_url()).content.decode()
        for other in documents - {document}:
            assert other.get_absolute_url() in shown


@pytest.mark.parametrize(
    ("reason", "sent", "field", "value"),
    [
        ("name", {"company_name": "New B.V."}, "bill_to", {"company_name": "New B.V."}),
        (
            "address",
            {"line1": "Kade 1", "line2": "", "postal_code": "1011 AA", "city": "Amsterdam"},
            "bill_to",
            {"line1": "Kade 1", "postal_code": "1011 AA", "city": "Amsterdam"},
        ),
        ("vat_id", {"vat_id": "NL004495445B01"}, "customer_vat_id", "NL004495445B01"),
    ],
)
def test_P7_each_reason_changes_what_it_is_about(browser, invoice, staff, reason, sent, field, value):
    browser.post(reverse("correction_request_new", args=[invoice.code]) + f"?reason={reason}", sent)

    made = approve_correction(CorrectionRequest.objects.get(), answer="", by=staff, on=ON)

    printed = getattr(made.corrected, field)
    assert printed == value if isinstance(value, str) else printed.items() >= value.items()


def test_P7_a_wrong_amount_becomes_a_credit_note_for_the_difference(browser, invoice, staff):
    line = invoice.lines.get(position=2)
    browser.post(
        reverse("correction_request_new", args=[invoice.code]) + "?reason=amount",
        {"line": line.pk, "amount": "15.00", "explanation": "We had two, not four"},
    )

    made = approve_correction(CorrectionRequest.objects.get(), answer="", by=staff, on=ON)

    invoice.refresh_from_db()
    assert (made.credit_note.net_minor, made.corrected, invoice.status) == (2_500, None, "due")


@pytest.mark.parametrize("amount", ["40.00", "41", "-1", "many"])
def test_P7_an_amount_that_is_not_lower_is_refused_at_the_field(browser, invoice, amount):
    line = invoice.lines.get(position=2)

    response = browser.post(
        reverse("correction_request_new", args=[invoice.code]) + "?reason=amount",
        {"line": line.pk, "amount": amount, "explanation": "x"},
    )

    assert response.context["form"].errors["amount"]
    assert not CorrectionRequest.objects.exists()


def test_P7_declining_says_why_and_nothing_is_issued(invoice, manager, staff):
    asked = ask(invoice, manager)
    with pytest.raises(Refused, match="why not"):
        decline_correction(asked, answer=" ", by=staff)

    decline_correction(asked, answer="The order says so", by=staff)

    assert (asked.status, Correction.objects.count()) == ("declined", 0)
    mail = Message.objects.get(template="correction_decided")
    assert mail.context["answer"] == "The order says so"


def test_P7_one_request_at_a_time_and_none_on_void_invoices_and_credit_notes(invoice, manager, staff):
    asked = ask(invoice, manager)
    with pytest.raises(Refused) as refusal:
        ask(invoice, manager)
    assert refusal.value.code == "asked_already"
    withdraw_correction(asked, by=manager)

    made = approve_correction(ask(invoice, manager), answer="", by=staff, on=ON)

    for document in (made.original, made.credit_note):
        with pytest.raises(Refused) as refusal:
            ask(document, manager)
        assert refusal.value.code == "not_correctable"


def test_P7_decided_is_decided(invoice, manager, staff):
    asked = ask(invoice, manager)
    approve_correction(asked, answer="", by=staff, on=ON)

    for again in (
        lambda: approve_correction(asked, answer="", by=staff, on=ON),
        lambda: decline_correction(asked, answer="no", by=staff),
        lambda: withdraw_correction(asked, by=manager),
    ):
        with pytest.raises(Refused) as refusal:
            again()
        assert refusal.value.code == "no_such_edge"
    assert Correction.objects.count() == 1


def test_a_reader_cannot_ask_and_a_customer_cannot_decide(invoice, manager):
    reader = ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_READER).user
    with pytest.raises(Forbidden):
        ask(invoice, reader)
    with pytest.raises(PermissionDenied):
        approve_correction(ask(invoice, manager), answer="", by=manager, on=ON)


def test_I23_who_lost_sight_of_the_invoice_gets_no_answer(invoice, manager, staff):
    asked = ask(invoice, manager)
    ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_OWNER)
    manager.profile_roles.all().delete()

    approve_correction(asked, answer="", by=staff, on=ON)

    assert templates() == ["correction_requested"]


def test_staff_credit_lines_and_void_in_the_admin(client, staff, invoice):
    client.force_login(staff)
    line = invoice.lines.get(position=2)

    address = reverse("admin:invoices_invoice_credit", args=[invoice.pk])
    assert client.get(address).status_code == 200
    client.post(address, {f"line-{line.pk}": "10.00", "reason": "Given back"})
    client.post(reverse("admin:invoices_invoice_void", args=[invoice.pk]), {"reason": "All of it"})

    invoice.refresh_from_db()
    nets = list(Correction.objects.order_by("pk").values_list("credit_note__net_minor", flat=True))
    assert (nets, invoice.status) == ([1_000, 13_000], "void")
