"""What is left of the credits of a profile: as of the last invoice, and once what is coming has been billed (§3.8)."""

from dataclasses import dataclass
from datetime import date

from django.db import transaction
from django.db.models import Max, Sum
from django.db.models.functions import TruncMonth
from django.utils.translation import gettext as _

from accounts.models import Seller
from core.charts import Series, StackedBars
from core.money import Money
from core.periods import Month, months_between
from invoices.exchange import home_currency
from invoices.models import BillingPeriod, CreditLot, CreditMove, CreditTransaction, Invoice, InvoiceKind
from invoices.services.drafts import compute_drafts, read_drafts
from invoices.services.due import profiles_behind, read_candidates
from profiles.models import BillingProfile

CHARTED = 12  # months


@dataclass(frozen=True)
class CreditBalance:
    """`current` is what is left as of the last invoice, `pending` what the invoice that is coming would use of it as
    things stand, `upcoming` what becomes usable later, `expired` what lapsed since the last invoice; `next_expiry` is
    the last day of the first to expire."""

    current: Money
    pending: Money
    upcoming: Money
    expired: Money
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
        Money(_expired(profile), profile.currency),
        next((lot.expires_on for lot in usable if lot.expires_on), None),
    )


def credit_history(profile: BillingProfile, *, on: date) -> StackedBars | None:
    """What was left of the credits at the end of each of the last twelve months, and on that day; None where the first
    of them came in this month.
    """
    moves = CreditTransaction.objects.filter(profile=profile, happened_on__lte=on).order_by()
    by_month = dict(moves.values_list(TruncMonth("happened_on")).annotate(Sum("amount_minor")))
    this = Month.of(on)
    if not by_month or min(by_month) >= this.first:
        return None
    months = list(months_between(max(Month.of(min(by_month)), this.plus(1 - CHARTED)), this))
    left = [sum(minor for day, minor in by_month.items() if day <= month.first) for month in months]
    amounts = [Money(minor, profile.currency) for minor in left]
    return StackedBars(
        _("Credit left"),
        _("What was left of the credits at the end of each month, and what is left today."),
        months,
        [Series(_("At the end of the month"), amounts)],
        profile.currency,
    )


def _expired(profile: BillingProfile) -> int:
    """What lapsed of the credits of the profile since its last invoice, in minor units."""
    moves = CreditTransaction.objects.filter(profile=profile, kind=CreditMove.EXPIRED)
    issued = Invoice.objects.filter(profile=profile, kind=InvoiceKind.INVOICE).issued()
    since = issued.aggregate(last=Max("issue_date"))["last"]
    if since is not None:
        moves = moves.filter(happened_on__gt=since)
    return -(moves.aggregate(lapsed=Sum("amount_minor"))["lapsed"] or 0)


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
