"""Remittances: several invoices, one transfer, one reference; and the file that a customer's bank carries out (P24)."""

from collections.abc import Sequence
from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, Seller, User
from accounts.services.limits import Limit, count
from core.errors import Refused
from core.history import acting
from core.money import Money
from core.policy import Action, demand
from core.templatetags.ui import money
from invoices.models import Invoice
from payments.bank.pain import LARGEST, Creditor, CreditTransfer, credit_transfer_file
from payments.models import Paper, PaperKind, Remittance, RemittancePart
from payments.spreading import owed

MOST_INVOICES = 100
REMITTANCES_PER_ACCOUNT = Limit("remittance of an account", 60, timedelta(hours=1))


def make_remittance(account: BillingAccount, invoices: Sequence[Invoice], *, by: User) -> Remittance:
    """Announce one transfer for these invoices, of all that is asked for on each, and have its PDF made.

    Invoices of several billing profiles take the right to pay on the whole account. Refuses `nothing_chosen`,
    `too_many_invoices`, `not_payable`, `other_currency`, `no_account` while the seller names no IBAN, `too_much` for
    more than a transfer carries, and `too_many` within an hour.
    """
    profiles = {invoice.profile_id: invoice.profile for invoice in invoices}
    profile = next(iter(profiles.values())) if len(profiles) == 1 else None
    demand(by, Action.INVOICE_PAY, profile or account)
    if not invoices:
        raise Refused(_("Tick at least one invoice."), "nothing_chosen")
    if len(invoices) > MOST_INVOICES:
        raise Refused(_("Tick at most %(most)d invoices.") % {"most": MOST_INVOICES}, "too_many_invoices")
    if account.currency != "EUR":
        raise Refused(_("A transfer within SEPA is in euros. Pay these invoices one by one."), "other_currency")
    count(REMITTANCES_PER_ACCOUNT, account.pk)
    with transaction.atomic(), acting(by, "remittance.make"):
        seller = Seller.objects.first()
        if seller is None or not seller.iban:
            raise Refused(_("We have no bank account to name yet. Pay in another way."), "no_account")
        rows = Invoice.objects.select_for_update().filter(pk__in=[invoice.pk for invoice in invoices], account=account)
        stored = list(rows.order_by("due_date", "number"))
        is_open = all(
            invoice.status == "due" and invoice.kind == "invoice" and invoice.amount_asked for invoice in stored
        )
        if len(stored) != len(invoices) or not is_open:
            raise Refused(_("One of these invoices is not open any more. Look again."), "not_payable")
        total = owed(stored, account.currency)
        if total > LARGEST:
            raise Refused(_("A transfer carries at most %(most)s.") % {"most": money(LARGEST)}, "too_much")
        made = Remittance.objects.create(
            account=account,
            profile=profile,
            amount_minor=total.minor,
            currency=total.currency,
            seller=seller.snapshot(),
            made_by=by,
        )
        RemittancePart.objects.bulk_create(
            RemittancePart(remittance=made, invoice=invoice, amount_minor=invoice.amount_asked.minor)
            for invoice in stored
        )
        Paper.objects.create(
            kind=PaperKind.REMITTANCE,
            account=account,
            profile=profile,
            remittance=made,
            currency=made.currency,
            language=by.language[:2],
            asked_by=by,
        )
    return made


def payment_file(remittance: Remittance, *, name: str, iban: str, pays_on: date, by: User) -> bytes:
    """The remittance as pain.001.001.09 for the bank at which `iban` is held. The account number goes into the file
    and nowhere else: nothing of the request is kept (I30)."""
    demand(by, Action.INVOICE_PAY, remittance)
    return credit_transfer_file(
        CreditTransfer(
            reference=remittance.reference,
            amount=remittance.amount,
            made_at=timezone.localtime(remittance.made_at),
            pays_on=pays_on,
            debtor_name=name,
            debtor_iban=iban,
            creditor=creditor_of(remittance),
        )
    )


def creditor_of(remittance: Remittance) -> Creditor:
    """Who is paid, as it was when the remittance was made."""
    seller = remittance.seller
    return Creditor(seller["legal_name"], compact(seller["iban"]), compact(seller.get("bic", "")))


def compact(account: str) -> str:
    """An account number as machines write it."""
    return "".join(account.split()).upper()


def received_of(remittance: Remittance) -> Money:
    """How much of it has come, less what was undone."""
    bookings = remittance.bookings.filter(undone_at=None).select_related("payment")
    return Money.total((booking.payment.amount for booking in bookings), remittance.currency)
