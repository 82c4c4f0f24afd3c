"""What is looked at before a billing run: with what each profile pays."""

from collections.abc import Sequence
from datetime import date

from django.db.models import Q, QuerySet

from invoices.models import Finding
from invoices.preflight import preflight_check
from payments.models import PaymentMethod
from profiles.models import BillingProfile


@preflight_check(Finding.NO_METHOD)
def without_method(profile_ids: Sequence[int], on: date) -> QuerySet:
    """Whose invoices are paid by hand, or not at all."""
    rows = BillingProfile.objects.filter(Q(methods=None) | Q(methods__default=None), pk__in=profile_ids)
    return rows.values_list("pk", flat=True)


@preflight_check(Finding.METHOD_EXPIRED)
def with_an_expired_method(profile_ids: Sequence[int], on: date) -> QuerySet:
    """Whose card is not valid on the day of issue any more."""
    rows = BillingProfile.objects.filter(pk__in=profile_ids, methods__default__in=PaymentMethod.objects.expired(on))
    return rows.values_list("pk", flat=True)
