"""The lines of an invoice as they are read."""

import pytest

from invoices.lines import grouped_lines
from invoices.tests.factories import InvoiceFactory

pytestmark = pytest.mark.django_db


def test_what_has_no_heading_of_its_own_stands_before_the_first_heading():
    invoice = InvoiceFactory(
        lines=[
            {"net_minor": 100, "section": "Production", "description": "Compute"},
            {"net_minor": 200, "section": "Production", "description": "Storage"},
            {"net_minor": 300, "section": "Scanner link", "description": "Scanner link"},
        ]
    )
    sections = grouped_lines(invoice)
    assert [(section.name, section.has_heading, section.net.minor) for section in sections] == [
        ("Scanner link", False, 300),
        ("Production", True, 300),
    ]
