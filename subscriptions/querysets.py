"""Names for sets of products, prices and subscriptions."""

from __future__ import annotations

from datetime import date, timedelta

from django.db import models
from django.db.models import Q

from core.policy import PolicyQuerySet


class PriceQuerySet(models.QuerySet):
    def valid(self, on: date) -> PriceQuerySet:
        """Those at which the product may be bought on that day: of several for one term, the latest."""
        begun = self.filter(Q(valid_until=None) | Q(valid_until__gte=on), valid_from__lte=on, product__is_offered=True)
        order = ("product_id", "currency", "term")
        latest = begun.order_by(*order, "-valid_from").distinct(*order)
        return self.filter(pk__in=latest.values("pk"))


class SubscriptionQuerySet(PolicyQuerySet):
    def matching(self, words: str) -> SubscriptionQuerySet:
        """Those whose name starts like that."""
        return self.filter(name__istartswith=words) if words else self

    def run_out(self, on: date) -> SubscriptionQuerySet:
        """Those whose last day is over, and that still stand as running."""
        return self.filter(status__in=["active", "past_due"], ended_on__lt=on)

    def past_retention(self, on: date, days: int) -> SubscriptionQuerySet:
        """Cancelled ones that were kept for so many days after their last."""
        return self.filter(status="cancelled", ended_on__lt=on - timedelta(days=days))


class SubscriptionMoveQuerySet(models.QuerySet):
    def ahead(self) -> SubscriptionMoveQuerySet:
        """Asked for, not withdrawn, and not done yet."""
        return self.filter(applied_at=None, withdrawn_at=None)
