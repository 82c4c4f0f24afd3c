"""Taking a role on a billing profile away."""

import pytest
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.models import ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


def page(held, profile=None):
    return reverse("profile_role_removal", args=[(profile or held.profile).code, held.pk])


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(owner=owner, name="Operations")


@pytest.fixture
def tom(profile):
    return ProfileRoleFactory(profile=profile, user=UserFactory(name="Tom Bakker"), role=Role.INVOICE_MANAGER)


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def test_S4_14a_page_says_what_will_happen_and_does_nothing_yet(browser, profile, tom):
    profile.sends_invoices = True
    profile.save()

    text = browser.get(page(tom)).content.decode()

    assert "Tom Bakker no longer sees Operations, its invoices and payments, at once." in text
    assert "Tom Bakker gets no invoices of this profile by e-mail any more." in text
    assert "stay as they are" in text
    assert ProfileRole.objects.filter(pk=tom.pk).exists()


def test_S4_14a_page_says_which_inherited_role_stays(browser, profile, tom):
    AccountRoleFactory(account=profile.account, user=tom.user, role=Role.ACCOUNT_READER)

    assert "Tom Bakker keeps the inherited role billing profile reader" in browser.get(page(tom)).content.decode()


def test_S4_14a_role_is_taken_away(browser, profile, tom):
    response = browser.post(page(tom), follow=True)

    assert response.redirect_chain == [(reverse("profile_permissions", args=[profile.code]), 302)]
    assert "Tom Bakker no longer has that role." in response.content.decode()
    assert not ProfileRole.objects.filter(pk=tom.pk).exists()


def test_T06_S4_14b_the_last_owner_stays_and_the_page_says_what_to_do(browser, profile, owner):
    held = ProfileRole.objects.get(user=owner)

    shown = browser.get(page(held)).content.decode()
    sent = browser.post(page(held))

    assert "Nobody else owns this profile without an end date" in shown
    assert reverse("profile_role_new", args=[profile.code]) in shown
    assert sent.context["form"].non_field_errors().as_data()[0].code == "last_owner"
    assert ProfileRole.objects.filter(pk=held.pk).exists()


def test_an_owner_who_leaves_is_taken_home(browser, profile, owner):
    ProfileRoleFactory(profile=profile)

    response = browser.post(page(ProfileRole.objects.get(user=owner)))

    assert response.url == reverse("home")


def test_T02_a_role_is_found_through_its_own_profile_only(browser, profile):
    elsewhere = ProfileRoleFactory(role=Role.PROFILE_READER)

    assert browser.get(page(elsewhere, profile)).status_code == 404
    assert browser.post(page(elsewhere, profile)).status_code == 404
    assert ProfileRole.objects.filter(pk=elsewhere.pk).exists()


@pytest.mark.parametrize("role", [Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER, Role.PROFILE_READER])
def test_T05_who_is_no_owner_removes_nobody(client, profile, owner, role):
    person = ProfileRoleFactory(profile=profile, role=role)
    client.force_login(person.user)

    for held in (person, ProfileRole.objects.get(user=owner)):
        assert client.post(page(held)).status_code == 403

    assert ProfileRole.objects.count() == 2


def test_an_outsider_gets_404(client, tom):
    client.force_login(BillingAccountFactory(owner=UserFactory()).roles.get().user)

    assert client.post(page(tom)).status_code == 404
    assert ProfileRole.objects.filter(pk=tom.pk).exists()
