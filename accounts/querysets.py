"""Names for sets of people, accounts and roles."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import BaseUserManager
from django.db import models
from django.db.models import Case, Q, When

from core.policy import PolicyQuerySet, Role


class UserManager(BaseUserManager):
    """Makes people. An address is one person, whatever its capitals."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> Any:
        user: Any = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> Any:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> Any:
        return self.get(email__iexact=username)


class BillingAccountQuerySet(PolicyQuerySet):
    """Sets of billing accounts."""

    def matching(self, words: str) -> BillingAccountQuerySet:
        """Whose name, or the name of whose organisation, starts with these words, or whose code they are."""
        if not words:
            return self
        return self.filter(
            Q(name__istartswith=words) | Q(organisation__name__istartswith=words) | Q(code=words.lower())
        )


class RoleQuerySet(models.QuerySet):
    """Rows that give a role, maybe until a day."""

    def active(self, on: date) -> RoleQuerySet:
        """Counting on that day: not expired, and the person not deactivated."""
        return self.filter(Q(expires_on=None) | Q(expires_on__gte=on), user__is_active=True)

    def stood_in_until(self, before: date) -> RoleQuerySet:
        """Of stand-ins whose last day was before that day: they count no more, and are to be cleared away."""
        return self.filter(stands_in_for__isnull=False, expires_on__lt=before)

    def matching(self, words: str) -> RoleQuerySet:
        """Of people whose name or address starts with these words, or who have a name that does."""
        if not words:
            return self
        by_name = Q(user__name__istartswith=words) | Q(user__name__icontains=f" {words}")
        return self.filter(by_name | Q(user__email__istartswith=words))

    def in_order(self) -> RoleQuerySet:
        """With `rank`, so that `order_by("rank", …)` puts the role that may most first."""
        order = [When(role=role, then=place) for place, role in enumerate(Role)]
        return self.annotate(rank=Case(*order, default=len(Role), output_field=models.IntegerField()))


class InvitationQuerySet(models.QuerySet):
    def open(self, at: datetime) -> InvitationQuerySet:
        """Waiting for an answer and not yet expired."""
        return self.filter(status="pending", expires_at__gt=at)

    def handovers_over(self, at: datetime) -> InvitationQuerySet:
        """Offers of an administration that waited too long. Those of the first administrator can be sent again."""
        offered = self.filter(status="pending", expires_at__lte=at, role=Role.ACCOUNT_ADMINISTRATOR)
        return offered.filter(account__roles__role=Role.ACCOUNT_ADMINISTRATOR)


class AttemptQuerySet(models.QuerySet):
    """Sets of counted tries."""

    def since(self, at: datetime) -> AttemptQuerySet:
        """Made after that moment."""
        return self.filter(at__gt=at)

    def older(self, *, than: datetime) -> AttemptQuerySet:
        """Made up to that moment."""
        return self.filter(at__lte=than)


class VatCheckQuerySet(models.QuerySet):
    def due(self, at: datetime) -> VatCheckQuerySet:
        """Whose authorities are to be asked by that moment, who has waited longest first."""
        return self.filter(next_check_at__lte=at).exclude(number="").order_by("next_check_at", "pk")


class PlannedChangeQuerySet(models.QuerySet):
    """Sets of changes that count from a day."""

    def waiting(self) -> PlannedChangeQuerySet:
        """Neither in force nor withdrawn, the next one first."""
        return self.filter(status="planned").order_by("takes_effect_on", "pk")

    def due(self, on: date) -> PlannedChangeQuerySet:
        """Waiting for that day or an earlier one."""
        return self.waiting().filter(takes_effect_on__lte=on)

    def touching(self, *addresses: Any) -> PlannedChangeQuerySet:
        """That change one of these addresses."""
        return self.filter(parts__address__in=[address.pk for address in addresses]).distinct()
