"""Seeing and proving access: view as a person, a review of everybody's, viewers of invoices, and handing over."""

import pytest
from django.utils.translation import gettext
from playwright.sync_api import expect

from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationMemberFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from billing_portal.models import AccessReview, Viewing
from billing_portal.tests.journeys.conftest import link_of
from core.policy import Role
from invoices.tests.factories import InvoiceFactory
from profiles.models import ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def marieke():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def account(marieke):
    return BillingAccountFactory(name="Alfa Logistiek B.V.", owner=marieke)


@pytest.fixture
def tom(account):
    tom = UserFactory(name="Tom Bakker", email="tom@alfa.example")
    warehouse = BillingProfileFactory(account=account, name="Warehouse Rotterdam")
    BillingProfileFactory(account=account, name="Head office")
    return ProfileRoleFactory(profile=warehouse, user=tom, role=Role.INVOICE_MANAGER).user


def test_P12_an_owner_views_as_a_colleague_and_comes_back(person, marieke, account, tom):
    owner = person(marieke)
    owner.opens(f"/billing-accounts/{account.code}/access/people/{tom.pk}/")
    owner.follows("View as %(name)s", name="Tom Bakker")
    owner.sees("What happens")
    owner.looks()
    owner.presses("Begin")
    expect(owner.page.locator(".viewing-bar")).to_contain_text("Tom Bakker")
    owner.looks()

    owner.follows("Billing profiles")
    owner.sees("Warehouse Rotterdam")
    owner.does_not_see("Head office")
    owner.opens("/security-info/")
    owner.reads("Not while you view as somebody else")
    owner.looks()
    owner.presses("Stop viewing")
    owner.reads("Tom Bakker")
    expect(owner.page.locator(".viewing-bar")).to_have_count(0)
    assert Viewing.objects.get().ended_at is not None


def test_a_review_is_gone_through_page_by_page(person, marieke, account, tom):
    AccountRoleFactory(account=account, role=Role.ACCOUNT_READER, user__name="Rob Reader")
    owner = person(marieke)
    owner.opens(f"/billing-accounts/{account.code}/access/reviews/")
    owner.reads("Reviews of access")
    owner.looks()
    owner.follows("Begin a review")
    owner.reads("Begin a review of access")
    owner.looks()
    owner.presses("Begin")
    owner.reads("Review of access")
    owner.looks()

    with owner.speaking():
        remove, label = gettext("Remove"), gettext("Keep")
    for name, choice in (("Tom Bakker", remove), ("Rob Reader", label)):
        radio = owner.row(name).get_by_role("radio", name=choice, exact=True)
        radio.focus()
        owner.page.keyboard.press("Space")
        expect(radio).to_be_checked()
    owner.presses("Keep all that are undecided here")
    owner.sees("Everything is decided; nobody loses a role before you finish.")
    assert ProfileRole.objects.filter(user=tom).exists()
    owner.follows("Finish the review")
    owner.sees("Who loses a role now")
    owner.looks()
    owner.presses("Remove and finish")
    owner.sees("The review is finished. Its result is kept.")
    owner.looks()

    assert not ProfileRole.objects.filter(user=tom).exists()
    assert AccessReview.objects.get().finished_by == marieke


# --- Online services --------------------------------------------------------------------------------------


@pytest.fixture
def online():
    return BillingAccountFactory(
        name="Beta Webshop", online_services=True, owner=UserFactory(name="Inge Smit", email="inge@beta.example")
    )


def test_access_to_invoice_is_given_to_a_viewer_and_turned_on(person, online):
    profile = SubscriptionProfileFactory(account=online, name="Hosting")
    subscription = SubscriptionFactory(profile=profile, name="Hosting")
    invoice = InvoiceFactory(profile=profile)
    eva = OrganisationMemberFactory(organisation=online.organisation, user__name="Eva Willems").user
    inge, viewer = person(online.roles.get().user), person(eva)
    viewer.opens(f"/invoices/{invoice.code}/")
    viewer.does_not_see(invoice.number)

    inge.opens(f"/subscriptions/{subscription.code}/invoice-access/")
    inge.sees("Nobody but you sees its invoices")
    inge.looks()
    inge.follows("Add an invoice viewer")
    inge.reads("Add an invoice viewer")
    inge.looks()
    inge.types("E-mail", eva.email)
    inge.presses("Add")
    inge.sees_in_row("Eva Willems", "Asleep")
    inge.follows("Turn access to invoice on")
    inge.reads("Turn access to invoice on")
    inge.looks()
    inge.presses("Turn on")
    inge.sees("Access to invoice is on.")
    inge.sees_in_row("Eva Willems", "Sees the invoices")
    inge.looks()

    viewer.opens(f"/invoices/{invoice.code}/")
    viewer.sees(invoice.number)
    viewer.looks()


def test_an_administrator_hands_the_account_over_to_who_accepts(person, online, mailbox):
    kees = UserFactory(name="Kees de Jong", email="kees@beta.example")
    inge = person(online.roles.get().user)
    inge.opens(f"/billing-accounts/{online.code}/access/")
    inge.follows("Hand over the account")
    inge.reads("Hand over the account")
    inge.looks()
    inge.types("E-mail of the successor", kees.email)
    inge.presses("Offer the account")
    inge.sees("You stay administrator until the offer is accepted.")
    inge.looks()

    successor = person(kees)
    successor.opens(link_of(mailbox(kees.email), "/invitations/"))
    successor.reads("Accept the invitation")
    successor.looks()
    successor.presses("Accept")
    successor.sees("Welcome to %(name)s", name="Beta Webshop")

    assert online.roles.get().user == kees
    inge.opens(f"/billing-accounts/{online.code}/access/")
    inge.does_not_see("Kees de Jong")


def test_2_2_an_organisation_administrator_becomes_owner_of_an_account_without_its_people(person, account):
    ruben = OrganisationMemberFactory(organisation=account.organisation, user__name="Ruben Maas").user
    OrganisationRoleFactory(organisation=account.organisation, user=ruben, role=Role.ORGANISATION_ADMINISTRATOR)
    here = person(ruben)
    here.opens(f"/billing-accounts/{account.code}/access/")
    here.follows("Become owner")
    here.reads("Become owner")
    here.sees("%(names)s get an e-mail that says so", names="Marieke de Vries")
    here.looks()
    here.presses("Become owner")
    here.sees("You own %(account)s now.", account="Alfa Logistiek B.V.")
    here.looks()
    assert account.roles.get(user=ruben).role == Role.ACCOUNT_OWNER
