"""The ledger: double entry, append-only."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount
from core.guards import append_only
from core.money import Money
from invoices.models.invoices import Invoice
from profiles.models import BillingProfile


class LedgerAccount(models.TextChoices):
    """The vendor's accounts that the portal posts to."""

    RECEIVABLE = "receivable", _("Accounts receivable")
    REVENUE = "revenue", _("Revenue")
    VAT = "vat", _("VAT payable")
    GATEWAY = "gateway", _("Payments in transit")
    BANK = "bank", _("Bank")
    BAD_DEBT = "bad_debt", _("Written off")
    # What customers may still use of their credits, and what the credits that were given cost.
    CREDITS = "credits", _("Credits of customers")
    PROMOTION = "promotion", _("Credits given")
    # A credit note on its way to the invoice that it settles.
    OFFSET = "offset", _("Set off")


class Posting(models.Model):
    """One move of money in the books: from the credited account to the debited one.

    Debit and credit stand in one row, so that they are equal by construction (I1). Append-only;
    a mistake is mended by a posting the other way round.
    """

    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+", db_index=False)
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="+", db_index=False)
    invoice = models.ForeignKey(Invoice, models.PROTECT, null=True, related_name="postings", db_index=False)
    # What caused it, in words a machine can match: "invoice:<code>", "payment:<code>".
    reference = models.CharField(max_length=64)
    debit = models.CharField(max_length=12, choices=LedgerAccount)
    credit = models.CharField(max_length=12, choices=LedgerAccount)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    posted_on = models.DateField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            # The same cause posts the same move once. Led by the invoice, it also finds its postings.
            models.UniqueConstraint(fields=["invoice", "reference", "debit", "credit"], name="posted_once"),
            models.UniqueConstraint(
                fields=["reference", "debit", "credit"], condition=Q(invoice=None), name="posted_once_without_invoice"
            ),
            models.CheckConstraint(name="posting_above_zero", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(name="posting_between_two", condition=~Q(debit=F("credit"))),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.debit} ← {self.credit} {self.amount_minor} {self.currency}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
