"""Properties of an account: what it is, why its country is locked, and who may change what (S0-7)."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def account():
    return BillingAccountFactory(name="Alfa Logistiek B.V.", owner=UserFactory(name="Marieke de Vries"))


def page(account, user):
    client = Client()
    client.force_login(user)
    return client.get(reverse("account_properties", args=[account.code]))


def owner_of(account):
    return account.roles.get(role__in=[Role.ACCOUNT_OWNER, Role.ACCOUNT_ADMINISTRATOR]).user


def test_S0_7_everything_about_the_account_is_there(account):
    text = page(account, owner_of(account)).content.decode()

    for shown in (
        "Customer agreement",
        account.code,
        account.organisation.name,
        "Netherlands",
        "Fixed: it decides tax and currency.",
        "EUR",
        "NL000099998B57",
        "KvK number",
        "24381907",
        "Waalhaven Zuidzijde 21",
        "3089 JH Rotterdam",
        "facturen@alfa.example",
        "+31 10 428 50 00",
    ):
        assert shown in text, shown


def test_S3_24_the_account_type_is_named():
    account = BillingAccountFactory(online_services=True, owner=UserFactory())

    text = page(account, owner_of(account)).content.decode()

    assert "Online services" in text
    assert "Bill-to address" in text


def test_P12_who_may_change_it_is_named(account):
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user

    response = page(account, reader)

    assert [editor.name for editor in response.context["editors"]] == ["Marieke de Vries"]
    assert response.context["editor_roles"] == ["Billing account owner", "Billing account contributor"]
    assert reverse("account_addresses", args=[account.code]) not in response.content.decode()


def test_who_may_is_offered_the_change(account):
    text = page(account, owner_of(account)).content.decode()

    assert f'href="{reverse("account_addresses", args=[account.code])}"' in text


def test_an_incomplete_address_is_said_on_top():
    account = BillingAccountFactory(owner=UserFactory(), sold_to__is_complete=False, sold_to__line1="")

    assert "nothing is invoiced to this account" in page(account, owner_of(account)).content.decode()


def test_the_last_change_is_named(account):
    owner = owner_of(account)
    values = {name: getattr(account.sold_to, name) for name in ("company_name", "email", "line1", "postal_code")}
    services.save_account_addresses(account, sold_to={**values, "city": "Dordrecht"}, sold_to_version=1, by=owner)

    assert "Changed by Marieke de Vries on" in page(account, owner).content.decode()


@pytest.mark.parametrize("markup", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_T36_what_people_type_is_printed_and_not_run(markup):
    account = BillingAccountFactory(owner=UserFactory(), name=markup, sold_to__line1=markup)

    text = page(account, owner_of(account)).content.decode()

    assert markup not in text
    assert "&lt;" in text


def test_T01_an_outsider_never_sees_the_page(account):
    outsider = BillingAccountFactory(owner=UserFactory()).roles.get().user

    assert page(account, outsider).status_code == 404


def test_in_dutch(account):
    owner = owner_of(account)
    owner.language = "nl"
    owner.save()

    text = page(account, owner).content.decode()

    assert "Eigenschappen" in text
    assert "Adres van afnemer" in text
    assert "KvK-nummer" in text
    assert "Nederland" in text


def test_P15_the_page_says_how_to_move_to_another_country(account):
    text = page(account, owner_of(account)).content.decode()

    assert "Country and currency of a billing account never change" in text
    assert reverse("support_request_new", args=[account.code]) in text


def test_P7_the_panel_of_addresses_says_what_to_do_about_an_issued_invoice(account):
    client = Client()
    client.force_login(owner_of(account))

    text = client.get(reverse("account_addresses", args=[account.code])).content.decode()

    assert reverse("support_request_new", args=[account.code]) + "?category=charge" in text
