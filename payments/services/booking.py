"""Booking many movements at the bank at once: those that are plain, in some twenty statements (P24).

Plain is a movement to invoices that are due and of which nothing is disputed or being paid; what is more than they
need is kept for their billing profile, and where they are of several, a movement with such a rest is not plain. The
others are booked one by one by `payments.services.bank`. A payment from the bank is a `Payment` with the gateway
`bank`, so that receipts, statements and allocations have one path. Locks are taken in one order: movements, invoices,
profiles, cases, and the series of receipts last.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import F
from django.utils import timezone

from core.codes import new_code
from core.database import insert_rows, next_ids
from core.history import acting
from core.money import Money
from core.states import move_all
from invoices.models import Invoice, LedgerAccount
from invoices.services.credits import Overpaid, keep_overpaid
from invoices.services.settling import settle_invoices
from payments.models import (
    BANK,
    Allocation,
    BankBooking,
    BankEntry,
    Family,
    Initiator,
    Payment,
)
from payments.services.cases import close_settled
from payments.services.matching import Match, still_pays
from payments.services.papers import ask_for_receipts
from payments.services.settle import next_receipt_numbers
from payments.spreading import spread
from payments.states import AllocationStatus, EntryStatus, PaymentStatus

# What may change of an invoice that is issued, and what its receipt needs.
_CHANGING = ("status", "settled_minor", "disputed_minor", "prepaid_minor", "due_date", "language")


@dataclass
class _Plan:
    """One payment of a movement: the invoices of one billing profile, with what each gets."""

    match: Match
    entry: BankEntry
    parts: list[tuple[Invoice, Money]]
    payment: dict[str, Any]

    @property
    def cause(self) -> str:
        """As what its postings name it."""
        return f"payment:{self.payment['code']}"

    @property
    def rest(self) -> Money:
        """What is more than its invoices need."""
        amount = Money(self.payment["amount_minor"], self.payment["currency"])
        return amount - Money.total((part for _invoice, part in self.parts), amount.currency)

    @property
    def overpaid(self) -> Overpaid:
        """The same, as the credits know it."""
        of = self.payment
        return Overpaid(of["account_id"], of["profile_id"], self.rest, of["method_text"], self.cause)


def book_plain(matched: Sequence[tuple[BankEntry, Match]], *, at: datetime) -> set[int]:
    """Book those of these movements that are plain, in the caller's transaction, which has them locked; a payment for
    each billing profile. Returns the ids of those that were booked; the others are as they were."""
    if not matched:
        return set()
    with acting(None, "bank.book"):
        invoices = _locked({invoice.pk: invoice for _entry, match in matched for invoice in match.invoices})
        holding = Allocation.objects.holding(invoices)
        # What is not plain may go to any of its invoices later: they are left to that.
        left_alone = set(holding.values_list("invoice_id", flat=True))
        counts = _bookings_of([entry.pk for entry, _match in matched])
        plans: list[_Plan] = []
        for entry, match in matched:
            chosen = [invoices[each.pk] for each in match.invoices]
            parts = _plain_parts(entry, match, chosen, left_alone)
            if not parts:
                left_alone |= {invoice.pk for invoice in chosen}
            else:
                plans += _planned(entry, match, parts, counts[entry.pk], at)
        if plans:
            _write(plans, at)
    return {plan.entry.pk for plan in plans}


def _locked(invoices: dict[int, Invoice]) -> dict[int, Invoice]:
    """The same invoices as they are now, locked: only what may have changed since the matching read them is read."""
    rows = Invoice.objects.select_for_update().filter(pk__among=invoices).order_by("pk").values("pk", *_CHANGING)
    for row in rows:
        invoice = invoices[row.pop("pk")]
        for name, value in row.items():
            setattr(invoice, name, value)
    return invoices


def _bookings_of(entry_ids: Iterable[int]) -> dict[int, int]:
    """How often each movement was booked before: part of the key of its next payment."""
    counts: dict[int, int] = defaultdict(int)
    for pk in BankBooking.objects.filter(entry__among=entry_ids).values_list("entry_id", flat=True):
        counts[pk] += 1
    return counts


def _plain_parts(
    entry: BankEntry, match: Match, invoices: Sequence[Invoice], left_alone: set[int]
) -> list[tuple[Invoice, Money]]:
    """What each invoice gets; nothing where the movement is not plain."""
    pays = still_pays(match, entry, invoices)
    is_open = entry.status == EntryStatus.OPEN and entry.amount_minor > 0
    is_free = not any(invoice.disputed_minor or invoice.pk in left_alone for invoice in pays)
    if not (is_open and is_free):
        return []
    parts = spread(pays, entry.left, owing=lambda each: min(each.amount_due, match.most.get(each.pk, each.amount_due)))
    is_whole = Money.total((part for _invoice, part in parts), entry.currency) == entry.left
    one_profile = len({invoice.profile_id for invoice in pays}) == 1
    return [(invoice, part) for invoice, part in parts if part] if is_whole or one_profile else []


def _planned(
    entry: BankEntry, match: Match, parts: Sequence[tuple[Invoice, Money]], count: int, at: datetime
) -> list[_Plan]:
    """The payments of one movement, a rest with the only one. Counts what they take on the movement and the invoices
    in hand."""
    by_profile: dict[int, list[tuple[Invoice, Money]]] = defaultdict(list)
    for invoice, part in parts:
        by_profile[invoice.profile_id].append((invoice, part))
        invoice.settled_minor += part.minor
    plans = []
    for number, each in enumerate(by_profile.values()):
        is_only = len(by_profile) == 1
        total = entry.left if is_only else Money.total((part for _invoice, part in each), entry.currency)
        entry.settled_minor += total.minor
        first = each[0][0]
        payment = bank_payment(entry, first.account_id, first.profile_id, total, count=count + number, at=at)
        plans.append(_Plan(match, entry, each, payment))
    return plans


def bank_payment(
    entry: BankEntry, account_id: int, profile_id: int, total: Money, *, count: int, at: datetime
) -> dict[str, Any]:
    """The columns of a payment of a movement, not written yet; `count` payments of the movement came before it. A
    plain mapping: of a large statement it is made for every movement, and an object would cost more than its row."""
    return {
        "code": new_code(),
        "account_id": account_id,
        "profile_id": profile_id,
        "family": Family.TRANSFER,
        "method_text": " ".join(filter(None, ["Bank", entry.account_masked])),
        "gateway": BANK,
        "amount_minor": total.minor,
        "currency": total.currency,
        "status": PaymentStatus.SUCCEEDED,
        "idempotency_key": f"bank-{uuid.uuid4().hex}",
        "request_key": f"bank-{entry.pk}-{count}",
        "request_hash": entry.entry_key,
        "gateway_reference": entry.bank_reference,
        "initiated_by": Initiator.AUTOMATIC,
        "created_at": at,
        "settled_at": at,
    }


def _write(plans: Sequence[_Plan], at: datetime) -> None:
    parts, on = [(plan, invoice, part) for plan in plans for invoice, part in plan.parts], timezone.localdate(at)
    settle_invoices(
        [(invoice, part, plan.cause) for plan, invoice, part in parts],
        on=on,
        debit=LedgerAccount.BANK,
    )
    lots = _kept_rests([plan for plan in plans if plan.rest], on)
    entries = list({plan.entry.pk: plan.entry for plan in plans}.values())
    move_all(entries, EntryStatus.BOOKED, are_locked=True, settled_minor=F("amount_minor"), looked_at=at)
    for entry in entries:
        entry.settled_minor = entry.amount_minor
    close_settled({invoice.pk: invoice for _plan, invoice, _part in parts}.values())
    payments = [plan.payment for plan in plans]
    for payment, pk, number in zip(
        payments, next_ids(Payment, len(plans)), next_receipt_numbers(len(plans)), strict=True
    ):
        payment.update(id=pk, receipt_number=number, balance_lot_id=lots.get(payment["code"]))
    insert_rows(Payment, payments)
    insert_rows(BankBooking, [_booking(plan, at) for plan in plans])
    allocations: list[Mapping[str, Any]] = [
        {
            "payment_id": plan.payment["id"],
            "invoice_id": invoice.pk,
            "amount_minor": part.minor,
            "status": AllocationStatus.SETTLED,
        }
        for plan, invoice, part in parts
    ]
    insert_rows(Allocation, allocations)
    ask_for_receipts([(plan.payment, plan.parts[0][0].language) for plan in plans])


def _kept_rests(plans: Sequence[_Plan], on: date) -> dict[str, int]:
    """Keep what is more than the invoices need; the credit that each such payment became, by the payment's code."""
    if not plans:
        return {}
    lots = keep_overpaid([plan.overpaid for plan in plans], debit=LedgerAccount.BANK, on=on)
    return {plan.payment["code"]: lot.pk for plan, lot in zip(plans, lots, strict=True)}


def _booking(plan: _Plan, at: datetime) -> dict[str, Any]:
    remittance = plan.match.remittance
    return {
        "entry_id": plan.entry.pk,
        "payment_id": plan.payment["id"],
        "why": plan.match.why,
        "booked_at": at,
        "remittance_id": remittance.pk if remittance else None,
    }
