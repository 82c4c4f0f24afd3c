"""Giving a role on a billing profile."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, OrganisationMemberFactory, UserFactory
from core.policy import Role
from profiles.models import ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db


def page(profile):
    return reverse("profile_role_new", args=[profile.code])


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries")


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(owner=owner, name="Operations")


@pytest.fixture
def kees(profile):
    user = UserFactory(name="Kees de Jong", email="kees@alfa.example")
    return OrganisationMemberFactory(organisation=profile.account.organisation, user=user).user


@pytest.fixture
def browser(client, owner):
    client.force_login(owner)
    return client


def test_S4_12_S4_13_role_is_given_by_email_until_a_day(browser, profile, owner, kees):
    sent = {"email": "Kees@ALFA.example", "role": "invoice_manager", "expires_on": "2099-12-31"}

    response = browser.post(page(profile), sent, follow=True)

    held = ProfileRole.objects.get(user=kees)
    assert (held.role, held.assigned_by, held.expires_on) == (Role.INVOICE_MANAGER, owner, date(2099, 12, 31))
    address = reverse("profile_permissions", args=[profile.code])
    assert response.redirect_chain == [(f"{address}?changed={kees.pk}", 302)]
    text = response.content.decode()
    assert "Kees de Jong is invoice manager on “Operations” now." in text
    assert "is-changed" in text


def test_S2_14_every_role_is_described_with_what_it_can_and_cannot(browser, profile):
    text = browser.get(page(profile)).content.decode()

    for words in ("Everything on this profile except roles", "See and pay invoices", "Give roles to others"):
        assert words in text
    assert "As invoice manager, somebody can" in text


def test_T14_colleagues_are_offered_and_strangers_are_not(browser, profile, kees):
    stranger = AccountRoleFactory(user=UserFactory(email="stranger@beta.example")).user

    text = browser.get(page(profile)).content.decode()

    assert f'<option value="{kees.email}">Kees de Jong</option>' in text
    assert stranger.email not in text


def test_T14_somebody_of_another_organisation_is_invited_like_nobody(browser, profile):
    AccountRoleFactory(user=UserFactory(email="stranger@beta.example"))

    answers = [
        browser.post(page(profile), {"email": email, "role": "profile_reader"}, follow=True).content.decode()
        for email in ("stranger@beta.example", "nobody@beta.example")
    ]

    for text, email in zip(answers, ("stranger@beta.example", "nobody@beta.example"), strict=True):
        assert f"{email} gets an invitation by e-mail." in text
    assert ProfileRole.objects.count() == 1


def test_S4_13_the_same_role_again_is_a_notice(browser, profile, kees):
    ProfileRoleFactory(profile=profile, user=kees, role=Role.INVOICE_MANAGER)

    response = browser.post(page(profile), {"email": kees.email, "role": "invoice_manager"}, follow=True)

    assert response.redirect_chain == [(reverse("profile_permissions", args=[profile.code]), 302)]
    assert "has this role already" in response.content.decode()


def test_a_role_is_changed_from_what_is_held(browser, profile, kees):
    ProfileRoleFactory(profile=profile, user=kees, role=Role.PROFILE_READER)

    form = browser.get(page(profile), {"email": kees.email, "role": "profile_reader"}).context["form"]
    browser.post(page(profile), {"email": form["email"].value(), "role": "profile_contributor"})

    assert form["role"].value() == "profile_reader"
    assert ProfileRole.objects.get(user=kees).role == Role.PROFILE_CONTRIBUTOR


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"role": "account_owner"}, "role"),
        ({"role": ""}, "role"),
        ({"email": "no address"}, "email"),
        ({"email": "a\x00@alfa.example"}, "email"),
        ({"expires_on": "soon"}, "expires_on"),
        ({"expires_on": (timezone.localdate() - timedelta(days=2)).isoformat()}, "__all__"),
    ],
)
def test_T05_what_cannot_be_given_is_refused_where_it_stands(browser, profile, kees, sent, field):
    response = browser.post(page(profile), {"email": kees.email, "role": "profile_reader"} | sent)

    assert list(response.context["form"].errors) == [field]
    assert not ProfileRole.objects.filter(user=kees).exists()


def test_T06_the_last_owner_does_not_step_down(browser, profile, owner):
    response = browser.post(page(profile), {"email": owner.email, "role": "profile_reader"})

    assert response.context["form"].non_field_errors().as_data()[0].code == "last_owner"
    assert ProfileRole.objects.get().role == Role.PROFILE_OWNER


@pytest.mark.parametrize("role", [Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER, Role.PROFILE_READER])
def test_T05_who_is_no_owner_gets_a_page_that_says_who_may(client, profile, kees, role):
    person = ProfileRoleFactory(profile=profile, role=role).user
    client.force_login(person)

    for answer in (client.get, client.post):
        response = answer(page(profile), {"email": person.email, "role": "profile_owner"})
        assert response.status_code == 403
        assert "Marieke de Vries" in response.content.decode()

    assert ProfileRole.objects.get(user=person).role == role


def test_T05_an_owner_of_a_sibling_profile_gets_404(client, profile):
    sibling = ProfileRoleFactory(profile__account=profile.account).user
    outsider = BillingAccountFactory(owner=UserFactory()).roles.get().user

    for person in (sibling, outsider):
        client.force_login(person)
        assert client.post(page(profile), {"email": person.email, "role": "profile_owner"}).status_code == 404
