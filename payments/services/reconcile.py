"""Holding our payments and the captures of a gateway against each other, in both directions (I15)."""

from datetime import datetime, timedelta

from payments.gateways.registry import gateway_named
from payments.models import GatewayEvent, ParkedReason, Payment

# The clocks differ, and a capture may be learned of late.
MARGIN = timedelta(days=1)


def reconcile(gateway: str, *, since: datetime, until: datetime) -> None:
    """Look at every capture and every settled payment of that time.

    A capture that is not settled here becomes an event, which is read like any other: it settles its
    payment, or is set aside for a person. A payment settled here without a capture there is parked.
    """
    found = gateway_named(gateway).captured(since=since - MARGIN, until=until + MARGIN)
    captured = {result.key: result for result in found}
    own = Payment.objects.filter(gateway=gateway)
    settled = set(own.settled().filter(idempotency_key__in=captured).values_list("idempotency_key", flat=True))
    missing = [result for key, result in captured.items() if key not in settled]
    GatewayEvent.objects.bulk_create(
        [
            GatewayEvent(
                gateway=gateway,
                event_id=f"capture:{result.reference}",
                kind="reconciliation",
                object_id=result.reference,
                idempotency_key=result.key,
                amount_minor=result.amount.minor if result.amount else None,
                currency=result.amount.currency if result.amount else "",
                payload={},
            )
            for result in missing
        ],
        ignore_conflicts=True,
    )
    without = own.settled().filter(settled_at__gte=since, settled_at__lt=until).exclude(idempotency_key__in=captured)
    without.filter(parked_reason="").update(parked_reason=ParkedReason.NOT_CAPTURED)
