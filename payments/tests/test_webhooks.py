"""Webhooks: proved by their signature, kept once, and read by looking at the gateway (PR4, I13)."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.policy import Role
from invoices.models import Posting
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api, signatures
from payments.gateways.sandbox.jobs import deliver_webhook
from payments.gateways.sandbox.models import Charge, Webhook
from payments.jobs import read_gateway_event
from payments.models import GatewayEvent, Payment
from payments.services.cards import start_card_setup
from payments.services.pay import pay_invoices
from payments.services.refunds import ask_refund, carry_out
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db

ADDRESS = "/webhooks/sandbox/"


def pay(specimen, lines=(10_000,)):
    profile = BillingProfileFactory()
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    invoice = InvoiceFactory(profile=profile, lines=list(lines))
    method = PaymentMethodFactory(account=profile.account, specimen=specimen)
    return pay_invoices([invoice], method=method, by=payer, request_key="0123456789")


def send(client, body, at=None, **headers):
    signature = signatures.sign(body, at or timezone.now())
    headers = headers or {signatures.HEADER: signature}
    return client.post(ADDRESS, data=body, content_type="application/json", headers=headers)


def last_notice():
    return Webhook.objects.latest("pk").body.encode()


def read_all():
    for event in GatewayEvent.objects.unprocessed():
        read_gateway_event(event.pk)


def test_a_signed_event_is_kept_and_answered_at_once(client):
    payment = pay("cut_after")

    response = send(client, last_notice())

    event = GatewayEvent.objects.get()
    payment.refresh_from_db()
    assert response.status_code == 200
    assert (event.kind, event.status, event.idempotency_key) == (
        "charge.succeeded",
        "received",
        payment.idempotency_key,
    )
    assert payment.status == "unknown"


def test_the_job_reads_the_event_by_asking_the_gateway(client):
    payment = pay("cut_after")
    send(client, last_notice())

    read_all()

    payment.refresh_from_db()
    assert payment.status == "succeeded"
    assert GatewayEvent.objects.get().status == "processed"


def test_T33_T26_an_event_that_says_paid_pays_nothing_when_the_gateway_says_otherwise(client):
    payment = pay("checked")
    body = last_notice().replace(b"asking", b"succeeded")

    send(client, body)
    read_all()

    payment.refresh_from_db()
    assert payment.status == "requires_action"


@pytest.mark.parametrize("case", ["no signature", "wrong signature", "old", "altered", "not json", "no object"])
def test_T26_what_is_not_signed_is_refused_and_not_kept(client, case):
    pay("cut_after")
    body = last_notice()
    if case == "no signature":
        response = send(client, body, **{"X-Other": "x"})
    elif case == "wrong signature":
        response = send(client, body, **{signatures.HEADER: "t=1,v1=" + "a" * 64})
    elif case == "old":
        response = send(client, body, at=timezone.now() - timedelta(minutes=6))
    elif case == "altered":
        signature = signatures.sign(body, timezone.now())
        response = send(client, body + b" ", **{signatures.HEADER: signature})
    else:
        response = send(client, {"not json": b"{", "no object": b"[]"}[case])

    assert response.status_code == 400
    assert not GatewayEvent.objects.exists()


def test_a_body_that_is_too_large_is_not_read(client):
    response = send(client, b"x" * (64 * 1024 + 1))

    assert response.status_code == 413


def test_other_gateways_and_other_verbs_are_not_answered(client):
    assert client.post("/webhooks/stripe/", data=b"{}", content_type="application/json").status_code == 404
    assert client.get(ADDRESS).status_code == 405


def test_the_sandbox_is_not_listened_to_where_it_is_not_allowed(client, settings):
    pay("cut_after")
    settings.SANDBOX_GATEWAY_ALLOWED = False

    assert send(client, last_notice()).status_code == 404


def test_no_session_and_no_token_are_needed():
    pay("cut_after")

    assert send(Client(enforce_csrf_checks=True), last_notice()).status_code == 200


def test_F10_events_in_reverse_order_and_repeated_leave_what_the_gateway_says(client):
    payment = pay("again")
    assert payment.status == "succeeded"
    notices = [notice.body.encode() for notice in Webhook.objects.order_by("send_at")]

    for body in notices:
        send(client, body)
    read_all()

    payment.refresh_from_db()
    assert len(notices) == 4
    assert GatewayEvent.objects.count() == 2
    assert (payment.status, Posting.objects.filter(reference=f"payment:{payment.code}").count()) == ("succeeded", 1)


def test_T26_an_event_about_nothing_of_ours_is_set_aside(client):
    pay("cut_after")
    key = Payment.objects.get().idempotency_key

    send(client, last_notice().replace(key.encode(), b"somebody-elses"))
    read_all()

    event = GatewayEvent.objects.get()
    assert (event.status, event.trouble) == ("quarantined", "nothing_of_ours")
    assert list(GatewayEvent.objects.quarantined()) == [event]


def test_T26_another_amount_in_the_event_is_set_aside_and_the_gateway_believed(client):
    payment = pay("cut_after")

    send(client, last_notice().replace(b"12100", b"1"))
    read_all()

    event = GatewayEvent.objects.get()
    payment.refresh_from_db()
    assert (event.status, event.trouble) == ("quarantined", "amount_differs")
    assert payment.status == "succeeded"


def test_T26_another_amount_at_the_gateway_is_parked_and_visible(client):
    payment = pay("other_amount")

    send(client, last_notice())
    read_all()

    payment.refresh_from_db()
    assert (GatewayEvent.objects.get().status, payment.parked_reason) == ("quarantined", "amount_differs")


def test_an_event_waits_while_the_gateway_does_not_answer(client):
    pay("silent")
    send(client, last_notice())

    read_all()

    assert GatewayEvent.objects.get().status == "received"


def test_an_event_about_a_card_finishes_its_set_up(client):
    profile = BillingProfileFactory()
    owner = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    setup, _address = start_card_setup(profile.account, profile=profile, by=owner)
    api.enter_card(setup.session_id, number="4242424242424242", expiry_year=2029, expiry_month=8, holder="T. Test")

    send(client, last_notice())
    read_all()

    setup.refresh_from_db()
    assert setup.status == "completed"


def test_I13_F10_a_notice_that_comes_after_the_refund_changes_nothing(client):
    payment, staff = pay("visa"), UserFactory(staff=True)
    refund = ask_refund(payment, payment.amount, reason="Paid twice by mistake", by=staff)
    carry_out(refund, at=timezone.now())

    for _time in range(2):
        send(client, last_notice())
    read_all()

    payment.refresh_from_db()
    assert (payment.status, payment.parked_reason) == ("refunded", "")
    assert payment.allocations.get().invoice.status == "due"
    assert GatewayEvent.objects.get().status == "processed"


def test_F11_an_event_that_never_comes_is_not_needed():
    payment = pay("unannounced")

    assert payment.status == "succeeded"
    assert not Webhook.objects.exists()


# --- Over the wire ------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_sandboxs_job_delivers_over_http_and_the_payment_is_settled(live_server, settings):
    settings.BASE_URL = live_server.url
    payment = pay("cut_after")

    deliver_webhook(Webhook.objects.get().pk)
    read_all()

    payment.refresh_from_db()
    assert Webhook.objects.get().delivered_at is not None
    assert payment.status == "succeeded"


@pytest.mark.django_db(transaction=True)
def test_F12_an_event_before_our_own_answer_has_one_effect(live_server, settings):
    settings.BASE_URL = live_server.url

    payment = pay("early")
    read_all()

    payment.refresh_from_db()
    assert GatewayEvent.objects.get().status == "processed"
    assert payment.status == "succeeded"
    assert Posting.objects.filter(reference=f"payment:{payment.code}").count() == 1


def test_a_notice_that_nobody_takes_comes_again_later(settings):
    settings.BASE_URL = "http://127.0.0.1:9"
    pay("cut_after")
    start = timezone.now()

    deliver_webhook(Webhook.objects.get().pk)

    notice = Webhook.objects.get()
    assert (notice.attempts, notice.delivered_at) == (1, None)
    assert notice.send_at >= start + timedelta(minutes=1)
    assert notice.last_error


@pytest.mark.django_db(transaction=True)
def test_F09_the_same_event_fifty_times_at_once_has_one_effect():
    payment = pay("cut_after")
    body = last_notice()
    ready, statuses = threading.Barrier(50), []

    def deliver():
        client = Client()
        ready.wait()
        statuses.append(send(client, body).status_code)
        connection.close()

    threads = [threading.Thread(target=deliver) for _number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read_all()

    payment.refresh_from_db()
    assert statuses == [200] * 50
    assert GatewayEvent.objects.count() == 1
    assert (payment.status, Charge.objects.exclude(captured_at=None).count()) == ("succeeded", 1)
    assert Posting.objects.filter(reference=f"payment:{payment.code}").count() == 1
