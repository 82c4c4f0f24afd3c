"""Access to invoice of an online-services subscription: the switch, and the viewers that sleep until it is on."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.services.invitations import accept_invitation
from accounts.tests.factories import BillingAccountFactory, OrganisationMemberFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Action, Role, may, read_roles
from invoices.models import Invoice
from invoices.tests.factories import InvoiceFactory
from profiles.models import ProfileRole
from profiles.recipients import recipients_on, still_wanted
from profiles.tests.factories import ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.services.viewers import add_viewer, invite_viewer, remove_viewer, share_invoices
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator():
    return UserFactory(name="Inge de Wit", email="inge@beta.example")


@pytest.fixture
def account(administrator):
    return BillingAccountFactory(online_services=True, owner=administrator, name="Beta Webshop")


@pytest.fixture
def subscription(account):
    return SubscriptionFactory(profile=SubscriptionProfileFactory(account=account, name="Hosting"), name="Hosting")


@pytest.fixture
def viewer(account):
    user = UserFactory(name="Kees de Jong", email="kees@beta.example")
    return OrganisationMemberFactory(organisation=account.organisation, user=user).user


@pytest.fixture
def browser(client, administrator):
    client.force_login(administrator)
    return client


def sees(user, obj):
    return may(user, Action.INVOICE_VIEW, obj, read_roles(user))


def page(subscription, name="subscription_invoice_access", *args):
    return reverse(name, args=[subscription.code, *args])


def test_a_viewer_sleeps_until_the_switch_is_on_and_again_after(subscription, viewer, administrator):
    invoice = InvoiceFactory(profile=subscription.profile)
    add_viewer(subscription, user=viewer, by=administrator)
    assert not sees(viewer, invoice)
    assert not Invoice.objects.allowing(viewer, Action.INVOICE_VIEW).exists()

    share_invoices(subscription, is_on=True, by=administrator)
    assert sees(viewer, invoice)
    assert list(Invoice.objects.allowing(viewer, Action.INVOICE_VIEW)) == [invoice]
    share_invoices(subscription, is_on=False, by=administrator)

    assert not sees(viewer, invoice)


def test_a_viewer_sees_this_subscription_alone_and_changes_nothing(subscription, viewer, administrator, account):
    other = SubscriptionFactory(profile=SubscriptionProfileFactory(account=account, name="Mail"))
    add_viewer(subscription, user=viewer, by=administrator)
    share_invoices(subscription, is_on=True, by=administrator)
    mine, foreign = InvoiceFactory(profile=subscription.profile), InvoiceFactory(profile=other.profile)
    client = Client()
    client.force_login(viewer)

    assert client.get(reverse("invoice", args=[mine.code])).status_code == 200
    assert client.get(reverse("invoice", args=[foreign.code])).status_code == 404
    assert client.get(reverse("subscription", args=[other.code])).status_code == 404
    assert client.get(reverse("invoice_payment", args=[mine.code])).status_code == 403
    assert client.get(page(subscription)).status_code == 403


def test_while_it_sleeps_every_address_of_it_is_closed(subscription, viewer, administrator, account):
    add_viewer(subscription, user=viewer, by=administrator)
    invoice = InvoiceFactory(profile=subscription.profile)
    client = Client()
    client.force_login(viewer)

    for address in (invoice.get_absolute_url(), subscription.get_absolute_url(), account.get_absolute_url()):
        assert client.get(address).status_code == 404


@pytest.mark.parametrize("where", ["home", "scopes"])
def test_P11_the_sleeping_viewer_reads_which_switch_is_missing_and_who_can_set_it(
    subscription, viewer, administrator, where
):
    add_viewer(subscription, user=viewer, by=administrator)
    client = Client()
    client.force_login(viewer)

    text = client.get(reverse(where)).content.decode()

    assert "the switch “Access to invoice” is off. Inge de Wit can turn it on." in text
    assert 'aria-disabled="true"' in text
    share_invoices(subscription, is_on=True, by=administrator)
    assert "is off." not in client.get(reverse(where), follow=True).content.decode()


def test_S4_2_awake_viewers_get_the_invoices_and_sleeping_ones_do_not(subscription, viewer, administrator):
    today = timezone.localdate()
    add_viewer(subscription, user=viewer, by=administrator)
    assert {each.email for each in recipients_on(subscription.profile, on=today)} == {"inge@beta.example"}

    share_invoices(subscription, is_on=True, by=administrator)
    assert {each.email for each in recipients_on(subscription.profile, on=today)} == {
        "inge@beta.example",
        "kees@beta.example",
    }
    assert still_wanted(subscription.profile, email=viewer.email, user_id=viewer.pk)
    share_invoices(subscription, is_on=False, by=administrator)

    assert not still_wanted(subscription.profile, email=viewer.email, user_id=viewer.pk)


def test_the_switch_tells_viewers_and_administrator_once(subscription, viewer, administrator):
    add_viewer(subscription, user=viewer, by=administrator)
    assert Message.objects.filter(template="role_assigned", recipient=viewer.email).get().context["is_asleep"] is True
    Message.objects.all().delete()

    assert share_invoices(subscription, is_on=True, by=administrator)
    assert not share_invoices(subscription, is_on=True, by=administrator)

    assert sorted(Message.objects.values_list("recipient", "template")) == [
        ("inge@beta.example", "invoice_access_on"),
        ("kees@beta.example", "invoice_access_on"),
    ]


def test_it_is_switched_on_its_page_to_what_the_page_said(browser, subscription):
    switch = page(subscription, "subscription_invoice_switch")
    assert "Turn access to invoice on" in browser.get(switch).content.decode()

    for _twice in range(2):
        browser.post(switch, {"to": "on"})
    subscription.profile.refresh_from_db()
    assert subscription.profile.shares_invoices

    browser.post(switch, {"to": "off"})
    subscription.profile.refresh_from_db()
    assert not subscription.profile.shares_invoices


def test_viewers_are_added_listed_and_removed_on_the_page(browser, subscription, viewer):
    browser.post(page(subscription, "subscription_viewer_new"), {"email": viewer.email})
    held = ProfileRole.objects.get(user=viewer)
    assert (held.role, held.profile) == (Role.PROFILE_READER, subscription.profile)
    text = browser.get(page(subscription)).content.decode()
    assert "Kees de Jong" in text
    assert "Asleep" in text

    done = browser.post(page(subscription, "subscription_viewer_removal", held.pk))

    assert done.url == page(subscription)
    assert not ProfileRole.objects.exists()


def test_an_unknown_address_is_invited_and_comes_in_as_viewer(browser, subscription, account):
    browser.post(page(subscription, "subscription_viewer_new"), {"email": "new@books.example", "role": "profile_owner"})
    invitation = account.invitations.get(email="new@books.example")
    assert "new@books.example" in browser.get(page(subscription)).content.decode()

    held = accept_invitation(invitation, by=UserFactory(email="new@books.example"))

    assert (held.profile, held.role) == (subscription.profile, Role.PROFILE_READER)
    renewal = page(subscription, "subscription_invitation_renewal", invitation.pk)
    assert "is Accepted" in browser.post(renewal).content.decode().replace("accepted", "Accepted")


def test_no_other_role_is_given_there_and_by_nobody_else(subscription, viewer, administrator):
    with pytest.raises(Forbidden):
        add_viewer(subscription, user=viewer, by=viewer)
    with pytest.raises(Forbidden):
        share_invoices(subscription, is_on=True, by=viewer)
    add_viewer(subscription, user=viewer, by=administrator, expires_on=timezone.localdate() + timedelta(days=3))
    assert ProfileRole.objects.get().role == Role.PROFILE_READER
    remove_viewer(ProfileRole.objects.get(), by=administrator)
    assert not ProfileRole.objects.exists()


def test_PR14_the_viewers_come_a_page_at_a_time_and_who_is_invited_on_the_last(subscription, browser, administrator):
    for number in range(27):
        ProfileRoleFactory(profile=subscription.profile, user__name=f"Viewer {number:02}")
    invite_viewer(subscription, email="new@else.example", by=administrator)

    first = browser.get(page(subscription))
    last = browser.get(page(subscription) + first.context["page"].older)

    assert [row.user.name for row in first.context["page"].rows] == [f"Viewer {number:02}" for number in range(25)]
    assert [row.user.name for row in last.context["page"].rows] == ["Viewer 25", "Viewer 26"]
    assert ["new@else.example" in each.text for each in (first, last)] == [False, True]
    assert "27 invoice viewers" in first.text


def test_a_subscription_on_a_billing_profile_has_no_viewers_of_its_own():
    standard = SubscriptionFactory()
    owner = UserFactory()

    for act in (
        lambda: share_invoices(standard, is_on=True, by=owner),
        lambda: invite_viewer(standard, email="x@y.example", by=owner),
    ):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.code == "no_viewers_here"


@pytest.mark.parametrize("number", [1, 4])
def test_the_page_asks_the_same_whoever_is_on_it(
    browser, subscription, account, administrator, number, django_assert_num_queries
):
    for each in range(number):
        user = OrganisationMemberFactory(organisation=account.organisation, user=UserFactory()).user
        add_viewer(subscription, user=user, by=administrator)
        invite_viewer(subscription, email=f"v{each}@x.example", by=administrator)

    with django_assert_num_queries(8):
        browser.get(page(subscription))
