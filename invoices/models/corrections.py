"""Corrections of issued invoices: what a customer asks for, and the credit notes and new invoices that answer it.

An issued document is never edited (I6): it is credited, in whole or by the line, and where something of it was
wrong a corrected invoice takes its place (L3, P7).
"""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.guards import append_only, no_truncate
from core.money import Money
from core.policy import Action, PolicyQuerySet, Scope
from core.states import only_along
from invoices import states
from invoices.models.invoices import Invoice, InvoiceLine
from profiles.models import BillingProfile


class CorrectionReason(models.TextChoices):
    """What is wrong on an invoice."""

    NAME = "name", _("Company name")
    ADDRESS = "address", _("Address")
    PO_NUMBER = "po_number", _("PO number")
    VAT_ID = "vat_id", _("VAT ID")
    AMOUNT = "amount", _("Amount of a line")


class CorrectionRequest(models.Model):
    """A customer asks for a corrected invoice; the vendor's staff approve or decline it with an answer (P7)."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="correction_requests")
    line = models.ForeignKey(InvoiceLine, models.PROTECT, null=True, blank=True, related_name="+")
    reason = models.CharField(_("what is wrong"), max_length=12, choices=CorrectionReason)
    # What it should be, by the names of the form; the amount in minor units.
    proposed = models.JSONField(default=dict)
    explanation = models.TextField(_("explanation"), blank=True)
    status = models.CharField(
        _("status"), max_length=12, choices=states.CorrectionStatus, default=states.CorrectionStatus.OPEN
    )
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("asked by"))
    requested_at = models.DateTimeField(_("asked"), default=timezone.now, editable=False)
    answer = models.TextField(_("answer"), blank=True)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("decided by"))
    decided_at = models.DateTimeField(_("decided"), null=True, editable=False)

    TRANSITIONS = states.CORRECTION
    POLICY = Scope(view=Action.INVOICE_VIEW, account="account", profile="profile")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("request for a correction")
        verbose_name_plural = _("requests for corrections")
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(status="open"), name="one_open_correction_request_an_invoice"
            ),
            models.CheckConstraint(
                name="decided_correction_has_its_day",
                condition=Q(status__in=["open", "withdrawn"]) | Q(decided_at__isnull=False),
            ),
        ]
        triggers = [
            only_along(states.CORRECTION, "correction_status_edges"),
            pgtrigger.Protect(name="correction_request_is_kept", operation=pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.invoice} · {self.get_reason_display()}"

    def get_absolute_url(self) -> str:
        return reverse("correction_request", args=[self.code])


class Correction(models.Model):
    """The chain from an invoice to its credit note, and to the invoice that takes its place (L3). Append-only."""

    original = models.ForeignKey(Invoice, models.PROTECT, related_name="corrections")
    credit_note = models.OneToOneField(Invoice, models.PROTECT, related_name="correction")
    corrected = models.OneToOneField(Invoice, models.PROTECT, null=True, related_name="correction_before")
    # The original is credited to the last cent, this credit note with those before it.
    is_full = models.BooleanField()
    request = models.OneToOneField(CorrectionRequest, models.PROTECT, null=True, related_name="correction")
    reason = models.CharField(max_length=300)
    made_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        constraints = [
            models.UniqueConstraint(fields=["original"], condition=Q(is_full=True), name="credited_in_full_once"),
            models.CheckConstraint(
                name="corrected_only_when_credited_in_full", condition=Q(corrected=None) | Q(is_full=True)
            ),
            models.CheckConstraint(
                name="correction_between_documents",
                condition=~Q(original=F("credit_note")) & (Q(corrected=None) | ~Q(original=F("corrected"))),
            ),
        ]
        triggers = [
            *append_only(),
            pgtrigger.Trigger(
                name="credited_within_the_original",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                declare=[("original", "invoices_invoice%ROWTYPE"), ("credited", "record")],
                func="""
                    SELECT * INTO STRICT original FROM invoices_invoice WHERE id = NEW.original_id FOR UPDATE;
                    SELECT sum(n.net_minor) AS net, sum(n.credit_minor) AS credit, sum(n.vat_minor) AS vat,
                        sum(n.prepaid_minor) AS prepaid,
                        bool_and(n.kind = 'credit_note' AND n.profile_id = original.profile_id
                            AND n.currency = original.currency) AS fits
                    INTO credited
                    FROM invoices_correction c JOIN invoices_invoice n ON n.id = c.credit_note_id
                    WHERE c.original_id = NEW.original_id;
                    IF original.kind <> 'invoice' OR original.status = 'draft' OR NOT credited.fits
                    THEN RAISE EXCEPTION 'a credit note credits an invoice of its own profile'
                        USING ERRCODE = 'check_violation';
                    END IF;
                    IF credited.net > original.net_minor OR credited.credit > original.credit_minor
                       OR credited.vat > original.vat_minor OR credited.prepaid > original.prepaid_minor
                    THEN RAISE EXCEPTION 'more than the invoice would be credited' USING ERRCODE = 'check_violation';
                    END IF;
                    IF NEW.is_full AND (credited.net, credited.credit, credited.vat)
                        <> (original.net_minor, original.credit_minor, original.vat_minor)
                    THEN RAISE EXCEPTION 'the invoice is not credited to the last cent'
                        USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.original} → {self.credit_note}"


class CreditedLine(models.Model):
    """Which part of which line a credit note gives back. Append-only; never more than the line."""

    correction = models.ForeignKey(Correction, models.PROTECT, related_name="lines")
    line = models.ForeignKey(InvoiceLine, models.PROTECT, related_name="credited")
    net_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["correction", "line"], name="line_credited_once_a_note")]
        triggers = [
            *append_only(),
            pgtrigger.Trigger(
                name="credited_within_the_line",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func="""
                    IF NOT EXISTS (
                        SELECT 1 FROM invoices_invoiceline l
                        JOIN invoices_correction c ON c.id = NEW.correction_id AND c.original_id = l.invoice_id
                        WHERE l.id = NEW.line_id AND (
                            SELECT sum(net_minor) FROM invoices_creditedline WHERE line_id = NEW.line_id
                        ) BETWEEN least(l.net_minor, 0) AND greatest(l.net_minor, 0)
                    ) THEN RAISE EXCEPTION 'more than the line would be credited' USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.net_minor}"


class Offset(models.Model):
    """A part of a credit note that settles a part of an invoice, without money. Append-only (I10)."""

    code = CodeField()
    credit_note = models.ForeignKey(Invoice, models.PROTECT, related_name="offsets_given")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="offsets_taken")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    made_on = models.DateField()
    made_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.CheckConstraint(name="offset_above_zero", condition=Q(amount_minor__gt=0))]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.credit_note} → {self.invoice}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
