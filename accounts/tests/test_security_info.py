"""Security info: alternate address and phone, each proved by its code before it counts."""

from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import Proof, User
from accounts.services import contact, limits
from accounts.tests.factories import BillingAccountFactory, UserFactory
from accounts.tests.test_contact import ALTERNATE, PHONE, code_sent
from core.errors import Refused
from core.jobs import run_due
from core.models import Message

pytestmark = pytest.mark.django_db
PAGE = "/security-info/"
EMAIL, NUMBER = "marieke@private.example", "+31612345678"


@pytest.fixture
def person():
    return UserFactory(email="marieke@alfa.example", name="Marieke de Vries")


@pytest.fixture
def owner(person):
    BillingAccountFactory(owner=person)
    return person


@pytest.fixture
def browser(client, person, settings):
    settings.SMS_URL = "console:"
    client.force_login(person)
    return client


def test_S1_1_S1_3_the_page_lists_each_own_method_with_its_masked_value_and_status(browser, person):
    person.alternate_email, person.alternate_email_verified_at = EMAIL, timezone.now()
    person.save()

    page = browser.get(PAGE).content.decode()

    assert "m•••@private.example" in page
    assert EMAIL not in page
    assert "Verified" in page
    assert "Missing" in page


def test_S1_6_the_avatar_menu_leads_to_it(browser):
    assert f'href="{PAGE}"' in browser.get("/help/").content.decode()


@pytest.mark.parametrize(
    ("kind", "field", "typed", "kept"),
    [("alternate_email", "email", EMAIL, EMAIL), ("phone", "phone", "+31 (0)6 1234 5678", NUMBER)],
)
def test_S1_7_S1_11_a_method_counts_once_its_code_is_typed_and_everybody_is_told(
    browser, person, kind, field, typed, kept
):
    assert browser.post(f"{PAGE}{kind}/", {field: typed}).url == f"{PAGE}{kind}/code/"
    assert Message.objects.get().recipient == kept
    person.refresh_from_db()
    assert getattr(person, kind) == ""

    assert browser.post(f"{PAGE}{kind}/code/", {"code": code_sent()}).url == PAGE

    person.refresh_from_db()
    assert getattr(person, kind) == kept
    told = set(Message.objects.filter(template="security_changed").values_list("recipient", flat=True))
    assert told == {person.email} | ({EMAIL} if kind == "alternate_email" else set())
    assert person.events.order_by("-pgh_id").first().pgh_context.metadata["action"] == f"{kind}.changed"


def test_S1_8_the_old_value_stays_in_force_until_the_new_one_is_proved_and_both_are_told(browser, person):
    User.objects.filter(pk=person.pk).update(alternate_email="old@private.example", phone=NUMBER)
    browser.post(f"{PAGE}alternate_email/", {"email": EMAIL})
    assert User.objects.get(pk=person.pk).alternate_email == "old@private.example"

    browser.post(f"{PAGE}alternate_email/code/", {"code": code_sent()})
    browser.post(f"{PAGE}phone/", {"phone": "+31687654321"})
    browser.post(f"{PAGE}phone/code/", {"code": code_sent()})

    told = set(Message.objects.filter(template="security_changed").values_list("recipient", flat=True))
    assert {person.email, "old@private.example", EMAIL, NUMBER} <= told


def test_S1_8_the_last_method_of_somebody_privileged_stays(owner, browser):
    User.objects.filter(pk=owner.pk).update(alternate_email=EMAIL, phone=NUMBER)
    assert browser.post(f"{PAGE}phone/removal/").url == PAGE

    response = browser.post(f"{PAGE}alternate_email/removal/")

    assert "This is your last way to get back in" in response.content.decode()
    assert User.objects.get(pk=owner.pk).alternate_email == EMAIL


def test_S1_8_somebody_without_a_privileged_role_may_remove_the_last_one(browser, person):
    User.objects.filter(pk=person.pk).update(alternate_email=EMAIL)

    browser.post(f"{PAGE}alternate_email/removal/")

    assert User.objects.get(pk=person.pk).alternate_email == ""


@pytest.mark.parametrize(
    "email", ["Marieke@Alfa.example", "marieke@alfa.example", "marieke+reset@alfa.example", "MARIEKE+x@ALFA.example"]
)
def test_S1_9_the_mailbox_of_the_sign_in_is_no_alternate(browser, email):
    response = browser.post(f"{PAGE}alternate_email/", {"email": email})

    assert "the mailbox you sign in with" in response.context["form"].errors["email"][0]
    assert not Proof.objects.exists()


def test_S1_9_dots_make_no_other_mailbox_where_the_provider_ignores_them(person):
    person.email = "ma.rieke@gmail.com"

    with pytest.raises(Refused) as refusal:
        contact.clean_value(person, ALTERNATE, "marieke+reset@googlemail.com")

    assert refusal.value.code == "own_sign_in_address"


def test_S1_9_the_same_domain_is_warned_about(browser):
    browser.post(f"{PAGE}alternate_email/", {"email": "somebody@alfa.example"})

    assert "This address has the same domain" in browser.get(f"{PAGE}alternate_email/code/").content.decode()


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("0612345678", "not_a_number"),
        ("nonsense", "not_a_number"),
        ("+31999", "not_a_number"),
        ("+31 10 428 50 00", "no_mobile"),
        ("+7 912 345 67 89", "country_not_served"),
        ("+" + "9" * 31, "not_a_number"),
    ],
)
def test_S1_7_numbers_that_cannot_get_a_text_message_are_refused_with_the_way_out(settings, person, number, code):
    settings.SMS_URL = "console:"

    with pytest.raises(Refused) as refusal:
        contact.ask_for_proof(person, PHONE, number)

    assert refusal.value.code == code


def test_S1_7_without_a_carrier_no_phone_is_asked_for(browser, settings):
    settings.SMS_URL = ""

    assert "This portal sends no text messages." in browser.get(PAGE).content.decode()
    response = browser.post(f"{PAGE}phone/", {"phone": NUMBER})
    assert "sends no text messages" in response.context["form"].errors["phone"][0]


def test_S1_7_what_stands_there_already_is_refused(browser, person):
    User.objects.filter(pk=person.pk).update(alternate_email=EMAIL)

    response = browser.post(f"{PAGE}alternate_email/", {"email": EMAIL.upper()})

    assert response.context["form"].errors["email"] == ["This is what stands here already."]


def test_S1_10_somebody_privileged_who_lacks_one_is_warned(owner, browser):
    User.objects.filter(pk=owner.pk).update(alternate_email=EMAIL)

    assert "you need both an alternate e-mail and a mobile phone" in browser.get(PAGE).content.decode()


def test_Q12_T23_three_text_messages_an_hour_to_one_number_whoever_asks(settings):
    settings.SMS_URL = "console:"
    for _person in range(3):
        contact.ask_for_proof(UserFactory(), PHONE, NUMBER)

    with pytest.raises(Refused) as refusal:
        contact.ask_for_proof(UserFactory(), PHONE, NUMBER)

    assert refusal.value.code == "too_many"
    assert (limits.TEXTS_PER_NUMBER_A_DAY.times, limits.TEXTS_IN_ALL.times) == (10, settings.SMS_PER_DAY)


@pytest.mark.step_up
@pytest.mark.parametrize("path", ["phone/", "phone/code/", "alternate_email/", "alternate_email/removal/"])
def test_ASVS_7_5_1_nothing_changes_without_a_confirmation(browser, person, path):
    User.objects.filter(pk=person.pk).update(alternate_email=EMAIL)

    assert browser.post(PAGE + path, {"phone": NUMBER}).url.startswith("/sign-in/reauthenticate/")
    assert not Proof.objects.exists()


def test_ASVS_6_6_1_the_risk_of_text_messages_is_explained(browser):
    assert "whoever holds the SIM card" in browser.get(f"{PAGE}phone/").content.decode()


def test_S1_12_S1_13_addresses_and_payment_methods_stay_where_they_are(browser, owner):
    account = owner.account_roles.get().account

    page = browser.get(f"/billing-accounts/{account.code}/").content.decode()

    assert f"/billing-accounts/{account.code}/properties/" in page
    assert f"/billing-accounts/{account.code}/payment-methods/" in page


def test_S1_14_the_words_of_a_page_are_those_of_the_release():
    """Help stands in the pages and catalogues of this release; nothing is fetched from elsewhere."""
    page = Path("templates/accounts/security_info.html").read_text()

    assert "http" not in page


@pytest.mark.django_db(transaction=True)
def test_a_code_by_text_message_is_handed_to_the_carrier(settings, person, capsys):
    settings.SMS_URL = "console:"
    contact.ask_for_proof(person, PHONE, NUMBER)
    code = code_sent()

    run_due(only=["core.send_text_messages"])

    message = Message.objects.get()
    assert (message.status, message.secret_context) == ("accepted", {})
    assert f"SMS to {NUMBER}: {code} is your code" in capsys.readouterr().err
