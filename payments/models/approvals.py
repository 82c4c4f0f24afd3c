"""Approve before pay: above a limit, what somebody prepared waits until an owner approves it."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.guards import no_truncate
from core.history import tracked
from core.money import Money
from core.policy import Action, Scope
from core.states import only_along
from invoices.models import Invoice
from payments import states
from payments.models.methods import PaymentMethod
from payments.models.payments import Payment
from payments.querysets import PreparedPaymentQuerySet
from profiles.models import BillingProfile


@tracked()
class ApprovalRule(models.Model):
    """Above which amount the payments of a billing profile wait for an owner. Without a row none does."""

    profile = models.OneToOneField(BillingProfile, models.PROTECT, related_name="approval_rule")
    above_minor = models.BigIntegerField(_("limit"))
    currency = models.CharField(max_length=3)

    class Meta:
        verbose_name = _("approval of payments")
        verbose_name_plural = _("approvals of payments")
        constraints = [models.CheckConstraint(name="approval_limit_not_negative", condition=Q(above_minor__gte=0))]

    def __str__(self) -> str:
        return f"{self.profile}: {self.above}"

    @property
    def above(self) -> Money:
        return Money(self.above_minor, self.currency)


@tracked()
class PreparedPayment(models.Model):
    """A payment that somebody prepared and an owner has to approve. It holds no invoice and no money: until it is
    approved everything may be paid in another way. `reason` is why it was refused, or came to nothing."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="+")
    # Empty for iDEAL, which the owner completes on the page of the bank.
    method = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, related_name="+")
    amount_minor = models.BigIntegerField(_("amount"))
    currency = models.CharField(max_length=3)
    status = models.CharField(
        _("status"), max_length=10, choices=states.PreparedStatus, default=states.PreparedStatus.WAITING
    )
    prepared_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    prepared_at = models.DateTimeField(_("prepared"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(_("decided"), null=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    payment = models.OneToOneField(Payment, models.PROTECT, null=True, related_name="prepared")

    TRANSITIONS = states.PREPARED
    POLICY = Scope(view=Action.INVOICE_VIEW, account="account", profile="profile")

    objects = PreparedPaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("prepared payment")
        verbose_name_plural = _("prepared payments")
        indexes = [
            models.Index(fields=["account", "-prepared_at", "-id"], name="prepared_list"),
            models.Index(fields=["expires_at"], condition=Q(status="waiting"), name="prepared_waiting"),
        ]
        constraints = [
            models.CheckConstraint(name="prepared_above_zero", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="approved_by_a_second_person",
                condition=~Q(status="approved") | (Q(decided_by__isnull=False) & ~Q(decided_by=F("prepared_by"))),
            ),
        ]
        triggers = [
            only_along(states.PREPARED, "prepared_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
            pgtrigger.Trigger(
                name="what_was_prepared_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("profile", "method", "amount_minor", "currency", "prepared_by"),
                func="RAISE EXCEPTION 'what was prepared is final' USING ERRCODE = 'check_violation';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.status}"

    def get_absolute_url(self) -> str:
        return reverse("prepared_payment", args=[self.code])

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def method_text(self) -> str:
        return self.method.short_name if self.method else "iDEAL"


class PreparedPart(models.Model):
    """How much of which invoice a prepared payment would pay."""

    prepared = models.ForeignKey(PreparedPayment, models.PROTECT, related_name="parts")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="prepared_parts")
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prepared", "invoice"], name="prepared_once"),
            models.CheckConstraint(name="prepared_part_above_zero", condition=Q(amount_minor__gt=0)),
        ]
        triggers = [pgtrigger.Protect(name="written_once", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.prepared_id} → {self.invoice_id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.prepared.currency)
