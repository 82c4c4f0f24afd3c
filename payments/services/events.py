"""What a gateway reports by itself: taken in at once when its signature is right, read later by a job.

An event is a hint. Whatever it says and in whatever order, the state is what the gateway answers when
it is asked (I13); an event that fits nothing of ours is set aside for a person (T26).
"""

from collections.abc import Mapping

from django.utils import timezone

from core.states import move
from payments.gateways.base import GatewayUnavailable
from payments.gateways.registry import gateway_named
from payments.models import CardSetup, EventTrouble, GatewayEvent, Payment
from payments.services.cards import finish_card_setup
from payments.services.settle import ask
from payments.states import EventStatus


def receive_event(gateway: str, *, headers: Mapping[str, str], body: bytes) -> None:
    """Keep an event whose signature is right; one that came before is left as it is. Raises BadSignature."""
    event = gateway_named(gateway).read_event(headers=headers, body=body, at=timezone.now())
    if not event.concerns_us:
        return
    row = GatewayEvent(
        gateway=gateway,
        event_id=event.event_id,
        kind=event.kind,
        object_id=event.object_id,
        idempotency_key=event.key,
        amount_minor=event.amount.minor if event.amount else None,
        currency=event.amount.currency if event.amount else "",
        payload=event.payload,
    )
    GatewayEvent.objects.bulk_create([row], ignore_conflicts=True)


def process_event(event: GatewayEvent) -> None:
    """Look at the gateway for what the event is about, and be done with it. Where the gateway does not
    answer, the event waits."""
    try:
        trouble = _act_on(event)
    except GatewayUnavailable:
        return
    status = EventStatus.QUARANTINED if trouble else EventStatus.PROCESSED
    if (event.status, status) in GatewayEvent.TRANSITIONS:
        move(event, status, trouble=trouble, processed_at=timezone.now())


def _act_on(event: GatewayEvent) -> str:
    """Ask the gateway; returns why a person has to look, or nothing."""
    if setup := CardSetup.objects.filter(gateway=event.gateway, idempotency_key=event.idempotency_key).first():
        finish_card_setup(setup)
        return ""
    payment = _payment_of(event)
    if payment is None:
        return EventTrouble.NOTHING_OF_OURS
    payment = ask(payment, at=timezone.now())
    if event.amount_minor is not None and (event.amount_minor, event.currency) != (
        payment.amount_minor,
        payment.currency,
    ):
        return EventTrouble.AMOUNT_DIFFERS
    return EventTrouble.PAYMENT_PARKED if payment.parked_reason else ""


def _payment_of(event: GatewayEvent) -> Payment | None:
    own = Payment.objects.filter(gateway=event.gateway)
    if event.idempotency_key:
        return own.filter(idempotency_key=event.idempotency_key).first()
    return own.filter(gateway_reference=event.object_id).exclude(gateway_reference="").first()
