"""Collecting what is owed: one case per open invoice, what was done in it, and links that pay without signing in."""

from datetime import date, datetime, timedelta

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.codes import CodeField
from core.guards import no_truncate
from core.states import only_along
from core.templatetags.ui import day as day_words
from invoices.models import Invoice
from payments import states
from payments.querysets import CollectionCaseQuerySet, PayLinkQuerySet


class Pace(models.TextChoices):
    """How fast a case goes: by the calendar of its account, or faster because the money is not to be expected."""

    NORMAL = "normal", _("By the calendar")
    ACCELERATED = "accelerated", _("No retry will help")
    CHARGED_BACK = "charged_back", _("The bank took the money back")


class Standing(models.TextChoices):
    """How far a case has come for the subscriptions of its profile (§3.5)."""

    FINE = "fine", _("Not past due")
    PAST_DUE = "past_due", _("Past due")
    DISABLED = "disabled", _("Disabled")
    DELETED = "deleted", _("Deleted")


class CollectionCase(models.Model):
    """What is done, on which day, until an invoice is paid (§3.9). The steps are data: `payments.schedule`.

    `day_zero` is the day from which the steps count: the due date, or later where a step could not be done on its
    day (a promise, a dispute, a standstill). So nobody is disabled without the warnings that go before.
    """

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="cases")
    pace = models.CharField(_("pace"), max_length=12, choices=Pace, default=Pace.NORMAL)
    status = models.CharField(_("status"), max_length=8, choices=states.CaseStatus, default=states.CaseStatus.OPEN)
    standing = models.CharField(_("standing"), max_length=8, choices=Standing, default=Standing.FINE)
    day_zero = models.DateField(_("counts from"))
    # The day of the latest step, counted from `day_zero`; empty before the first.
    last_day = models.SmallIntegerField(null=True)
    # When to look again; empty when every step is done.
    next_at = models.DateTimeField(_("next step"), null=True)
    promised_on = models.DateField(_("promised to pay on"), null=True, blank=True)
    promised_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    promised_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(default=timezone.now, editable=False)
    closed_at = models.DateTimeField(null=True)

    TRANSITIONS = states.CASE

    objects = CollectionCaseQuerySet.as_manager()

    class Meta:
        verbose_name = _("collection case")
        verbose_name_plural = _("collection cases")
        constraints = [
            models.UniqueConstraint(fields=["invoice"], condition=Q(status="open"), name="one_open_case_per_invoice")
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(status="open"), name="case_due")]
        triggers = [
            only_along(states.CASE, "case_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return gettext("Collection case of invoice %(invoice)s") % {"invoice": self.invoice}

    @property
    def is_open(self) -> bool:
        return self.status == states.CaseStatus.OPEN

    def is_promised(self, on: date) -> bool:
        """Whether a promise to pay still holds on that day."""
        return self.promised_on is not None and on <= self.promised_on

    def day_of(self, step_day: int) -> date:
        return self.day_zero + timedelta(days=step_day)


class StepOutcome(models.TextChoices):
    PLANNED = "planned", _("Begun")
    DONE = "done", _("Done")
    WAITS = "waits", _("The bank still works on it")
    FAILED = "failed", _("Declined")
    NOTHING_TO_CHARGE = "nothing_to_charge", _("Nothing that could be charged")


class CollectionStep(models.Model):
    """A step of a case, written before it has any effect, and once: a second go finds it (I16)."""

    case = models.ForeignKey(CollectionCase, models.PROTECT, related_name="steps")
    pace = models.CharField(max_length=12, choices=Pace)
    day = models.SmallIntegerField(_("day"))
    act = models.CharField(_("act"), max_length=20)
    outcome = models.CharField(_("outcome"), max_length=20, choices=StepOutcome, default=StepOutcome.PLANNED)
    begun_at = models.DateTimeField(_("begun"))
    done_at = models.DateTimeField(_("done"), null=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["case", "pace", "day"], name="step_once")]
        triggers = [pgtrigger.Protect(name="kept", operation=pgtrigger.Delete), no_truncate()]

    def __str__(self) -> str:
        return f"{self.act} {self.day:+}"


class PayLink(models.Model):
    """A link of a mail that pays one invoice without signing in (P18). It shows that invoice and nothing else.

    The address carries `code` signed; without our key nobody makes one, and a row can be revoked.
    """

    code = CodeField()
    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="pay_links")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    objects = PayLinkQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment link")
        verbose_name_plural = _("payment links")
        triggers = [pgtrigger.Protect(name="kept", operation=pgtrigger.Delete), no_truncate()]

    def __str__(self) -> str:
        said = gettext("Payment link of invoice %(invoice)s, until %(on)s")
        return said % {"invoice": self.invoice, "on": day_words(self.expires_at)}

    def works_at(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at


class PayLinkUse(models.Model):
    """That a link was opened or paid with, and when. Neither address nor device of the visitor is kept."""

    link = models.ForeignKey(PayLink, models.PROTECT, related_name="uses")
    at = models.DateTimeField(_("at"), default=timezone.now, editable=False)
    what = models.CharField(_("what"), max_length=10, choices=[("opened", _("Opened")), ("paid", _("Paid with"))])

    class Meta:
        verbose_name = _("use of a payment link")
        verbose_name_plural = _("uses of payment links")
        ordering = ["-pk"]
        triggers = [pgtrigger.Protect(name="written_once", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.what} {self.at:%Y-%m-%d}"
