"""The contact address: three ways to one page, proved by code or link, the sign-in address untouched."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Proof, ProofKind, User
from accounts.services import contact
from accounts.services.notices import mail_person
from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.errors import Refused
from core.mail import write_mail
from core.messages import MailClass
from core.models import Message
from core.sms import write_text

pytestmark = pytest.mark.django_db
PAGE = "/contact-information/"
NEW = "tom@private.example"
CONTACT, ALTERNATE, PHONE = ProofKind.CONTACT_EMAIL, ProofKind.ALTERNATE_EMAIL, ProofKind.PHONE


@pytest.fixture
def person():
    return UserFactory(email="tom@alfa.example", name="Tom Bakker")


@pytest.fixture
def browser(client, person):
    client.force_login(person)
    return client


def code_sent():
    """The code of the latest message, as its reader finds it."""
    message = Message.objects.filter(template="proof_code").latest("pk")
    text = write_text(message)[1] if message.channel == "sms" else write_mail(message).body
    return re.search(r"\b[0-9]{6}\b", text)[0]


def wrong(code):
    return f"{(int(code) + 1) % 10**6:06d}"


def link_sent():
    body = write_mail(Message.objects.filter(template="proof_code").latest("pk")).body
    return re.search(r"http://testserver(/contact-information/link/\S+)", body)[1]


@pytest.mark.parametrize("start", ["properties", "address", "menu"])
def test_S0_9_S0_10_S0_11_three_ways_lead_to_one_page(browser, person, start):
    account = BillingAccountFactory(owner=person, online_services=True)
    pages = {"properties": reverse("account_properties", args=[account.code]), "address": PAGE, "menu": reverse("help")}

    assert f'href="{PAGE}"' in browser.get(pages[start]).content.decode()
    assert browser.get(PAGE).status_code == 200


def test_S0_3_a_new_address_counts_once_its_code_is_typed(browser, person):
    assert browser.post(PAGE, {"email": NEW}).url == "/contact-information/code/"
    mail = Message.objects.get()
    assert (mail.recipient, mail.mail_class) == (NEW, MailClass.MANDATORY_SERVICE)
    person.refresh_from_db()
    assert person.billing_email == "tom@alfa.example"

    assert browser.post("/contact-information/code/", {"code": code_sent()}).url == PAGE

    person.refresh_from_db()
    assert (person.billing_email, person.email) == (NEW, "tom@alfa.example")
    told = Message.objects.filter(template="security_changed").values_list("recipient", flat=True)
    assert set(told) == {"tom@alfa.example", NEW}


def test_S0_3_the_link_of_the_mail_does_the_same_without_a_sign_in_and_looking_uses_nothing_up(browser, person):
    browser.post(PAGE, {"email": NEW})
    link, elsewhere = link_sent(), Client()
    for _look in range(2):
        answer = elsewhere.get(link)
        assert answer.url == "/contact-information/link/answer/"
        assert elsewhere.get(answer.url).status_code == 200
    person.refresh_from_db()
    assert person.contact_email == ""

    assert elsewhere.post(answer.url).status_code == 200

    person.refresh_from_db()
    assert person.billing_email == NEW
    assert Client().get(link, follow=True).status_code == 410


def test_S0_3_the_sign_in_address_is_allowed_and_needs_no_proof(browser, person):
    person.contact_email, person.contact_email_verified_at = NEW, timezone.now()
    person.save()

    browser.post(PAGE, {"email": "Tom@Alfa.example"})

    person.refresh_from_db()
    assert person.billing_email == "Tom@Alfa.example"
    assert not Proof.objects.exists()


@pytest.mark.parametrize("email", ["", "nonsense", "x" * 300 + "@x.example", "a@b.example\x00"])
def test_S0_3_what_is_no_address_is_refused_at_its_field(browser, email):
    response = browser.post(PAGE, {"email": email})

    assert response.context["form"].errors["email"]
    assert not Message.objects.exists()


def test_S0_11a_the_sign_in_address_is_shown_and_no_page_changes_it(browser, person):
    page = browser.get(PAGE).content.decode()
    browser.post(PAGE, {"email": NEW, "sign_in": "thief@x.example", "user": "1"})

    assert "tom@alfa.example" in page
    assert "You cannot change it here" in page
    assert User.objects.get(pk=person.pk).email == "tom@alfa.example"


def test_S0_11b_after_ninety_days_every_page_asks_until_it_is_answered(browser, person):
    person.contact_email, long_ago = NEW, timezone.now() - timedelta(days=91)
    person.contact_email_verified_at = person.contact_email_confirmed_at = long_ago
    person.save()
    question = f"Does {NEW} still reach you?"
    assert question in browser.get("/help/").content.decode()

    browser.post("/contact-information/later/", {"next": "/help/"})
    assert question not in browser.get("/help/").content.decode()
    later = Client()
    later.force_login(person)
    assert question in later.get("/help/").content.decode()

    assert later.post("/contact-information/confirmation/", {"next": "https://evil.example"}).url == "/"
    assert question not in later.get("/help/").content.decode()


def test_P27_one_store_says_where_mail_goes(person):
    person.contact_email, person.contact_email_verified_at = NEW, timezone.now()
    person.alternate_email = "tom@other.example"
    for mail_class in (MailClass.SERVICE, MailClass.PASSWORD_RESET, MailClass.MANDATORY_SERVICE):
        mail_person(person, template="test_mail", mail_class=mail_class, context={})

    sent = [(mail.mail_class, mail.recipient) for mail in Message.objects.order_by("pk")]
    assert sent == [
        ("service", NEW),
        ("password_reset", "tom@other.example"),
        ("mandatory_service", "tom@alfa.example"),
        ("mandatory_service", NEW),
    ]


# --- Codes ----------------------------------------------------------------------------------------


def test_T15_a_wrong_code_is_refused_counted_and_logged(person, caplog):
    contact.ask_for_proof(person, CONTACT, NEW)
    right = code_sent()
    for _guess in range(5):
        with pytest.raises(Refused) as refusal:
            contact.give_code(person, CONTACT, wrong(right))
        assert refusal.value.code == "wrong_code"

    with pytest.raises(Refused) as refusal:
        contact.give_code(person, CONTACT, right)

    assert refusal.value.code == "too_many_tries"
    assert caplog.text.count("A code was refused") == 6
    assert right not in caplog.text


def test_T15_a_code_expires_after_ten_minutes(person, time_machine):
    time_machine.move_to("2026-11-20 12:00:00", tick=False)
    contact.ask_for_proof(person, CONTACT, NEW)
    code = code_sent()
    time_machine.move_to("2026-11-20 12:10:01", tick=False)

    with pytest.raises(Refused) as refusal:
        contact.give_code(person, CONTACT, code)

    assert refusal.value.code == "expired"


def test_T15_a_code_works_once_and_a_later_one_takes_its_place(person):
    contact.ask_for_proof(person, CONTACT, "first@private.example")
    first = code_sent()
    contact.ask_for_proof(person, CONTACT, NEW)
    second = code_sent()
    if first != second:
        with pytest.raises(Refused):
            contact.give_code(person, CONTACT, first)
    contact.give_code(person, CONTACT, f" {second[:3]} {second[3:]} ")

    with pytest.raises(Refused) as refusal:
        contact.give_code(person, CONTACT, second)
    assert refusal.value.code == "no_proof"


def test_T15_a_code_of_somebody_else_or_of_another_kind_fits_nothing(person, settings):
    other = UserFactory()
    contact.ask_for_proof(person, CONTACT, NEW)
    code = code_sent()
    contact.ask_for_proof(other, CONTACT, "other@private.example")
    contact.ask_for_proof(person, ALTERNATE, "tom@other.example")
    Proof.objects.filter(user=person, kind=ALTERNATE).update(tries=0)

    for somebody, kind in ((other, CONTACT), (person, ALTERNATE)):
        with pytest.raises(Refused) as refusal:
            contact.give_code(somebody, kind, code)
        assert refusal.value.code == "wrong_code"


@pytest.mark.django_db(transaction=True)
def test_Q12_fifty_parallel_guesses_get_five_tries():
    person = UserFactory()
    contact.ask_for_proof(person, CONTACT, NEW)
    guess = wrong(code_sent())

    def give(_number):
        try:
            contact.give_code(person, CONTACT, guess)
        except Refused as refusal:
            return refusal.code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(give, range(50)))

    assert (answers.count("wrong_code"), answers.count("too_many_tries")) == (5, 45)


def test_Q12_a_person_gets_six_codes_an_hour(browser):
    for number in range(6):
        assert browser.post(PAGE, {"email": f"tom{number}@private.example"}).status_code == 302

    response = browser.post(PAGE, {"email": NEW})

    assert response.context["form"].errors["email"] == ["Too many tries. Wait an hour and try again."]


def test_I30_no_code_and_no_link_is_kept(person):
    contact.ask_for_proof(person, CONTACT, NEW)
    code, token = code_sent(), link_sent().rstrip("/").rpartition("/")[2]

    kept = str(Proof.objects.values())

    assert code not in kept
    assert token not in kept
