"""Approve before pay and refunds as people meet them: the manager asks, the owner decides; what went back is seen."""

import pytest

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.jobs import run_due
from core.money import Money
from core.policy import Role
from core.templatetags.ui import money
from invoices.tests.factories import InvoiceFactory
from payments.models import Payment, PreparedPayment
from payments.services.approvals import prepare_payment, set_approval_limit
from payments.services.pay import pay_invoices
from payments.services.refunds import ask_refund
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner():
    return UserFactory(name="Marieke de Vries", email="marieke@alfa.example")


@pytest.fixture
def tom():
    return UserFactory(name="Tom Bakker", email="tom@alfa.example")


@pytest.fixture
def invoice(owner, tom):
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=owner)
    profile = BillingProfileFactory(account=account, name="Operations NL")
    ProfileRoleFactory(profile=profile, user=tom, role=Role.INVOICE_MANAGER)
    PaymentMethodFactory(profile=profile, default_for=[profile])
    return InvoiceFactory(profile=profile, lines=[1_000_00])


def test_a_manager_asks_and_an_owner_approves(person, owner, tom, invoice, mailbox):
    set_approval_limit(invoice.profile, Money(500_00, "EUR"), by=owner)
    manager = person(tom)
    manager.opens(f"/invoices/{invoice.code}/payment/")
    manager.sees("Ask for approval")
    manager.looks()
    manager.presses("Ask for approval")
    manager.reads("It waits for an owner")
    manager.looks()

    assert "Tom Bakker" in str(mailbox(owner.email).get_body(("plain",)).get_content())
    decider = person(owner)
    decider.opens("/")
    decider.sees("A payment waits for your approval")
    decider.opens(PreparedPayment.objects.get().get_absolute_url())
    decider.looks()
    decider.presses("Approve and pay")
    decider.reads("Paid")
    assert Payment.objects.get().user == owner
    decider.opens(f"/billing-accounts/{invoice.account.code}/prepared-payments/")
    decider.reads("Prepared payments")
    decider.sees_in_row(invoice.number, "Approved")
    decider.looks()


def test_an_owner_sets_the_limit_and_refuses_with_a_reason(person, owner, tom, invoice):
    decider = person(owner)
    decider.opens(f"/billing-profiles/{invoice.profile.code}/payment-approval/")
    decider.reads("Approval of payments")
    decider.ticks("An owner approves payments above a limit")
    decider.types("Limit, incl. VAT", "500")
    decider.looks()
    decider.presses("Save")
    decider.sees("Prepared payments")
    decider.looks()

    method = invoice.profile.payment_methods.get()
    prepared = prepare_payment([invoice], method=method, by=tom)
    decider.opens(prepared.get_absolute_url())
    decider.follows("Refuse")
    decider.reads("Refuse this payment")
    decider.types("Reason", "We dispute this invoice")
    decider.looks()
    decider.presses("Refuse")
    decider.sees("We dispute this invoice")
    decider.looks()
    prepared.refresh_from_db()
    assert (prepared.status, Payment.objects.count()) == ("refused", 0)


def test_P8_what_went_back_stands_in_the_list_and_on_the_payment(person, tom, invoice):
    paid = pay_invoices([invoice], method=invoice.profile.payment_methods.get(), by=tom, request_key="a")
    ask_refund(paid, Money(21_00, "EUR"), reason="Charged for a server that was off", by=UserFactory(staff=True))
    run_due(only=["payments.give_refund_back", "payments.make_papers"])
    payer = person(tom)
    payer.opens(f"/billing-accounts/{invoice.account.code}/payments/?status=refunded")
    payer.sees_in_row(invoice.number, "Partly refunded")
    payer.looks()
    payer.opens(paid.get_absolute_url())
    payer.reads("Given back")
    with payer.speaking():
        amount = money(Money(21_00, "EUR"))
    payer.sees_in_row("Charged for a server that was off", amount)
    payer.looks()
    payer.opens(f"/payments/{paid.code}/receipt/")
    payer.reads("Given back")
    payer.looks()


def test_staff_look_at_what_is_owed_and_at_what_went_wrong(person, invoice):
    staff = person(UserFactory(staff=True, name="Joris Postma"))
    staff.opens("/staff/")
    staff.follows("Today's exceptions")
    staff.sees("Nothing needs a person.")
    staff.looks()
    staff.opens("/staff/receivables/?on=2031-01-01")
    staff.sees("Over 90 days")
    staff.follows("Alfa Logistiek B.V.")
    staff.sees(invoice.number)
    staff.looks()
    staff.opens(f"/staff/search/?q={invoice.number}")
    staff.sees(invoice.number)
    staff.looks()
    staff.opens("/staff/ledger/?starts_on=2026-01-01&ends_on=2026-12-31&currency=EUR")
    staff.sees("Download as audit file (XAF 3.2)")
    staff.looks()
