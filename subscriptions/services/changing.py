"""Changing, ending and bringing back what was bought (domain §3.5, §3.9).

Each verb has two halves. `plan_…` says what would be: an unsaved SubscriptionChange with its day and its
money, for the page that asks before. The other half does it, under a lock, and refuses where the money
is not what the person saw.

More counts from the day itself; less from the next, for the day was there to be used. No change counts
from an earlier day than the one before it, so days are charged once.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from core.errors import Refused
from core.history import acting
from core.money import Money
from core.policy import Action, demand
from core.states import move
from subscriptions.models import ChangeKind, Price, Product, Subscription, SubscriptionChange, price_on
from subscriptions.proration import Step, price_of_change, rate_of
from subscriptions.services.purchasing import MAX_QUANTITY, refuse_stopped, why_not_allowed, why_not_usable
from subscriptions.states import SubscriptionStatus

# What was cancelled can be brought back for so long; then it is deleted (§3.5).
RETENTION_DAYS = 90
DAY = timedelta(days=1)
RUNNING = (SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE)

Plan = Callable[[], SubscriptionChange]


# --- Planning -------------------------------------------------------------------------------------


def plan_change(subscription: Subscription, *, quantity: int, price: Price | None, on: date) -> SubscriptionChange:
    """So many from now on, of the plan of that price; None keeps the plan and its price.

    Refuses `measured`, `not_running`, `quantity`, `nothing_changed`, `other_plan` for a price that is not one
    of `plans_for`, `policy` where the profile forbids it, and `ends_first` where recurring billing is off and
    the change would count after the end.
    """
    product = _product(subscription)
    unit_price = price_on(subscription.tiers, quantity, subscription.unit_price)
    _refuse_not_running(subscription, on)
    if not 1 <= quantity <= MAX_QUANTITY:
        raise Refused(_("Have at least one and at most %(most)s.") % {"most": MAX_QUANTITY}, "quantity")
    if price is not None:
        if not plans_for(subscription, on=on).filter(pk=price.pk).exists():
            raise Refused(_("This plan is not on offer for this subscription. Look at the list again."), "other_plan")
        if reason := why_not_allowed(subscription.profile, price):
            raise Refused(
                _("“%(name)s” does not allow this.") % {"name": subscription.profile} + f" {reason}", "policy"
            )
        product, unit_price = price.product, price.unit_price_for(quantity)
    if (product, quantity) == (subscription.product, subscription.quantity):
        raise Refused(_("Nothing would be changed."), "nothing_changed")
    is_less = quantity * unit_price < subscription.quantity * subscription.unit_price
    kind = ChangeKind.QUANTITY if product == subscription.product else ChangeKind.PLAN
    planned = _planned(subscription, kind, product, quantity, unit_price, on + DAY if is_less else on)
    if subscription.ended_on and planned.counts_from > subscription.ended_on:
        raise Refused(
            _("It ends on %(day)s, before this would count. Turn recurring billing on first.")
            % {"day": subscription.ended_on},
            "ends_first",
        )
    return planned


def plan_cancellation(subscription: Subscription, *, on: date) -> SubscriptionChange:
    """Stop at the end of today: what is left of the term is given back by day. Refuses `measured`, `not_running`."""
    product = _product(subscription)
    _refuse_not_running(subscription, on)
    return _planned(subscription, ChangeKind.CANCELLED, product, 0, subscription.unit_price, on + DAY)


def plan_reactivation(subscription: Subscription, *, on: date) -> SubscriptionChange:
    """Run again as before, from today: the rest of the present term is charged by day, its renewals stay.

    Refuses `measured`, `not_cancelled`, and where nothing may be bought: `profile_not_usable`, `account_closed`,
    `account_disabled`.
    """
    product = _product(subscription)
    if subscription.status != SubscriptionStatus.CANCELLED:
        raise Refused(_("Only what was cancelled, and is not deleted yet, can be reactivated."), "not_cancelled")
    refuse_stopped(subscription.account)
    if reason := why_not_usable(subscription.profile):
        raise Refused(
            _("“%(name)s” cannot be used to buy.") % {"name": subscription.profile} + f" {reason}", "profile_not_usable"
        )
    quantity, unit_price = subscription.quantity, subscription.unit_price
    return _planned(subscription, ChangeKind.REACTIVATED, product, quantity, unit_price, on)


def plans_for(subscription: Subscription, *, on: date) -> Any:
    """The prices of other products that it can go over to: on offer, same currency, same term.

    Another term would have other days of renewal: that is a new purchase.
    """
    same = Price.objects.valid(on).filter(currency=subscription.currency, term=subscription.term)
    return same.exclude(product=subscription.product).select_related("product").order_by("unit_price", "pk")


def why_not_changeable(subscription: Subscription, on: date) -> str:
    """Why quantity, plan and recurring billing cannot be changed now; empty where they can."""
    try:
        _product(subscription)
        _refuse_not_running(subscription, on)
    except Refused as refusal:
        return str(refusal)
    return ""


def _planned(
    subscription: Subscription, kind: ChangeKind, product: Product, quantity: int, unit_price: Any, day: date
) -> SubscriptionChange:
    changes = list(subscription.changes.order_by("counts_from", "pk"))
    counts_from = max([day, subscription.started_on, *(change.counts_from for change in changes[-1:])])
    term = subscription.current_term(counts_from)
    if term is None:
        raise ValueError(f"no term of {subscription.code} holds {counts_from}")
    start, end = term
    runs = subscription.status in RUNNING
    quantity_before = subscription.quantity if runs else 0
    later = [change for change in changes if change.counts_from > start]
    currency = subscription.currency
    if later:
        base = rate_of(later[0].quantity_before, later[0].unit_price_before, currency)
    else:
        base = rate_of(quantity_before, subscription.unit_price, currency)
    steps = [Step(start, base)] + [
        Step(change.counts_from, rate_of(change.quantity_after, change.unit_price_after, currency)) for change in later
    ]
    net = Money.zero(currency)
    if counts_from > start:
        net = price_of_change(start, end, steps, Step(counts_from, rate_of(quantity, unit_price, currency)), currency)
    return SubscriptionChange(
        subscription=subscription,
        kind=kind,
        counts_from=counts_from,
        term_start=start,
        term_end=end,
        product_before=subscription.product,
        quantity_before=quantity_before,
        unit_price_before=subscription.unit_price,
        product_after=product,
        quantity_after=quantity,
        unit_price_after=unit_price,
        net_minor=net.minor,
        currency=currency,
    )


# --- Doing ----------------------------------------------------------------------------------------


@transaction.atomic
def change_subscription(
    subscription: Subscription,
    *,
    quantity: int,
    price: Price | None,
    expected: Money,
    request_key: str,
    by: Any,
    on: date,
) -> SubscriptionChange:
    """Change quantity, plan or both, prorated by day over the rest of the term. The same key changes once.

    Refuses what `plan_change` refuses, and `amount_changed` where it is not what the person saw.
    """
    _lock(subscription, by, on)

    def write(change: SubscriptionChange) -> None:
        changed: dict[str, Any] = {"quantity": change.quantity_after, "unit_price": change.unit_price_after}
        if change.product_after != subscription.product:
            language = subscription.account.organisation.preferred_language
            # A name that somebody outside gave stays.
            if subscription.name == _product(subscription).name_in(language):
                changed["name"] = change.product_after.name_in(language)
            changed["product"] = change.product_after
        if price is not None:
            changed["tiers"] = price.ladder
        _update(subscription, last_change_from=change.counts_from, **changed)

    plan = lambda: plan_change(subscription, quantity=quantity, price=price, on=on)  # noqa: E731
    return _carry_out(subscription, plan, write, expected, request_key, by)


@transaction.atomic
def cancel_subscription(
    subscription: Subscription, *, expected: Money, request_key: str, by: Any, on: date
) -> SubscriptionChange:
    """Cancel at the end of today and give back the rest of the term by day.

    With the end of the term: `set_recurring_billing`.

    Refuses `measured`, `not_running`, `amount_changed`.
    """
    _lock(subscription, by, on)

    def write(change: SubscriptionChange) -> None:
        last = change.counts_from - DAY
        move(subscription, SubscriptionStatus.CANCELLED, ended_on=last, last_change_from=change.counts_from)

    return _carry_out(subscription, lambda: plan_cancellation(subscription, on=on), write, expected, request_key, by)


@transaction.atomic
def reactivate_subscription(
    subscription: Subscription, *, expected: Money, request_key: str, by: Any, on: date
) -> SubscriptionChange:
    """Bring back what was cancelled, with recurring billing on.

    Refuses what `plan_reactivation` refuses, and `amount_changed`.
    """
    _lock(subscription, by, on)

    def write(change: SubscriptionChange) -> None:
        move(subscription, SubscriptionStatus.ACTIVE, ended_on=None, last_change_from=change.counts_from)

    return _carry_out(subscription, lambda: plan_reactivation(subscription, on=on), write, expected, request_key, by)


@transaction.atomic
def set_recurring_billing(subscription: Subscription, *, is_on: bool, by: Any, on: date) -> bool:
    """Renew it term by term, or let it end with the present term; returns whether that changes anything.

    Refuses `measured` and `not_running`.
    """
    _lock(subscription, by, on)
    _product(subscription)
    _refuse_not_running(subscription, on)
    if is_on != subscription.runs_out:
        return False
    with acting(by, "subscription.recurring_on" if is_on else "subscription.recurring_off"):
        _update(subscription, ended_on=None if is_on else last_day_of_term(subscription, on))
    return True


def last_day_of_term(subscription: Subscription, on: date) -> date:
    """The last day of the term that runs on that day, or of the first one."""
    term = subscription.current_term(max(on, subscription.started_on))
    if term is None:
        raise ValueError(f"no term of {subscription.code} holds {on}")
    return term[1]


@transaction.atomic
def end_subscription(subscription: Subscription, *, on: date) -> None:
    """Write down that its last day is over. Nothing where that is not so; safe to repeat."""
    _lock_row(subscription)
    if subscription.status not in RUNNING or subscription.ended_on is None or subscription.ended_on >= on:
        return
    with acting(None, "subscription.ended"):
        if subscription.product is None:
            move(subscription, SubscriptionStatus.CANCELLED)
            return
        day, price = subscription.ended_on + DAY, subscription.unit_price
        change = _planned(subscription, ChangeKind.ENDED, subscription.product, 0, price, day)
        change.request_key = f"ended-{subscription.pk}-{day}"
        change.save()
        move(subscription, SubscriptionStatus.CANCELLED, last_change_from=change.counts_from)


@transaction.atomic
def delete_subscription(subscription: Subscription, *, on: date) -> None:
    """What was cancelled for longer than the retention is deleted; its invoices stay. Safe to repeat."""
    _lock_row(subscription)
    if Subscription.objects.past_retention(on, RETENTION_DAYS).filter(pk=subscription.pk).exists():
        with acting(None, "subscription.deleted"):
            move(subscription, SubscriptionStatus.DELETED)


def _lock(subscription: Subscription, by: Any, on: date) -> None:
    """Hold the row, with what is stored now, as it stands on that day; then ask for the right."""
    _lock_row(subscription)
    demand(by, Action.SUBSCRIPTION_MANAGE, subscription)
    end_subscription(subscription, on=on)


def _lock_row(subscription: Subscription) -> None:
    Subscription.objects.select_for_update(no_key=True).get(pk=subscription.pk)
    subscription.refresh_from_db()


def _carry_out(
    subscription: Subscription,
    plan: Plan,
    write: Callable[[SubscriptionChange], None],
    expected: Money,
    request_key: str,
    by: Any,
) -> SubscriptionChange:
    before = SubscriptionChange.objects.filter(request_key=request_key).first()
    if before is not None:
        if before.subscription_id != subscription.pk:
            raise Refused(_("This form was sent already, for something else. Start again."), "key_reused")
        return before
    change = plan()
    if change.net != expected:
        raise Refused(
            _("The amount is another one by now. Look at it again, and confirm what it says."), "amount_changed"
        )
    change.request_key, change.made_by = request_key, by
    with acting(by, f"subscription.{change.kind}"):
        change.save()
        write(change)
    return change


def _update(subscription: Subscription, **values: Any) -> None:
    Subscription.objects.filter(pk=subscription.pk).update(**values)
    for name, value in values.items():
        setattr(subscription, name, value)


def _product(subscription: Subscription) -> Product:
    if subscription.product is None:
        raise Refused(
            _("This is charged by what is used. Change or stop it where it is used."),
            "measured",
        )
    return subscription.product


def _refuse_not_running(subscription: Subscription, on: date) -> None:
    is_over = subscription.ended_on is not None and subscription.ended_on < on
    if subscription.status not in RUNNING or is_over:
        reasons = {
            SubscriptionStatus.DISABLED: _(
                "It is disabled, since an invoice was not paid. Paying makes it active again."
            ),
            SubscriptionStatus.DELETED: _("It is deleted. Buy it anew."),
        }
        reason = reasons.get(SubscriptionStatus(subscription.status), _("It has ended. Reactivate it first."))
        raise Refused(reason, "not_running")
