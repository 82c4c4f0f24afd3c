"""The services about invoices ask for the right themselves: who may not changes nothing (Q1, T08)."""

from datetime import date

import pytest

from accounts.tests.factories import UserFactory
from core.errors import Forbidden
from core.mail_classes import MailClass
from core.messages import Verdict, queue_message
from core.models import Message, MessageStatus
from core.policy import Role
from core.states import move
from invoices.deliveries import resend_delivery, verdicts_on_deliveries
from invoices.models import CorrectionRequest, Delivery, Dispute, Invoice, PurchaseOrder
from invoices.services.correction_requests import withdraw_correction
from invoices.services.disputes import open_dispute, withdraw_dispute
from invoices.services.purchase_orders import (
    OrderValues,
    add_purchase_order,
    change_purchase_order,
    close_purchase_order,
)
from invoices.services.sending import repair_delivery, send_invoice_to
from invoices.tests.factories import InvoiceFactory, PurchaseOrderFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db
WANTED = OrderValues("PO-OTHER", date(2026, 10, 1))


@pytest.fixture
def profile():
    profile = BillingProfileFactory(sends_invoices=True)
    PurchaseOrderFactory(profile=profile)
    return profile


@pytest.fixture
def reader(profile):
    return ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user


SERVICES = {
    "add": lambda profile, by: add_purchase_order(profile, WANTED, by=by),
    "close": lambda profile, by: close_purchase_order(profile.purchase_orders.get(), by=by, on=date(2026, 10, 2)),
    "change": lambda profile, by: change_purchase_order(profile.purchase_orders.get(), WANTED, version=1, by=by),
}


def stored() -> list:
    return list(PurchaseOrder.objects.values())


@pytest.mark.parametrize("service", SERVICES)
def test_Q1_a_reader_of_the_profile_changes_no_purchase_order(service, profile, reader):
    before = stored()

    with pytest.raises(Forbidden):
        SERVICES[service](profile, reader)

    assert stored() == before


def test_Q1_a_reader_withdraws_no_correction_that_somebody_asked_for(profile, reader):
    asked = CorrectionRequest.objects.create(
        account=profile.account,
        profile=profile,
        invoice=InvoiceFactory(profile=profile),
        reason="po_number",
        proposed={"po_number": "PO-9"},
        requested_by=UserFactory(),
    )

    with pytest.raises(Forbidden):
        withdraw_correction(asked, by=reader)

    assert CorrectionRequest.objects.get().status == asked.status


def test_Q1_a_reader_neither_disputes_an_invoice_nor_agrees_with_it(profile, reader):
    manager = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    dispute = open_dispute(InvoiceFactory(profile=profile), line=None, amount=None, by=manager)

    with pytest.raises(Forbidden):
        open_dispute(InvoiceFactory(profile=profile), line=None, amount=None, by=reader)
    with pytest.raises(Forbidden):
        withdraw_dispute(dispute, by=reader)

    assert Dispute.objects.get().status == "open"
    assert sorted(Invoice.objects.values_list("status", flat=True)) == ["due", "locked"]


def lost_mail(invoice, user):
    """A delivery of the invoice to that person which came back."""
    mail = queue_message(
        to=user.email, template="invoice_issued", mail_class=MailClass.INVOICE_ISSUED, language="en", context={}
    )
    move(mail, MessageStatus.SENDING)
    move(mail, MessageStatus.GIVEN_UP)
    return Delivery.objects.create(
        invoice=invoice, email=user.email, user=user, reason=Role.PROFILE_READER, message=mail
    )


def test_Q1_an_invoice_goes_out_again_only_for_who_may_see_it(profile, reader):
    delivery = lost_mail(InvoiceFactory(profile=profile), reader)
    before = list(Message.objects.values())

    with pytest.raises(Forbidden):
        resend_delivery(delivery, by=UserFactory())

    assert list(Message.objects.values()) == before


def test_Q1_an_invoice_is_sent_and_its_address_mended_by_who_may(profile, reader):
    invoice, outsider = InvoiceFactory(profile=profile), UserFactory()
    delivery = lost_mail(invoice, reader)
    by_hand = Delivery(invoice=invoice, email="books@alfa.example", sent_by=outsider)
    before = list(Message.objects.values())

    with pytest.raises(Forbidden):
        send_invoice_to(invoice, email="books@alfa.example", by=outsider)
    with pytest.raises(Forbidden):
        repair_delivery(delivery, email="books@alfa.example", by=reader)

    assert list(Message.objects.values()) == before
    # What somebody sent before they lost the right (I23).
    assert verdicts_on_deliveries([by_hand]) == {by_hand.pk: Verdict.WITHDRAW}
