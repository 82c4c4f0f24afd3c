"""The Overview tab of a billing profile."""

from datetime import date

import pytest
import time_machine
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db


def overview(client, profile, user):
    client.force_login(user)
    return client.get(profile.get_absolute_url())


@pytest.fixture
def profile():
    return BillingProfileFactory(owner=UserFactory(name="Anna"), name="Operations", po_number="PO-118")


@time_machine.travel("2026-11-20 12:00:00+00:00", tick=False)
@pytest.mark.parametrize("role", [Role.PROFILE_OWNER, Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_S2_2_S2_5_S2_13_overview_tells_account_currency_po_and_next_billing_date(client, profile, role):
    person = ProfileRoleFactory(profile=profile, role=role).user

    text = overview(client, profile, person).content.decode()

    assert f'href="{profile.account.get_absolute_url()}">{profile.account}' in text
    assert "Follows from the country of the account, Netherlands, and cannot be changed." in text
    assert "PO-118" in text
    assert "5 Dec 2026" in text
    assert "30 days after the invoice date" in text
    assert profile.bill_to.line1 in text


@pytest.mark.parametrize(
    ("on", "day", "wanted"),
    [
        (date(2026, 11, 4), 5, date(2026, 11, 5)),
        (date(2026, 11, 5), 5, date(2026, 11, 5)),
        (date(2026, 11, 6), 5, date(2026, 12, 5)),
        (date(2026, 12, 31), 5, date(2027, 1, 5)),
        (date(2027, 1, 29), 28, date(2027, 2, 28)),
    ],
)
def test_S2_13_next_billing_date_is_the_next_invoice_day(on, day, wanted):
    assert (
        BillingProfileFactory.build(account=None, currency="EUR", bill_to=None, invoice_day=day).next_billing_date(on)
        == wanted
    )


def test_S2_21_editors_get_the_verbs_and_readers_see_them_locked_with_who_may(client, profile):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    names = ("profile_edit", "profile_email_preference", "profile_addresses")
    verbs = [reverse(name, args=[profile.code]) for name in names]

    for_reader = overview(client, profile, reader).content.decode()
    for_owner = overview(client, profile, profile.roles.get(user__name="Anna").user).content.decode()

    assert [verb in for_owner for verb in verbs] == [True] * 3
    assert [verb in for_reader for verb in verbs] == [False] * 3
    assert for_reader.count('aria-disabled="true"') == 8
    assert "Billing profile contributor" in for_reader
    assert "Anna" in for_reader


@pytest.mark.parametrize("sends", [True, False])
def test_P10_overview_names_who_gets_the_invoices(client, profile, sends):
    profile.sends_invoices = sends
    profile.save()
    AccountRoleFactory(account=profile.account, user=UserFactory(name="Above"))
    tom = ProfileRoleFactory(profile=profile, user=UserFactory(name="Tom"), role=Role.INVOICE_MANAGER).user

    response = overview(client, profile, tom)

    assert [user.name for user in response.context["recipients"]] == ["Anna", "Tom"]
    assert ("Nobody gets invoices by e-mail" in response.content.decode()) is not sends


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("active", "Everything is paid or not yet due."),
        ("warned", "Services stop if it stays unpaid."),
        ("disabled", "Paying it starts them again."),
        ("under_review", "about a day"),
        ("closed", "its invoices stay"),
    ],
)
def test_status_comes_with_its_reason(client, profile, status, reason):
    profile = BillingProfileFactory(status=status, owner=UserFactory())

    text = overview(client, profile, profile.roles.get().user).content.decode()

    assert reason in text
    assert ("Next billing date" in text) is (status != "closed")


def test_an_incomplete_address_is_said_with_the_way_to_complete_it(client, profile):
    profile.bill_to.is_complete = False
    profile.bill_to.save()

    text = overview(client, profile, profile.roles.get().user).content.decode()

    assert "No invoice is made for this profile until somebody completes it." in text


def test_an_outsider_and_a_sibling_get_404(client, profile):
    outsider = BillingAccountFactory(owner=UserFactory()).roles.get().user
    sibling = ProfileRoleFactory(profile=BillingProfileFactory(account=profile.account)).user

    assert overview(client, profile, outsider).status_code == 404
    assert overview(client, profile, sibling).status_code == 404


@pytest.mark.parametrize(
    "name",
    ["profile", "profile_permissions", "profile_edit", "profile_role_new", "profile_email_preference"],
)
def test_the_hidden_profile_of_a_subscription_has_no_pages(client, name):
    profile = SubscriptionProfileFactory()
    administrator = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_ADMINISTRATOR).user
    client.force_login(administrator)

    assert client.get(reverse(name, args=[profile.code])).status_code == 404


@pytest.mark.parametrize("number", [1, 3])
def test_overview_asks_the_same_of_the_database_whoever_is_on_it(client, number, django_assert_num_queries):
    owner = UserFactory()
    profile = BillingProfileFactory(owner=owner)
    for _each in range(number):
        ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER)
    client.force_login(owner)

    with django_assert_num_queries(13):
        client.get(profile.get_absolute_url())
