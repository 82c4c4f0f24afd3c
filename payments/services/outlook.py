"""What an open invoice has before it: its next charge, how far collecting has come, what could be set off (P9)."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, Exists, Subquery, Sum
from django.utils import timezone

from core.money import Money
from invoices.models import Invoice
from payments.models import CollectionCase, DebitNotice, PayLink, PaymentMethod
from payments.schedule import Act, day_of
from payments.services.cases import schedule_for
from payments.services.collecting import chargeable
from payments.services.overpaid import balances_of
from profiles.models import BillingProfile


@dataclass(frozen=True, slots=True)
class Outlook:
    """`charge` is the day on which the invoice is charged by itself, and with what; None where somebody has to pay it.
    `balance` is what was overpaid on its profile before, `links` the number of mails whose link still pays it."""

    case: CollectionCase | None
    charge: tuple[date, PaymentMethod] | None
    balance: Money
    links: int


def outlook_of(invoice: Invoice, *, at: datetime) -> Outlook:
    """How an open invoice stands. One statement; one more for each of an announced direct debit, an open case, and a
    card that may be charged."""
    notices = DebitNotice.objects.filter(invoice=invoice, status="announced")
    cases = CollectionCase.objects.open().filter(invoice=invoice)
    links = PayLink.objects.filter(invoice=invoice).working(at).order_by().values("invoice")
    lots = balances_of(invoice.account).filter(profile=invoice.profile_id).order_by().values("profile")
    profile = (
        BillingProfile.objects.select_related("methods__default", "methods__backup")
        .annotate(
            has_notice=Exists(notices),
            has_case=Exists(cases),
            working_links=Subquery(links.annotate(number=Count("pk")).values("number")),
            balance_minor=Subquery(lots.annotate(left=Sum("balance_minor")).values("left")),
        )
        .get(pk=invoice.profile_id)
    )
    case = cases.select_related("invoice__profile").first() if profile.has_case else None
    notice = notices.select_related("mandate__method").first() if profile.has_notice else None
    by_card = None if notice else _charge_by_card(invoice, profile, case, on=timezone.localdate(at))
    charge = (notice.collects_on, notice.mandate.method) if notice else by_card
    return Outlook(case, charge, Money(profile.balance_minor or 0, profile.currency), profile.working_links or 0)


def _charge_by_card(
    invoice: Invoice, profile: BillingProfile, case: CollectionCase | None, *, on: date
) -> tuple[date, PaymentMethod] | None:
    cards = chargeable(getattr(profile, "methods", None), invoice, on=on)
    if not cards or invoice.due_date is None:
        return None
    if case is None:
        return max(invoice.due_date, on), cards[0]
    day = day_of(schedule_for(case, profile), Act.CHARGE, after=case.last_day)
    return (max(case.day_of(day), on), cards[0]) if day is not None else None
