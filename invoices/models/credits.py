"""Credits: what the vendor gave or was paid in advance, and every move of it (domain §3.8)."""

from datetime import date, timedelta

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
from core.policy import Action, Scope
from core.states import Status
from core.templatetags.ui import money
from invoices.credit_querysets import CreditLotQuerySet, CreditTransactionQuerySet
from invoices.models.invoices import Invoice
from profiles.models import BillingProfile


class CreditSource(models.TextChoices):
    """Where a credit comes from. What is given lowers the amount before VAT; what was paid in advance, or more than
    was owed, pays after it."""

    PROMOTION = "promotion", _("Promotion")
    COMPENSATION = "compensation", _("Compensation")
    PREPAID = "prepaid", _("Paid in advance")
    OVERPAID = "overpaid", _("Paid too much")


# The customer's own money: pays after VAT, and does not lapse.
PAID_SOURCES = (CreditSource.PREPAID, CreditSource.OVERPAID)


class CreditState(Status):
    UPCOMING = "upcoming", _("Not usable yet")
    ACTIVE = "active", _("Active")
    EXPIRING = "expiring", _("Expiring")
    USED = "used", _("Used")
    EXPIRED = "expired", _("Expired")

    __tones__ = {"upcoming": "info", "active": "ok", "expiring": "warn", "used": "neutral", "expired": "neutral"}


# From so long before its last day on a credit is said to expire (§3.9).
EXPIRING_WITHIN = timedelta(days=30)


class CreditLot(models.Model):
    """One credit on one billing profile: usable from its first to its last day, the earliest expiry first (I18).

    `balance_minor` is kept by the trigger of the transactions and by nothing else. A lot without a last day
    stays usable. Nothing of it is edited but the profile, by a move that both profiles can read.
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="credit_lots", db_index=False)
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="credit_lots", db_index=False)
    source = models.CharField(_("source"), max_length=12, choices=CreditSource)
    currency = models.CharField(_("currency"), max_length=3)
    original_minor = models.BigIntegerField()
    balance_minor = models.BigIntegerField(default=0, editable=False)
    starts_on = models.DateField(_("usable from"))
    expires_on = models.DateField(_("last day"), null=True, blank=True)
    # What the customer reads about it, and what only the vendor's staff does.
    description = models.CharField(_("description"), max_length=150)
    reason = models.CharField(_("reason"), max_length=300)
    given_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("given by"))
    given_at = models.DateTimeField(_("given"), default=timezone.now, editable=False)

    POLICY = Scope(view=Action.CREDIT_VIEW, account="account", profile="profile")

    objects = CreditLotQuerySet.as_manager()

    class Meta:
        verbose_name = _("credit")
        verbose_name_plural = _("credits")
        indexes = [
            models.Index(fields=["profile", "expires_on", "id"], name="credit_lot_of_profile"),
            # What the billing run looks for.
            models.Index(fields=["profile"], condition=Q(balance_minor__gt=0), name="credit_lot_usable"),
        ]
        constraints = [
            models.CheckConstraint(name="credit_lot_above_zero", condition=Q(original_minor__gt=0)),
            models.CheckConstraint(
                name="credit_lot_within_original",
                condition=Q(balance_minor__gte=0, balance_minor__lte=F("original_minor")),
            ),
            models.CheckConstraint(
                name="credit_lot_ends_after_it_starts",
                condition=Q(expires_on=None) | Q(expires_on__gte=F("starts_on")),
            ),
            # Money that was paid does not lapse.
            models.CheckConstraint(
                name="prepaid_credit_does_not_expire", condition=~Q(source__in=PAID_SOURCES) | Q(expires_on=None)
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="credit_lot_is_final",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["profile", "balance_minor"]),
            ),
            pgtrigger.Trigger(
                name="credit_lot_stays_in_its_account",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("profile_id"),
                func="""
                    IF NOT EXISTS (
                        SELECT 1 FROM profiles_billingprofile
                        WHERE id = NEW.profile_id AND account_id = NEW.account_id AND currency = NEW.currency
                    ) THEN RAISE EXCEPTION 'a credit stays in its account and currency'
                        USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="credit_lot_balance_is_derived",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("balance_minor"),
                func="""
                    -- Asked first and by itself: a run moves many credits, and adds none of them up again.
                    IF pg_trigger_depth() < 2 THEN
                        IF NEW.balance_minor <> (
                            SELECT coalesce(sum(amount_minor), 0) FROM invoices_credittransaction WHERE lot_id = NEW.id
                        ) THEN RAISE EXCEPTION 'the balance of a credit is that of its transactions'
                            USING ERRCODE = 'check_violation';
                        END IF;
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Protect(name="credit_lot_is_kept", operation=pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.description} · {money(self.original)}"

    def get_absolute_url(self) -> str:
        return reverse("profile_credits", args=[self.profile.code])

    @property
    def original(self) -> Money:
        return Money(self.original_minor, self.currency)

    @property
    def balance(self) -> Money:
        return Money(self.balance_minor, self.currency)

    @property
    def is_paid(self) -> bool:
        """Whether it is the customer's own money, and pays after VAT."""
        return self.source in PAID_SOURCES

    @property
    def used_share(self) -> int:
        """How much of it is gone, in percent."""
        return 100 - self.balance_minor * 100 // self.original_minor

    def state(self, on: date) -> "CreditState":
        """What it is good for on that day; a question about dates and the balance, and not stored."""
        if self.balance_minor == 0:
            return CreditState.EXPIRED if getattr(self, "has_lapsed", False) else CreditState.USED
        if self.is_expired(on):
            return CreditState.EXPIRED
        if self.starts_on > on:
            return CreditState.UPCOMING
        is_close = self.expires_on is not None and self.expires_on <= on + EXPIRING_WITHIN
        return CreditState.EXPIRING if is_close else CreditState.ACTIVE

    def is_expired(self, on: date) -> bool:
        return self.expires_on is not None and self.expires_on < on


class CreditMove(models.TextChoices):
    """Why the balance of a credit changed."""

    GIVEN = "given", _("Credit received")
    USED = "used", _("Used on an invoice")
    RETURNED = "returned", _("Given back by a credit note")
    EXPIRED = "expired", _("Expired")
    MOVED_OUT = "moved_out", _("Moved to another billing profile")
    MOVED_IN = "moved_in", _("Moved from another billing profile")
    CANCELLED = "cancelled", _("Taken back by the vendor")
    PAID = "paid", _("Paid an open invoice")
    REFUNDED = "refunded", _("Went back to the payer")


class CreditTransaction(models.Model):
    """One move of a credit: above zero where the balance grows. Append-only; the lot's balance follows (I18)."""

    lot = models.ForeignKey(CreditLot, models.PROTECT, related_name="transactions", db_index=False)
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+", db_index=False)
    # The lot's profile at that moment.
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="credit_transactions", db_index=False)
    kind = models.CharField(max_length=12, choices=CreditMove)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    # The invoice it was used on, or the credit note that gave it back.
    invoice = models.ForeignKey(
        Invoice, models.PROTECT, null=True, blank=True, related_name="credit_transactions", db_index=False
    )
    happened_on = models.DateField()
    note = models.CharField(max_length=300, blank=True)
    by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    POLICY = Scope(view=Action.CREDIT_VIEW, account="account", profile="profile")

    objects = CreditTransactionQuerySet.as_manager()

    class Meta:
        verbose_name = _("credit transaction")
        verbose_name_plural = _("credit transactions")
        indexes = [
            models.Index(fields=["profile", "-happened_on", "-id"], name="credit_transaction_list"),
            # What the balance of a lot is added up from.
            models.Index(fields=["lot"], name="credit_moves_of_lot"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["lot", "kind", "invoice"],
                condition=Q(invoice__isnull=False) & ~Q(kind="paid"),
                name="credit_moves_once_a_document",
            ),
            models.UniqueConstraint(fields=["lot"], condition=Q(kind="given"), name="credit_given_once"),
            models.CheckConstraint(
                name="credit_move_has_its_sign",
                condition=Q(kind__in=["given", "returned", "moved_in"], amount_minor__gt=0)
                | Q(kind__in=["used", "expired", "moved_out", "cancelled", "paid", "refunded"], amount_minor__lt=0),
            ),
            models.CheckConstraint(
                name="credit_is_used_on_an_invoice",
                condition=Q(kind__in=["used", "returned", "paid"], invoice__isnull=False)
                | (~Q(kind__in=["used", "returned", "paid"]) & Q(invoice=None)),
            ),
        ]
        triggers = [
            *append_only(),
            # One row at a time, in the order in which they are written: each sees what those before it left.
            pgtrigger.Trigger(
                name="credit_moves_by_the_rules",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                declare=[("lot", "invoices_creditlot%ROWTYPE")],
                func="""
                    SELECT * INTO STRICT lot FROM invoices_creditlot WHERE id = NEW.lot_id FOR UPDATE;
                    IF NEW.profile_id <> lot.profile_id OR NEW.account_id <> lot.account_id
                       OR NEW.currency <> lot.currency
                    THEN RAISE EXCEPTION 'a credit moves on its own profile' USING ERRCODE = 'check_violation';
                    END IF;
                    IF NEW.kind = 'given' AND NEW.amount_minor <> lot.original_minor
                    THEN RAISE EXCEPTION 'a credit is given whole' USING ERRCODE = 'check_violation';
                    END IF;
                    IF NEW.invoice_id IS NOT NULL AND NOT EXISTS (
                        SELECT 1 FROM invoices_invoice i WHERE i.id = NEW.invoice_id AND i.account_id = lot.account_id
                            AND i.currency = lot.currency AND (i.profile_id = lot.profile_id OR NEW.kind = 'returned')
                    ) THEN RAISE EXCEPTION 'a credit is used on invoices of its own profile'
                        USING ERRCODE = 'check_violation';
                    END IF;
                    IF NEW.kind = 'used' THEN
                        IF NEW.happened_on < lot.starts_on OR NEW.happened_on > lot.expires_on
                        THEN RAISE EXCEPTION 'a credit is used within its days' USING ERRCODE = 'check_violation';
                        END IF;
                        IF EXISTS (
                            SELECT 1 FROM invoices_creditlot other
                            WHERE other.profile_id = lot.profile_id AND other.balance_minor > 0
                                AND (other.source IN ('prepaid', 'overpaid')) = (lot.source IN ('prepaid', 'overpaid'))
                                AND other.starts_on <= NEW.happened_on
                                AND coalesce(other.expires_on, 'infinity') >= NEW.happened_on
                                AND (coalesce(other.expires_on, 'infinity'), other.id)
                                    < (coalesce(lot.expires_on, 'infinity'), lot.id)
                        ) THEN RAISE EXCEPTION 'the credit that expires first is used first'
                            USING ERRCODE = 'check_violation';
                        END IF;
                    END IF;
                    UPDATE invoices_creditlot SET balance_minor = balance_minor + NEW.amount_minor
                    WHERE id = NEW.lot_id;
                    RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)
