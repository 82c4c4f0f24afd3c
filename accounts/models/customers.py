"""The two sides of an invoice: the billing account with its addresses and numbers, and the seller."""

import base64
from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q, Value
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_countries.fields import CountryField

from accounts import states
from accounts.guards import nothing_new_when_closed
from accounts.models.organisations import Organisation
from accounts.models.people import User
from accounts.querysets import (
    BillingAccountQuerySet,
    PlannedChangeQuerySet,
    VatCheckQuerySet,
)
from accounts.validators import validate_accent, validate_logo
from core.codes import CodeField
from core.history import tracked
from core.policy import Action, PolicyQuerySet, Scope
from core.states import only_along


class AddressKind(models.TextChoices):
    SOLD_TO = "sold_to", _("Sold-to address")
    BILL_TO = "bill_to", _("Bill-to address")
    SHIP_TO = "ship_to", _("Service usage address")
    ORGANISATION = "organisation", _("Address of the organisation")


@tracked()
class Address(models.Model):
    """A postal address with its contact (§3.2). The spelling is the user's; the country's rules only check it."""

    kind = models.CharField(max_length=12, choices=AddressKind)
    company_name = models.CharField(_("company name"), max_length=200, blank=True)
    contact_name = models.CharField(_("contact name"), max_length=150, blank=True)
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    line1 = models.CharField(_("street and number"), max_length=200, blank=True)
    line2 = models.CharField(_("address line 2"), max_length=200, blank=True)
    line3 = models.CharField(_("address line 3"), max_length=200, blank=True)
    district = models.CharField(_("district"), max_length=100, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    region = models.CharField(_("region"), max_length=100, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    country: Any = CountryField(_("country"))
    # An imported customer comes without an address; nothing is issued to it until somebody fills it in.
    is_complete = models.BooleanField(default=True)
    # Two people who edit the same address find out: the second save carries an old version.
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("addresses")

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.company_name, self.line1, self.postal_code, self.city]))

    def snapshot(self) -> dict[str, str]:
        """Everything a document prints of it, as plain values."""
        names: tuple[str, ...] = ("company_name", "contact_name", "email", "phone", "line1", "line2", "line3")
        names += ("district", "city", "region", "postal_code")
        return {**{name: getattr(self, name) for name in names}, "country": self.country.code}


class Agreement(models.TextChoices):
    """The two kinds of account (architecture §3). Enrolments and partner agreements exist elsewhere."""

    CUSTOMER_AGREEMENT = "customer_agreement", _("Customer agreement")
    ONLINE_SERVICES = "online_services", _("Online services")


@tracked()
class BillingAccount(models.Model):
    """What the vendor does business with (§3.1). Country and currency are fixed when it is made."""

    code = CodeField()
    # BillingAccountId of a charge file, where the account came from one or is billed by one.
    external_id = models.CharField(max_length=100, null=True, blank=True, unique=True)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="accounts")
    name = models.CharField(_("account name"), max_length=200)
    agreement = models.CharField(_("agreement"), max_length=20, choices=Agreement)
    status = models.CharField(max_length=16, choices=states.AccountStatus, default=states.AccountStatus.ACTIVE)
    country: Any = CountryField(_("country"))
    currency = models.CharField(_("currency"), max_length=3)
    sold_to = models.OneToOneField(Address, models.PROTECT, related_name="sold_to_of")
    bill_to = models.OneToOneField(Address, models.PROTECT, null=True, blank=True, related_name="bill_to_of")
    vat_id = models.CharField(_("VAT ID"), max_length=20, blank=True)
    registration_number = models.CharField(_("registration number"), max_length=40, blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # What the vendor's staff wrote when they closed or reopened it, which its owners read.
    status_note = models.CharField(_("reason"), max_length=500, blank=True, default="")

    TRANSITIONS = states.ACCOUNT
    POLICY = Scope(view=Action.ACCOUNT_SEE, account="")

    objects = BillingAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("billing account")
        verbose_name_plural = _("billing accounts")
        ordering = ["name", "pk"]
        constraints = [
            # S0-2: an online-services account has exactly one bill-to; on a customer agreement it is the profile's.
            models.CheckConstraint(
                name="bill_to_on_online_services_only",
                condition=Q(agreement=Agreement.ONLINE_SERVICES, bill_to__isnull=False)
                | Q(agreement=Agreement.CUSTOMER_AGREEMENT, bill_to__isnull=True),
            )
        ]
        triggers = [only_along(states.ACCOUNT, "account_status_edges")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("account_overview", args=[self.code])

    @property
    def is_online_services(self) -> bool:
        return self.agreement == Agreement.ONLINE_SERVICES

    @property
    def is_open_to_organisation(self) -> bool:
        """Whether the organisation administrator may read it: customer agreements only (§2.2)."""
        return self.agreement == Agreement.CUSTOMER_AGREEMENT

    @property
    def initials(self) -> str:
        return "".join(word[0] for word in self.name.split()[:2]).upper()


@tracked()
class VatCheck(models.Model):
    """What the authorities said of an account's VAT ID. Its form and check digits fit, or there is no row.

    `verified_at` is the last time that they said yes of this number; a no or another number empties it.
    """

    account = models.OneToOneField(BillingAccount, models.PROTECT, related_name="vat_check")
    number = models.CharField(_("VAT ID"), max_length=20)
    status = models.CharField(max_length=12, choices=states.VatStatus, default=states.VatStatus.FORMAT_VALID)
    verified_at = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(default=timezone.now)
    # How many times in a row nobody answered.
    failures = models.PositiveIntegerField(default=0)
    # What they call the holder, and the number under which they keep the consultation: proof for the books.
    holder = models.CharField(max_length=300, blank=True)
    consultation = models.CharField(max_length=100, blank=True)
    trouble = models.CharField(max_length=200, blank=True)

    # A yes holds so long where nobody answers any more.
    TRUSTED = timedelta(days=90)
    TRANSITIONS = states.VAT_CHECK

    objects = VatCheckQuerySet.as_manager()

    class Meta:
        verbose_name = _("VAT check")
        verbose_name_plural = _("VAT checks")
        # What the job looks for.
        indexes = [models.Index("next_check_at", condition=~Q(number=""), name="vat_check_due")]
        triggers = [only_along(states.VAT_CHECK, "vat_check_status_edges")]

    def __str__(self) -> str:
        return f"{self.number} · {self.get_status_display()}"

    @classmethod
    def holds(cls, verified_at: datetime | None, *, at: datetime) -> bool:
        """Whether a yes of that moment still counts at another one."""
        return verified_at is not None and verified_at > at - cls.TRUSTED

    def counts(self, at: datetime) -> bool:
        """Whether an invoice of that moment may rely on the number (article 196, 2006/112/EC)."""
        return self.holds(self.verified_at, at=at)


@tracked()
class PlannedChange(models.Model):
    """Addresses that change together from a day on (S0-8). Until then they can be withdrawn.

    The billing run reads these rows too: an invoice carries the address in force on its day of issue,
    whether the job that applies the change has run yet or not.
    """

    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="planned_changes")
    takes_effect_on = models.DateField(_("takes effect on"))
    status = models.CharField(max_length=10, choices=states.PlanStatus, default=states.PlanStatus.PLANNED)
    planned_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    planned_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True)

    TRANSITIONS = states.PLANNED_CHANGE

    objects = PlannedChangeQuerySet.as_manager()

    class Meta:
        verbose_name = _("planned change")
        verbose_name_plural = _("planned changes")
        triggers = [only_along(states.PLANNED_CHANGE, "planned_change_status_edges"), nothing_new_when_closed()]
        indexes = [
            # What the job looks for.
            models.Index("takes_effect_on", condition=Q(status="planned"), name="planned_change_due")
        ]

    def __str__(self) -> str:
        return f"{self.takes_effect_on} · {self.account}"


class PlannedAddress(models.Model):
    """One address in a planned change: the fields it will have, and those it had when they came into force."""

    change = models.ForeignKey(PlannedChange, models.PROTECT, related_name="parts")
    address = models.ForeignKey(Address, models.PROTECT, related_name="planned")
    values = models.JSONField()
    before = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "address"], name="address_once_per_change")]

    def __str__(self) -> str:
        return f"{self.change} · {self.address}"

    @property
    def words(self) -> list[str]:
        """What the address will have, in the order of an address, without what becomes empty."""
        return [self.values[name] for name in Address(country="NL").snapshot() if self.values.get(name)]


@tracked()
class NameChange(models.Model):
    """A request to change the legal name of the sold-to, with a document that proves it (§3.1)."""

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="name_changes")
    old_name = models.CharField(_("legal name now"), max_length=200)
    new_name = models.CharField(_("new legal name"), max_length=200)
    note = models.TextField(_("note"), max_length=1000, blank=True)
    document = models.FileField(_("document"), upload_to="name-changes/")
    # What the person called the file, and what it is by its content.
    document_name = models.CharField(max_length=150)
    document_type = models.CharField(max_length=40)
    status = models.CharField(max_length=10, choices=states.NameChangeStatus, default=states.NameChangeStatus.REQUESTED)
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("requested by"))
    requested_at = models.DateTimeField(_("requested at"), default=timezone.now, editable=False)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(_("reason"), max_length=1000, blank=True)

    TRANSITIONS = states.NAME_CHANGE
    POLICY = Scope(view=Action.ACCOUNT_REQUEST_LEGAL_NAME, account="account")

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name = _("request for another legal name")
        verbose_name_plural = _("requests for another legal name")
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(status="requested"),
                name="one_open_name_change",
                violation_error_message=_("A request waits for review already."),
            )
        ]
        triggers = [only_along(states.NAME_CHANGE, "name_change_status_edges"), nothing_new_when_closed()]

    def __str__(self) -> str:
        return f"{self.old_name} → {self.new_name}"


@tracked()
class Seller(models.Model):
    """The vendor as its invoices name it. One row; copied onto each document when it is issued (I35)."""

    legal_name = models.CharField(_("legal name"), max_length=200, blank=True)
    line1 = models.CharField(_("street and number"), max_length=200, blank=True)
    line2 = models.CharField(_("address line 2"), max_length=200, blank=True)
    postal_code = models.CharField(_("postal code"), max_length=20, blank=True)
    city = models.CharField(_("city"), max_length=100, blank=True)
    country: Any = CountryField(_("country"), blank=True)
    vat_id = models.CharField(_("VAT ID"), max_length=20, blank=True)
    registration_number = models.CharField(_("chamber of commerce number"), max_length=40, blank=True)
    iban = models.CharField(_("IBAN"), max_length=34, blank=True)
    bic = models.CharField(_("BIC"), max_length=11, blank=True)
    email = models.EmailField(_("e-mail"), max_length=254, blank=True)
    phone = models.CharField(_("phone"), max_length=32, blank=True)
    logo = models.FileField(_("logo"), upload_to="seller/", blank=True, validators=[validate_logo])
    time_zone = models.CharField(_("time zone"), max_length=64, default="Europe/Amsterdam")
    # The first day on which VAT of consumers elsewhere in the Union is declared by the one-stop shop: from then on
    # they are charged the rate of their own country. Empty: the seller's turnover with them is below the threshold.
    one_stop_shop_from = models.DateField(_("one-stop shop from"), null=True, blank=True)
    # The colour of the house on documents, mails and pages, as #rrggbb; empty for that of the portal.
    accent = models.CharField(_("colour"), max_length=7, blank=True, default="", validators=[validate_accent])
    number_prefix = models.CharField(_("invoice number prefix"), max_length=8, default="G")
    payment_term_days = models.PositiveSmallIntegerField(_("payment term in days"), default=30)
    updated_at = models.DateTimeField(auto_now=True)

    # What the law wants on an invoice (L1), in the order in which people fill it in.
    DEMANDED = (
        "legal_name",
        "line1",
        "postal_code",
        "city",
        "country",
        "vat_id",
        "registration_number",
        "iban",
        "email",
    )

    class Meta:
        verbose_name = _("seller")
        verbose_name_plural = _("seller")
        constraints = [models.UniqueConstraint(Value(1), name="one_seller")]

    def __str__(self) -> str:
        return self.legal_name or str(_("Seller"))

    def missing(self) -> list[str]:
        """The names of the fields without which nothing may be issued; empty when complete."""
        return [name for name in self.DEMANDED if not getattr(self, name)]

    def logo_data(self) -> str:
        """The logo as a `data:` address; empty where there is none."""
        if not self.logo:
            return ""
        with self.logo.open("rb") as file:
            return f"data:image/png;base64,{base64.b64encode(file.read()).decode()}"

    def snapshot(self) -> dict[str, str]:
        """Everything a document prints of the vendor, as plain values."""
        names: tuple[str, ...] = (
            "legal_name",
            "line1",
            "line2",
            "postal_code",
            "city",
            "vat_id",
            "registration_number",
        )
        names += ("iban", "bic", "email", "phone")
        return {
            **{name: getattr(self, name) for name in names},
            "country": self.country.code,
            "logo": self.logo.name or "",
            "accent": self.accent,
        }
