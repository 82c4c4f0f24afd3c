"""What goes wrong between portal and gateway, over HTTP: it ends in the state that the gateway holds, with one
capture (F06 … F12, M4)."""

import ipaddress
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection
from django.test import Client
from django.utils import timezone

from core.errors import Refused
from core.policy import Role
from invoices.models import Posting
from invoices.tests.factories import InvoiceFactory
from payments.gateways.registry import gateway_named
from payments.jobs import forget_removed_method, read_gateway_event, reconcile_yesterday
from payments.models import Family, GatewayCustomer, GatewayEvent, Payment, PaymentMethod
from payments.services.cards import finish_card_setup, start_card_setup, start_card_update
from payments.services.pay import cancel_payment, pay_invoices, pay_once
from payments.services.settle import look_up
from payments.tests.stripe_server import StripeServer
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db

ADDRESS = "/webhooks/stripe/"
TRIES = 3  # the adapter's own, with one key


class Shop:
    """A billing profile that pays through Stripe."""

    def __init__(self, server):
        self.server, self.profile = server, BillingProfileFactory()
        self.payer = ProfileRoleFactory(profile=self.profile, role=Role.PROFILE_CONTRIBUTOR).user
        self.invoice = InvoiceFactory(profile=self.profile)

    def method(self, name="visa", family=Family.CARD):
        setup, _address = start_card_setup(self.profile.account, profile=self.profile, family=family, by=self.payer)
        self.server.enter(setup.session_id, name)
        return finish_card_setup(setup).method

    def pay(self, method, key="0123456789", at=None):
        return pay_invoices([self.invoice], method=method, by=self.payer, request_key=key, at=at)


@pytest.fixture
def shop(stripe_server, settings):
    settings.PAYMENT_GATEWAY, settings.STRIPE_TIMEOUT_SECONDS = "stripe", 0.4
    return Shop(stripe_server)


def later(payment):
    """The job asks when it is due."""
    at = payment.created_at + timedelta(minutes=6)
    return look_up(payment, at=at)


def postings(payment):
    return Posting.objects.filter(reference=f"payment:{payment.code}").count()


# --- A call that goes wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "taken"),
    [
        ("cut before", 0),
        ("cut after", 1),
        ("500 before", 0),
        ("500 after", 1),
        ("429 before", 0),
        ("broken after", 1),
        ("slow before", 0),
        ("slow after", 1),
        ("drip after", 1),
    ],
)
def test_F06_F07_F08_a_fault_ends_in_what_stripe_holds_with_one_capture(shop, fault, taken):
    method = shop.method()
    shop.server.faults = [fault] * TRIES

    payment = shop.pay(method)
    assert (payment.status, shop.server.captures()) == ("unknown", taken)
    with pytest.raises(Refused) as refusal:
        shop.pay(method, "another-key")
    # Who pays again makes the portal ask first, and it learns what was taken.
    assert refusal.value.code == ("not_payable" if taken else "under_way")

    payment = later(payment)
    assert payment.status == ("succeeded" if taken else "failed")
    shop.server.faults = []
    if not taken:
        payment = shop.pay(method, "one-more-key")

    shop.invoice.refresh_from_db()
    assert (payment.status, shop.invoice.status) == ("succeeded", "paid")
    assert (shop.server.captures(), postings(payment)) == (1, 1)


def test_F08_one_fault_is_tried_again_with_the_same_key(shop):
    method = shop.method()
    shop.server.faults = ["cut after"]

    payment = shop.pay(method)

    assert (payment.status, shop.server.captures(), shop.server.charges_asked) == ("succeeded", 1, 2)


def test_F06b_silence_without_end_blocks_and_is_left_to_a_person(shop, settings):
    method = shop.method()
    shop.server.faults = ["slow after"] * TRIES
    payment = shop.pay(method)
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    gateway_named.cache_clear()

    Payment.objects.filter(pk=payment.pk).update(lookups=6)
    payment.refresh_from_db()
    payment = look_up(payment, at=payment.next_lookup_at)

    assert (payment.status, payment.next_lookup_at) == ("unknown", None)
    assert list(Payment.objects.for_a_person()) == [payment]


@pytest.fixture(scope="session")
def impostor(tmp_path_factory):
    """A server at Stripe's place whose certificate nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("certificate") / "own.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = StripeServer(path)
    server.start()
    yield server
    server.stop()


def test_F08_F43_a_wrong_certificate_gets_nothing(shop, settings, impostor):
    method, right = shop.method(), settings.STRIPE_API_BASE
    settings.STRIPE_API_BASE = impostor.url
    gateway_named.cache_clear()

    payment = later(shop.pay(method))
    assert (payment.status, impostor.charges_asked) == ("unknown", 0)
    settings.STRIPE_API_BASE = right
    gateway_named.cache_clear()
    payment = later(payment)

    assert (payment.status, payment.decline_reason, shop.server.captures()) == ("failed", "never_received", 0)


def test_F08_adding_a_card_while_stripe_is_silent_changes_nothing(shop, settings):
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    gateway_named.cache_clear()

    with pytest.raises(Refused) as refusal:
        shop.method()

    assert refusal.value.code == "gateway_silent"
    assert not GatewayCustomer.objects.exists()


# --- Ways through -------------------------------------------------------------------------------


def test_L10_the_banks_check_at_stripe(shop):
    payment = shop.pay(shop.method("checked"))
    assert payment.action_url.startswith("https://hooks.stripe.com/")

    shop.server.answer(payment.gateway_reference, confirmed=True)

    assert look_up(payment).status == "succeeded"


def test_S3_17_a_decline_at_stripe_has_our_reason(shop):
    payment = shop.pay(shop.method("blocked"))

    assert (payment.status, payment.decline_reason, shop.server.captures()) == ("failed", "card_blocked", 0)


def test_S2_3_P19_ideal_at_stripe_is_paid_or_given_up(shop):
    paid = pay_once([shop.invoice], by=shop.payer, request_key="0123456789")
    shop.server.answer(paid.gateway_reference, confirmed=True)
    given_up = pay_once([InvoiceFactory(profile=shop.profile)], by=shop.payer, request_key="another-key")

    outcomes = [look_up(paid).status, cancel_payment(given_up, by=shop.payer).status]

    assert outcomes == ["succeeded", "cancelled"]
    assert shop.server.captures() == 1


def test_I19_a_mandate_signed_at_stripe_collects_and_is_returned(shop, client):
    method = shop.method("account_returned", Family.DIRECT_DEBIT)
    payment = shop.pay(method)
    assert (payment.status, method.mandate.iban_masked) == ("succeeded", "NL•• •••• 0005")

    shop.server.end_pending(payment.idempotency_key)
    send_all(client, shop.server, reversed(shop.server.events))

    payment.refresh_from_db()
    shop.invoice.refresh_from_db()
    assert (payment.status, payment.decline_reason) == ("charged_back", "insufficient_funds")
    assert shop.invoice.status == "due"


def test_S3_12_a_card_entered_anew_replaces_the_token_and_not_the_card(shop):
    method = shop.method()
    before = method.token
    setup, _address = start_card_update(method, by=shop.payer)
    shop.server.change(setup.session_id, year=2098, holder="N. New", address={"line1": "Damrak 1", "country": "NL"})
    setup = finish_card_setup(setup)
    old = PaymentMethod.objects.get(status="detached")
    forget_removed_method(old.pk)

    method.refresh_from_db()
    assert (setup.status, method.holder, method.billing_address) == ("completed", "N. New", "Damrak 1, NL")
    assert method.token != before
    assert shop.server.rows[before]["customer"] is None
    assert shop.pay(method).status == "succeeded"


def test_I15_a_capture_that_nobody_knew_of_is_found_at_night(shop):
    method = shop.method()
    shop.server.faults = ["cut after"] * TRIES
    payment = shop.pay(method)
    Payment.objects.filter(pk=payment.pk).update(next_lookup_at=None)

    reconcile_yesterday(timezone.now() + timedelta(hours=3))
    for event in GatewayEvent.objects.unprocessed():
        read_gateway_event(event.pk)

    payment.refresh_from_db()
    assert payment.status == "succeeded"


# --- Webhooks -----------------------------------------------------------------------------------


def send(client, server, event, **options):
    headers, body = server.signed(event, timezone.now(), **options)
    return client.post(ADDRESS, data=body, content_type="application/json", headers=headers).status_code


def send_all(client, server, events):
    for event in list(events):
        assert send(client, server, event) == 200
    for row in GatewayEvent.objects.unprocessed():
        read_gateway_event(row.pk)


def test_F09_F10_repeated_and_reordered_webhooks_leave_what_stripe_says(shop, client):
    payment = shop.pay(shop.method("account", Family.DIRECT_DEBIT))
    assert payment.status == "processing"
    shop.server.end_pending(payment.idempotency_key)

    send_all(client, shop.server, [*reversed(shop.server.events), *shop.server.events])

    payment.refresh_from_db()
    assert (payment.status, postings(payment)) == ("succeeded", 1)
    assert GatewayEvent.objects.count() == len(shop.server.events)
    assert set(GatewayEvent.objects.values_list("status", flat=True)) == {"processed"}


def test_T26_a_forged_webhook_pays_nothing(shop, client):
    method = shop.method()
    shop.server.faults = ["cut before"] * TRIES
    payment = shop.pay(method)
    event = {
        "id": "evt_forged",
        "type": "payment_intent.succeeded",
        "data": {
            "object": {
                "id": "pi_forged",
                "object": "payment_intent",
                "amount": payment.amount.minor,
                "currency": "eur",
                "metadata": {"key": payment.idempotency_key},
            }
        },
    }

    assert send(client, shop.server, event, secret="whsec_somebody") == 400
    assert not GatewayEvent.objects.exists()

    # Even one that is signed is only a hint to look.
    send_all(client, shop.server, [event])
    payment.refresh_from_db()
    assert (payment.status, postings(payment)) == ("unknown", 0)


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"amount": 1}, "amount_differs"),
        ({"currency": "usd"}, "amount_differs"),
        ({"metadata": {"key": "somebody-elses"}}, "nothing_of_ours"),
    ],
)
def test_T26_another_amount_currency_or_payment_is_set_aside(shop, client, change, trouble):
    payment = shop.pay(shop.method())
    event = shop.server.event_about(payment.idempotency_key)
    event["data"]["object"] |= change

    send_all(client, shop.server, [event])

    row = GatewayEvent.objects.get(event_id=event["id"])
    assert (row.status, row.trouble) == ("quarantined", trouble)
    assert list(GatewayEvent.objects.quarantined()) == [row]


@pytest.mark.django_db(transaction=True)
def test_F12_I34_the_webhook_comes_before_the_answer(shop, no_network_in_transactions):
    method, answers = shop.method(), []

    def tell():
        def deliver():
            answers.append(send(Client(), shop.server, shop.server.events[-1]))
            for row in GatewayEvent.objects.unprocessed():
                read_gateway_event(row.pk)
            connection.close()

        courier = threading.Thread(target=deliver)
        courier.start()
        courier.join()

    shop.server.on_done = tell

    payment = shop.pay(method)

    assert (set(answers), payment.status, postings(payment)) == ({200}, "succeeded", 1)
    assert GatewayEvent.objects.get(kind="payment_intent.succeeded").status == "processed"
    assert shop.server.captures() == 1
