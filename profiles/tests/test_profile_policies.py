"""Which kinds of purchase a profile allows: who sees it, who sets it, who is told."""

import pytest
from django.urls import reverse

from accounts.tests.factories import UserFactory
from core.models import Message
from core.policy import Role
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile():
    profile = BillingProfileFactory(name="Operations", owner=UserFactory(name="Noor", email="noor@alfa.example"))
    ProfileRoleFactory(profile=profile, user=UserFactory(email="daan@alfa.example"), role=Role.PROFILE_CONTRIBUTOR)
    return profile


def page(profile, name="profile_policies"):
    return reverse(name, args=[profile.code])


def holder(profile, role):
    return profile.roles.get(role=role).user


def test_S2_7_policies_are_set_and_person_and_owners_are_told(client, profile):
    client.force_login(holder(profile, Role.PROFILE_CONTRIBUTOR))

    text = client.post(page(profile, "profile_policies_edit"), {"marketplace_policy": "free"}, follow=True)

    stored = BillingProfile.objects.get()
    assert (stored.marketplace_policy, stored.allows_reservations) == ("free", False)
    assert "Only free ones" in text.content.decode()
    mails = Message.objects.filter(template="policies_changed")
    assert {mail.recipient for mail in mails} == {"noor@alfa.example", "daan@alfa.example"}
    client.post(page(profile, "profile_policies_edit"), {"marketplace_policy": "free"})
    assert mails.count() == 2, "what is the same tells nobody"


def test_S2_7_readers_see_the_policies_and_who_may_set_them(client, profile):
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    client.force_login(reader)
    assert "Billing profile contributor" in client.get(page(profile)).content.decode()
    assert client.post(page(profile, "profile_policies_edit"), {"marketplace_policy": "none"}).status_code == 403


@pytest.mark.parametrize("sent", [{}, {"marketplace_policy": "some"}, {"marketplace_policy": "all" * 99}])
def test_a_policy_that_is_none_changes_nothing(client, profile, sent):
    client.force_login(holder(profile, Role.PROFILE_OWNER))
    assert client.post(page(profile, "profile_policies_edit"), sent).context["form"].errors
    assert BillingProfile.objects.get().marketplace_policy == "all"
