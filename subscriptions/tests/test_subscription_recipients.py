"""Who gets the invoices of one subscription of an online-services account."""

import pytest
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory
from core.policy import Role
from profiles.models import ExtraRecipient, InvoiceMute
from profiles.tests.factories import SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


def test_S4_8a_a_subscription_has_the_same_pages(client):
    profile = SubscriptionProfileFactory()
    subscription = SubscriptionFactory(profile=profile)
    administrator = AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_ADMINISTRATOR).user
    client.force_login(administrator)
    address = reverse("subscription_recipients", args=[subscription.code])

    client.post(address + "new/", {"email": "books@bureau.example", "language": "nl"})

    assert "books@bureau.example" in client.get(address).content.decode()
    extra = ExtraRecipient.objects.get(profile=profile)
    client.post(address + f"{extra.pk}/question/")
    client.post(address + "test/", {"email": administrator.email})
    client.post(address + "mute/", {"muted": "1"})
    client.post(address + f"{extra.pk}/removal/")
    assert not ExtraRecipient.objects.exists()
    assert InvoiceMute.objects.get().user == administrator
