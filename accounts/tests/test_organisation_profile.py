"""The profile of an organisation, apart from the sold-to of its accounts (S1-2)."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Address, BillingAccount, Organisation
from accounts.services import update_organisation
from accounts.tests.factories import BillingAccountFactory, OrganisationRoleFactory, UserFactory
from core.errors import Forbidden
from core.policy import Role

pytestmark = pytest.mark.django_db

VALUES = {
    "name": "Alfa Groep",
    "phone": "+31 10 200 30 40",
    "preferred_language": "nl",
    "technical_contact_name": "Noor Hendriks",
    "technical_contact_email": "noor@alfa.example",
    "technical_contact_phone": "",
    "line1": "Coolsingel 40",
    "line2": "",
    "postal_code": "3011 AD",
    "city": "Rotterdam",
    "version": 1,
}


@pytest.fixture
def account():
    return BillingAccountFactory(name="Alfa Logistiek B.V.", organisation__name="Alfa", owner=UserFactory())


@pytest.fixture
def organisation(account):
    return account.organisation


def who_is(role, organisation):
    return OrganisationRoleFactory(organisation=organisation, role=role).user


@pytest.fixture
def administrator(organisation):
    return who_is(Role.ORGANISATION_ADMINISTRATOR, organisation)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def page_of(organisation, name="organisation_edit"):
    return reverse(name, args=[organisation.code])


def test_S1_2_the_administrator_changes_it_and_the_sold_to_keeps_its_name(account, organisation, administrator):
    response = signed_in(administrator).post(page_of(organisation), VALUES)

    assert response.url == page_of(organisation, "organisation_profile")
    stored = Organisation.objects.get()
    assert {name: getattr(stored, name) for name in VALUES if hasattr(stored, name)} == {
        **{name: value for name, value in VALUES.items() if hasattr(stored, name)},
        "version": 2,
    }
    assert (stored.address.line1, stored.address.country.code, stored.address.kind) == (
        "Coolsingel 40",
        "NL",
        "organisation",
    )
    account = BillingAccount.objects.get()
    assert (account.name, account.sold_to.company_name, account.sold_to.line1) == (
        "Alfa Logistiek B.V.",
        "Alfa Logistiek B.V.",
        "Waalhaven Zuidzijde 21",
    )
    page = signed_in(administrator).get(response.url).content.decode()
    for shown in ("Alfa Groep", "Coolsingel 40", "3011 AD Rotterdam", "Noor Hendriks", "noor@alfa.example", "Dutch"):
        assert shown in page


def test_S1_2_the_country_is_read_only_whatever_is_sent(organisation, administrator):
    signed_in(administrator).post(page_of(organisation), VALUES | {"country": "DE"})

    assert Address.objects.get(kind="organisation").country.code == "NL"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("phone", "12"),
        ("line1", ""),
        ("postal_code", "1"),
        ("city", ""),
        ("technical_contact_email", "no"),
        ("preferred_language", "xx"),
    ],
)
def test_S1_2_a_mistake_stands_at_its_field_and_nothing_is_saved(organisation, administrator, field, value):
    response = signed_in(administrator).post(page_of(organisation), VALUES | {field: value})

    assert list(response.context["form"].errors) == [field]
    organisation.refresh_from_db()
    assert (organisation.name, organisation.version, organisation.address) == ("Alfa", 1, None)


def test_S1_2_two_people_find_out_and_the_second_decides(organisation, administrator):
    browser = signed_in(administrator)
    browser.post(page_of(organisation), VALUES)

    response = browser.post(page_of(organisation), VALUES | {"city": "Dordrecht"})
    assert [(row["theirs"], row["yours"]) for row in response.context["rows"]] == [("Rotterdam", "Dordrecht")]

    browser.post(page_of(organisation), dict(response.context["kept"]))
    assert Address.objects.get(kind="organisation").city == "Dordrecht"


def test_saving_what_is_there_changes_nothing(organisation, administrator):
    browser = signed_in(administrator)
    browser.post(page_of(organisation), VALUES)
    browser.post(page_of(organisation), VALUES | {"version": 2})

    assert Organisation.objects.get().version == 2


def test_S1_2_a_user_administrator_reads_it_and_sees_who_may_change_it(organisation, administrator):
    reader = signed_in(who_is(Role.USER_ADMINISTRATOR, organisation))

    page = reader.get(page_of(organisation, "organisation_profile")).content.decode()

    assert administrator.name in page
    assert reader.get(page_of(organisation)).status_code == 403
    with pytest.raises(Forbidden):
        update_organisation(organisation, {"name": "X"}, address={}, version=1, by=UserFactory())


def test_T01_nobody_else_sees_it(account, organisation):
    for person in (
        account.roles.get().user,
        who_is(Role.ORGANISATION_ADMINISTRATOR, BillingAccountFactory().organisation),
    ):
        for name in ("organisation_profile", "organisation_edit"):
            assert signed_in(person).get(page_of(organisation, name)).status_code == 404


def test_the_list_leads_to_the_only_one_and_explains_none(organisation, administrator):
    assert signed_in(administrator).get("/organisations/").url == page_of(organisation, "organisation_profile")
    assert "No organisation is yours to see" in signed_in(UserFactory()).get("/organisations/").content.decode()
    other = BillingAccountFactory().organisation
    OrganisationRoleFactory(user=administrator, organisation=other, role=Role.USER_ADMINISTRATOR)
    assert other.name in signed_in(administrator).get("/organisations/").content.decode()


def test_the_navigation_has_it_for_who_keeps_an_organisation(organisation, administrator):
    assert "/organisations/" in signed_in(administrator).get("/help/").content.decode()
    assert "/organisations/" not in signed_in(UserFactory()).get("/help/").content.decode()


def test_only_fields_of_an_organisation_are_written(organisation, administrator):
    with pytest.raises(ValueError, match="code"):
        update_organisation(organisation, {"code": "x"}, address={}, version=1, by=administrator)
