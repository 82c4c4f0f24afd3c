"""Paying several invoices by one transfer, and staff who take in what the bank says of it."""

import pytest

from accounts.models import Seller
from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.policy import Role
from invoices.models import Invoice
from invoices.tests.factories import InvoiceFactory
from payments.jobs import make_papers
from payments.models import Paper, Remittance
from payments.tests.bank_files import OUR_IBAN
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_P24_several_invoices_are_ticked_and_transferred_under_one_reference(person):
    account = BillingAccountFactory(name="Alfa Logistiek B.V.", owner=UserFactory(name="Marieke de Vries"))
    profile = BillingProfileFactory(account=account, name="Operations NL")
    tom = ProfileRoleFactory(profile=profile, role=Role.INVOICE_MANAGER, user=UserFactory(name="Tom Bakker")).user
    numbers = [InvoiceFactory(profile=profile).number for _each in range(3)]
    Seller.objects.update(iban=OUR_IBAN)
    payer = person(tom)
    payer.opens(f"/billing-accounts/{account.code}/remittances/")
    payer.reads("Bank transfers")
    payer.looks()
    payer.follows("New remittance")
    payer.reads("Pay several invoices by one transfer")
    payer.ticks(numbers[2])  # it was ticked, as all of them
    payer.looks()
    payer.presses("Make the remittance")
    payer.reads("Remittance")
    made = Remittance.objects.get()
    assert sorted(part.invoice.number for part in made.parts.all()) == numbers[:2]
    payer.sees(made.grouped_reference)
    payer.looks()
    payer.types("IBAN you pay from", "NL91 ABNA 0417 1643 01")
    payer.presses("Download the payment file")
    payer.sees("This is no IBAN: a digit is wrong or missing.")
    payer.looks()
    make_papers([paper.pk for paper in Paper.objects.all()])
    payer.opens(made.get_absolute_url())
    payer.link("Download PDF")
    assert Invoice.objects.filter(status="due").count() == 3
