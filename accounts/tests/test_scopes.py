"""The list of scopes: what a person may see, with the role on each, and why it is empty (S0-18, P21)."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AccountRole
from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationFactory,
    OrganisationRoleFactory,
    UserFactory,
)
from core.policy import Role

pytestmark = pytest.mark.django_db
PAGE = "/billing-accounts/"


@pytest.fixture
def person():
    return UserFactory(email="tom@alfa.example")


@pytest.fixture
def client(person):
    client = Client()
    client.force_login(person)
    return client


def rows(response):
    return [(account.name, role) for account, role in response.context["rows"]]


def test_S0_18_every_account_is_listed_with_the_role(client, person):
    BillingAccountFactory(name="Alfa", owner=person)
    AccountRoleFactory(account__name="Beta", user=person, role=Role.ACCOUNT_READER)
    BillingAccountFactory(name="Gamma", online_services=True, owner=person)
    BillingAccountFactory(name="Somebody else's", owner=UserFactory())

    response = client.get(PAGE)

    assert rows(response) == [
        ("Alfa", "Billing account owner"),
        ("Beta", "Billing account reader"),
        ("Gamma", "Account administrator"),
    ]


def test_the_organisation_administrator_sees_its_customer_agreements(client, person):
    organisation = OrganisationFactory()
    BillingAccountFactory(name="Alfa", organisation=organisation)
    BillingAccountFactory(name="Alfa Cloud", organisation=organisation, online_services=True)
    OrganisationRoleFactory(organisation=organisation, user=person, role=Role.ORGANISATION_ADMINISTRATOR)

    assert rows(client.get(PAGE)) == [("Alfa", "Organisation administrator")]


def test_P21_without_any_it_says_why_and_what_to_do(client):
    BillingAccountFactory(name="Somebody else's", owner=UserFactory())

    page = client.get(PAGE).content.decode()

    assert "No billing account is yours to see yet" in page
    assert "name the address you signed in with: tom@alfa.example" in page
    assert reverse("help") in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=alf", ["Alfa Cloud", "Alfa Logistiek"]),
        ("q=beta groep", ["Bouw"]),
        ("q=logistiek", []),
        ("q=%25", []),
        ("q=a%00lfa", ["Alfa Cloud", "Alfa Logistiek"]),
        ("type=online_services", ["Alfa Cloud"]),
        ("type=nonsense", ["Alfa Cloud", "Alfa Logistiek", "Bouw"]),
        ("sort=-name", ["Bouw", "Alfa Logistiek", "Alfa Cloud"]),
        ("sort=type", ["Alfa Logistiek", "Bouw", "Alfa Cloud"]),
        ("sort=organisation__members__user__password", ["Alfa Cloud", "Alfa Logistiek", "Bouw"]),
        ("after=nonsense", ["Alfa Cloud", "Alfa Logistiek", "Bouw"]),
    ],
)
def test_the_list_is_searched_filtered_and_sorted(client, person, query, names):
    BillingAccountFactory(name="Alfa Logistiek", owner=person)
    BillingAccountFactory(name="Bouw", organisation__name="Beta Groep", owner=person)
    BillingAccountFactory(name="Alfa Cloud", online_services=True, owner=person)

    assert [name for name, _role in rows(client.get(f"{PAGE}?{query}"))] == names


def test_an_account_is_found_by_its_id(client, person):
    account = BillingAccountFactory(name="Alfa", owner=person)
    BillingAccountFactory(name="Beta", owner=person)

    assert [name for name, _role in rows(client.get(PAGE, {"q": account.code}))] == ["Alfa"]


def test_nothing_found_is_not_nothing_there(client, person):
    BillingAccountFactory(name="Alfa", owner=person)

    page = client.get(PAGE, {"q": "zzz"}).content.decode()

    assert "No billing account fits" in page
    assert "Show all billing accounts" in page


def test_pages_of_twenty_five(client, person):
    for number in range(27):
        BillingAccountFactory(name=f"Account {number:02}", owner=person)

    first = client.get(PAGE)
    second = client.get(PAGE + first.context["page"].older)

    assert [name for name, _role in rows(first)] == [f"Account {number:02}" for number in range(25)]
    assert [name for name, _role in rows(second)] == ["Account 25", "Account 26"]
    assert [name for name, _role in rows(client.get(PAGE + second.context["page"].newer))] == [
        f"Account {number:02}" for number in range(25)
    ]


@pytest.mark.parametrize("number", [1, 3])
def test_the_statements_do_not_grow_with_the_rows(client, person, number, django_assert_num_queries):
    for _account in range(number):
        BillingAccountFactory(owner=person)

    with django_assert_num_queries(7):  # session, person, roles, count, rows, default scope, what sleeps
        client.get(PAGE)


def test_I23_a_lost_role_is_gone_at_the_next_request(client, person):
    account = BillingAccountFactory(name="Alfa", owner=UserFactory())
    held = AccountRoleFactory(account=account, user=person, role=Role.ACCOUNT_READER)
    assert rows(client.get(PAGE)) == [("Alfa", "Billing account reader")]

    held.delete()

    assert rows(client.get(PAGE)) == []


# --- Where a person starts ------------------------------------------------------------------------


def overview(account):
    return reverse("account_overview", args=[account.code])


def test_S0_18_signing_in_leads_to_the_account_opened_last(client, person):
    first, second = (BillingAccountFactory(owner=person) for _each in range(2))
    assert client.get(reverse("start")).url == reverse("home")

    client.get(overview(first))
    client.get(overview(second))

    assert client.get(reverse("start")).url == overview(second)
    assert "Opened last" in client.get(reverse("scopes")).content.decode()


def test_S0_18_a_default_account_comes_before_the_last_one_until_it_is_taken_back(client, person):
    first, second = (BillingAccountFactory(owner=person) for _each in range(2))
    client.get(overview(second))

    client.post(reverse("scope_default", args=[first.code]))
    assert client.get(reverse("start")).url == overview(first)
    assert "Not default" in client.get(reverse("scopes")).content.decode()

    client.post(reverse("scope_default", args=[first.code]), {"choice": "none"})
    assert client.get(reverse("start")).url == overview(second)


def test_S0_18_P21_an_account_that_was_lost_is_not_the_start(client, person):
    account = BillingAccountFactory(owner=person)
    client.get(overview(account))
    client.post(reverse("scope_default", args=[account.code]))
    BillingAccountFactory(owner=person)
    AccountRole.objects.filter(account=account).update(user=UserFactory())

    assert client.get(reverse("start")).url == reverse("home")


def test_S0_18_with_one_account_there_is_nothing_to_switch(client, person):
    only = BillingAccountFactory(owner=person)
    navigation = client.get(overview(only)).content.decode().split('<nav class="sidenav"')[1].split("</nav>")[0]
    assert f'"{PAGE}"' not in navigation

    BillingAccountFactory(owner=person)
    navigation = client.get(overview(only)).content.decode().split('<nav class="sidenav"')[1].split("</nav>")[0]
    assert f'"{PAGE}"' in navigation
