"""Signing in and out, forgotten passwords, and how often somebody may try."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse
from django.utils import timezone

from accounts.jobs import forget_old_attempts
from accounts.models import Attempt, LinkRequest, User
from accounts.services.links import answer_link_request
from accounts.sign_in import DEVICE_COOKIE
from accounts.tests.factories import PASSWORD, UserFactory
from core.mail import write_mail
from core.models import Message

pytestmark = pytest.mark.django_db
LOGIN = "/sign-in/login/"
RESET = "/sign-in/password/reset/"
NEW_PASSWORD = "another battery of staples"
TOO_MANY = "Too many tries. Wait 1 minute and try again."


@pytest.fixture
def person():
    return UserFactory(email="tom@alfa.example", name="Tom Bakker")


def sign_in(client, email="tom@alfa.example", password=PASSWORD, **extra):
    return client.post(LOGIN, {"login": email, "password": password}, **extra)


def is_in(response):
    return response.status_code == 302


def said(response):
    return [str(message) for message in response.context["form"].non_field_errors()]


def ask_reset(client, email="tom@alfa.example", **extra):
    response = client.post(RESET, {"email": email}, **extra)
    for request in LinkRequest.objects.filter(answered_at=None):
        answer_link_request(request)
    return response


def link_of(mail):
    """The link as it stands in the mail that goes out, without the address of the portal."""
    text = write_mail(mail).body
    return re.search(r"http://testserver(/sign-in/password/reset/key/\S+)", text)[1]


def test_a_person_signs_in_by_e_mail_and_out_again(client, person):
    response = sign_in(client, "TOM@alfa.example")

    assert response.url == "/start/"
    assert client.session["_auth_user_id"] == str(person.pk)

    client.post("/sign-in/logout/")
    assert "_auth_user_id" not in client.session


def test_T47_signing_out_takes_a_post(client, person):
    client.force_login(person)

    client.get("/sign-in/logout/")

    assert "_auth_user_id" in client.session


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("tom@alfa.example", "wrong password here"),
        ("nobody@alfa.example", PASSWORD),
        ("off@alfa.example", PASSWORD + "x"),
    ],
)
def test_T14_whatever_is_wrong_the_answer_is_the_same(client, person, email, password):
    UserFactory(email="off@alfa.example", is_active=False)

    response = sign_in(client, email, password)

    assert response.status_code == 200
    assert said(response) == ["The email address and/or password you specified are not correct."]


def test_somebody_deactivated_does_not_come_in(client):
    UserFactory(email="off@alfa.example", is_active=False)

    sign_in(client, "off@alfa.example")

    assert "_auth_user_id" not in client.session


def test_T19_the_session_gets_a_new_key(client, person):
    client.get(LOGIN)
    session = client.session
    session["x"] = 1
    session.save()
    before = session.session_key

    sign_in(client)

    assert client.session.session_key != before


@pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example", "/\\evil.example"])
def test_T49_after_signing_in_nobody_is_sent_away(client, person, next_page):
    response = client.post(LOGIN, {"login": person.email, "password": PASSWORD, "next": next_page})

    assert response.url == "/start/"


def test_sign_up_and_everything_else_of_allauth_is_closed(client):
    routed = {name for name in get_resolver().reverse_dict if isinstance(name, str) and name.startswith("account_")}
    own = {
        "account_overview",
        "account_viewing",
        "account_reviews",
        "account_review_new",
        "account_review_interval",
        "account_person",
        "account_question",
        "account_access_export",
        "account_transfer_new",
        "account_closing",
    }

    assert routed - own == {
        "account_login",
        "account_logout",
        "account_inactive",
        "account_reauthenticate",
        "account_change_password",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
        "account_properties",
        "account_addresses",
        "account_access",
        "account_activity",
        "account_balance",
        "account_activity_export",
        "account_change_withdrawal",
        "account_name_change",
        "account_tax_ids",
        "account_vat_check",
        "account_role_new",
        "account_role_removal",
        "account_role_stand_in",
        "account_handover",
        "account_handover_renewal",
        "account_handover_withdrawal",
        "account_ownership",
        "account_roles_removal",
        "account_invitation_renewal",
        "account_invitation_removal",
    }
    for path in ("signup/", "email/", "confirm-email/", "password/set/", "login/code/"):
        assert client.get(f"/sign-in/{path}").status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("account_signup")


@pytest.mark.parametrize("name", ["account_change_password", "account_reauthenticate", "home", "scopes"])
def test_everything_else_asks_for_a_sign_in(client, name):
    response = client.get(reverse(name))

    assert response.status_code == 302
    assert response.url.startswith(LOGIN)


# --- Limits ---------------------------------------------------------------------------------------


def test_Q12_five_tries_a_minute_for_one_person(client, person):
    for _try in range(5):
        assert said(sign_in(client, password="wrong password here")) != [TOO_MANY]

    assert said(sign_in(client)) == [TOO_MANY]


def test_Q12_a_minute_later_it_goes_on(client, person, time_machine):
    time_machine.move_to("2026-11-20 12:00:00", tick=False)
    for _try in range(6):
        sign_in(client, password="wrong password here")

    time_machine.move_to("2026-11-20 12:00:59", tick=False)
    assert said(sign_in(client)) == [TOO_MANY]
    time_machine.move_to("2026-11-20 12:01:01", tick=False)
    assert is_in(sign_in(client))


def test_T14_people_who_do_not_exist_have_the_same_limit(client):
    for _try in range(5):
        sign_in(client, "nobody@alfa.example")

    assert said(sign_in(client, "nobody@alfa.example")) == [TOO_MANY]


def test_signing_in_rightly_is_not_counted(person):
    for _time in range(8):
        assert is_in(sign_in(Client()))

    assert Attempt.objects.count() == 0


def test_Q12_fifty_tries_a_minute_from_one_address(client, person):
    for number in range(50):
        sign_in(client, f"guess{number}@alfa.example", REMOTE_ADDR="203.0.113.7")

    assert said(sign_in(client, REMOTE_ADDR="203.0.113.7")) == [TOO_MANY]
    assert is_in(sign_in(Client(), REMOTE_ADDR="203.0.113.8"))


def test_Q12_an_address_of_version_six_counts_with_its_network(client):
    for number in range(50):
        sign_in(client, f"guess{number}@alfa.example", REMOTE_ADDR=f"2001:db8::{number + 1:x}")

    assert said(sign_in(client, "one-more@alfa.example", REMOTE_ADDR="2001:db8::ffff")) == [TOO_MANY]


def test_T13_guesses_from_elsewhere_do_not_keep_a_person_out(person):
    own_browser, stranger = Client(), Client()
    sign_in(own_browser)
    own_browser.post("/sign-in/logout/")
    for _guess in range(10):
        sign_in(stranger, password="wrong password here", REMOTE_ADDR="203.0.113.7")

    assert said(sign_in(stranger, REMOTE_ADDR="203.0.113.7")) == [TOO_MANY]
    assert is_in(sign_in(own_browser))


def test_T13_a_known_browser_has_a_limit_too(person):
    browser = Client()
    sign_in(browser)
    browser.post("/sign-in/logout/")
    for _guess in range(5):
        sign_in(browser, password="wrong password here")

    assert said(sign_in(browser)) == [TOO_MANY]


def test_T13_the_mark_of_a_browser_is_good_for_its_own_people_only(person):
    other = UserFactory(email="other@alfa.example")
    thief = Client()
    sign_in(thief, other.email)
    thief.post("/sign-in/logout/")
    for _guess in range(5):
        sign_in(Client(), password="wrong password here")

    assert said(sign_in(thief)) == [TOO_MANY]
    forged = Client()
    forged.cookies[DEVICE_COOKIE] = "forged"
    assert said(sign_in(forged)) == [TOO_MANY]


@pytest.mark.django_db(transaction=True)
def test_Q12_fifty_parallel_tries_are_counted_one_by_one():
    UserFactory(email="tom@alfa.example")

    def guess(_number):
        try:
            # The context of a response is collected over all threads; its text is its own.
            return TOO_MANY in sign_in(Client(), password="wrong password here").content.decode()
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        refused = list(pool.map(guess, range(50)))

    assert refused.count(False) == 5


def test_T29_nobody_is_named_in_the_counters(client, person):
    sign_in(client, password="wrong password here")

    rows = str(list(Attempt.objects.values_list("key", flat=True)))

    assert "tom" not in rows
    assert "127.0.0.1" not in rows


def test_old_tries_are_forgotten_after_a_day(client, time_machine):
    time_machine.move_to("2026-11-20 12:00:00", tick=False)
    sign_in(client)
    time_machine.move_to("2026-11-21 13:30:00", tick=False)
    sign_in(client, "late@alfa.example")

    forget_old_attempts(timezone.now())

    assert {attempt.at.hour for attempt in Attempt.objects.all()} == {13}


# --- Passwords ------------------------------------------------------------------------------------


def test_a_forgotten_password_is_replaced_by_the_link_of_the_mail(client, person):
    assert ask_reset(client).url == "/sign-in/password/reset/done/"
    mail = Message.objects.get()
    assert (mail.recipient, mail.template, mail.mail_class) == ("tom@alfa.example", "password_reset", "password_reset")

    first = client.get(link_of(mail))
    response = client.post(first.url, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert response.url == "/sign-in/password/reset/key/done/"
    assert User.objects.get(pk=person.pk).check_password(NEW_PASSWORD)
    assert not is_in(sign_in(Client()))
    assert is_in(sign_in(Client(), password=NEW_PASSWORD))


def test_ASVS_6_3_7_the_person_is_told_that_the_password_was_changed(client):
    person = UserFactory(
        email="tom@alfa.example", contact_email="tom@private.example", contact_email_verified_at=timezone.now()
    )
    ask_reset(client)
    address = client.get(link_of(Message.objects.get())).url
    Message.objects.all().delete()

    client.post(address, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert {(mail.recipient, mail.template) for mail in Message.objects.all()} == {
        (person.email, "password_changed"),
        ("tom@private.example", "password_changed"),
    }


def test_T17_the_token_goes_into_the_session_and_looking_uses_nothing_up(client, person):
    ask_reset(client)
    link = link_of(Message.objects.get())
    key = link.rstrip("/").rpartition("-")[2]

    for _look in range(2):
        response = client.get(link)
        assert response.status_code == 302
        assert key not in response.url
    assert client.get(response.url).status_code == 200


def test_T17_the_link_works_once(client, person):
    ask_reset(client)
    link = link_of(Message.objects.get())
    client.post(client.get(link).url, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})

    assert Client().get(link).status_code == 200
    assert Client().get(link).context["token_fail"] is True


def test_Q30_the_link_works_for_thirty_minutes(client, person, time_machine):
    time_machine.move_to("2026-11-20 12:00:00", tick=False)
    ask_reset(client)
    mail = Message.objects.get()
    link = link_of(mail)

    assert mail.expires_at == timezone.now() + timedelta(minutes=30)
    time_machine.move_to("2026-11-20 12:30:00", tick=False)
    assert client.get(link).status_code == 302
    time_machine.move_to("2026-11-20 12:30:02", tick=False)
    assert client.get(link).context["token_fail"] is True


def test_T18_the_link_starts_with_our_address_whatever_the_host_header_says(client, person, settings):
    settings.ALLOWED_HOSTS = ["*"]

    ask_reset(client, HTTP_HOST="evil.example")

    mail = write_mail(Message.objects.get())
    assert "evil.example" not in mail.body + str(mail.alternatives[0].content)
    assert "http://testserver/sign-in/password/reset/key/" in mail.body


def test_T14_an_unknown_address_gets_the_same_answer_and_a_mail_of_its_own(client, person):
    known, unknown = ask_reset(client), ask_reset(client, "nobody@alfa.example")

    assert (known.status_code, known.url) == (unknown.status_code, unknown.url)
    assert [(mail.recipient, mail.template) for mail in Message.objects.order_by("pk")] == [
        ("tom@alfa.example", "password_reset"),
        ("nobody@alfa.example", "password_unknown"),
    ]


def test_somebody_deactivated_gets_no_link(client):
    UserFactory(email="off@alfa.example", is_active=False)

    ask_reset(client, "off@alfa.example")

    assert Message.objects.get().template == "password_unknown"


def test_Q12_three_resets_an_hour_for_one_address(client, person, time_machine):
    time_machine.move_to("2026-11-20 12:00:00", tick=False)
    for _try in range(3):
        assert ask_reset(client).status_code == 302

    refused = ask_reset(client, "TOM@alfa.example")

    assert refused.context["form"].errors == {"email": ["Too many tries. Wait an hour and try again."]}
    assert Message.objects.count() == 3
    time_machine.move_to("2026-11-20 13:00:01", tick=False)
    assert ask_reset(client).status_code == 302


def test_T23_fifty_resets_an_hour_from_one_network_address(client):
    for number in range(50):
        assert ask_reset(client, f"p{number}@alfa.example").status_code == 302

    assert ask_reset(client, "one-more@alfa.example").status_code == 200
    assert Message.objects.count() == 50


@pytest.mark.parametrize("password", ["short-one", "password1234", "tom@alfa.example", "Tom Bakker 12"])
def test_ASVS_6_2_1_weak_passwords_are_refused(client, person, password):
    ask_reset(client)
    address = client.get(link_of(Message.objects.get())).url

    response = client.post(address, {"password1": password, "password2": password})

    assert response.status_code == 200
    assert User.objects.get(pk=person.pk).check_password(PASSWORD)


def test_ASVS_6_2_3_changing_the_password_asks_for_the_old_one(client, person):
    client.force_login(person)
    sent = {"oldpassword": "wrong password here", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

    refused = client.post("/sign-in/password/change/", sent)
    changed = client.post("/sign-in/password/change/", {**sent, "oldpassword": PASSWORD})

    assert set(refused.context["form"].errors) == {"oldpassword"}
    assert changed.status_code == 302
    assert User.objects.get(pk=person.pk).check_password(NEW_PASSWORD)
    assert Message.objects.get().template == "password_changed"


def test_Q12_guesses_of_the_old_password_are_counted(client, person):
    client.force_login(person)
    sent = {"oldpassword": "wrong password here", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    for _guess in range(5):
        client.post("/sign-in/password/change/", sent)

    response = client.post("/sign-in/password/change/", {**sent, "oldpassword": PASSWORD})

    assert response.context["form"].errors["oldpassword"] == [TOO_MANY]


def test_ASVS_7_4_1_a_new_password_ends_the_other_sessions(person):
    here, elsewhere = Client(), Client()
    sign_in(here)
    sign_in(elsewhere)
    sent = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

    here.post("/sign-in/password/change/", sent)

    assert here.get("/billing-accounts/").status_code == 200
    assert elsewhere.get("/billing-accounts/").status_code == 302


def test_reauthentication_counts_its_guesses(client, person):
    sign_in(client)
    for _guess in range(5):
        client.post("/sign-in/reauthenticate/", {"password": "wrong password here"})

    response = client.post("/sign-in/reauthenticate/", {"password": PASSWORD})

    assert response.context["form"].errors["password"] == [TOO_MANY]
