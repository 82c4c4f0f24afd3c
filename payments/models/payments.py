"""Attempts to pay, what they hold, and what was decided about them."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.guards import no_truncate
from core.money import Money
from core.policy import Action, Scope
from core.states import only_along
from core.templatetags.ui import day, money
from invoices.models import CreditLot, Invoice
from payments import states
from payments.models.methods import Family, Mandate, PaymentMethod
from payments.querysets import (
    AllocationQuerySet,
    DebitNoticeQuerySet,
    PaymentQuerySet,
)
from profiles.models import BillingProfile


class Initiator(models.TextChoices):
    USER = "user", _("Paid by a person")
    AUTOMATIC = "automatic", _("Charged automatically")
    LINK = "link", _("Paid by the link of a mail")


class ParkedReason(models.TextChoices):
    """Why a person has to look at a payment."""

    AMOUNT_DIFFERS = "amount_differs", _("The gateway names another amount or currency")
    CAPTURED_AFTER_ALL = "captured_after_all", _("The gateway took the money after we had given the attempt up")
    BALANCE_USED = "balance_used", _("It went back, but what was overpaid had been used: ask the customer for it")
    NOT_CAPTURED = "not_captured", _("Settled here, but the gateway knows no such capture")


# What a payment that came by a movement at the bank has as its gateway: nobody is asked about it.
BANK = "bank"


class Payment(models.Model):
    """One attempt to collect an amount, written with its key before the gateway is asked (PR3).

    The outcome is the gateway's; until it is certain the attempt holds its invoices (I12).
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="payments", db_index=False)
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="payments")
    method = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, related_name="payments")
    family = models.CharField(max_length=12, choices=Family, default=Family.CARD)
    # What the receipt says it was paid with, in no language; stays when the method is deleted.
    method_text = models.CharField(max_length=60)
    gateway = models.CharField(max_length=20)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        _("status"), max_length=20, choices=states.PaymentStatus, default=states.PaymentStatus.CREATED
    )
    idempotency_key = models.CharField(max_length=64, unique=True)
    # The form's own key and a digest of what was asked: the same form sent twice is one attempt (I16).
    request_key = models.CharField(max_length=64, unique=True)
    request_hash = models.CharField(max_length=64)
    gateway_reference = models.CharField(max_length=255, blank=True)
    action_url = models.CharField(max_length=500, blank=True)
    decline_reason = models.CharField(max_length=30, blank=True)
    initiated_by = models.CharField(max_length=10, choices=Initiator, default=Initiator.USER)
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    receipt_number = models.CharField(_("receipt number"), max_length=24, null=True, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    settled_at = models.DateTimeField(null=True)
    # When to ask the gateway again; empty when the outcome is known, or a person has to look.
    next_lookup_at = models.DateTimeField(null=True)
    lookups = models.PositiveSmallIntegerField(default=0)
    parked_reason = models.CharField(max_length=20, choices=ParkedReason, blank=True)
    # What was more than its invoices needed.
    balance_lot = models.OneToOneField(CreditLot, models.PROTECT, null=True, related_name="payment")

    TRANSITIONS = states.PAYMENT
    POLICY = Scope(view=Action.INVOICE_VIEW, account="account", profile="profile")

    objects = PaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="payment_list"),
            models.Index(fields=["gateway", "gateway_reference"], name="payment_at_gateway"),
            models.Index(fields=["next_lookup_at"], condition=Q(status__in=states.OPEN_PAYMENT), name="payment_due"),
            models.Index(fields=["receipt_number"], opclasses=["varchar_pattern_ops"], name="receipt_number_prefix"),
        ]
        constraints = [
            models.CheckConstraint(name="payment_above_zero", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="receipt_for_money_that_came",
                condition=Q(receipt_number=None) | ~Q(status__in=[*states.OPEN_PAYMENT, "failed", "cancelled"]),
            ),
        ]
        triggers = [
            only_along(states.PAYMENT, "payment_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
            pgtrigger.Trigger(
                name="what_was_asked_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "account", "profile", "method", "amount_minor", "currency", "idempotency_key", "request_key"
                ),
                func="RAISE EXCEPTION 'what a payment asked for is final' USING ERRCODE = 'check_violation';",
            ),
        ]

    def __str__(self) -> str:
        said = gettext("Payment of %(amount)s, %(account)s, %(on)s")
        return said % {"amount": money(self.amount), "account": self.account, "on": day(self.created_at)}

    def get_absolute_url(self) -> str:
        return reverse("payment", args=[self.code])

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def kept(self) -> Money:
        """How much of it was more than its invoices needed, and kept as a balance of the profile."""
        return self.balance_lot.original if self.balance_lot else Money.zero(self.currency)

    @property
    def balance_left(self) -> Money:
        """What is left of what was kept."""
        return self.balance_lot.balance if self.balance_lot else Money.zero(self.currency)

    @property
    def is_from_bank(self) -> bool:
        """Whether it came by a movement at the bank."""
        return self.gateway == BANK

    @property
    def is_open(self) -> bool:
        return self.status in states.OPEN_PAYMENT

    @property
    def is_settled(self) -> bool:
        """Whether the money came."""
        return self.settled_at is not None


class Decision(models.TextChoices):
    """What staff can decide about an attempt that needs a person."""

    PAID = "paid", _("The money came: settle the invoices")
    NOT_PAID = "not_paid", _("No money came: let the invoices be paid again")
    GIVE_BACK = "give_back", _("Give back what the gateway took, and let the invoices be paid again")
    NOTHING_TO_DO = "nothing_to_do", _("Seen to elsewhere: nothing is left to do here")


class PaymentDecision(models.Model):
    """Who of the vendor's staff decided what about an attempt, and why. Written once."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="decisions")
    decision = models.CharField(_("decision"), max_length=15, choices=Decision)
    reason = models.TextField(_("reason"), max_length=2000)
    status_before = models.CharField(max_length=20, choices=states.PaymentStatus)
    parked_before = models.CharField(max_length=20, choices=ParkedReason, blank=True)
    refund_reference = models.CharField(max_length=255, blank=True)
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        triggers = [
            pgtrigger.Protect(name="written_once", operation=pgtrigger.Update | pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.payment} {self.decision}"


class DebitNotice(models.Model):
    """That an invoice will be collected by direct debit, on which day and how much, was said in time (I19)."""

    mandate = models.ForeignKey(Mandate, models.PROTECT, related_name="notices")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="debit_notices")
    amount_minor = models.BigIntegerField()
    announced_at = models.DateTimeField(_("announced"))
    collects_on = models.DateField(_("collected on"))
    status = models.CharField(
        _("status"), max_length=10, choices=states.NoticeStatus, default=states.NoticeStatus.ANNOUNCED
    )
    dropped_because = models.CharField(max_length=30, blank=True)
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="debit_notices")

    TRANSITIONS = states.NOTICE

    objects = DebitNoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice of a direct debit")
        verbose_name_plural = _("notices of direct debits")
        constraints = [models.UniqueConstraint(fields=["mandate", "invoice"], name="announced_once")]
        indexes = [models.Index(fields=["collects_on"], condition=Q(status="announced"), name="notice_due")]
        triggers = [only_along(states.NOTICE, "notice_status_edges")]

    def __str__(self) -> str:
        said = gettext("Notice of a direct debit of %(amount)s on %(on)s, invoice %(invoice)s")
        return said % {"amount": money(self.amount), "on": day(self.collects_on), "invoice": self.invoice}

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.invoice.currency)


class Allocation(models.Model):
    """Which part of a payment goes to which invoice. While the attempt is open it holds the invoice."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="allocations")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="allocations")
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=states.AllocationStatus, default=states.AllocationStatus.HELD)

    TRANSITIONS = states.ALLOCATION
    objects = AllocationQuerySet.as_manager()

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        constraints = [
            # I12: at most one open attempt per invoice, whoever asks, however many tabs.
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(status="held"), name="one_open_attempt_per_invoice"
            ),
            models.UniqueConstraint(fields=["payment", "invoice"], name="allocated_once"),
            models.CheckConstraint(name="allocation_above_zero", condition=Q(amount_minor__gt=0)),
        ]
        triggers = [
            only_along(states.ALLOCATION, "allocation_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
            pgtrigger.Trigger(
                name="within_account_and_amount",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                # I10: both sides in one account and currency, and not more than was asked for.
                func="""
                    IF NOT EXISTS (
                        SELECT 1 FROM payments_payment p JOIN invoices_invoice i ON i.id = NEW.invoice_id
                        WHERE p.id = NEW.payment_id AND p.account_id = i.account_id AND p.currency = i.currency
                          AND NEW.amount_minor + (
                              SELECT COALESCE(SUM(a.amount_minor), 0) FROM payments_allocation a
                              WHERE a.payment_id = NEW.payment_id
                          ) <= p.amount_minor
                    )
                    THEN RAISE EXCEPTION 'payment % cannot be allocated to invoice %', NEW.payment_id, NEW.invoice_id
                         USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="amount_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["status"]),
                # Less only where the money came and the invoice did not need all of it any more.
                func="""
                    IF OLD.status <> 'held' OR NEW.status <> 'settled' OR NEW.amount_minor > OLD.amount_minor
                       OR (NEW.payment_id, NEW.invoice_id) <> (OLD.payment_id, OLD.invoice_id)
                    THEN RAISE EXCEPTION 'an allocation is final' USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment_id} → {self.invoice_id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.payment.currency)
