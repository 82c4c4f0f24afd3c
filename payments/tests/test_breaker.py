"""A gateway that does not answer is left alone by every process, and comes back by itself (F08)."""

import re
import threading
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from accounts.tests.factories import UserFactory
from core.errors import Refused
from core.jobs import registry
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from payments.gateways.base import GatewayUnavailable, MethodGone
from payments.gateways.breaker import FAILURES_AT_MOST, LONGEST, GatewayResting, rest_of, talking_to
from payments.gateways.registry import gateway_named
from payments.models import CardSetup, GatewayEvent, GatewayHealth, Payment
from payments.services.pay import pay_invoices
from payments.services.settle import look_up
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db

GATEWAY = "sandbox"
START = timezone.now().replace(microsecond=0)


@pytest.fixture
def clock():
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


def fail(times=1, gateway=GATEWAY):
    for _time in range(times):
        with pytest.raises(GatewayUnavailable), talking_to(gateway):
            raise GatewayUnavailable


def answer(gateway=GATEWAY):
    with talking_to(gateway):
        pass


def is_asked(gateway=GATEWAY, meanwhile=lambda: None):
    try:
        with talking_to(gateway):
            meanwhile()
    except GatewayResting:
        return False
    return True


def test_F08_the_fifth_failure_in_a_row_begins_a_rest_of_about_half_a_minute(clock):
    fail(FAILURES_AT_MOST - 1)
    assert rest_of(GATEWAY) is None

    fail()

    assert START + timedelta(seconds=22) < rest_of(GATEWAY) < START + timedelta(seconds=38)
    assert not is_asked()
    assert is_asked("stripe")  # the other one has nothing to do with it


def test_F08_an_answer_between_begins_the_count_anew(clock):
    fail(FAILURES_AT_MOST - 1)
    answer()
    fail(FAILURES_AT_MOST - 1)

    assert rest_of(GATEWAY) is None


def test_F08_a_refusal_is_an_answer(clock):
    fail(FAILURES_AT_MOST - 1)

    with pytest.raises(MethodGone), talking_to(GATEWAY):
        raise MethodGone
    fail()

    assert rest_of(GATEWAY) is None


def test_F08_failures_that_are_far_apart_are_no_row(clock):
    fail(FAILURES_AT_MOST - 1)
    clock.shift(timedelta(minutes=11))
    fail()

    assert rest_of(GATEWAY) is None


def test_F08_each_rest_is_longer_and_none_is_endless(clock):
    fail(FAILURES_AT_MOST)
    lengths = []
    for _rest in range(8):
        until = rest_of(GATEWAY)
        lengths.append((until - timezone.now()).total_seconds())
        clock.move_to(until)
        fail()

    assert all(30 * 2**number * 0.74 < length < 30 * 2**number * 1.26 for number, length in enumerate(lengths[:4]))
    assert max(lengths) <= LONGEST.total_seconds() * 1.25
    assert len(set(lengths)) == len(lengths)  # by chance, so that not everybody comes back at once


def test_F08_after_the_rest_one_call_asks_and_its_answer_lets_everybody_through(clock):
    fail(FAILURES_AT_MOST)
    clock.move_to(rest_of(GATEWAY))

    with talking_to(GATEWAY):
        assert not is_asked()  # the others wait for the answer
    assert is_asked()
    assert GatewayHealth.objects.filter(failures=0, rests=0, rests_until=None).count() == 1


def test_F08_who_asks_and_never_comes_home_keeps_nobody_back_for_long(clock):
    fail(FAILURES_AT_MOST)
    clock.move_to(rest_of(GATEWAY))
    talking_to(GATEWAY).__enter__()  # and its process dies

    assert not is_asked()
    clock.shift(timedelta(minutes=1))
    assert is_asked()


def test_F08_calls_that_were_under_way_when_the_rest_began_do_not_lengthen_it(clock):
    under_way = talking_to(GATEWAY)
    under_way.__enter__()
    fail(FAILURES_AT_MOST)
    until = rest_of(GATEWAY)

    trouble = GatewayUnavailable()
    assert not under_way.__exit__(GatewayUnavailable, trouble, None)

    assert rest_of(GATEWAY) == until


def test_F08_a_gateway_that_works_costs_one_question_and_no_write(django_assert_num_queries):
    with django_assert_num_queries(1):
        answer()


@pytest.mark.django_db(transaction=True)
def test_F08_of_many_at_once_one_asks():
    fail(FAILURES_AT_MOST)
    GatewayHealth.objects.update(rests_until=timezone.now())
    asked, answered = [], threading.Event()

    def ask():
        asked.append(is_asked(meanwhile=answered.wait))
        if len(asked) == 7:  # all but the one that waits for its answer
            answered.set()
        connection.close()

    threads = [threading.Thread(target=ask) for _each in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(asked) == [False] * 7 + [True]


# --- What people and jobs notice ----------------------------------------------------------------


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def payer(profile):
    return ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user


@pytest.fixture
def resting(clock):
    fail(FAILURES_AT_MOST)
    return timezone.localtime(rest_of(GATEWAY)).strftime("%H:%M")


def test_F08_the_adapters_calls_pass_the_breaker(resting):
    with pytest.raises(GatewayResting):
        gateway_named(GATEWAY).detach(token="none")


def test_F08_paying_is_refused_before_anything_is_written(profile, payer, resting):
    invoice, method = InvoiceFactory(profile=profile), PaymentMethodFactory(profile=profile)

    with pytest.raises(Refused) as refusal:
        pay_invoices([invoice], method=method, by=payer, request_key="0123456789")

    assert refusal.value.code == "gateway_rests"
    assert f"Nothing was asked of it and nothing was taken. Try again after {resting}" in str(refusal.value)
    assert not Payment.objects.exists()


def test_F08_who_comes_a_moment_too_late_has_paid_nothing_and_can_pay_again(profile, payer, resting, monkeypatch):
    """When the rest is over it is so for everybody, and one of them asks: the others have written their attempt."""
    invoice, method = InvoiceFactory(profile=profile), PaymentMethodFactory(profile=profile)
    with monkeypatch.context() as at_that_moment:
        at_that_moment.setattr("payments.services.pay.rest_of", lambda gateway: None)
        late = pay_invoices([invoice], method=method, by=payer, request_key="0123456789")
    GatewayHealth.objects.update(rests_until=timezone.now())

    again = pay_invoices([invoice], method=method, by=payer, request_key="9876543210")

    assert (late.status, late.decline_reason) == ("failed", "gateway_trouble")
    assert again.status == "succeeded"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "The payment provider does not answer at the moment. Try again after {}, or transfer the amount"),
        ("nl", "De betaaldienst antwoordt op dit moment niet. Probeer het na {} opnieuw, of maak het bedrag over"),
    ],
)
def test_F08_the_pay_button_says_why_not_and_what_to_do(client, profile, payer, resting, language, words):
    invoice = InvoiceFactory(profile=profile)
    PaymentMethodFactory(profile=profile, default_for=[profile])
    type(payer).objects.filter(pk=payer.pk).update(language=language)
    client.force_login(payer)

    for address in (f"/invoices/{invoice.code}/", f"/invoices/{invoice.code}/payment/"):
        page = re.sub(r"\s+", " ", client.get(address).content.decode())
        assert words.format(resting) in page
        assert 'aria-disabled="true"' in page
    GatewayHealth.objects.update(rests_until=None)
    assert words.format(resting) not in client.get(f"/invoices/{invoice.code}/payment/").content.decode()


def test_F08_adding_a_card_says_why_not(client, profile, payer, resting):
    client.force_login(payer)
    address = f"/billing-profiles/{profile.code}/payment-methods/new/"

    page = client.get(address).content.decode()
    sent = client.post(address).content.decode()

    assert f"so its page cannot be opened. Nothing has changed; try again after {resting}." in page
    assert "The payment provider does not answer. Nothing has changed" in sent


def test_F08_a_look_up_that_may_not_be_made_is_no_silence(resting):
    payment = PaymentFactory(status="unknown", next_lookup_at=timezone.now())

    assert look_up(payment, at=timezone.now()) == payment

    payment.refresh_from_db()
    assert (payment.lookups, payment.next_lookup_at) == (0, timezone.now())


def test_F08_jobs_leave_the_gateway_alone_and_take_up_their_work_again(resting):
    now = timezone.now()
    PaymentFactory(status="unknown", next_lookup_at=now)
    CardSetup.objects.create(account=BillingProfileFactory().account, gateway=GATEWAY, next_lookup_at=now)
    PaymentMethodFactory(status="detached")
    GatewayEvent.objects.create(gateway=GATEWAY, event_id="1", kind="charge", payload={})
    names = ("look_up_payment", "look_up_card_setup", "forget_removed_method", "read_gateway_event")
    jobs = [registry()[f"payments.{name}"] for name in names]

    assert [job.due(now).count() for job in jobs] == [0, 0, 0, 0]
    GatewayHealth.objects.update(rests_until=now)
    assert [job.due(now).count() for job in jobs] == [1, 1, 1, 1]


def test_F08_staff_see_it_and_have_it_asked_at_once(client, resting):
    client.force_login(UserFactory(staff=True))
    listing = "/staff/payments/gatewayhealth/"

    page = client.get(listing).content.decode()
    health = GatewayHealth.objects.get()
    client.post(listing, {"action": "ask_now", "_selected_action": [health.pk]})

    assert f">{FAILURES_AT_MOST}<" in page
    assert is_asked()
