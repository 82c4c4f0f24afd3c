"""The sandbox's own pages, and that no card number stays anywhere (PR12, L11)."""

import logging
from datetime import date

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection

from core.testing import SECURITY_CODE
from payments.gateways.sandbox import api
from payments.gateways.sandbox.cards import SPECIMENS, specimen_of
from payments.gateways.sandbox.models import Card, Session

pytestmark = pytest.mark.django_db

REAL = "4929123456789012"  # the form of a real number, and on no list
CANARY = "4242424242424242"


@pytest.fixture
def session(settings):
    found = api.open_session(key="key", customer="customer", return_url=f"{settings.BASE_URL}/back/")
    return Session.objects.get(reference=found["id"])


def page(session):
    return f"/sandbox/cards/{session.reference}/"


def card(**values):
    return {"number": CANARY, "expiry": "08/29", "code": SECURITY_CODE, "holder": "T. Test", **values}


def every_text_in_the_database():
    """All that is stored, as text: each row of each table."""
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT t::text FROM {connection.ops.quote_name(table)} t")
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)


def test_S3_7_the_page_says_that_it_is_a_test_gateway_and_lists_its_cards(client, session):
    response = client.get(page(session))

    text = response.content.decode()
    assert response.status_code == 200
    assert "Test gateway" in text
    cards = [card for card in SPECIMENS.values() if not card.is_account]
    assert [card.shown in text for card in cards] == [True] * len(cards)
    assert "no-store" in response.headers["Cache-Control"]


def test_a_listed_card_is_taken_and_the_person_goes_back(client, session):
    response = client.post(page(session), card())

    session.refresh_from_db()
    assert (response.status_code, response.headers["Location"]) == (302, "/back/")
    assert (session.status, session.card.last4, session.card.expiry_year) == ("completed", "4242", 2029)


def test_PR12_any_other_number_is_refused_before_anything_is_kept_of_it(client, session, caplog):
    caplog.set_level(logging.DEBUG)

    response = client.post(page(session), card(number=REAL))

    assert response.status_code == 200
    assert "takes only the numbers below" in response.content.decode()
    assert REAL not in response.content.decode()
    assert not Card.objects.exists()
    assert REAL not in every_text_in_the_database()
    assert REAL not in caplog.text


@pytest.mark.parametrize("number", [REAL, "4929 1234 5678 9012", "4" * 300, "<script>", "４２４２", ""])
def test_PR12_what_was_typed_is_not_sent_back(client, session, number):
    response = client.post(page(session), card(number=number))

    assert response.context["form"].errors["number"]
    assert response.context["form"]["number"].value() == ""
    assert not Card.objects.exists()


def test_PR12_a_number_that_was_taken_is_in_no_table_and_no_log(client, session, caplog):
    caplog.set_level(logging.DEBUG)

    client.post(page(session), card(number="4242 4242 4242 4242"))

    stored = every_text_in_the_database()
    assert Card.objects.get().fingerprint in stored
    for written in (CANARY, "4242 4242", "4242-4242"):
        assert written not in stored
        assert written not in caplog.text


def test_L11_no_form_or_table_of_the_portal_has_a_place_for_a_card_number():
    names = {
        field.name
        for model in apps.get_models()
        if model._meta.app_label != "sandbox"
        for field in model._meta.get_fields()
    }

    assert not names & {"card_number", "pan", "cvc", "cvv", "security_code"}


@pytest.mark.parametrize("expiry", ["13/29", "00/29", "8-29", "08/2", "aug 29", "08/20", "10/2025"])
def test_S3_7_a_bad_or_past_expiry_is_an_error_at_its_field(client, session, time_machine, expiry):
    time_machine.move_to(date(2026, 11, 20))
    session.expires_at = session.expires_at.replace(year=2099)
    session.save()

    response = client.post(page(session), card(expiry=expiry))

    assert list(response.context["form"].errors) == ["expiry"]


def test_a_card_that_asks_the_bank_goes_through_its_page(client, session):
    number = SPECIMENS["checked_once"].number
    to_check = client.post(page(session), card(number=number)).headers["Location"]

    shown = client.get(to_check)
    back = client.post(to_check, {"answer": "yes"})

    session.refresh_from_db()
    assert "4441" in shown.content.decode()
    assert (back.headers["Location"], session.status) == ("/back/", "completed")


def test_refusing_at_the_bank_keeps_no_card(client, session):
    to_check = client.post(page(session), card(number=SPECIMENS["checked_once"].number)).headers["Location"]

    client.post(to_check, {"answer": "no"})

    session.refresh_from_db()
    assert (session.status, session.decline_code, session.card) == ("refused", "not_confirmed", None)


def test_who_goes_back_without_a_card_ends_the_session(client, session):
    response = client.post(f"{page(session)}leave/")

    session.refresh_from_db()
    assert (response.headers["Location"], session.status) == ("/back/", "left")


def test_a_session_serves_one_card(client, session):
    client.post(page(session), card())

    again = client.post(page(session), card(number=SPECIMENS["amex"].number))

    assert again.headers["Location"] == "/back/"
    assert Card.objects.count() == 1


def test_a_session_of_yesterday_takes_no_card(client, session, time_machine):
    time_machine.move_to(session.expires_at)

    response = client.post(page(session), card())

    assert response.headers["Location"] == "/back/"
    assert not Card.objects.exists()


def test_a_made_up_session_is_not_found(client):
    assert client.get("/sandbox/cards/ses_000000000000000000000000/").status_code == 404
    assert client.get("/sandbox/checks/ch_000000000000000000000000/").status_code == 404


def test_T49_the_way_back_leads_nowhere_else(client):
    found = api.open_session(key="key", customer="customer", return_url="https://elsewhere.example/")

    response = client.post(f"/sandbox/cards/{found['id']}/leave/")

    assert response.status_code == 404


def test_a_test_card_fills_itself_in(client, session):
    form = client.get(page(session), {"card": "amex"}).context["form"]

    assert form["number"].value() == "3782 822463 10005"
    assert client.get(page(session), {"card": "none"}).context["form"]["number"].value() is None


@pytest.mark.parametrize("name", sorted(SPECIMENS))
def test_every_test_number_is_found_with_and_without_spaces(name):
    specimen = SPECIMENS[name]

    assert specimen_of(specimen.number) == specimen
    assert specimen_of(specimen.shown) == specimen
    assert has_check_digits(specimen.number)


def has_check_digits(number):
    if number[:2].isalpha():
        return int("".join(str(int(each, 36)) for each in number[4:] + number[:4])) % 97 == 1
    digits = [int(digit) for digit in number]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def test_the_sandbox_stops_the_start_where_it_is_not_allowed(settings):
    settings.SANDBOX_GATEWAY_ALLOWED = False

    with pytest.raises(SystemCheckError) as error:
        call_command("check")

    assert "payments.E001" in str(error.value)


def test_another_gateway_needs_no_leave(settings):
    settings.SANDBOX_GATEWAY_ALLOWED, settings.PAYMENT_GATEWAY = False, "stripe"
    settings.STRIPE_SECRET_KEY, settings.STRIPE_WEBHOOK_SECRETS = "sk_test_x", ["whsec_x"]

    call_command("check")


# --- Bank accounts, changes, payments at the bank -----------------------------------------------


def opened(settings, **values):
    found = api.open_session(key="key", customer="customer", return_url=f"{settings.BASE_URL}/back/", **values)
    return Session.objects.get(reference=found["id"])


def test_S2_3_a_mandate_is_signed_on_the_page(client, settings):
    session = opened(settings, kind="direct_debit")
    filled_in = client.get(page(session), {"card": "account"}).context["form"]["number"].value()

    response = client.post(page(session), {"number": filled_in, "holder": "Alfa B.V.", "agreed": "on"})

    session.refresh_from_db()
    assert (response.headers["Location"], session.status) == ("/back/", "completed")
    assert (session.card.last4, session.card.mandate[:4]) == ("0001", "SBX-")
    assert SPECIMENS["account"].number not in every_text_in_the_database()


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"number": "NL91ABNA0417164300"}, "number"),
        ({"number": CANARY}, "number"),
        ({"number": "NL69TEST0000000001", "agreed": ""}, "agreed"),
        ({"number": "NL69TEST0000000001", "holder": ""}, "holder"),
    ],
)
def test_PR12_other_accounts_are_refused_and_not_sent_back(client, settings, values, wrong):
    session = opened(settings, kind="direct_debit")

    response = client.post(page(session), {"holder": "Alfa B.V.", "agreed": "on", **values})

    assert list(response.context["form"].errors) == [wrong]
    assert values["number"] not in response.content.decode().split("</form>")[0].split("datalist")[0]
    assert not Card.objects.exists()


def test_PR12_an_account_is_no_card_and_a_card_no_account(client, settings):
    session = opened(settings)

    response = client.post(page(session), card(number=SPECIMENS["account"].number))

    assert list(response.context["form"].errors) == ["number"]


def test_S3_12_a_card_is_brought_up_to_date_and_keeps_its_number(client, session, settings):
    client.post(page(session), card())
    kept = Card.objects.get()
    found = api.open_session(
        key="change", customer="customer", return_url=f"{settings.BASE_URL}/back/", token=kept.token
    )
    address = f"/sandbox/cards/{found['id']}/"

    shown = client.get(address)
    past = client.post(address, {"expiry": "01/20", "holder": "N. New"})
    client.post(address, {"expiry": "01/39", "holder": "N. New", "address": "Damrak 1, Amsterdam"})

    kept.refresh_from_db()
    assert shown.context["form"]["expiry"].value() == "08/29"
    assert list(past.context["form"].errors) == ["expiry"]
    assert (kept.last4, kept.expiry_year, kept.holder, kept.address) == ("4242", 2039, "N. New", "Damrak 1, Amsterdam")
