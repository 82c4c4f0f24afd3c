"""What the vendor's staff see of payments, and the little they can do."""

import pytest
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.models import GatewayEvent, Payment
from payments.services.pay import pay_invoices
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client):
    person = UserFactory(staff=True)
    client.force_login(person)
    return person


def pay(specimen):
    profile = BillingProfileFactory()
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    method = PaymentMethodFactory(account=profile.account, specimen=specimen)
    return pay_invoices([InvoiceFactory(profile=profile)], method=method, by=payer, request_key="0123456789")


@pytest.mark.parametrize("model", ["payment", "paymentmethod", "cardsetup", "gatewayevent"])
def test_lists_are_shown_and_nothing_is_added_changed_or_deleted(client, staff, model):
    statuses = [client.get(f"/staff/payments/{model}/{page}").status_code for page in ("", "add/")]

    assert statuses == [200, 403]


def test_T26_parked_and_unanswered_payments_are_found_by_one_filter(client, staff):
    parked = pay("other_amount")
    PaymentFactory()

    shown = client.get("/staff/payments/payment/?needs_a_look=yes").context["cl"].result_list

    assert list(shown) == [parked]


def test_a_payment_is_looked_at_and_not_edited(client, staff):
    payment = PaymentFactory()

    shown = client.get(f"/staff/payments/payment/{payment.pk}/change/")
    changed = client.post(f"/staff/payments/payment/{payment.pk}/change/", {"status": "refunded"})

    payment.refresh_from_db()
    assert (shown.status_code, changed.status_code, payment.status) == (200, 403, "succeeded")


def test_L11_the_token_of_a_card_is_not_shown(client, staff):
    method = PaymentMethodFactory()

    text = client.get(f"/staff/payments/paymentmethod/{method.pk}/change/").content.decode()

    assert method.last4 in text
    assert method.token not in text


def test_F06b_staff_have_the_gateway_asked_again(client, staff):
    payment = pay("silent")
    Payment.objects.filter(pk=payment.pk).update(next_lookup_at=None, lookups=7)

    client.post("/staff/payments/payment/", {"action": "ask_gateway_again", "_selected_action": [payment.pk]})

    assert list(Payment.objects.to_look_up(timezone.now())) == [payment]


def test_an_event_that_was_set_aside_is_read_again(client, staff):
    payment = pay("cut_after")
    event = GatewayEvent.objects.create(
        gateway="sandbox",
        event_id="evt",
        kind="charge.succeeded",
        idempotency_key=payment.idempotency_key,
        payload={},
        status="quarantined",
        trouble="nothing_of_ours",
    )

    client.post("/staff/payments/gatewayevent/", {"action": "read_again", "_selected_action": [event.pk]})

    event.refresh_from_db()
    payment.refresh_from_db()
    assert (event.status, event.trouble, payment.status) == ("processed", "", "succeeded")


def test_staff_who_may_only_look_have_no_actions(client):
    person = UserFactory(is_staff=True)
    client.force_login(person)

    assert client.get("/staff/payments/payment/").status_code == 403
