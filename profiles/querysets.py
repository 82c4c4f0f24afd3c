"""Names for sets of billing profiles and roles on them."""

from __future__ import annotations

from django.db.models import Q, Value
from django.db.models.functions import Lower

from core.policy import PolicyQuerySet


class BillingProfileQuerySet(PolicyQuerySet):
    def shown(self) -> BillingProfileQuerySet:
        """Those that people know as profiles: not the hidden ones of online-services subscriptions."""
        return self.filter(kind="standard")

    def open(self) -> BillingProfileQuerySet:
        return self.exclude(status="closed")

    def called(self, name: str) -> BillingProfileQuerySet:
        """Those of that name, whatever its capitals: what the database holds unique within an account."""
        return self.alias(lower_name=Lower("name")).filter(lower_name=Lower(Value(name)))

    def matching(self, words: str) -> BillingProfileQuerySet:
        """Those whose name or PO number starts like that."""
        return self.filter(Q(name__istartswith=words) | Q(po_number__istartswith=words)) if words else self
