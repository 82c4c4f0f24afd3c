"""Seeing and proving access: view as a person, and a review of everybody's."""

import pytest
from django.utils.translation import gettext
from playwright.sync_api import expect

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from billing_portal.models import AccessReview, Viewing
from core.policy import Role
from profiles.models import ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

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
