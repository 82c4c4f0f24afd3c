"""Runs of the billing, and the profiles that they leave alone."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.codes import CodeField
from core.policy import Action, Scope
from invoices import states
from invoices.querysets import ParkedProfileQuerySet
from profiles.models import BillingProfile


class ParkReason(models.TextChoices):
    """Why a profile is not billed. The customer can mend the first group; the next run looks again by itself."""

    ADDRESS_INCOMPLETE = "address_incomplete", _("An address is incomplete")
    NO_BILL_TO = "no_bill_to", _("There is no bill-to address")
    CURRENCY_DIFFERS = "currency_differs", _("Something is priced in another currency")
    NO_EXCHANGE_RATE = "no_exchange_rate", _("No exchange rate for the VAT in the seller's currency")
    VAT_UNKNOWN = "vat_unknown", _("No VAT rate is known for what is sold")
    SIGNS_DIFFER = "signs_differ", _("Amounts at several rates come out on both sides of zero")
    TERM_BILLED = "term_billed", _("A term was billed already")
    TOO_LARGE = "too_large", _("An amount is larger than an invoice can hold")
    SUMS_DIFFER = "sums_differ", _("The sums do not fit")
    DATABASE_REFUSED = "database_refused", _("The database refused the invoice")


class ParkedProfile(models.Model):
    """A profile that is not billed until somebody has looked: its sums do not fit, or something is missing (I31)."""

    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="parkings")
    # The month that could not be billed.
    month = models.DateField()
    reason = models.CharField(_("reason"), max_length=40, choices=ParkReason)
    detail = models.TextField(_("detail"), blank=True)
    parked_at = models.DateTimeField(_("parked"), default=timezone.now, editable=False)
    released_at = models.DateTimeField(_("released"), null=True, blank=True)

    # These are gone as soon as the customer or the vendor mends the data: every run looks again.
    MENDED_BY_DATA = (
        ParkReason.ADDRESS_INCOMPLETE,
        ParkReason.NO_BILL_TO,
        ParkReason.CURRENCY_DIFFERS,
        ParkReason.NO_EXCHANGE_RATE,
    )
    POLICY = Scope(view=Action.PROFILE_VIEW, account="profile__account", profile="profile")

    objects = ParkedProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("parked profile")
        verbose_name_plural = _("parked profiles")
        constraints = [models.UniqueConstraint(fields=["profile"], condition=Q(released_at=None), name="parked_once")]

    def __str__(self) -> str:
        return f"{self.profile} · {self.get_reason_display()}"


class BillingRun(models.Model):
    """One go at billing a month: what it made and where it got to. Progress, not truth: that is in the invoices."""

    code = CodeField()
    month = models.DateField()
    issue_date = models.DateField()
    status = models.CharField(max_length=8, choices=states.RunStatus, default=states.RunStatus.RUNNING)
    profiles_total = models.PositiveIntegerField(default=0)
    profiles_done = models.PositiveIntegerField(default=0)
    invoices_issued = models.PositiveIntegerField(default=0)
    profiles_parked = models.PositiveIntegerField(default=0)
    # When it last finished a chunk: a run that is silent for long has died, and the next one says so.
    heard_at = models.DateTimeField(default=timezone.now, editable=False)
    started_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    started_at = models.DateTimeField(default=timezone.now, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)

    TRANSITIONS = states.RUN

    class Meta:
        verbose_name = _("billing run")
        verbose_name_plural = _("billing runs")

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
