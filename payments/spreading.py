"""Which part of an amount goes to which invoice: the oldest first, and none gets more than is owed on it."""

from collections.abc import Iterable

from core.money import Money
from invoices.models import Invoice


def spread(invoices: Iterable[Invoice], amount: Money) -> list[tuple[Invoice, Money]]:
    """Each invoice with its part, by due date and then number; those that get nothing have a part of zero.

    What is left beyond all that is owed goes nowhere: the caller compares the sum.
    """
    left, parts = amount, []
    for invoice in sorted(invoices, key=lambda each: (each.due_date, each.number)):
        part = min(left, invoice.amount_due)
        parts.append((invoice, part))
        left -= part
    return parts


def owed(invoices: Iterable[Invoice], currency: str) -> Money:
    """What is owed on these together."""
    return Money.total((invoice.amount_due for invoice in invoices), currency)
