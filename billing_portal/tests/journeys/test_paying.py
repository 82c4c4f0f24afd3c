"""Step 10 of the thread: pay now; paid, declined with the reason, or not known yet."""

import pytest

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.policy import Role
from core.templatetags.ui import money
from invoices.models import Invoice
from invoices.tests.factories import InvoiceFactory
from payments.models import Payment
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def tom():
    return UserFactory(name="Tom Bakker", email="tom@alfa.example")


@pytest.fixture
def invoice(tom):
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=UserFactory(name="Marieke de Vries"))
    profile = BillingProfileFactory(account=account, name="Operations NL")
    ProfileRoleFactory(profile=profile, user=tom, role=Role.INVOICE_MANAGER)
    return InvoiceFactory(profile=profile, lines=[123_45])


def test_P8_an_invoice_is_paid_on_screen_and_the_receipt_comes_by_mail(person, tom, invoice, mailbox):
    PaymentMethodFactory(profile=invoice.profile, default_for=[invoice.profile])
    payer = person(tom)
    payer.opens(f"/billing-accounts/{invoice.account.code}/invoices/")
    payer.follows("Pay %(number)s now", number=invoice.number)
    payer.reads("Pay %(number)s", number=invoice.number)
    payer.looks()
    payer.presses("Pay now")
    payer.reads("Paid")
    payer.looks()
    paid = Invoice.objects.get()
    assert (paid.status, paid.amount_due_minor) == ("paid", 0)

    receipt = Payment.objects.get().receipt_number
    assert receipt in str(mailbox(tom.email).get_body(("plain",)).get_content())
    payer.follows("Receipt")
    payer.sees(receipt)
    payer.looks()
    payer.opens(f"/invoices/{invoice.code}/")
    payer.sees(receipt)
    payer.looks()
    payer.follows("Payments")
    payer.reads("Payments")
    payer.sees_in_row(receipt, invoice.number)
    payer.looks()


def test_S3_17_a_declined_payment_says_why_what_helps_and_that_nothing_was_taken(person, tom, invoice, mailbox):
    bad = PaymentMethodFactory(profile=invoice.profile, specimen="no_funds", default_for=[invoice.profile])
    good = PaymentMethodFactory(profile=invoice.profile, specimen="mastercard")
    payer = person(tom)
    payer.opens(f"/invoices/{invoice.code}/")
    payer.follows("Pay now")
    payer.reads("Pay %(number)s", number=invoice.number)
    payer.presses("Pay now")
    payer.sees("There is not enough balance on the account.")
    payer.sees("Pay with another card.")
    payer.looks()
    mail = mailbox(tom.email).get_body(("plain",)).get_content()
    assert payer.word("There is not enough balance on the account.") in " ".join(mail.split())
    assert Invoice.objects.get().status == "due"

    with payer.speaking():
        name = str(good)
    payer.picks(name)
    payer.presses("Pay now")
    payer.reads("Paid")
    assert Invoice.objects.get().status == "paid"
    assert list(Payment.objects.order_by("pk").values_list("status", "method_id")) == [
        ("failed", bad.pk),
        ("succeeded", good.pk),
    ]


def test_F9_an_unknown_outcome_is_said_and_nothing_is_paid_twice(person, tom, invoice):
    PaymentMethodFactory(profile=invoice.profile, specimen="silent", default_for=[invoice.profile])
    payer = person(tom)
    payer.opens(f"/invoices/{invoice.code}/payment/")
    payer.presses("Pay now")
    payer.reads("Not known yet")
    payer.looks()
    payer.opens(f"/invoices/{invoice.code}/payment/")
    payer.sees("See the payment")
    payer.looks()
    payer.opens(f"/invoices/{invoice.code}/")
    payer.follows("Payment under way")
    payer.reads("Not known yet")
    assert [payment.status for payment in Payment.objects.all()] == ["unknown"]


def test_S3_17_a_part_is_paid_after_the_new_total_was_seen(person, way, tom, invoice):
    """Who changes the amount sees what will be paid before it is, also without scripts."""
    PaymentMethodFactory(profile=invoice.profile, default_for=[invoice.profile])
    payer = person(tom)
    payer.opens(f"/invoices/{invoice.code}/payment/")
    amount = payer.word("Amount to pay on %(number)s", number=invoice.number)
    payer.types(amount, {"en": "20.00", "nl": "20,00"}[way.language])
    payer.presses("Pay now")
    payer.sees("One thing needs another look")
    payer.looks()
    payer.presses("Pay now")
    payer.reads("Paid")
    left = Invoice.objects.get()
    assert left.amount_due_minor == invoice.total_minor - 2000
    payer.opens(f"/invoices/{invoice.code}/")
    with payer.speaking():
        due = money(left.amount_due)
    payer.sees(due)
