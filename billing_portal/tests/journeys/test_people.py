"""How people are reached and prove who they are, and who works here: in a real browser."""

import re

import pytest

from accounts.models import Organisation, User
from accounts.tests.factories import OrganisationMemberFactory, OrganisationRoleFactory, UserFactory
from billing_portal.tests.journeys.conftest import link_of
from core.policy import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_S0_10_S1_7_S0_17_an_administrator_is_reached_elsewhere_and_invites_a_colleague(person, mailbox, way):
    """Contact address by its code, alternate address by its code, then a colleague by invitation."""
    organisation = Organisation.objects.create(name="Beta Bouw B.V.")
    bas = OrganisationMemberFactory(organisation=organisation, user__name="Bas de Groot").user
    OrganisationRoleFactory(organisation=organisation, user=bas, role=Role.USER_ADMINISTRATOR)
    here = person(bas)

    here.opens("/contact-information/")
    here.types("New contact e-mail", "bas@private.example")
    here.presses("Send the code")
    here.types("Code", code_in(mailbox("bas@private.example")))
    here.presses("Confirm")
    here.sees("bas@private.example")

    here.opens("/security-info/alternate_email/")
    here.types("Alternate e-mail", "bas@elsewhere.example")
    here.presses("Send the code")
    here.types("Code", code_in(mailbox("bas@elsewhere.example")))
    here.presses("Confirm")
    here.sees("b•••@elsewhere.example")

    here.opens(f"/organisations/{organisation.code}/users/new/")
    here.types("E-mail", "new@beta.example")
    here.types("Name", "New Person")
    here.presses("Send the invitation")
    newcomer = person()
    newcomer.opens(link_of(mailbox("new@beta.example"), "/joining/"))
    newcomer.types("Password", "another battery of staples")
    newcomer.presses("Accept and sign in")
    newcomer.page.wait_for_url(lambda address: "/joining/" not in address)

    assert User.objects.get(pk=bas.pk).billing_email == "bas@private.example"
    assert organisation.members.filter(user__email="new@beta.example").exists()


def code_in(mail):
    return re.search(r"\b[0-9]{6}\b", mail.get_body(("plain",)).get_content())[0]


def test_ASVS_6_3_3_a_passkey_is_added_and_asked_for_at_the_next_sign_in(visit, settings):
    """With the authenticator that Chromium brings along; allauth's script does the rest, under our policy."""
    settings.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
    tom = UserFactory(email="tom@alfa.example")
    window = visit(tom)
    page = window.page
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    window.open("/sign-in/second-factor/passkeys/new/")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("rowheader", name="Master key").wait_for()

    page.context.clear_cookies()
    window.open("/sign-in/login/")
    page.get_by_label("E-mail").fill("tom@alfa.example")
    page.get_by_label("Password", exact=True).fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    window.check()
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_role("button", name="Account menu").wait_for()
