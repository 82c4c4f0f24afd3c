"""Credits of a billing profile: given, moved, taken back and expired by the vendor (domain §3.8).

Whoever changes the credits of a profile holds the lock of the profile, as the billing run does; the
transactions keep the balance, and the ledger says what all of them come to (I18).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services.notices import mail_people
from core.database import insert_rows
from core.errors import Refused
from core.mail_classes import MailClass
from core.money import Money
from invoices.models import CreditLot, CreditMove, CreditSource, CreditTransaction, Invoice, LedgerAccount, Posting
from invoices.services.settling import settle_invoice
from profiles.models import BillingProfile
from profiles.people import keepers_of

# The largest credit in minor units, as the largest invoice.
LARGEST_MINOR = 10**15
# How many days before its last one a credit is mailed about, once each.
EXPIRY_NOTICES = (30, 7)


@transaction.atomic
def give_credit(
    profile: BillingProfile,
    *,
    source: str,
    amount: Money,
    starts_on: date,
    expires_on: date | None,
    description: str,
    reason: str,
    by: User | None,
    on: date,
) -> CreditLot:
    """Give the profile a credit; those who look after it get a mail.

    What was paid in advance is money in the bank and does not expire. `reason` stays with the vendor, `description`
    is what the customer reads. Refuses `own_profile` for online services, `profile_closed`, `other_currency`,
    `no_amount`, `already_over` and `ends_before_it_starts`.
    """
    stored = _locked(profile)
    if not stored.is_shown:
        raise Refused(_("Credits are given on a billing profile, not on a single subscription."), "own_profile")
    if stored.status == "closed":
        raise Refused(_("This billing profile is closed: nothing is billed on it any more."), "profile_closed")
    if amount.currency != stored.currency:
        raise Refused(
            _("This billing profile is billed in %(currency)s.") % {"currency": stored.currency}, "other_currency"
        )
    if not 0 < amount.minor <= LARGEST_MINOR:
        raise Refused(_("Give an amount above zero."), "no_amount")
    if source == CreditSource.PREPAID:
        expires_on = None
    if expires_on and expires_on < on:
        raise Refused(_("That last day is over. Choose a day that is still to come."), "already_over")
    if expires_on and expires_on < starts_on:
        raise Refused(_("The last day lies before the first."), "ends_before_it_starts")
    lot = CreditLot.objects.create(
        account_id=stored.account_id,
        profile=stored,
        source=source,
        currency=stored.currency,
        original_minor=amount.minor,
        starts_on=starts_on,
        expires_on=expires_on,
        description=description,
        reason=reason,
        given_by=by,
    )
    record(lot, CreditMove.GIVEN, amount.minor, on=on, by=by)
    origin = LedgerAccount.BANK if source == CreditSource.PREPAID else LedgerAccount.PROMOTION
    _post(lot, "given", debit=origin, credit=LedgerAccount.CREDITS, minor=amount.minor, on=on)
    mail_people(
        keepers_of(stored, on=on),
        template="credit_given",
        mail_class=MailClass.SERVICE,
        context={
            "amount": amount,
            "profile": stored.name,
            "description": description,
            "starts_on": starts_on,
            "expires_on": expires_on,
            "prepaid": source == CreditSource.PREPAID,
            "path": reverse("profile_credits", args=[stored.code]),
        },
        reference=f"credit:{lot.code}",
    )
    lot.refresh_from_db()
    return lot


@transaction.atomic
def take_back_credit(lot: CreditLot, *, reason: str, by: User | None, on: date) -> Money:
    """Take back what is left of a credit, and return how much that was.

    Refuses `nothing_left`, and `given_back_by_refund` for what was overpaid.
    """
    stored = _locked_lot(lot)
    if stored.source == CreditSource.OVERPAID:
        raise Refused(
            _("This is the customer's own money. Give it back as a refund of the payment it came with."),
            "given_back_by_refund",
        )
    left = _left(stored)
    record(stored, CreditMove.CANCELLED, -left.minor, on=on, by=by, note=reason)
    origin = LedgerAccount.BANK if stored.source == CreditSource.PREPAID else LedgerAccount.PROMOTION
    _post(stored, "cancelled", debit=LedgerAccount.CREDITS, credit=origin, minor=left.minor, on=on)
    lot.refresh_from_db()
    return left


@transaction.atomic
def move_credit(lot: CreditLot, *, profile: BillingProfile, reason: str, by: User | None, on: date) -> None:
    """Move what is left of a credit to another billing profile of the account; both profiles can read it.

    Refuses `nothing_left`, `same_profile`, `other_account`, `other_currency` and `profile_closed`.
    """
    rows = BillingProfile.objects.select_for_update(no_key=True).filter(pk__in=[lot.profile_id, profile.pk])
    to = {row.pk: row for row in rows.order_by("pk")}[profile.pk]
    stored = _locked_lot(lot)
    left = _left(stored)
    if to.pk == stored.profile_id:
        raise Refused(_("It is on this billing profile already."), "same_profile")
    if to.account_id != stored.account_id or not to.is_shown:
        raise Refused(_("A credit stays within its billing account."), "other_account")
    if to.currency != stored.currency:
        raise Refused(
            _("This billing profile is billed in %(currency)s.") % {"currency": to.currency}, "other_currency"
        )
    if to.status == "closed":
        raise Refused(_("This billing profile is closed: nothing is billed on it any more."), "profile_closed")
    record(stored, CreditMove.MOVED_OUT, -left.minor, on=on, by=by, note=reason)
    CreditLot.objects.filter(pk=stored.pk).update(profile=to)
    stored.profile = to
    record(stored, CreditMove.MOVED_IN, left.minor, on=on, by=by, note=reason)
    lot.refresh_from_db()


@transaction.atomic
def expire_credit(lot: CreditLot, *, on: date) -> None:
    """End a credit whose last day is over; what was left of it is lost. Safe to repeat."""
    stored = _locked_lot(lot)
    if not stored.balance_minor or not stored.is_expired(on):
        return
    left = stored.balance_minor
    record(stored, CreditMove.EXPIRED, -left, on=on)
    _post(stored, f"expired:{on}", debit=LedgerAccount.CREDITS, credit=LedgerAccount.PROMOTION, minor=left, on=on)


# --- What was paid too much ---------------------------------------------------------------------


@dataclass(frozen=True)
class Overpaid:
    """What was paid beyond what is owed: how much, of which profile, and the payment it came with (`reference`)."""

    account_id: int
    profile_id: int
    amount: Money
    description: str
    reference: str


def keep_overpaid(kept: Sequence[Overpaid], *, debit: LedgerAccount, on: date) -> list[CreditLot]:
    """Keep each as its profile's own money, in the caller's transaction, and post it; in a few statements whatever
    their number. Also for online services.

    `debit` is where the money is. Returns the credits, in the same order.
    """
    rows = BillingProfile.objects.select_for_update(of=("self",), no_key=True)
    list(rows.filter(pk__among={each.profile_id for each in kept}).order_by("pk").values_list("pk", flat=True))
    lots = [
        CreditLot(
            account_id=each.account_id,
            profile_id=each.profile_id,
            source=CreditSource.OVERPAID,
            currency=each.amount.currency,
            original_minor=each.amount.minor,
            starts_on=on,
            description=each.description,
            reason=each.reference,
        )
        for each in kept
    ]
    CreditLot.objects.bulk_create(lots)
    moves: list[Mapping[str, Any]] = []
    postings: list[Mapping[str, Any]] = []
    for lot, each in zip(lots, kept, strict=True):
        of = {"account_id": lot.account_id, "profile_id": lot.profile_id, "currency": lot.currency}
        of["amount_minor"] = lot.original_minor
        moves.append({**of, "lot_id": lot.pk, "kind": CreditMove.GIVEN, "happened_on": on})
        names = {"reference": each.reference, "debit": debit, "credit": LedgerAccount.CREDITS, "posted_on": on}
        postings.append({**of, **names})
        lot.balance_minor = lot.original_minor  # as the trigger of the moves has it
    insert_rows(CreditTransaction, moves)
    insert_rows(Posting, postings)
    return lots


def pay_from_overpaid(invoice: Invoice, *, on: date, by: User | None) -> Money:
    """Let what was overpaid on the profile of an open invoice pay it, the oldest first; returns how much that was.

    In the caller's transaction, which has the invoice locked.
    """
    _locked(invoice.profile)
    lots = CreditLot.objects.select_for_update(of=("self",)).filter(
        profile=invoice.profile_id, source=CreditSource.OVERPAID, balance_minor__gt=0, currency=invoice.currency
    )
    paid = Money.zero(invoice.currency)
    for lot in lots.order_by("pk"):
        part = min(lot.balance, invoice.amount_asked)
        if not part:
            break
        moved = record(lot, CreditMove.PAID, -part.minor, on=on, by=by, invoice=invoice)
        settle_invoice(invoice, part, reference=f"balance:{moved.pk}", on=on, debit=LedgerAccount.CREDITS)
        paid += part
    return paid


def give_overpaid_back(
    lot: CreditLot, amount: Money, *, kind: CreditMove, reference: str, credit: LedgerAccount, on: date
) -> Money:
    """Let as much of it as is left, at most `amount`, go back to the payer, in the caller's transaction; returns how
    much that was. `credit` is where the money leaves, `reference` the refund or the return."""
    stored = _locked_lot(lot)
    part = min(amount, stored.balance)
    if part:
        record(stored, kind, -part.minor, on=on)
        _post_move(stored, reference, debit=LedgerAccount.CREDITS, credit=credit, minor=part.minor, on=on)
    return part


def tell_of_expiring_credit(lot: CreditLot, *, on: date) -> None:
    """Mail that a credit expires soon, to owners and contributors of its profile: once 30 and once 7 days before."""
    if lot.expires_on is None or not on <= lot.expires_on:
        return
    left = (lot.expires_on - on).days
    notice = min((days for days in EXPIRY_NOTICES if left <= days), default=None)
    if notice is None:
        return
    for person in keepers_of(lot.profile, on=on):
        mail_people(
            [person],
            template="credit_expiring",
            mail_class=MailClass.CREDIT_EXPIRING,
            context={
                "amount": lot.balance,
                "profile": lot.profile.name,
                "description": lot.description,
                "last_day": lot.expires_on,
                "days": left,
                "path": reverse("profile_credits", args=[lot.profile.code]),
            },
            reference=f"credit:{lot.code}",
            key=f"credit:{lot.code}:{lot.expires_on}:{notice}:{person.pk}",
        )


def record(
    lot: CreditLot,
    kind: CreditMove,
    minor: int,
    *,
    on: date,
    by: User | None = None,
    note: str = "",
    invoice: Invoice | None = None,
) -> CreditTransaction:
    """Write one move of a credit, in the caller's transaction; the balance follows by itself."""
    return CreditTransaction.objects.create(
        lot=lot,
        account_id=lot.account_id,
        profile_id=lot.profile_id,
        kind=kind,
        amount_minor=minor,
        currency=lot.currency,
        invoice=invoice,
        happened_on=on,
        note=note,
        by=by,
    )


def _post(lot: CreditLot, cause: str, *, debit: LedgerAccount, credit: LedgerAccount, minor: int, on: date) -> None:
    _post_move(lot, f"credit:{lot.code}:{cause}", debit=debit, credit=credit, minor=minor, on=on)


def _post_move(
    lot: CreditLot, reference: str, *, debit: LedgerAccount, credit: LedgerAccount, minor: int, on: date
) -> None:
    Posting.objects.create(
        account_id=lot.account_id,
        profile_id=lot.profile_id,
        reference=reference,
        debit=debit,
        credit=credit,
        amount_minor=minor,
        currency=lot.currency,
        posted_on=on,
    )


def _left(lot: CreditLot) -> Money:
    if not lot.balance_minor:
        raise Refused(_("Nothing is left of this credit."), "nothing_left")
    return lot.balance


def _locked(profile: BillingProfile) -> BillingProfile:
    return BillingProfile.objects.select_for_update(of=("self",), no_key=True).get(pk=profile.pk)


def _locked_lot(lot: CreditLot) -> CreditLot:
    """The credit with its profile locked first, in the order of the billing run."""
    profile_id = CreditLot.objects.values_list("profile", flat=True).get(pk=lot.pk)
    BillingProfile.objects.select_for_update(no_key=True).get(pk=profile_id)
    return CreditLot.objects.select_for_update(of=("self",)).select_related("profile").get(pk=lot.pk)


def today_of(profile: BillingProfile) -> date:
    """Which day it is where the profile is (I33)."""
    return timezone.localdate(timezone=ZoneInfo(profile.time_zone))
