"""The books: every move of money between two of the vendor's accounts, written once and never changed (I1).

| what happened             | debit      | credit     |
|---------------------------|------------|------------|
| invoice, net              | receivable | revenue    |
| invoice, VAT              | receivable | vat        |
| credit note, net and VAT  | the other way round     |
| promotional credit used   | credits    | revenue    |
| prepaid credit used       | credits    | receivable |
| credit given              | promotion  | credits    |
| credit paid in advance    | bank       | credits    |
| paid too much             | bank, gateway | credits |
| that pays an invoice      | credits    | receivable |
| that goes back            | credits    | bank, gateway |
| credit taken back, expired| credits    | promotion  |
| credit note set off       | receivable | offset     |
| invoice set off           | offset     | receivable |
| payment by the gateway    | gateway    | receivable |
| refund, chargeback        | receivable | gateway    |
| payment by transfer       | bank       | receivable |
| write-off                 | bad_debt   | receivable |
"""

from datetime import date

from django.db.models import Q, Sum

from core.money import Money
from invoices.models import Invoice, LedgerAccount, Posting


def post(
    invoice: Invoice, *, debit: LedgerAccount, credit: LedgerAccount, amount: Money, reference: str, on: date
) -> Posting:
    """Write one move for an invoice, in the caller's transaction.

    `reference` names the cause, "payment:<code>"; the same cause posts the same move of an invoice once, and a
    second time is an IntegrityError. The amount is above zero: a mistake is mended the other way round.
    """
    return Posting.objects.create(
        account_id=invoice.account_id,
        profile_id=invoice.profile_id,
        invoice=invoice,
        reference=reference,
        debit=debit,
        credit=credit,
        amount_minor=amount.minor,
        currency=amount.currency,
        posted_on=on,
    )


def balance(account: LedgerAccount, currency: str, **scope: object) -> Money:
    """What that account holds by its postings, debit less credit; `invoice=`, `profile=` or `account_id=` narrow it."""
    sums = Posting.objects.filter(currency=currency, **scope).aggregate(
        debit=Sum("amount_minor", filter=Q(debit=account), default=0),
        credit=Sum("amount_minor", filter=Q(credit=account), default=0),
    )
    return Money(int(sums["debit"] - sums["credit"]), currency)
