"""The factories make what the database allows, and what a run would have made."""

import pytest

from core.periods import Month
from invoices.models import BillingPeriod, Dispatch, Document, Posting
from invoices.tests.factories import ChargeFactory, InvoiceFactory, ParkedProfileFactory, imported_subscription
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db


def test_I4_an_invoice_of_the_factory_adds_up_and_is_numbered():
    first = InvoiceFactory(lines=[12_345, 500])
    second = InvoiceFactory(profile=first.profile, status="paid")

    assert (first.number, first.net_minor, first.vat_minor, first.total_minor) == ("G000000001", 12845, 2697, 15542)
    assert (first.status, first.amount_due_minor, second.status, second.amount_due_minor) == ("due", 15542, "paid", 0)
    assert (second.number, second.period_start) == ("G000000002", Month(2026, 11).first)
    assert sorted(first.postings.values_list("debit", "credit", "amount_minor")) == [
        ("receivable", "revenue", 12845),
        ("receivable", "vat", 2697),
    ]
    assert (Document.objects.count(), Dispatch.objects.count(), Posting.objects.count()) == (2, 2, 5)


def test_I7_months_between_two_invoices_of_the_factory_are_filled():
    profile = BillingProfileFactory()

    InvoiceFactory(profile=profile, month=Month(2026, 1))
    InvoiceFactory(profile=profile, month=Month(2026, 4))

    assert BillingPeriod.objects.filter(profile=profile).count() == 4


def test_a_draft_and_a_credit_note_of_the_factory_have_their_own_shape():
    draft, note = InvoiceFactory(status="draft"), InvoiceFactory(kind="credit_note")

    assert (draft.number, draft.issue_date, draft.postings.count()) == (None, None, 0)
    assert note.number == "GC000000001"
    assert set(note.postings.values_list("credit", flat=True)) == {"receivable"}


def test_a_charge_and_a_parking_of_the_factory_are_as_delivered():
    charge = ChargeFactory(subscription=imported_subscription(BillingProfileFactory()))

    assert (charge.account, charge.line_id) == (charge.subscription.account, None)
    assert ParkedProfileFactory().released_at is None
