"""Names for sets of invoices and charges."""

from __future__ import annotations

from datetime import date

from django.db.models import Sum

from core.policy import PolicyQuerySet


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

    def owed_minor(self) -> int:
        return self.aggregate(owed=Sum("amount_due_minor"))["owed"] or 0


class ParkedProfileQuerySet(PolicyQuerySet):
    def unreleased(self) -> ParkedProfileQuerySet:
        """Those that keep their profile from being billed."""
        return self.filter(released_at=None)
