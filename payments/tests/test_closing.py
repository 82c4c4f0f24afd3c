"""Closing a billing profile: the checklist of domain §3.3, and what a closed one does no more."""

from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.money import Money
from core.periods import Month
from core.policy import Role
from invoices.models import Invoice
from invoices.services.credits import give_credit
from invoices.services.run import run_billing
from invoices.tests.factories import ChargeFactory, InvoiceFactory, imported_subscription
from payments.closing import closing_conditions
from payments.models import ProfileMethods
from payments.services.closing import close_profile, unlink_methods
from payments.tests.factories import PaymentMethodFactory
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory
from subscriptions.models import Subscription
from subscriptions.services.purchasing import why_not_usable
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db
TODAY = date(2026, 11, 21)


@pytest.fixture
def owner():
    return UserFactory(name="Marieke")


@pytest.fixture
def profile(owner):
    """One that nothing hangs on, beside another of its account."""
    account = BillingAccountFactory(owner=owner)
    BillingProfileFactory(account=account, name="Stays")
    return BillingProfileFactory(account=account, name="Goes")


def standing(profile):
    return [each.code for each in closing_conditions(profile, on=TODAY) if not each.is_met]


def test_a_profile_on_which_nothing_hangs_is_closed_and_its_owners_are_told(profile, owner):
    assert standing(profile) == []

    close_profile(profile, by=owner, on=TODAY)

    stored = BillingProfile.objects.get(pk=profile.pk)
    assert stored.status == "closed"
    assert why_not_usable(stored)
    assert [message.recipient for message in Message.objects.filter(template="profile_closed")] == [owner.email]


def last_profile(profile):
    BillingProfile.objects.filter(name="Stays").update(kind="standard", status="closed")


def subscription(profile):
    SubscriptionFactory(profile=profile, name="Office")


def unpaid(profile):
    InvoiceFactory(profile=profile)


def credit(profile):
    give_credit(
        profile,
        source="promotion",
        amount=Money(100, profile.currency),
        starts_on=TODAY,
        expires_on=TODAY,
        description="Welcome",
        reason="As agreed",
        by=None,
        on=TODAY,
    )


def charge(profile):
    used = imported_subscription(profile)
    Subscription.objects.filter(pk=used.pk).update(status="cancelled")
    ChargeFactory(subscription=used)


def ended_term(profile):
    bought = SubscriptionFactory(profile=profile, started_on=date(2026, 11, 3))
    Subscription.objects.filter(pk=bought.pk).update(status="cancelled", ended_on=date(2026, 11, 10))


def default_card(profile):
    PaymentMethodFactory(account=profile.account, default_for=[profile])


def own_card(profile):
    PaymentMethodFactory(profile=profile)


def warned(profile):
    BillingProfile.objects.filter(pk=profile.pk).update(status="warned")
    profile.refresh_from_db()


@pytest.mark.parametrize(
    ("hangs", "code"),
    [
        (subscription, "ActiveBillingSubscriptions"),
        (unpaid, "OutstandingCharges"),
        (credit, "ActiveCredits"),
        (charge, "PendingCharges"),
        (ended_term, "PendingCharges"),
        (default_card, "ActiveCreditCard"),
        (own_card, "ActiveCreditCard"),
        (warned, "NotSupported"),
    ],
)
def test_each_blocker_is_named_linked_and_refuses(client, time_machine, profile, owner, hangs, code):
    time_machine.move_to(f"{TODAY} 10:00")
    hangs(profile)

    assert code in standing(profile)
    with pytest.raises(Refused) as refusal:
        close_profile(profile, by=owner, on=TODAY)
    assert refusal.value.code == "not_eligible"
    client.force_login(owner)
    for each in closing_conditions(profile, on=TODAY):
        assert each.is_met or client.get(each.href).status_code == 200, "each leads somewhere"
    assert "Not possible yet" in client.get(reverse("profile_closing", args=[profile.code])).content.decode()


def test_the_last_profile_of_an_account_stays(owner):
    profile = BillingProfileFactory(account=BillingAccountFactory(owner=owner))
    assert standing(profile) == ["LastBillingProfile"]
    with pytest.raises(Refused, match="only billing profile"):
        close_profile(profile, by=owner, on=TODAY)


def test_what_was_billed_to_its_end_does_not_stand_in_the_way(profile):
    bought = SubscriptionFactory(profile=profile, started_on=date(2026, 9, 3))
    Subscription.objects.filter(pk=bought.pk).update(status="cancelled", ended_on=date(2026, 10, 20))
    InvoiceFactory(profile=profile, month=Month(2026, 10), status="paid")
    assert standing(profile) == []


def test_unlinking_makes_a_default_card_no_blocker(client, profile, owner):
    default_card(profile)
    client.force_login(owner)
    page = reverse("profile_method_unlinking", args=[profile.code])
    assert "is paid with" in client.get(page).content.decode()

    client.post(page)
    client.post(page)

    assert ProfileMethods.objects.get(profile=profile).default is None
    assert standing(profile) == []


def test_only_owners_close(client, profile):
    contributor = ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR).user
    client.force_login(contributor)
    page = reverse("profile_closing", args=[profile.code])
    assert client.post(page).status_code == 403
    with pytest.raises(Forbidden):
        close_profile(profile, by=contributor, on=TODAY)
    reader = ProfileRoleFactory(profile=profile, role=Role.PROFILE_READER).user
    with pytest.raises(Forbidden):
        unlink_methods(profile, by=reader)


def test_the_page_closes_and_a_closed_profile_offers_nothing_more(client, profile, owner):
    client.force_login(owner)
    page = reverse("profile_closing", args=[profile.code])
    assert "cannot be opened again" in client.get(page).content.decode()

    text = client.post(page, follow=True).content.decode()

    assert "is closed" in text
    assert "Close this billing profile" not in text
    assert client.get(page).status_code == 302
    SellerFactory()
    run_billing(Month.of(timezone.localdate() - timedelta(days=40)), on=timezone.localdate())
    assert not Invoice.objects.filter(profile=profile).exists()
