"""What a take-out holds: one file of rows for each kind of thing that an account has, in pieces by key.

What opens doors (tokens, digests, fingerprints) is in none of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts.models import AccountRole, BillingAccount
from billing_portal import activity
from invoices.models import Charge, Delivery, Invoice, InvoiceLine, Posting, VatGroup
from payments.models import Allocation, Payment, PaymentMethod, PreparedPayment, Refund
from profiles.models import BillingProfile, ExtraRecipient, ProfileRole
from subscriptions.models import Subscription
from support.models import SupportMessage, SupportRequest

# Rows of one piece: a file of a megabyte or so.
PIECE = 2000

Key = list[Any]


@dataclass(frozen=True)
class Piece:
    """Some rows, and the key of the last one; without a key the table is at its end."""

    rows: Sequence[Sequence[Any]]
    after: Key


@dataclass(frozen=True)
class Table:
    """A kind of thing: its file, the heads of its columns, and the rows that follow a key."""

    name: str
    header: Sequence[str]
    read: Callable[[BillingAccount, Key], Piece]


def _of(name: str, rows: Callable[[BillingAccount], QuerySet], *columns: str) -> Table:
    def read(account: BillingAccount, after: Key) -> Piece:
        found = rows(account).filter(pk__gt=after[0] if after else 0).order_by("pk")
        page = list(found.values_list("pk", *columns)[:PIECE])
        return Piece([row[1:] for row in page], [page[-1][0]] if len(page) == PIECE else [])

    return Table(name, [column.replace("__", " ").replace("_", " ") for column in columns], read)


def _history(account: BillingAccount, after: Key) -> Piece:
    entries = activity.entries_after(account, after or None, PIECE)
    rows = [
        [entry.at.isoformat(timespec="seconds"), entry.who, entry.word, entry.what, entry.name, *change, entry.where]
        for entry in entries
        for change in entry.changes or [("", "", "")]
    ]
    last = entries[-1] if len(entries) == PIECE else None
    return Piece(rows, [last.at.isoformat(), last.table, last.entry] if last else [])


TABLES: tuple[Table, ...] = (
    _of(
        "account",
        lambda account: BillingAccount.objects.filter(pk=account.pk),
        "code", "external_id", "name", "agreement", "status", "country", "currency", "vat_id", "registration_number",
        "organisation__name", "created_at",
        *(f"sold_to__{name}" for name in ("company_name", "contact_name", "email", "phone", "line1", "line2", "line3",
                                          "postal_code", "city", "region", "country")),
        *(f"bill_to__{name}" for name in ("company_name", "line1", "postal_code", "city", "country")),
    ),
    _of(
        "people-of-the-account",
        lambda account: AccountRole.objects.filter(account=account),
        "user__name", "user__email", "role", "assigned_by__email", "assigned_at", "expires_on",
    ),
    _of(
        "billing-profiles",
        lambda account: BillingProfile.objects.filter(account=account),
        "code", "name", "kind", "status", "currency", "po_number", "invoice_day", "payment_term_days", "sends_invoices",
        "attaches_pdf", "created_at",
        *(f"bill_to__{name}" for name in ("company_name", "contact_name", "email", "phone", "line1", "line2",
                                          "postal_code", "city", "region", "country")),
        *(f"ship_to__{name}" for name in ("company_name", "line1", "postal_code", "city", "country")),
    ),
    _of(
        "people-of-billing-profiles",
        lambda account: ProfileRole.objects.filter(profile__account=account),
        "profile__name", "user__name", "user__email", "role", "assigned_by__email", "assigned_at", "expires_on",
    ),
    _of(
        "extra-addresses",
        lambda account: ExtraRecipient.objects.filter(profile__account=account),
        "profile__name", "email", "language", "confirmed_at", "added_by__email",
    ),
    _of(
        "payment-methods",
        lambda account: PaymentMethod.objects.filter(account=account),
        "code", "family", "brand", "last4", "holder", "valid_until", "status", "profile__name", "added_by__email",
        "added_at",
    ),
    _of(
        "subscriptions",
        lambda account: Subscription.objects.filter(account=account),
        "code", "external_id", "name", "profile__name", "term", "quantity", "unit_price", "currency", "status",
        "started_on", "ended_on",
    ),
    _of(
        "invoices",
        lambda account: Invoice.objects.filter(account=account).issued(),
        "number", "kind", "profile__name", "period_start", "period_end", "issue_date", "due_date", "currency", "status",
        "net_minor", "vat_minor", "total_minor", "prepaid_minor", "settled_minor", "po_number", "customer_vat_id",
    ),
    _of(
        "invoice-lines",
        lambda account: InvoiceLine.objects.filter(invoice__account=account).exclude(invoice__status="draft"),
        "invoice__number", "position", "invoice_section", "section", "description", "quantity", "unit", "unit_price",
        "service_start", "service_end", "net_minor", "vat_category", "vat_rate",
    ),
    _of(
        "vat",
        lambda account: VatGroup.objects.filter(invoice__account=account).exclude(invoice__status="draft"),
        "invoice__number", "category", "rate", "base_minor", "vat_minor", "wording",
    ),
    _of(
        "charges",
        lambda account: Charge.objects.filter(account=account),
        "month", "subscription__name", "category", "service_name", "sku_id", "description", "resource_id", "region",
        "quantity", "unit", "cost", "currency", "started_at", "ended_at", "line__invoice__number",
    ),
    _of(
        "payments",
        lambda account: Payment.objects.filter(account=account),
        "code", "profile__name", "method_text", "amount_minor", "currency", "status", "decline_reason",
        "receipt_number", "user__email", "created_at", "settled_at",
    ),
    _of(
        "allocations",
        lambda account: Allocation.objects.filter(payment__account=account),
        "payment__code", "invoice__number", "amount_minor", "status",
    ),
    _of(
        "refunds",
        lambda account: Refund.objects.told().filter(payment__account=account),
        "payment__code", "amount_minor", "payment__currency", "reason", "status", "asked_at", "settled_at",
    ),
    _of(
        "prepared-payments",
        lambda account: PreparedPayment.objects.filter(account=account),
        "code", "profile__name", "amount_minor", "currency", "status", "prepared_by__email", "prepared_at",
        "decided_by__email", "decided_at", "reason", "payment__code",
    ),
    _of(
        "books",
        lambda account: Posting.objects.filter(account=account),
        "posted_on", "invoice__number", "reference", "debit", "credit", "amount_minor", "currency",
    ),
    _of(
        "invoice-mails",
        lambda account: Delivery.objects.filter(invoice__account=account),
        "invoice__number", "email", "reason", "message__status", "message__accepted_at", "message__last_error",
        "created_at",
    ),
    _of(
        "support-requests",
        lambda account: SupportRequest.objects.filter(account=account),
        "code", "subject", "category", "status", "profile__name", "invoice__number", "opened_by__email",
    ),
    _of(
        "support-messages",
        lambda account: SupportMessage.objects.filter(request__account=account),
        "request__code", "author__name", "is_answer", "text", "sent_at",
    ),
    Table(
        "history",
        ["moment", "who", "what happened", "to what", "name", "field", "before", "after", "network address"],
        _history,
    ),
)  # fmt: skip
