"""The sandbox's own background work. It runs in the portal's workers, and would elsewhere be the gateway's."""

from core.jobs import job
from payments.gateways.sandbox import api
from payments.gateways.sandbox.models import Charge, Webhook
from payments.gateways.sandbox.webhooks import deliver


@job(due=lambda now: Webhook.objects.due(now))
def deliver_webhook(row_id: int) -> None:
    """Send a notice; one that is not taken comes again later, for three days."""
    deliver(Webhook.objects.get(pk=row_id))


@job(
    due=lambda now: Charge.objects.filter(status__in=["pending", "succeeded"], due_at__lte=now).order_by("due_at", "pk")
)
def settle_charge(row_id: int) -> None:
    """End a charge that took its time, or take back one that the bank returns."""
    api.settle_pending(row_id)
