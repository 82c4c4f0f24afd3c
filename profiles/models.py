"""Billing profiles: what is invoiced and what is paid with, and who may do what on each."""

from datetime import date

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.guards import nothing_new_when_closed
from accounts.models import Address, BillingAccount, User
from core.codes import CodeField
from core.history import tracked
from core.periods import Month, on_anchor
from core.policy import PROFILE_ROLES, Action, Scope
from core.states import only_along
from profiles import states
from profiles.guards import last_owner_stays
from profiles.querysets import BillingProfileQuerySet, ProfileRoleQuerySet
from profiles.time_zones import validate_time_zone


class ProfileKind(models.TextChoices):
    STANDARD = "standard", _("Billing profile")
    # The hidden profile of one online-services subscription (architecture §3).
    SUBSCRIPTION = "subscription", _("Profile of a subscription")


class MarketplacePolicy(models.TextChoices):
    """Which products of other companies may be bought on a profile (A-over)."""

    ALL = "all", _("All")
    FREE = "free", _("Only free ones")
    NONE = "none", _("None")


@tracked()
class BillingProfile(models.Model):
    """One invoice a month, one way to pay it (§3.3). Its currency is the account's and never edited (S2-5a)."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="profiles")
    kind = models.CharField(max_length=12, choices=ProfileKind, default=ProfileKind.STANDARD)
    name = models.CharField(_("name"), max_length=100)
    currency = models.CharField(_("currency"), max_length=3)
    status = models.CharField(max_length=16, choices=states.ProfileStatus, default=states.ProfileStatus.ACTIVE)
    bill_to = models.OneToOneField(Address, models.PROTECT, null=True, blank=True, related_name="bill_to_of_profile")
    # Where what it buys is used, where that is not the sold-to: decides the tax instead of it (§3.2).
    ship_to = models.OneToOneField(Address, models.PROTECT, null=True, blank=True, related_name="ship_to_of_profile")
    po_number = models.CharField(_("PO number"), max_length=50, blank=True)
    # The PO number that follows, and the day from which invoices carry it (S2-5b, P17).
    coming_po_number = models.CharField(_("next PO number"), max_length=50, blank=True, db_default="")
    coming_po_from = models.DateField(_("next PO number from"), null=True, blank=True)
    # Two switches (§3.9): opted out means no invoice mail; without the PDF the mail carries a link.
    sends_invoices = models.BooleanField(_("send invoices by e-mail"), default=False)
    attaches_pdf = models.BooleanField(_("attach the PDF"), default=True)
    # Policies: which kinds of purchase the profile allows (S2-7).
    marketplace_policy = models.CharField(
        _("products of other companies"),
        max_length=4,
        choices=MarketplacePolicy,
        db_default="all",
        default=MarketplacePolicy.ALL,
    )
    allows_reservations = models.BooleanField(_("reservations allowed"), default=True, db_default=True)
    # Access to invoice: the administrator's switch that wakes the invoice viewers of an online-services subscription.
    shares_invoices = models.BooleanField(_("access to invoice"), default=False, db_default=False)
    invoice_day = models.PositiveSmallIntegerField(_("invoice day"), default=5)
    payment_term_days = models.PositiveSmallIntegerField(_("payment term in days"), default=30)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="Europe/Amsterdam", validators=[validate_time_zone]
    )
    version = models.PositiveIntegerField(default=1)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    TRANSITIONS = states.PROFILE
    POLICY = Scope(view=Action.PROFILE_VIEW, account="account", profile="")

    objects = BillingProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("billing profile")
        verbose_name_plural = _("billing profiles")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                F("account"),
                condition=Q(kind=ProfileKind.STANDARD) & ~Q(status="closed"),
                name="profile_name_once_per_account",
                violation_error_message=_("This account has a billing profile of that name already."),
            ),
            # A subscription's own profile is invoiced to the account's bill-to; any other has one of its own.
            models.CheckConstraint(
                name="bill_to_on_standard_profiles_only",
                condition=Q(kind=ProfileKind.STANDARD, bill_to__isnull=False)
                | Q(kind=ProfileKind.SUBSCRIPTION, bill_to__isnull=True),
            ),
            models.CheckConstraint(
                name="invoice_day_in_every_month",
                condition=Q(invoice_day__range=(1, 28)),
                violation_error_message=_("Choose a day that every month has: 1 to 28."),
            ),
            models.CheckConstraint(
                name="invoices_are_shared_of_subscriptions_only",
                condition=Q(shares_invoices=False) | Q(kind=ProfileKind.SUBSCRIPTION),
            ),
            models.CheckConstraint(
                name="coming_po_number_has_a_day",
                condition=Q(coming_po_number="") | Q(coming_po_from__isnull=False),
                violation_error_message=_("Say from which day the next PO number counts."),
            ),
            # What names both a profile and an account points at this pair, so that they belong together (I21).
            models.UniqueConstraint(fields=["id", "account"], name="profile_in_one_account"),
        ]
        triggers = [only_along(states.PROFILE, "profile_status_edges"), nothing_new_when_closed()]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("profile", args=[self.code])

    @property
    def invoice_address(self) -> Address:
        """The bill-to its invoices carry: its own, or the account's for an online-services subscription."""
        return self.bill_to or self.account.bill_to  # type: ignore[return-value]

    @property
    def is_shown(self) -> bool:
        """Whether people know it as a profile: not the hidden one of an online-services subscription."""
        return self.kind == ProfileKind.STANDARD

    def po_number_on(self, day: date) -> str:
        """The PO number that an invoice of that day carries."""
        return self.coming_po_number if self.coming_po_from and self.coming_po_from <= day else self.po_number

    def next_billing_date(self, on: date) -> date:
        """The day on which its next invoice is made, seen from that day: the month before is then billed (S2-13)."""
        month = Month.of(on)
        return on_anchor(month if on.day <= self.invoice_day else month.next, self.invoice_day)


@tracked()
class ProfileRole(models.Model):
    """A role held directly on a billing profile (§2.1), by oneself or as a stand-in for somebody until a day."""

    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="roles")
    user = models.ForeignKey(User, models.PROTECT, related_name="profile_roles")
    role = models.CharField(max_length=32, choices=[(role.value, role.label) for role in PROFILE_ROLES])
    assigned_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    assigned_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_on = models.DateField(null=True, blank=True)
    stands_in_for = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    objects = ProfileRoleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "user"], condition=Q(stands_in_for=None), name="one_profile_role_per_person"
            ),
            models.UniqueConstraint(fields=["profile", "user", "stands_in_for"], name="profile_stand_in_once"),
            models.CheckConstraint(
                condition=Q(stands_in_for=None) | Q(expires_on__isnull=False) & ~Q(stands_in_for=F("user")),
                name="profile_stand_in_ends",
            ),
        ]
        triggers = [last_owner_stays()]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.profile}"


@tracked()
class ExtraRecipient(models.Model):
    """An address outside the portal that gets the invoices of a profile, without any right (S4-2b).

    Its holder says yes first, by a signed link: until `confirmed_at` nothing but that question is sent.
    """

    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="extra_recipients")
    email = models.EmailField(_("e-mail"), max_length=254)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES, default="en")
    added_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    added_at = models.DateTimeField(default=timezone.now, editable=False)
    asked_at = models.DateTimeField(_("asked"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)

    class Meta:
        verbose_name = _("extra recipient")
        verbose_name_plural = _("extra recipients")
        ordering = ["email", "pk"]
        constraints = [models.UniqueConstraint(F("profile"), Lower("email"), name="extra_recipient_once")]

    def __str__(self) -> str:
        return self.email

    @property
    def is_confirmed(self) -> bool:
        return self.confirmed_at is not None


@tracked()
class InvoiceMute(models.Model):
    """A person who does not want the invoices of a profile by mail, although a role there would bring them (S4-2a)."""

    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="invoice_mutes")
    user = models.ForeignKey(User, models.PROTECT, related_name="invoice_mutes")
    muted_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("muted invoice mail")
        verbose_name_plural = _("muted invoice mail")
        constraints = [models.UniqueConstraint(fields=["profile", "user"], name="invoice_mute_once")]

    def __str__(self) -> str:
        return f"{self.user} · {self.profile}"


@tracked()
class InvoiceSection(models.Model):
    """A heading on the invoices of a profile: what is linked to it stands together, with a subtotal (§3.3).

    Whatever is linked to none stands in the default one. They show from the second one on.
    """

    code = CodeField()
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="sections")
    name = models.CharField(_("name"), max_length=100)
    is_default = models.BooleanField(_("default"), default=False)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("invoice section")
        verbose_name_plural = _("invoice sections")
        ordering = ["-is_default", "name", "pk"]
        constraints = [
            models.UniqueConstraint(F("profile"), Lower("name"), name="section_name_once_per_profile"),
            models.UniqueConstraint(
                fields=["profile"], condition=Q(is_default=True), name="one_default_section_per_profile"
            ),
        ]

    def __str__(self) -> str:
        return self.name
