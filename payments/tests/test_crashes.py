"""Paying, with the process killed before each of its statements in turn (M4, F02, F03).

Portal and sandbox are killed together, at every point between the first look and the last commit. After
each kill the customer sends the same form again, the look-up runs when it is due, and the customer tries
anew: whatever the point, money was taken once and everything agrees.
"""

import os
import random
import signal
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from core.jobs import run_due
from core.models import Message
from core.policy import Role
from invoices.models import Posting
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox.models import Charge
from payments.models import Allocation, GatewayHealth, Payment
from payments.services.pay import pay_invoices
from payments.services.settle import look_up
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLE = 12


class DiesAt:
    """Kills this process before its statement of that number."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, execute, sql, params, many, context):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)


def in_a_process(call, dies_at):
    """Run the call in a process of its own; whether it lived to the end."""
    connection.close()
    child = os.fork()
    if child == 0:
        with connection.execute_wrapper(DiesAt(dies_at)):
            try:
                call()
            finally:
                connection.close()
                os._exit(0)
    _pid, status = os.waitpid(child, 0)
    return not os.WIFSIGNALED(status)


def a_purchase(specimen):
    GatewayHealth.objects.all().delete()  # each payment begins at a gateway that nobody complained of
    profile = BillingProfileFactory()
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    return InvoiceFactory(profile=profile), PaymentMethodFactory(account=profile.account, specimen=specimen), payer


def statements_of(specimen):
    """How many statements a payment takes when nothing happens to it, and it is not the first."""
    invoice, method, payer = a_purchase(specimen)
    pay_invoices([invoice], method=method, by=payer, request_key=uuid.uuid4().hex)
    invoice, method, payer = a_purchase(specimen)
    return counted_statements(lambda: pay_invoices([invoice], method=method, by=payer, request_key=uuid.uuid4().hex))


def counted_statements(call):
    count = 0

    def counting(execute, sql, params, many, context):
        nonlocal count
        count += 1
        return execute(sql, params, many, context)

    with connection.execute_wrapper(counting):
        call()
    return count


@pytest.mark.parametrize("specimen", ["visa", "cut_after"])
def test_F02_F03_a_payment_killed_at_any_statement_ends_paid_once(specimen, long):
    last = statements_of(specimen)
    points = range(1, last + 1) if long else sorted(random.Random(specimen).sample(range(1, last + 1), SAMPLE))
    for point in points:
        invoice, method, payer = a_purchase(specimen)
        key = uuid.uuid4().hex

        def pay(key, at=None, invoice=invoice, method=method, payer=payer):
            return pay_invoices([invoice], method=method, by=payer, request_key=key, at=at)

        assert not in_a_process(lambda pay=pay, key=key: pay(key), dies_at=point), point

        pay(key)
        later = timezone.now() + timedelta(minutes=6)
        for payment in Payment.objects.to_look_up(later):
            look_up(payment, at=later)
        for payment in Payment.objects.to_look_up(later + timedelta(minutes=6)):
            look_up(payment, at=later + timedelta(minutes=6))
        invoice.refresh_from_db()
        if invoice.status != "paid":
            pay(uuid.uuid4().hex, at=later)
            for payment in Payment.objects.open():
                look_up(payment, at=later + timedelta(minutes=12))

        assert_whole(invoice, point)


def test_F03_a_declined_payment_killed_at_any_statement_frees_the_invoice(long):
    last = statements_of("no_funds")
    points = range(1, last + 1) if long else sorted(random.Random(last).sample(range(1, last + 1), SAMPLE // 2))
    for point in points:
        invoice, method, payer = a_purchase("no_funds")
        key = uuid.uuid4().hex

        def pay(invoice=invoice, method=method, payer=payer, key=key):
            return pay_invoices([invoice], method=method, by=payer, request_key=key)

        assert not in_a_process(pay, dies_at=point), point
        pay()
        later = timezone.now() + timedelta(minutes=6)
        for payment in Payment.objects.to_look_up(later):
            look_up(payment, at=later)

        payment = Payment.objects.get(allocations__invoice=invoice)
        invoice.refresh_from_db()
        assert (payment.status, invoice.status) == ("failed", "due"), point
        assert [row.status for row in payment.allocations.all()] == ["released"], point


def assert_whole(invoice, point):
    invoice.refresh_from_db()
    attempts = Payment.objects.filter(allocations__invoice=invoice)
    captured = Charge.objects.filter(key__in=attempts.values("idempotency_key")).exclude(captured_at=None)
    payment = attempts.settled().get()
    assert (invoice.status, invoice.amount_due_minor) == ("paid", 0), point
    assert [charge.key for charge in captured] == [payment.idempotency_key], point
    assert Posting.objects.filter(invoice=invoice, debit="gateway").count() == 1, point
    assert not Allocation.objects.filter(invoice=invoice, status="held").exists(), point
    run_due(only=["payments.make_papers"])
    receipts = Message.objects.about(f"payment:{payment.code}").filter(template="payment_receipt")
    assert receipts.count() == 1, point
    # The other direction: the sandbox holds no charge that the portal does not know (I15).
    known = set(Payment.objects.values_list("idempotency_key", flat=True))
    assert set(Charge.objects.values_list("key", flat=True)) <= known, point
