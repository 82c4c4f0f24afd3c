"""Paying, crediting, voiding, approving and using credits at once, on committed transactions (Q9).

Whoever wins, every cent is somewhere once. The default run takes each race once; `--long` fifty times.
"""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from accounts.tests.factories import SellerFactory, UserFactory
from billing_portal.invariants import find_violations
from core.money import Money
from core.periods import Month
from invoices.models import Correction, CreditLot, Invoice
from invoices.services.correcting import credit_lines, void_invoice
from invoices.services.correction_requests import approve_correction, decline_correction, request_correction
from invoices.services.credits import give_credit, move_credit, take_back_credit
from invoices.services.run import run_billing
from invoices.tests.factories import InvoiceFactory
from payments.models import Payment
from payments.tests.test_races import CROWD, a_payable_invoice, at_once, captures, pays
from profiles.tests.factories import BillingProfileFactory
from subscriptions.tests.factories import SubscriptionFactory

pytestmark = pytest.mark.django_db(transaction=True)

ON = date(2026, 11, 20)


@pytest.fixture
def bursts(long):
    """How often a race is run."""
    return range(50 if long else 1)


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory()


def assert_all_well() -> None:
    """All but that the accounts of these tests have no owner."""
    assert [str(each) for each in find_violations() if each.invariant != "I20"] == []


def test_Q9_pay_and_void_at_once_leave_no_money_behind(bursts):
    for _burst in bursts:
        invoice, method, (person,) = a_payable_invoice()

        answers = at_once(
            [pays(invoice, method, person, uuid.uuid4().hex) for _number in range(CROWD // 2)]
            + [lambda: void_invoice(invoice, reason="Wrong", by=None, on=ON)] * (CROWD // 2)  # noqa: B023 run at once
        )

        invoice.refresh_from_db()
        assert (invoice.status, Correction.objects.filter(original=invoice).count()) == ("void", 1)
        note = Correction.objects.get(original=invoice).credit_note
        paid = Payment.objects.settled().filter(allocations__invoice=invoice)
        kept = sum(payment.kept.minor for payment in paid)
        # What was paid before the voiding is left on the credit note; what came after it is kept as a balance.
        assert note.amount_due.minor + kept == paid.count() * invoice.total_minor
        assert (paid.count(), captures(invoice)) in {(0, 0), (1, 1)}
        told = [answer for answer in answers if isinstance(answer, str)]
        assert len(told) == CROWD - 1 - paid.count()
        assert set(told) <= {"not_payable", "under_way", "not_creditable"}
        assert_all_well()


def test_Q9_crediting_the_same_line_at_once_credits_it_once(bursts):
    for _burst in bursts:
        invoice = InvoiceFactory(lines=[10_000])
        line = invoice.lines.get()
        amounts = {line.pk: Money(6_000, "EUR")}

        answers = at_once([lambda: credit_lines(invoice, amounts, reason="Half", by=None, on=ON)] * CROWD)  # noqa: B023

        assert sorted(map(str, answers)).count("more_than_line") == CROWD - 1
        invoice.refresh_from_db()
        assert invoice.amount_due.minor == 12_100 - 7_260
        assert_all_well()


def test_Q9_approving_and_declining_at_once_decides_once(bursts):
    for _burst in bursts:
        invoice, _method, (person,) = a_payable_invoice(issue_date=ON)
        staff = UserFactory(staff=True)
        asked = request_correction(
            invoice, reason="po_number", proposed={"po_number": "PO-9"}, explanation="", by=person
        )

        at_once(
            [lambda: approve_correction(asked, answer="", by=staff, on=ON)] * (CROWD // 2)  # noqa: B023
            + [lambda: decline_correction(asked, answer="No", by=staff)] * (CROWD // 2)  # noqa: B023
        )

        asked.refresh_from_db()
        made = Correction.objects.filter(request=asked).count()
        assert (asked.status, made) in [("approved", 1), ("declined", 0)]
        assert Invoice.objects.filter(profile=invoice.profile).count() == 1 + 2 * made
        assert_all_well()


def test_Q9_I18_a_credit_is_used_taken_back_and_moved_at_once_and_spent_once(bursts):
    for _burst in bursts:
        profile = BillingProfileFactory(created_at=datetime(2026, 10, 1, tzinfo=UTC))
        other = BillingProfileFactory(account=profile.account, created_at=datetime(2026, 10, 1, tzinfo=UTC))
        for each in (profile, other):
            SubscriptionFactory(profile=each, unit_price=Decimal(100), started_on=date(2026, 10, 1))
        lot = give_credit(
            profile,
            source="promotion",
            amount=Money(5_000, profile.currency),
            starts_on=date(2026, 10, 1),
            expires_on=None,
            description="Welcome",
            reason="As agreed",
            by=None,
            on=date(2026, 10, 1),
        )
        among = type(profile).objects.filter(pk__in=[profile.pk, other.pk])

        at_once(
            [lambda: run_billing(Month(2026, 10), on=ON, among=among)] * 4  # noqa: B023
            + [lambda: take_back_credit(lot, reason="Mistake", by=None, on=ON)] * 8  # noqa: B023
            + [lambda: move_credit(lot, profile=other, reason="Asked", by=None, on=ON)] * 8  # noqa: B023
        )

        assert CreditLot.objects.get(pk=lot.pk).balance_minor == 0
        assert Invoice.objects.filter(profile__in=among).count() == 2
        assert_all_well()
