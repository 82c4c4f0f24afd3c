"""Text messages over HTTP, through a real carrier that errs as it is asked to (F19)."""

from datetime import UTC, datetime, timedelta

import pytest

from core import jobs
from core.messages import MailClass, queue_text_message
from core.models import JobClaim
from core.tests.sms_server import SmsServer

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture
def sms_server(settings):
    server = SmsServer()
    server.start()
    settings.SMS_URL, settings.SMS_TIMEOUT = server.url, 0.4
    yield server
    server.stop()


@pytest.fixture
def clock(time_machine):
    time_machine.move_to(START, tick=False)
    return time_machine


def queue(to="+31612345678", **more):
    return queue_text_message(
        to=to,
        template="proof_code",
        mail_class=MailClass.MANDATORY_SERVICE,
        language="nl",
        context={"minutes": 10},
        secret_context={"code": "314159"},
        **more,
    )


def send():
    JobClaim.objects.all().delete()  # as if time had passed for the worker
    jobs.run_due(only=["core.send_text_messages"])


def outcome(message):
    message.refresh_from_db()
    return message.status, message.attempts, message.possibly_twice


def test_F19_a_message_is_posted_with_number_text_reference_and_login(sms_server, clock):
    message = queue()

    send()

    [carried] = sms_server.taken
    assert carried["to"] == "+31612345678"
    assert "314159" in carried["text"]
    assert f"<{carried['reference']}>" == message.message_id
    assert sms_server.logins == ["Basic cG9ydGFsOnNAY3JldA=="]
    assert outcome(message) == ("accepted", 1, False)
    assert message.secret_context == {}


@pytest.mark.parametrize("fault", ["500", "429", "408", "cut", "redirect"])
def test_F19_a_carrier_in_trouble_is_asked_again_later_and_each_message_goes_once(sms_server, clock, fault):
    sms_server.faults, message = [fault, fault], queue()

    send()
    assert outcome(message)[:2] == ("deferred", 1)
    send()
    assert sms_server.requests == 1  # not before its time
    for minutes in (1, 6):
        clock.move_to(START + timedelta(minutes=minutes), tick=False)
        send()

    assert outcome(message)[:2] == ("accepted", 3)
    assert len(sms_server.taken) == 1
    send()
    assert sms_server.requests == 3


@pytest.mark.parametrize("fault", ["slow", "cut after"])
def test_F19_without_an_answer_it_is_repeated_once_by_the_same_reference(sms_server, clock, fault):
    sms_server.faults, message = [fault, fault], queue()

    send()
    for minutes in (1, 6, 30, 90):
        clock.move_to(START + timedelta(minutes=minutes), tick=False)
        send()

    assert sms_server.requests <= 3
    assert len(sms_server.carried) <= 1
    assert outcome(message)[0] in {"accepted", "given_up"}


@pytest.mark.parametrize("fault", ["broken", "drip"])
def test_F19_a_message_that_was_taken_is_not_repeated_because_the_answer_is_bad(sms_server, clock, fault):
    sms_server.faults, message = [fault], queue()

    send()
    clock.move_to(START + timedelta(hours=2), tick=False)
    send()

    assert (outcome(message)[0], sms_server.requests) == ("accepted", 1)


def test_F19_a_refusal_is_the_end_and_in_the_words_of_the_carrier(sms_server, clock):
    sms_server.faults, message = ["403"], queue()

    send()
    clock.move_to(START + timedelta(hours=2), tick=False)
    send()

    assert (outcome(message)[0], sms_server.requests) == ("bounced", 1)
    assert '"said": "403"' in message.last_error


def test_F19_one_bad_message_does_not_stop_the_others(sms_server, clock):
    sms_server.faults = ["500", "403"]
    messages = [queue(f"+3161234567{number}") for number in range(4)]

    send()

    assert [outcome(message)[0] for message in messages] == ["deferred", "bounced", "accepted", "accepted"]


def test_F19_a_code_that_has_expired_meanwhile_is_not_sent(sms_server, clock):
    sms_server.faults, message = ["500"], queue(expires_at=START + timedelta(seconds=30))

    send()
    clock.move_to(START + timedelta(minutes=2), tick=False)
    send()

    assert (outcome(message)[0], len(sms_server.taken)) == ("given_up", 0)


def test_F19_nothing_is_posted_inside_a_transaction(no_network_in_transactions, sms_server):
    message = queue()

    send()

    assert outcome(message)[0] == "accepted"
