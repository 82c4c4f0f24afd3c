"""Which profiles a month is due for, and what is decided about each before its lines are known.

A profile's billed months have no gap (I7), so its last one says where it stands. The questions are
asked by scalar subqueries on purpose: each is one look into an index per profile, also when the plan
is made for a chunk out of a million.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, Case, Count, ExpressionWrapper, F, Min, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Greatest, Least, TruncDate

from accounts.models import AddressKind, Seller, VatCheck
from core.periods import Month
from invoices.exchange import exchanges
from invoices.models import BillingHold, BillingPeriod, Charge, ParkedProfile, ParkReason
from invoices.services.drafts import Candidate, Problem
from invoices.tax import situation
from invoices.vat_rates import entered_rates
from profiles.models import BillingProfile
from subscriptions.models import Purchase, Subscription, Term

Profiles = QuerySet[Any]


def months_come(at: datetime) -> list[Month]:
    """The last months whose invoice day has come for some profile at that moment, each where it is; oldest first."""
    months = {Month.of(day).previous for day in _local_days(at)}
    return sorted(months | {month.previous for month in months})


def day_has_come(month: Month, at: datetime) -> Q:
    """The profiles for which that is the last month whose invoice day has come at that moment, each where it is (I33).

    Asked of Python's time zones, by which everything else here goes, and not of the database's.
    """
    found = Q(pk__in=[])
    for day, zones in _local_days(at).items():
        if Month.of(day).previous == month:
            found |= Q(time_zone__in=zones, invoice_day__lte=day.day)
        elif Month.of(day).previous.previous == month:
            found |= Q(time_zone__in=zones, invoice_day__gt=day.day)
    return found


def _local_days(at: datetime) -> dict[date, list[str]]:
    """Which day it is then in the zones of the profiles: two at most, three around the date line."""
    days: dict[date, list[str]] = {}
    for zone in BillingProfile.objects.order_by().values_list("time_zone", flat=True).distinct():
        days.setdefault(at.astimezone(ZoneInfo(zone)).date(), []).append(zone)
    return days


def due_profiles(among: Profiles, month: Month) -> Profiles:
    """Those for which exactly this month comes next, in the order of their ids.

    They are open, not held, and not parked for a person to look; the month before was billed or, for the first
    one, it is the month of the first thing to bill or of the profile's making.
    """
    first_one = Q(last_billed=None, begins__gte=month.first, begins__lt=month.next.first)
    rows = standing(among).alias(begins=_begins())
    return rows.filter(Q(last_billed=month.previous.first) | first_one).order_by("pk")


def profiles_behind(among: Profiles, month: Month) -> Profiles:
    """Those that are not billed up to and including this month, whichever month comes next for them."""
    first_one = Q(last_billed=None, begins__lt=month.next.first)
    return standing(among).alias(begins=_begins()).filter(Q(last_billed__lt=month.first) | first_one).order_by("pk")


def look_ahead(among: Profiles, through: Month, after: Month | None = None) -> tuple[Month | None, int]:
    """The first month that comes next for somebody, not later than `through` and later than `after`, and for how many
    profiles some such month does; None and 0 where all are billed. To be asked anew after each month, for billing
    one brings the next. One statement.
    """
    if after and after >= through:
        return None, 0
    known = Q(last_billed__lt=through.first)
    new = Q(begins__lt=through.next.first)
    if after:
        known &= Q(last_billed__gte=after.first)
        new &= Q(begins__gte=after.next.first)
    rows = standing(among).annotate(begins=Case(When(last_billed=None, then=_begins()))).filter(known | new)
    found = rows.aggregate(known=Min("last_billed"), new=Min("begins"), profiles=Count("pk"))
    months = [Month.of(found["known"]).next] if found["known"] else []
    months += [Month.of(found["new"])] if found["new"] else []
    return min(months, default=None), found["profiles"]


def read_candidates(due: Profiles, seller: Seller, month: Month, *, on: date) -> tuple[list[Candidate], list[Problem]]:
    """Decide about these profiles what does not depend on their lines: VAT, language, addresses (L1).

    VAT follows the service usage address where there is one, else the sold-to (§3.2); a VAT ID takes it away
    only where its register has said yes and that yes still holds on the day of issue.

    Four statements: the rates of exchange, the VAT rates that staff entered, and two for the profiles; a plan that
    looks into four indexes per profile would join the rest one by one too.
    """
    # Where it begins is looked for only where it matters: a profile that was billed knows its next month.
    begins = Case(When(last_billed=None, then=_begins()))
    standings = due.annotate(begins=begins, park_reason=F("parked"))
    stands = {pk: facts for pk, *facts in standings.values_list("pk", "last_billed", "begins", "park_reason")}
    candidates, problems = [], []
    at = datetime.combine(on, time.max, UTC)
    rates, entered = exchanges(seller, on), entered_rates()
    for pk, currency, language, vat_id, checked, verified_at, country, used_in, *addresses in _facts(stands):
        own, shared, sold_to_fits, bill_to_fits = addresses
        if own is None and shared is None:
            problems.append(Problem(pk, ParkReason.NO_BILL_TO, ""))
        elif not sold_to_fits or not bill_to_fits:
            which = AddressKind.BILL_TO if sold_to_fits else AddressKind.SOLD_TO
            problems.append(Problem(pk, ParkReason.ADDRESS_INCOMPLETE, which))
        else:
            last, day, parked = stands[pk]
            comes_next = Month.of(last).next if last else Month.of(day)
            taken_until = month.first - timedelta(days=1) if comes_next < month else None
            counting = vat_id if checked == vat_id and VatCheck.holds(verified_at, at=at) else ""
            where = situation(
                str(seller.country),
                used_in or country,
                counting,
                one_stop_shop_from=seller.one_stop_shop_from,
                entered=entered,
            )
            exchange = rates.get(currency)
            candidates.append(Candidate(pk, currency, language, vat_id, where, exchange, bool(parked), taken_until))
    return candidates, problems


def _facts(profile_ids: Iterable[int]) -> QuerySet[Any, tuple[Any, ...]]:
    rows = BillingProfile.objects.filter(pk__in=profile_ids).annotate(
        sold_to_fits=_fits("account__sold_to"),
        bill_to_fits=ExpressionWrapper(_fits("bill_to") | _fits("account__bill_to"), BooleanField()),
    )
    return rows.values_list(
        "pk",
        "currency",
        "account__organisation__preferred_language",
        "account__vat_id",
        "account__vat_check__number",
        "account__vat_check__verified_at",
        "account__sold_to__country",
        "ship_to__country",
        "bill_to",
        "account__bill_to",
        "sold_to_fits",
        "bill_to_fits",
    )


def standing(among: Profiles) -> Profiles:
    """Those that may be billed at all, each with the first day of its last billed month."""
    open_ones = with_standing(among.exclude(status="closed")).filter(held=None)
    return open_ones.filter(Q(parked=None) | Q(parked__in=ParkedProfile.MENDED_BY_DATA))


def with_standing(among: Profiles) -> Profiles:
    """All of them, also who may not be billed, as `read_candidates` wants them."""
    billed = BillingPeriod.objects.filter(profile=OuterRef("pk")).order_by("-month")
    parked = ParkedProfile.objects.unreleased().filter(profile=OuterRef("pk"))
    held = BillingHold.objects.unreleased().filter(profile=OuterRef("pk"))
    return among.annotate(last_billed=Subquery(billed.values("month")[:1])).alias(
        parked=Subquery(parked.values("reason")[:1]), held=Subquery(held.values("pk")[:1])
    )


def _begins() -> Least:
    """The day from which a profile that was never billed has months: of its making, or of the first thing to bill."""
    one_offs = Purchase.objects.filter(term=Term.ONE_OFF)
    charges = Charge.objects.filter(subscription__profile=OuterRef("pk"), line=None)
    return Least(
        TruncDate("created_at", tzinfo=UTC),
        # One that came from another profile was billed there before.
        _first(
            Subscription.objects.filter(profile=OuterRef("pk")).annotate(begins=Greatest("started_on", "last_move_on")),
            "begins",
        ),
        _first(one_offs.filter(profile=OuterRef("pk")), "bought_on"),
        Subquery(charges.values("subscription__profile").annotate(first=Min("month")).values("first")),
    )


def _first(rows: QuerySet, day: str) -> Subquery:
    return Subquery(rows.order_by(day).values(day)[:1])


def _fits(address: str) -> Q:
    """What an invoice has to print of an address (L1). Whether a city belongs to it is for its country to say."""
    empty = [Q(**{f"{address}__{name}": ""}) for name in ("company_name", "line1")]
    return Q(**{f"{address}__is_complete": True}) & ~empty[0] & ~empty[1]
