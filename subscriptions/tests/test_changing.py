"""Changing, ending, bringing back and moving what was bought."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.codes import new_code
from core.errors import Forbidden, Refused
from core.money import Money
from core.policy import Role
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory, SubscriptionProfileFactory
from subscriptions.jobs import apply_moves, delete_subscriptions, end_subscriptions
from subscriptions.models import Subscription, SubscriptionChange, SubscriptionMove
from subscriptions.services.changing import (
    cancel_subscription,
    change_subscription,
    end_subscription,
    plan_cancellation,
    plan_change,
    plan_reactivation,
    reactivate_subscription,
    set_recurring_billing,
)
from subscriptions.services.moving import apply_due_move, move_subscription, withdraw_move
from subscriptions.tests.factories import PriceFactory, ProductFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

# A term of thirty days: 16 November to 15 December.
DAY = date(2026, 11, 20)


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def bought(owner):
    """Three at € 10.00 a month, renewed on the 16th."""
    profile = BillingProfileFactory(owner=owner)
    return SubscriptionFactory(profile=profile, quantity=3, unit_price=Decimal(10), started_on=date(2026, 1, 16))


def change(bought, by, quantity, *, price=None, on=DAY, request_key=None):
    planned = plan_change(bought, quantity=quantity, price=price, on=on)
    return change_subscription(
        bought,
        quantity=quantity,
        price=price,
        expected=planned.net,
        request_key=request_key or new_code(),
        by=by,
        on=on,
    )


def cancel(bought, by, on=DAY):
    expected = plan_cancellation(bought, on=on).net
    return cancel_subscription(bought, expected=expected, request_key=new_code(), by=by, on=on)


def reactivate(bought, by, on):
    expected = plan_reactivation(bought, on=on).net
    return reactivate_subscription(bought, expected=expected, request_key=new_code(), by=by, on=on)


# --- Quantity and plan ----------------------------------------------------------------------------


def test_3_9_more_counts_from_today_by_day_over_the_rest_of_the_term(bought, owner):
    made = change(bought, owner, 5)

    bought.refresh_from_db()
    # 26 of 30 days: 20 November to 15 December.
    assert (made.counts_from, made.days, made.term_days, made.net) == (DAY, 26, 30, Money(1733, "EUR"))
    assert (bought.quantity, bought.last_change_from) == (5, DAY)


def test_3_9_less_counts_from_tomorrow_for_today_could_be_used(bought, owner):
    made = change(bought, owner, 1)

    assert (made.counts_from, made.days, made.net) == (date(2026, 11, 21), 25, Money(-1667, "EUR"))


def test_3_9_back_on_the_same_day_comes_to_nothing(bought, owner):
    there = change(bought, owner, 1)

    back = change(bought, owner, 3)

    assert back.counts_from == there.counts_from
    assert there.net + back.net == Money.zero("EUR")


def test_3_9_on_the_first_day_of_a_term_the_term_itself_carries_it(bought, owner):
    made = change(bought, owner, 7, on=date(2026, 12, 16))

    assert (made.term_start, made.net_minor) == (date(2026, 12, 16), 0)


def test_3_9_another_plan_of_the_same_term_takes_its_price_and_name(bought, owner):
    better = PriceFactory(unit_price=Decimal(25), product__name="Mail Pro")

    made = change(bought, owner, 2, price=better)

    bought.refresh_from_db()
    assert (made.kind, made.net) == ("plan", Money(1733, "EUR"))  # (2 × 25 − 3 × 10) × 26 / 30
    assert (bought.product, bought.unit_price, bought.name) == (better.product, Decimal(25), "Mail Pro")


@pytest.mark.parametrize("values", [{"term": "yearly"}, {"currency": "USD"}, {"valid_until": date(2026, 11, 19)}])
def test_another_term_currency_or_a_price_of_yesterday_is_no_plan_for_it(bought, values):
    with pytest.raises(Refused) as refusal:
        plan_change(bought, quantity=3, price=PriceFactory(**values), on=DAY)
    assert refusal.value.code == "other_plan"


def test_S2_7_a_policy_of_the_profile_keeps_a_plan_out(bought):
    bought.profile.allows_reservations = False
    price = PriceFactory(product=ProductFactory(kind="reservation"))

    with pytest.raises(Refused) as refusal:
        plan_change(bought, quantity=3, price=price, on=DAY)
    assert refusal.value.code == "policy"


@pytest.mark.parametrize(("quantity", "code"), [(3, "nothing_changed"), (0, "quantity"), (100_001, "quantity")])
def test_what_makes_no_sense_is_refused(bought, quantity, code):
    with pytest.raises(Refused) as refusal:
        plan_change(bought, quantity=quantity, price=None, on=DAY)
    assert refusal.value.code == code


@pytest.mark.parametrize("status", ["cancelled", "disabled", "deleted"])
def test_3_5_what_does_not_run_is_not_changed(bought, status):
    bought.status = status

    for plan in (
        lambda: plan_change(bought, quantity=4, price=None, on=DAY),
        lambda: plan_cancellation(bought, on=DAY),
    ):
        with pytest.raises(Refused) as refusal:
            plan()
        assert refusal.value.code == "not_running"


def test_what_is_measured_is_changed_where_it_is_used(owner):
    measured = SubscriptionFactory(measured=True, profile=BillingProfileFactory(owner=owner))

    for plan in (plan_cancellation, plan_reactivation):
        with pytest.raises(Refused) as refusal:
            plan(measured, on=DAY)
        assert refusal.value.code == "measured"
    with pytest.raises(Refused):
        set_recurring_billing(measured, is_on=False, by=owner, on=DAY)


def test_T24_the_same_form_changes_once_and_a_used_key_is_no_other_form(bought, owner):
    first = change(bought, owner, 5, request_key="k" * 20)
    again = change_subscription(
        bought, quantity=5, price=None, expected=first.net, request_key="k" * 20, by=owner, on=DAY
    )

    assert again == first
    other = SubscriptionFactory(profile=bought.profile)
    with pytest.raises(Refused) as refusal:
        change(other, owner, 5, request_key="k" * 20)
    assert refusal.value.code == "key_reused"


def test_T30_money_that_is_not_what_the_person_saw_is_refused(bought, owner):
    with pytest.raises(Refused) as refusal:
        change_subscription(
            bought, quantity=5, price=None, expected=Money(1, "EUR"), request_key=new_code(), by=owner, on=DAY
        )
    assert refusal.value.code == "amount_changed"
    assert not SubscriptionChange.objects.exists()


def test_2_2_readers_and_invoice_managers_change_nothing(bought):
    for role in (Role.PROFILE_READER, Role.INVOICE_MANAGER):
        person = ProfileRoleFactory(profile=bought.profile, role=role).user
        with pytest.raises(Forbidden):
            change(bought, person, 4)
        with pytest.raises(Forbidden):
            cancel(bought, person)
        with pytest.raises(Forbidden):
            move_subscription(bought, profile=BillingProfileFactory(account=bought.account), by=person, on=DAY)


def test_a_change_is_a_fact_that_nobody_edits(bought, owner):
    made = change(bought, owner, 5)

    for act in (made.delete, lambda: SubscriptionChange.objects.update(net_minor=1)):
        with pytest.raises(DatabaseError), transaction.atomic():
            act()


@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_follow_each_other(bought, owner):
    change(bought, owner, 4)
    barrier = threading.Barrier(2)

    def add(quantity):
        row = Subscription.objects.get(pk=bought.pk)
        planned = plan_change(row, quantity=quantity, price=None, on=DAY)
        barrier.wait()
        try:
            change_subscription(
                row, quantity=quantity, price=None, expected=planned.net, request_key=new_code(), by=owner, on=DAY
            )
        except Refused as refusal:
            return refusal.code
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(add, [6, 8]))

    rows = list(SubscriptionChange.objects.order_by("pk"))
    # Whoever came second was shown the difference to four, and is asked again.
    assert sorted(outcomes) == ["amount_changed", "done"]
    assert [(row.quantity_before, row.quantity_after) for row in rows[1:]] == [(4, rows[1].quantity_after)]


# --- Ending and coming back -----------------------------------------------------------------------


def test_3_5_cancelled_now_it_ends_today_and_gives_back_the_days_left(bought, owner):
    made = cancel(bought, owner)

    bought.refresh_from_db()
    assert (bought.status, bought.ended_on) == ("cancelled", DAY)
    assert (made.counts_from, made.net) == (date(2026, 11, 21), Money(-2500, "EUR"))  # 25 of 30 days


def test_3_5_recurring_billing_off_lets_it_end_with_its_term_and_on_again_goes_on(bought, owner):
    assert set_recurring_billing(bought, is_on=False, by=owner, on=DAY)
    bought.refresh_from_db()
    assert (bought.status, bought.ended_on, bought.next_renewal(DAY)) == ("active", date(2026, 12, 15), None)
    assert not set_recurring_billing(bought, is_on=False, by=owner, on=DAY)

    assert set_recurring_billing(bought, is_on=True, by=owner, on=DAY)
    bought.refresh_from_db()
    assert (bought.ended_on, bought.next_renewal(DAY)) == (None, date(2026, 12, 16))
    assert not SubscriptionChange.objects.exists()


def test_3_5_the_day_after_its_last_the_clock_ends_it_without_money(bought, owner):
    set_recurring_billing(bought, is_on=False, by=owner, on=DAY)

    with time_machine.travel("2026-12-16 08:00:00+00:00", tick=False):
        end_subscriptions(bought.pk)
        end_subscriptions(bought.pk)

    bought.refresh_from_db()
    ended = SubscriptionChange.objects.get()
    assert bought.status == "cancelled"
    assert (ended.kind, ended.counts_from, ended.net_minor) == ("ended", date(2026, 12, 16), 0)


def test_less_that_would_count_after_the_end_is_refused(bought, owner):
    set_recurring_billing(bought, is_on=False, by=owner, on=DAY)

    with pytest.raises(Refused) as refusal:
        plan_change(bought, quantity=1, price=None, on=date(2026, 12, 15))
    assert refusal.value.code == "ends_first"


def test_3_5_reactivated_it_keeps_its_renewals_and_pays_the_rest_of_the_term(bought, owner):
    cancel(bought, owner)

    made = reactivate(bought, owner, on=date(2026, 12, 1))

    bought.refresh_from_db()
    assert (bought.status, bought.ended_on) == ("active", None)
    assert made.net == Money(1500, "EUR")  # 15 of 30 days
    assert bought.next_renewal(date(2026, 12, 1)) == date(2026, 12, 16)


def test_3_5_reactivated_on_the_day_of_the_cancellation_nothing_is_lost(bought, owner):
    cancelled = cancel(bought, owner)

    made = reactivate(bought, owner, on=DAY)

    assert made.counts_from == cancelled.counts_from
    assert made.net + cancelled.net == Money.zero("EUR")


def test_a_profile_that_cannot_be_used_keeps_it_cancelled(bought, owner):
    cancel(bought, owner)
    bought.profile.status = "disabled"

    with pytest.raises(Refused) as refusal:
        plan_reactivation(bought, on=DAY)
    assert refusal.value.code == "profile_not_usable"


def test_3_5_ninety_days_after_its_last_it_is_deleted(bought, owner):
    cancel(bought, owner)

    for day, status in (("2027-02-18", "cancelled"), ("2027-02-19", "deleted")):
        with time_machine.travel(f"{day} 12:00:00+00:00", tick=False):
            delete_subscriptions(bought.pk)
        bought.refresh_from_db()
        assert bought.status == status
    with pytest.raises(Refused):
        plan_reactivation(bought, on=DAY)


def test_online_services_the_administrator_changes_and_cancels():
    administrator = UserFactory()
    account = BillingAccountFactory(online_services=True, owner=administrator)
    bought = SubscriptionFactory(profile=SubscriptionProfileFactory(account=account), started_on=date(2026, 1, 16))

    change(bought, administrator, 4)
    cancel(bought, administrator)
    reactivate(bought, administrator, on=DAY + timedelta(days=3))

    kinds = SubscriptionChange.objects.order_by("pk").values_list("kind", flat=True)
    assert list(kinds) == ["quantity", "cancelled", "reactivated"]
    with pytest.raises(Forbidden):
        move_subscription(bought, profile=BillingProfileFactory(), by=administrator, on=DAY)


# --- Another profile ------------------------------------------------------------------------------


def test_3_9_it_goes_to_another_profile_with_the_next_month(bought, owner):
    account_owner = BillingProfileFactory(account=bought.account)
    ProfileRoleFactory(profile=account_owner, user=owner, role=Role.PROFILE_OWNER)

    asked = move_subscription(bought, profile=account_owner, by=owner, on=DAY)
    with time_machine.travel("2026-11-30 20:00:00+00:00", tick=False):
        apply_moves(asked.pk)
    bought.refresh_from_db()
    assert bought.profile == asked.from_profile

    with time_machine.travel("2026-12-01 08:00:00+00:00", tick=False):
        apply_moves(asked.pk)
    bought.refresh_from_db()
    assert bought.profile == account_owner


def test_a_move_is_withdrawn_or_replaced_until_it_begins(bought, owner):
    first, second = (BillingProfileFactory(account=bought.account) for _each in range(2))
    for profile in (first, second):
        ProfileRoleFactory(profile=profile, user=owner, role=Role.PROFILE_OWNER)

    move_subscription(bought, profile=first, by=owner, on=DAY)
    move_subscription(bought, profile=second, by=owner, on=DAY)
    assert SubscriptionMove.objects.ahead().get().to_profile == second

    assert withdraw_move(bought, by=owner, on=DAY)
    apply_due_move(bought, on=date(2026, 12, 1))
    bought.refresh_from_db()
    assert bought.profile not in {first, second}
    assert not withdraw_move(bought, by=owner, on=DAY)


def test_S2_7_only_to_a_profile_on_which_one_may_buy_and_that_can_be_used(bought, owner):
    with pytest.raises(Forbidden):
        move_subscription(bought, profile=BillingProfileFactory(account=bought.account), by=owner, on=DAY)
    stopped = BillingProfileFactory(account=bought.account, status="disabled")
    ProfileRoleFactory(profile=stopped, user=owner, role=Role.PROFILE_OWNER)
    for profile, code in ((stopped, "profile_not_usable"), (bought.profile, "same_profile")):
        with pytest.raises(Refused) as refusal:
            move_subscription(bought, profile=profile, by=owner, on=DAY)
        assert refusal.value.code == code


def test_end_subscription_leaves_alone_what_runs(bought):
    end_subscription(bought, on=DAY)

    bought.refresh_from_db()
    assert bought.status == "active"
