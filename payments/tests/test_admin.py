"""What the vendor's staff see of payments, and the little they can do."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.gateways.base import ChargeOutcome, ChargeResult
from payments.gateways.registry import gateway_named
from payments.gateways.sandbox.models import Refund
from payments.models import GatewayEvent, Payment
from payments.services.pay import pay_invoices
from payments.services.settle import record_outcome, what_to_find
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


@pytest.mark.parametrize(
    "model",
    [
        "payment",
        "paymentmethod",
        "cardsetup",
        "gatewayevent",
        "mandate",
        "debitnotice",
        "gatewaycustomer",
        "gatewayhealth",
    ],
)
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


# --- Decisions ----------------------------------------------------------------------------------


REASON = "Seen on the statement of the gateway of 20 November."


def left_to_a_person(specimen="silent"):
    payment = pay(specimen)
    Payment.objects.filter(pk=payment.pk, parked_reason="").update(next_lookup_at=None, lookups=7)
    payment.refresh_from_db()
    return payment


def captured_after_all():
    payment = pay("cut_after")
    never = ChargeResult(ChargeOutcome.NEVER_RECEIVED, payment.idempotency_key)
    record_outcome(payment, never, at=timezone.now() + timedelta(minutes=3))
    record_outcome(payment, gateway_named("sandbox").find_charge(**what_to_find(payment)), at=timezone.now())
    payment.refresh_from_db()
    return payment


def decide(client, payment, decision, reason=REASON):
    return client.post(f"/staff/payments/payment/{payment.pk}/decision/", {"decision": decision, "reason": reason})


@pytest.mark.parametrize(("decision", "status", "owed"), [("paid", "succeeded", "paid"), ("not_paid", "failed", "due")])
def test_F06b_I14_an_unknown_outcome_is_decided_with_a_reason_and_recorded(client, staff, decision, status, owed):
    payment = left_to_a_person()
    shown = client.get(f"/staff/payments/payment/{payment.pk}/decision/").content.decode()

    response = decide(client, payment, decision)

    payment.refresh_from_db()
    kept = payment.decisions.get()
    assert "Ask the gateway, then do this" in shown
    assert response.headers["Location"] == f"/staff/payments/payment/{payment.pk}/change/"
    assert (payment.status, payment.allocations.get().invoice.status) == (status, owed)
    assert (kept.decision, kept.reason, kept.decided_by, kept.status_before) == (decision, REASON, staff, "unknown")
    assert REASON in client.get(f"/staff/payments/payment/{payment.pk}/change/").content.decode()


def test_F06b_the_gateway_is_asked_first_and_believed(client, staff):
    payment = left_to_a_person("cut_after")

    text = decide(client, payment, "not_paid").content.decode()

    payment.refresh_from_db()
    assert "The gateway answered when it was asked once more: Paid." in text
    assert (payment.status, payment.decisions.count()) == ("succeeded", 0)


@pytest.mark.parametrize("reason", ["", "   ", "because", "x" * 2001])
def test_a_decision_needs_a_reason(client, staff, reason):
    payment = left_to_a_person()

    response = decide(client, payment, "paid", reason)

    payment.refresh_from_db()
    assert (response.status_code, payment.status, payment.decisions.count()) == (200, "unknown", 0)


def test_T26_money_of_another_amount_goes_back_and_the_invoice_can_be_paid(client, staff):
    payment = left_to_a_person("other_amount")
    assert payment.parked_reason == "amount_differs"

    decide(client, payment, "give_back")

    payment.refresh_from_db()
    refund = Refund.objects.get()
    assert (payment.status, payment.parked_reason, payment.decisions.get().refund_reference) == (
        "failed",
        "",
        refund.reference,
    )
    assert refund.amount == payment.amount_minor + 1
    assert not Payment.objects.for_a_person().exists()


def test_money_that_came_after_all_goes_back_once_and_is_not_parked_again(client, staff):
    payment = captured_after_all()
    assert (payment.status, payment.parked_reason) == ("failed", "captured_after_all")

    decide(client, payment, "give_back")
    again = decide(client, payment, "give_back")
    record_outcome(payment, gateway_named("sandbox").find_charge(**what_to_find(payment)), at=timezone.now())

    payment.refresh_from_db()
    assert again.status_code == 200
    assert (payment.status, payment.parked_reason, Refund.objects.count()) == ("failed", "", 1)


def test_who_decided_that_no_money_came_hears_when_it_did(client, staff):
    payment = left_to_a_person()
    decide(client, payment, "not_paid")

    came = ChargeResult(ChargeOutcome.SUCCEEDED, payment.idempotency_key, "ch", payment.amount)
    payment = record_outcome(payment, came, at=timezone.now())

    assert payment.parked_reason == "captured_after_all"


def test_there_is_nothing_to_decide_about_what_is_known(client, staff):
    payment = PaymentFactory()

    shown = client.get(f"/staff/payments/payment/{payment.pk}/decision/").content.decode()
    decide(client, payment, "not_paid")

    payment.refresh_from_db()
    assert "There is nothing to decide" in shown
    assert (payment.status, payment.decisions.count()) == ("succeeded", 0)


def test_I36_a_decision_is_written_once(client, staff):
    payment = left_to_a_person()
    decide(client, payment, "paid")

    with pytest.raises(DatabaseError), transaction.atomic():
        payment.decisions.update(reason="another one")


def test_only_staff_who_may_change_payments_decide(client):
    payment = left_to_a_person()
    client.force_login(UserFactory(is_staff=True))
    address = f"/staff/payments/payment/{payment.pk}/decision/"

    assert [client.get(address).status_code, decide(client, payment, "paid").status_code] == [403, 403]
    assert client.get("/staff/payments/payment/999999/decision/").status_code == 403


def test_an_attempt_shows_what_the_gateway_told(client, staff):
    payment = left_to_a_person()
    GatewayEvent.objects.create(
        gateway="sandbox",
        event_id="evt",
        kind="charge.succeeded",
        idempotency_key=payment.idempotency_key,
        payload={},
    )

    assert "charge.succeeded" in client.get(f"/staff/payments/payment/{payment.pk}/decision/").content.decode()
    listed = client.get(f"/staff/payments/gatewayevent/?q={payment.idempotency_key}").context["cl"].result_list
    assert [event.event_id for event in listed] == ["evt"]


def test_staff_who_may_only_look_have_no_actions(client):
    person = UserFactory(is_staff=True)
    client.force_login(person)

    assert client.get("/staff/payments/payment/").status_code == 403
