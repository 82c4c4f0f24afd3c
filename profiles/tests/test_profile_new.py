"""Making a billing profile."""

import pytest
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

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


def filled(**values):
    address = {
        "company_name": "Alfa Logistiek B.V.",
        "contact_name": "",
        "line1": "Coolsingel 40",
        "line2": "",
        "postal_code": "3011 AD",
        "city": "Rotterdam",
        "email": "inkoop@alfa.example",
        "phone": "",
    }
    return {"name": "Fleet", "po_number": "", **{f"bill_to_{name}": text for name, text in address.items()}, **values}


def test_S2_11_form_starts_from_the_sold_to_and_warns_of_what_is_computed_per_profile(browser, account):
    response = browser.get(reverse("profile_new", args=[account.code]))

    form = response.context["form"]
    assert form["bill_to_line1"].value() == account.sold_to.line1
    assert "Volume tiers and shared reservations are counted per profile" in response.content.decode()


def test_S2_11_creating_leads_to_the_profile(browser, account, owner):
    sent = filled(po_number="PO-1", sends_invoices="on")

    response = browser.post(reverse("profile_new", args=[account.code]), sent, follow=True)

    profile = BillingProfile.objects.get()
    assert response.redirect_chain == [(profile.get_absolute_url(), 302)]
    assert (profile.account, profile.name, profile.po_number) == (account, "Fleet", "PO-1")
    assert (profile.sends_invoices, profile.bill_to.line1, profile.created_by) == (True, "Coolsingel 40", owner)
    assert "is there" in response.content.decode()


def test_T09_what_the_form_does_not_ask_is_not_taken(browser, account):
    sent = filled(currency="USD", status="closed", kind="subscription", account=BillingAccountFactory().pk)

    browser.post(reverse("profile_new", args=[account.code]), sent)

    profile = BillingProfile.objects.get()
    assert (profile.currency, profile.status, profile.kind, profile.account) == ("EUR", "active", "standard", account)


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("name", "", "This field is required."),
        ("name", "x" * 101, "at most 100 characters"),
        ("name", "a\x00b", "Null characters are not allowed."),
        ("po_number", "x" * 51, "at most 50 characters"),
        ("bill_to_postal_code", "30", "four digits and two letters"),
        ("bill_to_line1", "", "Enter the street and number"),
        ("bill_to_email", "nobody", "Enter a valid email address."),
    ],
)
def test_S0_8_a_mistake_stands_at_its_field_and_nothing_is_saved(browser, account, field, text, message):
    response = browser.post(reverse("profile_new", args=[account.code]), filled(**{field: text}))

    assert response.status_code == 200
    assert message in " ".join(response.context["form"].errors[field])
    assert BillingProfile.objects.count() == 0


def test_S2_11_a_taken_name_is_said_at_the_name_and_what_was_typed_stays(browser, account):
    BillingProfileFactory(account=account, name="Fleet")

    response = browser.post(reverse("profile_new", args=[account.code]), filled(name="fleet", po_number="PO-1"))

    assert list(response.context["form"].errors) == ["name"]
    assert response.context["form"]["po_number"].value() == "PO-1"
    assert BillingProfile.objects.count() == 1


@pytest.mark.parametrize("role", [Role.ACCOUNT_READER, Role.PROFILE_OWNER])
def test_who_may_not_create_gets_a_page_that_says_who_may(client, account, owner, role):
    if role == Role.ACCOUNT_READER:
        person = AccountRoleFactory(account=account, role=role).user
    else:
        person = ProfileRoleFactory(profile=BillingProfileFactory(account=account), role=role).user
    before = BillingProfile.objects.count()
    client.force_login(person)

    for send in (client.get, client.post):
        response = send(reverse("profile_new", args=[account.code]), filled())
        assert response.status_code == 403
        assert str(owner) in response.content.decode()

    assert BillingProfile.objects.count() == before


def test_an_outsider_gets_the_404_of_what_does_not_exist(client, account):
    client.force_login(BillingAccountFactory(owner=UserFactory()).roles.get().user)

    assert client.get(reverse("profile_new", args=[account.code])).status_code == 404
