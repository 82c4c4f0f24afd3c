"""The pages of cards and payments in Dutch, in the words of the glossary."""

import pytest
from django.utils import translation

from accounts.tests.factories import BillingAccountFactory, UserFactory
from core.jobs import run_due
from core.mail import write_mail
from core.models import Message
from invoices.tests.factories import InvoiceFactory
from payments.services.pay import pay_invoices
from payments.tests.factories import PaymentMethodFactory
from profiles.tests.factories import BillingProfileFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client):
    person = UserFactory(language="nl")
    client.force_login(person)
    return person


@pytest.fixture
def profile(owner):
    return BillingProfileFactory(account=BillingAccountFactory(owner=owner), name="Magazijn")


def test_the_payment_page_speaks_dutch(client, profile):
    method = PaymentMethodFactory(account=profile.account, specimen="no_funds", default_for=[profile])
    invoice = InvoiceFactory(profile=profile)

    shown = client.get(f"/invoices/{invoice.code}/payment/")
    declined = client.post(
        f"/invoices/{invoice.code}/payment/",
        {"request_key": "0123456789", "shown": "12100", "amount": "121,00", "method": method.code},
    )

    for words in ("Nu betalen", "€\u00a0121,00", "Visa eindigend op 0001", "Geldig t/m 12/2099"):
        assert words in shown.content.decode()
    assert "Het saldo op de rekening is niet toereikend." in declined.content.decode()


@pytest.mark.parametrize(
    ("specimen", "subject", "words"),
    [
        ("visa", "Betaalbewijs R000000001: € 121,00 betaald", "betaald met Visa 4242"),
        ("no_funds", "Betaling van € 121,00 geweigerd", "niet toereikend"),
    ],
)
def test_mails_are_written_in_the_language_of_their_reader(profile, owner, specimen, subject, words):
    method = PaymentMethodFactory(account=profile.account, specimen=specimen)
    with translation.override("en"):
        payment = pay_invoices([InvoiceFactory(profile=profile)], method=method, by=owner, request_key="0123456789")

    run_due(only=["payments.make_papers"])  # a receipt goes when its paper is there
    mail = write_mail(Message.objects.about(f"payment:{payment.code}").get())

    assert mail.subject == subject
    assert words in mail.body
