"""Our payments and the captures of the gateway, held against each other (I15)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.money import Money
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.gateways.base import ChargeRequest
from payments.gateways.sandbox.adapter import SandboxGateway
from payments.gateways.sandbox.models import Charge
from payments.jobs import read_gateway_event, reconcile_yesterday
from payments.models import GatewayEvent, Payment
from payments.services.pay import pay_invoices
from payments.services.reconcile import reconcile
from payments.tests.factories import PaymentFactory, PaymentMethodFactory, SandboxCardFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


def pay(specimen):
    profile = BillingProfileFactory()
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    method = PaymentMethodFactory(account=profile.account, specimen=specimen)
    return pay_invoices([InvoiceFactory(profile=profile)], method=method, by=payer, request_key="0123456789")


def reconcile_today():
    now = timezone.now()
    reconcile("sandbox", since=now - timedelta(hours=12), until=now + timedelta(hours=12))
    for event in GatewayEvent.objects.unprocessed():
        read_gateway_event(event.pk)


def test_I15_where_both_agree_nothing_happens():
    payment = pay("visa")

    reconcile_today()

    payment.refresh_from_db()
    assert (payment.status, payment.parked_reason) == ("succeeded", "")
    assert not GatewayEvent.objects.exists()


def test_I15_a_capture_that_was_not_heard_of_settles_its_payment():
    payment = pay("cut_after")

    reconcile_today()

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert GatewayEvent.objects.get().status == "processed"


def test_I15_a_capture_of_nobody_is_set_aside_for_a_person_once():
    token = SandboxCardFactory().token
    request = ChargeRequest(
        key="nobody", token=token, customer="customer", amount=Money(100, "EUR"), description="", return_url=""
    )
    SandboxGateway().charge(request)

    reconcile_today()
    reconcile_today()

    event = GatewayEvent.objects.get()
    assert (event.status, event.trouble, event.amount_minor) == ("quarantined", "nothing_of_ours", 100)


def test_I15_a_capture_after_we_gave_up_is_parked():
    payment = pay("cut_after")
    Payment.objects.filter(pk=payment.pk).update(status="failed", next_lookup_at=None)
    payment.allocations.update(status="released")

    reconcile_today()

    payment.refresh_from_db()
    assert (payment.status, payment.parked_reason) == ("failed", "captured_after_all")


def test_I15_a_payment_without_a_capture_is_parked():
    payment = PaymentFactory()
    assert not Charge.objects.exists()

    reconcile_today()

    payment.refresh_from_db()
    assert (payment.status, payment.parked_reason) == ("succeeded", "not_captured")
    assert list(Payment.objects.for_a_person()) == [payment]


def test_the_nightly_job_looks_at_the_day_before():
    slot = timezone.now().replace(hour=2, minute=0, second=0, microsecond=0)
    yesterday = PaymentFactory(created_at=slot - timedelta(hours=3))
    today = PaymentFactory(created_at=slot - timedelta(hours=1))

    reconcile_yesterday(slot)

    yesterday.refresh_from_db()
    today.refresh_from_db()
    assert (yesterday.parked_reason, today.parked_reason) == ("not_captured", "")
