"""Names for sets of credits and of their moves."""

from __future__ import annotations

from datetime import date

from django.db.models import Exists, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from core.policy import PolicyQuerySet


class CreditLotQuerySet(PolicyQuerySet):
    def usable(self, on: date) -> CreditLotQuerySet:
        """Something is left of them, and the day is one of theirs."""
        return self.filter(Q(expires_on=None) | Q(expires_on__gte=on), balance_minor__gt=0, starts_on__lte=on)

    def unexpired(self, on: date) -> CreditLotQuerySet:
        """Something is left of them, now or from a later day on."""
        return self.filter(Q(expires_on=None) | Q(expires_on__gte=on), balance_minor__gt=0)

    def to_expire(self, on: date) -> CreditLotQuerySet:
        """Something is left of them, and their last day is over."""
        return self.filter(expires_on__lt=on, balance_minor__gt=0)

    def for_a_person(self) -> CreditLotQuerySet:
        """Money of customers that came, or was left, after their account was closed: to be paid back."""
        return self.filter(account__status="closed", source__in=["prepaid", "overpaid"], balance_minor__gt=0)

    def in_order_of_use(self) -> CreditLotQuerySet:
        return self.order_by(F("expires_on").asc(nulls_last=True), "pk")

    def with_last_day(self) -> CreditLotQuerySet:
        """Each with `lasts_until`: its last day, or the end of time, to sort by; and whether something of it lapsed."""
        lapsed = self.model._base_manager.filter(pk=OuterRef("pk"), transactions__kind="expired")
        return self.annotate(lasts_until=Coalesce("expires_on", Value(date.max)), has_lapsed=Exists(lapsed))

    def left_minor(self) -> int:
        return self.aggregate(left=Sum("balance_minor"))["left"] or 0

    def left_of_each(self, on: date) -> dict[int, int]:
        """By profile, what may still be used of its credits, in minor units; zero where nothing is left."""
        alive = Q(expires_on=None) | Q(expires_on__gte=on)
        left = Coalesce(Sum("balance_minor", filter=alive), 0)
        return dict(self.order_by().values("profile").annotate(left=left).values_list("profile", "left"))


class CreditTransactionQuerySet(PolicyQuerySet):
    def with_balance(self) -> CreditTransactionQuerySet:
        """Each with `balance_after_minor`: what all credits of its profile came to once it was written."""
        before = self.model._base_manager.filter(profile=OuterRef("profile"), pk__lte=OuterRef("pk")).order_by()
        return self.annotate(
            balance_after_minor=Subquery(before.values("profile").annotate(all=Sum("amount_minor")).values("all"))
        )
