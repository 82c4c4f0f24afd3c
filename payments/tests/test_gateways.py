"""The contract that every gateway adapter keeps. Another one joins by a driver in DRIVERS.

A driver stands in for the person and the bank at that gateway: it enters cards, answers checks, lets
pending charges end and reads how often money was taken.
"""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest
from django.db import transaction
from django.utils import timezone

from core.money import Money
from payments.gateways.base import (
    BadSignature,
    ChargeOutcome,
    ChargeRequest,
    DeclineReason,
    Gateway,
    GatewayUnavailable,
    KeyReused,
    MethodGone,
    MethodKind,
    RefundOutcome,
    SavedMethod,
    SetupOutcome,
)
from payments.gateways.sandbox import api, signatures
from payments.gateways.sandbox.adapter import DECLINES, SandboxGateway
from payments.gateways.sandbox.cards import SPECIMENS
from payments.gateways.sandbox.models import Charge, Webhook
from payments.gateways.stripe import StripeGateway
from payments.tests.stripe_server import StripeServer

pytestmark = pytest.mark.django_db

EUROS = Money(12_100, "EUR")


class Driver(Protocol):
    """The other side of a gateway, for tests."""

    gateway: Gateway
    # The names of cards that behave in these ways.
    declines: dict[str, DeclineReason]

    def enter(self, session_id: str, card: str) -> None: ...
    def change(self, session_id: str, *, year: int, holder: str, address: str) -> None: ...
    def end_pending(self, key: str) -> None: ...
    def leave(self, session_id: str) -> None: ...
    def answer(self, reference: str, *, confirmed: bool) -> None: ...
    def captures(self, key: str) -> int: ...
    def event(self, key: str, at: datetime) -> tuple[dict[str, str], bytes]: ...


class SandboxDriver:
    gateway: Gateway = SandboxGateway()
    declines = {
        name: DECLINES[card.declined] for name, card in SPECIMENS.items() if card.declined and not card.is_account
    }

    def enter(self, session_id: str, card: str) -> None:
        if SPECIMENS[card].is_account:
            api.enter_account(session_id, number=SPECIMENS[card].number, holder="T. Test")
            return
        number = SPECIMENS[card].number
        api.enter_card(session_id, number=number, expiry_year=2099, expiry_month=12, holder="T. Test")

    def change(self, session_id: str, *, year: int, holder: str, address: str) -> None:
        api.change_card(session_id, expiry_year=year, expiry_month=1, holder=holder, address=address)

    def end_pending(self, key: str) -> None:
        Charge.objects.filter(key=key).update(due_at=timezone.now())
        api.settle_pending(Charge.objects.get(key=key).pk)

    def leave(self, session_id: str) -> None:
        api.leave_session(session_id)

    def answer(self, reference: str, *, confirmed: bool) -> None:
        api.answer_charge_check(reference, confirmed=confirmed)

    def captures(self, key: str) -> int:
        return Charge.objects.filter(key=key).exclude(captured_at=None).count()

    def event(self, key: str, at: datetime) -> tuple[dict[str, str], bytes]:
        body = Webhook.objects.filter(body__contains=key).latest("pk").body.encode()
        return {signatures.HEADER: signatures.sign(body, at)}, body


class StripeDriver:
    """The adapter of Stripe, and a server that answers as Stripe does."""

    declines = {
        name: reason
        for name, reason in SandboxDriver.declines.items()
        if reason != DeclineReason.INTERNATIONAL_NOT_ENABLED  # Stripe has no word for it
    }

    def __init__(self, server: StripeServer) -> None:
        self.server, self.gateway = server, StripeGateway(retries=0)

    def enter(self, session_id: str, card: str) -> None:
        self.server.enter(session_id, card)

    def change(self, session_id: str, *, year: int, holder: str, address: str) -> None:
        street, place, country = address.split(", ")
        code, city = place.rsplit(" ", 1)
        parts = {"line1": street, "line2": None, "postal_code": code, "city": city, "country": country}
        self.server.change(session_id, year=year, holder=holder, address=parts)

    def end_pending(self, key: str) -> None:
        self.server.end_pending(key)

    def leave(self, session_id: str) -> None:
        self.server.lapse(session_id)

    def answer(self, reference: str, *, confirmed: bool) -> None:
        self.server.answer(reference, confirmed=confirmed)

    def captures(self, key: str) -> int:
        return self.server.captures(key)

    def event(self, key: str, at: datetime) -> tuple[dict[str, str], bytes]:
        return self.server.signed(self.server.event_about(key), at)


DRIVERS: dict[str, Callable[[Any], Driver]] = {
    "sandbox": lambda request: SandboxDriver(),
    "stripe": lambda request: StripeDriver(request.getfixturevalue("stripe_server")),
}


@pytest.fixture(params=sorted(DRIVERS))
def driver(request) -> Driver:
    return DRIVERS[request.param](request)


def new_key():
    return uuid.uuid4().hex


def set_up(driver, key, customer="customer", **options):
    return driver.gateway.start_setup(key=key, customer=customer, return_url="https://portal.example/back/", **options)


def saved(driver, card) -> SavedMethod:
    key = new_key()
    kind = MethodKind.DIRECT_DEBIT if card.startswith("account") else MethodKind.CARD
    session = set_up(driver, key, kind=kind)
    driver.enter(session.session_id, card)
    found = driver.gateway.find_setup(key=key, session_id=session.session_id).method
    assert found is not None
    return found


def request_for(token, key=None, amount=EUROS, **options) -> ChargeRequest:
    return ChargeRequest(
        key=key or new_key(),
        token=token,
        customer="customer",
        amount=amount,
        description="G000000001",
        return_url="https://portal.example/back/",
        **options,
    )


def query(request, reference=""):
    return {
        "key": request.key,
        "reference": reference,
        "customer": request.customer,
        "since": timezone.now() - timedelta(days=1),
    }


# --- Cards --------------------------------------------------------------------------------------


def test_a_set_up_is_open_until_a_card_is_entered(driver):
    key = new_key()

    session = set_up(driver, key)

    assert session.url
    assert driver.gateway.find_setup(key=key, session_id=session.session_id).outcome == SetupOutcome.OPEN


def test_a_completed_set_up_gives_the_card_without_its_number(driver):
    card = saved(driver, "visa")

    assert (card.brand, card.last4, card.expiry_year, card.expiry_month) == ("visa", "4242", 2099, 12)
    assert card.token
    assert SPECIMENS["visa"].number not in repr(card)


def test_the_same_card_has_the_same_fingerprint_and_another_token(driver):
    first, second, other = saved(driver, "visa"), saved(driver, "visa"), saved(driver, "amex")

    assert first.fingerprint == second.fingerprint != other.fingerprint
    assert first.token != second.token


def test_I16_the_same_key_opens_the_same_session(driver):
    key = new_key()

    assert set_up(driver, key) == set_up(driver, key)


def test_I16_a_key_of_a_session_is_not_taken_for_another(driver):
    key = new_key()
    set_up(driver, key)

    with pytest.raises(KeyReused):
        set_up(driver, key, customer="somebody else")


def test_a_refused_card_says_why(driver):
    key = new_key()
    session = set_up(driver, key)
    driver.enter(session.session_id, "never")

    result = driver.gateway.find_setup(key=key, session_id=session.session_id)

    assert (result.outcome, result.decline, result.method) == (
        SetupOutcome.REFUSED,
        DeclineReason.DECLINED_BY_BANK,
        None,
    )


def test_a_set_up_that_was_left_or_never_begun_has_ended(driver):
    key = new_key()
    session = set_up(driver, key)
    driver.leave(session.session_id)

    left = driver.gateway.find_setup(key=key, session_id=session.session_id)
    never = driver.gateway.find_setup(key=new_key(), session_id="")

    assert (left.outcome, never.outcome) == (SetupOutcome.ENDED, SetupOutcome.ENDED)


def test_the_same_account_has_the_same_name_at_the_gateway(driver):
    key = new_key()

    first, again = (driver.gateway.create_customer(key=key, code="A000000001") for _time in range(2))

    assert first == again != ""


# --- Mandates and changes -----------------------------------------------------------------------


def test_S2_3_a_signed_mandate_has_a_reference_and_the_account_masked(driver):
    method = saved(driver, "account")

    assert (method.kind, method.expiry_month, method.last4) == (MethodKind.DIRECT_DEBIT, 0, "0001")
    assert 0 < len(method.mandate.reference) <= 35
    assert method.mandate.iban_masked.endswith("0001")
    assert SPECIMENS["account"].number not in repr(method)
    assert abs(timezone.now() - method.mandate.signed_at) < timedelta(minutes=1)


def test_an_account_that_takes_no_debit_says_so(driver):
    key = new_key()
    session = set_up(driver, key, kind=MethodKind.DIRECT_DEBIT)
    driver.enter(session.session_id, "account_refused")

    result = driver.gateway.find_setup(key=key, session_id=session.session_id)

    assert (result.outcome, result.decline) == (SetupOutcome.REFUSED, DeclineReason.DEBIT_NOT_AUTHORISED)


def test_S3_12_a_card_is_brought_up_to_date_and_stays_the_same_card(driver):
    card, key = saved(driver, "visa"), new_key()
    session = set_up(driver, key, token=card.token)
    driver.change(session.session_id, year=2098, holder="N. New", address="Damrak 1, 1012 LG Amsterdam, NL")

    changed = driver.gateway.find_setup(key=key, session_id=session.session_id).method

    assert (changed.fingerprint, changed.last4, changed.brand) == (card.fingerprint, card.last4, card.brand)
    assert (changed.expiry_year, changed.holder) == (2098, "N. New")
    assert changed.address == "Damrak 1, 1012 LG Amsterdam, NL"
    assert driver.gateway.charge(request_for(changed.token)).outcome == ChargeOutcome.SUCCEEDED


def test_a_card_that_is_forgotten_cannot_be_changed(driver):
    token = saved(driver, "visa").token
    driver.gateway.detach(token=token)

    with pytest.raises(MethodGone):
        set_up(driver, new_key(), token=token)


@pytest.mark.parametrize(
    ("account", "outcome", "decline"),
    [
        ("account", ChargeOutcome.SUCCEEDED, None),
        ("account_empty", ChargeOutcome.FAILED, DeclineReason.INSUFFICIENT_FUNDS),
        ("account_closed", ChargeOutcome.FAILED, DeclineReason.ACCOUNT_CLOSED),
    ],
)
def test_a_direct_debit_takes_its_time(driver, account, outcome, decline):
    request = request_for(saved(driver, account).token, off_session=True, kind=MethodKind.DIRECT_DEBIT)
    asked = driver.gateway.charge(request)

    driver.end_pending(request.key)
    result = driver.gateway.find_charge(**query(request, asked.reference))

    assert asked.outcome == ChargeOutcome.PROCESSING
    assert (result.outcome, result.decline, driver.captures(request.key)) == (outcome, decline, int(decline is None))


def test_a_direct_debit_can_be_returned_after_it_was_paid(driver):
    request = request_for(saved(driver, "account_returned").token, off_session=True, kind=MethodKind.DIRECT_DEBIT)
    paid = driver.gateway.charge(request)

    driver.end_pending(request.key)
    result = driver.gateway.find_charge(**query(request, paid.reference))

    assert (paid.outcome, result.outcome) == (ChargeOutcome.SUCCEEDED, ChargeOutcome.RETURNED)
    assert (result.amount, result.decline) == (EUROS, DeclineReason.INSUFFICIENT_FUNDS)


# --- Payments on the gateway's page, refunds ----------------------------------------------------


@pytest.mark.parametrize(("confirmed", "outcome"), [(True, ChargeOutcome.SUCCEEDED), (False, ChargeOutcome.FAILED)])
def test_S2_3_a_single_payment_waits_on_the_page_of_the_gateway(driver, confirmed, outcome):
    request = request_for("")
    asked = driver.gateway.open_payment(request)
    assert (asked.outcome, bool(asked.action_url)) == (ChargeOutcome.REQUIRES_ACTION, True)
    assert driver.gateway.open_payment(request) == asked
    assert driver.gateway.find_charge(**query(request)).outcome == ChargeOutcome.REQUIRES_ACTION

    driver.answer(asked.reference, confirmed=confirmed)
    result = driver.gateway.find_charge(**query(request, asked.reference))

    assert (result.outcome, result.key, driver.captures(request.key)) == (outcome, request.key, int(confirmed))


def test_a_single_payment_can_be_given_up(driver):
    request = request_for("")
    asked = driver.gateway.open_payment(request)

    assert driver.gateway.cancel_charge(**query(request, asked.reference)).outcome == ChargeOutcome.CANCELLED


def test_I17_money_is_given_back_once_per_key_and_never_more_than_came(driver):
    charge = driver.gateway.charge(request_for(saved(driver, "visa").token))
    key = new_key()

    first, again = (
        driver.gateway.refund(key=key, reference=charge.reference, amount=Money(10_000, "EUR")) for _time in range(2)
    )
    too_much = driver.gateway.refund(key=new_key(), reference=charge.reference, amount=Money(2_101, "EUR"))
    rest = driver.gateway.refund(key=new_key(), reference=charge.reference, amount=Money(2_100, "EUR"))

    assert first == again
    assert [each.outcome for each in (first, too_much, rest)] == [
        RefundOutcome.SUCCEEDED,
        RefundOutcome.REFUSED,
        RefundOutcome.SUCCEEDED,
    ]


# --- Charges ------------------------------------------------------------------------------------


def test_a_charge_takes_the_amount_once(driver):
    request = request_for(saved(driver, "visa").token)

    result = driver.gateway.charge(request)

    assert (result.outcome, result.key, result.amount) == (ChargeOutcome.SUCCEEDED, request.key, EUROS)
    assert result.reference
    assert driver.captures(request.key) == 1


def test_I16_the_same_key_gives_the_same_answer_and_takes_nothing_more(driver):
    request = request_for(saved(driver, "visa").token)

    first, again = driver.gateway.charge(request), driver.gateway.charge(request)

    assert first == again
    assert driver.captures(request.key) == 1


def test_I16_a_key_of_a_charge_is_not_taken_for_another_amount(driver):
    token = saved(driver, "visa").token
    request = request_for(token)
    driver.gateway.charge(request)

    with pytest.raises(KeyReused):
        driver.gateway.charge(request_for(token, key=request.key, amount=Money(1, "EUR")))


DECLINED = [
    (driver, name)
    for driver, kind in (("sandbox", SandboxDriver), ("stripe", StripeDriver))
    for name in sorted(kind.declines)
    if not SPECIMENS[name].settles_later
]


@pytest.mark.parametrize(("driver", "card"), DECLINED, indirect=["driver"])
def test_each_decline_is_a_result_with_its_reason(driver, card):
    request = request_for(saved(driver, card).token)

    result = driver.gateway.charge(request)

    assert (result.outcome, result.decline) == (ChargeOutcome.FAILED, driver.declines[card])
    assert driver.captures(request.key) == 0


def test_a_declined_key_stays_declined(driver):
    request = request_for(saved(driver, "no_funds").token)

    assert driver.gateway.charge(request) == driver.gateway.charge(request)


def test_L10_the_banks_check_sends_the_person_away_and_then_captures(driver):
    request = request_for(saved(driver, "checked").token)
    asked = driver.gateway.charge(request)
    assert (asked.outcome, bool(asked.action_url)) == (ChargeOutcome.REQUIRES_ACTION, True)
    assert driver.captures(request.key) == 0

    driver.answer(asked.reference, confirmed=True)
    result = driver.gateway.find_charge(**query(request, asked.reference))

    assert (result.outcome, driver.captures(request.key)) == (ChargeOutcome.SUCCEEDED, 1)


def test_L10_with_nobody_there_the_bank_cannot_ask(driver):
    result = driver.gateway.charge(request_for(saved(driver, "checked").token, off_session=True))

    assert (result.outcome, result.decline) == (ChargeOutcome.FAILED, DeclineReason.AUTHENTICATION_REQUIRED)


def test_an_unanswered_check_lapses(driver, time_machine):
    request = request_for(saved(driver, "checked").token)
    asked = driver.gateway.charge(request)

    time_machine.move_to(timezone.now() + timedelta(hours=1))
    result = driver.gateway.find_charge(**query(request, asked.reference))

    assert (result.outcome, result.decline) == (ChargeOutcome.FAILED, DeclineReason.AUTHENTICATION_FAILED)


def test_a_waiting_charge_can_be_cancelled_and_a_paid_one_cannot(driver):
    waiting, paid = request_for(saved(driver, "checked").token), request_for(saved(driver, "visa").token)
    driver.gateway.charge(waiting)
    driver.gateway.charge(paid)

    outcomes = [driver.gateway.cancel_charge(**query(each)).outcome for each in (waiting, paid)]

    assert outcomes == [ChargeOutcome.CANCELLED, ChargeOutcome.SUCCEEDED]


def test_a_charge_that_never_came_is_not_found(driver):
    assert driver.gateway.find_charge(**query(request_for("none"))).outcome == ChargeOutcome.NEVER_RECEIVED


def test_F06_cut_before_capture_is_unknown_and_nothing_was_taken(driver):
    request = request_for(saved(driver, "cut_before").token)

    with pytest.raises(GatewayUnavailable):
        driver.gateway.charge(request)

    assert driver.gateway.find_charge(**query(request)).outcome == ChargeOutcome.NEVER_RECEIVED
    assert driver.captures(request.key) == 0


def test_F07_cut_after_capture_is_unknown_and_found_by_its_key(driver):
    request = request_for(saved(driver, "cut_after").token)

    for _time in range(3):
        with pytest.raises(GatewayUnavailable):
            driver.gateway.charge(request)

    assert driver.gateway.find_charge(**query(request)).outcome == ChargeOutcome.SUCCEEDED
    assert driver.captures(request.key) == 1


def test_a_forgotten_card_takes_no_more_money(driver):
    token = saved(driver, "visa").token
    driver.gateway.detach(token=token)
    driver.gateway.detach(token=token)

    result = driver.gateway.charge(request_for(token))

    assert result.outcome == ChargeOutcome.FAILED


def test_I15_captured_charges_are_listed_for_reconciliation(driver):
    start = timezone.now()
    paid, declined = request_for(saved(driver, "visa").token), request_for(saved(driver, "no_funds").token)
    driver.gateway.charge(paid)
    driver.gateway.charge(declined)

    listed = driver.gateway.captured(since=start, until=timezone.now() + timedelta(seconds=1))

    assert [(result.key, result.amount) for result in listed] == [(paid.key, EUROS)]


# --- Events -------------------------------------------------------------------------------------


def test_T26_an_event_names_the_charge_by_our_key(driver):
    request = request_for(saved(driver, "visa").token)
    driver.gateway.charge(request)
    now = timezone.now()
    headers, body = driver.event(request.key, now)

    event = driver.gateway.read_event(headers=headers, body=body, at=now)

    assert (event.key, event.amount) == (request.key, EUROS)
    assert event.event_id


@pytest.mark.parametrize("wrong", ["altered body", "no header", "late", "early", "another header"])
def test_T26_an_event_without_a_right_fresh_signature_is_refused(driver, wrong):
    request = request_for(saved(driver, "visa").token)
    driver.gateway.charge(request)
    now = timezone.now()
    headers, body = driver.event(request.key, now)
    at = now
    if wrong == "altered body":
        body = body.replace(b"12100", b"99999")
    elif wrong == "no header":
        headers = {}
    elif wrong == "another header":
        headers = dict.fromkeys(headers, "t=1,v1=" + "0" * 64)
    else:
        at = now + timedelta(minutes=6 if wrong == "late" else -6)

    with pytest.raises(BadSignature):
        driver.gateway.read_event(headers=headers, body=body, at=at)


# --- Apart from the portal ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_I34_no_call_is_made_inside_a_transaction(driver):
    calls = [
        lambda: set_up(driver, new_key()),
        lambda: driver.gateway.find_setup(key="x", session_id="x"),
        lambda: driver.gateway.charge(request_for("token")),
        lambda: driver.gateway.find_charge(**query(request_for("token"))),
        lambda: driver.gateway.cancel_charge(**query(request_for("token"))),
        lambda: driver.gateway.detach(token="x"),
        lambda: driver.gateway.captured(since=timezone.now(), until=timezone.now()),
    ]

    for call in calls:
        with transaction.atomic(), pytest.raises(RuntimeError):
            call()
