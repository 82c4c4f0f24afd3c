"""Money back, and debts given up: never more than came, above a limit by two people; books and invoices follow."""

import pytest
from django.core.management import call_command
from django.db import IntegrityError
from django.utils import timezone

from accounts.tests.factories import AccountRoleFactory, UserFactory
from core.errors import Refused
from core.models import Message
from core.money import Money
from core.policy import Role
from invoices.models import LedgerAccount
from invoices.services.ledger import balance
from invoices.tests.factories import InvoiceFactory
from payments.gateways.base import ChargeOutcome, ChargeResult, GatewayUnavailable
from payments.gateways.sandbox import api
from payments.gateways.sandbox.models import Charge
from payments.jobs import give_refund_back
from payments.models import CollectionCase, Decision, Payment, Refund, WriteOff
from payments.services.decide import decide_payment
from payments.services.pay import pay_invoices
from payments.services.refunds import (
    agree_refund,
    agree_write_off,
    ask_refund,
    ask_write_off,
    carry_out,
    confirm_transferred,
    decline_refund,
    refundable,
)
from payments.services.settle import look_up, record_outcome
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = pytest.mark.django_db
WHY = "The customer paid twice by mistake"


@pytest.fixture
def staff():
    return UserFactory(is_staff=True)


@pytest.fixture
def second():
    return UserFactory(is_staff=True)


@pytest.fixture
def paid():
    profile = BillingProfileFactory()
    AccountRoleFactory(account=profile.account, role=Role.ACCOUNT_OWNER)
    payer = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER).user
    invoices = [InvoiceFactory(profile=profile), InvoiceFactory(profile=profile)]
    card = PaymentMethodFactory(account=profile.account)
    return pay_invoices(invoices, method=card, by=payer, request_key="0123456789")


def euros(amount):
    return Money(round(amount * 100), "EUR")


def give_back():
    for refund in Refund.objects.due(timezone.now()):
        give_refund_back(refund.pk)


def test_I17_a_refund_reopens_the_invoice_and_the_books_follow(paid, staff):
    ask_refund(paid, euros(100), reason=WHY, by=staff)
    give_back()
    paid.refresh_from_db()
    latest = paid.allocations.order_by("-invoice__due_date").first().invoice
    assert paid.status == "partially_refunded"
    assert Refund.objects.get().status == "given_back"
    assert (latest.status, latest.amount_due) == ("due", euros(100))
    assert balance(LedgerAccount.GATEWAY, "EUR", profile=paid.profile) == euros(142)
    assert Message.objects.filter(template="payment_refunded").exists()
    assert CollectionCase.objects.open().filter(invoice=latest).exists()
    call_command("check_invariants")


def test_I17_two_refunds_of_all_of_it_refund_it(paid, staff):
    for amount in (200, 42):
        ask_refund(paid, euros(amount), reason=WHY, by=staff)
        give_back()
    paid.refresh_from_db()
    assert paid.status == "refunded"
    assert not refundable(paid)
    call_command("check_invariants")


@pytest.mark.parametrize("amount", [0, -1, 242.01, 10_000])
def test_I17_no_more_goes_back_than_came(paid, staff, amount):
    with pytest.raises(Refused) as refusal:
        ask_refund(paid, euros(amount), reason=WHY, by=staff)
    assert refusal.value.code == "too_much"


def test_I17_what_is_on_its_way_counts(paid, staff):
    ask_refund(paid, euros(200), reason=WHY, by=staff)
    with pytest.raises(Refused):
        ask_refund(paid, euros(43), reason=WHY, by=staff)
    assert refundable(paid) == euros(42)


def test_I17_the_database_refuses_more_than_came(paid, staff):
    values = {"payment": paid, "asked_by": staff, "reason": WHY}
    Refund.objects.create(amount_minor=24_200, idempotency_key="1", **values)
    with pytest.raises(IntegrityError):
        Refund.objects.create(amount_minor=1, idempotency_key="2", **values)


def test_I17_a_chargeback_after_a_refund_takes_only_the_rest(paid, staff):
    ask_refund(paid, euros(100), reason=WHY, by=staff)
    give_back()
    back = ChargeResult(ChargeOutcome.RETURNED, paid.idempotency_key, paid.gateway_reference, paid.amount)
    record_outcome(paid, back, at=timezone.now())
    paid.refresh_from_db()
    assert paid.status == "charged_back"
    assert sum(row.invoice.amount_due.minor for row in paid.allocations.all()) == 24_200
    with pytest.raises(Refused) as refusal:
        ask_refund(paid, euros(1), reason=WHY, by=staff)
    assert refusal.value.code == "not_refundable"
    call_command("check_invariants")


def test_above_the_limit_a_second_person_agrees(paid, staff, second, settings):
    settings.SECOND_PERSON_ABOVE = 50
    refund = ask_refund(paid, euros(100), reason=WHY, by=staff)
    give_back()
    assert Refund.objects.get().status == "proposed"
    with pytest.raises(Refused) as refusal:
        agree_refund(refund, by=staff)
    assert refusal.value.code == "same_person"
    agree_refund(refund, by=second)
    give_back()
    assert Refund.objects.get().status == "given_back"


def test_the_database_wants_the_second_person_too(paid, staff, settings):
    settings.SECOND_PERSON_ABOVE = 50
    refund = ask_refund(paid, euros(100), reason=WHY, by=staff)
    with pytest.raises(IntegrityError):
        Refund.objects.filter(pk=refund.pk).update(status="agreed", agreed_by=staff)


def test_what_is_not_agreed_may_be_asked_for_again(paid, staff, second, settings):
    settings.SECOND_PERSON_ABOVE = 50
    decline_refund(ask_refund(paid, euros(242), reason=WHY, by=staff), by=second)
    assert refundable(paid) == euros(242)


def test_I16_twice_is_once_and_silence_is_asked_again(paid, staff, monkeypatch):
    refund = ask_refund(paid, euros(100), reason=WHY, by=staff)

    def silent(*_args, **_values):
        raise GatewayUnavailable

    with monkeypatch.context() as patch:
        patch.setattr("payments.gateways.sandbox.adapter.SandboxGateway.refund", silent)
        carry_out(refund, at=timezone.now())
    refund.refresh_from_db()
    assert (refund.status, refund.tries) == ("agreed", 1)
    for _time in range(2):
        carry_out(refund, at=timezone.now())
    assert balance(LedgerAccount.GATEWAY, "EUR", profile=paid.profile) == euros(142)


def test_a_refund_that_the_gateway_refuses_has_failed_and_frees_the_amount(paid, staff):
    refund = ask_refund(paid, euros(100), reason=WHY, by=staff)
    Payment.objects.filter(pk=paid.pk).update(gateway_reference="nothing")
    carry_out(refund, at=timezone.now())
    refund.refresh_from_db()
    assert refund.status == "failed"
    assert refundable(paid) == euros(242)


def test_what_came_by_transfer_is_transferred_back_by_hand(paid, staff):
    Payment.objects.filter(pk=paid.pk).update(gateway="bank")
    paid.refresh_from_db()
    refund = ask_refund(paid, euros(100), reason=WHY, by=staff)
    give_back()
    assert Refund.objects.get().status == "agreed"
    confirm_transferred(refund, by=staff)
    assert Refund.objects.get().status == "given_back"
    assert balance(LedgerAccount.BANK, "EUR", profile=paid.profile) == -euros(100)


def test_a_reason_is_wanted(paid, staff):
    with pytest.raises(Refused) as refusal:
        ask_refund(paid, euros(1), reason=" no ", by=staff)
    assert refusal.value.code == "reason_missing"


# --- Write-offs ---------------------------------------------------------------------------------


def test_a_debt_is_given_up_and_leaves_the_receivables(staff):
    invoice = InvoiceFactory()
    ask_write_off(invoice, euros(121), reason="Bankrupt since last summer", by=staff)
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert balance(LedgerAccount.BAD_DEBT, "EUR", invoice=invoice) == euros(121)
    assert not balance(LedgerAccount.RECEIVABLE, "EUR", invoice=invoice)


def test_a_large_debt_is_given_up_by_two(staff, second, settings):
    settings.SECOND_PERSON_ABOVE = 100
    invoice = InvoiceFactory()
    row = ask_write_off(invoice, euros(121), reason="Bankrupt since last summer", by=staff)
    with pytest.raises(Refused):
        agree_write_off(row, by=staff)
    with pytest.raises(Refused) as refusal:
        ask_write_off(invoice, euros(1), reason="Bankrupt since last summer", by=staff)
    assert refusal.value.code == "proposed_before"
    agree_write_off(row, by=second)
    assert WriteOff.objects.get().status == "done"


def test_staff_do_it_in_the_admin(admin_client, admin_user, paid, settings):
    page = f"/staff/payments/refund/of/{paid.pk}/new/"
    assert admin_client.get(page).status_code == 200
    assert "At most" in admin_client.post(page, {"amount": "1000.00", "reason": WHY}).content.decode()
    admin_client.post(page, {"amount": "100.00", "reason": WHY})
    assert Refund.objects.get().asked_by == admin_user
    invoice = InvoiceFactory()
    answer = admin_client.post("/staff/payments/writeoff/new/", {"number": invoice.number})
    admin_client.post(answer.url, {"amount": "21.00", "reason": "Too small to go on about"})
    assert WriteOff.objects.get().amount == euros(21)
    for address in ("/staff/payments/refund/", "/staff/payments/writeoff/"):
        assert admin_client.get(address).status_code == 200


def test_the_second_person_agrees_in_the_admin(admin_client, paid, staff, settings):
    settings.SECOND_PERSON_ABOVE = 50
    refund = ask_refund(paid, euros(100), reason=WHY, by=staff)
    admin_client.post("/staff/payments/refund/", {"action": "agree", "_selected_action": [refund.pk]})
    refund.refresh_from_db()
    assert refund.status == "agreed"


# --- Won back -----------------------------------------------------------------------------------


@pytest.fixture
def payer():
    return ProfileRoleFactory(role=Role.INVOICE_MANAGER).user


@pytest.fixture
def charged_back(payer):
    """A payment that the bank took back, and then gave back after all."""
    invoice = InvoiceFactory(profile=payer.profile_roles.get().profile)
    card = PaymentMethodFactory(account=invoice.account)
    payment = pay_invoices([invoice], method=card, by=payer, request_key="won")
    charges = Charge.objects.filter(key=payment.idempotency_key)
    charges.update(due_at=timezone.now())
    api.settle_pending(charges.get().pk)
    assert look_up(payment).status == "charged_back"
    charges.update(status="succeeded", decline_code="")
    return look_up(payment)


def test_I14_a_chargeback_that_is_won_is_decided_by_a_person_with_a_reason(charged_back, staff):
    assert (charged_back.status, charged_back.parked_reason) == ("charged_back", "captured_after_all")

    decide_payment(charged_back, Decision.PAID, reason="The bank decided for us", by=staff)

    charged_back.refresh_from_db()
    invoice = charged_back.allocations.get().invoice
    assert (charged_back.status, charged_back.parked_reason, invoice.status) == ("succeeded", "", "paid")
    assert charged_back.decisions.get().status_before == "charged_back"
    # The bank may take it back once more.
    charges = Charge.objects.filter(key=charged_back.idempotency_key)
    charges.update(due_at=timezone.now())
    api.settle_pending(charges.get().pk)
    assert look_up(charged_back).status == "charged_back"
    invoice.refresh_from_db()
    assert invoice.status == "due"
    assert balance(LedgerAccount.GATEWAY, "EUR", invoice=invoice) == euros(0)


def test_I14_what_is_won_but_needed_no_more_is_given_back(charged_back, staff, payer):
    invoice = charged_back.allocations.get().invoice
    pay_invoices([invoice], method=charged_back.method, by=payer, request_key="again")

    with pytest.raises(Refused) as refused:
        decide_payment(charged_back, Decision.PAID, reason="The bank decided for us", by=staff)
    assert refused.value.code == "not_owed"
    decide_payment(charged_back, Decision.GIVE_BACK, reason="It was paid in another way", by=staff)

    charged_back.refresh_from_db()
    assert (charged_back.status, charged_back.parked_reason) == ("charged_back", "")
