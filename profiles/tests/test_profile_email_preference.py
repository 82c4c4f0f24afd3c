"""Opting in to and out of invoices by e-mail."""

import pytest
from django.urls import reverse

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.policy import Role
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory

pytestmark = pytest.mark.django_db


def panel(profile):
    return reverse("profile_email_preference", args=[profile.code])


def choose(account):
    return reverse("invoice_email_preference", args=[account.code])


@pytest.fixture
def contributor():
    return UserFactory(name="Anna")


@pytest.fixture
def profile(contributor):
    profile = BillingProfileFactory(name="Operations")
    ProfileRoleFactory(profile=profile, user=contributor, role=Role.PROFILE_CONTRIBUTOR)
    ProfileRoleFactory(profile=profile, user=UserFactory(name="Tom"), role=Role.INVOICE_MANAGER)
    return profile


@pytest.fixture
def browser(client, contributor):
    client.force_login(contributor)
    return client


def test_S4_6_S4_7_opting_in_says_how_many_people_are_concerned(browser, profile):
    assert "2 people get each invoice." in browser.get(panel(profile)).content.decode()

    response = browser.post(panel(profile), {"choice": "in", "delivery": "link"}, follow=True)

    stored = BillingProfile.objects.get()
    assert (stored.sends_invoices, stored.attaches_pdf) == (True, False)
    assert "are sent by e-mail from now on" in response.content.decode()


def test_S4_2a_opting_out_warns_of_everybody_who_loses_them(browser, profile):
    BillingProfile.objects.update(sends_invoices=True)

    assert "2 people get none any more." in browser.get(panel(profile)).content.decode()
    browser.post(panel(profile), {"choice": "out", "delivery": "pdf"})

    assert BillingProfile.objects.get().sends_invoices is False


@pytest.mark.parametrize("sent", [{}, {"choice": "in"}, {"choice": "perhaps", "delivery": "pdf"}])
def test_half_an_answer_changes_nothing(browser, profile, sent):
    response = browser.post(panel(profile), sent)

    assert response.status_code == 200
    assert response.context["form"].errors
    assert BillingProfile.objects.get().sends_invoices is False


def test_S4_6_several_profiles_are_offered_but_only_those_the_person_may_change(browser, profile, contributor):
    second = BillingProfileFactory(account=profile.account, name="Fleet")
    ProfileRoleFactory(profile=second, user=contributor, role=Role.PROFILE_OWNER)
    read_only = BillingProfileFactory(account=profile.account, name="Read only")
    ProfileRoleFactory(profile=read_only, user=contributor, role=Role.PROFILE_READER)
    BillingProfileFactory(account=profile.account, name="Unseen")

    response = browser.get(panel(profile))

    assert [name for _code, name in response.context["choices"]] == ["Fleet", "Operations"]
    assert "<select" in response.content.decode()


def test_S4_6_one_profile_is_chosen_already(browser, profile):
    assert "<select" not in browser.get(panel(profile)).content.decode()


def test_S4_5_S4_6_from_the_invoices_the_first_opens_and_another_can_be_chosen(browser, profile, contributor):
    second = BillingProfileFactory(account=profile.account, name="Zwolle")
    ProfileRoleFactory(profile=second, user=contributor, role=Role.PROFILE_OWNER)

    first = browser.get(choose(profile.account))
    chosen = browser.get(choose(profile.account), {"profile": second.code})

    assert first.context["profile"] == profile
    assert chosen.context["profile"] == second
    assert f'action="{panel(second)}"' in chosen.content.decode()


def test_T01_a_profile_that_the_person_may_not_change_is_not_chosen(browser, profile, contributor):
    read_only = BillingProfileFactory(account=profile.account)
    ProfileRoleFactory(profile=read_only, user=contributor, role=Role.PROFILE_READER)
    foreign = BillingProfileFactory()

    for code in (read_only.code, foreign.code, "nonsense"):
        assert browser.get(choose(profile.account), {"profile": code}).status_code == 404


def test_an_owner_without_a_profile_is_told_so(client):
    owner = UserFactory()
    account = BillingAccountFactory(owner=owner)
    client.force_login(owner)

    response = client.get(choose(account), follow=True)

    assert response.redirect_chain == [(reverse("profiles", args=[account.code]), 302)]
    assert "nothing yet that is invoiced by e-mail" in response.content.decode()


def test_S4_8a_the_administrator_is_led_to_the_subscriptions(client):
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    SubscriptionProfileFactory(account=account)
    client.force_login(administrator)

    response = client.get(choose(account), follow=True)

    assert response.redirect_chain == [(reverse("subscriptions", args=[account.code]), 302)]
    assert "Each subscription has its own switch" in response.content.decode()


def test_S4_8_the_panel_stays_where_another_profile_can_be_set(browser, profile, contributor):
    assert browser.post(panel(profile), {"choice": "in", "delivery": "pdf"}).url == profile.get_absolute_url()

    second = BillingProfileFactory(account=profile.account, name="Fleet")
    ProfileRoleFactory(profile=second, user=contributor, role=Role.PROFILE_OWNER)

    assert browser.post(panel(profile), {"choice": "out", "delivery": "pdf"}).url == panel(profile)


@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_S4_1_readers_and_invoice_managers_are_told_who_may(client, profile, role):
    client.force_login(ProfileRoleFactory(profile=profile, role=role).user)

    for answer in (client.get, client.post):
        response = answer(panel(profile), {"choice": "in", "delivery": "pdf"})
        assert response.status_code == 403
        assert "Anna" in response.content.decode()

    assert BillingProfile.objects.get().sends_invoices is False


def test_an_outsider_gets_404(client, profile):
    client.force_login(AccountRoleFactory().user)

    assert client.get(panel(profile)).status_code == 404
    assert client.get(choose(profile.account)).status_code == 404
