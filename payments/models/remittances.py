"""Remittances: what a customer means to pay by one bank transfer, under one reference of its own (P24)."""

import secrets

import pgtrigger
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import ALPHABET, CodeField
from core.guards import no_truncate
from core.money import Money
from core.policy import Action, PolicyQuerySet, Scope
from invoices.documents.codes import payment_reference
from invoices.models import Invoice
from profiles.models import BillingProfile

# An invoice number has digits alone behind its letters, so that no reference of a remittance is one of an invoice.
_LETTERS = [letter for letter in ALPHABET.upper() if letter.isalpha()]
REFERENCE_RANDOM = 10


def new_remittance_reference() -> str:
    """A creditor reference (ISO 11649) of 16 characters that names no invoice: four groups of four on paper."""
    digits = "".join(secrets.choice(ALPHABET) for _place in range(REFERENCE_RANDOM)).upper()
    return payment_reference(f"T{secrets.choice(_LETTERS)}{digits}")


class Remittance(models.Model):
    """A transfer that a customer announced: the invoices it pays, and the reference by which we know it again.

    It holds nothing and moves nothing. `seller` is what was to be paid to, copied when it was made, so that page, PDF
    and payment file say the same. Without a profile it pays invoices of several; those who see one of them do not see
    it.
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="remittances", db_index=False)
    profile = models.ForeignKey(BillingProfile, models.PROTECT, null=True, related_name="+")
    reference = models.CharField(
        _("payment reference"), max_length=25, unique=True, default=new_remittance_reference, editable=False
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    seller = models.JSONField()
    made_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    made_at = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    POLICY = Scope(view=Action.INVOICE_VIEW, account="account", profile="profile")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("remittance")
        verbose_name_plural = _("remittances")
        indexes = [models.Index(fields=["account", "-made_at", "-id"], name="remittance_list")]
        constraints = [
            models.CheckConstraint(name="remittance_above_zero", condition=models.Q(amount_minor__gt=0)),
        ]
        triggers = [
            pgtrigger.Protect(name="made_is_final", operation=pgtrigger.Update | pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return self.reference

    def get_absolute_url(self) -> str:
        return reverse("remittance", args=[self.code])

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def grouped_reference(self) -> str:
        """As it is printed: in groups of four (ISO 11649)."""
        return " ".join(self.reference[start : start + 4] for start in range(0, len(self.reference), 4))


class RemittancePart(models.Model):
    """How much of the transfer is meant for which invoice: what was owed on it when the remittance was made."""

    remittance = models.ForeignKey(Remittance, models.PROTECT, related_name="parts", db_index=False)
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="remittance_parts")
    amount_minor = models.BigIntegerField()

    class Meta:
        verbose_name = _("part of a remittance")
        verbose_name_plural = _("parts of remittances")
        constraints = [
            models.UniqueConstraint(fields=["remittance", "invoice"], name="remitted_once"),
            models.CheckConstraint(name="remittance_part_above_zero", condition=models.Q(amount_minor__gt=0)),
        ]
        triggers = [
            pgtrigger.Protect(name="made_is_final", operation=pgtrigger.Update | pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.remittance_id} → {self.invoice_id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.invoice.currency)
