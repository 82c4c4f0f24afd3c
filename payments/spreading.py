"""Which part of an amount goes to which invoice: the oldest first, and none gets more than is owed on it."""

from collections.abc import Callable, Iterable

from core.money import Money
from invoices.models import Invoice


def asked(invoice: Invoice) -> Money:
    """What is asked for on it: what is owed and not disputed."""
    return invoice.amount_asked


def spread(
    invoices: Iterable[Invoice], amount: Money, *, owing: Callable[[Invoice], Money] = asked
) -> list[tuple[Invoice, Money]]:
    """Each invoice with its part, by due date and then number; those that get nothing have a part of zero.

    `owing` says how much an invoice may get. What is left beyond that goes nowhere: the caller compares the sum.
    """
    left, parts = amount, []
    for invoice in sorted(invoices, key=lambda each: (each.due_date, each.number)):
        part = min(left, owing(invoice))
        parts.append((invoice, part))
        left -= part
    return parts


def owed(invoices: Iterable[Invoice], currency: str) -> Money:
    """What is asked for on these together."""
    return Money.total((invoice.amount_asked for invoice in invoices), currency)
