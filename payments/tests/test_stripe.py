"""What is Stripe's own: amounts, pages, events, settings. The contract of all gateways is in test_gateways."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.utils import timezone

from core.money import Money
from payments.gateways.base import BadSignature, ChargeOutcome, ChargeRequest, DeclineReason, GatewayUnavailable
from payments.gateways.registry import ADAPTERS, takes_events
from payments.gateways.stripe import API_VERSION, DECLINES, StripeGateway, _from_stripe, _to_stripe
from payments.tests.stripe_server import SECRET

pytestmark = pytest.mark.django_db


def card(server, name="visa"):
    gateway = StripeGateway(retries=0)
    session = gateway.start_setup(key=f"setup-{name}", customer="customer", return_url="https://portal.example/back/")
    server.enter(session.session_id, name)
    return gateway, gateway.find_setup(key=f"setup-{name}", session_id=session.session_id).method.token


def asked(token="", amount=None, **options):
    return ChargeRequest(
        "key", token, "customer", amount or Money(12_100, "EUR"), "G1", "https://portal.example/back/", **options
    )


@pytest.mark.parametrize(
    ("minor", "currency", "told"),
    [
        (12_100, "EUR", 12_100),
        (12_100, "JPY", 12_100),
        (1_000, "KWD", 1_000),
        (1_001, "KWD", None),  # the last digit has to be 0
        (500, "ISK", 50_000),  # no decimals by ISO 4217, two at Stripe
        (500, "UGX", 50_000),
        (500, "MGA", 5),  # the other way round
        (501, "MGA", None),
        (7, "XOF", 7),
    ],
)
def test_amounts_are_told_in_stripes_units(minor, currency, told):
    amount = Money(minor, currency)

    assert _to_stripe(amount) == told
    if told is not None:
        assert _from_stripe({"amount": told, "currency": currency.lower()}) == amount


def test_an_amount_that_stripe_does_not_have_is_not_asked_for(stripe_server):
    gateway, token = card(stripe_server)

    result = gateway.charge(asked(token, Money(1_001, "KWD")))

    assert (result.outcome, stripe_server.charges_asked) == (ChargeOutcome.FAILED, 0)


def test_PR12_the_person_enters_the_card_on_stripes_own_page(stripe_server):
    gateway = StripeGateway(retries=0)

    setup = gateway.start_setup(key="another", customer="customer", return_url="https://portal.example/back/")
    payment = gateway.open_payment(asked())

    for page in (setup.url, payment.action_url):
        assert page.startswith("https://checkout.stripe.com/")


def test_T49_a_form_may_end_at_stripes_pages_and_nowhere_else(settings):
    assert settings.GATEWAY_PAGES["stripe"] == ["https://checkout.stripe.com", "https://hooks.stripe.com"]
    assert settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["script-src"] == ["'self'"]
    assert not any("stripe" in str(each) for each in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"])


def test_the_version_of_the_api_is_pinned(stripe_server):
    assert StripeGateway().client.customers._requestor._options.stripe_version == API_VERSION


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("insufficient_funds", DeclineReason.INSUFFICIENT_FUNDS),
        ("stolen_card", DeclineReason.CARD_BLOCKED),
        ("do_not_honor", DeclineReason.DECLINED_BY_BANK),
        ("debit_not_authorized", DeclineReason.DEBIT_NOT_AUTHORISED),
    ],
)
def test_S3_17_S3_20_codes_of_stripe_become_our_reasons(code, reason):
    assert DECLINES.get(code, DeclineReason.DECLINED_BY_BANK) == reason


def test_a_wrong_key_is_an_answer_that_does_not_come(stripe_server, settings):
    _gateway, token = card(stripe_server)
    settings.STRIPE_SECRET_KEY = "sk_test_other"

    with pytest.raises(GatewayUnavailable):
        StripeGateway(retries=0).charge(asked(token))

    assert stripe_server.captures() == 0


# --- Events -------------------------------------------------------------------------------------


def told(kind, **about):
    return {
        "id": "evt_1",
        "object": "event",
        "type": kind,
        "data": {"object": {"id": "pi_1", "object": "payment_intent", "currency": "eur", "amount": 1, **about}},
    }


def read(server, event, **options):
    now = timezone.now()
    headers, body = server.signed(event, now, **options)
    return StripeGateway().read_event(headers=headers, body=body, at=now)


def test_T26_F42_either_of_two_secrets_is_taken_and_no_third(stripe_server, settings):
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", SECRET]
    event = told("payment_intent.succeeded", metadata={"key": "k"})

    assert read(stripe_server, event).key == read(stripe_server, event, secret="whsec_new").key == "k"
    with pytest.raises(BadSignature):
        read(stripe_server, event, secret="whsec_third")


def test_of_an_event_only_what_names_the_payment_is_kept(stripe_server):
    event = told(
        "payment_intent.succeeded",
        metadata={"key": "k"},
        receipt_email="somebody@alfa.example",
        shipping={"name": "Somebody"},
    )

    kept = read(stripe_server, event)

    assert "somebody" not in str(kept.payload).lower()
    assert kept.payload["object"]["id"] == kept.object_id == "pi_1"


def test_events_about_other_things_do_not_concern_us(stripe_server):
    kinds = ["payment_intent.succeeded", "charge.dispute.created", "customer.updated", "invoice.paid", "charge_x.y"]

    assert [read(stripe_server, told(kind)).concerns_us for kind in kinds] == [True, True, False, False, False]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"id": "evt"}', b"\xff\xfe", b'{"data": {"object": []}}'])
def test_T26_a_signed_text_that_is_no_event_is_refused(stripe_server, body):
    now = timezone.now()
    headers, _body = stripe_server.signed({}, now)
    seconds = headers["Stripe-Signature"].split(",")[0]

    with pytest.raises(BadSignature):
        StripeGateway().read_event(headers={"Stripe-Signature": f"{seconds},v1={'é' * 64}"}, body=body, at=now)
    with pytest.raises(BadSignature):
        StripeGateway().read_event(headers=headers, body=body, at=now)


# --- Settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"STRIPE_SECRET_KEY": ""}, "payments.E003"),
        ({"STRIPE_WEBHOOK_SECRETS": []}, "payments.E003"),
        ({"STRIPE_API_BASE": "http://stripe.example"}, "payments.E004"),
        ({"PAYMENT_GATEWAY": "stripes"}, "payments.E002"),
    ],
)
def test_a_gateway_that_is_not_set_up_stops_the_start(settings, values, found):
    settings.PAYMENT_GATEWAY = "stripe"
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = "sk_test_x", ["whsec_x"]
    for name, value in values.items():
        setattr(settings, name, value)

    with pytest.raises(SystemCheckError) as error:
        call_command("check")

    assert found in str(error.value)


def test_events_are_listened_to_where_their_signature_can_be_checked(settings):
    settings.STRIPE_WEBHOOK_SECRETS = []
    without = [name for name in ADAPTERS if takes_events(name)]
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]

    assert (without, [name for name in ADAPTERS if takes_events(name)]) == (["sandbox"], ["sandbox", "stripe"])
