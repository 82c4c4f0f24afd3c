"""Movements at the bank: taken in, booked to what they pay, undone (P24). Nothing is booked twice, and no guess."""

import hashlib
import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from stdnum.iso7064 import mod_97_10

from accounts.models import Seller, User
from core.database import analyze_grown, bulk_transaction
from core.errors import Refused
from core.history import acting
from core.money import Money
from core.states import move
from invoices.models import CreditMove, Invoice, LedgerAccount
from invoices.services.settling import reopen_invoice, settle_invoice, still_takes
from payments.bank.camt import read_camt
from payments.bank.entries import FileRefused, ReadEntry, ReadStatement, keyed
from payments.bank.sheets import read_sheet
from payments.models import (
    Allocation,
    BankBooking,
    BankEntry,
    BankFile,
    BookedBy,
    Pace,
    Payment,
    Refund,
    Remittance,
)
from payments.services.booking import bank_payment, book_plain
from payments.services.cases import close_settled, reopen_case
from payments.services.matching import Match, match_entries, still_pays
from payments.services.overpaid import keep_rest, take_from_balance
from payments.services.papers import ask_for_receipt
from payments.services.settle import next_receipt_number
from payments.spreading import spread
from payments.states import AllocationStatus, EntryStatus, PaymentStatus
from profiles.models import BillingProfile

LARGEST_FILE = 50 * 1024 * 1024
CHUNK = 1000
SHORTEST_REASON = 10
# From so many bookings at once on it is worth asking whether the planner knows of them.
GROWS_BY = 100


# --- Taking in ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TakenIn:
    """What became of a file. `file` is the earlier one where the same came before."""

    file: BankFile
    is_new: bool


def take_in_file(content: bytes, *, name: str, by: User | None) -> TakenIn:
    """Keep the movements of a statement, all or none; those known from another file are not kept again.

    Raises FileRefused for a file that is none, is cut off, does not add up, or is of another account than ours.
    """
    if len(content) > LARGEST_FILE:
        raise FileRefused(_("it is larger than %(most)d MB") % {"most": LARGEST_FILE // 1024 // 1024})
    digest = hashlib.sha256(content).hexdigest()
    if earlier := BankFile.objects.filter(sha256=digest).first():
        return TakenIn(earlier, is_new=False)
    statements = read_statements(content)
    _check_ours(statements)
    rows = [_row(key, entry) for statement in statements for key, entry in keyed(statement.iban, statement.entries)]
    with transaction.atomic():
        file, is_new = BankFile.objects.get_or_create(
            sha256=digest,
            defaults={
                "file_name": name[-200:],
                "statements": ", ".join(filter(None, (statement.number for statement in statements)))[:500],
                "entries_read": len(rows),
                "taken_by": by,
            },
        )
        if not is_new:
            return TakenIn(file, is_new=False)
        for start in range(0, len(rows), CHUNK):
            for row in rows[start : start + CHUNK]:
                row.file = file
            BankEntry.objects.bulk_create(rows[start : start + CHUNK], ignore_conflicts=True)
        file.entries_new = BankEntry.objects.filter(file=file).count()
        BankFile.objects.filter(pk=file.pk).update(entries_new=file.entries_new)
    return TakenIn(file, is_new=True)


def read_statements(content: bytes) -> list[ReadStatement]:
    """The statements in it, by what it looks like: XML is camt.053, everything else a CSV."""
    head = content[:200].lstrip(b"\xef\xbb\xbf \r\n\t")
    if not head:
        raise FileRefused(_("it is empty"))
    if head.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        return read_camt(io.BytesIO(content))
    return read_sheet(content)


def _check_ours(statements: Iterable[ReadStatement]) -> None:
    ours = "".join(str(Seller.objects.values_list("iban", flat=True).first() or "").split()).upper()
    for statement in statements:
        if ours and statement.iban != ours:
            raise FileRefused(
                _("it is of the account that ends in %(end)s, which is not ours") % {"end": statement.iban[-4:]}
            )


def _row(key: str, entry: ReadEntry) -> BankEntry:
    return BankEntry(
        entry_key=key,
        booked_on=entry.booked_on,
        amount_minor=entry.amount.minor,
        currency=entry.amount.currency,
        bank_reference=entry.bank_reference,
        name=entry.name.replace("\x00", ""),
        account_masked=f"{entry.account[:2]}…{entry.account[-4:]}" if entry.account else "",
        text=_without_accounts(entry.text),
        references=" ".join(entry.references)[:800],
        end_to_end=_without_accounts(entry.end_to_end),
        is_return=entry.is_return,
    )


_IBAN = re.compile(r"\b[A-Z]{2}\d\d(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,4})?\b")


def _without_accounts(text: str) -> str:
    """The text without account numbers of the customer: what the matching reads is kept."""

    def masked(found: re.Match[str]) -> str:
        number = found[0].replace(" ", "")
        if number.startswith("RF") or not mod_97_10.is_valid(number[4:] + number[:4]):
            return found[0]
        return f"{number[:2]}…{number[-4:]}"

    return _IBAN.sub(masked, text)


# --- Booking ------------------------------------------------------------------------------------


def look_at(entries: Iterable[BankEntry], *, at: datetime) -> int:
    """Book what is certain of these movements, and leave the rest to a person; returns how many were booked.

    All of it in one transaction, so that one that dies has done nothing; safe to repeat, for each movement is looked
    at once, and what it pays is locked. What is plain is booked at once, the others one by one.
    """
    with bulk_transaction():
        ids = [entry.pk for entry in entries]
        fresh = list(BankEntry.objects.select_for_update().filter(pk__among=ids, looked_at=None).order_by("pk"))
        matches = match_entries(fresh)
        certain = [entry for entry in fresh if entry.pk in matches and matches[entry.pk].is_certain]
        booked = book_plain([(entry, matches[entry.pk]) for entry in certain], at=at)
        for entry in certain:
            if entry.pk not in booked and _book_match(entry, matches[entry.pk], at):
                booked.add(entry.pk)
        left = [entry.pk for entry in fresh if entry.looked_at is None]
        BankEntry.objects.filter(pk__among=left).update(looked_at=at)
    if len(booked) >= GROWS_BY:
        analyze_grown(Payment, Allocation, by=len(booked))
    return len(booked)


def _book_match(entry: BankEntry, match: Match, at: datetime) -> bool:
    """Book a movement to what it names, of each billing profile by itself; whether that could be done. What was paid
    in another way a moment ago, or is being paid, is left to a person."""
    by_profile: dict[int, list[Invoice]] = defaultdict(list)
    stored = Invoice.objects.in_bulk(each.pk for each in match.invoices)
    for invoice in sorted(still_pays(match, entry, stored.values()), key=lambda each: (each.due_date, each.number)):
        by_profile[invoice.profile_id].append(invoice)
    try:
        with transaction.atomic():
            for invoices in by_profile.values():
                book_entry(
                    entry,
                    invoices,
                    why=match.why,
                    by=None,
                    at=at,
                    keeps_rest=len(by_profile) == 1,
                    remittance=match.remittance,
                    most=match.most,
                )
                entry.refresh_from_db()
                if not entry.left:
                    break
    except Refused:
        return False
    return bool(by_profile)


def book_entry(
    entry: BankEntry,
    invoices: Sequence[Invoice],
    *,
    why: BookedBy,
    by: User | None,
    at: datetime | None = None,
    keeps_rest: bool = True,
    remittance: Remittance | None = None,
    most: Mapping[int, Money] | None = None,
) -> Payment:
    """Book what is left of a movement to these invoices of one billing profile, the oldest first, and to each as much
    as `most` says at most. What is more than they need becomes a balance of the profile, also all of it where they
    were paid before; unless `keeps_rest` is False: then the rest stays on the movement, to be booked elsewhere.

    Refuses `not_open` for a movement that is booked or set aside, `not_payable`, `under_way` where an attempt holds
    one of the invoices, `other_currency` and `several_profiles`.
    """
    at = at or timezone.now()
    with transaction.atomic(), acting(by, "bank.book"):
        entry = BankEntry.objects.select_for_update().get(pk=entry.pk)
        if entry.status not in (EntryStatus.OPEN, EntryStatus.PARTLY) or entry.amount_minor <= 0:
            raise Refused(_("This movement is booked or set aside already. Look again."), "not_open")
        rows = Invoice.objects.select_for_update(of=("self",)).select_related("profile__account", "account")
        stored = list(rows.filter(pk__in=[invoice.pk for invoice in invoices]).order_by("pk"))
        _check(entry, stored, keeps_rest)
        limits = most or {}

        def takes(invoice: Invoice) -> Money:
            return min(still_takes(invoice), limits.get(invoice.pk, invoice.amount_due))

        parts = [(invoice, part) for invoice, part in spread(stored, entry.left, owing=takes) if part]
        booked = Money.total((part for _invoice, part in parts), entry.currency)
        payment = _payment(entry, stored[0].profile, entry.left if keeps_rest else booked, at)
        booking = BankBooking.objects.create(
            entry=entry, payment=payment, why=why, booked_by=by, booked_at=at, remittance=remittance
        )
        for invoice, part in parts:
            Allocation.objects.create(
                payment=payment, invoice=invoice, amount_minor=part.minor, status=AllocationStatus.SETTLED
            )
            settle_invoice(
                invoice, part, reference=f"payment:{payment.code}", on=timezone.localdate(at), debit=LedgerAccount.BANK
            )
        keep_rest(payment, payment.amount - booked, on=timezone.localdate(at))
        settled = entry.settled_minor + payment.amount_minor
        if settled == entry.amount_minor:
            move(entry, EntryStatus.BOOKED, settled_minor=settled, seen_to_by=by)
        elif entry.status == EntryStatus.OPEN:
            move(entry, EntryStatus.PARTLY, settled_minor=settled, seen_to_by=by)
        else:
            BankEntry.objects.filter(pk=entry.pk).update(settled_minor=settled, seen_to_by=by)
        close_settled(stored)
        Payment.objects.filter(pk=payment.pk).update(receipt_number=next_receipt_number())
        ask_for_receipt(booking.payment)
    return payment


def _check(entry: BankEntry, invoices: Sequence[Invoice], keeps_rest: bool) -> None:
    bookable = ("due", "paid") if keeps_rest else ("due",)
    if not invoices or any(invoice.status not in bookable or invoice.kind != "invoice" for invoice in invoices):
        raise Refused(_("One of these invoices is not open any more. Look again."), "not_payable")
    if any(invoice.currency != entry.currency for invoice in invoices):
        raise Refused(_("The invoice is in another currency than the movement."), "other_currency")
    if len({invoice.profile_id for invoice in invoices}) != 1:
        raise Refused(_("Book the invoices of one billing profile at a time."), "several_profiles")
    if Allocation.objects.holding(invoices).exists():
        raise Refused(
            _("A payment of one of these invoices is under way. Wait until its outcome is known."), "under_way"
        )


def _payment(entry: BankEntry, profile: BillingProfile, total: Money, at: datetime) -> Payment:
    values = bank_payment(entry, profile.account_id, profile.pk, total, count=entry.bookings.count(), at=at)
    return Payment.objects.create(**values)


def undo_booking(booking: BankBooking, *, reason: str, by: User, at: datetime | None = None) -> None:
    """Take back what was booked to the wrong invoice: it is owed again, and the movement is looked at anew.

    Refuses `reason_missing`, `undone_before`, `refunding` while a refund of it is on its way, and `balance_used` where
    what was overpaid with it pays another invoice by now. Staff only; views see to that.
    """
    at, reason = at or timezone.now(), reason.strip()
    if len(reason) < SHORTEST_REASON:
        raise Refused(_("Say why, so that somebody else understands it next year."), "reason_missing")
    day = timezone.localdate(at)
    with transaction.atomic(), acting(by, "bank.undo"):
        entry = BankEntry.objects.select_for_update().get(pk=booking.entry_id)
        payment = Payment.objects.select_for_update().get(pk=booking.payment_id)
        if payment.status != PaymentStatus.SUCCEEDED:
            raise Refused(_("This booking was undone before."), "undone_before")
        if Refund.objects.counting().filter(payment=payment).exists():
            raise Refused(
                _("A refund of it is on its way. Decline the refund first, or give all of it back."), "refunding"
            )
        if payment.balance_lot is not None and payment.balance_lot.balance != payment.kept:
            raise Refused(
                _("What was overpaid with it has been used or given back since. Give the rest back as a refund."),
                "balance_used",
            )
        undone = f"undone:{payment.code}"
        take_from_balance(payment, payment.kept, kind=CreditMove.CANCELLED, reference=undone, on=day)
        for allocation in payment.allocations.select_related("invoice__profile__account").order_by("invoice_id"):
            reopen_invoice(
                allocation.invoice,
                Money(allocation.amount_minor, payment.currency),
                reference=undone,
                on=day,
                credit=LedgerAccount.BANK,
            )
            if allocation.invoice.is_overdue(day):
                reopen_case(allocation.invoice, Pace.NORMAL, on=day)
        move(payment, PaymentStatus.UNDONE)
        BankBooking.objects.filter(pk=booking.pk).update(undone_by=by, undone_at=at, undone_because=reason[:500])
        settled = entry.settled_minor - payment.amount_minor
        to = EntryStatus.PARTLY if settled else EntryStatus.OPEN
        if entry.status == to:
            BankEntry.objects.filter(pk=entry.pk).update(settled_minor=settled)
        else:
            move(entry, to, settled_minor=settled)


def set_aside(entry: BankEntry, *, note: str, by: User) -> None:
    """Nothing of it is ours to book, and why. Refuses `reason_missing`."""
    if len(note.strip()) < SHORTEST_REASON:
        raise Refused(_("Say why, so that somebody else understands it next year."), "reason_missing")
    with transaction.atomic(), acting(by, "bank.set_aside"):
        move(BankEntry.objects.get(pk=entry.pk), EntryStatus.SET_ASIDE, note=note.strip()[:500], seen_to_by=by)


def take_up_again(entry: BankEntry, *, by: User) -> None:
    """It is looked at after all."""
    with transaction.atomic(), acting(by, "bank.take_up"):
        move(BankEntry.objects.get(pk=entry.pk), EntryStatus.OPEN, seen_to_by=by)
