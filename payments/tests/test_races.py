"""Many at once, on committed transactions and real threads (Q9): one capture, one effect, no half states.

The default run takes each race once; `--long` repeats each fifty times.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Seller
from accounts.tests.factories import AccountRoleFactory, BillingAccountFactory, UserFactory
from core.errors import Refused
from core.jobs import run_due
from core.models import Message
from core.money import Money
from core.policy import Role
from invoices.models import CreditLot, Invoice, LedgerAccount, Posting
from invoices.services.credits import Overpaid, keep_overpaid
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api
from payments.gateways.sandbox.models import Charge
from payments.gateways.sandbox.models import Refund as GivenBack
from payments.models import (
    Allocation,
    BankEntry,
    CollectionCase,
    GatewayEvent,
    PayLink,
    Payment,
    PaymentMethod,
    ProfileMethods,
    Refund,
)
from payments.services.bank import look_at, take_in_file
from payments.services.collecting import go_on
from payments.services.events import process_event
from payments.services.methods import remove_method, replace_method, set_default_method
from payments.services.overpaid import use_balance
from payments.services.pay import pay_by_link, pay_invoices
from payments.services.pay_links import make_link
from payments.services.refunds import ask_refund, carry_out
from payments.services.settle import look_up
from payments.tests.bank_files import OUR_IBAN, Move, camt
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db(transaction=True)

CROWD = 20
TODAY = date(2026, 11, 20)


@pytest.fixture
def bursts(long):
    """How often a race is run."""
    return range(50 if long else 1)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each call gives or raises, all of them let go at the same moment, each on its own connection."""
    ready, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number: int, call: Callable[[], Any]) -> None:
        connection.ensure_connection()
        ready.wait()
        try:
            answers[number] = call()
        except Refused as refusal:
            answers[number] = refusal.code
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, call)) for number, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def a_payable_invoice(specimen="visa", payers=1, **values):
    profile = BillingProfileFactory()
    people = [ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user for _number in range(payers)]
    invoice = InvoiceFactory(profile=profile, **values)
    return invoice, PaymentMethodFactory(account=profile.account, specimen=specimen), people


def pays(invoice, method, person, key):
    return lambda: pay_invoices([invoice], method=method, by=person, request_key=key)


def captures(invoice):
    keys = Payment.objects.filter(allocations__invoice=invoice).values("idempotency_key")
    return Charge.objects.filter(key__in=keys).exclude(captured_at=None).count()


def assert_paid_once(invoice):
    invoice.refresh_from_db()
    payment = Payment.objects.settled().get(allocations__invoice=invoice)
    assert (invoice.status, invoice.amount_due_minor, captures(invoice)) == ("paid", 0, 1)
    assert Posting.objects.filter(invoice=invoice, reference=f"payment:{payment.code}").count() == 1
    assert not Allocation.objects.filter(invoice=invoice, status="held").exists()
    return payment


def test_T24_a_form_sent_twenty_times_at_once_is_one_attempt(bursts):
    for _burst in bursts:
        invoice, method, (person,) = a_payable_invoice()
        key = uuid.uuid4().hex

        answers = at_once([pays(invoice, method, person, key)] * CROWD)

        payment = assert_paid_once(invoice)
        assert answers == [payment] * CROWD


def test_T24_twenty_tabs_and_people_at_once_capture_once(bursts):
    for _burst in bursts:
        invoice, method, people = a_payable_invoice(payers=4)
        calls = [pays(invoice, method, people[number % 4], uuid.uuid4().hex) for number in range(CROWD)]

        answers = at_once(calls)

        payment = assert_paid_once(invoice)
        others = [answer for answer in answers if answer != payment]
        assert len(others) == CROWD - 1
        assert set(others) <= {"under_way", "not_payable"}


def test_T24_F07_twenty_retries_over_a_line_that_is_cut_capture_once(bursts):
    for _burst in bursts:
        invoice, method, (person,) = a_payable_invoice("cut_after")
        calls = [pays(invoice, method, person, uuid.uuid4().hex) for _number in range(CROWD)]

        at_once(calls)

        assert captures(invoice) == 1
        for payment in Payment.objects.open():
            look_up(payment)
        assert_paid_once(invoice)


def test_Q9_I13_webhook_return_page_and_job_at_once_have_one_effect(bursts):
    for burst in bursts:
        invoice, method, (person,) = a_payable_invoice("checked")
        payment = pay_invoices([invoice], method=method, by=person, request_key=uuid.uuid4().hex)
        api.answer_charge_check(payment.gateway_reference, confirmed=True)
        events = [
            GatewayEvent.objects.create(
                gateway="sandbox",
                event_id=f"{burst}-{number}",
                kind="charge.succeeded",
                idempotency_key=payment.idempotency_key,
                payload={},
            )
            for number in range(CROWD // 2)
        ]
        reads = [lambda event=event: process_event(event) for event in events]

        at_once(reads + [lambda: look_up(payment)] * (CROWD // 2))  # noqa: B023 run before the loop goes on

        assert_paid_once(invoice)
        run_due(only=["payments.make_papers"])
        receipts = Message.objects.about(f"payment:{payment.code}").filter(template="payment_receipt")
        assert receipts.count() == 1
        assert not GatewayEvent.objects.unprocessed().exists()


def test_making_a_card_the_default_while_it_is_removed_leaves_no_removed_default(bursts):
    for _burst in bursts:
        owner = UserFactory()
        account = BillingAccountFactory(owner=owner)
        profiles = [BillingProfileFactory(account=account) for _number in range(CROWD // 2)]
        method = PaymentMethodFactory(account=account)
        chooses = [
            lambda profile=profile: set_default_method(method, profiles=[profile], by=owner, on=TODAY)  # noqa: B023
            for profile in profiles
        ]

        at_once(chooses + [lambda: remove_method(method, by=owner, on=TODAY)] * (CROWD // 2))  # noqa: B023

        method.refresh_from_db()
        is_default = ProfileMethods.objects.filter(default=method).exists()
        assert (method.status, is_default) in {("active", True), ("detached", False)}


def test_two_people_deleting_and_replacing_the_same_default_leave_one_default_or_a_profile_that_says_none(bursts):
    for _burst in bursts:
        people = [UserFactory(), UserFactory()]
        account = BillingAccountFactory(owner=people[0])
        AccountRoleFactory(account=account, user=people[1], role=Role.ACCOUNT_OWNER)
        profile = BillingProfileFactory(account=account)
        old, new, third = (PaymentMethodFactory(account=account) for _number in range(3))
        ProfileMethods.objects.create(profile=profile, default=old, backup=third)
        acts = [
            lambda by: remove_method(old, replacement=new, by=by, on=TODAY),  # noqa: B023 run before the loop goes on
            lambda by: remove_method(old, detach=True, by=by, on=TODAY),  # noqa: B023
            lambda by: replace_method(old, third, defaults=[profile], by=by, on=TODAY),  # noqa: B023
            lambda by: set_default_method(new, profiles=[profile], by=by, on=TODAY),  # noqa: B023
            lambda by: remove_method(new, replacement=third, by=by, on=TODAY),  # noqa: B023
        ]

        at_once([lambda act=act, by=by: act(by) for act in acts for by in people])

        row = ProfileMethods.objects.select_related("default", "backup").get(profile=profile)
        assert row.default is None or row.default.is_kept
        assert row.backup is None or (row.backup.is_kept and row.backup != row.default)


def test_paying_with_a_card_while_it_is_removed_ends_in_one_of_both(bursts):
    for _burst in bursts:
        invoice, method, (person,) = a_payable_invoice()
        owner = ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_OWNER).user
        PaymentMethod.objects.filter(pk=method.pk).update(profile=invoice.profile)
        method.refresh_from_db()
        removals = [lambda: remove_method(method, by=owner, on=TODAY)] * (CROWD // 2)  # noqa: B023
        payments = [pays(invoice, method, person, uuid.uuid4().hex) for _number in range(CROWD // 2)]

        at_once(payments + removals)

        method.refresh_from_db()
        invoice.refresh_from_db()
        if invoice.status == "paid":
            assert_paid_once(invoice)
        else:
            assert (method.status, captures(invoice)) == ("detached", 0)


def test_Q9_I17_refund_against_refund_gives_back_no_more_than_came(bursts):
    for _burst in bursts:
        invoice, card, (payer,) = a_payable_invoice()
        payment = pays(invoice, card, payer, uuid.uuid4().hex)()
        staff, amount = UserFactory(is_staff=True), Money(5_000, "EUR")
        ask = lambda: ask_refund(payment, amount, reason="Paid twice by mistake", by=staff)  # noqa: B023, E731
        answers = at_once([ask] * CROWD)
        assert answers.count("too_much") + answers.count("not_refundable") == CROWD - 2
        refunds = list(Refund.objects.filter(payment=payment))
        at_once([lambda refund=refund: carry_out(refund, at=timezone.now()) for refund in refunds * 5])
        invoice.refresh_from_db()
        gone = sum(GivenBack.objects.filter(charge__key=payment.idempotency_key).values_list("amount", flat=True))
        assert (len(refunds), invoice.amount_due_minor, gone) == (2, 10_000, 10_000)


def test_Q9_I17_a_refund_against_a_chargeback_gives_back_no_more_than_came(bursts):
    for _burst in bursts:
        invoice, card, (payer,) = a_payable_invoice()
        payment = pays(invoice, card, payer, uuid.uuid4().hex)()
        staff = UserFactory(is_staff=True)
        refund = ask_refund(payment, invoice.total, reason="Paid twice by mistake", by=staff)
        charge = Charge.objects.get(key=payment.idempotency_key)
        Charge.objects.filter(pk=charge.pk).update(due_at=timezone.now())
        calls = [lambda: carry_out(refund, at=timezone.now())] * (CROWD // 4)  # noqa: B023
        calls += [lambda: api.settle_pending(charge.pk)] * (CROWD // 4)  # noqa: B023
        calls += [lambda: look_up(payment)] * (CROWD // 2)  # noqa: B023
        at_once(calls)
        look_up(payment)
        payment.refresh_from_db()
        invoice.refresh_from_db()
        refund.refresh_from_db()
        assert (payment.status, refund.status) in {("refunded", "given_back"), ("charged_back", "failed")}
        assert (invoice.status, invoice.amount_due) == ("due", invoice.total)


def test_Q9_using_a_balance_many_times_at_once_spends_it_once(bursts):
    for _burst in bursts:
        invoice, _card, (payer,) = a_payable_invoice()
        other = InvoiceFactory(profile=invoice.profile)
        profile = invoice.profile
        kept = Overpaid(profile.account_id, profile.pk, invoice.total, "Bank", reference=uuid.uuid4().hex)
        with transaction.atomic():
            keep_overpaid([kept], debit=LedgerAccount.BANK, on=TODAY)
        calls = [lambda each=each: use_balance(each, by=payer) for each in (invoice, other)]  # noqa: B023
        answers = at_once(calls * (CROWD // 2))
        paid = [answer for answer in answers if not isinstance(answer, str)]
        assert paid == [invoice.total]
        assert set(answers) - {invoice.total} <= {"no_balance", "not_payable"}
        assert CreditLot.objects.get(profile=invoice.profile).balance_minor == 0
        assert sorted(Invoice.objects.filter(profile=invoice.profile).values_list("status", flat=True)) == [
            "due",
            "paid",
        ]


def test_Q9_paying_against_the_automatic_charge_captures_once(bursts):
    for _burst in bursts:
        invoice, card, payers = a_payable_invoice(payers=CROWD // 2)
        ProfileMethods.objects.create(profile=invoice.profile, default=card)
        case = CollectionCase.objects.create(
            invoice=invoice, day_zero=timezone.localdate(), last_day=-7, next_at=timezone.now()
        )
        charge = lambda: go_on(case, at=timezone.now())  # noqa: B023, E731
        people = [pays(invoice, card, person, uuid.uuid4().hex) for person in payers]
        at_once([*people, *[charge] * (CROWD // 2)])
        assert_paid_once(invoice)
        go_on(case, at=timezone.now() + timedelta(days=1))
        assert captures(invoice) == 1


def test_Q9_paying_against_the_link_of_a_mail_pays_once(bursts):
    for _burst in bursts:
        invoice, card, (payer,) = a_payable_invoice()
        make_link(invoice, at=timezone.now())
        link = PayLink.objects.select_related("invoice__profile", "invoice__account").get(invoice=invoice)
        opens = [
            lambda: pay_by_link(link, amount=invoice.amount_due, request_key=uuid.uuid4().hex)  # noqa: B023
        ] * (CROWD // 2)
        own = [lambda: pays(invoice, card, payer, uuid.uuid4().hex)()] * (CROWD // 2)  # noqa: B023
        at_once([*opens, *own])
        assert Payment.objects.filter(allocations__invoice=invoice).exclude(status="failed").count() == 1


def test_Q9_the_same_statement_many_times_at_once_books_once(bursts):
    for _burst in bursts:
        invoice, _card, _payers = a_payable_invoice()
        iban = str(Seller.objects.values_list("iban", flat=True).first() or OUR_IBAN)
        content = camt([Move("121.00", reference=invoice.payment_reference)], iban=iban, number=uuid.uuid4().hex[:8])

        def take() -> None:
            taken = take_in_file(content, name="s.xml", by=None)  # noqa: B023
            look_at(list(BankEntry.objects.filter(file=taken.file)), at=timezone.now())

        at_once([take] * CROWD)
        invoice.refresh_from_db()
        assert (invoice.status, Payment.objects.settled().filter(allocations__invoice=invoice).count()) == ("paid", 1)
