"""The list of subscriptions."""

from datetime import date

import pytest
import time_machine
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import PriceFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def page(browser, account, **query):
    return browser.get(reverse("subscriptions", args=[account.code]), query)


def names(response):
    return [subscription.name for subscription, _renewal in response.context["rows"]]


@time_machine.travel("2026-11-20 12:00:00+00:00", tick=False)
def test_list_tells_price_quantity_profile_and_next_renewal(browser, account):
    profile = BillingProfileFactory(account=account, name="Operations")
    SubscriptionFactory(profile=profile, name="Mail", quantity=1200, started_on=date(2026, 1, 31))
    SubscriptionFactory(name="Foreign")

    response = page(browser, account)

    assert [(row.name, renewal) for row, renewal in response.context["rows"]] == [("Mail", date(2026, 11, 30))]
    text = response.content.decode()
    for words in ("1,200", "€12.50", "per month", "Operations", "30 Nov 2026"):
        assert words in text
    assert "Foreign" not in text


def test_somebody_on_one_profile_sees_what_is_on_it(client, account):
    own = SubscriptionFactory(profile=BillingProfileFactory(account=account), name="Own")
    SubscriptionFactory(profile=BillingProfileFactory(account=account), name="Sibling")
    client.force_login(ProfileRoleFactory(profile=own.profile, role=Role.PROFILE_READER).user)

    assert names(page(client, account)) == ["Own"]


def test_what_is_measured_has_no_price_of_its_own(browser, account):
    SubscriptionFactory(profile=BillingProfileFactory(account=account), measured=True, name="Usage")

    assert "by usage" in page(browser, account).content.decode()


def test_an_online_services_account_shows_no_profiles(client):
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    SubscriptionFactory(profile=SubscriptionProfileFactory(account=account, name="Hidden"), name="Mail")
    client.force_login(administrator)

    response = page(client, account)

    assert names(response) == ["Mail"]
    assert "Hidden" not in response.content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"q": "ma"}, ["Mail"]),
        ({"q": "%"}, []),
        ({"status": "past_due"}, ["Storage"]),
        ({"status": "x"}, ["Mail", "Storage"]),
        ({"sort": "-name"}, ["Storage", "Mail"]),
        ({"sort": "started"}, ["Storage", "Mail"]),
        ({"sort": "account__name"}, ["Mail", "Storage"]),
    ],
)
def test_T11_list_is_searched_filtered_and_sorted_by_what_the_page_offers(browser, account, query, found):
    profile = BillingProfileFactory(account=account)
    SubscriptionFactory(profile=profile, name="Mail", started_on=date(2026, 2, 1))
    SubscriptionFactory(profile=profile, name="Storage", status="past_due", started_on=date(2026, 1, 1))

    assert names(page(browser, account, **query)) == found


def test_empty_list_says_what_would_fill_it(client, browser, account):
    assert reverse("purchase", args=[account.code]) in page(browser, account).content.decode()

    client.force_login(AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user)
    text = page(client, account).content.decode()

    assert "You see those of the billing profiles on which you have a role." in text
    assert 'aria-disabled="true"' in text


@pytest.mark.parametrize("number", [1, 3])
def test_list_asks_the_same_of_the_database_whatever_its_length(browser, account, number, django_assert_num_queries):
    for _each in range(number):
        SubscriptionFactory(profile=BillingProfileFactory(account=account), price=PriceFactory())

    with django_assert_num_queries(5):
        assert len(names(page(browser, account))) == number


def test_an_outsider_gets_404(client, account):
    client.force_login(BillingAccountFactory(owner=UserFactory()).roles.get().user)

    assert page(client, account).status_code == 404
