"""How a customer pays: saved methods, payments with their attempts, and what the gateway told us."""

from datetime import date, timedelta

import pgtrigger
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.guards import no_truncate
from core.history import tracked
from core.money import Money
from core.policy import Action, Scope
from core.states import only_along
from invoices.models import Invoice
from payments import states
from payments.querysets import (
    EXPIRING_DAYS,
    CardSetupQuerySet,
    DebitNoticeQuerySet,
    GatewayEventQuerySet,
    MandateQuerySet,
    PaymentMethodQuerySet,
    PaymentQuerySet,
    TransferRequestQuerySet,
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
        return f"{self.account} {self.gateway}"


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
        return f"{self.account} {self.status}"


@tracked(exclude=("contact_phone",))
class TransferRequest(models.Model):
    """Somebody asks to pay by bank transfer, on a billing profile or, on online services, for the whole account
    (S3-21, P16). Staff decide, and with it the payment term."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="transfer_requests")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, null=True, related_name="transfer_requests")
    legal_name = models.CharField(_("legal name"), max_length=200)
    registration_number = models.CharField(_("registration number"), max_length=40)
    contact_name = models.CharField(_("contact for accounts payable"), max_length=150)
    contact_email = models.EmailField(_("e-mail of the contact"))
    contact_phone = models.CharField(_("phone of the contact"), max_length=40)
    monthly_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    term_wanted_days = models.PositiveSmallIntegerField(_("payment term that is asked for"))
    explanation = models.TextField(_("explanation"), max_length=2000, blank=True)
    status = models.CharField(
        _("status"), max_length=12, choices=states.TransferStatus, default=states.TransferStatus.SUBMITTED
    )
    # What staff said with the latest step: a question, or why it was decided so.
    note = models.TextField(_("answer of the vendor"), max_length=2000, blank=True)
    term_days = models.PositiveSmallIntegerField(_("payment term"), null=True)
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now, editable=False)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)

    TRANSITIONS = states.TRANSFER
    POLICY = Scope(view=Action.METHOD_VIEW, account="account", profile="profile")

    objects = TransferRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("request to pay by transfer")
        verbose_name_plural = _("requests to pay by transfer")
        constraints = [
            models.UniqueConstraint(
                fields=["profile"], condition=Q(status__in=states.OPEN_TRANSFER), name="one_open_request_of_profile"
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(status__in=states.OPEN_TRANSFER, profile=None),
                name="one_open_request_of_account",
            ),
            models.CheckConstraint(name="transfer_spend_above_zero", condition=Q(monthly_minor__gt=0)),
            models.CheckConstraint(
                name="approved_with_a_term", condition=~Q(status="approved") | Q(term_days__isnull=False)
            ),
        ]
        triggers = [only_along(states.TRANSFER, "transfer_status_edges")]

    def __str__(self) -> str:
        return str(self.profile or self.account)

    def get_absolute_url(self) -> str:
        return reverse("transfer_request", args=[self.code])

    @property
    def monthly(self) -> Money:
        return Money(self.monthly_minor, self.currency)

    @property
    def is_open(self) -> bool:
        return self.status in states.OPEN_TRANSFER


class TransferDocument(models.Model):
    """A file that goes with such a request: an extract of a register, annual accounts. Checked before it is kept."""

    request = models.ForeignKey(TransferRequest, models.PROTECT, related_name="documents")
    name = models.CharField(_("name"), max_length=100)
    file = models.CharField(max_length=200, unique=True)
    size = models.PositiveIntegerField(_("size"))
    content_type = models.CharField(max_length=40)
    added_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")

    def __str__(self) -> str:
        return self.name


class Initiator(models.TextChoices):
    USER = "user", _("Paid by a person")
    AUTOMATIC = "automatic", _("Charged automatically")


class ParkedReason(models.TextChoices):
    """Why a person has to look at a payment."""

    AMOUNT_DIFFERS = "amount_differs", _("The gateway names another amount or currency")
    CAPTURED_AFTER_ALL = "captured_after_all", _("The gateway took the money after we had given the attempt up")
    NOT_ALL_ALLOCATED = "not_all_allocated", _("More was paid than the invoices still needed")
    NOT_CAPTURED = "not_captured", _("Settled here, but the gateway knows no such capture")


class Payment(models.Model):
    """One attempt to collect an amount, written with its key before the gateway is asked (PR3).

    The outcome is the gateway's; until it is certain the attempt holds its invoices (I12).
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="payments", db_index=False)
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="payments")
    method = models.ForeignKey(PaymentMethod, models.PROTECT, null=True, related_name="payments")
    family = models.CharField(max_length=12, choices=Family, default=Family.CARD)
    # What the receipt says it was paid with, in no language; stays when the method is deleted.
    method_text = models.CharField(max_length=60)
    gateway = models.CharField(max_length=20)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    status = models.CharField(
        _("status"), max_length=20, choices=states.PaymentStatus, default=states.PaymentStatus.CREATED
    )
    idempotency_key = models.CharField(max_length=64, unique=True)
    # The form's own key and a digest of what was asked: the same form sent twice is one attempt (I16).
    request_key = models.CharField(max_length=64, unique=True)
    request_hash = models.CharField(max_length=64)
    gateway_reference = models.CharField(max_length=255, blank=True)
    action_url = models.CharField(max_length=500, blank=True)
    decline_reason = models.CharField(max_length=30, blank=True)
    initiated_by = models.CharField(max_length=10, choices=Initiator, default=Initiator.USER)
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    receipt_number = models.CharField(_("receipt number"), max_length=24, null=True, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    settled_at = models.DateTimeField(null=True)
    # When to ask the gateway again; empty when the outcome is known, or a person has to look.
    next_lookup_at = models.DateTimeField(null=True)
    lookups = models.PositiveSmallIntegerField(default=0)
    parked_reason = models.CharField(max_length=20, choices=ParkedReason, blank=True)

    TRANSITIONS = states.PAYMENT
    POLICY = Scope(view=Action.INVOICE_VIEW, account="account", profile="profile")

    objects = PaymentQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        indexes = [
            models.Index(fields=["account", "-created_at", "-id"], name="payment_list"),
            models.Index(fields=["gateway", "gateway_reference"], name="payment_at_gateway"),
            models.Index(fields=["next_lookup_at"], condition=Q(status__in=states.OPEN_PAYMENT), name="payment_due"),
            models.Index(fields=["receipt_number"], opclasses=["varchar_pattern_ops"], name="receipt_number_prefix"),
        ]
        constraints = [
            models.CheckConstraint(name="payment_above_zero", condition=Q(amount_minor__gt=0)),
            models.CheckConstraint(
                name="receipt_for_money_that_came",
                condition=Q(receipt_number=None) | ~Q(status__in=[*states.OPEN_PAYMENT, "failed", "cancelled"]),
            ),
        ]
        triggers = [
            only_along(states.PAYMENT, "payment_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
            pgtrigger.Trigger(
                name="what_was_asked_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "account", "profile", "method", "amount_minor", "currency", "idempotency_key", "request_key"
                ),
                func="RAISE EXCEPTION 'what a payment asked for is final' USING ERRCODE = 'check_violation';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.status}"

    def get_absolute_url(self) -> str:
        return reverse("payment", args=[self.code])

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_open(self) -> bool:
        return self.status in states.OPEN_PAYMENT

    @property
    def is_settled(self) -> bool:
        """Whether the money came."""
        return self.settled_at is not None


class Decision(models.TextChoices):
    """What staff can decide about an attempt that needs a person."""

    PAID = "paid", _("The money came: settle the invoices")
    NOT_PAID = "not_paid", _("No money came: let the invoices be paid again")
    GIVE_BACK = "give_back", _("Give back what the gateway took, and let the invoices be paid again")
    NOTHING_TO_DO = "nothing_to_do", _("Seen to elsewhere: nothing is left to do here")


class PaymentDecision(models.Model):
    """Who of the vendor's staff decided what about an attempt, and why. Written once."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="decisions")
    decision = models.CharField(_("decision"), max_length=15, choices=Decision)
    reason = models.TextField(_("reason"), max_length=2000)
    status_before = models.CharField(max_length=20, choices=states.PaymentStatus)
    parked_before = models.CharField(max_length=20, choices=ParkedReason, blank=True)
    refund_reference = models.CharField(max_length=255, blank=True)
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        triggers = [
            pgtrigger.Protect(name="written_once", operation=pgtrigger.Update | pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.payment} {self.decision}"


class DebitNotice(models.Model):
    """That an invoice will be collected by direct debit, on which day and how much, was said in time (I19)."""

    mandate = models.ForeignKey(Mandate, models.PROTECT, related_name="notices")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="debit_notices")
    amount_minor = models.BigIntegerField()
    announced_at = models.DateTimeField(_("announced"))
    collects_on = models.DateField(_("collected on"))
    status = models.CharField(
        _("status"), max_length=10, choices=states.NoticeStatus, default=states.NoticeStatus.ANNOUNCED
    )
    dropped_because = models.CharField(max_length=30, blank=True)
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, related_name="debit_notices")

    TRANSITIONS = states.NOTICE

    objects = DebitNoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice of a direct debit")
        verbose_name_plural = _("notices of direct debits")
        constraints = [models.UniqueConstraint(fields=["mandate", "invoice"], name="announced_once")]
        indexes = [models.Index(fields=["collects_on"], condition=Q(status="announced"), name="notice_due")]
        triggers = [only_along(states.NOTICE, "notice_status_edges")]

    def __str__(self) -> str:
        return f"{self.invoice} {self.collects_on}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.invoice.currency)


class Allocation(models.Model):
    """Which part of a payment goes to which invoice. While the attempt is open it holds the invoice."""

    payment = models.ForeignKey(Payment, models.PROTECT, related_name="allocations")
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="allocations")
    amount_minor = models.BigIntegerField()
    status = models.CharField(max_length=10, choices=states.AllocationStatus, default=states.AllocationStatus.HELD)

    TRANSITIONS = states.ALLOCATION

    class Meta:
        verbose_name = _("allocation")
        verbose_name_plural = _("allocations")
        constraints = [
            # I12: at most one open attempt per invoice, whoever asks, however many tabs.
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(status="held"), name="one_open_attempt_per_invoice"
            ),
            models.UniqueConstraint(fields=["payment", "invoice"], name="allocated_once"),
            models.CheckConstraint(name="allocation_above_zero", condition=Q(amount_minor__gt=0)),
        ]
        triggers = [
            only_along(states.ALLOCATION, "allocation_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
            pgtrigger.Trigger(
                name="within_account_and_amount",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                # I10: both sides in one account and currency, and not more than was asked for.
                func="""
                    IF NOT EXISTS (
                        SELECT 1 FROM payments_payment p JOIN invoices_invoice i ON i.id = NEW.invoice_id
                        WHERE p.id = NEW.payment_id AND p.account_id = i.account_id AND p.currency = i.currency
                          AND NEW.amount_minor + (
                              SELECT COALESCE(SUM(a.amount_minor), 0) FROM payments_allocation a
                              WHERE a.payment_id = NEW.payment_id
                          ) <= p.amount_minor
                    )
                    THEN RAISE EXCEPTION 'payment % cannot be allocated to invoice %', NEW.payment_id, NEW.invoice_id
                         USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="amount_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["status"]),
                func="RAISE EXCEPTION 'an allocation is final' USING ERRCODE = 'check_violation';",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment_id} → {self.invoice_id}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.payment.currency)


class EventTrouble(models.TextChoices):
    """Why an event was set aside for a person."""

    NOTHING_OF_OURS = "nothing_of_ours", _("About no payment or card set-up of ours")
    AMOUNT_DIFFERS = "amount_differs", _("Names another amount or currency than the payment asked for")
    PAYMENT_PARKED = "payment_parked", _("Its payment needs a look")


class GatewayEvent(models.Model):
    """Something a gateway told us, stored once and only after its signature was checked (PR4, I13).

    It is a hint to look: the state comes from asking the gateway.
    """

    gateway = models.CharField(max_length=20)
    event_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=100)
    # What it is about in the gateway's words, and in ours where the gateway repeats our key.
    object_id = models.CharField(max_length=255, blank=True)
    idempotency_key = models.CharField(max_length=64, blank=True)
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    payload = models.JSONField()
    status = models.CharField(max_length=12, choices=states.EventStatus, default=states.EventStatus.RECEIVED)
    trouble = models.CharField(max_length=20, choices=EventTrouble, blank=True)
    received_at = models.DateTimeField(default=timezone.now, editable=False)
    processed_at = models.DateTimeField(null=True)

    TRANSITIONS = states.EVENT

    objects = GatewayEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("gateway event")
        verbose_name_plural = _("gateway events")
        constraints = [models.UniqueConstraint(fields=["gateway", "event_id"], name="event_once")]
        indexes = [
            models.Index(fields=["id"], condition=Q(status="received"), name="event_due"),
            models.Index(fields=["idempotency_key"], name="event_by_key"),
            models.Index(fields=["gateway", "object_id"], name="event_by_object"),
        ]
        triggers = [only_along(states.EVENT, "event_status_edges")]

    def __str__(self) -> str:
        return f"{self.gateway} {self.kind}"

    @property
    def amount(self) -> Money | None:
        return None if self.amount_minor is None else Money(self.amount_minor, self.currency)
