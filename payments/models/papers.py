"""Papers: the documents of payments and of what is owed, beside those of invoices."""

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.guards import no_truncate
from core.money import Money
from core.policy import Action, PolicyQuerySet, Scope
from core.states import only_along
from core.templatetags.ui import money
from invoices import states as invoice_states
from payments.models.payments import Payment
from payments.models.refunds import Refund
from payments.models.remittances import Remittance
from profiles.models import BillingProfile


class PaperKind(models.TextChoices):
    RECEIPT = "receipt", _("Receipt")
    STATEMENT = "statement", _("Statement of account")
    REFUND = "refund", _("Proof of refund")
    REMITTANCE = "remittance", _("Remittance advice")


class Paper(models.Model):
    """A receipt of a payment, a statement of an account or a billing profile, or the advice of a remittance, as PDF:
    made once by a job, and kept with its digest (L4, P8). A statement without a profile is of the whole account. A
    refund has a paper of its own, since the receipt of its payment is final."""

    code = CodeField()
    kind = models.CharField(_("kind"), max_length=12, choices=PaperKind)
    account = models.ForeignKey(
        BillingAccount, models.PROTECT, related_name="papers", db_index=False, verbose_name=_("billing account")
    )
    profile = models.ForeignKey(
        BillingProfile, models.PROTECT, null=True, related_name="+", verbose_name=_("billing profile")
    )
    payment = models.OneToOneField(Payment, models.PROTECT, null=True, related_name="paper", verbose_name=_("payment"))
    # What went back of a payment, of which `payment` stays empty.
    refund = models.OneToOneField(Refund, models.PROTECT, null=True, related_name="paper", verbose_name=_("refund"))
    remittance = models.OneToOneField(
        Remittance, models.PROTECT, null=True, related_name="paper", verbose_name=_("remittance")
    )
    # Of a statement, both inclusive.
    starts_on = models.DateField(_("from"), null=True)
    ends_on = models.DateField(_("until"), null=True)
    opening_minor = models.BigIntegerField(_("opening balance in minor units"), null=True)
    closing_minor = models.BigIntegerField(_("closing balance in minor units"), null=True)
    currency = models.CharField(_("currency"), max_length=3)
    language = models.CharField(_("language"), max_length=2)
    asked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("asked for by"))
    status = models.CharField(
        _("status"),
        max_length=8,
        choices=invoice_states.DocumentStatus,
        default=invoice_states.DocumentStatus.PENDING,
    )
    file = models.CharField(_("file"), max_length=255, blank=True)
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    size_bytes = models.PositiveIntegerField(_("size in bytes"), null=True)
    # Characters that no font of ours has, replaced in print.
    replaced_characters = models.CharField(_("characters not shown"), max_length=500, blank=True)
    last_error = models.TextField(_("last error"), blank=True)
    created_at = models.DateTimeField(_("asked for"), default=timezone.now, editable=False)
    made_at = models.DateTimeField(_("made"), null=True)

    TRANSITIONS = invoice_states.DOCUMENT
    POLICY = Scope(view=Action.INVOICE_VIEW, account="account", profile="profile")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("receipt or statement")
        verbose_name_plural = _("receipts and statements")
        indexes = [
            models.Index(fields=["id"], condition=Q(status="pending"), name="paper_due"),
            models.Index(fields=["account", "kind", "-created_at", "-id"], name="paper_list"),
        ]
        constraints = [
            models.CheckConstraint(
                name="paper_is_of_what_its_kind_says",
                condition=Q(
                    kind="receipt", payment__isnull=False, refund=None, remittance=None, starts_on=None, ends_on=None
                )
                | Q(kind="refund", payment=None, refund__isnull=False, remittance=None, starts_on=None, ends_on=None)
                | Q(kind="statement", payment=None, refund=None, remittance=None, starts_on__lte=F("ends_on"))
                | Q(
                    kind="remittance", payment=None, refund=None, remittance__isnull=False, starts_on=None, ends_on=None
                ),
            ),
            models.CheckConstraint(
                name="paper_ready_has_a_file", condition=~Q(status="ready") | (~Q(file="") & ~Q(sha256=""))
            ),
        ]
        triggers = [
            only_along(invoice_states.DOCUMENT, "paper_status_edges"),
            pgtrigger.Protect(
                name="made_is_final", operation=pgtrigger.Update, condition=pgtrigger.Q(old__status="ready")
            ),
            # Ten years, as the longest class of what it tells of (L5).
            pgtrigger.Trigger(
                name="kept",
                when=pgtrigger.Before,
                operation=pgtrigger.Delete,
                func="""
                    IF date_part('year', OLD.created_at) + 10 >= date_part('year', current_date)
                    THEN RAISE EXCEPTION 'the law keeps this for some years more' USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN OLD;
                """,
            ),
            no_truncate(),
        ]

    def __str__(self) -> str:
        if self.refund is not None:
            said = gettext("Proof of refund of %(amount)s, %(account)s")
            return said % {"amount": money(self.refund.amount), "account": self.account}
        if self.payment is not None:
            about = self.payment.receipt_number or self.code
        elif self.remittance is not None:
            about = self.remittance.reference
        else:
            about = str(self.profile or self.account)
        return f"{self.get_kind_display()} {about}"

    def get_absolute_url(self) -> str:
        if self.payment is not None:
            return reverse("payment_receipt", args=[self.payment.code])
        if self.refund is not None:
            return self.refund.payment.get_absolute_url()
        if self.remittance is not None:
            return self.remittance.get_absolute_url()
        return reverse("statement", args=[self.code])

    @property
    def opening(self) -> Money | None:
        """What was owed the day before the statement begins; known once it is made."""
        return None if self.opening_minor is None else Money(self.opening_minor, self.currency)

    @property
    def closing(self) -> Money | None:
        return None if self.closing_minor is None else Money(self.closing_minor, self.currency)
