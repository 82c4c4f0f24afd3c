"""Staff enter a VAT rate of a member state: laws do not wait for a release.

What invoices were issued with is never changed, only ended: a rate counts from a day after the last tax point that
was invoiced otherwise.
"""

from datetime import date, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Max, Q
from django.db.models.functions import Least
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Refused
from core.templatetags.ui import day as day_words
from invoices.models import BillingRun, InvoiceLine, RateKind, VatRate
from invoices.models.vat_rates import HIGHEST, LOWEST_STANDARD
from invoices.states import InvoiceStatus, RunStatus
from invoices.tax import UNION, ZERO_RATED, DatedRate, counting_on, rates_of
from invoices.vat_rates import entered_rates

# Far enough for every law, and near enough for a wrong century to show. What is older was never invoiced here.
FIRST_DAY, YEARS_AHEAD = date(2015, 1, 1), 5


@transaction.atomic
def enter_rate(
    *, country: str, kind: str, valid_from: date, rate: Decimal | None, source: str, by: User | None, on: date
) -> VatRate:
    """Let that rate in percent count from its first day until the next one that is known; None where none is known.

    Refuses `no_member_state`, `no_such_day`, `no_rate`, `source_missing`, `rate_known`, `run_under_way` and
    `rate_used`.
    """
    source = source.strip()
    if country not in UNION:
        raise Refused(_("This is no member state of the European Union."), "no_member_state")
    if not FIRST_DAY <= valid_from <= on + timedelta(days=366 * YEARS_AHEAD):
        raise Refused(_("Enter a day from 2015 to five years from now."), "no_such_day")
    if kind == RateKind.STANDARD and (rate is None or not LOWEST_STANDARD <= rate <= HIGHEST):
        raise Refused(_("A standard rate is from 15 to 50 percent, and every member state has one."), "no_rate")
    if rate is not None and not 0 <= rate <= HIGHEST:
        raise Refused(_("Enter a rate from 0 to 50 percent."), "no_rate")
    if not source:
        raise Refused(_("Write down where the rate comes from, for whoever checks it."), "source_missing")
    dated = rates_of(country, kind, entered_rates())
    counting = counting_on(dated, valid_from)
    if counting and (counting.since, counting.rate) == (valid_from, rate):
        raise Refused(_("This rate is known from that day already."), "rate_known")
    following = min((each.since for each in dated if each.since > valid_from), default=date.max)
    if valid_from <= on and BillingRun.objects.filter(status=RunStatus.RUNNING).exists():
        raise Refused(
            _("A billing run is under way with the rates of before. Enter this one when it has ended."), "run_under_way"
        )
    if counting and counting.rate is not None:
        _demand_unused(counting, counting.rate, valid_from, following)
    return VatRate.objects.create(
        country=country, kind=kind, valid_from=valid_from, rate=rate, source=source, entered_by=by
    )


def _demand_unused(counting: DatedRate, rate: Decimal, since: date, following: date) -> None:
    """Refuse where invoices were issued with that rate for a tax point from `since` on, before `following`.

    A line says its rate and its invoice both countries, but not which of the two was decisive; where both have the
    same rate this refuses more than it needs to.
    """
    sold_there = Q(invoice__ship_to={}, invoice__sold_to__country=counting.country)
    there = Q(invoice__seller__country=counting.country) | Q(invoice__ship_to__country=counting.country) | sold_there
    lines = InvoiceLine.objects.filter(
        there,
        invoice__issue_date__gte=since,
        vat_category="S" if rate else ZERO_RATED.category,
        vat_rate=rate,
        service_end__gte=since,
    ).exclude(invoice__status=InvoiceStatus.DRAFT)
    used = lines.annotate(tax_point=Least("service_end", "invoice__issue_date")).filter(tax_point__lt=following)
    last: date | None = used.aggregate(last=Max("tax_point"))["last"]
    if last is not None:
        raise Refused(
            _("Invoices stand on %(rate)s percent up to %(day)s. It is not changed any more: let it end later.")
            % {"rate": f"{rate.normalize():f}", "day": day_words(last)},
            "rate_used",
        )
