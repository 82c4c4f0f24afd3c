"""Names for sets of products, prices and subscriptions."""

from __future__ import annotations

from datetime import date

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
