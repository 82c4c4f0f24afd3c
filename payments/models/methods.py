"""How a customer pays: saved methods, their mandates, and the pages that add them."""

from datetime import date, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.history import tracked
from core.policy import Action, Scope
from core.states import only_along
from core.templatetags.ui import day
from invoices.models import Invoice
from payments import states
from payments.querysets import (
    EXPIRING_DAYS,
    CardSetupQuerySet,
    MandateQuerySet,
    PaymentMethodQuerySet,
)
from profiles.models import BillingProfile
from subscriptions.models import Subscription


class Family(models.TextChoices):
    CARD = "card", _("Card")
    DIRECT_DEBIT = "direct_debit", _("SEPA direct debit")
    TRANSFER = "transfer", _("Bank transfer")
    WALLET = "wallet", _("Wallet or iDEAL")
    CHEQUE = "cheque", _("Cheque")


class Brand(models.TextChoices):
    """The brand of a card; what none of them is stays "Card". A bank account has the scheme of its mandate."""

    VISA = "visa", "Visa"
    MASTERCARD = "mastercard", "Mastercard"
    AMEX = "amex", "American Express"
    MAESTRO = "maestro", "Maestro"
    CARD = "card", "Card"
    SEPA_DEBIT = "sepa_debit", _("SEPA direct debit")
    TRANSFER = "transfer", _("Bank transfer")


@tracked(exclude=("token",))
class PaymentMethod(models.Model):
    """Something that can be charged again. Owned by the account, never by a person (P1).

    Of a card we keep what may be shown, and the gateway's token; no number ever reaches us (PR12).
    `profile` is set where it was added for one billing profile and is offered there only.
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="payment_methods")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, null=True, blank=True, related_name="payment_methods")
    family = models.CharField(max_length=12, choices=Family, default=Family.CARD)
    gateway = models.CharField(max_length=20)
    token = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, blank=True)
    brand = models.CharField(max_length=20, choices=Brand, default=Brand.CARD)
    last4 = models.CharField(max_length=4)
    holder = models.CharField(_("name on card"), max_length=150, blank=True)
    billing_address = models.CharField(_("billing address"), max_length=300, blank=True)
    issuing_country = models.CharField(max_length=2, blank=True)
    # The last day on which it may be charged: for a card the last of its expiry month, for a direct debit the
    # one before its mandate lapses.
    valid_until = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=states.MethodStatus, default=states.MethodStatus.ACTIVE)
    last_decline_reason = models.CharField(max_length=30, blank=True)
    last_declined_at = models.DateTimeField(null=True, blank=True)
    added_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    added_at = models.DateTimeField(default=timezone.now, editable=False)
    # Somebody asked that it be deleted by itself: tried from that day on until nothing uses it any more (P4).
    remove_from = models.DateField(null=True, blank=True)
    removal_asked_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    TRANSITIONS = states.METHOD
    POLICY = Scope(view=Action.METHOD_VIEW, account="account", profile="profile")

    objects = PaymentMethodQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment method")
        verbose_name_plural = _("payment methods")
        constraints = [models.UniqueConstraint(fields=["gateway", "token"], condition=~Q(token=""), name="token_once")]
        indexes = [
            # What the jobs look for.
            models.Index("id", condition=Q(status="detached"), name="method_to_forget"),
            models.Index("valid_until", condition=Q(family="direct_debit"), name="debit_method_ending"),
        ]
        triggers = [only_along(states.METHOD, "method_status_edges")]

    def __str__(self) -> str:
        if not self.last4:
            return str(self.get_brand_display())
        return gettext("%(brand)s ending %(last4)s") % {"brand": self.get_brand_display(), "last4": self.last4}

    @property
    def short_name(self) -> str:
        """Visa 4242: the same in every language, for what is stored or mailed."""
        return f"{Brand(self.brand).label} {self.last4}".strip()

    @property
    def is_transfer(self) -> bool:
        """Whether the money is sent to us, rather than asked for."""
        return self.family == Family.TRANSFER

    def is_expired(self, on: date) -> bool:
        return self.valid_until is not None and self.valid_until < on

    def is_expiring(self, on: date, days: int = EXPIRING_DAYS) -> bool:
        """Valid on that day, but not so many days later."""
        return self.valid_until is not None and on <= self.valid_until < on + timedelta(days=days)

    @property
    def is_kept(self) -> bool:
        return self.status in {states.MethodStatus.ACTIVE, states.MethodStatus.DECLINED}


class GatewayCustomer(models.Model):
    """The name under which a gateway keeps the methods of an account. Of the account, never of a person (P1)."""

    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+")
    gateway = models.CharField(max_length=20)
    reference = models.CharField(max_length=255)

    class Meta:
        verbose_name = _("gateway customer")
        verbose_name_plural = _("gateway customers")
        constraints = [models.UniqueConstraint(fields=["account", "gateway"], name="customer_once")]

    def __str__(self) -> str:
        return f"{self.account} · {self.gateway}"


@tracked()
class Mandate(models.Model):
    """The leave to debit a bank account by SEPA direct debit (§3.4).

    It lapses when nothing was collected for 36 months, and ends with its method. The account number is
    kept masked; who signed is the person who went to the gateway's page, and the holder they named.
    """

    method = models.OneToOneField(PaymentMethod, models.PROTECT, related_name="mandate")
    reference = models.CharField(_("mandate reference"), max_length=35, unique=True)
    iban_masked = models.CharField("IBAN", max_length=34)
    signed_at = models.DateTimeField(_("signed"))
    signed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    signatory = models.CharField(_("account holder"), max_length=150)
    # Days between the notice of a debit and the debit, as agreed when it was signed.
    notice_days = models.PositiveSmallIntegerField()
    last_collected_on = models.DateField(null=True)
    status = models.CharField(
        _("status"), max_length=10, choices=states.MandateStatus, default=states.MandateStatus.ACTIVE
    )
    ended_at = models.DateTimeField(null=True)

    TRANSITIONS = states.MANDATE

    objects = MandateQuerySet.as_manager()

    class Meta:
        verbose_name = _("mandate")
        verbose_name_plural = _("mandates")
        triggers = [only_along(states.MANDATE, "mandate_status_edges")]

    def __str__(self) -> str:
        return self.reference


@tracked()
class ProfileMethods(models.Model):
    """With what a billing profile pays: its default method, and the backup."""

    profile = models.OneToOneField(BillingProfile, models.PROTECT, related_name="methods")
    default = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, blank=True, related_name="default_of")
    backup = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, blank=True, related_name="backup_of")
    # Whether invoices are charged on their due date without anybody asking for it (§3.9).
    charges_automatically = models.BooleanField(_("charge automatically"), default=True, db_default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="backup_is_another_method",
                condition=Q(backup=None) | Q(default=None) | ~Q(default=models.F("backup")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.profile}: {self.default}"


class CardSetup(models.Model):
    """A visit to the gateway's own page to add a card or sign a mandate, or to change the card of `changes`.
    Written before anybody is sent there.

    `profile` is where the card will be offered (empty: on every profile of the account), `default_for`
    the profiles that will pay with it, and `invoice` the one somebody was about to pay. `subscription`
    and `replaces` say from which page the person went, so that they come back to it.
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="+")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, null=True, related_name="+")
    default_for = models.ManyToManyField(BillingProfile, related_name="+")
    invoice = models.ForeignKey(Invoice, models.PROTECT, null=True, related_name="+")
    family = models.CharField(max_length=12, choices=Family, default=Family.CARD)
    changes = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, related_name="+")
    subscription = models.ForeignKey(Subscription, models.PROTECT, null=True, related_name="+")
    replaces = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, related_name="+")
    gateway = models.CharField(max_length=20)
    idempotency_key = models.CharField(max_length=64, unique=True)
    session_id = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=10, choices=states.SetupStatus, default=states.SetupStatus.STARTED)
    decline_reason = models.CharField(max_length=30, blank=True)
    method = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, related_name="+")
    started_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    # When to ask the gateway what became of it; empty when that is known.
    next_lookup_at = models.DateTimeField(null=True)
    lookups = models.PositiveSmallIntegerField(default=0)

    TRANSITIONS = states.SETUP
    POLICY = Scope(view=Action.METHOD_ADD, account="account", profile="profile")

    objects = CardSetupQuerySet.as_manager()

    class Meta:
        verbose_name = _("card set-up")
        verbose_name_plural = _("card set-ups")
        indexes = [
            models.Index(fields=["account", "started_at"], name="setup_of_account"),
            models.Index(fields=["next_lookup_at"], condition=Q(status="started"), name="setup_due"),
        ]
        triggers = [only_along(states.SETUP, "setup_status_edges")]

    def __str__(self) -> str:
        return gettext("Card set-up of %(account)s, %(on)s") % {"account": self.account, "on": day(self.started_at)}
