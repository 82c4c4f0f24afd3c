"""The list of billing profiles."""

import pytest
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db


def signed_in(client, user):
    client.force_login(user)
    return client


def listed(response):
    return [(profile.name, people) for profile, people in response.context["rows"]]


def page(client, account, **query):
    return client.get(reverse("profiles", args=[account.code]), query)


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


def test_S2_20_list_shows_every_profile_of_the_account_by_name(client, account, owner):
    for name in ("operations", "Fleet", "Marketing"):
        BillingProfileFactory(account=account, name=name, po_number=f"PO-{name}", sends_invoices=name == "Fleet")
    BillingProfileFactory(name="Foreign")

    response = page(signed_in(client, owner), account)

    assert listed(response) == [("Fleet", 1), ("Marketing", 1), ("operations", 1)]
    text = response.content.decode()
    assert "PO-Fleet" in text
    assert "Foreign" not in text


def test_S2_20_somebody_on_one_profile_sees_that_one(client, account):
    seen = BillingProfileFactory(account=account, name="Fleet")
    BillingProfileFactory(account=account, name="Marketing")
    reader = ProfileRoleFactory(profile=seen, role=Role.PROFILE_READER).user

    response = page(signed_in(client, reader), account)

    assert listed(response) == [("Fleet", 2)]
    assert "Marketing" not in response.content.decode()


def test_an_outsider_gets_the_404_of_what_does_not_exist(client, account):
    BillingProfileFactory(account=account)
    outsider = BillingAccountFactory(owner=UserFactory()).roles.get().user

    assert page(signed_in(client, outsider), account).status_code == 404


def test_S2_20_an_empty_list_says_that_no_profile_exists(client, account, owner):
    response = page(signed_in(client, owner), account)

    assert "No billing profile yet" in response.content.decode()


def test_an_online_services_account_says_why_it_has_none(client):
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    SubscriptionProfileFactory(account=account, name="Hidden one")

    text = page(signed_in(client, administrator), account).content.decode()

    assert "This account has no billing profiles" in text
    assert "Hidden one" not in text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"q": "fle"}, ["Fleet"]),
        ({"q": "PO-7"}, ["Marketing"]),
        ({"q": "eet"}, []),
        ({"q": "50%"}, []),
        ({"q": "\x00"}, ["Fleet", "Marketing", "Operations"]),
        ({"status": "warned"}, ["Operations"]),
        ({"status": "nonsense"}, ["Fleet", "Marketing", "Operations"]),
        ({"sort": "-name"}, ["Operations", "Marketing", "Fleet"]),
        ({"sort": "account__roles__user__password"}, ["Fleet", "Marketing", "Operations"]),
        ({"after": "nonsense"}, ["Fleet", "Marketing", "Operations"]),
    ],
)
def test_T11_list_is_searched_filtered_and_sorted_by_what_the_page_offers(client, account, owner, query, names):
    BillingProfileFactory(account=account, name="Fleet")
    BillingProfileFactory(account=account, name="Marketing", po_number="PO-77")
    BillingProfileFactory(account=account, name="Operations", status="warned")

    response = page(signed_in(client, owner), account, **query)

    assert [name for name, _people in listed(response)] == names
    if not names:
        assert "No billing profile fits" in response.content.decode()


def test_list_goes_on_by_key(client, account, owner):
    for number in range(30):
        BillingProfileFactory(account=account, name=f"Profile {number:02}")
    browser = signed_in(client, owner)

    first = page(browser, account)
    second = browser.get(reverse("profiles", args=[account.code]) + first.context["page"].older)

    assert len(listed(first)) == 25
    assert [name for name, _people in listed(second)] == [f"Profile {number:02}" for number in range(25, 30)]
    assert second.context["page"].older == ""


@pytest.mark.parametrize("number", [1, 3])
def test_list_asks_the_same_of_the_database_whatever_its_length(
    client, account, owner, number, django_assert_num_queries
):
    for _each in range(number):
        ProfileRoleFactory(profile=BillingProfileFactory(account=account))
    browser = signed_in(client, owner)

    with django_assert_num_queries(9):
        response = page(browser, account)

    assert [people for _name, people in listed(response)] == [2] * number


def test_readers_see_add_locked_with_the_roles_and_people_who_may(client, account, owner):
    BillingProfileFactory(account=account)
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user

    text = page(signed_in(client, reader), account).content.decode()

    assert reverse("profile_new", args=[account.code]) not in text
    assert 'aria-disabled="true"' in text
    assert str(owner) in text
