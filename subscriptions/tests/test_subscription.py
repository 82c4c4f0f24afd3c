"""The page of one subscription."""

from datetime import date

import pytest
import time_machine
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import PurchaseFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


def page(client, subscription, user):
    client.force_login(user)
    return client.get(subscription.get_absolute_url())


@time_machine.travel("2026-11-20 12:00:00+00:00", tick=False)
def test_page_tells_what_was_bought_by_whom_and_when_it_renews(client):
    profile = BillingProfileFactory(name="Operations", po_number="PO-7", owner=UserFactory())
    bought = SubscriptionFactory(profile=profile, name="Mail", quantity=3, started_on=date(2026, 1, 15))
    PurchaseFactory(subscription=bought, bought_by=UserFactory(name="Anna"))

    text = page(client, bought, profile.roles.get().user).content.decode()

    for words in ("€12.50 per month", "€37.50 per month", "15 Nov – 14 Dec 2026", "15 Dec 2026", "Anna", "PO-7"):
        assert words in text
    assert profile.get_absolute_url() in text


def test_S4_8a_a_subscription_with_an_invoice_of_its_own_leads_to_its_preference(client):
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    bought = SubscriptionFactory(profile=SubscriptionProfileFactory(account=account))

    text = page(client, bought, administrator).content.decode()

    assert "One of its own each month, to the bill-to of the account." in text
    assert reverse("subscription_email_preference", args=[bought.code]) in text
    assert f'href="{bought.profile.get_absolute_url()}"' not in text


def test_what_is_measured_says_so(client):
    profile = BillingProfileFactory(owner=UserFactory())
    bought = SubscriptionFactory(profile=profile, measured=True, name="Usage", external_id="sub-1")

    text = page(client, bought, profile.roles.get().user).content.decode()

    assert "Charged by what is used and measured." in text
    assert "sub-1" in text
    assert "Unit price" not in text


@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_everybody_on_the_profile_reads_it(client, role):
    bought = SubscriptionFactory()

    assert page(client, bought, ProfileRoleFactory(profile=bought.profile, role=role).user).status_code == 200


def test_an_outsider_and_a_sibling_get_404(client):
    bought = SubscriptionFactory()

    for person in (AccountRoleFactory().user, ProfileRoleFactory(profile__account=bought.account).user):
        assert page(client, bought, person).status_code == 404


# --- Invoices by e-mail ---------------------------------------------------------------------------


def test_S4_8a_the_administrator_has_the_switch_for_each_subscription(client):
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    mail, storage = (SubscriptionFactory(profile=SubscriptionProfileFactory(account=account)) for _each in range(2))
    address = reverse("subscription_email_preference", args=[mail.code])
    client.force_login(administrator)

    shown = client.get(address)
    response = client.post(address, {"choice": "in", "delivery": "pdf"})

    mail.profile.refresh_from_db()
    storage.profile.refresh_from_db()
    assert [recipient.user.pk for recipient in shown.context["recipients"]] == [administrator.pk]
    assert response.url == mail.get_absolute_url()
    assert (mail.profile.sends_invoices, storage.profile.sends_invoices) == (True, False)


def test_a_subscription_on_a_profile_leads_to_the_preference_of_that(client):
    profile = BillingProfileFactory(owner=UserFactory())
    bought = SubscriptionFactory(profile=profile)
    client.force_login(profile.roles.get().user)

    response = client.get(reverse("subscription_email_preference", args=[bought.code]))

    assert response.url == reverse("profile_email_preference", args=[profile.code])


def test_S4_1_readers_do_not_switch(client):
    bought = SubscriptionFactory()
    client.force_login(ProfileRoleFactory(profile=bought.profile, role=Role.PROFILE_READER).user)

    assert client.get(reverse("subscription_email_preference", args=[bought.code])).status_code == 403
