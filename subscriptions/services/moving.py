"""Moving a subscription to another billing profile, from the next period on (R of domain §3.9)."""

from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.errors import Refused
from core.history import acting
from core.periods import Month
from core.policy import Action, demand
from profiles.models import BillingProfile
from subscriptions.models import Subscription, SubscriptionMove
from subscriptions.services.purchasing import why_not_usable


@transaction.atomic
def move_subscription(subscription: Subscription, *, profile: BillingProfile, by: Any, on: date) -> SubscriptionMove:
    """Invoice it on that profile from next month on; this month stays where it is.

    A move that was asked for before and has not begun is withdrawn. Takes the right to move the subscription, and to
    buy on the profile. Refuses `own_profile` for online services, `same_profile`, `profile_not_usable`, `deleted`.
    """
    _lock(subscription, by)
    if subscription.account.is_online_services:
        raise Refused(_("Each subscription of an online-services account has its own invoice."), "own_profile")
    if profile.account_id != subscription.account_id or not profile.is_shown:
        raise ValueError("the profile is of another account")
    demand(by, Action.PROFILE_PURCHASE, profile)
    if subscription.status == "deleted":
        raise Refused(_("It is deleted. Nothing of it is invoiced any more."), "deleted")
    apply_due_move(subscription, on=on)
    if profile.pk == subscription.profile_id:
        raise Refused(_("It is invoiced on this profile already."), "same_profile")
    profile.refresh_from_db(fields=["status"])
    if reason := why_not_usable(profile):
        raise Refused(_("“%(name)s” cannot be used to buy.") % {"name": profile} + f" {reason}", "profile_not_usable")
    _withdraw(subscription)
    starts_on = Month.of(on).next.first
    with acting(by, "subscription.move_asked"):
        asked = SubscriptionMove.objects.create(
            subscription=subscription,
            from_profile=subscription.profile,
            to_profile=profile,
            starts_on=starts_on,
            asked_by=by,
        )
        Subscription.objects.filter(pk=subscription.pk).update(last_move_on=starts_on)
    subscription.last_move_on = starts_on
    return asked


@transaction.atomic
def withdraw_move(subscription: Subscription, *, by: Any, on: date) -> bool:
    """Leave it where it is; returns whether there was a move ahead that had not begun."""
    _lock(subscription, by)
    apply_due_move(subscription, on=on)
    with acting(by, "subscription.move_withdrawn"):
        return _withdraw(subscription)


@transaction.atomic
def apply_due_move(subscription: Subscription, *, on: date) -> None:
    """Put it on its new profile when the month of the move has begun. Safe to repeat."""
    due = SubscriptionMove.objects.ahead().filter(subscription=subscription, starts_on__lte=on).select_for_update()
    for asked in due.select_related("to_profile"):
        with acting(asked.asked_by, "subscription.moved"):
            # An invoice section is of one profile.
            Subscription.objects.filter(pk=subscription.pk).update(profile=asked.to_profile, section=None)
            SubscriptionMove.objects.filter(pk=asked.pk).update(applied_at=timezone.now())
        subscription.profile = asked.to_profile


def _withdraw(subscription: Subscription) -> bool:
    ahead = SubscriptionMove.objects.ahead().filter(subscription=subscription)
    return ahead.update(withdrawn_at=timezone.now()) > 0


def _lock(subscription: Subscription, by: Any) -> None:
    Subscription.objects.select_for_update(no_key=True).get(pk=subscription.pk)
    subscription.refresh_from_db()
    demand(by, Action.SUBSCRIPTION_MOVE, subscription)
