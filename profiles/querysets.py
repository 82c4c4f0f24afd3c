"""Names for sets of billing profiles and roles on them."""

from __future__ import annotations

from datetime import date

from django.db.models import Q, Value
from django.db.models.functions import Lower

from accounts.querysets import RoleQuerySet
from core.policy import PolicyQuerySet

# Invoice viewers of an online-services subscription sleep until the administrator turns access to invoice on (§2.1).
AWAKE = Q(profile__kind="standard") | Q(profile__shares_invoices=True)


class ProfileRoleQuerySet(RoleQuerySet):
    """Roles on billing profiles, maybe asleep."""

    def active(self, on: date) -> ProfileRoleQuerySet:
        """Counting on that day: not expired, not asleep, and the person not deactivated."""
        return super().active(on).filter(AWAKE)  # type: ignore[return-value]

    def asleep(self, on: date) -> ProfileRoleQuerySet:
        """Counting for nothing until the administrator turns access to invoice on."""
        return super().active(on).exclude(AWAKE)  # type: ignore[return-value]


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
