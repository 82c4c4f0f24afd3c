"""Numbers of a series: from 1, without a gap, never back in time; issued documents are final (I6, I8, PR1)."""

from datetime import date

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from accounts.models import Seller
from accounts.tests.factories import SellerFactory
from core.errors import Refused
from core.periods import Month
from invoices.models import BillingPeriod, Document, Invoice, InvoiceLine, NumberSeries, Posting, VatGroup
from invoices.services.issuing import SumsDiffer, ensure_series, issue_drafts
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db

FIFTH = date(2026, 11, 5)


@pytest.fixture(autouse=True)
def seller() -> Seller:
    seller = SellerFactory(number_prefix="2026-")
    ensure_series(seller)
    return seller


def draft(**values) -> Invoice:
    return InvoiceFactory(status="draft", **values)


def test_I8_drafts_are_numbered_together_each_kind_in_its_own_series():
    drafts = [draft(), draft(kind="credit_note"), draft(lines=[0]), draft(lines=[50])]

    issue_drafts([each.pk for each in drafts], on=FIFTH)

    assert list(Invoice.objects.order_by("pk").values_list("number", "status", "due_date")) == [
        ("2026-000000001", "due", date(2026, 12, 5)),
        ("2026-C000000001", "due", FIFTH),
        ("2026-000000002", "paid", date(2026, 12, 5)),
        ("2026-000000003", "due", date(2026, 12, 5)),
    ]
    assert dict(NumberSeries.objects.values_list("kind", "next_number")) == {"invoice": 4, "credit_note": 2}


def test_I8_a_date_before_that_of_the_series_is_refused_and_takes_no_number():
    issue_drafts([draft().pk], on=FIFTH)
    late = draft()

    with pytest.raises(Refused) as refusal, transaction.atomic():
        issue_drafts([late.pk], on=date(2026, 11, 4))

    assert refusal.value.code == "date_runs_backwards"
    assert NumberSeries.objects.get(kind="invoice").next_number == 2
    assert Document.objects.count() == 1
    issue_drafts([late.pk], on=FIFTH)
    assert Invoice.objects.get(pk=late.pk).number == "2026-000000002"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda invoice: InvoiceLine.objects.filter(invoice=invoice).update(net_minor=9_999),
        lambda invoice: VatGroup.objects.filter(invoice=invoice).update(vat_minor=2_099),
        lambda invoice: VatGroup.objects.filter(invoice=invoice).update(base_minor=9_999),
        lambda invoice: VatGroup.objects.filter(invoice=invoice).delete(),
    ],
    ids=["line", "VAT", "base", "no VAT group"],
)
def test_PR6_a_draft_whose_sums_differ_gets_no_number(spoil):
    invoice = draft()
    spoil(invoice)

    with pytest.raises(SumsDiffer) as differing, transaction.atomic():
        issue_drafts([invoice.pk], on=FIFTH)

    assert differing.value.profile_ids == [invoice.profile_id]
    assert (Posting.objects.count(), NumberSeries.objects.get(kind="invoice").next_number) == (0, 1)


def test_the_prefix_follows_the_seller_and_the_numbers_go_on(seller):
    issue_drafts([draft().pk], on=FIFTH)
    seller.number_prefix = "N"

    ensure_series(seller)
    issue_drafts([draft().pk], on=FIFTH)

    assert list(Invoice.objects.order_by("pk").values_list("number", flat=True)) == ["2026-000000001", "N000000002"]


def test_I8_a_series_ends_where_its_digits_do():
    NumberSeries.objects.filter(kind="invoice").update(next_number=999_999_999)
    issue_drafts([draft().pk], on=FIFTH)
    assert Invoice.objects.get().number == "2026-999999999"
    last = draft()

    with pytest.raises(IntegrityError), transaction.atomic():
        issue_drafts([last.pk], on=FIFTH)


@pytest.mark.parametrize(
    "change",
    [
        {"number": "G1"},
        {"total_minor": 1, "net_minor": 1, "vat_minor": 0},
        {"sold_to": {}},
        {"issue_date": date(2027, 1, 1)},
        {"po_number": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_I6_an_issued_invoice_changes_in_nothing_it_prints(change):
    invoice = InvoiceFactory()

    with pytest.raises(DatabaseError, match="final"), transaction.atomic():
        Invoice.objects.filter(pk=invoice.pk).update(**change)


def test_I6_what_belongs_to_an_issued_invoice_is_neither_changed_nor_removed():
    invoice = InvoiceFactory()
    attempts = [
        lambda: invoice.lines.update(description="another"),
        lambda: invoice.lines.all().delete(),
        lambda: invoice.vat_groups.update(wording="another"),
        lambda: Invoice.objects.filter(pk=invoice.pk)._raw_delete(using="default"),
        lambda: BillingPeriod.objects.update(month=Month(2026, 12).first),
        lambda: Document.objects.all().delete(),
    ]

    for attempt in attempts:
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()


def test_I6_a_draft_may_be_changed_and_removed():
    invoice = draft()

    invoice.lines.update(description="another")
    invoice.delete()

    assert not Invoice.objects.exists()


def test_I7_the_database_demands_the_month_before():
    profile = BillingProfileFactory()
    BillingPeriod.objects.create(profile=profile, month=Month(2026, 10).first)

    with pytest.raises(DatabaseError, match="was not billed"), transaction.atomic():
        BillingPeriod.objects.create(profile=profile, month=Month(2026, 12).first)
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingPeriod.objects.create(profile=profile, month=Month(2026, 10).first)
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingPeriod.objects.create(profile=profile, month=date(2026, 11, 2))


def test_I7_a_period_has_one_invoice():
    period = InvoiceFactory().period

    with pytest.raises(IntegrityError), transaction.atomic():
        InvoiceFactory(profile=period.profile, period=period)
