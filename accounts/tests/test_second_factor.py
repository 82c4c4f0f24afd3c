"""Second factors: who needs one, what stands before every page until then, and no way around."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.services.sessions import remove_factors
from accounts.tests.factories import (
    PASSWORD,
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from accounts.tests.passkeys import add_passkey
from core.errors import Refused
from core.models import Message, Session
from core.policy import Role
from core.step_up import BY_CARD

pytestmark = [pytest.mark.django_db, pytest.mark.step_up]
LOGIN, FACTOR, NEEDED = "/sign-in/login/", "/sign-in/second-factor/", "/security-info/second-factor/"


@pytest.fixture
def owner():
    """An owner who came in long ago."""
    person = UserFactory(email="marieke@alfa.example", date_joined="2025-01-01T12:00:00Z")
    BillingAccountFactory(owner=person)
    return person


@pytest.fixture
def secret(owner):
    """The key of the owner's authenticator app."""
    made = generate_totp_secret()
    TOTP.activate(owner, made)
    RecoveryCodes.activate(owner)
    return made


def code_of(secret, steps=0):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def sign_in(client, person):
    return client.post(LOGIN, {"login": person.email, "password": PASSWORD})


def is_in(client):
    return client.get("/help/").status_code == 200


def test_ASVS_6_3_3_a_password_alone_no_longer_signs_in(client, owner, secret):
    assert sign_in(client, owner).url == FACTOR
    assert not is_in(client)

    assert client.post(FACTOR, {"code": code_of(secret)}).url == "/start/"

    assert is_in(client)


def test_ASVS_6_5_1_a_code_is_taken_once_also_in_another_process(owner, secret):
    first, second = Client(), Client()
    code = code_of(secret)
    for browser in (first, second):
        sign_in(browser, owner)
    first.post(FACTOR, {"code": code})

    second.post(FACTOR, {"code": code})

    assert is_in(first)
    assert not is_in(second)


def test_Q12_five_codes_a_minute_whatever_browser(owner, secret):
    for _guess in range(5):
        browser = Client()
        sign_in(browser, owner)
        browser.post(FACTOR, {"code": "000000"})

    browser = Client()
    sign_in(browser, owner)
    response = browser.post(FACTOR, {"code": code_of(secret)})

    assert response.context["form"].errors["code"] == ["Too many tries. Wait 1 minute and try again."]


def test_P18_a_recovery_code_signs_in_once(owner, secret):
    code = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()[0]
    for wanted in (True, False):
        browser = Client()
        sign_in(browser, owner)
        browser.post(FACTOR, {"code": code})
        assert is_in(browser) is wanted


def test_I30_the_key_of_the_app_is_kept_encrypted(secret):
    assert secret not in str(Authenticator.objects.values_list("data", flat=True))


@pytest.mark.parametrize(
    "role", ["owner", "administrator", "user administrator", "organisation administrator", "staff"]
)
def test_ASVS_6_3_3_whoever_is_privileged_needs_one(client, role):
    person = UserFactory(date_joined="2025-01-01T12:00:00Z", is_staff=role == "staff", is_superuser=role == "staff")
    account = BillingAccountFactory(online_services=role == "administrator")
    if role in ("owner", "administrator"):
        given = Role.ACCOUNT_OWNER if role == "owner" else Role.ACCOUNT_ADMINISTRATOR
        AccountRoleFactory(account=account, user=person, role=given)
    elif role != "staff":
        given = Role.USER_ADMINISTRATOR if role == "user administrator" else Role.ORGANISATION_ADMINISTRATOR
        OrganisationRoleFactory(organisation=account.organisation, user=person, role=given)
    sign_in(client, person)

    for page in ("/help/", "/billing-accounts/", *(["/staff/", "/staff/accounts/user/"] if role == "staff" else [])):
        assert client.get(page).url == NEEDED
    assert client.get(NEEDED).status_code == 200
    assert client.get("/security-info/").status_code == 200


def test_everybody_else_may_have_one_and_goes_on_without(client):
    reader = AccountRoleFactory(role=Role.ACCOUNT_READER, user__date_joined="2025-01-01T12:00:00Z").user
    sign_in(client, reader)

    assert is_in(client)
    assert "Add an authenticator app" in client.get("/security-info/").content.decode()


def test_the_grace_is_counted_from_coming_in_and_nothing_begins_it_anew(client, settings, time_machine):
    time_machine.move_to("2026-11-01 12:00:00", tick=False)
    person = UserFactory()
    held = AccountRoleFactory(user=person)
    sign_in(client, person)
    assert "From 15 Nov 2026 on you need a second factor" in client.get("/help/").content.decode()

    time_machine.move_to("2026-11-15 12:00:01", tick=False)
    later = Client()
    sign_in(later, person)
    assert later.get("/help/").url == NEEDED
    held.delete()
    assert later.get("/help/").status_code == 200
    AccountRoleFactory(account=held.account, user=person)
    assert later.get("/help/").url == NEEDED

    settings.SECOND_FACTOR_GRACE_DAYS = 0
    newcomer = UserFactory()
    AccountRoleFactory(user=newcomer)
    sign_in(Client(), newcomer)
    last = Client()
    sign_in(last, newcomer)
    assert last.get("/help/").url == NEEDED


@pytest.mark.django_db(transaction=True)
def test_an_app_is_added_with_a_confirmation_everybody_is_told_and_the_codes_are_shown_once(client, owner):
    sign_in(client, owner)
    assert client.get("/sign-in/second-factor/app/").url.startswith("/sign-in/reauthenticate/")
    client.post("/sign-in/reauthenticate/", {"password": PASSWORD})
    secret = client.get("/sign-in/second-factor/app/").context["form"].secret

    response = client.post("/sign-in/second-factor/app/", {"code": code_of(secret)})

    assert response.url == "/sign-in/second-factor/recovery-codes/"
    assert len(client.get(response.url).context["unused_codes"]) == 10
    assert set(client.get(response.url).context["unused_codes"]) == {"****"}
    assert is_in(client)
    assert Message.objects.get(template="security_changed").context["what"] == "totp_activated"


def test_the_last_factor_of_somebody_who_needs_one_stays(client, owner, secret):
    sign_in(client, owner)
    client.post(FACTOR, {"code": code_of(secret, -1)})
    client.post("/sign-in/second-factor/confirmation/", {"code": code_of(secret)})

    page = client.get("/sign-in/second-factor/app/removal/").content.decode()
    client.post("/sign-in/second-factor/app/removal/")

    assert "This is your last second factor" in page
    assert Authenticator.objects.filter(type="totp").exists()


def test_the_last_passkey_stays_too(client, owner):
    passkey = add_passkey(owner)
    client.force_login(owner)

    response = client.post(reverse("mfa_remove_webauthn", args=[passkey.pk]))

    assert response.url == "/security-info/"
    assert Authenticator.objects.exists()


@pytest.mark.parametrize(
    "page",
    ["/help/", "/staff/", "/security-info/phone/", "/sign-in/second-factor/app/removal/"],
)
def test_T20_a_session_without_the_factor_opens_nothing_once_there_is_one(client, owner, secret, page):
    """A session from before, or one made in another way than by signing in."""
    User.objects.filter(pk=owner.pk).update(is_staff=True)
    client.force_login(owner)

    assert client.get(page).url.startswith("/sign-in/second-factor/confirmation/")


def test_T20_who_has_a_factor_does_not_confirm_by_password(client, owner, secret):
    sign_in(client, owner)
    client.post(FACTOR, {"code": code_of(secret)})

    response = client.post("/sign-in/reauthenticate/", {"password": PASSWORD})

    assert response.url == "/sign-in/second-factor/confirmation/"
    assert client.get("/security-info/phone/").url.startswith("/sign-in/second-factor/confirmation/")


def test_ASVS_6_4_3_a_new_password_does_not_go_around_the_factor(client, owner, secret):
    owner.set_password("another battery of staples")
    owner.save()
    client.post(LOGIN, {"login": owner.email, "password": "another battery of staples"})

    assert not is_in(client)


def test_in_a_demo_a_card_is_enough(client, owner):
    client.force_login(owner)
    session = client.session
    session[BY_CARD] = True
    session.save()

    assert is_in(client)


def test_P18_staff_remove_the_factors_of_somebody_who_lost_them_and_everybody_is_told(client, owner, secret):
    theirs, staff = Client(), UserFactory(staff=True)
    sign_in(theirs, owner)
    theirs.post(FACTOR, {"code": code_of(secret)})
    client.force_login(staff)
    session = client.session
    session[BY_CARD] = True
    session.save()

    client.post("/staff/accounts/user/", {"action": "remove_factors", "_selected_action": [owner.pk]})

    assert not Authenticator.objects.exists()
    assert not is_in(theirs)
    assert Message.objects.filter(template="security_changed", context__what="factors_removed").exists()
    sign_in(theirs, owner)
    assert theirs.get("/help/").url == NEEDED
    for by in (staff, owner):
        with pytest.raises((PermissionDenied, Refused)):
            remove_factors(staff, by=by)


def test_ASVS_6_3_4_the_ways_in_are_these(settings):
    """Whoever adds another looks here first: each of these is for somebody new, or for a demo."""
    ways = {
        str(file.relative_to(settings.BASE_DIR))
        for app in ("core", "accounts", "profiles", "billing_portal")
        for file in (settings.BASE_DIR / app).rglob("*.py")
        if "tests" not in file.parts and re.search(r"(?<![.\w])login\(", file.read_text())
    }

    assert ways == {
        "accounts/adapter.py",  # allauth, after every stage of signing in
        "accounts/coming_in.py",  # takes an invitation as a new person, who has no factor yet
        "billing_portal/demo/views.py",
    }


# --- Sessions -------------------------------------------------------------------------------------


def test_ASVS_7_5_2_everybody_sees_where_they_are_signed_in_and_ends_it_there(owner):
    reader = UserFactory()
    here, there = Client(), Client(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko Firefox/140.0")
    for browser in (here, there):
        sign_in(browser, reader)
    page = here.get("/security-info/sessions/").content.decode()
    assert "Firefox, Linux" in page
    assert "127.0.0.1" in page
    assert there.session.session_key not in page
    elsewhere = Session.objects.get(session_key=there.session.session_key)

    thief = Client()
    sign_in(thief, UserFactory())
    thief.post("/security-info/sessions/", {"signed_in_at": str(elsewhere.signed_in_at.timestamp())})
    assert is_in(there)
    here.post("/security-info/sessions/", {"signed_in_at": str(elsewhere.signed_in_at.timestamp())})

    assert not is_in(there)
    assert is_in(here)


def test_ASVS_7_4_3_everywhere_else_is_ended_at_once(owner):
    reader = UserFactory()
    browsers = [Client() for _number in range(3)]
    for browser in browsers:
        sign_in(browser, reader)

    browsers[0].post("/security-info/sessions/", {"all": "1"})

    assert [is_in(browser) for browser in browsers] == [True, False, False]


def test_ASVS_7_3_1_who_is_privileged_is_signed_out_after_half_an_hour_away(client, time_machine):
    time_machine.move_to("2026-11-20 12:00:00", tick=False)
    person = UserFactory()
    BillingAccountFactory(owner=person)
    sign_in(client, person)
    for minutes in (29, 58):
        time_machine.move_to(f"2026-11-20 12:{minutes}:00", tick=False)
        assert is_in(client)
    time_machine.move_to("2026-11-20 13:28:01", tick=False)

    assert client.get("/help/").url == "/sign-in/login/?next=%2Fhelp%2F"
    assert not is_in(client)


def test_ASVS_7_3_2_no_session_outlives_twelve_hours_however_busy(client, time_machine):
    time_machine.move_to("2026-11-20 00:00:00", tick=False)
    reader = UserFactory()
    sign_in(client, reader)
    for hour in range(1, 12):
        time_machine.move_to(f"2026-11-20 {hour:02}:59:00", tick=False)
        assert is_in(client)
    time_machine.move_to("2026-11-20 12:00:01", tick=False)

    assert not is_in(client)
