"""Statements of the vendor's bank: their movements, and what was booked of them (I30: nothing twice)."""

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from core.guards import no_truncate
from core.money import Money
from core.states import only_along
from core.templatetags.ui import day, money
from payments import states
from payments.models.payments import Payment
from payments.models.remittances import Remittance
from payments.querysets import BankEntryQuerySet


class BankFile(models.Model):
    """A file of the bank that was taken in, known by its digest: a second time changes nothing."""

    file_name = models.CharField(_("file"), max_length=200)
    sha256 = models.CharField(max_length=64, unique=True)
    statements = models.CharField(_("statements"), max_length=500, blank=True)
    entries_read = models.PositiveIntegerField(_("entries read"), default=0)
    entries_new = models.PositiveIntegerField(_("new entries"), default=0)
    taken_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    taken_at = models.DateTimeField(_("taken in"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("file of the bank")
        verbose_name_plural = _("files of the bank")
        triggers = [pgtrigger.Protect(name="kept", operation=pgtrigger.Delete), no_truncate()]

    def __str__(self) -> str:
        return self.file_name


class BankEntry(models.Model):
    """One movement on the vendor's account. Of the other account only what may be shown is kept (PR12)."""

    file = models.ForeignKey(BankFile, models.PROTECT, related_name="entries")
    # By which it is known again in another file of the same days.
    entry_key = models.CharField(max_length=64, unique=True)
    booked_on = models.DateField(_("booked on"))
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    bank_reference = models.CharField(_("reference of the bank"), max_length=100, blank=True)
    name = models.CharField(_("name"), max_length=140, blank=True)
    account_masked = models.CharField(_("account"), max_length=34, blank=True)
    text = models.CharField(_("text"), max_length=500, blank=True)
    references = models.CharField(_("payment references"), max_length=800, blank=True)
    end_to_end = models.CharField(max_length=35, blank=True)
    is_return = models.BooleanField(_("returned"), default=False)
    # How much of it is booked; the rest waits for a person.
    settled_minor = models.BigIntegerField(default=0)
    status = models.CharField(_("status"), max_length=10, choices=states.EntryStatus, default=states.EntryStatus.OPEN)
    # Whether the matching has looked at it by itself.
    looked_at = models.DateTimeField(null=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    seen_to_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")

    TRANSITIONS = states.ENTRY

    objects = BankEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("movement at the bank")
        verbose_name_plural = _("movements at the bank")
        indexes = [
            models.Index(fields=["id"], condition=Q(looked_at=None), name="bank_entry_due"),
            models.Index(fields=["status", "-booked_on", "-id"], name="bank_entry_list"),
        ]
        constraints = [
            models.CheckConstraint(name="bank_entry_not_zero", condition=~Q(amount_minor=0)),
            models.CheckConstraint(
                name="booked_within_the_entry",
                condition=Q(settled_minor=0) | Q(settled_minor__gt=0, settled_minor__lte=models.F("amount_minor")),
            ),
        ]
        triggers = [
            only_along(states.ENTRY, "entry_status_edges"),
            pgtrigger.Protect(name="kept", operation=pgtrigger.Delete),
            no_truncate(),
            pgtrigger.Trigger(
                name="what_the_bank_said_is_final",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("entry_key", "booked_on", "amount_minor", "currency", "name", "text"),
                func="RAISE EXCEPTION 'what the bank said is final' USING ERRCODE = 'check_violation';",
            ),
        ]

    def __str__(self) -> str:
        said = gettext("Movement at the bank of %(amount)s") % {"amount": money(self.amount)}
        return ", ".join(filter(None, (said, self.name, day(self.booked_on))))

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def left(self) -> Money:
        """What of it is not booked yet."""
        return Money(self.amount_minor - self.settled_minor, self.currency)


class BookedBy(models.TextChoices):
    """Why a movement was booked where it was."""

    REFERENCE = "reference", _("Its payment reference")
    NUMBER = "number", _("The invoice number in its text, and the amount")
    STAFF = "staff", _("Decided by staff")


class BankBooking(models.Model):
    """A payment made of a movement, and whether it was undone."""

    entry = models.ForeignKey(BankEntry, models.PROTECT, related_name="bookings")
    payment = models.OneToOneField(Payment, models.PROTECT, related_name="bank_booking")
    # The remittance whose reference it came under, if any.
    remittance = models.ForeignKey(Remittance, models.PROTECT, null=True, related_name="bookings")
    why = models.CharField(_("why"), max_length=10, choices=BookedBy)
    booked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    booked_at = models.DateTimeField(_("booked"))
    undone_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    undone_at = models.DateTimeField(_("undone"), null=True)
    undone_because = models.CharField(_("reason"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("booking of a movement")
        verbose_name_plural = _("bookings of movements")
        triggers = [pgtrigger.Protect(name="kept", operation=pgtrigger.Delete), no_truncate()]

    def __str__(self) -> str:
        return f"{self.entry} → {self.payment_id}"
