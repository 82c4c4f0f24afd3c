"""What the list of payments can be narrowed to."""

from collections.abc import Mapping, Sequence

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.models import Allocation
from payments.querysets import PaymentQuerySet
from profiles.models import BillingProfile

SEGMENTS = (
    ("", gettext_lazy("All")),
    ("paid", gettext_lazy("Paid")),
    ("open", gettext_lazy("Under way")),
    ("declined", gettext_lazy("Declined")),
)


class PaymentFilter:
    """Outcome, billing profile and the beginning of an invoice or receipt number, as the address has them.

    A value that makes no sense narrows nothing, so an old link still opens the list.
    """

    def __init__(self, query: Mapping[str, str], *, profiles: Sequence[BillingProfile]) -> None:
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

    def apply(self, payments: PaymentQuerySet) -> PaymentQuerySet:
        """The payments that fit."""
        if self.segment == "paid":
            payments = payments.settled()
        elif self.segment == "open":
            payments = payments.open()
        elif self.segment == "declined":
            payments = payments.failed()
        if self.profile:
            payments = payments.filter(profile=self.profile)
        if self.number:
            number = self.number.upper()
            of_invoice = Allocation.objects.filter(payment=OuterRef("pk"), invoice__number__startswith=number)
            payments = payments.filter(Q(receipt_number__startswith=number) | Exists(of_invoice))
        return payments
