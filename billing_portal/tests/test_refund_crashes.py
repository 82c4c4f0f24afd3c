"""A refund, with the process killed before each of its statements in turn (F03, I17)."""

import random
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.tests.factories import UserFactory
from billing_portal.invariants import find_violations
from core.models import Message
from invoices.models import Posting
from payments.gateways.sandbox.models import Refund as GivenBack
from payments.models import CollectionCase, Refund
from payments.services.pay import pay_invoices
from payments.services.refunds import agree_refund, ask_refund, carry_out
from payments.tests.test_crashes import SAMPLE, a_purchase, counted_statements, in_a_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("limit", ["one person", "two people"])
def test_F03_I17_a_refund_killed_at_any_statement_goes_back_once(limit, long, settings):
    """Asked for, agreed and carried out, each in a process that is killed; then staff look and the job runs."""
    settings.SECOND_PERSON_ABOVE = 0 if limit == "two people" else 10_000
    staff, second = UserFactory(staff=True), UserFactory(staff=True)

    def refund_of(payment):
        return Refund.objects.filter(payment=payment).first()

    def go_on(payment, at=None):
        """What staff do next, or the job."""
        refund = refund_of(payment)
        if refund is None:
            ask_refund(payment, payment.amount, reason="Paid by mistake", by=staff)
        elif refund.status == "proposed":
            agree_refund(refund, by=second)
        else:
            carry_out(refund, at=at or timezone.now())

    def a_paid_one():
        invoice, method, payer = a_purchase("visa")
        return invoice, pay_invoices([invoice], method=method, by=payer, request_key=uuid.uuid4().hex)

    def all_of_it(payment):
        for _step in range(3):
            go_on(payment)

    _invoice, counted = a_paid_one()
    last = counted_statements(lambda: all_of_it(counted))
    points = range(1, last + 1) if long else sorted(random.Random(limit).sample(range(1, last + 1), SAMPLE // 2))
    for point in points:
        invoice, payment = a_paid_one()

        assert not in_a_process(lambda payment=payment: all_of_it(payment), dies_at=point), point

        later = timezone.now() + timedelta(hours=1)
        for _step in range(4):
            if (refund := refund_of(payment)) is None or refund.status in ("proposed", "agreed"):
                go_on(payment, later)
        payment.refresh_from_db()
        invoice.refresh_from_db()
        gone = GivenBack.objects.filter(charge__key=payment.idempotency_key)
        assert [row.amount for row in gone] == [payment.amount_minor], point
        assert (refund_of(payment).status, payment.status) == ("given_back", "refunded"), point
        assert (invoice.status, invoice.amount_due) == ("due", invoice.total), point
        assert Posting.objects.filter(invoice=invoice, credit="gateway").count() == 1, point
        assert CollectionCase.objects.open().filter(invoice=invoice).count() == 1, point
        assert Message.objects.about(f"payment:{payment.code}").filter(template="payment_refunded").count() <= 2, point
    assert [str(each) for each in find_violations() if each.invariant != "I20"] == []
