"""What was used and is to be invoiced, and the files it came from."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount
from core.codes import CodeField
from core.guards import no_truncate
from invoices.models.invoices import InvoiceLine
from subscriptions.models import Subscription


class ChargeImport(models.Model):
    """One file of charges, known by its digest: the same file twice is one import."""

    code = CodeField()
    file_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, unique=True)
    size_bytes = models.BigIntegerField()
    accepted_rows = models.PositiveIntegerField(default=0)
    refused_rows = models.PositiveIntegerField(default=0)
    imported_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("charge import")
        verbose_name_plural = _("charge imports")

    def __str__(self) -> str:
        return self.file_name


class Charge(models.Model):
    """A charge from outside, as delivered (FOCUS 1.0). Its cost is rounded only as part of an invoice line."""

    imported_from = models.ForeignKey(ChargeImport, models.PROTECT, related_name="charges", db_index=False)
    row_number = models.PositiveIntegerField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="charges", db_index=False)
    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="charges", db_index=False)
    # The first day of the month of BillingPeriodStart as delivered (§3.9).
    month = models.DateField()
    category = models.CharField(max_length=20)
    charge_class = models.CharField(max_length=20, blank=True)
    service_name = models.CharField(max_length=200)
    sku_id = models.CharField(max_length=200, blank=True)
    description = models.CharField(max_length=1000, blank=True)
    resource_id = models.CharField(max_length=500, blank=True)
    region = models.CharField(max_length=100, blank=True)
    quantity = models.DecimalField(max_digits=38, decimal_places=18, null=True)
    unit = models.CharField(max_length=100, blank=True)
    cost = models.DecimalField(max_digits=38, decimal_places=18)
    currency = models.CharField(max_length=3)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    tags = models.JSONField(default=dict)
    # Set once, when the charge is billed.
    line = models.ForeignKey(InvoiceLine, models.SET_NULL, null=True, related_name="charges", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["imported_from", "row_number"], name="charge_row_once"),
        ]
        indexes = [
            models.Index(fields=["subscription", "month"], condition=Q(line__isnull=True), name="charge_unbilled"),
            models.Index(fields=["line"], condition=Q(line__isnull=False), name="charge_of_line"),
        ]
        triggers = [
            pgtrigger.Protect(
                name="as_delivered", operation=pgtrigger.Update, condition=pgtrigger.AnyChange(exclude=["line"])
            ),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.service_name} {self.cost} {self.currency}"
