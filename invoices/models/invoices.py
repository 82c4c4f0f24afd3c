"""Invoices: their periods, numbers, lines and VAT.

An issued invoice is a copy of everything it prints; it is never edited and never deleted. What people
change is tracked elsewhere; rows here are append-only or guarded, and have no history of their own.
"""

from datetime import date

import pgtrigger
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount
from core.codes import new_code
from core.guards import append_only, no_truncate
from core.money import Money
from core.policy import Action, Scope
from core.states import only_along
from invoices import states
from invoices.documents.codes import payment_reference
from invoices.querysets import InvoiceQuerySet
from profiles.models import BillingProfile
from subscriptions.models import Purchase, Subscription, SubscriptionChange


class InvoiceKind(models.TextChoices):
    INVOICE = "invoice", _("Invoice")
    CREDIT_NOTE = "credit_note", _("Credit note")


class NumberSeries(models.Model):
    """A run of numbers without a gap (PR1). The row is locked while numbers are taken from it."""

    # An InvoiceKind, or what another app numbers: payments their receipts.
    kind = models.CharField(max_length=12, unique=True)
    prefix = models.CharField(max_length=10)
    next_number = models.PositiveIntegerField(default=1)
    # Issue dates of a series do not run backwards (I8).
    last_issue_date = models.DateField(null=True, blank=True)

    DIGITS = 9

    class Meta:
        verbose_name = _("number series")
        verbose_name_plural = _("number series")
        constraints = [
            models.CheckConstraint(
                name="series_fits_its_digits", condition=Q(next_number__gte=1, next_number__lte=1_000_000_000)
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix}{self.next_number:0{self.DIGITS}}"


class BillingPeriod(models.Model):
    """One month of one profile: billed once, in order, also when there was nothing to bill (I7)."""

    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="periods", db_index=False)
    # The first day of the month.
    month = models.DateField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["profile", "month"], name="one_period_per_profile_and_month"),
            models.CheckConstraint(name="period_starts_on_the_first", condition=Q(month__day=1)),
        ]
        triggers = [
            *append_only(),
            pgtrigger.Trigger(
                name="after_the_month_before",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func="""
                    IF EXISTS (SELECT 1 FROM invoices_billingperiod WHERE profile_id = NEW.profile_id)
                       AND NOT EXISTS (
                           SELECT 1 FROM invoices_billingperiod
                           WHERE profile_id = NEW.profile_id
                             AND month = (NEW.month - interval '1 month')::date
                       )
                    THEN RAISE EXCEPTION 'the month before % of profile % was not billed', NEW.month, NEW.profile_id
                         USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.profile} {self.month:%Y-%m}"


class Invoice(models.Model):
    """A document that asks for money, or gives it back. Amounts are ≥ 0; the kind gives the sign (I4)."""

    # Unique by constraints of their own: `unique=True`, as a CodeField has it, would bring an index for
    # LIKE besides, and each index is paid for by every invoice of a run.
    code = models.CharField(max_length=32, default=new_code, editable=False)
    kind = models.CharField(max_length=12, choices=InvoiceKind, default=InvoiceKind.INVOICE)
    # Given at issue, never to a draft.
    number = models.CharField(_("invoice number"), max_length=24, null=True)
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="invoices", db_index=False)
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="invoices", db_index=False)
    period = models.OneToOneField(BillingPeriod, models.PROTECT, null=True, related_name="invoice")
    period_start = models.DateField()
    period_end = models.DateField()
    issue_date = models.DateField(_("invoice date"), null=True)
    due_date = models.DateField(_("due date"), null=True)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=8, choices=states.InvoiceStatus, default=states.InvoiceStatus.DRAFT)
    net_minor = models.BigIntegerField(default=0)
    # Given by the vendor before VAT (BT-107): what is taxed is the net less this.
    credit_minor = models.BigIntegerField(default=0, db_default=0)
    vat_minor = models.BigIntegerField(default=0)
    total_minor = models.BigIntegerField(default=0)
    # Paid out of prepaid credit when it was issued (BT-113).
    prepaid_minor = models.BigIntegerField(default=0)
    # Paid since; written by one service only.
    settled_minor = models.BigIntegerField(default=0)
    # How much of it, with VAT, the open dispute is about: that much is not asked for meanwhile.
    disputed_minor = models.BigIntegerField(default=0, db_default=0)
    amount_due_minor = models.GeneratedField(
        expression=F("total_minor") - F("prepaid_minor") - F("settled_minor"),
        output_field=models.BigIntegerField(),
        db_persist=True,
    )
    # Where VAT is charged in another currency than the seller's: what it is in the seller's (article 230), and the
    # rate, units of `currency` in one of `vat_currency`, of that day.
    vat_currency = models.CharField(max_length=3, blank=True, db_default="")
    vat_exchanged_minor = models.BigIntegerField(null=True)
    exchange_rate = models.DecimalField(max_digits=20, decimal_places=10, null=True)
    exchange_day = models.DateField(null=True)
    # Copies of all it prints (I35): plain values, as `snapshot()` of Seller and Address makes them.
    seller = models.JSONField(default=dict)
    sold_to = models.JSONField(default=dict)
    bill_to = models.JSONField(default=dict)
    # Where it is used, where that is not the sold-to; empty otherwise.
    ship_to = models.JSONField(default=dict, db_default=Value({}, output_field=models.JSONField()))
    account_name = models.CharField(max_length=200)
    profile_name = models.CharField(max_length=100)
    customer_vat_id = models.CharField(max_length=20, blank=True)
    po_number = models.CharField(_("PO number"), max_length=50, blank=True)
    payment_term_days = models.PositiveSmallIntegerField()
    language = models.CharField(max_length=2, default="en")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    TRANSITIONS = states.INVOICE
    POLICY = Scope(view=Action.INVOICE_VIEW, account="account", profile="profile")

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        # The lists serve `issued()`; a draft stands in neither and costs nothing there.
        indexes = [
            models.Index(fields=["account", "-issue_date", "-id"], condition=~Q(status="draft"), name="invoice_list"),
            models.Index(
                fields=["profile", "-issue_date", "-id"], condition=~Q(status="draft"), name="invoice_list_of_profile"
            ),
            models.Index(fields=["account", "due_date"], condition=Q(status="due"), name="invoice_open"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["code"], name="invoice_code_once"),
            # The operator class lets the same index answer a search by prefix.
            models.UniqueConstraint(
                fields=["number"],
                condition=Q(number__isnull=False),
                opclasses=["varchar_pattern_ops"],
                name="invoice_number_once",
            ),
            models.CheckConstraint(
                name="invoice_amounts_not_negative",
                condition=Q(net_minor__gte=0, vat_minor__gte=0, total_minor__gte=0, prepaid_minor__gte=0),
            ),
            models.CheckConstraint(
                name="invoice_total_is_net_less_credit_plus_vat",
                condition=Q(total_minor=F("net_minor") - F("credit_minor") + F("vat_minor")),
            ),
            models.CheckConstraint(
                name="invoice_credit_within_net", condition=Q(credit_minor__gte=0, credit_minor__lte=F("net_minor"))
            ),
            models.CheckConstraint(
                name="invoice_settled_within_total",
                condition=Q(settled_minor__gte=0, settled_minor__lte=F("total_minor") - F("prepaid_minor")),
            ),
            models.CheckConstraint(
                name="issued_invoice_has_number_and_dates",
                condition=Q(status="draft", number=None)
                | (~Q(status="draft") & Q(number__isnull=False, issue_date__isnull=False, due_date__isnull=False)),
            ),
            models.CheckConstraint(
                name="exchanged_vat_has_its_rate",
                condition=Q(vat_currency="", vat_exchanged_minor=None, exchange_rate=None, exchange_day=None)
                | Q(
                    vat_currency__gt="",
                    vat_exchanged_minor__gte=0,
                    exchange_rate__gt=0,
                    exchange_day__isnull=False,
                ),
            ),
            models.CheckConstraint(name="invoice_disputed_not_negative", condition=Q(disputed_minor__gte=0)),
            # I11: paid means that nothing is owed, and the other way round.
            models.CheckConstraint(
                name="paid_means_nothing_owed",
                condition=Q(status__in=["draft", "void", "locked"])
                | Q(status="paid", settled_minor=F("total_minor") - F("prepaid_minor"))
                | Q(status="due", settled_minor__lt=F("total_minor") - F("prepaid_minor")),
            ),
        ]
        triggers = [
            only_along(states.INVOICE, "invoice_status_edges"),
            pgtrigger.Trigger(
                name="issued_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    exclude=["status", "settled_minor", "disputed_minor", "amount_due_minor"]
                ),
                func="""
                    IF OLD.status <> 'draft'
                    THEN RAISE EXCEPTION 'an issued invoice is final' USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Protect(
                name="issued_is_kept", operation=pgtrigger.Delete, condition=~pgtrigger.Q(old__status="draft")
            ),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return self.number or str(_("Draft"))

    def get_absolute_url(self) -> str:
        return reverse("invoice", args=[self.code])

    @property
    def net(self) -> Money:
        return Money(self.net_minor, self.currency)

    @property
    def credit(self) -> Money:
        return Money(self.credit_minor, self.currency)

    @property
    def taxable(self) -> Money:
        return Money(self.net_minor - self.credit_minor, self.currency)

    @property
    def prepaid(self) -> Money:
        return Money(self.prepaid_minor, self.currency)

    @property
    def vat(self) -> Money:
        return Money(self.vat_minor, self.currency)

    @property
    def vat_exchanged(self) -> Money | None:
        """The VAT in the seller's currency; None where that is the invoice's own, or no VAT is charged."""
        return None if self.vat_exchanged_minor is None else Money(self.vat_exchanged_minor, self.vat_currency)

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @property
    def settled(self) -> Money:
        return Money(self.settled_minor, self.currency)

    @property
    def amount_due(self) -> Money:
        return Money(self.total_minor - self.prepaid_minor - self.settled_minor, self.currency)

    @property
    def amount_asked(self) -> Money:
        """What is to be paid now: what is owed, less what is disputed of it."""
        return Money(max(self.amount_due.minor - self.disputed_minor, 0), self.currency)

    @property
    def disputed(self) -> Money:
        """How much of what is owed is disputed."""
        return self.amount_due - self.amount_asked

    @property
    def payment_reference(self) -> str:
        """What a transfer gives as its reference: a creditor reference that banks check (ISO 11649)."""
        return payment_reference(self.number or "") or self.number or ""

    def is_overdue(self, on: date) -> bool:
        return self.status == "due" and self.kind == "invoice" and self.due_date is not None and self.due_date < on


class InvoiceLine(models.Model):
    """A line of an invoice, rounded before it is summed (EN 16931). Append-only; negative where it gives back."""

    invoice = models.ForeignKey(Invoice, models.CASCADE, related_name="lines", db_index=False)
    position = models.PositiveIntegerField()
    subscription = models.ForeignKey(Subscription, models.PROTECT, null=True, related_name="+", db_index=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, null=True, related_name="+", db_index=False)
    change = models.ForeignKey(SubscriptionChange, models.PROTECT, null=True, related_name="+", db_index=False)
    # The name of the invoice section at issue; empty where the profile has the default one alone.
    invoice_section = models.CharField(max_length=100, blank=True, db_default="")
    # The heading under which the line stands otherwise: the subscription's name at issue.
    section = models.CharField(max_length=200, blank=True)
    # The customer's order that it draws from (P17).
    purchase_order = models.ForeignKey(
        "invoices.PurchaseOrder", models.PROTECT, null=True, related_name="lines", db_index=False
    )
    description = models.CharField(max_length=400)
    service_name = models.CharField(max_length=200, blank=True)
    quantity = models.DecimalField(max_digits=38, decimal_places=18)
    unit = models.CharField(max_length=100, blank=True)
    # Major units without VAT; empty where charges of several prices make the line.
    unit_price = models.DecimalField(max_digits=38, decimal_places=18, null=True)
    service_start = models.DateField()
    service_end = models.DateField()
    # The first day of the term that this line bills. A term and a one-off are billed once, whatever
    # moves between profiles (I31); a line that bills one again after a credit note leaves it empty.
    term_start = models.DateField(null=True)
    net_minor = models.BigIntegerField()
    vat_category = models.CharField(max_length=2)
    vat_rate = models.DecimalField(max_digits=5, decimal_places=2)

    class Meta:
        indexes = [
            models.Index(
                fields=["purchase_order"], condition=Q(purchase_order__isnull=False), name="line_of_purchase_order"
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="line_position_once"),
            models.UniqueConstraint(
                fields=["subscription", "term_start"], condition=Q(term_start__isnull=False), name="term_billed_once"
            ),
            models.UniqueConstraint(
                fields=["purchase"], condition=Q(purchase__isnull=False), name="purchase_billed_once"
            ),
            models.UniqueConstraint(fields=["change"], condition=Q(change__isnull=False), name="change_billed_once"),
        ]
        triggers = [
            pgtrigger.Trigger(
                name="line_of_issued_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func="""
                    IF EXISTS (SELECT 1 FROM invoices_invoice WHERE id = OLD.invoice_id AND status <> 'draft')
                    THEN RAISE EXCEPTION 'a line of an issued invoice is final' USING ERRCODE = 'check_violation';
                    END IF;
                    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                    RETURN NEW;
                """,
            ),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.description}"

    @property
    def net(self) -> Money:
        return Money(self.net_minor, self.invoice.currency)

    @property
    def subscription_name(self) -> str:
        """What to say beside the description where the heading is a section and not the subscription."""
        return self.section if self.invoice_section and self.section != self.description else ""


class VatGroup(models.Model):
    """VAT of one category and rate, computed once on the group's sum (I3)."""

    invoice = models.ForeignKey(Invoice, models.CASCADE, related_name="vat_groups", db_index=False)
    category = models.CharField(max_length=2)
    rate = models.DecimalField(max_digits=5, decimal_places=2)
    # What is taxed: the group's lines less its share of the credit.
    base_minor = models.BigIntegerField()
    credit_minor = models.BigIntegerField(default=0, db_default=0)
    vat_minor = models.BigIntegerField()
    # What the law wants said where no VAT is charged, in the language of the invoice.
    wording = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["invoice", "category", "rate"], name="one_vat_group_per_rate")]
        triggers = [
            pgtrigger.Trigger(
                name="vat_of_issued_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update | pgtrigger.Delete,
                func="""
                    IF EXISTS (SELECT 1 FROM invoices_invoice WHERE id = OLD.invoice_id AND status <> 'draft')
                    THEN RAISE EXCEPTION 'the VAT of an issued invoice is final' USING ERRCODE = 'check_violation';
                    END IF;
                    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
                    RETURN NEW;
                """,
            ),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.category} {self.rate} %"

    @property
    def base(self) -> Money:
        return Money(self.base_minor, self.invoice.currency)

    @property
    def vat(self) -> Money:
        return Money(self.vat_minor, self.invoice.currency)
