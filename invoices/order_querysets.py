"""Names for sets of purchase orders."""

from __future__ import annotations

from datetime import date

from django.db import models
from django.db.models import Case, ExpressionWrapper, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce

from core.policy import PolicyQuerySet


class PurchaseOrderQuerySet(PolicyQuerySet):
    def with_drawn(self) -> PurchaseOrderQuerySet:
        """Each with `drawn_minor`: what issued lines came to without VAT, those of credit notes given back."""
        lines = self.model._meta.get_field("lines").related_model._default_manager  # type: ignore[union-attr]
        whole = models.BigIntegerField()
        back = ExpressionWrapper(-F("net_minor"), output_field=whole)
        signed = Case(When(invoice__kind="credit_note", then=back), default=F("net_minor"), output_field=whole)
        issued = lines.filter(purchase_order=OuterRef("pk")).exclude(invoice__status="draft")
        sums = issued.order_by().values("purchase_order").annotate(total=Sum(signed, output_field=whole))
        return self.annotate(drawn_minor=Coalesce(Subquery(sums.values("total")), 0, output_field=whole))

    def valid(self, on: date) -> PurchaseOrderQuerySet:
        """Not closed, and valid on that day; whether something is left is for `with_drawn`."""
        until = Q(valid_until=None) | Q(valid_until__gte=on)
        return self.filter(until, closed_on=None, valid_from__lte=on)

    def with_anything_left(self) -> PurchaseOrderQuerySet:
        """Those whose budget is not used up, or that have none; with `drawn_minor`."""
        return self.with_drawn().filter(Q(budget_minor=None) | Q(budget_minor__gt=F("drawn_minor")))

    def to_warn_of(self) -> PurchaseOrderQuerySet:
        """Those that reached 80 or 100 percent of their budget and nobody was told; with `drawn_minor`."""
        open_ones = self.with_drawn().filter(closed_on=None, budget_minor__isnull=False)
        near = Q(warned_percent__lt=80, drawn_minor__gte=F("budget_minor") * 80 / 100)
        return open_ones.filter(near | Q(warned_percent__lt=100, drawn_minor__gte=F("budget_minor")))
