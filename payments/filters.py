"""What the lists of payments and of payment methods can be narrowed to."""

from collections.abc import Mapping, Sequence
from datetime import date

from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments.models import Allocation, PreparedPart
from payments.querysets import PaymentMethodQuerySet, PaymentQuerySet, PreparedPaymentQuerySet
from profiles.models import BillingProfile

SEGMENTS = (
    ("", gettext_lazy("All")),
    ("paid", gettext_lazy("Paid")),
    ("open", gettext_lazy("Under way")),
    ("declined", gettext_lazy("Declined")),
    ("refunded", gettext_lazy("Given back")),
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
        elif self.segment == "refunded":
            payments = payments.filter(status__in=["partially_refunded", "refunded"])
        if self.profile:
            payments = payments.filter(profile=self.profile)
        if self.number:
            number = self.number.upper()
            of_invoice = Allocation.objects.filter(payment=OuterRef("pk"), invoice__number__startswith=number)
            payments = payments.filter(Q(receipt_number__startswith=number) | Exists(of_invoice))
        return payments


PREPARED_SEGMENTS = (
    ("", gettext_lazy("All")),
    ("waiting", gettext_lazy("Waiting")),
    ("approved", gettext_lazy("Approved")),
    ("refused", gettext_lazy("Refused")),
)


class PreparedFilter:
    """State, and the beginning of an invoice number, as the address has them."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self.segment = query.get("status", "") if query.get("status", "") in dict(PREPARED_SEGMENTS) else ""
        self.number = query.get("number", "").replace("\x00", "").strip()[:24]

    @property
    def is_set(self) -> bool:
        return bool(self.segment or self.number)

    def apply(self, rows: PreparedPaymentQuerySet) -> PreparedPaymentQuerySet:
        """The prepared payments that fit."""
        if self.segment:
            rows = rows.filter(status=self.segment)
        if self.number:
            parts = PreparedPart.objects.filter(prepared=OuterRef("pk"))
            rows = rows.filter(Exists(parts.filter(invoice__number__startswith=self.number.upper())))
        return rows


METHOD_SEGMENTS = (
    ("", gettext_lazy("All")),
    ("in_use", gettext_lazy("In use")),
    ("expiring", gettext_lazy("Expiring or expired")),
    ("declined", gettext_lazy("Declined")),
)
METHOD_SORTS = {"added": ["added_at", "pk"], "last4": ["last4", "pk"], "brand": ["brand", "pk"]}


class MethodFilter:
    """State, and the last digits or the beginning of the name on the card, as the address has them."""

    def __init__(self, query: Mapping[str, str], *, on: date) -> None:
        self.segment = query.get("status", "") if query.get("status", "") in dict(METHOD_SEGMENTS) else ""
        self.words = query.get("card", "").replace("\x00", "").strip()[:100]
        self.sort = query.get("sort", "-added")
        self.on = on

    @property
    def is_set(self) -> bool:
        return bool(self.segment or self.words)

    @property
    def segments(self) -> list[tuple[str, str, bool]]:
        return [(key, str(label), key == self.segment) for key, label in METHOD_SEGMENTS]

    @property
    def sort_choices(self) -> list[tuple[str, str]]:
        return [("-added", _("Newest first")), ("last4", _("Last digits")), ("brand", _("Brand"))]

    def apply(self, methods: PaymentMethodQuerySet) -> PaymentMethodQuerySet:
        """The methods that fit."""
        if self.segment == "in_use":
            methods = methods.filter(pk__in=methods.in_use().order_by().values("pk"))
        elif self.segment == "expiring":
            methods = methods.filter(
                Q(pk__in=methods.expired(self.on).order_by().values("pk"))
                | Q(pk__in=methods.expiring(self.on).order_by().values("pk"))
            )
        elif self.segment == "declined":
            methods = methods.filter(status="declined")
        if self.words:
            methods = methods.filter(Q(last4__startswith=self.words) | Q(holder__istartswith=self.words))
        return methods
