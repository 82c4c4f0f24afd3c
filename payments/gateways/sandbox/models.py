"""The sandbox's own books, as a gateway keeps them. The portal never reads these tables."""

import secrets
from collections.abc import Callable
from datetime import date, datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.money import Money
from payments.gateways.sandbox.cards import PAID_AT_THE_BANK, SPECIMENS, Specimen

# A notice that nobody takes is sent for about three days.
MOST_ATTEMPTS = 15


def _reference(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def session_reference() -> str:
    return _reference("ses")


def card_token() -> str:
    return _reference("card")


def charge_reference() -> str:
    return _reference("ch")


def event_reference() -> str:
    return _reference("evt")


def ReferenceField(make: Callable[[], str]) -> models.CharField:
    """The public name of a row: long and random, since the pages of the sandbox ask for no sign-in."""
    return models.CharField(max_length=40, unique=True, default=make, editable=False)


def mandate_reference() -> str:
    return f"SBX-{secrets.token_hex(8).upper()}"


def refund_reference() -> str:
    return _reference("re")


class Card(models.Model):
    """A card or bank account without its number: brand, last four digits, expiry, and a digest to know it by.

    A bank account has a mandate instead of an expiry.
    """

    token = ReferenceField(card_token)
    customer = models.CharField(max_length=64)
    specimen = models.CharField(max_length=20)
    brand = models.CharField(max_length=20)
    last4 = models.CharField(max_length=4)
    expiry_year = models.PositiveSmallIntegerField(default=0)
    expiry_month = models.PositiveSmallIntegerField(default=0)
    holder = models.CharField(max_length=150)
    address = models.CharField(max_length=300, blank=True)
    mandate = models.CharField(max_length=35, blank=True)
    fingerprint = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    forgotten_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.brand} {self.last4}"

    @property
    def behaviour(self) -> Specimen:
        return SPECIMENS[self.specimen]

    def is_expired(self, on: date) -> bool:
        return not self.mandate and (self.expiry_year, self.expiry_month) < (on.year, on.month)


class Session(models.Model):
    """A hosted page that waits for a card, for a bank account, or for a change of the card it names."""

    reference = ReferenceField(session_reference)
    key = models.CharField(max_length=64, unique=True)
    request_hash = models.CharField(max_length=64)
    customer = models.CharField(max_length=64)
    return_url = models.CharField(max_length=500)
    kind = models.CharField(
        max_length=12, choices=[(name, name) for name in ("card", "direct_debit", "change")], default="card"
    )
    status = models.CharField(
        max_length=10,
        choices=[(name, name) for name in ("open", "checking", "completed", "refused", "left")],
        default="open",
    )
    decline_code = models.CharField(max_length=30, blank=True)
    card = models.ForeignKey(Card, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.reference} {self.status}"

    def is_waiting(self, at: datetime) -> bool:
        return self.status in {"open", "checking"} and at < self.expires_at


class Charge(models.Model):
    """Money asked of a card or account, once per key; without one the person pays on the bank's page.

    Nothing moves: it is a test.
    """

    reference = ReferenceField(charge_reference)
    key = models.CharField(max_length=64, unique=True)
    request_hash = models.CharField(max_length=64)
    card = models.ForeignKey(Card, models.PROTECT, null=True, related_name="charges")
    customer = models.CharField(max_length=64)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=200)
    return_url = models.CharField(max_length=500)
    status = models.CharField(
        max_length=10,
        choices=[(name, name) for name in ("succeeded", "failed", "cancelled", "asking", "pending", "returned")],
    )
    decline_code = models.CharField(max_length=30, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    captured_at = models.DateTimeField(null=True)
    # When a pending charge ends, a question to the person lapses, or the money goes back.
    due_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], condition=~Q(due_at=None), name="sandbox_due")]

    def __str__(self) -> str:
        return f"{self.reference} {self.status}"

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def behaviour(self) -> Specimen:
        return self.card.behaviour if self.card else PAID_AT_THE_BANK


class Refund(models.Model):
    """Money given back of a charge, once per key."""

    reference = ReferenceField(refund_reference)
    key = models.CharField(max_length=64, unique=True)
    charge = models.ForeignKey(Charge, models.PROTECT, related_name="refunds")
    amount = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.reference} {self.amount}"


class WebhookQuerySet(models.QuerySet):
    def due(self, at: datetime) -> "WebhookQuerySet":
        """Not taken yet, not given up, and to be sent by now."""
        return self.filter(delivered_at=None, send_at__lte=at, attempts__lt=MOST_ATTEMPTS).order_by("send_at", "pk")


class Webhook(models.Model):
    """A notice on its way to the portal. `event` may stand in several rows: notices repeat."""

    event = models.CharField(max_length=40, default=event_reference)
    body = models.TextField()
    send_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    delivered_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["send_at"], condition=Q(delivered_at=None), name="sandbox_unsent")]

    def __str__(self) -> str:
        return f"{self.event} {'delivered' if self.delivered_at else 'waiting'}"
