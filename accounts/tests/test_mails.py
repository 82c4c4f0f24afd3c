"""The mails of this app as they go out: in the reader's language, with links of ours, escaped."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.adapter import AccountAdapter
from accounts.models import LinkKind
from accounts.services.links import answer_link_request, ask_for_link
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    UserFactory,
)
from core.mail import write_mail
from core.models import Message
from core.policy import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Logistiek B.V.", organisation__name="Alfa")


def written(recipient):
    """Subject, text and page of the latest mail to that address."""
    mail = write_mail(Message.objects.filter(recipient=recipient).order_by("pk").last())
    return mail.subject, mail.body, mail.alternatives[0].content


def links(text):
    return re.findall(r"http[^\s\"<]+", text)


def every_mail(account, owner, language):
    """One of each, to people of that language."""
    person = OrganisationMemberFactory(organisation=account.organisation, user__language=language).user
    owner.language = language
    owner.save()
    given = services.assign_account_role(account, user=person, role=Role.ACCOUNT_READER, by=owner)
    services.remove_account_role(given, by=owner)
    services.invite_to_account(
        account, email="new@alfa.example", role=Role.ACCOUNT_CONTRIBUTOR, by=owner, language=language
    )
    values = {name: getattr(account.sold_to, name) for name in ("company_name", "email", "line1", "postal_code")}
    services.save_account_addresses(account, sold_to={**values, "city": "Dordrecht"}, sold_to_version=1, by=owner)
    answer_link_request(ask_for_link(LinkKind.PASSWORD, person.email))
    AccountAdapter().send_notification_mail("account/email/password_changed", owner)
    return person


@pytest.mark.parametrize(
    ("language", "subjects"),
    [
        (
            "en",
            {
                "Role given on Alfa Logistiek B.V.",
                "Role taken away on Alfa Logistiek B.V.",
                "Invitation to Alfa Logistiek B.V.",
                "Address of Alfa Logistiek B.V. changed",
                "Choose a new password",
                "Your password was changed",
            },
        ),
        (
            "nl",
            {
                "Rol gegeven op Alfa Logistiek B.V.",
                "Rol ingetrokken op Alfa Logistiek B.V.",
                "Uitnodiging voor Alfa Logistiek B.V.",
                "Adres van Alfa Logistiek B.V. gewijzigd",
                "Kies een nieuw wachtwoord",
                "Uw wachtwoord is gewijzigd",
            },
        ),
    ],
)
def test_every_mail_is_written_in_the_language_of_its_reader(account, owner, language, subjects):
    every_mail(account, owner, language)

    mails = [write_mail(message) for message in Message.objects.all()]

    assert {mail.subject for mail in mails} == subjects
    for mail in mails:
        page = mail.alternatives[0].content
        assert f'lang="{language}"' in page
        assert "{{" not in mail.body + page
        assert all(link.startswith("http://testserver/") for link in links(mail.body)), mail.body
        assert "\n\n\n" not in mail.body


def test_the_invitation_says_for_what_by_whom_and_until_when(account, owner):
    services.invite_to_account(account, email="new@alfa.example", role=Role.ACCOUNT_CONTRIBUTOR, by=owner)
    invitation = account.invitations.get()

    _subject, text, page = written("new@alfa.example")

    for shown in ("Alfa Logistiek B.V.", "Billing account contributor", "Marieke de Vries", "for 7 days"):
        assert shown in text
        assert shown in page
    path = Message.objects.get().secret_context["path"]
    assert links(text)[0] == f"http://testserver{path}"
    assert services.digest(path.split("/")[2]) == invitation.token_digest


def test_whoever_lost_a_role_gets_no_link_to_a_page_that_is_closed_now(account, owner):
    held = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER)
    services.remove_account_role(held, by=owner)
    page = reverse("account_access", args=[account.code])

    assert page not in written(held.user.email)[1]
    assert page in written("owner@alfa.example")[1]


def test_an_unknown_address_is_told_that_nobody_signs_in_with_it():
    answer_link_request(ask_for_link(LinkKind.PASSWORD, "nobody@alfa.example"))

    _subject, text, _page = written("nobody@alfa.example")

    assert "Nobody signs in to the portal with it." in text
    assert "/key/" not in text


@pytest.mark.parametrize("name", ["<b>Eva</b>", "Eva\r\nBcc: thief@x.example", "Eva {{ secret }}", "Eva {% now %}"])
def test_T36_T39_what_people_call_themselves_is_only_a_name(account, name):
    owner = AccountRoleFactory(account=account, user__name=name).user
    person = OrganisationMemberFactory(organisation=account.organisation).user
    services.assign_account_role(account, user=person, role=Role.ACCOUNT_READER, by=owner)

    mail = write_mail(Message.objects.filter(recipient=person.email).get())

    assert "<b>Eva</b>" not in mail.alternatives[0].content
    assert "\n" not in mail.subject
    assert set(mail.message().keys()) >= {"Subject", "To"}
    assert "Bcc" not in mail.message()


def test_S0_4_security_mail_reaches_the_sign_in_address_whatever_the_contact_address_is():
    person = UserFactory(contact_email="contact@alfa.example", contact_email_verified_at=None)
    Client().force_login(person)

    AccountAdapter().send_notification_mail("account/email/password_changed", person)
    person.contact_email_verified_at = timezone.now()
    person.save()
    AccountAdapter().send_notification_mail("account/email/password_changed", person)

    assert [mail.recipient for mail in Message.objects.order_by("pk")] == [
        person.email,
        person.email,
        "contact@alfa.example",
    ]


def test_allauth_sends_nothing_itself():
    with pytest.raises(ValueError, match="no mail of this portal"):
        AccountAdapter().send_mail("account/email/email_confirmation", "x@alfa.example", {})
