"""Communication preferences: which mails somebody wants, with and without a sign-in."""

import re

import pytest
from django.test import Client

from accounts.models import LinkRequest, Topic
from accounts.services import topics
from accounts.tests.factories import UserFactory
from core.jobs import registry, run_due
from core.mail import write_mail
from core.messages import MailClass, Verdict, queue_message, verdict_on
from core.models import Message

pytestmark = pytest.mark.django_db
PAGE, ASK = "/communication-preferences/", "/communication-preferences/by-mail/"


@pytest.fixture(autouse=True)
def jobs_are_known():
    """What is asked just before sending is registered with the jobs, as in a worker."""
    registry()


@pytest.fixture
def person():
    return UserFactory(email="tom@alfa.example")


def receipt(person):
    return queue_message(to=person.email, template="test_mail", mail_class=MailClass.RECEIPT, language="en", context={})


def link_sent():
    mail = Message.objects.filter(template="topics_link").latest("pk")
    return re.search(r"http://testserver(/communication-preferences/by-link/\S+)", write_mail(mail).body)[1]


def answered():
    run_due(only=["accounts.answer_link_requests"])


def test_S0_11c_topics_are_chosen_and_service_notices_go_on(client, person):
    client.force_login(person)
    assert Topic.NEWS not in topics.wanted_topics(person)

    client.post(PAGE, {"news": "on", "credits": "on", "nonsense": "on"})

    assert topics.wanted_topics(person) == {Topic.NEWS, Topic.CREDITS}
    assert verdict_on(receipt(person)) == Verdict.SUPPRESS
    mandatory = queue_message(
        to=person.email, template="test_mail", mail_class=MailClass.MANDATORY_SERVICE, language="en", context={}
    )
    assert verdict_on(mandatory) == Verdict.SEND


def test_S0_11c_an_address_of_two_people_is_silent_only_when_both_said_no(person):
    other = UserFactory(contact_email=person.email)
    topics.choose_topics(person, [])
    assert verdict_on(receipt(person)) == Verdict.SEND

    topics.choose_topics(other, [])

    assert verdict_on(receipt(person)) == Verdict.SUPPRESS


def test_S0_11c_the_link_opens_the_topics_without_a_sign_in_and_nothing_else(person):
    link, browser = topics.topics_link(person), Client()

    page = browser.get(link, follow=True)
    assert "t•••@alfa.example" in page.content.decode()
    assert "tom@alfa.example" not in page.content.decode()
    browser.post("/communication-preferences/by-link/", {"offers": "on"})

    assert topics.wanted_topics(person) == {Topic.OFFERS}
    assert browser.get("/").status_code == 302


def test_S0_11c_an_expired_link_sends_a_new_one_to_the_same_person(person, time_machine):
    time_machine.move_to("2026-10-01 12:00:00", tick=False)
    link, browser = topics.topics_link(person), Client()
    time_machine.move_to("2026-11-20 12:00:00", tick=False)

    expired = browser.get(link, follow=True)
    assert expired.status_code == 410
    browser.post("/communication-preferences/by-link/")
    answered()

    assert browser.get(link_sent(), follow=True).status_code == 200


@pytest.mark.parametrize("token", ["forged", "a:b:c", "x" * 4000])
def test_S0_11c_a_forged_link_opens_nothing(person, token):
    assert Client().get(f"/communication-preferences/by-link/{token}/", follow=True).status_code == 410


def test_T14_whether_somebody_has_the_address_is_told_to_nobody(person):
    said = []
    for email in ("tom@alfa.example", "nobody@alfa.example"):
        response = Client().post(ASK, {"email": email})
        body = re.sub(rb"[A-Za-z0-9]{64}", b"", response.content)  # the CSRF token
        said.append((response.status_code, body, sorted(response.headers)))
    assert said[0] == said[1]
    assert LinkRequest.objects.count() == 2
    assert not Message.objects.exists()

    answered()

    assert [mail.recipient for mail in Message.objects.all()] == ["tom@alfa.example"]
    assert link_sent()


def test_Q12_three_links_an_hour_for_one_address(client, person):
    for _ask in range(3):
        assert "Look in your mailbox" in client.post(ASK, {"email": person.email}).content.decode()

    assert "Too many tries" in client.post(ASK, {"email": person.email}).content.decode()
