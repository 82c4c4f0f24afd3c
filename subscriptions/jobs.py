"""What happens to subscriptions on a day: they end, are deleted after their retention, go to another profile."""

from django.utils import timezone

from core.jobs import job
from subscriptions.models import Subscription, SubscriptionMove
from subscriptions.services.changing import RETENTION_DAYS, delete_subscription, end_subscription
from subscriptions.services.moving import apply_due_move


@job(due=lambda now: Subscription.objects.run_out(timezone.localdate(now)).order_by("pk"))
def end_subscriptions(row_id: int) -> None:
    """Those whose last day is over are cancelled."""
    end_subscription(Subscription.objects.get(pk=row_id), on=timezone.localdate())


@job(due=lambda now: Subscription.objects.past_retention(timezone.localdate(now), RETENTION_DAYS).order_by("pk"))
def delete_subscriptions(row_id: int) -> None:
    """What was cancelled long ago is deleted (§3.5)."""
    delete_subscription(Subscription.objects.get(pk=row_id), on=timezone.localdate())


@job(due=lambda now: SubscriptionMove.objects.ahead().filter(starts_on__lte=timezone.localdate(now)).order_by("pk"))
def apply_moves(row_id: int) -> None:
    """Subscriptions go to their new profile when its month begins."""
    asked = SubscriptionMove.objects.select_related("subscription").get(pk=row_id)
    apply_due_move(asked.subscription, on=timezone.localdate())
