"""Which method pays for what, and what stands in the way of removing one."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Forbidden, Refused
from core.models import Message
from core.policy import Role
from core.states import move
from core.templatetags.ui import day
from invoices.tests.factories import ChargeFactory, InvoiceFactory
from payments.blockers import blockers, free_from
from payments.gateways.sandbox.models import Card
from payments.jobs import forget_removed_method
from payments.models import PaymentMethod, ProfileMethods
from payments.services.methods import remove_method, set_default_method, sharing_subscriptions
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 20)


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner)


@pytest.fixture
def profile(account):
    return BillingProfileFactory(account=account)


def default_of(profile):
    return ProfileMethods.objects.get(profile=profile).default


def online_account(owner):
    """An online-services account with three subscriptions: two on one card, the third on another."""
    account = BillingAccountFactory(online_services=True, owner=owner)
    shared, other = PaymentMethodFactory(account=account), PaymentMethodFactory(account=account, specimen="amex")
    subscriptions = []
    for name, method in (("Compute", shared), ("Mail", shared), ("Storage", other)):
        profile = SubscriptionProfileFactory(account=account, name=name)
        ProfileMethods.objects.create(profile=profile, default=method)
        subscriptions.append(SubscriptionFactory(profile=profile, name=name))
    return account, subscriptions


# --- Defaults -----------------------------------------------------------------------------------


def test_S3_23_replacing_the_default_keeps_the_old_card(profile, owner):
    old = PaymentMethodFactory(account=profile.account, default_for=[profile])
    new = PaymentMethodFactory(account=profile.account, specimen="amex")

    set_default_method(new, profiles=[profile], by=owner, on=TODAY)

    old.refresh_from_db()
    assert default_of(profile) == new
    assert old.status == "active"


def test_P9_the_change_is_mailed_and_stands_in_the_history(profile, owner):
    new = PaymentMethodFactory(account=profile.account)

    set_default_method(new, profiles=[profile], by=owner, on=TODAY)

    mail = Message.objects.get(template="method_default")
    event = ProfileMethods.objects.get().events.last()
    assert (mail.recipient, mail.context["profiles"]) == (owner.email, [profile.name])
    assert event.pgh_context.metadata["action"] == "method.replace_default"


def test_choosing_what_is_chosen_already_tells_nobody(profile, owner):
    method = PaymentMethodFactory(account=profile.account, default_for=[profile])

    set_default_method(method, profiles=[profile], by=owner, on=TODAY)

    assert not Message.objects.exists()


def test_the_new_default_stops_being_the_backup(profile, owner):
    first, second = PaymentMethodFactory(account=profile.account), PaymentMethodFactory(account=profile.account)
    ProfileMethods.objects.create(profile=profile, default=first, backup=second)

    set_default_method(second, profiles=[profile], by=owner, on=TODAY)

    methods = ProfileMethods.objects.get(profile=profile)
    assert (methods.default, methods.backup) == (second, None)


def test_an_expired_card_becomes_no_default(profile, owner):
    method = PaymentMethodFactory(account=profile.account, valid_until=date(2026, 10, 31))

    with pytest.raises(Refused) as refusal:
        set_default_method(method, profiles=[profile], by=owner, on=TODAY)

    assert refusal.value.code == "expired"


def test_T01_a_card_of_a_sibling_profile_becomes_no_default(profile, owner):
    sibling = PaymentMethodFactory(profile=BillingProfileFactory(account=profile.account))

    with pytest.raises(Refused) as refusal:
        set_default_method(sibling, profiles=[profile], by=owner, on=TODAY)

    assert refusal.value.code == "not_offered"


@pytest.mark.parametrize("role", [Role.PROFILE_READER, Role.INVOICE_MANAGER])
def test_X2_who_pays_or_reads_does_not_choose_the_default(profile, role):
    person = ProfileRoleFactory(profile=profile, role=role).user
    method = PaymentMethodFactory(account=profile.account)

    with pytest.raises(Forbidden):
        set_default_method(method, profiles=[profile], by=person, on=TODAY)


def test_S3_9_subscriptions_that_share_the_card_are_found(owner):
    _account, (compute, mail, storage) = online_account(owner)

    assert list(sharing_subscriptions(compute)) == [compute, mail]
    assert list(sharing_subscriptions(storage)) == [storage]


def test_S3_9_make_active_moves_the_chosen_subscriptions_and_no_other(owner):
    account, (compute, mail, storage) = online_account(owner)
    before = default_of(mail.profile)
    new = PaymentMethodFactory(account=account, specimen="mastercard")

    set_default_method(new, profiles=[compute.profile], by=owner, on=TODAY)

    assert default_of(compute.profile) == new
    assert (default_of(mail.profile), default_of(storage.profile).brand) == (before, "amex")


def test_all_profiles_move_or_none(profile, account):
    contributor = ProfileRoleFactory(profile=profile, role=Role.PROFILE_CONTRIBUTOR).user
    sibling = BillingProfileFactory(account=account)
    method = PaymentMethodFactory(account=account)

    with pytest.raises(Forbidden):
        set_default_method(method, profiles=[profile, sibling], by=contributor, on=TODAY)

    assert not ProfileMethods.objects.exists()


# --- Removing -----------------------------------------------------------------------------------


def test_S3_14_a_card_that_nothing_uses_is_removed_and_forgotten_at_the_gateway(account, owner):
    method = PaymentMethodFactory(account=account)
    token = method.token

    method = remove_method(method, by=owner, on=TODAY)
    assert method.status == "detached"
    forget_removed_method(method.pk)

    method.refresh_from_db()
    assert (method.status, method.token, method.holder, method.last4) == ("deleted", "", "", "4242")
    assert Card.objects.get(token=token).forgotten_at is not None
    assert Message.objects.get(template="method_removed").recipient == owner.email


def test_S3_15_everything_in_the_way_is_listed_with_its_link(profile, owner):
    method = PaymentMethodFactory(account=profile.account, default_for=[profile])
    held = InvoiceFactory(profile=profile)
    due = InvoiceFactory(profile=profile)
    payment = PaymentFactory(invoices=[held], method=method, status="unknown")

    standing = blockers(method, on=TODAY)

    assert [(blocker.title, blocker.href) for blocker in standing] == [
        (f"Default of {profile}", f"/billing-profiles/{profile.code}/payment-methods/default/"),
        ("Payment of €121.00 under way", f"/payments/{payment.code}/"),
        (f"Due: {held.number}", f"/invoices/{held.code}/payment/"),
        (f"Due: {due.number}", f"/invoices/{due.code}/payment/"),
    ]


def test_S3_15_a_card_in_use_is_refused_and_stays(profile, owner):
    method = PaymentMethodFactory(account=profile.account, default_for=[profile])

    with pytest.raises(Refused) as refusal:
        remove_method(method, by=owner, on=TODAY)

    method.refresh_from_db()
    assert (refusal.value.code, method.status) == ("in_use", "active")
    assert f"Default of {profile}" in str(refusal.value)


def test_S3_15_subscriptions_that_it_pays_for_are_named(owner):
    _account, (compute, _mail, _storage) = online_account(owner)

    paid, renewing = blockers(default_of(compute.profile), on=TODAY)

    assert (paid.title, paid.sub) == ("Pays 2 subscriptions", "Compute, Mail")
    assert renewing.title == "2 subscriptions renew by themselves"
    assert renewing.sub == f"Compute on {day(compute.next_renewal(TODAY))}, Mail on {day(compute.next_renewal(TODAY))}"
    assert {paid.href, renewing.href} == {f"/subscriptions/{compute.code}/payment-method/"}


def test_S3_15_a_disabled_subscription_keeps_the_card_for_90_days_and_says_until_when(account, owner):
    online = BillingAccountFactory(online_services=True, owner=owner)
    hidden = SubscriptionProfileFactory(account=online)
    method = PaymentMethodFactory(account=online, default_for=[hidden])
    subscription = SubscriptionFactory(profile=hidden, name="Compute")
    move(subscription, "past_due")
    move(subscription, "disabled")

    (blocker,) = blockers(method, on=TODAY)

    last = timezone.localdate() + timedelta(days=90)
    assert (blocker.title, blocker.until) == ("Disabled: Compute", last)
    assert free_from([blocker]) == last + timedelta(days=1)
    assert day(last) in blocker.sub


def test_S3_15_charges_of_the_open_period_stand_in_the_way(profile):
    method = PaymentMethodFactory(account=profile.account, default_for=[profile])
    subscription = SubscriptionFactory(profile=profile, measured=True)
    ChargeFactory(subscription=subscription, cost=Decimal("12.345"))

    titles = [blocker.title for blocker in blockers(method, on=TODAY)]

    assert titles == [f"Default of {profile}", "Pays 1 subscription", "Charges not invoiced yet: €12.35"]


def test_an_invoice_that_the_card_failed_to_pay_keeps_it(profile, owner):
    method = PaymentMethodFactory(account=profile.account)
    invoice = InvoiceFactory(profile=profile)
    PaymentFactory(invoices=[invoice], method=method, status="failed")

    (blocker,) = blockers(method, on=date(2027, 1, 1))

    assert blocker.title == f"Past due: {invoice.number}"


def test_many_due_invoices_are_summed_up(profile):
    method = PaymentMethodFactory(account=profile.account, default_for=[profile])
    for _month in range(5):
        InvoiceFactory(profile=profile)

    titles = [blocker.title for blocker in blockers(method, on=TODAY)]

    assert len(titles) == 5
    assert titles[-1] == "More invoices are due"


def test_P4_replace_and_remove_in_one_go(profile, owner):
    old = PaymentMethodFactory(account=profile.account, default_for=[profile])
    new = PaymentMethodFactory(account=profile.account, specimen="amex")
    InvoiceFactory(profile=profile)

    remove_method(old, replacement=new, by=owner, on=TODAY)

    old.refresh_from_db()
    assert (old.status, default_of(profile)) == ("detached", new)


def test_a_payment_under_way_blocks_also_with_a_replacement(profile, owner):
    old = PaymentMethodFactory(account=profile.account, default_for=[profile])
    new = PaymentMethodFactory(account=profile.account, specimen="amex")
    PaymentFactory(invoices=[InvoiceFactory(profile=profile)], method=old, status="processing")

    with pytest.raises(Refused) as refusal:
        remove_method(old, replacement=new, by=owner, on=TODAY)

    assert refusal.value.code == "in_use"
    assert default_of(profile) == old


def test_a_removed_card_is_not_removed_again(account, owner):
    method = PaymentMethodFactory(account=account)
    remove_method(method, by=owner, on=TODAY)

    with pytest.raises(Refused) as refusal:
        remove_method(method, by=owner, on=TODAY)

    assert refusal.value.code == "method_gone"


def test_P1_a_contributor_removes_a_card_that_somebody_else_added(account, owner):
    contributor = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR).user
    method = PaymentMethodFactory(account=account, added_by=owner)

    assert remove_method(method, by=contributor, on=TODAY).status == "detached"


def test_a_profile_owner_does_not_remove_a_card_of_the_whole_account(profile):
    person = ProfileRoleFactory(profile=profile, role=Role.PROFILE_OWNER).user
    method = PaymentMethodFactory(account=profile.account)

    with pytest.raises(Forbidden):
        remove_method(method, by=person, on=TODAY)


def test_past_payments_keep_what_they_were_paid_with(profile, owner):
    method = PaymentMethodFactory(account=profile.account)
    payment = PaymentFactory(invoices=[InvoiceFactory(profile=profile)], method=method)

    remove_method(method, by=owner, on=TODAY)
    forget_removed_method(method.pk)

    payment.refresh_from_db()
    assert (payment.method_text, payment.method.last4) == ("Visa 4242", "4242")


# --- Dates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "is_expiring", "is_expired"),
    [
        (date(2026, 10, 31), False, False),
        (date(2026, 11, 1), True, False),
        (date(2026, 11, 30), True, False),
        (date(2026, 12, 1), False, True),
    ],
)
def test_a_card_expires_at_the_end_of_its_month_and_warns_thirty_days_before(day, is_expiring, is_expired):
    method = PaymentMethodFactory(valid_until=date(2026, 11, 30))

    assert (method.is_expiring(day), method.is_expired(day)) == (is_expiring, is_expired)
    assert PaymentMethod.objects.expiring(day).exists() == is_expiring
    assert PaymentMethod.objects.expired(day).exists() == is_expired
    assert PaymentMethod.objects.chargeable(day).exists() != is_expired
