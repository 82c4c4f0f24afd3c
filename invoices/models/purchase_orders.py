"""Purchase orders of customers: a number with a budget, which coming invoices carry and draw from (P17)."""

from datetime import date

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.codes import CodeField
from core.history import tracked
from core.money import Money
from core.policy import Action, Scope
from invoices.order_querysets import PurchaseOrderQuerySet
from profiles.models import BillingProfile
from subscriptions.models import Subscription


class OrderState(models.TextChoices):
    """How an order stands on a day. None is stored: all follow from its dates and from what was issued."""

    PLANNED = "planned", _("Planned")
    OPEN = "open", _("Open")
    NEARLY_USED = "nearly_used", _("Nearly used up")
    USED_UP = "used_up", _("Used up")
    EXPIRED = "expired", _("Expired")
    CLOSED = "closed", _("Closed")

    @property
    def tone(self) -> str:
        return {"open": "ok", "nearly_used": "warn", "used_up": "danger", "planned": "info"}.get(self.value, "neutral")


@tracked(exclude=("warned_percent",))
class PurchaseOrder(models.Model):
    """A purchase order of a billing profile, or of one subscription on it.

    Invoices issued while it is valid and not used up carry its number, and their lines draw from its budget
    (without VAT). The invoice that goes beyond the budget is on it whole; the next one is not.
    """

    code = CodeField()
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="purchase_orders")
    # Its own order: the lines of this subscription draw from it instead of from that of the profile.
    subscription = models.ForeignKey(
        Subscription, models.PROTECT, null=True, blank=True, related_name="purchase_orders", db_index=False
    )
    number = models.CharField(_("PO number"), max_length=50)
    # Without VAT, in the currency of the profile; empty is without a limit.
    budget_minor = models.BigIntegerField(_("budget"), null=True, blank=True)
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    # The highest share of the budget that somebody was told of: 0, 80 or 100.
    warned_percent = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    POLICY = Scope(view=Action.PROFILE_VIEW, account="profile__account", profile="profile")

    objects = PurchaseOrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("purchase order")
        verbose_name_plural = _("purchase orders")
        constraints = [
            models.UniqueConstraint(F("profile"), Lower("number"), name="purchase_order_number_once_per_profile"),
            models.CheckConstraint(name="purchase_order_has_a_number", condition=~Q(number="")),
            models.CheckConstraint(
                name="purchase_order_budget_above_zero", condition=Q(budget_minor=None) | Q(budget_minor__gt=0)
            ),
            models.CheckConstraint(
                name="purchase_order_ends_after_it_starts",
                condition=Q(valid_until=None) | Q(valid_until__gte=F("valid_from")),
            ),
        ]
        triggers = [pgtrigger.Protect(name="kept", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.number

    def get_absolute_url(self) -> str:
        return reverse("purchase_order_detail", args=[self.code])

    @property
    def budget(self) -> Money | None:
        return None if self.budget_minor is None else Money(self.budget_minor, self.profile.currency)

    def state(self, drawn: Money, on: date) -> OrderState:
        """How it stands on that day, with so much drawn."""
        if self.closed_on is not None:
            return OrderState.CLOSED
        if self.valid_until is not None and self.valid_until < on:
            return OrderState.EXPIRED
        if self.budget_minor is not None and drawn.minor >= self.budget_minor:
            return OrderState.USED_UP
        if self.valid_from > on:
            return OrderState.PLANNED
        is_near = self.budget_minor is not None and drawn.minor * 100 >= self.budget_minor * 80
        return OrderState.NEARLY_USED if is_near else OrderState.OPEN
