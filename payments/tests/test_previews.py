"""Receipts and statements in the preview of staff: real data, and nothing is kept."""

import io

import pytest
from pypdf import PdfReader

from accounts.tests.factories import UserFactory
from invoices.tests.factories import InvoiceFactory
from payments.models import Paper
from payments.tests.factories import PaymentFactory

pytestmark = pytest.mark.django_db


def text_of(response):
    return " ".join(page.extract_text() for page in PdfReader(io.BytesIO(response.content)).pages)


def test_receipt_and_statement_are_shown_with_the_data_of_the_invoice(client):
    invoice = InvoiceFactory()
    address = f"/staff/invoices/invoice/{invoice.pk}/preview/"
    client.force_login(UserFactory(staff=True))
    assert "There is none of this kind yet" in client.get(f"{address}document/receipt/en/", follow=True).text
    payment = PaymentFactory(invoices=[invoice])
    kept = list(Paper.objects.values_list("pk", "status", "file"))

    page = client.get(address).text
    for kind, language, words in (("receipt", "nl", payment.receipt_number), ("statement", "en", invoice.number)):
        assert f"document/{kind}/{language}/" in page
        assert words in text_of(client.get(f"{address}document/{kind}/{language}/"))
    assert list(Paper.objects.values_list("pk", "status", "file")) == kept
