"""Who may ask to pay by bank transfer: the rules, as people read them before they fill in anything (P16)."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.conf import settings
from django.db.models import Min, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import BillingAccount
from core.money import Money
from core.periods import Month
from core.templatetags.ui import day, money
from invoices.models import Invoice
from payments.models import Family, PaymentMethod, TransferRequest
from profiles.models import BillingProfile

# Spend is looked at over so many months, as the mean of a month.
MONTHS_LOOKED_AT = 3


@dataclass(frozen=True)
class Rule:
    """A condition with what was found of it."""

    title: str
    found: str
    is_met: bool


def transfer_rules(account: BillingAccount, profile: BillingProfile | None, *, on: date) -> list[Rule]:
    """Whether this profile, or this account of online services, may ask to pay by transfer on that day (§3.4)."""
    of: dict[str, Any] = {"profile": profile} if profile else {"account": account}
    invoices = Invoice.objects.issued().filter(kind="invoice", **of)
    return [
        _customer_for_long(account, on),
        _no_arrears(invoices.overdue(on).count()),
        _spends_enough(invoices, account.currency, on),
        _not_yet(account, profile),
    ]


def minimum_spend(currency: str) -> Money:
    """What has to be spent in a month, in the currency of the account."""
    return Money(settings.TRANSFER_MONTHLY_MINIMUM, currency)


def _customer_for_long(account: BillingAccount, on: date) -> Rule:
    first = Invoice.objects.issued().filter(account=account).aggregate(first=Min("issue_date"))["first"]
    months = settings.TRANSFER_CUSTOMER_MONTHS
    is_met = first is not None and Month.of(first).plus(months) <= Month.of(on)
    title = ngettext("A customer for %(number)d month", "A customer for %(number)d months", months)
    found = _("First invoice on %(day)s") % {"day": day(first)} if first else _("No invoice yet")
    return Rule(title % {"number": months}, found, is_met)


def _no_arrears(overdue: int) -> Rule:
    found = ngettext("%(number)d invoice is past due", "%(number)d invoices are past due", overdue)
    return Rule(_("Nothing past due"), found % {"number": overdue} if overdue else "", not overdue)


def _spends_enough(invoices: Any, currency: str, on: date) -> Rule:
    since = Month.of(on).plus(-MONTHS_LOOKED_AT)
    spent = invoices.filter(issue_date__gte=since.first).aggregate(sum=Sum("total_minor"))["sum"] or 0
    mean, least = Money(spent // MONTHS_LOOKED_AT, currency), minimum_spend(currency)
    return Rule(
        _("At least %(amount)s a month") % {"amount": money(least)},
        _("%(amount)s a month over the last three, incl. VAT") % {"amount": money(mean)},
        mean >= least,
    )


def _not_yet(account: BillingAccount, profile: BillingProfile | None) -> Rule:
    is_asked = TransferRequest.objects.open().filter(account=account, profile=profile).exists()
    methods = PaymentMethod.objects.kept().filter(account=account, profile=profile, family=Family.TRANSFER)
    if is_asked:
        return Rule(_("Not asked for yet"), _("A request is being looked at"), False)
    return Rule(_("Not asked for yet"), _("Paying by transfer was agreed already") if methods else "", not methods)
