"""Before roles, payment methods and security data are changed, people say once more who they are (T21, ASVS 7.5)."""

import pytest
from django.urls import reverse

from accounts.models import AccountRole, Invitation
from accounts.services.handover import offer_administration
from accounts.tests.factories import PASSWORD, BillingAccountFactory, UserFactory
from billing_portal.checks import routes
from core.policy import Action, Role

pytestmark = [pytest.mark.django_db, pytest.mark.step_up]
SENSITIVE = {
    Action.ACCOUNT_ASSIGN_ROLES,
    Action.ACCOUNT_HAND_OVER,
    Action.ACCOUNT_VIEW_AS,
    Action.PROFILE_ASSIGN_ROLES,
    Action.PROFILE_VIEW_AS,
    Action.INVOICE_SHARE_ACCESS,
    Action.ORGANISATION_JOIN_ACCOUNT,
    Action.PROFILE_SET_APPROVAL,
    Action.METHOD_ADD,
    Action.METHOD_REPLACE_DEFAULT,
    Action.METHOD_SET_ACTIVE,
    Action.METHOD_EDIT,
    Action.METHOD_DELETE,
}
# They change nothing that opens a door, each with the reason.
NOT_ASKED = {
    "account_invitation_renewal": "sends what was offered with a confirmation once more",
    "account_invitation_removal": "takes an offer back",
    "profile_invitation_renewal": "sends what was offered with a confirmation once more",
    "profile_invitation_removal": "takes an offer back",
    "subscription_invoice_access": "only shows who sees the invoices",
    "subscription_invitation_renewal": "sends what was offered with a confirmation once more",
    "subscription_invitation_removal": "takes an offer back",
    "profile_automatic_payment": "says whether the default, set with a confirmation, is charged by itself",
    "subscription_automatic_payment": "as that of a profile",
    "method_removal_withdrawal": "keeps what is there; the deletion was planned with a confirmation",
    "card_setup_return": "the way back from the gateway, of what was begun with a confirmation",
}


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["accounts.tests.hashers.QuickArgon2"]


@pytest.fixture
def owner():
    return UserFactory(email="marieke@alfa.example")


@pytest.fixture
def page(owner):
    return reverse("account_role_new", args=[BillingAccountFactory(owner=owner).code])


def test_T21_every_page_that_changes_roles_or_payment_methods_asks_for_a_confirmation():
    found = {
        pattern.name
        for _route, pattern in routes()
        if getattr(getattr(pattern.callback, "requirement", None), "action", None) in SENSITIVE
    }
    stepped_up = {pattern.name for _route, pattern in routes() if is_stepped_up(pattern.callback)}

    assert found - stepped_up - set(NOT_ASKED) == set()
    assert found & stepped_up


def is_stepped_up(view):
    while view is not None:
        if getattr(view, "is_stepped_up", False):
            return True
        view = getattr(view, "__wrapped__", None)
    return False


def test_T21_signing_in_is_no_confirmation_and_the_person_comes_back_after_one(client, owner, page):
    client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})

    asked = client.get(page)
    assert asked.url == f"/sign-in/reauthenticate/?next={page.replace('/', '%2F')}"
    back = client.post(asked.url, {"password": PASSWORD, "next": page})

    assert back.url == page
    assert client.get(page).status_code == 200


def test_T21_what_is_sent_without_a_confirmation_is_not_done(client, owner, page):
    client.force_login(owner)

    response = client.post(page, {"email": owner.email, "role": Role.ACCOUNT_READER})

    assert response.url.startswith("/sign-in/reauthenticate/")
    assert AccountRole.objects.get().role == Role.ACCOUNT_OWNER


@pytest.mark.parametrize(("page", "status"), [("renewal", "pending"), ("withdrawal", "revoked")])
def test_T21_an_offer_of_administration_is_as_guarded_once_it_is_made(client, owner, page, status):
    account = BillingAccountFactory(online_services=True, owner=owner)
    offer = offer_administration(account, email="next@beta.example", by=owner)
    address = reverse(f"account_handover_{page}", args=[account.code])
    client.force_login(owner)

    asked = client.post(address)
    untouched = Invitation.objects.get()
    back = client.post(asked.url, {"password": PASSWORD, "next": address})
    led_to = client.get(back.url).url
    client.post(address)

    assert (untouched.status, untouched.token_digest) == ("pending", offer.token_digest)
    assert led_to == reverse("account_handover", args=[account.code])
    changed = Invitation.objects.get()
    assert changed.status == status
    assert (changed.token_digest != offer.token_digest) == (page == "renewal")


def test_T21_it_holds_ten_minutes_and_what_was_opened_in_time_may_still_be_sent(client, owner, page, time_machine):
    time_machine.move_to("2026-11-20 12:00:00", tick=False)
    client.force_login(owner)
    client.post("/sign-in/reauthenticate/", {"password": PASSWORD})

    time_machine.move_to("2026-11-20 12:09:59", tick=False)
    assert client.get(page).status_code == 200
    time_machine.move_to("2026-11-20 12:10:01", tick=False)
    assert client.get(page).status_code == 302
    assert client.post(page, {}).status_code == 200
    time_machine.move_to("2026-11-20 12:20:01", tick=False)
    assert client.post(page, {}).status_code == 302


def test_a_confirmation_after_hashing_became_dearer_signs_nobody_out(client, owner, page, settings):
    client.post(reverse("account_login"), {"login": owner.email, "password": PASSWORD})
    before = type(owner).objects.get(pk=owner.pk).password
    settings.PASSWORD_HASHERS = ["accounts.tests.hashers.DearerArgon2"]

    back = client.post("/sign-in/reauthenticate/", {"password": PASSWORD, "next": page})

    assert type(owner).objects.get(pk=owner.pk).password != before  # hashed anew
    assert (back.url, client.get(page).status_code) == (page, 200)


def test_a_wrong_password_at_a_confirmation_changes_nothing(client, owner, page):
    client.force_login(owner)

    response = client.post("/sign-in/reauthenticate/", {"password": "not my password at all", "next": page})

    assert response.status_code == 200
    assert client.get(page).url.startswith("/sign-in/reauthenticate/")


def test_T21_nobody_is_sent_away_after_a_confirmation(client, owner):
    client.force_login(owner)

    response = client.post("/sign-in/reauthenticate/", {"password": PASSWORD, "next": "https://evil.example/"})

    assert response.url == "/start/"


def test_who_may_not_do_it_at_all_is_told_so_first(client, page):
    client.force_login(UserFactory())

    assert client.get(page).status_code == 404
