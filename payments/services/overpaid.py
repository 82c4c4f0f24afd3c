"""What came in beyond what the invoices need: the customer's own money, kept on the billing profile (§3.7, §3.9).

It is a credit of the profile: the next invoice uses it by itself, a person may let it pay an open one, and it goes
back as a refund of the payment it came with.
"""

from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from core.errors import Refused
from core.history import acting
from core.money import Money
from core.policy import Action, demand
from invoices.models import CreditLot, CreditMove, CreditSource, Invoice, LedgerAccount, Posting
from invoices.services.credits import Overpaid, give_overpaid_back, keep_overpaid, pay_from_overpaid
from invoices.states import InvoiceStatus
from payments.models import Allocation, ParkedReason, Payment, RefundPart
from payments.services.cases import close_settled
from profiles.models import BillingProfile


def source_of(payment: Payment) -> LedgerAccount:
    """Where the money of a payment is."""
    return LedgerAccount.BANK if payment.is_from_bank else LedgerAccount.GATEWAY


def keep_rest(payment: Payment, rest: Money, *, on: date) -> None:
    """Keep so much of a payment on its profile, in the transaction that settles it. Nothing where it is zero."""
    if not rest:
        return
    kept = Overpaid(payment.account_id, payment.profile_id, rest, payment.method_text, f"payment:{payment.code}")
    (payment.balance_lot,) = keep_overpaid([kept], debit=source_of(payment), on=on)
    Payment.objects.filter(pk=payment.pk).update(balance_lot=payment.balance_lot)


def balances_of(account: BillingAccount) -> QuerySet[CreditLot]:
    """What is left of what was overpaid in the account, the oldest first."""
    return CreditLot.objects.filter(account=account, source=CreditSource.OVERPAID, balance_minor__gt=0).order_by("pk")


def balances_seen(account: BillingAccount, *, to: Any) -> list[tuple[BillingProfile, Money]]:
    """What is left on each billing profile whose invoices the person may see, by its name."""
    seen = BillingProfile.objects.allowing(to, Action.INVOICE_VIEW).filter(account=account)
    lots = balances_of(account).order_by().values("profile").annotate(left=Sum("balance_minor"))
    left = {row["profile"]: row["left"] for row in lots}
    if not left:
        return []
    rows = seen.filter(pk__in=left).select_related("account").order_by("name", "pk")
    return [(profile, Money(left[profile.pk], profile.currency)) for profile in rows]


def refunded_of_balance(payment: Payment) -> Money:
    """How much of what was kept of a payment went back by refunds."""
    parts = RefundPart.objects.filter(refund__payment=payment, allocation=None)
    return Money(parts.aggregate(sum=Sum("amount_minor"))["sum"] or 0, payment.currency)


def use_balance(invoice: Invoice, *, by: User, at: datetime | None = None) -> Money:
    """Let what was overpaid on its profile pay an open invoice now; returns how much that was.

    Refuses `not_payable`, `under_way` where an attempt holds it, and `no_balance`.
    """
    at = at or timezone.now()
    with transaction.atomic(), acting(by, "balance.use"):
        demand(by, Action.INVOICE_PAY, invoice)
        stored = Invoice.objects.select_for_update(of=("self",)).select_related("profile__account").get(pk=invoice.pk)
        if stored.status != InvoiceStatus.DUE or stored.kind != "invoice":
            raise Refused(_("%(number)s asks for no money.") % {"number": stored.number}, "not_payable")
        if Allocation.objects.holding([stored]).exists():
            raise Refused(
                _("A payment of %(number)s is under way. Wait until its outcome is known.") % {"number": stored.number},
                "under_way",
            )
        paid = pay_from_overpaid(stored, on=timezone.localdate(at), by=by)
        if not paid:
            raise Refused(_("Nothing is left of the balance of this billing profile."), "no_balance")
        close_settled([stored])
    return paid


def use_balance_first(invoice: Invoice, *, on: date) -> None:
    """What is owed is taken from the customer's own money before anything is charged or asked for (§3.7), in the
    caller's transaction, which has the invoice locked."""
    if invoice.status == InvoiceStatus.DUE and not Allocation.objects.holding([invoice]).exists():
        pay_from_overpaid(invoice, on=on, by=None)


def take_from_balance(payment: Payment, amount: Money, *, kind: CreditMove, reference: str, on: date) -> None:
    """So much of the kept part of a payment leaves again, in the caller's transaction.

    What was used meanwhile is owed to the vendor, on no invoice: it is posted so, and a person sees to it.
    """
    lot = payment.balance_lot
    if lot is None or not amount:
        return
    taken = give_overpaid_back(lot, amount, kind=kind, reference=reference, credit=source_of(payment), on=on)
    if short := amount - taken:
        Posting.objects.create(
            account_id=payment.account_id,
            profile_id=payment.profile_id,
            reference=reference,
            debit=LedgerAccount.RECEIVABLE,
            credit=source_of(payment),
            amount_minor=short.minor,
            currency=short.currency,
            posted_on=on,
        )
        Payment.objects.filter(pk=payment.pk).update(parked_reason=ParkedReason.BALANCE_USED)
        payment.parked_reason = ParkedReason.BALANCE_USED
