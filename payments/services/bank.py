"""Movements at the bank: taken in, matched with what is owed, booked, undone (P24).

Booked by itself is only what the customer named: a payment reference, whose check digits banks verify; or an invoice
number together with the amount that fits. Everything else is a suggestion for a person.
"""

import hashlib
import io
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from stdnum.iso7064 import mod_97_10

from accounts.models import Seller, User
from core.errors import Refused
from core.history import acting
from core.money import Money
from core.states import move
from invoices.documents.codes import REFERENCE_LENGTH, payment_reference
from invoices.models import CreditMove, Invoice, LedgerAccount
from invoices.services.settling import reopen_invoice, settle_invoice, still_takes
from payments.bank.camt import read_camt
from payments.bank.entries import FileRefused, ReadEntry, ReadStatement, keyed
from payments.bank.sheets import read_sheet
from payments.models import (
    BANK,
    Allocation,
    BankBooking,
    BankEntry,
    BankFile,
    BookedBy,
    Family,
    Initiator,
    Pace,
    Payment,
    Refund,
)
from payments.services.cases import close_settled, reopen_case
from payments.services.overpaid import keep_rest, take_from_balance
from payments.services.papers import ask_for_receipt
from payments.services.settle import next_receipt_number
from payments.spreading import owed, spread
from payments.states import AllocationStatus, EntryStatus, PaymentStatus
from profiles.models import BillingProfile

LARGEST_FILE = 50 * 1024 * 1024
CHUNK = 1000
SUGGESTED_AT_MOST = 5
SHORTEST_REASON = 10
_RF = re.compile(r"\bRF\d\d")
_NUMBER = re.compile(r"\b[A-Z]{1,8}\d{9}\b")


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
        raise FileRefused(f"it is larger than {LARGEST_FILE // 1024 // 1024} MB")
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
        raise FileRefused("it is empty")
    if head.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        return read_camt(io.BytesIO(content))
    return read_sheet(content)


def _check_ours(statements: Iterable[ReadStatement]) -> None:
    ours = "".join(str(Seller.objects.values_list("iban", flat=True).first() or "").split()).upper()
    for statement in statements:
        if ours and statement.iban != ours:
            raise FileRefused(f"it is of the account that ends in {statement.iban[-4:]}, which is not ours")


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


# --- Matching -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Match:
    """Where a movement goes, and why. `is_certain` where the customer said so, so that it is booked by itself."""

    invoices: tuple[Invoice, ...]
    why: BookedBy
    is_certain: bool


def match_entries(entries: Sequence[BankEntry]) -> dict[int, Match]:
    """The invoices that each of these movements pays, by what its text names; two statements whatever their number."""
    said = {entry.pk: (_references(entry), _numbers(entry)) for entry in entries if entry.amount_minor > 0}
    named = {number for references, numbers in said.values() for number in [*references, *numbers]}
    found = Invoice.objects.filter(number__in=named, kind="invoice").select_related("profile__account", "account")
    by_number = {invoice.number: invoice for invoice in found}
    matches = {}
    for entry in entries:
        references, numbers = said.get(entry.pk, ([], []))
        for names, why in ((references, BookedBy.REFERENCE), (numbers, BookedBy.NUMBER)):
            invoices = [by_number[name] for name in names if name in by_number]
            if invoices and (match := _match(entry, invoices, why)):
                matches[entry.pk] = match
                break
    return matches


def _match(entry: BankEntry, invoices: list[Invoice], why: BookedBy) -> Match | None:
    payable = [invoice for invoice in invoices if invoice.status == "due" and invoice.currency == entry.currency]
    if not payable:
        return None
    one_profile = len({invoice.profile_id for invoice in payable}) == 1
    due = owed(payable, entry.currency)
    fits = entry.left == due or (len(payable) == 1 and entry.left < due)
    is_certain = one_profile and len(payable) == len(invoices) and (why == BookedBy.REFERENCE or fits)
    return Match(tuple(payable), why, is_certain)


def _references(entry: BankEntry) -> list[str]:
    """The invoice numbers in payment references of ISO 11649 whose check digits are right."""
    text = f"{entry.references} {entry.end_to_end} {entry.text}".upper()
    found = []
    for start in _RF.finditer(text):
        # People copy it as it is printed, in groups of four.
        body = re.match("[0-9A-Z]*", text[start.end() : start.end() + 30].replace(" ", ""))
        known = body[0] if body else ""
        lengths = range(min(len(known), REFERENCE_LENGTH), 0, -1)
        bodies = [known[:length] for length in lengths]
        # A space between the check digits and the rest does not count.
        found += [each for each in bodies if payment_reference(each) == start[0] + each]
    return list(dict.fromkeys(found))


def _numbers(entry: BankEntry) -> list[str]:
    return list(dict.fromkeys(_NUMBER.findall(f"{entry.text} {entry.end_to_end}".upper())))


def suggestions(entry: BankEntry) -> list[Invoice]:
    """What a person may look at first: what the text names, then what is owed to the cent and to somebody of that
    name. Never booked by itself."""
    match = match_entries([entry]).get(entry.pk)
    found = list(match.invoices) if match else []
    open_ones = Invoice.objects.open().filter(currency=entry.currency).select_related("profile__account", "account")
    words = re.findall(r"[^\W\d_]{4,}", entry.name)[:3]
    like = Q()
    for word in words:
        like |= Q(account_name__icontains=word)
    exact = open_ones.filter(amount_due_minor=entry.left.minor)
    named = exact.filter(like) if words else exact.none()
    for invoice in [*named.order_by("due_date")[:SUGGESTED_AT_MOST], *exact.order_by("due_date")[:SUGGESTED_AT_MOST]]:
        if invoice not in found:
            found.append(invoice)
    return found[:SUGGESTED_AT_MOST]


def look_at(entries: Sequence[BankEntry], *, at: datetime) -> int:
    """Book what is certain of these movements, and leave the rest to a person; returns how many were booked.

    Safe to repeat: each movement is looked at once, and what it pays is locked.
    """
    entries = [entry for entry in entries if entry.looked_at is None]
    matches, booked = match_entries(entries), 0
    for entry in entries:
        match = matches.get(entry.pk)
        if match is not None and match.is_certain:
            try:
                book_entry(entry, list(match.invoices), why=match.why, by=None, at=at)
                booked += 1
            except Refused:
                pass  # it was paid in another way a moment ago, or is being paid: a person looks
        BankEntry.objects.filter(pk=entry.pk).update(looked_at=at)
    return booked


# --- Booking ------------------------------------------------------------------------------------


def book_entry(
    entry: BankEntry,
    invoices: Sequence[Invoice],
    *,
    why: BookedBy,
    by: User | None,
    at: datetime | None = None,
    keeps_rest: bool = True,
) -> Payment:
    """Book what is left of a movement to these invoices of one billing profile, the oldest first. What is more than
    they need becomes a balance of the profile, also all of it where they were paid before; unless `keeps_rest` is
    False: then the rest stays on the movement, to be booked elsewhere.

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
        parts = [(invoice, part) for invoice, part in spread(stored, entry.left, owing=still_takes) if part]
        booked = Money.total((part for _invoice, part in parts), entry.currency)
        payment = _payment(entry, stored[0].profile, entry.left if keeps_rest else booked, by, at)
        booking = BankBooking.objects.create(entry=entry, payment=payment, why=why, booked_by=by, booked_at=at)
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
    if Allocation.objects.filter(invoice__in=invoices, status=AllocationStatus.HELD).exists():
        raise Refused(
            _("A payment of one of these invoices is under way. Wait until its outcome is known."), "under_way"
        )


def _payment(entry: BankEntry, profile: BillingProfile, total: Money, by: User | None, at: datetime) -> Payment:
    return Payment.objects.create(
        account_id=profile.account_id,
        profile=profile,
        family=Family.TRANSFER,
        method_text=" ".join(filter(None, ["Bank", entry.account_masked])),
        gateway=BANK,
        amount_minor=total.minor,
        currency=total.currency,
        status=PaymentStatus.SUCCEEDED,
        idempotency_key=f"bank-{uuid.uuid4().hex}",
        request_key=f"bank-{entry.pk}-{entry.bookings.count()}",
        request_hash=entry.entry_key,
        gateway_reference=entry.bank_reference,
        initiated_by=Initiator.AUTOMATIC,
        created_at=at,
        settled_at=at,
    )


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


def returned_of(entry: BankEntry) -> list[BankBooking]:
    """The bookings that a movement out of the account may take back: of the same amount, and named alike. A person
    undoes the right one."""
    if entry.amount_minor >= 0:
        return []
    bookings = BankBooking.objects.filter(undone_at=None, entry__amount_minor=-entry.amount_minor)
    same = Q(entry__name__iexact=entry.name) if entry.name else Q(pk__in=[])
    if entry.end_to_end:
        same |= Q(entry__end_to_end=entry.end_to_end)
    names = [*_references(entry), *_numbers(entry)]
    same |= Q(payment__allocations__invoice__number__in=names)
    rows = bookings.filter(same).select_related("entry", "payment__account").distinct()
    return list(rows.order_by("-pk")[:SUGGESTED_AT_MOST])
