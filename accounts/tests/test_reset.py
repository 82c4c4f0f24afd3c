"""Lost passwords: who needs which proofs, and a page that tells nobody who is known here."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import LinkRequest, User
from accounts.services import passwords
from accounts.services.links import answer_link_request
from accounts.tests.factories import (
    BillingAccountFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from core.errors import Refused
from core.mail import write_mail
from core.models import Message
from core.policy import Role
from core.sms import write_text

pytestmark = pytest.mark.django_db
RESET, NEW = "/sign-in/password/reset/", "another battery of staples"
OLD_ENOUGH = timedelta(days=4)


@pytest.fixture
def owner(settings):
    """An owner whose recovery data has been in force for days."""
    settings.SMS_URL = "console:"
    then = timezone.now() - OLD_ENOUGH
    person = UserFactory(
        email="marieke@alfa.example",
        alternate_email="marieke@private.example",
        alternate_email_verified_at=then,
        phone="+31612345678",
        phone_verified_at=then,
    )
    BillingAccountFactory(owner=person)
    return person


def asks(client, email="marieke@alfa.example"):
    """Ask for a new password, and let the worker answer. Returns the address of the page for codes."""
    client.post(RESET, {"email": email})
    request = LinkRequest.objects.latest("pk")
    answer_link_request(request)
    return f"/sign-in/password/reset/codes/{request.code}/"


def codes():
    """(by mail, by text) as they reached their reader."""
    mail, text = (
        Message.objects.filter(template="password_code", channel=kind).latest("pk") for kind in ("email", "sms")
    )
    assert (mail.recipient, text.recipient) == ("marieke@private.example", "+31612345678")
    return re.search(r"\b\d{6}\b", write_mail(mail).body)[0], re.search(r"\b\d{6}\b", write_text(text)[1])[0]


def other(code):
    return f"{(int(code) + 1) % 10**6:06d}"


def link_in(mail, part):
    return re.search(rf"http://testserver(\S*{part}\S+)", write_mail(mail).body)[1]


def chooses(client, address):
    """Follow the address that opens the choice, and choose."""
    page = client.get(address)
    return client.post(page.url, {"password1": NEW, "password2": NEW})


def test_S1_4_S1_10_PR11_both_codes_together_lead_to_a_new_password(client, owner):
    page = asks(client)
    by_mail, by_text = codes()
    assert not Message.objects.filter(recipient=owner.email).exists()

    chooses(client, client.post(page, {"mail_code": by_mail, "text_code": by_text}).url)

    assert User.objects.get(pk=owner.pk).check_password(NEW)
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("wrong", ["mail", "text", "both", "swapped"])
def test_T15_one_of_the_two_codes_opens_nothing(client, owner, wrong):
    page = asks(client)
    by_mail, by_text = codes()
    sent = {
        "mail": (other(by_mail), by_text),
        "text": (by_mail, other(by_text)),
        "both": (other(by_mail), other(by_text)),
        "swapped": (by_text, by_mail),
    }[wrong]

    response = client.post(page, {"mail_code": sent[0], "text_code": sent[1]})

    assert response.status_code == 200
    assert "These are not the codes we sent" in response.content.decode()


def test_T15_codes_belong_to_one_request_expire_work_once_and_take_five_tries(client, owner, time_machine):
    time_machine.move_to(timezone.now(), tick=False)
    first = asks(client)
    first_codes = codes()
    second = asks(Client())
    second_codes = codes()
    for request_code, pair in ((second, first_codes), (first, (first_codes[0], second_codes[1]))):
        with pytest.raises(Refused) as refusal:
            passwords.give_reset_codes(request_code.split("/")[-2], *pair)
        assert refusal.value.code == "wrong_code"
    passwords.give_reset_codes(first.split("/")[-2], *first_codes)
    with pytest.raises(Refused):
        passwords.give_reset_codes(first.split("/")[-2], *first_codes)
    for _guess in range(4):
        with pytest.raises(Refused):
            passwords.give_reset_codes(second.split("/")[-2], "000000", "000000")
    with pytest.raises(Refused) as refusal:
        passwords.give_reset_codes(second.split("/")[-2], *second_codes)
    assert refusal.value.code == "too_many_tries"

    third = asks(Client())
    third_codes = codes()
    time_machine.shift(timedelta(minutes=10, seconds=1))
    with pytest.raises(Refused):
        passwords.give_reset_codes(third.split("/")[-2], *third_codes)


@pytest.mark.parametrize("lacking", ["alternate_email", "phone"])
def test_T16_P18_missing_or_new_recovery_data_leaves_the_link_with_a_second_factor(client, owner, lacking):
    User.objects.filter(pk=owner.pk).update(**{f"{lacking}_verified_at": timezone.now()})
    code = RecoveryCodes.activate(owner).get_unused_codes()[0]
    asks(client)
    mail = Message.objects.get()
    assert (mail.recipient, mail.template) == (owner.email, "password_factor")
    link = link_in(mail, "/password/reset/factor/")

    page = client.get(link).url
    assert "not the code" in client.post(page, {"code": "00000000"}).content.decode()
    chooses(client, client.post(page, {"code": code}).url)

    assert User.objects.get(pk=owner.pk).check_password(NEW)
    assert Client().get(link, follow=True).status_code == 410


def test_P18_with_nothing_left_the_mail_names_who_can_help_and_one_of_them_does(client, owner):
    User.objects.filter(pk=owner.pk).update(alternate_email="", phone="")
    organisation = owner.account_roles.get().account.organisation
    bas = OrganisationMemberFactory(organisation=organisation, user__name="Bas de Groot").user
    OrganisationRoleFactory(organisation=organisation, user=bas, role=Role.USER_ADMINISTRATOR)
    asks(client)
    mail = Message.objects.get()
    assert (mail.recipient, mail.template) == (owner.email, "password_ways")
    assert "Bas de Groot" in write_mail(mail).body
    assert "/key/" not in write_mail(mail).body

    passwords.vouch_for(owner, by=bas)
    chooses(client, link_in(Message.objects.get(template="password_reset"), "/key/"))

    assert User.objects.get(pk=owner.pk).check_password(NEW)
    assert Message.objects.filter(template="security_changed", context__what="password_vouched").exists()


def test_P18_nobody_vouches_who_may_not(owner):
    stranger = OrganisationRoleFactory(role=Role.USER_ADMINISTRATOR).user
    for by in (stranger, owner, UserFactory()):
        with pytest.raises(PermissionDenied):
            passwords.vouch_for(owner, by=by)


def test_S1_4_without_a_privileged_role_the_link_to_the_sign_in_address_is_enough(client):
    UserFactory(email="tom@alfa.example")
    asks(client, "tom@alfa.example")

    chooses(client, link_in(Message.objects.get(), "/key/"))

    assert User.objects.get(email="tom@alfa.example").check_password(NEW)


def test_T23_a_limit_on_text_messages_leaves_the_other_ways(client, owner):
    for _ask in range(4):
        answer_link_request(LinkRequest.objects.create(kind="password", email=owner.email, language="en"))

    assert Message.objects.filter(channel="sms").count() == 3
    assert Message.objects.latest("pk").template == "password_ways"


# --- Who has an account ---------------------------------------------------------------------------

EVERYBODY = ("nobody@alfa.example", "marieke@alfa.example", "bare@alfa.example", "off@alfa.example", "tom@alfa.example")


@pytest.fixture
def known(owner):
    BillingAccountFactory(owner=UserFactory(email="bare@alfa.example"))
    UserFactory(email="off@alfa.example", is_active=False)
    UserFactory(email="tom@alfa.example")


def answer_to(email, path=RESET, **sent):
    browser = Client()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = browser.post(path, sent or {"email": email})
    body = re.sub(rb"[A-Za-z0-9]{64}", b"", response.content)
    kinds = [re.sub(r"'[^']*'|\d+", "?", query["sql"]) for query in queries]
    headers = {name: value for name, value in response.headers.items() if name != "X-Request-ID"}
    return response.status_code, body, headers, kinds


def test_T14_PR11_whoever_it_is_the_page_does_and_says_the_same(known):
    """Unknown, known, known without methods, deactivated, without a role: status, body, headers, queries."""
    answers = [answer_to(email) for email in EVERYBODY]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 302
    assert not any("accounts_user" in query for query in answers[0][3])
    assert not Message.objects.exists()


def test_T14_the_page_for_codes_says_the_same_too_also_when_it_is_guessed_at(known):
    said = []
    for email in EVERYBODY:
        page = asks(Client(), email)
        guesses = [answer_to(email, page, mail_code="000000", text_code="000000") for _guess in range(6)]
        said.append([(status, body.replace(page.encode(), b"")) for status, body, _headers, _queries in guesses])

    assert all(each == said[0] for each in said)
    assert b"Too many tries with these codes" in said[0][-1][1]
