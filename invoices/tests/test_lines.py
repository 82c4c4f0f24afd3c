"""The lines of an invoice as they are read."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import UserFactory
from invoices.lines import grouped_lines
from invoices.tests.factories import InvoiceFactory
from profiles.tests.factories import ProfileRoleFactory

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


# --- The page of an invoice ---------------------------------------------------------------------


def many_lines(sections=4, each=250):
    """Sections of so many lines of 1, 2, 3 … cents, and one line that says itself what its heading would."""
    lines = [
        {"net_minor": place + 1, "section": f"Section {number}", "description": f"Line {place}"}
        for number in range(sections)
        for place in range(each)
    ]
    return InvoiceFactory(lines=[*lines, {"net_minor": 7, "section": "Scanner link", "description": "Scanner link"}])


@pytest.fixture
def reader(client):
    user = UserFactory()

    def read(invoice):
        ProfileRoleFactory(profile=invoice.profile, user=user)
        client.force_login(user)
        return lambda query="": client.get(invoice.get_absolute_url() + query)

    return read


def test_3_6_a_thousand_lines_are_read_page_by_page_in_one_order_both_ways(reader):
    invoice = many_lines()
    read = reader(invoice)

    seen, page, pages = [], read(), []
    while True:
        lines = page.context["lines"]
        pages.append(lines)
        seen += [line.position for section in lines.sections for line in section.lines]
        if not lines.older:
            break
        page = read(lines.older.removesuffix("#lines"))
    back = read(pages[-1].newer.removesuffix("#lines")).context["lines"]

    assert seen == [line.position for section in grouped_lines(invoice) for line in section.lines]
    assert {lines.shown for lines in pages[:-1]} == {50}
    assert [each.lines for each in back.sections] == [each.lines for each in pages[-2].sections]


def test_3_6_a_heading_sums_its_whole_section_on_every_page(reader):
    invoice = many_lines()
    read = reader(invoice)
    whole = {section.name: section.net for section in grouped_lines(invoice)}

    first = read()
    text = read(first.context["lines"].older.removesuffix("#lines")).content.decode()
    second = read(first.context["lines"].older.removesuffix("#lines")).context["lines"].sections

    assert [(each.name, each.has_heading, each.is_continued) for each in first.context["lines"].sections] == [
        ("Scanner link", False, False),
        ("Section 0", True, False),
    ]
    assert [(each.name, each.net, each.is_continued) for each in second] == [("Section 0", whole["Section 0"], True)]
    assert "(continued)" in text
    assert "50 of 1001 lines" in text.replace(",", "")


@pytest.mark.parametrize("query", ["?after=nonsense", "?before=WyIxIl0", "?after=WyJ4IiwgInkiXQ", "?after=%00"])
def test_a_key_that_makes_no_sense_shows_the_first_lines(reader, query):
    page = reader(many_lines(sections=1, each=60))(query)

    assert page.status_code == 200
    assert page.context["lines"].sections[0].name == "Scanner link"


def test_the_page_costs_one_statement_more_with_a_thousand_lines_than_with_two(reader):
    costs = []
    for invoice in (many_lines(sections=1, each=1), many_lines()):
        read = reader(invoice)
        read()
        with CaptureQueriesContext(connection) as queries:
            read()
        costs.append(len(queries))

    # The sums of whole sections, and how many lines there are; where all are on the page, it tells.
    assert costs[1] - costs[0] == 1


def test_3_6_the_csv_carries_every_one_of_a_thousand_lines(reader, client):
    invoice = many_lines()
    reader(invoice)

    answer = client.get(reverse("invoice_csv", args=[invoice.code]))

    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert len(content.decode("utf-8-sig").strip().splitlines()) == 1002
