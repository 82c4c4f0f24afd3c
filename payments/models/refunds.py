"""Money given back, and debts given up: asked for by one of the vendor's staff, above a limit agreed by another."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.guards import no_truncate
from core.money import Money
from core.states import only_along
from core.templatetags.ui import day, money
from invoices.models import Invoice
from payments import states
from payments.models.payments import Allocation, Payment
from payments.querysets import RefundQuerySet


class Refund(models.Model):
    """A part of a payment that goes back to what it was paid with. A row before the gateway is asked (PR3).

    All that is not declined or failed counts: together never more than the payment (I17).
    """

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    reason = models.CharField(_("reason"), max_length=500)
    status = models.CharField(
        _("status"), max_length=10, choices=states.RefundStatus, default=states.RefundStatus.PROPOSED
    )
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(_("asked"), default=timezone.now, editable=False)
    agreed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    agreed_at = models.DateTimeField(_("agreed"), null=True)
    needs_second = models.BooleanField(default=False)
    idempotency_key = models.CharField(max_length=64, unique=True)
    gateway_reference = models.CharField(max_length=255, blank=True)
    # When to ask the gateway (again); empty before it is agreed, when it is over, and for what is transferred by hand.
    next_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField(_("given back"), null=True)

    TRANSITIONS = states.REFUND

    objects = RefundQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        indexes = [models.Index(fields=["next_at"], condition=Q(status="agreed"), name="refund_due")]
        constraints = [
            models.CheckConstraint(name="refund_above_zero", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="refund_agreed_by_a_second_person",
                condition=Q(needs_second=False)
                | Q(status__in=["proposed", "declined"])
                | (Q(agreed_by__isnull=False) & ~Q(agreed_by=F("asked_by"))),
            ),
        ]
        triggers = [
            only_along(states.REFUND, "refund_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
            pgtrigger.Trigger(
                name="within_the_payment",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                # I17; the payment's row is locked by whoever inserts.
                func="""
                    IF NEW.amount_minor + (
                        SELECT COALESCE(SUM(r.amount_minor), 0) FROM payments_refund r
                        WHERE r.payment_id = NEW.payment_id AND r.status NOT IN ('declined', 'failed')
                    ) > (SELECT p.amount_minor FROM payments_payment p WHERE p.id = NEW.payment_id)
                    THEN RAISE EXCEPTION 'more than payment % would go back', NEW.payment_id
                         USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="amount_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("payment", "amount_minor", "asked_by", "idempotency_key", "needs_second"),
                func="RAISE EXCEPTION 'what was asked for is final' USING ERRCODE = 'check_violation';",
            ),
        ]

    def __str__(self) -> str:
        said = gettext("Refund of %(amount)s, %(account)s, %(on)s")
        values = {"amount": money(self.amount), "account": self.payment.account, "on": day(self.asked_at)}
        return said % values

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.payment.currency)


class RefundPart(models.Model):
    """From which invoice, or from the kept balance, a refund takes its money."""

    refund = models.ForeignKey(Refund, models.PROTECT, related_name="parts")
    # Empty: from what was kept as a balance.
    allocation = models.ForeignKey(Allocation, models.PROTECT, null=True, related_name="refund_parts")
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["refund", "allocation"], name="refunded_once"),
            models.UniqueConstraint(
                fields=["refund"], condition=Q(allocation=None), name="refunded_once_from_the_balance"
            ),
            models.CheckConstraint(name="refund_part_above_zero", condition=Q(amount_minor__gt=0)),
        ]
        triggers = [pgtrigger.Protect(name="written_once", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.refund_id} ← {self.allocation_id}"


class WriteOff(models.Model):
    """What is owed on an invoice is not expected any more: it leaves the receivables, and the invoice asks for
    no money any more. Subscriptions that were disabled for it do not come back by it."""

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="write_offs")
    amount_minor = models.BigIntegerField()
    reason = models.CharField(_("reason"), max_length=500)
    status = models.CharField(
        _("status"), max_length=10, choices=states.WriteOffStatus, default=states.WriteOffStatus.PROPOSED
    )
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(_("asked"), default=timezone.now, editable=False)
    agreed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    agreed_at = models.DateTimeField(_("agreed"), null=True)
    needs_second = models.BooleanField(default=False)

    TRANSITIONS = states.WRITE_OFF

    class Meta:
        verbose_name = _("write-off")
        verbose_name_plural = _("write-offs")
        constraints = [
            models.CheckConstraint(name="write_off_above_zero", condition=Q(amount_minor__gt=0)),
            models.UniqueConstraint(fields=["invoice"], condition=Q(status="proposed"), name="one_proposed_write_off"),
            models.CheckConstraint(
                name="write_off_agreed_by_a_second_person",
                condition=Q(needs_second=False)
                | Q(status__in=["proposed", "declined"])
                | (Q(agreed_by__isnull=False) & ~Q(agreed_by=F("asked_by"))),
            ),
        ]
        triggers = [
            only_along(states.WRITE_OFF, "write_off_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        said = gettext("Write-off of %(amount)s on invoice %(invoice)s")
        return said % {"amount": money(self.amount), "invoice": self.invoice}

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.invoice.currency)
