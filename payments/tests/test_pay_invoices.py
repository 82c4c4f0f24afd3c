"""Paying: the intent first, one capture whatever happens, and every outcome as the gateway says it."""

from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from core.errors import Forbidden, Refused
from core.jobs import run_due
from core.models import Message
from core.money import Money
from core.policy import Role
from invoices.models import LedgerAccount
from invoices.services.correcting import void_invoice
from invoices.services.ledger import balance
from invoices.tests.factories import InvoiceFactory
from payments.gateways.sandbox import api
from payments.gateways.sandbox.jobs import settle_charge
from payments.gateways.sandbox.models import Charge
from payments.models import Payment, ProfileMethods
from payments.services.pay import cancel_payment, pay_invoices
from payments.services.settle import LOOKUP_AFTER, look_up
from payments.tests.factories import PaymentFactory, PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db

KEY = "0123456789abcdef"


@pytest.fixture
def profile():
    return BillingProfileFactory()


@pytest.fixture
def payer(profile):
    """An invoice manager: may pay, and nothing else."""
    return ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user


@pytest.fixture
def invoice(profile):
    return InvoiceFactory(profile=profile)


def pay(invoice, payer, specimen="visa", key=KEY, **options):
    method = options.pop("method", None) or PaymentMethodFactory(account=invoice.account, specimen=specimen)
    return pay_invoices([invoice], method=method, by=payer, request_key=key, **options)


def owed(invoice):
    invoice.refresh_from_db()
    return invoice.status, invoice.amount_due_minor


def captures():
    return Charge.objects.exclude(captured_at=None).count()


# --- Paid ---------------------------------------------------------------------------------------


def test_S2_6_payment_settles_the_invoice_posts_it_and_gives_a_receipt(invoice, payer):
    payment = pay(invoice, payer)

    assert (payment.status, payment.receipt_number) == ("succeeded", "R000000001")
    assert owed(invoice) == ("paid", 0)
    assert [row.status for row in payment.allocations.all()] == ["settled"]
    assert balance(LedgerAccount.GATEWAY, "EUR", invoice=invoice) == Money(12_100, "EUR")
    assert balance(LedgerAccount.RECEIVABLE, "EUR", invoice=invoice) == Money(0, "EUR")
    assert captures() == 1


def test_P8_receipt_goes_to_the_payer_and_to_those_who_get_the_invoices_once_each(invoice, payer):
    reader = ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_READER).user

    payment = pay(invoice, payer)

    run_due(only=["payments.make_papers"])
    receipts = Message.objects.about(f"payment:{payment.code}").filter(template="payment_receipt")
    assert sorted(receipts.values_list("recipient", flat=True)) == sorted([payer.email, reader.email])


def test_a_part_is_paid_and_the_rest_stays_due(invoice, payer):
    payment = pay(invoice, payer, amounts={invoice.pk: Money(2_100, "EUR")})

    assert payment.amount == Money(2_100, "EUR")
    assert owed(invoice) == ("due", 10_000)


def test_one_payment_settles_several_invoices_of_a_profile(profile, payer):
    first, second = InvoiceFactory(profile=profile), InvoiceFactory(profile=profile, lines=[500])
    method = PaymentMethodFactory(account=profile.account)

    payment = pay_invoices([second, first], method=method, by=payer, request_key=KEY)

    assert payment.amount == Money(12_100 + 605, "EUR")
    assert (owed(first), owed(second)) == (("paid", 0), ("paid", 0))


def test_a_success_takes_the_mark_of_the_last_decline_off_the_card(invoice, payer):
    method = PaymentMethodFactory(account=invoice.account, status="declined", last_decline_reason="card_blocked")

    pay(invoice, payer, method=method)

    method.refresh_from_db()
    assert method.status == "active"


# --- Declined -----------------------------------------------------------------------------------


def test_S3_17_decline_releases_the_invoice_marks_the_card_and_mails_the_advice(invoice, payer):
    payment = pay(invoice, payer, "no_funds")

    assert (payment.status, payment.decline_reason) == ("failed", "insufficient_funds")
    assert owed(invoice) == ("due", 12_100)
    assert [row.status for row in payment.allocations.all()] == ["released"]
    payment.method.refresh_from_db()
    assert (payment.method.status, payment.method.last_decline_reason) == ("declined", "insufficient_funds")
    mail = Message.objects.about(f"payment:{payment.code}").get()
    assert (mail.template, mail.recipient) == ("payment_declined", payer.email)
    assert "balance" in mail.context["sentence"]


def test_after_a_decline_another_card_pays(invoice, payer):
    pay(invoice, payer, "no_funds", key="first")

    payment = pay(invoice, payer, "visa", key="second")

    assert payment.status == "succeeded"
    assert captures() == 1


def test_trouble_at_the_gateway_does_not_mark_the_card(invoice, payer):
    payment = pay(invoice, payer, "trouble")

    payment.method.refresh_from_db()
    assert (payment.decline_reason, payment.method.status) == ("gateway_trouble", "active")


def test_T31_ten_declines_in_an_hour_close_the_door_for_an_hour(invoice, payer):
    now = timezone.now()
    for minutes in range(10):
        PaymentFactory(invoices=[invoice], status="failed", user=payer, created_at=now - timedelta(minutes=minutes))

    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, at=now)
    later = pay(invoice, payer, key="later", at=now + timedelta(hours=1))

    assert refusal.value.code == "too_many_declines"
    assert later.status == "succeeded"


# --- The bank asks ------------------------------------------------------------------------------


def test_L10_the_banks_check_holds_the_invoice_until_it_is_answered(invoice, payer):
    payment = pay(invoice, payer, "checked")
    assert payment.status == "requires_action"
    assert owed(invoice) == ("due", 12_100)

    api.answer_charge_check(payment.gateway_reference, confirmed=True)
    payment = look_up(payment)

    assert payment.status == "succeeded"
    assert owed(invoice) == ("paid", 0)


def test_refusing_the_banks_check_is_a_decline_that_does_not_blame_the_card(invoice, payer):
    payment = pay(invoice, payer, "checked")
    api.answer_charge_check(payment.gateway_reference, confirmed=False)
    payment = look_up(payment)

    payment.method.refresh_from_db()
    assert (payment.decline_reason, payment.method.status) == ("authentication_failed", "active")


def test_an_attempt_that_waits_for_the_bank_can_be_given_up(invoice, payer):
    payment = pay(invoice, payer, "checked", key="first")

    payment = cancel_payment(payment, by=payer)

    assert payment.status == "cancelled"
    assert pay(invoice, payer, key="second").status == "succeeded"


def test_giving_up_too_late_tells_that_it_was_paid(invoice, payer):
    payment = pay(invoice, payer, "checked")
    api.answer_charge_check(payment.gateway_reference, confirmed=True)

    payment = cancel_payment(payment, by=payer)

    assert payment.status == "succeeded"
    assert owed(invoice) == ("paid", 0)


# --- No answer ----------------------------------------------------------------------------------


def test_F06_nothing_was_captured_so_the_look_up_fails_the_attempt_and_it_can_be_paid(invoice, payer):
    start = timezone.now()
    payment = pay(invoice, payer, "cut_before", key="first", at=start)
    assert (payment.status, payment.next_lookup_at) == ("unknown", start + timedelta(minutes=5))

    payment = look_up(payment, at=start + timedelta(minutes=5))

    assert (payment.status, payment.decline_reason) == ("failed", "never_received")
    assert pay(invoice, payer, key="second").status == "succeeded"
    assert captures() == 1


def test_F06_a_request_that_may_still_arrive_is_not_given_up(invoice, payer):
    start = timezone.now()
    payment = pay(invoice, payer, "cut_before", key="first", at=start)

    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, key="second", at=start + timedelta(seconds=30))

    payment.refresh_from_db()
    assert (refusal.value.code, payment.status) == ("under_way", "unknown")


def test_F07_captured_before_the_line_was_cut_is_found_and_captured_once(invoice, payer):
    start = timezone.now()
    payment = pay(invoice, payer, "cut_after", key="first", at=start)
    assert payment.status == "unknown"
    assert owed(invoice) == ("due", 12_100)

    payment = look_up(payment, at=start + timedelta(minutes=5))

    assert payment.status == "succeeded"
    assert owed(invoice) == ("paid", 0)
    assert captures() == 1


def test_F07_a_second_attempt_looks_the_first_up_before_anything_else(invoice, payer):
    pay(invoice, payer, "cut_after", key="first")

    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, "visa", key="second")

    assert refusal.value.code == "not_payable"
    assert owed(invoice) == ("paid", 0)
    assert captures() == 1


def test_F06b_a_silent_gateway_blocks_the_invoice_and_ends_with_a_person(invoice, payer, time_machine):
    start = timezone.now()
    payment = pay(invoice, payer, "silent", key="first", at=start)
    asked = []
    while payment.next_lookup_at is not None:
        asked.append(payment.next_lookup_at - start)
        time_machine.move_to(payment.next_lookup_at, tick=False)  # the gateway rests by the clock
        payment = look_up(payment, at=payment.next_lookup_at)

    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, "visa", key="second", at=start + timedelta(days=9))

    steps = [after - before for before, after in zip([timedelta(0), *asked], asked, strict=False)]
    assert tuple(steps) == LOOKUP_AFTER
    assert refusal.value.code == "under_way"
    assert list(Payment.objects.for_a_person()) == [payment]


def test_the_attempt_of_a_process_that_died_is_looked_up_after_five_minutes(invoice, payer):
    start = timezone.now()
    payment = PaymentFactory(invoices=[invoice], status="created", created_at=start)
    Payment.objects.filter(pk=payment.pk).update(next_lookup_at=start + LOOKUP_AFTER[0])

    due_before = list(Payment.objects.to_look_up(start + timedelta(minutes=4)))
    due_after = list(Payment.objects.to_look_up(start + timedelta(minutes=5)))
    payment = look_up(payment, at=start + timedelta(minutes=5))

    assert (due_before, due_after) == ([], [payment])
    assert (payment.status, payment.decline_reason) == ("failed", "never_received")


def test_processing_is_looked_up_until_it_is_paid(invoice, payer, time_machine):
    start = datetime(2026, 11, 20, 12, tzinfo=timezone.get_default_timezone())
    time_machine.move_to(start, tick=False)
    payment = pay(invoice, payer, "later")
    assert payment.status == "processing"

    time_machine.move_to(start + timedelta(minutes=2), tick=False)
    settle_charge(Charge.objects.get().pk)
    payment = look_up(payment)

    assert payment.status == "succeeded"
    assert owed(invoice) == ("paid", 0)


# --- What does not fit --------------------------------------------------------------------------


def test_T26_another_amount_at_the_gateway_parks_the_payment_and_books_nothing(invoice, payer):
    payment = pay(invoice, payer, "other_amount")

    assert (payment.status, payment.parked_reason, payment.next_lookup_at) == ("unknown", "amount_differs", None)
    assert owed(invoice) == ("due", 12_100)
    assert balance(LedgerAccount.GATEWAY, "EUR") == Money(0, "EUR")
    assert list(Payment.objects.for_a_person()) == [payment]


def test_money_after_an_attempt_was_given_up_is_parked_for_a_person(invoice, payer):
    payment = pay(invoice, payer, "cut_after", key="first")
    Payment.objects.filter(pk=payment.pk).update(status="failed", next_lookup_at=None)
    payment.allocations.update(status="released")

    payment = look_up(payment)

    assert (payment.status, payment.parked_reason) == ("failed", "captured_after_all")
    assert owed(invoice) == ("due", 12_100)


def test_P24_money_for_an_invoice_that_was_voided_meanwhile_is_kept_as_a_balance(invoice, payer):
    payment = pay(invoice, payer, "checked")
    void_invoice(invoice, reason="Wrong", by=None, on=timezone.localdate())
    api.answer_charge_check(payment.gateway_reference, confirmed=True)
    payment = look_up(payment)

    assert (payment.status, payment.kept) == ("succeeded", Money(12_100, "EUR"))
    assert [row.status for row in payment.allocations.all()] == ["released"]
    assert balance(LedgerAccount.GATEWAY, "EUR", profile=invoice.profile) == Money(12_100, "EUR")


# --- Twice --------------------------------------------------------------------------------------


def test_I16_the_same_form_sent_twice_is_one_attempt(invoice, payer):
    method = PaymentMethodFactory(account=invoice.account)

    first = pay(invoice, payer, method=method)
    invoice.refresh_from_db()
    again = pay(invoice, payer, method=method)

    assert again == first
    assert captures() == 1


def test_T59_the_key_of_a_form_serves_one_person_and_one_purpose(invoice, payer):
    method = PaymentMethodFactory(account=invoice.account)
    other = ProfileRoleFactory(profile=invoice.profile, role=Role.INVOICE_MANAGER).user
    pay(invoice, payer, method=method)

    with pytest.raises(Refused) as refusal:
        pay(invoice, other, method=method)

    assert refusal.value.code == "request_changed"


def test_T24_an_open_attempt_blocks_a_second_one(invoice, payer):
    pay(invoice, payer, "checked", key="first")

    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, key="second")

    assert refusal.value.code == "under_way"
    assert Payment.objects.count() == 1


# --- Refused before the gateway is asked --------------------------------------------------------


def test_a_paid_invoice_is_not_paid_again(invoice, payer):
    pay(invoice, payer, key="first")

    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, key="second", amounts={invoice.pk: Money(100, "EUR")})

    assert refusal.value.code == "not_payable"


@pytest.mark.parametrize("minor", [0, -1, 12_101])
def test_T28_an_amount_that_is_not_owed_is_refused(invoice, payer, minor):
    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, amounts={invoice.pk: Money(minor, "EUR")})

    assert refusal.value.code == "pays_too_much"
    assert not Charge.objects.exists()


def test_an_expired_card_is_refused(invoice, payer):
    method = PaymentMethodFactory(account=invoice.account, valid_until=date(2026, 1, 31))

    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, method=method)

    assert refusal.value.code == "expired"


def test_a_removed_card_is_refused(invoice, payer):
    method = PaymentMethodFactory(account=invoice.account, status="detached")

    with pytest.raises(Refused) as refusal:
        pay(invoice, payer, method=method)

    assert refusal.value.code == "method_gone"


def test_T01_a_card_of_a_sibling_profile_or_another_account_is_refused(invoice, payer):
    sibling = PaymentMethodFactory(profile=BillingProfileFactory(account=invoice.account))
    foreign = PaymentMethodFactory()

    codes = []
    for number, method in enumerate((sibling, foreign)):
        with pytest.raises(Refused) as refusal:
            pay(invoice, payer, method=method, key=f"key-{number}")
        codes.append(refusal.value.code)

    assert codes == ["not_offered", "not_offered"]


def test_a_reader_may_not_pay(invoice):
    reader = ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_READER).user

    with pytest.raises(Forbidden):
        pay(invoice, reader)

    assert not Payment.objects.exists()


def test_P1_a_colleague_pays_with_the_card_that_somebody_else_added(invoice, payer):
    owner = ProfileRoleFactory(profile=invoice.profile, role=Role.PROFILE_OWNER).user
    method = PaymentMethodFactory(profile=invoice.profile, added_by=owner)
    ProfileMethods.objects.create(profile=invoice.profile, default=method)

    assert pay(invoice, payer, method=method).status == "succeeded"
