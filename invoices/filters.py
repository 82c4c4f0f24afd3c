"""What the list of invoices can be narrowed to."""

from collections.abc import Mapping, Sequence
from datetime import date

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from invoices.querysets import InvoiceQuerySet
from profiles.models import BillingProfile

SEGMENTS = (
    ("", gettext_lazy("All")),
    ("open", gettext_lazy("Open")),
    ("past_due", gettext_lazy("Past due")),
    ("paid", gettext_lazy("Paid")),
    ("other", gettext_lazy("Other")),
)


class InvoiceFilter:
    """Status, billing profile and the beginning of a number, as the address has them.

    A value that makes no sense narrows nothing, so an old link still opens the list.
    """

    def __init__(self, query: Mapping[str, str], *, profiles: Sequence[BillingProfile], on: date) -> None:
        self.on = on
        self.profiles = profiles
        self.segment = query.get("status", "") if query.get("status", "") in dict(SEGMENTS) else ""
        self.profile = next((profile for profile in profiles if profile.code == query.get("profile")), None)
        self.number = query.get("number", "").replace("\x00", "").strip()[:24]

    @property
    def is_set(self) -> bool:
        return bool(self.segment or self.profile or self.number)

    @property
    def profile_choices(self) -> list[tuple[str, str]]:
        return [("", _("All profiles")), *((profile.code, profile.name) for profile in self.profiles)]

    def apply(self, invoices: InvoiceQuerySet) -> InvoiceQuerySet:
        """The invoices that fit."""
        if self.segment == "open":
            invoices = invoices.open()
        elif self.segment == "past_due":
            invoices = invoices.overdue(on=self.on)
        elif self.segment == "paid":
            invoices = invoices.filter(status="paid")
        elif self.segment == "other":
            invoices = invoices.exclude(status__in=["due", "paid"])
        if self.profile:
            invoices = invoices.filter(profile=self.profile)
        if self.number:
            invoices = invoices.filter(number__startswith=self.number.upper())
        return invoices
