"""What an unpaid invoice means for the subscriptions of its profile, and how they come back (§3.5, P20).

The open cases of a profile say how far it has come; its subscriptions follow. What was cancelled or deleted
stays as it is.
"""

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


def standing_of(profile: BillingProfile) -> Standing:
    """The worst of its open cases whose invoice asks for money: what is disputed counts for nothing."""
    held = CollectionCase.objects.open().filter(invoice__profile=profile, invoice__status="due")
    found = set(held.values_list("standing", flat=True))
    return max((Standing(each) for each in found), key=_ORDER.index, default=Standing.FINE)


def follow_standing(profile: BillingProfile) -> list[Subscription]:
    """Bring the subscriptions of the profile to where its open cases put them, in the caller's transaction.

    Returns those that changed. The profile's row is locked, so that two invoices paid at once end in one state.
    """
    BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    standing = standing_of(profile)
    rows = Subscription.objects.select_for_update().filter(profile=profile, status__in=_STEPS[standing])
    changed = list(rows.order_by("pk"))
    with acting(None, f"subscription.{standing}"):
        for subscription in changed:
            for status in _STEPS[standing][Status(subscription.status)]:
                move(subscription, status)
    return changed
