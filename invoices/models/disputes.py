"""Disputes: a customer does not agree with an invoice or a line, and nothing of it is collected meanwhile (§3.6)."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.guards import no_truncate
from core.money import Money
from core.policy import Action, PolicyQuerySet, Scope
from core.states import only_along
from invoices import states
from invoices.models.corrections import Correction
from invoices.models.invoices import Invoice, InvoiceLine
from profiles.models import BillingProfile


class Dispute(models.Model):
    """What somebody does not agree with. The invoice is locked while it is open; its thread stands in `support`."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="disputes")
    # Empty: the whole invoice.
    line = models.ForeignKey(InvoiceLine, models.PROTECT, null=True, blank=True, related_name="+")
    # How much of the line, without VAT; how much of the whole invoice, with VAT.
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        _("status"), max_length=12, choices=states.DisputeStatus, default=states.DisputeStatus.OPEN
    )
    opened_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("disputed by"))
    opened_at = models.DateTimeField(_("disputed"), default=timezone.now, editable=False)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("decided by"))
    decided_at = models.DateTimeField(_("decided"), null=True, editable=False)
    correction = models.OneToOneField(Correction, models.PROTECT, null=True, related_name="dispute")

    TRANSITIONS = states.DISPUTE
    POLICY = Scope(view=Action.INVOICE_VIEW, account="account", profile="profile")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("dispute")
        verbose_name_plural = _("disputes")
        constraints = [
            models.UniqueConstraint(fields=["invoice"], condition=Q(status="open"), name="one_open_dispute_an_invoice"),
            models.CheckConstraint(name="dispute_above_zero", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="upheld_dispute_has_its_credit_note",
                condition=Q(status="upheld", correction__isnull=False) | (~Q(status="upheld") & Q(correction=None)),
            ),
        ]
        triggers = [
            only_along(states.DISPUTE, "dispute_status_edges"),
            pgtrigger.Protect(name="dispute_is_kept", operation=pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.invoice} · {self.amount}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
