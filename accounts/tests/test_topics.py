"""Communication preferences: which mails somebody wants, with and without a sign-in."""

import re

import pytest
from django.test import Client

from accounts.models import LinkRequest, Topic
from accounts.services import topics
from accounts.tests.factories import UserFactory
from core.jobs import registry, run_due
from core.mail import write_mail
from core.mail_classes import MAIL_RULES, Suppressible
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


# --- One click in the mail program (RFC 8058) ---------------------------------------------------


def way_out(mail):
    return mail.extra_headers["List-Unsubscribe"].removeprefix("<http://testserver").removesuffix(">")


def click(path, client=None):
    """What a mail service sends: no cookie, no token of a form, from wherever it stands."""
    strict = client or Client(enforce_csrf_checks=True)
    return strict.post(path, {"List-Unsubscribe": "One-Click"})


@pytest.mark.parametrize("address", ["email", "contact_email"])
def test_RFC8058_one_click_declines_this_topic_and_nothing_else(person, address):
    type(person).objects.filter(pk=person.pk).update(contact_email="tom@bureau.example")
    person.refresh_from_db()
    message = queue_message(
        to=getattr(person, address), template="test_mail", mail_class=MailClass.RECEIPT, language="en", context={}
    )
    mail = write_mail(message)
    assert mail.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    before = topics.wanted_topics(person)

    answers = [click(way_out(mail)), click(way_out(mail))]

    assert [answer.status_code for answer in answers] == [200, 200]  # and no redirect, by the RFC
    assert topics.wanted_topics(person) == before - {Topic.RECEIPTS}
    assert verdict_on(message) == Verdict.SUPPRESS
    assert Client().get(PAGE).status_code == 302  # nobody is signed in by it


def test_RFC8058_opening_the_address_changes_nothing_and_offers_the_button(person):
    path = way_out(write_mail(receipt(person)))

    page = Client().get(path)

    assert Topic.RECEIPTS in topics.wanted_topics(person)
    assert "Stop these mails?" in page.content.decode()
    assert person.email not in page.content.decode()  # whoever finds the link learns no address
    assert page.headers["Referrer-Policy"] == "no-referrer"


def test_RFC8058_marketing_names_its_topic(person):
    topics.choose_topics(person, [Topic.NEWS, Topic.OFFERS])
    context = {"person_id": person.pk, "topic": Topic.OFFERS}
    message = queue_message(
        to=person.email, template="test_mail", mail_class=MailClass.MARKETING, language="en", context=context
    )

    click(way_out(write_mail(message)))

    assert topics.wanted_topics(person) == {Topic.NEWS}
    assert verdict_on(message) == Verdict.SUPPRESS


@pytest.mark.parametrize(
    "mail_class", [each for each in MailClass if MAIL_RULES[each].suppressible != Suppressible.BY_PERSON]
)
def test_RFC8058_mail_that_nobody_may_decline_offers_no_button(person, mail_class):
    message = queue_message(to=person.email, template="test_mail", mail_class=mail_class, language="en", context={})

    assert not {"List-Unsubscribe", "List-Unsubscribe-Post"} & set(write_mail(message).extra_headers)


def test_RFC8058_an_address_of_nobody_has_no_button(person):
    message = queue_message(
        to="books@bureau.example", template="test_mail", mail_class=MailClass.RECEIPT, language="en", context={}
    )

    assert "List-Unsubscribe" not in write_mail(message).extra_headers


@pytest.mark.parametrize("change", [lambda token: token[:-1] + "_", lambda token: "nonsense", lambda token: token[5:]])
def test_RFC8058_a_forged_address_declines_nothing(person, change):
    *start, token, _end = way_out(write_mail(receipt(person))).split("/")

    answer = click("/".join([*start, change(token), ""]))

    assert answer.status_code == 410
    assert Topic.RECEIPTS in topics.wanted_topics(person)


def test_RFC8058_a_link_to_all_topics_is_no_click_and_the_other_way_round(person):
    link, path = topics.topics_link(person), way_out(write_mail(receipt(person)))

    assert click(f"/communication-preferences/one-click/{link.split('/')[-2]}/").status_code == 410
    assert Client().get(f"/communication-preferences/by-link/{path.split('/')[-2]}/", follow=True).status_code == 410


def test_RFC8058_Q12_ten_clicks_an_hour_for_a_mailbox(person):
    path = way_out(write_mail(receipt(person)))

    assert [click(path).status_code for _time in range(11)] == [200] * 10 + [429]
    other = UserFactory()
    assert click(way_out(write_mail(receipt(other)))).status_code == 200


def test_RFC8058_the_click_stands_in_the_history(person):
    click(way_out(write_mail(receipt(person))))

    [event] = person.topic_choices.model.pgh_event_model.objects.all()
    assert (event.topic, event.is_wanted, event.pgh_context.metadata["action"]) == ("receipts", False, "topics.chosen")
