"""Which invoices a movement at the bank pays: what its text names, in a few statements whatever the number (P24).

Certain is only what the customer named: a payment reference, whose check digits banks verify; or an invoice number
together with the amount that fits. Everything else is a suggestion for a person.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q

from core.money import Money
from invoices.documents.codes import REFERENCE_LENGTH
from invoices.models import Invoice
from payments.models import BankBooking, BankEntry, BookedBy, Remittance, RemittancePart
from payments.spreading import owed

SUGGESTED_AT_MOST = 5
# What is read of an invoice to match it, and to book to it.
NEEDED = (
    "account_id",
    "profile_id",
    "number",
    "kind",
    "status",
    "currency",
    "total_minor",
    "prepaid_minor",
    "settled_minor",
    "disputed_minor",
    "due_date",
)
_RF = re.compile(r"\bRF\d\d")
_NUMBER = re.compile(r"\b[A-Z]{1,8}\d{9}\b")


@dataclass(frozen=True)
class Match:
    """Where a movement goes, and why. `is_certain` where the customer said so, so that it is booked by itself.

    `most` is how much each invoice may get at most, by its id, where a remittance says so.
    """

    invoices: tuple[Invoice, ...]
    why: BookedBy
    is_certain: bool
    remittance: Remittance | None = None
    most: Mapping[int, Money] = field(default_factory=dict)


@dataclass(frozen=True)
class _Named:
    """What the text of a movement names: payment references, the longest reading of each first; invoice numbers."""

    references: tuple[str, ...]
    numbers: tuple[str, ...]

    @property
    def bodies(self) -> list[str]:
        return [reference[4:] for reference in self.references]


def match_entries(entries: Sequence[BankEntry]) -> dict[int, Match]:
    """The invoices that each of these movements pays, by what its text names; three statements in all."""
    said = {entry.pk: _named(entry) for entry in entries if entry.amount_minor > 0}
    by_number = _invoices_of({name for each in said.values() for name in (*each.bodies, *each.numbers)})
    remitted = _remittances_of({reference for each in said.values() for reference in each.references})
    matches = {}
    for entry in entries:
        named = said.get(entry.pk)
        if named is None:
            continue
        remittances = [remitted[reference] for reference in named.references if reference in remitted]
        if remittances:
            if match := _match_remittances(entry, remittances, named, by_number):
                matches[entry.pk] = match
            continue
        for names, why in ((named.bodies, BookedBy.REFERENCE), (named.numbers, BookedBy.NUMBER)):
            invoices = [by_number[name] for name in names if name in by_number]
            if invoices and (match := _match(entry, invoices, why)):
                matches[entry.pk] = match
                break
    return matches


def _invoices_of(numbers: set[str]) -> dict[str, Invoice]:
    found = Invoice.objects.filter(number__among=numbers, kind="invoice").only(*NEEDED)
    return {invoice.number: invoice for invoice in found}  # type: ignore[misc]


def _remittances_of(references: set[str]) -> dict[str, tuple[Remittance, list[RemittancePart]]]:
    remittances = {each.pk: each for each in Remittance.objects.filter(reference__among=references)}
    if not remittances:
        return {}
    parts = RemittancePart.objects.filter(remittance__in=remittances).select_related("invoice")
    of: dict[int, list[RemittancePart]] = defaultdict(list)
    for part in parts.order_by("pk"):
        of[part.remittance_id].append(part)
    return {each.reference: (each, of[pk]) for pk, each in remittances.items()}


def _match_remittances(
    entry: BankEntry,
    found: Sequence[tuple[Remittance, list[RemittancePart]]],
    named: _Named,
    by_number: Mapping[str, Invoice],
) -> Match | None:
    """One remittance is what its transfer pays, whatever else the text says of those invoices; two are for a person."""
    parts = [part for _remittance, each in found for part in each]
    payable = [
        part.invoice for part in parts if part.invoice.status == "due" and part.invoice.currency == entry.currency
    ]
    if not payable:
        return None
    remittance = found[0][0] if len(found) == 1 else None
    own = {part.invoice_id for part in parts}
    others = [name for name in (*named.bodies, *named.numbers) if name in by_number and by_number[name].pk not in own]
    most = {part.invoice_id: part.amount for part in parts} if remittance else {}
    is_certain = remittance is not None and not others
    return Match(tuple(dict.fromkeys(payable)), BookedBy.REFERENCE, is_certain, remittance, most)


def _match(entry: BankEntry, invoices: list[Invoice], why: BookedBy) -> Match | None:
    payable = [invoice for invoice in invoices if invoice.status == "due" and invoice.currency == entry.currency]
    if not payable:
        return None
    one_profile = len({invoice.profile_id for invoice in payable}) == 1
    is_all = one_profile and len(payable) == len(invoices)
    is_certain = is_all and (why == BookedBy.REFERENCE or fits(entry, payable))
    return Match(tuple(payable), why, is_certain)


def still_pays(match: Match, entry: BankEntry, invoices: Collection[Invoice]) -> list[Invoice]:
    """Those of the match that the movement pays as they are now, which the caller has locked: of a remittance what is
    still due; else all of them, or none where one was paid meanwhile. So it does not matter which movements are looked
    at together."""
    due = [invoice for invoice in invoices if invoice.status == "due" and invoice.amount_due]
    if match.remittance is None and len(due) < len(invoices):
        return []
    return due if match.why != BookedBy.NUMBER or fits(entry, due) else []


def fits(entry: BankEntry, invoices: Collection[Invoice]) -> bool:
    """Whether the amount is what is owed on these, or a part of a single one."""
    due = owed(invoices, entry.currency)
    return entry.left == due or (len(invoices) == 1 and entry.left < due)


def _named(entry: BankEntry) -> _Named:
    return _Named(tuple(_references(entry)), tuple(_numbers(entry)))


def _references(entry: BankEntry) -> list[str]:
    """The payment references of ISO 11649 whose check digits are right."""
    text = f"{entry.references} {entry.end_to_end} {entry.text}".upper()
    found = []
    for start in _RF.finditer(text):
        # People copy it as it is printed, in groups of four.
        body = re.match("[0-9A-Z]*", text[start.end() : start.end() + 30].replace(" ", ""))
        known = body[0][:REFERENCE_LENGTH] if body else ""
        found += [start[0] + known[:length] for length in _valid_lengths(start[0][2:], known)]
    return list(dict.fromkeys(found))


def _valid_lengths(check: str, body: str) -> list[int]:
    """At which lengths the beginning of the body goes with the check digits (ISO 7064, mod 97-10), longest first."""
    found, value = [], 0
    for length, letter in enumerate(body, 1):
        number = int(letter, 36)
        value = (value * (10 if number < 10 else 100) + number) % 97
        # Behind the body stand R (27), F (15) and the digits.
        if (value * 1_000_000 + 271_500 + int(check)) % 97 == 1:
            found.append(length)
    return found[::-1]


def _numbers(entry: BankEntry) -> list[str]:
    return list(dict.fromkeys(_NUMBER.findall(f"{entry.text} {entry.end_to_end}".upper())))


def suggestions(entry: BankEntry) -> list[Invoice]:
    """What a person may look at first: what the text names, then what is owed to the cent and to somebody of that
    name. Never booked by itself."""
    match = match_entries([entry]).get(entry.pk)
    named = [invoice.pk for invoice in match.invoices] if match else []
    found = list(Invoice.objects.filter(pk__in=named).select_related("profile__account", "account").order_by("pk"))
    open_ones = Invoice.objects.open().filter(currency=entry.currency).select_related("profile__account", "account")
    words = re.findall(r"[^\W\d_]{4,}", entry.name)[:3]
    like = Q()
    for word in words:
        like |= Q(account_name__icontains=word)
    exact = open_ones.filter(amount_due_minor=entry.left.minor).order_by("due_date", "pk")
    same_name = exact.filter(account_name__iexact=entry.name) if words else exact.none()
    like_name = exact.filter(like) if words else exact.none()
    for rows in (same_name, like_name, exact):
        found += [invoice for invoice in rows[:SUGGESTED_AT_MOST] if invoice not in found]
    return found[: max(SUGGESTED_AT_MOST, len(named))]


def returned_of(entry: BankEntry) -> list[BankBooking]:
    """The bookings that a movement out of the account may take back: of the same amount, and named alike. A person
    undoes the right one."""
    if entry.amount_minor >= 0:
        return []
    bookings = BankBooking.objects.filter(undone_at=None, entry__amount_minor=-entry.amount_minor)
    same = Q(entry__name__iexact=entry.name) if entry.name else Q(pk__in=[])
    if entry.end_to_end:
        same |= Q(entry__end_to_end=entry.end_to_end)
    named = _named(entry)
    same |= Q(payment__allocations__invoice__number__in=[*named.bodies, *named.numbers])
    same |= Q(remittance__reference__in=named.references)
    rows = bookings.filter(same).select_related("entry", "payment__account").distinct()
    return list(rows.order_by("-pk")[:SUGGESTED_AT_MOST])
