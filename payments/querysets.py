"""Names for sets of payment methods, set-ups, payments and events of a gateway."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q

from core.policy import PolicyQuerySet
from payments.states import OPEN_PAYMENT, OPEN_TRANSFER, AllocationStatus

# A card is called expiring from this many days before its last one (§3.4).
EXPIRING_DAYS = 30
# A request that was interrupted between an approval and its payment is taken up after so long.
APPROVAL_TAKEN_UP_AFTER = timedelta(minutes=2)


class PaymentMethodQuerySet(PolicyQuerySet):
    def kept(self) -> PaymentMethodQuerySet:
        """Those a customer still has."""
        return self.exclude(status__in=["detached", "deleted"])

    def expired(self, on: date) -> PaymentMethodQuerySet:
        return self.filter(valid_until__lt=on)

    def expiring(self, on: date, days: int = EXPIRING_DAYS) -> PaymentMethodQuerySet:
        """Valid on that day, but not so many days later."""
        return self.filter(valid_until__gte=on, valid_until__lt=on + timedelta(days=days))

    def chargeable(self, on: date) -> PaymentMethodQuerySet:
        """Those that may be asked for money on that day; a bank transfer is not asked for but sent."""
        return self.kept().exclude(family="transfer").filter(Q(valid_until=None) | Q(valid_until__gte=on))

    def to_remove(self, on: date) -> PaymentMethodQuerySet:
        """Those of which somebody asked that they go by themselves by that day."""
        return self.kept().filter(remove_from__lte=on)

    def in_use(self) -> PaymentMethodQuerySet:
        """What some billing profile pays with, or would fall back on."""
        return self.filter(Q(default_of__isnull=False) | Q(backup_of__isnull=False)).distinct()

    def offered_on(self, profile: Any) -> PaymentMethodQuerySet:
        """What the profile may pay with: its own methods and those of the whole account (P1)."""
        return self.kept().filter(Q(profile=profile) | Q(profile=None), account_id=profile.account_id)


class AllocationQuerySet(models.QuerySet):
    def holding(self, invoices: Iterable[Any]) -> AllocationQuerySet:
        """Those of attempts whose outcome is open: they hold these invoices (rows or keys), which take no other
        payment meanwhile (I12)."""
        return self.filter(invoice__in=invoices, status=AllocationStatus.HELD)


class GatewayHealthQuerySet(models.QuerySet):
    def resting(self, at: datetime) -> GatewayHealthQuerySet:
        """Those that are left alone at that moment."""
        return self.filter(rests_until__gt=at)


class MandateQuerySet(models.QuerySet):
    def active(self) -> MandateQuerySet:
        return self.filter(status="active")

    def lapsing(self, on: date) -> MandateQuerySet:
        """Active by their status, but the method's last day is past (I19)."""
        return self.active().filter(method__family="direct_debit", method__valid_until__lt=on)


class DebitNoticeQuerySet(models.QuerySet):
    def to_collect(self, on: date) -> DebitNoticeQuerySet:
        """Announced for that day or an earlier one (I19)."""
        return self.filter(status="announced", collects_on__lte=on)


class CollectionCaseQuerySet(models.QuerySet):
    def open(self) -> CollectionCaseQuerySet:
        return self.filter(status="open")

    def due(self, at: datetime) -> CollectionCaseQuerySet:
        """Whose next step has come; none of a closed account, where the vendor's staff say what is asked for."""
        return self.open().filter(next_at__lte=at).exclude(invoice__account__status="closed")

    def settled(self) -> CollectionCaseQuerySet:
        """Open, but nothing is owed on their invoice any more, whoever saw to it."""
        return self.open().filter(invoice__status__in=["paid", "void"])


class RefundQuerySet(models.QuerySet):
    def counting(self) -> RefundQuerySet:
        """Those whose money is gone, or may go (I17)."""
        return self.exclude(status__in=["declined", "failed"])

    def due(self, at: datetime) -> RefundQuerySet:
        """About which the gateway is to be asked by now."""
        return self.filter(status="agreed", next_at__lte=at)

    def told(self) -> RefundQuerySet:
        """What the customer sees: money that went back, or is on its way."""
        return self.filter(status__in=["agreed", "given_back"])

    def for_a_person(self) -> RefundQuerySet:
        """Waiting for a second person, to be transferred by hand, or refused by the gateway without end."""
        return self.filter(Q(status="proposed") | Q(status="agreed", next_at=None))


class PreparedPaymentQuerySet(PolicyQuerySet):
    def waiting(self, at: datetime) -> PreparedPaymentQuerySet:
        """Those that an owner may still decide about."""
        return self.filter(status="waiting", expires_at__gt=at)

    def to_end(self, at: datetime) -> PreparedPaymentQuerySet:
        """Those that waited too long, or whose invoices ask for no money any more."""
        over = Q(expires_at__lte=at) | Q(parts__invoice__status__in=["paid", "void"])
        return self.filter(over, status="waiting").distinct()

    def to_pay(self, at: datetime) -> PreparedPaymentQuerySet:
        """Approved, but whoever approved them was interrupted before they were paid."""
        return self.filter(status="approved", payment=None, decided_at__lte=at - APPROVAL_TAKEN_UP_AFTER)


class BankEntryQuerySet(models.QuerySet):
    def to_match(self) -> BankEntryQuerySet:
        """At which the matching has not looked yet."""
        return self.filter(looked_at=None)

    def for_a_person(self) -> BankEntryQuerySet:
        """Which nobody and nothing has booked whole."""
        return self.filter(status__in=["open", "partly"]).exclude(looked_at=None)


class PayLinkQuerySet(models.QuerySet):
    def working(self, at: datetime) -> PayLinkQuerySet:
        return self.filter(revoked_at=None, expires_at__gt=at)


class TransferRequestQuerySet(PolicyQuerySet):
    def open(self) -> TransferRequestQuerySet:
        """Not decided yet."""
        return self.filter(status__in=OPEN_TRANSFER)


class CardSetupQuerySet(PolicyQuerySet):
    def open(self) -> CardSetupQuerySet:
        """Whose outcome is not known yet."""
        return self.filter(status="started")

    def to_look_up(self, at: datetime) -> CardSetupQuerySet:
        """Whose person has not come back, and whom the gateway is to be asked about by now."""
        return self.open().filter(next_lookup_at__lte=at)


class PaymentQuerySet(PolicyQuerySet):
    def open(self) -> PaymentQuerySet:
        """Not over yet."""
        return self.filter(status__in=OPEN_PAYMENT)

    def settled(self) -> PaymentQuerySet:
        """The money came, whatever became of it later."""
        return self.filter(status__in=["succeeded", "partially_refunded", "refunded", "charged_back"])

    def failed(self) -> PaymentQuerySet:
        """Ended without money."""
        return self.filter(status__in=["failed", "cancelled"])

    def to_look_up(self, at: datetime) -> PaymentQuerySet:
        """Open, and the gateway is to be asked about them by now (I15)."""
        return self.open().filter(next_lookup_at__lte=at)

    def for_a_person(self) -> PaymentQuerySet:
        """Nobody asks the gateway any more, or its answer does not fit: somebody has to look."""
        return self.filter(Q(status__in=OPEN_PAYMENT, next_lookup_at=None) | ~Q(parked_reason=""))


class GatewayEventQuerySet(models.QuerySet):
    def unprocessed(self) -> GatewayEventQuerySet:
        return self.filter(status="received").order_by("pk")

    def about(self, payment: Any) -> GatewayEventQuerySet:
        """What the gateway told of that attempt, by our key or by its own reference."""
        same = Q(idempotency_key=payment.idempotency_key)
        if payment.gateway_reference:
            same |= Q(object_id=payment.gateway_reference)
        return self.filter(same, gateway=payment.gateway)

    def quarantined(self) -> GatewayEventQuerySet:
        """What fits no attempt of ours, or says something else than we know (PR4)."""
        return self.filter(status="quarantined")
