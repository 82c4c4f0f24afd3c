"""Whether a payment waits for an owner: the one question that paying, its pages and preparing ask."""

from collections.abc import Iterable
from typing import Any

from core.money import Money
from core.policy import Action, may
from invoices.models import Invoice
from payments.models import ApprovalRule
from profiles.models import BillingProfile


def limit_of(profile: BillingProfile) -> Money | None:
    """Above which amount an owner approves; None where nothing waits. One statement."""
    rule = ApprovalRule.objects.filter(profile=profile).first()
    return rule.above if rule else None


def is_above(limit: Money | None, parts: Iterable[tuple[Invoice, Money]]) -> bool:
    """Whether this is more than the limit: in all, or because one of the invoices is, so that nobody comes below it
    by paying in parts."""
    parts = list(parts)
    if limit is None or not parts:
        return False
    total = Money.total((part for _invoice, part in parts), limit.currency)
    return total > limit or any(invoice.total > limit for invoice, _part in parts)


def needs_approval(by: Any, profile: BillingProfile, parts: Iterable[tuple[Invoice, Money]]) -> bool:
    """Whether this person (None: whoever holds the link of a mail) may not pay that without an owner."""
    if by is not None and may(by, Action.INVOICE_APPROVE_PAYMENT, profile):
        return False
    return is_above(limit_of(profile), parts)
