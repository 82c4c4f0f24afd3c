"""Names for sets of invoices and charges."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db.models import Exists, F, IntegerField, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from core.policy import PolicyQuerySet

# Origins of runs that workers do, and not the process that started them.
IN_BACKGROUND = ("clock", "staff")
# A run that has said nothing for so long has died.
SILENT = timedelta(minutes=10)


class InvoiceQuerySet(PolicyQuerySet):
    def issued(self) -> InvoiceQuerySet:
        return self.exclude(status="draft")

    def open(self) -> InvoiceQuerySet:
        """Something is still owed on them."""
        return self.filter(status="due", kind="invoice")

    def overdue(self, on: date) -> InvoiceQuerySet:
        """Due, and the due date lies before that day."""
        return self.open().filter(due_date__lt=on)

    def due_soon(self, on: date) -> InvoiceQuerySet:
        return self.open().filter(due_date__gte=on)

    def with_balance_left(self) -> InvoiceQuerySet:
        """Credit notes of which something is left for the customer: to be set off, or paid back."""
        return self.filter(kind="credit_note", status="due")

    def what_else(self) -> QuerySet[Any, dict[str, bool]]:
        """What there is about each besides itself, so that its page asks for nothing that is not there:
        `has_corrections` that it stands in, `has_requests` for one, `has_moves` of credit that paid it, `has_mails`."""
        it = Q(invoice=OuterRef("pk"))
        corrects = Q(original=OuterRef("pk")) | Q(credit_note=OuterRef("pk")) | Q(corrected=OuterRef("pk"))
        of = {
            "has_corrections": ("Correction", corrects),
            "has_requests": ("CorrectionRequest", it),
            "has_moves": ("CreditTransaction", it & Q(kind="paid")),
            "has_mails": ("Delivery", it),
        }
        return self.values(
            **{
                name: Exists(apps.get_model("invoices", model).objects.filter(which))
                for name, (model, which) in of.items()
            }
        )

    def owed_minor(self) -> int:
        return self.aggregate(owed=Sum("amount_due_minor"))["owed"] or 0


class ParkedProfileQuerySet(PolicyQuerySet):
    def unreleased(self) -> ParkedProfileQuerySet:
        """Those that keep their profile from being billed."""
        return self.filter(released_at=None)


class BillingHoldQuerySet(QuerySet):
    def unreleased(self) -> BillingHoldQuerySet:
        """Those that keep their profile from being billed."""
        return self.filter(released_at=None)


class BillingRunQuerySet(QuerySet):
    def in_background(self) -> BillingRunQuerySet:
        """Those that workers do."""
        return self.filter(origin__in=IN_BACKGROUND)

    def with_progress(self) -> BillingRunQuerySet:
        """Each with how far it is: `profiles_done`, `profiles_parked`, `invoices_issued` and `heard_at`."""
        ranges = apps.get_model("invoices", "RunRange").objects.filter(run=OuterRef("pk")).order_by()

        def of_ranges(expression: Sum | Max) -> Subquery:
            return Subquery(ranges.values("run").annotate(found=expression).values("found"))

        return self.annotate(
            profiles_done=Coalesce(of_ranges(Sum("profiles_done")), 0, output_field=IntegerField()),
            profiles_parked=Coalesce(of_ranges(Sum("profiles_parked")), 0, output_field=IntegerField()),
            invoices_issued=Coalesce(of_ranges(Sum("totals__documents")), 0, output_field=IntegerField()),
            heard_at=of_ranges(Max("heard_at")),
        )


class RunRangeQuerySet(QuerySet):
    def waiting(self) -> RunRangeQuerySet:
        """Those that a worker has to bill: of a run in the background that was not stopped."""
        rows = self.filter(status="waiting", run__status="running", run__origin__in=IN_BACKGROUND)
        return rows.order_by("pk")

    def at_work(self, at: datetime) -> RunRangeQuerySet:
        """Those that somebody bills at that moment, with months that may still come."""
        return self.filter(status="waiting", run__status="running", heard_at__gt=at - SILENT)

    def control_totals(self) -> QuerySet:
        """Per kind of document and currency: how many, their sums in minor units, and numbers from and to."""
        rows = self.filter(totals__documents__gt=0).order_by("totals__kind", "totals__currency")
        return rows.values(kind=F("totals__kind"), currency=F("totals__currency")).annotate(
            documents=Sum("totals__documents"),
            net_minor=Sum("totals__net_minor"),
            vat_minor=Sum("totals__vat_minor"),
            first_number=Min("totals__first_number"),
            last_number=Max("totals__last_number"),
        )
