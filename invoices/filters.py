"""What the list of invoices can be narrowed to."""

from collections.abc import Mapping, Sequence
from datetime import date

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from invoices.credit_querysets import CreditLotQuerySet, CreditTransactionQuerySet
from invoices.models import CreditMove
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


class TransactionFilter:
    """The sort of move, and the beginning of a credit's description or of an invoice number."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self.kind = query.get("kind", "") if query.get("kind", "") in CreditMove.values else ""
        self.words = query.get("q", "").replace("\x00", "").strip()[:100]

    @property
    def is_set(self) -> bool:
        return bool(self.kind or self.words)

    def apply(self, moves: CreditTransactionQuerySet) -> CreditTransactionQuerySet:
        """The moves that fit."""
        if self.kind:
            moves = moves.filter(kind=self.kind)
        if self.words:
            number = Q(invoice__number__startswith=self.words.upper())
            moves = moves.filter(Q(lot__description__istartswith=self.words) | number)
        return moves


CREDIT_SEGMENTS = (
    ("", gettext_lazy("All")),
    ("usable", gettext_lazy("Usable")),
    ("used", gettext_lazy("Used")),
    ("expired", gettext_lazy("Expired")),
)


class CreditFilter:
    """What is left of a credit, and the beginning of its description."""

    def __init__(self, query: Mapping[str, str], *, on: date) -> None:
        self.on = on
        self.segment = query.get("status", "") if query.get("status", "") in dict(CREDIT_SEGMENTS) else ""
        self.words = query.get("q", "").replace("\x00", "").strip()[:100]

    @property
    def is_set(self) -> bool:
        return bool(self.segment or self.words)

    def apply(self, lots: CreditLotQuerySet) -> CreditLotQuerySet:
        """The credits that fit."""
        if self.segment == "usable":
            lots = lots.unexpired(self.on)
        elif self.segment == "used":
            lots = lots.filter(balance_minor=0).exclude(transactions__kind="expired")
        elif self.segment == "expired":
            lots = lots.filter(Q(expires_on__lt=self.on, balance_minor__gt=0) | Q(transactions__kind="expired"))
        if self.words:
            lots = lots.filter(description__istartswith=self.words)
        return lots
