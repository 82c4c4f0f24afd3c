"""The files of an invoice, and their way to the people who get them."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.guards import no_truncate
from core.models import Message
from core.policy import Action, PolicyQuerySet, Scope
from core.states import only_along
from invoices import states
from invoices.models.invoices import Invoice
from invoices.models.keeping import kept_by_law


class DocumentKind(models.TextChoices):
    # Asked for at issue; the structured invoice lies in it as well (Factur-X).
    PDF = "pdf", _("Invoice (PDF)")
    # Kept when the PDF is.
    UBL = "ubl", _("Structured invoice (UBL)")


class Document(models.Model):
    """A file made of an invoice, once; kept with its digest and never silently remade (L4, I28)."""

    invoice = models.ForeignKey(
        Invoice, models.PROTECT, related_name="documents", db_index=False, verbose_name=_("invoice")
    )
    kind = models.CharField(_("kind"), max_length=12, choices=DocumentKind, default=DocumentKind.PDF)
    status = models.CharField(
        _("status"), max_length=8, choices=states.DocumentStatus, default=states.DocumentStatus.PENDING
    )
    file = models.CharField(_("file"), max_length=255, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    size_bytes = models.PositiveIntegerField(_("size in bytes"), null=True)
    # Characters that no font of ours has, replaced in print.
    replaced_characters = models.CharField(_("characters not shown"), max_length=500, blank=True)
    last_error = models.TextField(_("last error"), blank=True)
    made_at = models.DateTimeField(_("made"), null=True)
    # By which anybody who holds the PDF asks whether it is ours.
    check_code = models.CharField(_("check code"), max_length=12, null=True)

    TRANSITIONS = states.DOCUMENT
    POLICY = Scope(view=Action.INVOICE_VIEW, account="invoice__account", profile="invoice__profile")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        constraints = [
            models.UniqueConstraint(fields=["invoice", "kind"], name="one_document_of_a_kind"),
            models.UniqueConstraint(
                fields=["check_code"], condition=Q(check_code__isnull=False), name="document_check_code_once"
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(status="pending"), name="document_due")]
        triggers = [
            only_along(states.DOCUMENT, "document_status_edges"),
            pgtrigger.Protect(
                name="made_is_final", operation=pgtrigger.Update, condition=pgtrigger.Q(old__status="ready")
            ),
            kept_by_law(),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.invoice}"


class Dispatch(models.Model):
    """An issued document that is to be mailed; at send time it becomes one Delivery per recipient (§11)."""

    invoice = models.OneToOneField(Invoice, models.PROTECT, related_name="dispatch")
    status = models.CharField(max_length=8, choices=states.DispatchStatus, default=states.DispatchStatus.PENDING)
    expanded_at = models.DateTimeField(null=True)

    TRANSITIONS = states.DISPATCH

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(status="pending"), name="dispatch_due")]
        triggers = [only_along(states.DISPATCH, "dispatch_status_edges")]

    def __str__(self) -> str:
        return f"{self.invoice} → mail"


class Delivery(models.Model):
    """One invoice to one recipient. Its state is that of its message (I25), which carries several invoices after a
    catch-up (F26)."""

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="deliveries", db_index=False)
    email = models.EmailField(max_length=254)
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    # Why this address gets it: the role it comes from, that it was added, or that somebody sent it there.
    reason = models.CharField(max_length=32)
    sent_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    # The delivery that came back and that this one mends.
    in_place_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="replacements")
    message = models.ForeignKey(Message, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    POLICY = Scope(view=Action.INVOICE_VIEW, account="invoice__account", profile="invoice__profile")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [models.UniqueConstraint(fields=["invoice", "email"], name="one_delivery_per_address")]
        triggers = [kept_by_law()]

    def __str__(self) -> str:
        return f"{self.invoice} → {self.email}"
