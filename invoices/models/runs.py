"""Runs of the billing, and the profiles that they leave alone."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.codes import CodeField
from core.policy import Action, Scope
from core.templatetags.ui import month as month_words
from invoices import states
from invoices.querysets import IN_BACKGROUND, BillingRunQuerySet, ParkedProfileQuerySet, RunRangeQuerySet
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
        ParkReason.VAT_UNKNOWN,
    )
    POLICY = Scope(view=Action.PROFILE_VIEW, account="profile__account", profile="profile")

    objects = ParkedProfileQuerySet.as_manager()

    class Meta:
        verbose_name = _("parked profile")
        verbose_name_plural = _("parked profiles")
        constraints = [models.UniqueConstraint(fields=["profile"], condition=Q(released_at=None), name="parked_once")]

    def __str__(self) -> str:
        return f"{self.profile} · {self.get_reason_display()}"


class RunOrigin(models.TextChoices):
    COMMAND = "command", _("The command")
    CLOCK = "clock", _("The clock")
    STAFF = "staff", _("Staff")


class BillingRun(models.Model):
    """One go at billing a month. It tells progress and control totals; the truth is in the invoices.

    A run of the clock or of staff is done by workers, a range of profiles at a time; one of the command
    has one range, of everything, and does it itself.
    """

    code = CodeField()
    month = models.DateField(_("month"))
    issue_date = models.DateField(_("dated"))
    origin = models.CharField(
        _("started by"), max_length=7, choices=RunOrigin, default=RunOrigin.COMMAND, db_default="command"
    )
    # Bills those whose invoice day had come by then, each where it is; empty: all that are behind.
    day_come_by = models.DateTimeField(null=True, blank=True)
    status = models.CharField(_("status"), max_length=8, choices=states.RunStatus, default=states.RunStatus.RUNNING)
    profiles_total = models.PositiveIntegerField(_("profiles"), default=0)
    # Held when it ended: not billed, on purpose.
    profiles_held = models.PositiveIntegerField(_("held"), db_default=0)
    last_error = models.TextField(_("last error"), blank=True, db_default="")
    started_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("person"))
    started_at = models.DateTimeField(_("started"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    TRANSITIONS = states.RUN

    objects = BillingRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("billing run")
        verbose_name_plural = _("billing runs")
        constraints = [
            # Several schedulers, and staff beside them, start a month once (F28).
            models.UniqueConstraint(
                fields=["month"],
                condition=Q(status="running", origin__in=IN_BACKGROUND),
                name="one_run_of_a_month_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return gettext("Billing run of %(month)s") % {"month": month_words(self.month)}

    @property
    def is_in_background(self) -> bool:
        """Done by workers, and not by the process that started it."""
        return self.origin in IN_BACKGROUND


class RunRange(models.Model):
    """A part of a run: the profiles of these ids, both included, that one worker bills. Its row is the queue."""

    run = models.ForeignKey(BillingRun, models.PROTECT, related_name="ranges")
    first_profile = models.BigIntegerField()
    last_profile = models.BigIntegerField()
    status = models.CharField(max_length=7, choices=states.RangeStatus, default=states.RangeStatus.WAITING)
    profiles_total = models.PositiveIntegerField(default=0)
    profiles_done = models.PositiveIntegerField(default=0)
    profiles_parked = models.PositiveIntegerField(default=0)
    # When it last finished a chunk: a command that is silent for long has died, and the next one says so.
    heard_at = models.DateTimeField(default=timezone.now, editable=False)

    TRANSITIONS = states.RANGE

    objects = RunRangeQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(status="waiting"), name="range_waiting")]

    def __str__(self) -> str:
        return f"{self.run}: {self.first_profile}…{self.last_profile}"


class RunTotal(models.Model):
    """What a range issued, in minor units: written with the documents, in their transaction, so that it is exact."""

    range = models.ForeignKey(RunRange, models.PROTECT, related_name="totals", db_index=False)
    kind = models.CharField(max_length=12)
    currency = models.CharField(max_length=3)
    documents = models.PositiveIntegerField()
    net_minor = models.BigIntegerField()
    vat_minor = models.BigIntegerField()
    first_number = models.CharField(max_length=24)
    last_number = models.CharField(max_length=24)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["range", "kind", "currency"], name="run_total_once")]

    def __str__(self) -> str:
        return f"{self.documents} × {self.kind} {self.currency}"
