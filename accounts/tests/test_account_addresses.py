"""Changing addresses: both or neither, seen by the other editor, told to the owners, kept in the history."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts import services
from accounts.models import Address
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.history import last_change
from core.models import Message
from core.policy import Role

pytestmark = pytest.mark.django_db

NEW = {
    "company_name": "Alfa Logistiek B.V.",
    "contact_name": "Inkoop",
    "email": "inkoop@alfa.example",
    "phone": "",
    "line1": "Coolsingel 40",
    "line2": "",
    "postal_code": "3011 AD",
    "city": "rotterdam",
}


@pytest.fixture
def owner():
    return UserFactory(email="owner@alfa.example", name="Marieke de Vries")


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Logistiek B.V.")


@pytest.fixture
def online(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Cloud", online_services=True)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def page_of(account):
    return reverse("account_addresses", args=[account.code])


def sent(account, sold_to=NEW, bill_to=None, **more):
    """What a browser sends for these addresses."""
    data = {f"sold_to_{name}": value for name, value in sold_to.items()}
    data |= {"sold_to_version": account.sold_to.version}
    if account.bill_to:
        data["bill_to_version"] = account.bill_to.version
        data |= {f"bill_to_{name}": value for name, value in (bill_to or {}).items()}
    return {**data, **more}


def stored(address):
    return Address.objects.get(pk=address.pk)


def mails():
    return {(mail.recipient, mail.template, mail.mail_class) for mail in Message.objects.all()}


def test_S0_8_owner_changes_the_sold_to(account, owner):
    response = signed_in(owner).post(page_of(account), sent(account))

    assert response.status_code == 302
    assert response.url == reverse("account_properties", args=[account.code])
    address = stored(account.sold_to)
    assert {name: getattr(address, name) for name in NEW} == {**NEW, "company_name": account.sold_to.company_name}
    assert (address.version, address.is_complete) == (2, True)
    assert mails() == {("owner@alfa.example", "address_changed", "access_changed")}


def test_S0_8_both_addresses_are_changed_together(online, owner):
    bill_to = {**NEW, "contact_name": "Crediteuren", "line1": "Weena 10"}

    response = signed_in(owner).post(page_of(online), sent(online, bill_to=bill_to))

    assert response.status_code == 302
    assert (stored(online.sold_to).line1, stored(online.bill_to).line1) == ("Coolsingel 40", "Weena 10")
    assert Message.objects.count() == 1


def test_S0_8_the_bill_to_can_be_the_same_as_the_sold_to(online, owner):
    signed_in(owner).post(page_of(online), sent(online, same_as_sold_to="on"))

    assert stored(online.bill_to).snapshot() == stored(online.sold_to).snapshot()
    assert stored(online.bill_to).line1 == "Coolsingel 40"


def test_S0_8_an_error_in_one_address_saves_neither(online, owner):
    bill_to = {**NEW, "postal_code": "3011"}

    response = signed_in(owner).post(page_of(online), sent(online, bill_to=bill_to))

    assert response.status_code == 200
    assert response.context["form"].errors == {
        "bill_to_postal_code": ["Use four digits and two letters, like 1234 AB."]
    }
    assert (stored(online.sold_to).version, stored(online.bill_to).version) == (1, 1)
    assert mails() == set()


def test_the_form_keeps_what_was_typed(account, owner):
    response = signed_in(owner).post(page_of(account), sent(account, {**NEW, "postal_code": "nonsense"}))

    assert 'value="nonsense"' in response.content.decode()
    assert 'value="Coolsingel 40"' in response.content.decode()


def test_saving_what_is_there_changes_nothing_and_mails_nobody(account, owner):
    same = {name: getattr(account.sold_to, name) for name in NEW}

    response = signed_in(owner).post(page_of(account), sent(account, same))

    assert response.status_code == 302
    assert stored(account.sold_to).version == 1
    assert mails() == set()


def test_two_people_who_edit_one_address_find_out(account, owner):
    second = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR).user
    opened = sent(account, {**NEW, "line1": "Weena 10"})
    signed_in(owner).post(page_of(account), sent(account))

    response = signed_in(second).post(page_of(account), opened)

    assert response.status_code == 200
    assert stored(account.sold_to).line1 == "Coolsingel 40"
    assert response.context["rows"] == [
        {"label": "Sold-to · Street and number", "theirs": "Coolsingel 40", "yours": "Weena 10"}
    ]
    assert response.context["changed_by"] == "Marieke de Vries"

    again = signed_in(second).post(page_of(account), dict(response.context["kept"]))

    assert again.status_code == 302
    assert stored(account.sold_to).line1 == "Weena 10"


def test_a_third_change_is_not_overwritten_by_saving_mine_over_the_second(account, owner):
    opened = sent(account, {**NEW, "line1": "Weena 10"})
    browser = signed_in(owner)
    browser.post(page_of(account), sent(account))
    kept = dict(browser.post(page_of(account), opened).context["kept"])
    account.refresh_from_db()
    browser.post(page_of(account), sent(account, {**NEW, "line1": "Blaak 5"}) | {"sold_to_version": 2})

    response = browser.post(page_of(account), kept)

    assert response.status_code == 200
    assert stored(account.sold_to).line1 == "Blaak 5"


def test_S0_8_the_legal_name_is_changed_on_request_only(account, owner):
    signed_in(owner).post(page_of(account), sent(account, {**NEW, "company_name": "Somebody else B.V."}))

    assert stored(account.sold_to).company_name == "Alfa Logistiek B.V."


def test_an_imported_address_can_be_completed(owner):
    account = BillingAccountFactory(
        owner=owner, sold_to__company_name="", sold_to__line1="", sold_to__is_complete=False
    )

    signed_in(owner).post(page_of(account), sent(account))

    address = stored(account.sold_to)
    assert (address.company_name, address.is_complete) == ("Alfa Logistiek B.V.", True)


def test_S0_1_the_country_cannot_be_changed(account, owner):
    signed_in(owner).post(page_of(account) + "?country=DE", sent(account) | {"sold_to_country": "DE"})

    assert stored(account.sold_to).country.code == "NL"


def test_S0_8a_the_page_says_from_when_it_counts(account, owner, time_machine):
    time_machine.move_to("2026-11-20")

    page = signed_in(owner).get(page_of(account)).content.decode()

    assert "counts for invoices issued from now on, or from the day you choose" in page
    assert "issued invoices keep the old address" in page


def test_I26_the_history_says_who_changed_it(account, owner):
    signed_in(owner).post(page_of(account), sent(account))

    change = last_change(account.sold_to)

    assert (change.by, change.action) == ("Marieke de Vries", "address.changed")


@pytest.mark.parametrize(("role", "status"), [(Role.ACCOUNT_CONTRIBUTOR, 302), (Role.ACCOUNT_READER, 403)])
def test_S0_5_who_may_change_the_address(account, role, status):
    person = AccountRoleFactory(account=account, role=role).user

    response = signed_in(person).post(page_of(account), sent(account))

    assert response.status_code == status
    assert stored(account.sold_to).version == (2 if status == 302 else 1)


def test_T01_an_outsider_never_sees_the_page(account):
    outsider = BillingAccountFactory(owner=UserFactory()).roles.get().user

    assert signed_in(outsider).get(page_of(account)).status_code == 404
    assert signed_in(outsider).post(page_of(account), sent(account)).status_code == 404


def test_I24_the_service_asks_for_the_right_itself(account):
    reader = AccountRoleFactory(account=account, role=Role.ACCOUNT_READER).user

    with pytest.raises(Forbidden):
        services.save_account_addresses(account, sold_to=NEW, sold_to_version=1, by=reader)


def test_an_address_that_is_not_an_address_field_is_never_written(account, owner):
    with pytest.raises(ValueError, match="country"):
        services.save_account_addresses(account, sold_to={**NEW, "country": "DE"}, sold_to_version=1, by=owner)


def test_a_customer_agreement_has_no_bill_to_of_its_own(account, owner):
    with pytest.raises(ValueError, match="billing profiles"):
        services.save_account_addresses(account, sold_to=NEW, sold_to_version=1, bill_to=NEW, by=owner)


def test_S0_8_all_or_nothing_in_the_service_too(online, owner):
    with pytest.raises(Refused) as refusal:
        services.save_account_addresses(
            online, sold_to=NEW, sold_to_version=1, bill_to=NEW, bill_to_version=99, by=owner
        )

    assert refusal.value.code == "changed_meanwhile"
    assert stored(online.sold_to).version == 1
