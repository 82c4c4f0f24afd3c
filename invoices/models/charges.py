"""What was used and is to be invoiced, and the files it came from."""

from datetime import datetime, timedelta

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.guards import no_truncate
from core.states import only_along
from invoices import states
from invoices.models.invoices import InvoiceLine
from subscriptions.models import Subscription


class ChargeImport(models.Model):
    """One file of charges, known by its digest: the same file twice is one import."""

    code = CodeField()
    file_name = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, unique=True)
    size_bytes = models.BigIntegerField()
    # Of FOCUS, by the columns of the heading.
    version = models.CharField(_("version of FOCUS"), max_length=4, default="1.0", db_default="1.0")
    accepted_rows = models.PositiveIntegerField(default=0)
    refused_rows = models.PositiveIntegerField(default=0)
    imported_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("charge import")
        verbose_name_plural = _("charge imports")

    def __str__(self) -> str:
        return self.file_name


class ChargeUpload(models.Model):
    """A file of charges that staff handed in: a worker imports it, and says how far it is and what became of it."""

    code = CodeField()
    file_name = models.CharField(_("file"), max_length=255)
    # Gone once it is imported: its rows are charges then, and the digest knows it.
    file = models.FileField(upload_to="charge-uploads/", blank=True)
    size_bytes = models.BigIntegerField(_("size"))
    status = models.CharField(max_length=8, choices=states.UploadStatus, default=states.UploadStatus.WAITING)
    rows_read = models.PositiveIntegerField(_("rows read"), default=0)
    added_rows = models.PositiveIntegerField(_("added"), default=0)
    known_rows = models.PositiveIntegerField(_("known already"), default=0)
    refused_rows = models.PositiveIntegerField(_("refused"), default=0)
    # Every refused row with its reason, where there are any.
    refused_file = models.FileField(upload_to="charge-uploads/", blank=True)
    # Why the whole file was refused.
    refusal = models.TextField(_("refusal"), blank=True)
    result = models.ForeignKey(ChargeImport, models.PROTECT, null=True, related_name="uploads")
    uploaded_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    TRANSITIONS = states.UPLOAD

    class Meta:
        verbose_name = _("upload of charges")
        verbose_name_plural = _("uploads of charges")
        indexes = [models.Index(fields=["id"], condition=Q(status="waiting"), name="charge_upload_due")]
        triggers = [only_along(states.UPLOAD, "charge_upload_status_edges")]

    def __str__(self) -> str:
        return self.file_name


class Charge(models.Model):
    """A charge from outside, as delivered (FOCUS). Its cost is rounded only as part of an invoice line."""

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
    # Since FOCUS 1.1.
    service_subcategory = models.CharField(max_length=100, blank=True, db_default="")
    sku_meter = models.CharField(max_length=200, blank=True, db_default="")
    # Of the whole row; the same row is the same charge, whichever file brings it. Empty in charges of before.
    fingerprint = models.UUIDField(null=True, editable=False)
    # Set once, when the charge is billed.
    line = models.ForeignKey(InvoiceLine, models.SET_NULL, null=True, related_name="charges", db_index=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["imported_from", "row_number"], name="charge_row_once"),
            models.UniqueConstraint(
                fields=["fingerprint"], condition=Q(fingerprint__isnull=False), name="charge_delivered_once"
            ),
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

    @property
    def last_moment(self) -> datetime:
        """The last moment that it is for; the end of a charge period is excluded."""
        return max(self.started_at, self.ended_at - timedelta(microseconds=1))
