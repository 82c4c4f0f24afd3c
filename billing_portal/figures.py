"""The figures of an account's overview: what is owed, by age; what was invoiced, month by month."""

from datetime import date, timedelta
from typing import Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncMonth
from django.utils.translation import gettext as _

from accounts.models import BillingAccount
from core.charts import AgeBar, Series, StackedBars, age_bars
from core.money import Money
from core.periods import Month, months_between
from core.policy import Action
from core.templatetags.ui import money
from core.templatetags.ui import month as month_name
from invoices.models import Invoice, InvoiceLine
from payments.models import Payment

SERIES = 3


def amounts(user: Any, account: BillingAccount, on: date) -> dict[str, Any]:
    """What is open and how late it is, and what was paid this month; two statements."""
    late = {"a_week": on - timedelta(days=7), "a_month": on - timedelta(days=30)}
    owed = Sum("amount_due_minor", default=0)
    seen = Invoice.objects.allowing(user, Action.INVOICE_VIEW).filter(account=account)
    found = seen.open().aggregate(
        count=Count("pk"),
        late_count=Count("pk", filter=Q(due_date__lt=on)),
        due=owed,
        not_yet=Sum("amount_due_minor", filter=Q(due_date__gte=on), default=0),
        week=Sum("amount_due_minor", filter=Q(due_date__lt=on, due_date__gte=late["a_week"]), default=0),
        month=Sum("amount_due_minor", filter=Q(due_date__lt=late["a_week"], due_date__gte=late["a_month"]), default=0),
        older=Sum("amount_due_minor", filter=Q(due_date__lt=late["a_month"]), default=0),
    )
    paid = (
        Payment.objects.allowing(user, Action.INVOICE_VIEW)
        .filter(account=account, status="succeeded", settled_at__date__gte=on.replace(day=1))
        .aggregate(count=Count("pk"), minor=Sum("amount_minor", default=0))
    )
    in_currency = {name: Money(found[name], account.currency) for name in ("due", "not_yet", "week", "month", "older")}
    return {
        **in_currency,
        "count": found["count"],
        "late_count": found["late_count"],
        "paid": Money(paid["minor"], account.currency),
        "paid_count": paid["count"],
    }


def by_age(found: dict[str, Any]) -> list[AgeBar]:
    """The amount due, split by how late it is."""
    return age_bars(
        [
            (_("Not yet due"), found["not_yet"], "fill"),
            (_("1–7 days late"), found["week"], "w"),
            (_("8–30 days late"), found["month"], "d"),
            (_("Over 30 days"), found["older"], "d"),
        ]
    )


def invoiced_per_month(user: Any, account: BillingAccount, on: date) -> StackedBars | None:
    """Twelve closed months by service, excl. VAT, with the totals of the year before; None without any.

    The two services with the largest sums stand by themselves, all others together.
    """
    last = Month.of(on).previous
    months = list(months_between(last.plus(-11), last))
    rows = (
        InvoiceLine.objects.filter(
            invoice__in=Invoice.objects.allowing(user, Action.INVOICE_VIEW).filter(account=account).issued(),
            invoice__period_start__gte=months[0].plus(-12).first,
            invoice__period_start__lte=last.last,
        )
        .exclude(invoice__status="void")
        .annotate(month=TruncMonth(F("invoice__period_start")))
        .values_list("service_name", "month", "invoice__kind")
        .annotate(minor=Sum("net_minor"))
    )
    sums: dict[tuple[str, Month], int] = {}
    for service, month, kind, minor in rows:
        sign = -1 if kind == "credit_note" else 1
        key = (service, Month.of(month))
        sums[key] = sums.get(key, 0) + sign * int(minor)
    totals = {
        service: sum(minor for (name, month), minor in sums.items() if name == service and month in months)
        for service in {service for service, _month in sums}
    }
    named = [service for service, total in sorted(totals.items(), key=lambda item: -item[1]) if total]
    if not named:
        return None
    shown = named if len(named) <= SERIES else named[: SERIES - 1]
    series = [Series(name, [_of(sums, account, month, {name}) for month in months]) for name in shown]
    if len(named) > len(shown):
        rest = set(named) - set(shown)
        series.append(Series(_("Other services"), [_of(sums, account, month, rest) for month in months]))
    everything = set(totals)
    before = [_of(sums, account, month.plus(-12), everything) for month in months]
    return StackedBars(
        _("Invoiced per month by service"),
        _("From %(first)s to %(last)s, excl. VAT; the latest month came to %(amount)s. The table has every figure.")
        % {
            "first": month_name(months[0]),
            "last": month_name(last),
            "amount": money(_of(sums, account, last, everything)),
        },
        months,
        series,
        account.currency,
        reference=before if any(before) else None,
        reference_name=_("Total a year earlier"),
    )


def _of(sums: dict[tuple[str, Month], int], account: BillingAccount, month: Month, names: set[str]) -> Money:
    return Money(sum(sums.get((name, month), 0) for name in names), account.currency)
