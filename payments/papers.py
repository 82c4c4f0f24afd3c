"""What receipts, statements and remittance advices print: facts of payments and of the books, worded (P8, P24).

A receipt is made of the payment and of the copies that its invoices keep, a statement of the moves of accounts
receivable, so that both show the figures of the ledger (I5).
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Case, CharField, F, IntegerField, Min, Q, QuerySet, Sum, Value, When
from django.utils import timezone
from django.utils.translation import gettext, override

from accounts.models import BillingAccount, Seller
from core.money import Money
from core.templatetags.ui import day, moment, money
from invoices.documents.codes import transfer_qr
from invoices.documents.payload import Party, Supplier, TransferInstructions
from invoices.documents.printed import clean_text, cleaned, printed_party, printed_seller, printed_transfer
from invoices.documents.render import request_for
from invoices.documents.source import party_of, supplier_of
from invoices.models import InvoiceKind, LedgerAccount, Posting
from payments.models import Paper, Payment, Refund, Remittance
from profiles.models import BillingProfile

# One row names so many invoices; the others are counted.
NAMED = 4


@dataclass(frozen=True)
class Entry:
    """One row of a statement: a document or a payment, what it added and took away, and what is owed after it."""

    on: date
    label: str
    detail: str
    owed: Money
    paid: Money
    balance: Money


@dataclass(frozen=True)
class Statement:
    """The moves of a stretch of time, between what was owed before it and after it."""

    opening: Money
    entries: list[Entry]
    closing: Money
    owed: Money
    paid: Money


def request_of_paper(paper: Paper) -> tuple[bytes, dict[str, int]]:
    """What the renderer is asked for, and what the row has to know of it besides."""
    with override(paper.language):
        if paper.refund is not None:
            seller, data = _refund(paper.refund, paper.language)
            return request_for("receipt", cleaned(data), seller, dated=_given_on(paper.refund)), {}
        if paper.payment is not None:
            seller, data = _receipt(paper.payment, paper.language)
            return request_for("receipt", cleaned(data), seller, dated=_paid_on(paper.payment)), {}
        if paper.remittance is not None:
            return _remittance(paper.remittance, paper.language), {}
        statement = statement_of(paper)
        seller, data = _statement(paper, statement)
        known = {"opening_minor": statement.opening.minor, "closing_minor": statement.closing.minor}
        return request_for("statement", cleaned(data), seller, dated=timezone.localdate(paper.created_at)), known


# --- Receipts -----------------------------------------------------------------------------------


def _receipt(payment: Payment, language: str) -> tuple[Supplier, dict[str, Any]]:
    booked = list(payment.allocations.filter(status="settled").select_related("invoice").order_by("invoice__number"))
    invoice = booked[0].invoice if booked else None
    seller = supplier_of(invoice.seller) if invoice else _seller_now()
    payer = party_of(invoice.bill_to, invoice.account_name) if invoice else _party_now(payment.account, payment.profile)
    booked_to = Money.total([Money(each.amount_minor, payment.currency) for each in booked], payment.currency)
    title = f"{gettext('Receipt')} {payment.receipt_number}"
    rows = [
        {
            "number": str(each.invoice),
            "date": day(each.invoice.issue_date),
            "amount": money(Money(each.amount_minor, payment.currency)),
        }
        for each in booked
    ]
    if payment.kept:
        rows.append({"number": gettext("Balance of the billing profile"), "date": "", "amount": money(payment.kept)})
    return seller, {
        **_frame(seller, language),
        "title": title,
        "heading": gettext("Receipt"),
        "number": payment.receipt_number,
        "keywords": [payment.receipt_number, _paid_on(payment).isoformat()],
        "running": title,
        "parties": [printed_party(gettext("Paid by"), payer)],
        "owed": {
            "label": gettext("Received"),
            "amount": money(payment.amount),
            "note": gettext("with {method}").format(method=payment.method_text),
        },
        "facts": [
            (gettext("Paid on"), moment(payment.settled_at)),
            (gettext("Billing profile"), payment.profile.name),
            (gettext("Receipt number"), payment.receipt_number),
            (gettext("Reference"), payment.code),
        ],
        "booked": {
            "heading": gettext("Booked to"),
            "columns": [gettext("Invoice"), gettext("Invoice date"), gettext("Amount")],
            "rows": rows,
            "total": {"label": gettext("Total"), "amount": money(booked_to + payment.kept)},
        },
        "remark": gettext("VAT is on the invoices, not on this receipt."),
    }


def _refund(refund: Refund, language: str) -> tuple[Supplier, dict[str, Any]]:
    """What went back, when, why and to what; and from which invoices it was taken, or from the balance."""
    payment, part_of = refund.payment, refund.parts.select_related("allocation__invoice")
    parts = list(part_of.order_by("allocation__invoice__number", "pk"))
    invoices = [part.allocation.invoice if part.allocation else None for part in parts]
    invoice = next((each for each in invoices if each), None)
    seller = supplier_of(invoice.seller) if invoice else _seller_now()
    payer = party_of(invoice.bill_to, invoice.account_name) if invoice else _party_now(payment.account, payment.profile)
    title = f"{gettext('Refund of receipt')} {payment.receipt_number}"
    taken = Money.total([Money(each.amount_minor, payment.currency) for each in parts], payment.currency)
    return seller, {
        **_frame(seller, language),
        "title": title,
        "heading": gettext("Proof of refund"),
        "number": payment.receipt_number,
        "keywords": [payment.receipt_number, _given_on(refund).isoformat()],
        "running": title,
        "parties": [printed_party(gettext("Given back to"), payer)],
        "owed": {
            "label": gettext("Given back"),
            "amount": money(refund.amount),
            "note": gettext("to {method}").format(method=payment.method_text),
        },
        "facts": [
            (gettext("Given back on"), moment(refund.settled_at)),
            (gettext("Reason"), refund.reason),
            (gettext("Receipt number"), payment.receipt_number),
            (gettext("Paid"), money(payment.amount)),
            (gettext("Reference"), payment.code),
        ],
        "booked": {
            "heading": gettext("Taken from"),
            "columns": [gettext("Invoice"), gettext("Invoice date"), gettext("Amount")],
            "rows": [
                {
                    "number": str(of) if of else gettext("Balance of the billing profile"),
                    "date": day(of.issue_date) if of else "",
                    "amount": money(Money(each.amount_minor, payment.currency)),
                }
                for each, of in zip(parts, invoices, strict=True)
            ],
            "total": {"label": gettext("Total"), "amount": money(taken)},
        },
        "remark": gettext("What is not credited is owed again on these invoices.") if invoice else "",
    }


def _given_on(refund: Refund) -> date:
    return timezone.localdate(refund.settled_at)


def _paid_on(payment: Payment) -> date:
    return timezone.localdate(payment.settled_at)


# --- Remittances --------------------------------------------------------------------------------


def transfer_of(remittance: Remittance) -> TransferInstructions:
    """Where a remittance is paid to."""
    seller = remittance.seller
    return TransferInstructions(
        seller["legal_name"], "".join(seller["iban"].split()), remittance.reference, bic=seller.get("bic", "")
    )


def transfer_picture(remittance: Remittance) -> str:
    """The code that a banking app scans, as SVG."""
    transfer = transfer_of(remittance)
    return transfer_qr(
        holder=clean_text(transfer.holder),
        iban=transfer.iban,
        bic=transfer.bic,
        amount=remittance.amount,
        reference=transfer.reference,
    )


def _remittance(remittance: Remittance, language: str) -> bytes:
    seller, transfer = supplier_of(remittance.seller), transfer_of(remittance)
    parts = remittance.parts.select_related("invoice").order_by("invoice__due_date", "invoice__number")
    title = f"{gettext('Remittance advice')} {remittance.grouped_reference}"
    day_made = timezone.localdate(remittance.made_at)
    data = {
        **_frame(seller, language),
        "title": title,
        "heading": gettext("Remittance advice"),
        "number": remittance.grouped_reference,
        "keywords": [remittance.reference, day_made.isoformat()],
        "running": title,
        "parties": [printed_party(gettext("Paid by"), _party_now(remittance.account, remittance.profile))],
        "owed": {
            "label": gettext("To transfer"),
            "amount": money(remittance.amount),
            "note": gettext("in one transfer"),
        },
        "facts": [
            (gettext("Made on"), moment(remittance.made_at)),
            (gettext("Made by"), str(remittance.made_by)),
            (
                gettext("Billing profile"),
                remittance.profile.name if remittance.profile else gettext("The whole account"),
            ),
            (gettext("Payment reference"), remittance.grouped_reference),
        ],
        "booked": {
            "heading": gettext("Invoices in this transfer"),
            "columns": [gettext("Invoice"), gettext("Invoice date"), gettext("Due date"), gettext("Amount")],
            "rows": [
                {
                    "number": str(part.invoice),
                    "date": day(part.invoice.issue_date),
                    "due": day(part.invoice.due_date),
                    "amount": money(part.amount),
                }
                for part in parts
            ],
            "total": {"label": gettext("Total"), "amount": money(remittance.amount)},
        },
        "transfer": printed_transfer(transfer, remittance.amount),
        "remark": gettext("This is no receipt. What you transfer under this reference is booked to these invoices."),
    }
    pictures = {"transfer": transfer_picture(remittance)}
    return request_for("remittance", cleaned(data), seller, dated=day_made, pictures=pictures)


# --- Statements ---------------------------------------------------------------------------------


def moves_of(account: BillingAccount, profile: BillingProfile | None) -> QuerySet[Posting]:
    """The moves of accounts receivable of an account, or of one of its profiles."""
    receivable = LedgerAccount.RECEIVABLE
    moves = Posting.objects.filter(Q(debit=receivable) | Q(credit=receivable), account=account)
    return moves.filter(profile=profile) if profile else moves


def owed_after(account: BillingAccount, profile: BillingProfile | None, on: date) -> Money:
    """What was owed at the end of that day, by the books."""
    moves = moves_of(account, profile).filter(posted_on__lte=on, currency=account.currency)
    sums = moves.aggregate(
        debit=Sum("amount_minor", filter=Q(debit=LedgerAccount.RECEIVABLE), default=0),
        credit=Sum("amount_minor", filter=Q(credit=LedgerAccount.RECEIVABLE), default=0),
    )
    return Money(int(sums["debit"] - sums["credit"]), account.currency)


def entries_between(account: BillingAccount, profile: BillingProfile | None, start: date, end: date) -> QuerySet:
    """One row per cause and direction, in the order of the books: an invoice's net and VAT are one entry."""
    moves = moves_of(account, profile).filter(posted_on__range=(start, end), currency=account.currency)
    return (
        moves.values("posted_on", "reference")
        .annotate(
            side=Case(
                When(debit=LedgerAccount.RECEIVABLE, then=Value(1)), default=Value(-1), output_field=IntegerField()
            ),
        )
        .annotate(
            minor=Sum("amount_minor"),
            first=Min("pk"),
            numbers=ArrayAgg("invoice__number", distinct=True, filter=Q(invoice__isnull=False)),
            kind=Min(F("invoice__kind"), output_field=CharField()),
        )
        .order_by("posted_on", "first")
    )


def statement_of(paper: Paper) -> Statement:
    """The moves of the statement's time, with the balance after each; in the language in use."""
    account, currency = paper.account, paper.currency
    start, end = paper.starts_on or date.min, paper.ends_on or date.max
    balance = opening = owed_after(account, paper.profile, start - timedelta(days=1))
    rows = list(entries_between(account, paper.profile, start, end))
    payments = _payments_of(rows)
    nothing = Money.zero(currency)
    entries, owed, paid = [], nothing, nothing
    for row in rows:
        amount = Money(row["minor"], currency)
        if row["side"] > 0:
            balance, owed = balance + amount, owed + amount
        else:
            balance, paid = balance - amount, paid + amount
        label, detail = _words(row, payments)
        added, taken = (amount, nothing) if row["side"] > 0 else (nothing, amount)
        entries.append(Entry(row["posted_on"], label, detail, added, taken, balance))
    return Statement(opening, entries, balance, owed, paid)


def _payments_of(rows: list[dict[str, Any]]) -> dict[str, Payment]:
    codes = {row["reference"].split(":")[1] for row in rows if not row["reference"].startswith("invoice:")}
    return {payment.code: payment for payment in Payment.objects.filter(code__in=codes)}


def _words(row: dict[str, Any], payments: dict[str, Payment]) -> tuple[str, str]:
    """What a row is called, and the smaller print below it."""
    cause, code = row["reference"].split(":")[:2]
    numbers = sorted(number for number in row["numbers"] or [] if number)
    named = ", ".join(numbers[:NAMED])
    if len(numbers) > NAMED:
        named = gettext("{numbers} and {more} more").format(numbers=named, more=len(numbers) - NAMED)
    if cause == "invoice":
        kind = gettext("Credit note") if row["kind"] == InvoiceKind.CREDIT_NOTE else gettext("Invoice")
        return f"{kind} {named}", ""
    if cause == "refund":
        return gettext("Refund"), named
    if cause == "write-off":
        return gettext("Written off"), named
    if cause == "undone":
        return gettext("Booking undone"), named
    payment = payments.get(code)
    if cause == "returned" and payment:
        return gettext("Payment taken back"), f"{payment.method_text} · {named}"
    if cause == "won" and payment:
        return gettext("Payment came back"), f"{payment.method_text} · {named}"
    if cause == "balance":
        return gettext("Paid from the balance"), named
    if payment:
        return f"{gettext('Payment')} {payment.receipt_number or ''}".strip(), f"{payment.method_text} · {named}"
    return (gettext("Owed again") if row["side"] > 0 else gettext("Settled")), named


def _statement(paper: Paper, statement: Statement) -> tuple[Supplier, dict[str, Any]]:
    seller = _seller_now()
    start, end = day(paper.starts_on), day(paper.ends_on)
    time = f"{start} – {end}"
    title = f"{gettext('Statement of account')} {time}"
    return seller, {
        **_frame(seller, paper.language),
        "title": title,
        "heading": gettext("Statement of account"),
        "number": time,
        "keywords": [paper.code, str(paper.starts_on), str(paper.ends_on)],
        "running": title,
        "parties": [printed_party(gettext("Customer"), _party_now(paper.account, paper.profile))],
        "owed": {
            "label": gettext("Closing balance"),
            "amount": money(statement.closing),
            "note": gettext("owed on {date}").format(date=end),
        },
        "facts": [
            (gettext("Opening balance"), money(statement.opening)),
            (gettext("Billing profile"), paper.profile.name if paper.profile else gettext("The whole account")),
            (gettext("Invoiced"), money(statement.owed)),
            (gettext("Paid and credited"), money(statement.paid)),
            (gettext("Made on"), moment(paper.created_at)),
            (gettext("Reference"), paper.code),
        ],
        "remark": "" if statement.entries else gettext("Nothing was invoiced, paid or credited in this time."),
        "columns": [
            gettext("Date"),
            gettext("Description"),
            gettext("Owed"),
            gettext("Paid or credited"),
            gettext("Balance"),
        ],
        "table": {
            "heading": gettext("Moves"),
            "opening": {"date": start, "label": gettext("Opening balance"), "balance": money(statement.opening)},
            "rows": [_row(entry) for entry in statement.entries],
            "closing": {
                "date": end,
                "label": gettext("Closing balance"),
                "owed": money(statement.owed),
                "paid": money(statement.paid),
                "balance": money(statement.closing),
            },
        },
    }


def _row(entry: Entry) -> dict[str, str]:
    return {
        "date": day(entry.on),
        "label": entry.label,
        "detail": entry.detail,
        "owed": money(entry.owed) if entry.owed else "",
        "paid": money(entry.paid) if entry.paid else "",
        "balance": money(entry.balance),
    }


def _frame(seller: Supplier, language: str) -> dict[str, Any]:
    return {"language": language, "pages": gettext("Page {page} of {pages}"), "seller": printed_seller(seller)}


def _seller_now() -> Supplier:
    seller = Seller.objects.first() or Seller()
    return supplier_of(seller.snapshot())


def _party_now(account: BillingAccount, profile: BillingProfile | None) -> Party:
    address = (profile.bill_to if profile else None) or account.bill_to or account.sold_to
    return party_of(address.snapshot(), account.name, tax_id=account.vat_id)
