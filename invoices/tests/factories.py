"""Rows for tests of this app and of those above it: issued invoices that satisfy every constraint.

An invoice is made as the billing run makes one: lines, VAT on their sum, postings, a number of its
series, a document and a dispatch; `manage.py check_invariants` finds nothing wrong with it.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import factory
from django.db import transaction
from factory.django import DjangoModelFactory

from accounts.models import Seller
from accounts.tests.factories import SellerFactory
from core.money import Money
from core.periods import Month, due_date
from invoices.models import (
    BillingPeriod,
    Charge,
    ChargeImport,
    Dispatch,
    Document,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    LedgerAccount,
    NumberSeries,
    ParkedProfile,
    ParkReason,
    Posting,
    PurchaseOrder,
    VatGroup,
    VatRate,
)
from profiles.models import BillingProfile
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Subscription

OCTOBER = Month(2026, 10)


class InvoiceFactory(DjangoModelFactory):
    """An issued invoice of one month, due and with one line of € 100.00 and 21 % VAT.

    `lines=[12_345, 500]` are nets in cents, or dictionaries of InvoiceLine values, each with a `vat_category`
    and `vat_rate` of its own where it has another than the others; `month` is the
    billing period (next to the profile's last one, or October 2026), `issue_date` the fifth of the
    month after; `status` is `due`, `paid` (settled in full) or `draft` (no number); `kind` may be a
    credit note.
    """

    class Meta:
        model = Invoice

    profile = factory.SubFactory(BillingProfileFactory)
    lines = (10_000,)
    rate = Decimal(21)
    status = "due"
    kind = InvoiceKind.INVOICE

    @classmethod
    def _create(cls, model_class: type[Invoice], *args: Any, **values: Any) -> Invoice:
        with transaction.atomic():
            return _issued(**values)


class ChargeImportFactory(DjangoModelFactory):
    class Meta:
        model = ChargeImport

    file_name = factory.Sequence(lambda n: f"charges-{n}.csv")
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
    size_bytes = 1000


class VatRateFactory(DjangoModelFactory):
    """What staff entered: the rate of electronic publications in Hungary unless it is told otherwise."""

    class Meta:
        model = VatRate

    country = "HU"
    kind = "reduced"
    valid_from = date(2026, 1, 1)
    rate = 5
    source = "Gazette 1/2026"


class ChargeFactory(DjangoModelFactory):
    """A charge of October 2026 that is on no invoice yet: `ChargeFactory(subscription=..., cost="0.0123")`."""

    class Meta:
        model = Charge

    imported_from = factory.SubFactory(ChargeImportFactory)
    row_number = factory.Sequence(lambda n: n + 1)
    account = factory.SelfAttribute("subscription.account")
    month = OCTOBER.first
    category = "Usage"
    service_name = "Compute"
    sku_id = "D4S-V5"
    description = "D4s v5, West Europe"
    quantity = Decimal(10)
    unit = "Hours"
    cost = Decimal("1.230000000000000001")
    currency = factory.SelfAttribute("account.currency")
    started_at = datetime(2026, 10, 1, tzinfo=UTC)
    ended_at = datetime(2026, 10, 2, tzinfo=UTC)


class PurchaseOrderFactory(DjangoModelFactory):
    """An order of € 1,000.00 from October 2026 on."""

    class Meta:
        model = PurchaseOrder

    profile = factory.SubFactory(BillingProfileFactory)
    number = factory.Sequence(lambda n: f"45{n:05}")
    budget_minor = 100_000
    valid_from = OCTOBER.first


class ParkedProfileFactory(DjangoModelFactory):
    class Meta:
        model = ParkedProfile

    profile = factory.SubFactory(BillingProfileFactory)
    month = OCTOBER.first
    reason = ParkReason.ADDRESS_INCOMPLETE


def _issued(
    *,
    profile: BillingProfile,
    lines: Sequence[int | dict[str, Any]],
    rate: Decimal,
    status: str,
    kind: str,
    month: Month | None = None,
    issue_date: date | None = None,
    **values: Any,
) -> Invoice:
    seller = Seller.objects.first() or SellerFactory()
    account, currency = profile.account, profile.currency
    month = month or _next_month(profile)
    issue_date = issue_date or month.next.first + timedelta(days=4)
    line_values = [line if isinstance(line, dict) else {"net_minor": line} for line in lines]
    net = Money.total((Money(line["net_minor"], currency) for line in line_values), currency)
    bases: dict[tuple[str, Decimal], Money] = {}
    for line in line_values:
        group = line.get("vat_category", "S"), line.get("vat_rate", rate)
        bases[group] = bases.get(group, Money.zero(currency)) + Money(line["net_minor"], currency)
    vat = Money.total((base.share(percent / 100) for (_category, percent), base in bases.items()), currency)
    draft = Invoice.objects.create(
        **{
            "kind": kind,
            "account": account,
            "profile": profile,
            "period": _period(profile, month) if status != "draft" else None,
            "period_start": month.first,
            "period_end": month.last,
            "currency": currency,
            "net_minor": net.minor,
            "vat_minor": vat.minor,
            "total_minor": (net + vat).minor,
            "seller": seller.snapshot(),
            "sold_to": account.sold_to.snapshot(),
            "bill_to": profile.invoice_address.snapshot(),
            "account_name": account.name,
            "profile_name": profile.name,
            "customer_vat_id": account.vat_id,
            "po_number": profile.po_number,
            "payment_term_days": profile.payment_term_days,
            "language": account.organisation.preferred_language,
            **values,
        }
    )
    for position, line in enumerate(line_values, start=1):
        InvoiceLine.objects.create(
            **{
                "invoice": draft,
                "position": position,
                "section": "Production",
                "description": f"Service {position}",
                "service_name": "Compute",
                "quantity": 1,
                "unit_price": Money(line["net_minor"], currency).amount,
                "service_start": month.first,
                "service_end": month.last,
                "vat_category": "S",
                "vat_rate": rate,
                **line,
            }
        )
    for (category, percent), base in bases.items():
        share = base.share(percent / 100)
        VatGroup.objects.create(
            invoice=draft, category=category, rate=percent, base_minor=base.minor, vat_minor=share.minor
        )
    if status != "draft":
        _number(draft, status, issue_date)
    return Invoice.objects.get(pk=draft.pk)


def _number(draft: Invoice, status: str, issue_date: date) -> None:
    is_note = draft.kind == InvoiceKind.CREDIT_NOTE
    NumberSeries.objects.get_or_create(kind=draft.kind, defaults={"prefix": "GC" if is_note else "G"})
    series = NumberSeries.objects.select_for_update().get(kind=draft.kind)
    number, series.next_number = str(series), series.next_number + 1
    series.last_issue_date = max(series.last_issue_date or issue_date, issue_date)
    series.save()
    for account, amount in ((LedgerAccount.REVENUE, draft.net), (LedgerAccount.VAT, draft.vat)):
        if amount:
            pair = (account, LedgerAccount.RECEIVABLE) if is_note else (LedgerAccount.RECEIVABLE, account)
            _post(draft, f"invoice:{draft.code}", *pair, amount, issue_date)
    Document.objects.create(invoice=draft)
    Dispatch.objects.create(invoice=draft)
    Invoice.objects.filter(pk=draft.pk).update(
        number=number,
        issue_date=issue_date,
        due_date=issue_date if is_note else due_date(issue_date, draft.payment_term_days),
        status="due" if draft.total else "paid",
    )
    if status == "paid" and draft.total:
        _post(draft, "payment:factory", LedgerAccount.GATEWAY, LedgerAccount.RECEIVABLE, draft.total, issue_date)
        Invoice.objects.filter(pk=draft.pk).update(settled_minor=draft.total_minor, status="paid")


def _post(invoice: Invoice, reference: str, debit: str, credit: str, amount: Money, on: date) -> None:
    Posting.objects.create(
        account=invoice.account,
        profile=invoice.profile,
        invoice=invoice,
        reference=reference,
        debit=debit,
        credit=credit,
        amount_minor=amount.minor,
        currency=amount.currency,
        posted_on=on,
    )


def _next_month(profile: BillingProfile) -> Month:
    last = BillingPeriod.objects.filter(profile=profile).order_by("-month").first()
    return Month.of(last.month).next if last else OCTOBER


def _period(profile: BillingProfile, month: Month) -> BillingPeriod | None:
    """The period of that month with those in between; None where it lies before the profile's first."""
    first = BillingPeriod.objects.filter(profile=profile).order_by("month").first()
    if first is None:
        return BillingPeriod.objects.create(profile=profile, month=month.first)
    current = Month.of(first.month)
    while current < month:
        current = current.next
        BillingPeriod.objects.get_or_create(profile=profile, month=current.first)
    period = BillingPeriod.objects.filter(profile=profile, month=month.first).first()
    return period if period and not Invoice.objects.filter(period=period).exists() else None


def imported_subscription(profile: BillingProfile, external_id: str = "sub-1") -> Subscription:
    """A subscription that only its imported charges put a price on."""
    return Subscription.objects.create(
        account=profile.account,
        profile=profile,
        external_id=external_id,
        name=external_id,
        currency=profile.currency,
        started_on=OCTOBER.first,
    )
