"""Bill-to and service usage address of a profile and of an online-services subscription (§3.2)."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Address, PlannedChange
from accounts.tests.factories import AddressFactory, BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Role
from profiles.models import BillingProfile
from profiles.services.addresses import save_addresses
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

VALUES = {"company_name": "Alfa Magazijn", "contact_name": "", "line1": "Maasvlakte 7", "line2": ""}
VALUES |= {"postal_code": "3199 LZ", "city": "Rotterdam", "email": "magazijn@alfa.example", "phone": ""}


@pytest.fixture(autouse=True)
def on_a_day_in_november(time_machine):
    time_machine.move_to("2026-11-20 10:00")


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries", email="owner@alfa.example")


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(account=BillingAccountFactory(owner=owner), name="Operations NL")


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def sent(profile, ship_to=VALUES, bill_to=None, **more):
    data = {"takes_effect_on": "", **({"used_at_sold_to": "on"} if ship_to is None else {})}
    if profile.bill_to:
        typed = bill_to or {name: getattr(profile.bill_to, name) for name in VALUES}
        data |= {f"bill_to_{name}": value for name, value in typed.items()}
        data["bill_to_version"] = profile.bill_to.version
    data |= {f"ship_to_{name}": value for name, value in (ship_to or {}).items()}
    if profile.ship_to:
        data["ship_to_version"] = profile.ship_to.version
    return data | more


def page_of(profile):
    return reverse("profile_addresses", args=[profile.code])


def again(profile):
    return BillingProfile.objects.select_related("bill_to", "ship_to").get(pk=profile.pk)


def test_a_service_usage_address_is_given_and_taken_away(profile, owner):
    browser = signed_in(owner)

    assert browser.post(page_of(profile), sent(profile)).status_code == 302
    stored = again(profile)
    assert (stored.ship_to.kind, stored.ship_to.line1, stored.ship_to.country.code) == ("ship_to", "Maasvlakte 7", "NL")
    assert "Maasvlakte 7" in browser.get(profile.get_absolute_url()).content.decode()
    assert [mail.template for mail in Message.objects.all()] == ["address_changed"]

    browser.post(page_of(profile), sent(stored, None))
    assert again(profile).ship_to is None
    assert "The sold-to address of the account" in browser.get(profile.get_absolute_url()).content.decode()


def test_S0_8_both_are_saved_or_neither(profile, owner):
    bill_to = {**VALUES, "line1": "Weena 10"}

    response = signed_in(owner).post(page_of(profile), sent(profile, {**VALUES, "postal_code": "1"}, bill_to))
    assert list(response.context["form"].errors) == ["ship_to_postal_code"]
    assert (again(profile).bill_to.version, again(profile).ship_to) == (1, None)

    signed_in(owner).post(page_of(profile), sent(profile, VALUES, bill_to))
    assert (again(profile).bill_to.line1, again(profile).ship_to.line1) == ("Weena 10", "Maasvlakte 7")
    assert Message.objects.count() == 1


def test_errors_of_an_address_that_is_not_used_are_none(profile, owner):
    data = sent(profile, None) | {"ship_to_postal_code": "1", "ship_to_email": "no"}

    assert signed_in(owner).post(page_of(profile), data).status_code == 302


def test_S0_8a_a_change_from_a_day_is_looked_at_planned_and_withdrawn(profile, owner):
    profile.ship_to = AddressFactory(kind="ship_to")
    profile.save()
    browser = signed_in(owner)
    data = sent(profile, VALUES, {**VALUES, "line1": "Weena 10"}, takes_effect_on="2027-01-01")

    review = browser.post(page_of(profile), data)
    assert "The invoice of 5 Jan 2027, for December 2026" in review.content.decode()
    browser.post(page_of(profile), {**dict(review.context["kept"]), "confirmed": "on"})

    change = PlannedChange.objects.get()
    assert change.parts.count() == 2
    for page in (profile.get_absolute_url(), page_of(profile)):
        assert "A change of address is planned for 1 Jan 2027" in browser.get(page).content.decode()
    withdrawal = reverse("profile_change_withdrawal", args=[profile.code, change.pk])
    assert browser.get(withdrawal).status_code == 200
    browser.post(withdrawal)
    change.refresh_from_db()
    assert change.status == "withdrawn"
    assert Address.objects.get(pk=profile.bill_to_id).version == 1


def test_whether_there_is_one_at_all_cannot_be_planned(profile, owner):
    response = signed_in(owner).post(page_of(profile), sent(profile, takes_effect_on="2027-01-01"))

    assert list(response.context["form"].errors) == ["takes_effect_on"]


def test_an_address_with_a_plan_is_not_taken_away(profile, owner):
    profile.ship_to = AddressFactory(kind="ship_to")
    profile.save()
    browser = signed_in(owner)
    browser.post(page_of(profile), sent(profile, takes_effect_on="2027-01-01", confirmed="on"))

    response = browser.post(page_of(profile), sent(again(profile), None))

    assert "Withdraw that one first" in str(response.context["form"].non_field_errors())
    assert again(profile).ship_to is not None


def test_two_people_find_out(profile, owner):
    browser = signed_in(owner)
    opened = sent(profile, None, {**VALUES, "line1": "Blaak 5"})
    browser.post(page_of(profile), sent(profile, None, {**VALUES, "line1": "Weena 10"}))

    response = browser.post(page_of(profile), opened)
    assert [(row["theirs"], row["yours"]) for row in response.context["rows"]] == [("Weena 10", "Blaak 5")]

    browser.post(page_of(profile), dict(response.context["kept"]))
    assert again(profile).bill_to.line1 == "Blaak 5"


def test_one_that_somebody_else_gave_meanwhile_is_not_replaced(profile, owner):
    stale = again(profile)
    save_addresses(profile, ship_to=VALUES, path="/", by=owner)

    with pytest.raises(Refused) as refusal:
        save_addresses(stale, ship_to={**VALUES, "line1": "Blaak 5"}, path="/", by=owner)
    assert refusal.value.code == "changed_meanwhile"


@pytest.mark.parametrize(("role", "status"), [(Role.PROFILE_CONTRIBUTOR, 302), (Role.INVOICE_MANAGER, 403)])
def test_who_may_change_them(profile, role, status):
    person = ProfileRoleFactory(profile=profile, role=role).user

    assert signed_in(person).post(page_of(profile), sent(profile)).status_code == status
    if status == 403:
        with pytest.raises(Forbidden):
            save_addresses(profile, ship_to=VALUES, path="/", by=person)


def test_S0_2_a_subscription_of_online_services_has_a_service_usage_address_only(owner):
    account = BillingAccountFactory(online_services=True, owner=owner)
    subscription = SubscriptionFactory(profile=SubscriptionProfileFactory(account=account))
    page, browser = reverse("subscription_address", args=[subscription.code]), signed_in(owner)

    form = browser.get(page).context["form"]
    assert form.bill_to is None
    browser.post(page, sent(subscription.profile))

    assert again(subscription.profile).ship_to.line1 == "Maasvlakte 7"
    assert "Maasvlakte 7" in browser.get(subscription.get_absolute_url()).content.decode()
    changed = {**VALUES, "line1": "Maasvlakte 9"}
    stored = again(subscription.profile)
    browser.post(page, sent(stored, changed, takes_effect_on="2027-01-01", confirmed="on"))
    change = PlannedChange.objects.get()
    assert "A change of address is planned" in browser.get(subscription.get_absolute_url()).content.decode()
    browser.post(reverse("subscription_change_withdrawal", args=[subscription.code, change.pk]))
    change.refresh_from_db()
    assert change.status == "withdrawn"


def test_a_subscription_of_a_profile_leads_to_its_profile(profile, owner):
    subscription = SubscriptionFactory(profile=profile)
    browser = signed_in(owner)

    assert browser.get(reverse("subscription_address", args=[subscription.code])).url == page_of(profile)
    response = browser.get(reverse("subscription_change_withdrawal", args=[subscription.code, 1]))
    assert response.url == reverse("profile_change_withdrawal", args=[profile.code, 1])
