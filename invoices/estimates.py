"""What is left of the credits of a profile: as of the last invoice, and once what is coming has been billed (§3.8)."""

from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.models import Sum

from accounts.models import Seller
from core.money import Money
from core.periods import Month
from invoices.exchange import home_currency
from invoices.models import BillingPeriod, CreditLot
from invoices.services.drafts import compute_drafts, read_drafts
from invoices.services.due import profiles_behind, read_candidates
from profiles.models import BillingProfile


@dataclass(frozen=True)
class CreditBalance:
    """`current` is what is left as of the last invoice, `pending` what the invoice that is coming would use of it as
    things stand, `upcoming` what becomes usable later; `next_expiry` is the last day of the first to expire."""

    current: Money
    pending: Money
    upcoming: Money
    next_expiry: date | None

    @property
    def estimated(self) -> Money:
        return self.current - self.pending


def credit_balance(profile: BillingProfile, *, on: date) -> CreditBalance:
    """The balance that day, in the currency of the profile."""
    lots = CreditLot.objects.filter(profile=profile)
    usable = list(lots.usable(on).in_order_of_use())
    current = sum(lot.balance_minor for lot in usable)
    upcoming = lots.unexpired(on).filter(starts_on__gt=on).aggregate(left=Sum("balance_minor"))["left"] or 0
    pending = _pending(profile, on) if current else 0
    return CreditBalance(
        Money(current, profile.currency),
        Money(min(pending, current), profile.currency),
        Money(upcoming, profile.currency),
        next((lot.expires_on for lot in usable if lot.expires_on), None),
    )


def _pending(profile: BillingProfile, on: date) -> int:
    """What the month that comes next would use of the credits, in minor units: a dry run of this one profile."""
    seller = Seller.objects.first()
    if seller is None or seller.missing():
        return 0
    last = BillingPeriod.objects.filter(profile=profile).order_by("-month").values_list("month", flat=True).first()
    month = Month.of(last).next if last else Month.of(on)
    with transaction.atomic():
        rows = profiles_behind(BillingProfile.objects.filter(pk=profile.pk), month)
        candidates, _problems = read_candidates(rows, seller, month, on=on)
        compute_drafts(month, candidates, on=on, home=home_currency(seller))
        return sum(draft.credit_minor + draft.prepaid_minor for draft in read_drafts())
