"""Lines as they are read: under their invoice section, or where the profile has but one, under their subscription."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from core.money import Money
from invoices.models import Invoice, InvoiceLine


@dataclass(frozen=True)
class Section:
    """The lines under one heading, and what they come to without VAT."""

    name: str
    lines: list[InvoiceLine]
    net: Money

    @property
    def has_heading(self) -> bool:
        """Not where a single line already says what the heading would."""
        return bool(self.name) and not (len(self.lines) == 1 and self.lines[0].description == self.name)


def grouped_lines(invoice: Invoice) -> list[Section]:
    """The lines in their order, those of one section together; one statement."""
    return sections_of(invoice, invoice.lines.order_by("position"))


def sections_of(invoice: Invoice, lines: Iterable[InvoiceLine]) -> list[Section]:
    """These lines of the invoice, which are in their order, those of one section together.

    What needs no heading comes first: below one it would look as if it belonged to it.
    """
    sections = []
    for name, group in groupby(lines, key=lambda line: line.invoice_section or line.section):
        listed = list(group)
        for line in listed:
            line.invoice = invoice
        sections.append(Section(name, listed, Money.total((line.net for line in listed), invoice.currency)))
    return sorted(sections, key=lambda section: section.has_heading)
