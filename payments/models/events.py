"""What the gateways told us."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.money import Money
from core.states import only_along
from core.templatetags.ui import day
from payments import states
from payments.querysets import (
    GatewayEventQuerySet,
)


class EventTrouble(models.TextChoices):
    """Why an event was set aside for a person."""

    NOTHING_OF_OURS = "nothing_of_ours", _("About no payment or card set-up of ours")
    AMOUNT_DIFFERS = "amount_differs", _("Names another amount or currency than the payment asked for")
    PAYMENT_PARKED = "payment_parked", _("Its payment needs a look")


class GatewayEvent(models.Model):
    """Something a gateway told us, stored once and only after its signature was checked (PR4, I13).

    It is a hint to look: the state comes from asking the gateway.
    """

    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=100)
    # What it is about in the gateway's words, and in ours where the gateway repeats our key.
    object_id = models.CharField(max_length=255, blank=True)
    idempotency_key = models.CharField(max_length=64, blank=True)
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    payload = models.JSONField()
    status = models.CharField(max_length=12, choices=states.EventStatus, default=states.EventStatus.RECEIVED)
    trouble = models.CharField(max_length=20, choices=EventTrouble, blank=True)
    received_at = models.DateTimeField(default=timezone.now, editable=False)
    processed_at = models.DateTimeField(null=True)

    TRANSITIONS = states.EVENT

    objects = GatewayEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("gateway event")
        verbose_name_plural = _("gateway events")
        constraints = [models.UniqueConstraint(fields=["gateway", "event_id"], name="event_once")]
        indexes = [
            models.Index(fields=["id"], condition=Q(status="received"), name="event_due"),
            models.Index(fields=["idempotency_key"], name="event_by_key"),
            models.Index(fields=["gateway", "object_id"], name="event_by_object"),
        ]
        triggers = [only_along(states.EVENT, "event_status_edges")]

    def __str__(self) -> str:
        return f"{self.kind} · {self.gateway} · {day(self.received_at)}"

    @property
    def amount(self) -> Money | None:
        return None if self.amount_minor is None else Money(self.amount_minor, self.currency)
