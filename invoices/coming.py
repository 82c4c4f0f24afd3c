"""Which invoice comes next: for pages that say from when a change counts (S0-8a), and why one has not come."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, Subquery

from accounts.models import BillingAccount
from core.periods import Month, on_anchor
from core.policy import Action
from invoices.models import BillingHold, BillingPeriod, ParkedProfile, ParkReason
from profiles.models import BillingProfile

NAMED = 5
# The customer completes these, and pages ask for it; whatever else parks a profile, the vendor looks into.
_FOR_THE_CUSTOMER = (ParkReason.ADDRESS_INCOMPLETE, ParkReason.NO_BILL_TO)


@dataclass(frozen=True)
class Coming:
    """An invoice that is not made yet: of whom, when, and for which month."""

    profile: BillingProfile
    on: date
    month: Month


def first_invoices(account: BillingAccount, day: date, *, user: Any) -> tuple[list[Coming], int]:
    """The first invoice that is issued on the day or later, for each profile of the account that the person sees: at
    most NAMED, and how many more there are. One statement.
    """
    rows = BillingProfile.objects.allowing(user, Action.PROFILE_VIEW).filter(account=account).exclude(status="closed")
    found = [_coming(profile, day) for profile in _with_last_month(rows).order_by("name", "pk")]
    return sorted(found, key=lambda each: each.on)[:NAMED], max(len(found) - NAMED, 0)


def first_invoice(profile: BillingProfile, day: date) -> Coming:
    """The first invoice of this profile that is issued on the day or later."""
    return _coming(_with_last_month(BillingProfile.objects.filter(pk=profile.pk)).get(), day)


def checked_by_vendor(profiles: Any, day: date) -> list[Coming]:
    """The invoices that were to be there by that day, and that the vendor looks at first: the profile is held or
    parked. One per profile, the first that is missing. One statement.
    """
    held = BillingHold.objects.unreleased().filter(profile=OuterRef("pk"))
    parked = ParkedProfile.objects.unreleased().exclude(reason__in=_FOR_THE_CUSTOMER).filter(profile=OuterRef("pk"))
    rows = _with_last_month(profiles.exclude(status="closed")).filter(Q(Exists(held)) | Q(Exists(parked)))
    missing = []
    for profile in rows.order_by("name", "pk"):
        begins = Month.of(profile.last_billed).next if profile.last_billed else Month.of(profile.created_at.date())
        on = on_anchor(begins.next, profile.invoice_day)
        if on <= day:
            missing.append(Coming(profile, on, begins))
    return missing


def _with_last_month(profiles: Any) -> Any:
    billed = BillingPeriod.objects.filter(profile=OuterRef("pk")).order_by("-month")
    return profiles.annotate(last_billed=Subquery(billed.values("month")[:1]))


def _coming(profile: Any, day: date) -> Coming:
    """A month that is billed already is not billed again: where the day of issue has been, the next month's counts."""
    on = profile.next_billing_date(day)
    while profile.last_billed and Month.of(on).previous <= Month.of(profile.last_billed):
        on = on_anchor(Month.of(on).next, profile.invoice_day)
    return Coming(profile, on, Month.of(on).previous)
