"""Step 1 of the thread: an invitation, a name and a password, in and out, and a forgotten password."""

import pytest
from django.core.management import call_command

from accounts.models import User
from accounts.tests.factories import PASSWORD, AccountRoleFactory, UserFactory
from billing_portal.tests.journeys.conftest import link_of
from core.policy import Role

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NEW_PASSWORD = "seven bicycles under a bridge"


def test_S1_5_a_newcomer_takes_the_invitation_and_signs_in(person, way, mailbox, capsys):
    call_command(
        "create_customer",
        organisation="Alfa Logistiek B.V.",
        country="NL",
        owner="marieke@alfa.example",
        language=way.language,
        company="Alfa Logistiek B.V.",
        email="facturen@alfa.example",
        street="Waalhaven 21",
        postal_code="3089 JH",
        city="Rotterdam",
    )
    newcomer = person()
    newcomer.opens(link_of(mailbox("marieke@alfa.example"), "/invitations/"))
    newcomer.reads("Welcome")
    newcomer.sees("Alfa Logistiek B.V.")
    newcomer.looks()
    newcomer.types("Your name", "Marieke de Vries")
    newcomer.types("Password", "too short")
    newcomer.presses("Accept and sign in")
    newcomer.sees("One thing needs another look")
    newcomer.looks()
    newcomer.types("Password", NEW_PASSWORD)
    newcomer.presses("Accept and sign in")
    newcomer.reads("Overview")
    newcomer.looks()

    signs_out(newcomer, "Marieke de Vries")
    signs_in(newcomer, "marieke@alfa.example", NEW_PASSWORD)
    newcomer.reads("Overview")
    assert User.objects.get(email="marieke@alfa.example").name == "Marieke de Vries"


def test_S1_4_a_forgotten_password_is_set_anew_by_mail(person, way, mailbox):
    user = UserFactory(email="marieke@alfa.example", name="Marieke de Vries", language=way.language)
    AccountRoleFactory(user=user, role=Role.ACCOUNT_READER)  # an owner would need more than the mailbox
    forgetful = person()
    forgetful.opens("/sign-in/login/")
    forgetful.types("E-mail", user.email)
    forgetful.types("Password", "not my password at all")
    forgetful.presses("Sign in")
    forgetful.sees("One thing needs another look")
    forgetful.looks()
    forgetful.follows("Forgot password?")
    forgetful.reads("Reset your password")
    forgetful.looks()
    forgetful.types("E-mail", user.email)
    forgetful.presses("Send the link")
    forgetful.reads("Look in your mailbox")
    forgetful.looks()

    forgetful.opens(link_of(mailbox(user.email), "/password/reset/key/"))
    forgetful.reads("Choose a new password")
    forgetful.looks()
    for label in password_labels(forgetful):
        forgetful.types(label, NEW_PASSWORD)
    forgetful.presses("Save password")
    forgetful.reads("Your password is changed")
    forgetful.looks()
    signs_in(forgetful, user.email, NEW_PASSWORD)
    forgetful.reads("Overview")
    user.refresh_from_db()
    assert (user.check_password(NEW_PASSWORD), user.check_password(PASSWORD)) == (True, False)


def signs_in(somebody, email: str, password: str) -> None:
    somebody.opens("/sign-in/login/")
    somebody.reads("Sign in")
    somebody.types("E-mail", email)
    somebody.types("Password", password)
    somebody.presses("Sign in")


def signs_out(somebody, name: str) -> None:
    somebody.presses("Account menu, %(name)s", name=name)
    somebody.presses("Sign out")
    somebody.reads("Sign in")


def password_labels(somebody) -> list[str]:
    """allauth's own labels, which are in its own catalogue."""
    fields = somebody.page.locator("input[type=password]")
    return [fields.nth(index).evaluate("node => node.labels[0].innerText.trim()") for index in range(fields.count())]
