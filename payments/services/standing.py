"""What an unpaid invoice means for the subscriptions of its profile, and how they come back (§3.5, P20).

The open cases of a profile say how far it has come; its subscriptions follow. What was cancelled or deleted
stays as it is.
"""

from collections.abc import Collection

from django.db.models import Q

from core.history import acting
from core.states import move
from payments.models import CollectionCase, Standing
from profiles.models import BillingProfile
from subscriptions.models import Subscription
from subscriptions.states import SubscriptionStatus as Status

_ORDER = [Standing.FINE, Standing.PAST_DUE, Standing.DISABLED, Standing.DELETED]
# From where a subscription goes where, one edge at a time.
_STEPS: dict[Standing, dict[Status, tuple[Status, ...]]] = {
    Standing.FINE: {Status.PAST_DUE: (Status.ACTIVE,), Status.DISABLED: (Status.ACTIVE,)},
    Standing.PAST_DUE: {Status.ACTIVE: (Status.PAST_DUE,), Status.DISABLED: (Status.ACTIVE, Status.PAST_DUE)},
    Standing.DISABLED: {Status.ACTIVE: (Status.PAST_DUE, Status.DISABLED), Status.PAST_DUE: (Status.DISABLED,)},
    Standing.DELETED: {Status.DISABLED: (Status.DELETED,)},
}


def standings_of(profile_ids: Collection[int]) -> dict[int, Standing]:
    """The worst of the open cases of each profile whose invoice asks for money: what is disputed counts for nothing."""
    past = CollectionCase.objects.open().exclude(standing=Standing.FINE)
    held = past.filter(invoice__profile__among=profile_ids, invoice__status="due")
    found = dict.fromkeys(profile_ids, Standing.FINE)
    for profile_id, standing in held.values_list("invoice__profile", "standing").distinct():
        found[profile_id] = max(found[profile_id], Standing(standing), key=_ORDER.index)
    return found


def follow_standing(profile: BillingProfile) -> list[Subscription]:
    """Bring the subscriptions of the profile to where its open cases put them, in the caller's transaction.

    Returns those that changed. The profile's row is locked, so that two invoices paid at once end in one state.
    """
    return follow_standings([profile.pk])


def follow_standings(profile_ids: Collection[int]) -> list[Subscription]:
    """The same for several profiles, in three statements and those of what changes."""
    rows = BillingProfile.objects.select_for_update(no_key=True).filter(pk__among=profile_ids)
    list(rows.order_by("pk").values_list("pk", flat=True))
    standings = standings_of(profile_ids)
    moving = Q()
    for standing in set(standings.values()):
        there = [pk for pk, each in standings.items() if each == standing]
        moving |= Q(profile__among=there, status__in=_STEPS[standing])
    changed = list(Subscription.objects.select_for_update().filter(moving).order_by("pk")) if standings else []
    for subscription in changed:
        standing = standings[subscription.profile_id]
        with acting(None, f"subscription.{standing}"):
            for status in _STEPS[standing][Status(subscription.status)]:
                move(subscription, status)
    return changed
