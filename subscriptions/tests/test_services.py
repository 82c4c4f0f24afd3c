"""Buying."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.tests.factories import (
    AccountRoleFactory,
    BillingAccountFactory,
    OrganisationFactory,
    UserFactory,
)
from core.errors import Forbidden, Refused
from core.policy import Role
from profiles.models import BillingProfile, ProfileRole
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.models import Purchase, Subscription, Term
from subscriptions.services.purchasing import MAX_QUANTITY, purchase_product
from subscriptions.tests.factories import PriceFactory, ProductFactory, PurchaseFactory, SubscriptionFactory

DAY = date(2026, 1, 31)
KEY = "k" * 20


def buy(account, *, by, price=None, profile=None, quantity=3, on=DAY, request_key=KEY):
    price = price or PriceFactory(currency=account.currency)
    return purchase_product(
        account, price=price, quantity=quantity, profile=profile, by=by, on=on, request_key=request_key
    )


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def account(owner):
    return BillingAccountFactory(owner=owner, name="Alfa Logistiek B.V.")


# --- What is bought -------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("bought", [SubscriptionFactory, PurchaseFactory])
def test_S2_1_nothing_that_was_bought_is_without_a_profile(bought):
    row = bought()

    with pytest.raises(IntegrityError), transaction.atomic():
        type(row).objects.filter(pk=row.pk).update(profile=None)


@pytest.mark.django_db
def test_S2_1_a_subscription_starts_on_the_day_on_its_profile_at_the_price(account, owner):
    profile = BillingProfileFactory(account=account)
    price = PriceFactory(term=Term.YEARLY, unit_price=Decimal("337.125"))

    purchase = buy(account, by=owner, price=price, profile=profile)

    made = Subscription.objects.get()
    assert purchase.subscription == made
    assert (made.account, made.profile, made.product, made.name) == (
        account,
        profile,
        price.product,
        price.product.name,
    )
    assert (made.started_on, made.term, made.quantity, made.currency) == (DAY, Term.YEARLY, 3, "EUR")
    assert (made.unit_price, made.status, made.created_by) == (Decimal("337.125"), "active", owner)
    assert (purchase.profile, purchase.bought_on, purchase.bought_by) == (profile, DAY, owner)
    assert (purchase.quantity, purchase.unit_price, purchase.currency) == (3, Decimal("337.125"), "EUR")


@pytest.mark.django_db
def test_a_one_off_is_a_purchase_without_a_subscription(account, owner):
    purchase = buy(
        account, by=owner, price=PriceFactory(term=Term.ONE_OFF), profile=BillingProfileFactory(account=account)
    )

    assert (purchase.subscription, purchase.term) == (None, Term.ONE_OFF)
    assert Subscription.objects.count() == 0


@pytest.mark.django_db
def test_the_name_is_in_the_language_that_the_organisation_prefers(owner):
    organisation = OrganisationFactory(preferred_language="nl")
    account = BillingAccountFactory(owner=owner, organisation=organisation)
    price = PriceFactory(product=ProductFactory(name="Mailbox", name_nl="Postvak"))

    assert buy(account, by=owner, price=price).subscription.name == "Postvak"


@pytest.mark.django_db
def test_a_later_price_changes_nothing_that_was_bought(account, owner):
    price = PriceFactory(unit_price=Decimal("12.50"))
    bought = buy(account, by=owner, price=price).subscription

    price.unit_price = Decimal("99")
    price.save()

    bought.refresh_from_db()
    assert bought.unit_price == Decimal("12.50")


@pytest.mark.django_db
def test_the_history_says_who_bought(account, owner):
    bought = buy(account, by=owner).subscription

    told = bought.events.get().pgh_context.metadata
    assert (told["actor"], told["action"]) == (owner.pk, "subscription.purchased")


# --- On which profile -----------------------------------------------------------------------------


@pytest.mark.django_db
def test_S2_10_first_purchase_makes_the_first_profile(account, owner):
    purchase = buy(account, by=owner)

    profile = BillingProfile.objects.get()
    assert purchase.profile == profile
    assert (profile.name, profile.kind, profile.sends_invoices) == ("Alfa Logistiek B.V.", "standard", False)
    assert profile.bill_to.snapshot() == account.sold_to.snapshot()
    assert ProfileRole.objects.count() == 0


@pytest.mark.django_db
def test_S2_10_a_contributor_who_buys_first_owns_the_profile(account):
    contributor = AccountRoleFactory(account=account, role=Role.ACCOUNT_CONTRIBUTOR).user

    purchase = buy(account, by=contributor)

    assert [(row.user, row.role) for row in purchase.profile.roles.all()] == [(contributor, Role.PROFILE_OWNER)]


@pytest.mark.django_db
def test_S2_10_second_purchase_is_on_the_profile_of_the_first(account, owner):
    first = buy(account, by=owner)
    second = buy(account, by=owner, request_key="l" * 20)

    assert second.profile == first.profile
    assert BillingProfile.objects.count() == 1


@pytest.mark.django_db
def test_of_several_profiles_one_has_to_be_chosen(account, owner):
    BillingProfileFactory(account=account)
    BillingProfileFactory(account=account)

    with pytest.raises(Refused) as refusal:
        buy(account, by=owner)

    assert refusal.value.code == "choose_profile"
    assert Purchase.objects.count() == 0


@pytest.mark.django_db
def test_each_subscription_of_an_online_services_account_has_its_hidden_profile(owner):
    account = BillingAccountFactory(owner=owner, online_services=True)
    price = PriceFactory()

    first = buy(account, by=owner, price=price)
    second = buy(account, by=owner, price=price, request_key="l" * 20)

    assert first.profile != second.profile
    assert {profile.kind for profile in BillingProfile.objects.all()} == {"subscription"}
    assert first.profile.invoice_address == account.bill_to
    assert first.profile.name == price.product.name


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "usable"),
    [("active", True), ("warned", True), ("disabled", False), ("under_review", False), ("closed", False)],
)
def test_S2_7_a_stopped_profile_is_refused_with_the_reason(account, owner, status, usable):
    profile = BillingProfileFactory(account=account, status=status)

    if usable:
        assert buy(account, by=owner, profile=profile).profile == profile
    else:
        with pytest.raises(Refused) as refusal:
            buy(account, by=owner, profile=profile)
        assert refusal.value.code == "profile_not_usable"
        assert profile.name in str(refusal.value)


@pytest.mark.django_db
@pytest.mark.parametrize(("status", "code"), [("closed", "account_closed"), ("disabled", "account_disabled")])
def test_nothing_is_bought_in_a_stopped_account(owner, status, code):
    account = BillingAccountFactory(owner=owner, status=status)

    with pytest.raises(Refused) as refusal:
        buy(account, by=owner)

    assert refusal.value.code == code
    assert BillingProfile.objects.count() == 0


# --- Who ------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.PROFILE_OWNER, True),
        (Role.PROFILE_CONTRIBUTOR, True),
        (Role.PROFILE_READER, False),
        (Role.INVOICE_MANAGER, False),
    ],
)
def test_S2_6_S2_7_paying_is_not_buying(account, role, allowed):
    profile = BillingProfileFactory(account=account)
    person = ProfileRoleFactory(profile=profile, role=role).user

    if allowed:
        buy(account, by=person, profile=profile)
    else:
        with pytest.raises(Forbidden):
            buy(account, by=person, profile=profile)

    assert Purchase.objects.count() == allowed


@pytest.mark.django_db
def test_whoever_may_buy_on_one_profile_does_not_on_another_nor_make_the_first(account):
    own, other = BillingProfileFactory(account=account), BillingProfileFactory(account=account)
    person = ProfileRoleFactory(profile=own).user

    with pytest.raises(Forbidden):
        buy(account, by=person, profile=other)
    with pytest.raises(Forbidden):
        buy(BillingAccountFactory(), by=person)


@pytest.mark.django_db
def test_T01_a_profile_of_another_account_is_not_bought_on(account, owner):
    for profile in (BillingProfileFactory(), SubscriptionProfileFactory()):
        with pytest.raises(ValueError, match="another account"):
            buy(account, by=owner, profile=profile)


# --- At which price -------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"valid_from": date(2026, 2, 1)},
        {"valid_until": date(2026, 1, 30)},
        {"currency": "USD"},
        {"product__is_offered": False},
    ],
)
def test_T30_what_is_not_on_offer_is_not_sold(account, owner, fields):
    with pytest.raises(Refused) as refusal:
        buy(account, by=owner, price=PriceFactory(**fields))

    assert refusal.value.code == "not_on_offer"
    assert BillingProfile.objects.count() == 0


@pytest.mark.django_db
def test_T30_a_price_that_a_later_one_replaced_is_not_sold(account, owner):
    old = PriceFactory(valid_from=date(2025, 1, 1), valid_until=date(2026, 1, 30))
    new = PriceFactory(product=old.product, valid_from=date(2026, 1, 31), unit_price=20)

    with pytest.raises(Refused):
        buy(account, by=owner, price=old)

    assert buy(account, by=owner, price=new).unit_price == 20
    assert buy(account, by=owner, price=old, on=date(2026, 1, 30), request_key="l" * 20).unit_price == Decimal("12.5")


@pytest.mark.django_db
@pytest.mark.parametrize("quantity", [0, -1, MAX_QUANTITY + 1])
def test_T30_a_quantity_out_of_bounds_is_refused(account, owner, quantity):
    with pytest.raises(Refused) as refusal:
        buy(account, by=owner, quantity=quantity)

    assert refusal.value.code == "quantity"


# --- Once -----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_T24_the_same_form_sent_twice_buys_once(account, owner):
    price = PriceFactory()

    first = buy(account, by=owner, price=price)

    assert buy(account, by=owner, price=price) == first
    assert (Purchase.objects.count(), Subscription.objects.count()) == (1, 1)


@pytest.mark.django_db
def test_I16_the_key_of_another_order_is_refused(account, owner):
    price = PriceFactory()
    buy(account, by=owner, price=price)

    for attempt in (
        partial(buy, account, by=owner, price=price, quantity=4),
        partial(buy, account, by=owner, price=PriceFactory()),
        partial(buy, BillingAccountFactory(owner=owner), by=owner, price=price),
    ):
        with pytest.raises(Refused) as refusal:
            attempt()
        assert refusal.value.code == "key_reused"

    assert Purchase.objects.count() == 1


@pytest.mark.django_db
def test_a_key_gives_its_purchase_only_to_who_may_buy_there(account, owner):
    price = PriceFactory()
    buy(account, by=owner, price=price)

    with pytest.raises(Forbidden):
        buy(account, by=UserFactory(), price=price)


# --- At once --------------------------------------------------------------------------------------


def at_once(*verbs):
    start = threading.Barrier(len(verbs))

    def run(verb):
        start.wait()
        try:
            return verb()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(verbs)) as pool:
        return list(pool.map(run, verbs))


@pytest.mark.django_db(transaction=True)
def test_S2_10_two_first_purchases_at_once_make_one_profile(long):
    for _repeat in range(50 if long else 5):
        account = BillingAccountFactory()
        buyers = [
            AccountRoleFactory(account=account, role=role).user
            for role in (Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR)
        ]
        price = PriceFactory()

        bought = at_once(
            *(
                partial(buy, account, by=buyer, price=price, request_key=f"key-{account.pk}-{buyer.pk}")
                for buyer in buyers
            )
        )

        assert len({purchase.pk for purchase in bought}) == 2
        assert len({purchase.profile_id for purchase in bought}) == 1
        assert BillingProfile.objects.filter(account=account).count() == 1


@pytest.mark.django_db(transaction=True)
def test_T24_the_same_form_sent_twice_at_once_buys_once(long):
    for _repeat in range(50 if long else 5):
        owner = UserFactory()
        account, price = BillingAccountFactory(owner=owner), PriceFactory()
        key = f"key-of-{account.pk:012}"

        bought = at_once(*[partial(buy, account, by=owner, price=price, request_key=key)] * 3)

        assert len({purchase.pk for purchase in bought}) == 1
        assert Subscription.objects.filter(account=account).count() == 1


# --- In the database ------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Subscription, Purchase])
def test_I21_profile_and_account_of_a_row_belong_together(account, owner, model):
    buy(account, by=owner)
    elsewhere = SubscriptionFactory().profile

    with transaction.atomic():
        model.objects.filter(account=account).update(profile=elsewhere)
        with pytest.raises(IntegrityError, match="in_one_account"):
            connection.check_constraints()
        transaction.set_rollback(True)
