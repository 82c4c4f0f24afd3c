"""The list of scopes: what a person may see, with the role on each, and why it is empty (S0-18, P21)."""

import pytest
from django.test import Client
from django.urls import reverse

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

    with django_assert_num_queries(5):  # session, person, roles, count, rows
        client.get(PAGE)


def test_I23_a_lost_role_is_gone_at_the_next_request(client, person):
    account = BillingAccountFactory(name="Alfa", owner=UserFactory())
    held = AccountRoleFactory(account=account, user=person, role=Role.ACCOUNT_READER)
    assert rows(client.get(PAGE)) == [("Alfa", "Billing account reader")]

    held.delete()

    assert rows(client.get(PAGE)) == []
