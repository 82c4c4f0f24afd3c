"""A look at the next billing run beforehand: what it would issue, and what somebody should look at first."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.money import Money
from core.states import only_along
from core.templatetags.ui import month as month_words
from invoices import states
from profiles.models import BillingProfile


class Finding(models.TextChoices):
    """What is the matter with a profile, seen before it is billed. The first group is not billed at all."""

    PARKED = "parked", _("Does not fit, and would be parked")
    WAITING = "waiting", _("Parked before, waits for a release")
    HELD = "held", _("Held by staff")
    NO_PO_NUMBER = "no_po_number", _("No PO number, unlike its last invoice")
    VAT_ID_UNVERIFIED = "vat_id_unverified", _("VAT ID is not verified, so VAT is charged")
    NO_METHOD = "no_method", _("No payment method")
    METHOD_EXPIRED = "method_expired", _("The payment method has expired")
    MAIL_CAME_BACK = "mail_came_back", _("The mail with its last invoice came back")
    NO_RECIPIENT = "no_recipient", _("E-mail is on, and nobody gets it")
    NOTHING = "nothing", _("Nothing to pay, unlike before")
    MUCH_MORE = "much_more", _("Three times as much as before, or more")

    @property
    def is_left_out(self) -> bool:
        return self in (Finding.PARKED, Finding.WAITING, Finding.HELD)


class Preflight(models.Model):
    """One such look at every profile, by a worker or the command, with its result. The next ones replace it."""

    month = models.DateField(_("month"))
    on = models.DateField(_("dated"))
    status = models.CharField(_("status"), max_length=8, choices=states.RunStatus, default=states.RunStatus.RUNNING)
    profiles_total = models.PositiveIntegerField(_("profiles"), default=0)
    profiles_done = models.PositiveIntegerField(default=0)
    # Per currency: documents, net and VAT in minor units.
    totals = models.JSONField(default=dict)
    # What keeps everything from being issued, in the language of whoever asked.
    problems = models.JSONField(default=list)
    # Done by the command itself, and not by a worker.
    is_by_command = models.BooleanField(default=False)
    started_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", verbose_name=_("person"))
    started_at = models.DateTimeField(_("started"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    TRANSITIONS = states.RUN

    class Meta:
        verbose_name = _("look before a run")
        verbose_name_plural = _("looks before a run")
        constraints = [
            models.UniqueConstraint(fields=["status"], condition=Q(status="running"), name="one_preflight_at_a_time")
        ]
        triggers = [only_along(states.RUN, "preflight_status_edges")]

    def __str__(self) -> str:
        return gettext("Look before a run of %(month)s") % {"month": month_words(self.month)}


class PreflightRow(models.Model):
    """What a profile would be billed for a month, and what is the matter with it. Amounts in minor units, below zero
    in the customer's favour; `usual_minor` is the middle one of its last three invoices."""

    preflight = models.ForeignKey(Preflight, models.CASCADE, related_name="rows", db_index=False)
    profile = models.ForeignKey(BillingProfile, models.CASCADE, related_name="+", db_index=False)
    month = models.DateField()
    currency = models.CharField(max_length=3)
    net_minor = models.BigIntegerField(null=True)
    vat_minor = models.BigIntegerField(null=True)
    usual_minor = models.BigIntegerField(null=True)
    findings = ArrayField(models.CharField(max_length=20))
    detail = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["preflight", "id"], name="preflight_rows"),
            models.Index(fields=["preflight", "id"], condition=~Q(findings=[]), name="preflight_found"),
        ]

    def __str__(self) -> str:
        return f"{self.profile} {self.month:%Y-%m}"

    @property
    def total(self) -> Money | None:
        if self.net_minor is None or self.vat_minor is None:
            return None
        return Money(self.net_minor + self.vat_minor, self.currency)

    @property
    def usual(self) -> Money | None:
        return None if self.usual_minor is None else Money(self.usual_minor, self.currency)

    @property
    def found(self) -> list[Finding]:
        return [Finding(each) for each in self.findings]
