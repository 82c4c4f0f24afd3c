"""What a mail says that was never written yet: the names, days and amounts of a chosen invoice, under the names that
the templates know them by."""

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from core.policy import Role
from invoices.models import Invoice

# Stands for a sentence that somebody writes.
ELLIPSIS = "…"


def stock_of(invoice: Invoice) -> dict[str, Any]:
    """A value for every name in the templates of mails. Codes and links that open doors stand empty, as they do in
    mails that were written."""
    person, email, page = _("Name of the person"), "name@company.example", invoice.get_absolute_url()
    account, profile, number = invoice.account_name, invoice.profile_name, invoice.number or str(invoice)
    return {
        **dict.fromkeys(("person", "by", "decided_by", "who", "whom", "to", "instead_of", "holder"), person),
        **dict.fromkeys(("email", "old", "new"), email),
        **dict.fromkeys(("path", "receipt_path", "topics_path", "problems_path", "sign_in", "stop_path"), page),
        **dict.fromkeys(("pay_link", "code", "sender", "sender_email", "following"), ""),
        **dict.fromkeys(("amount", "total", "budget", "drawn", "kept"), invoice.total),
        **dict.fromkeys(("account", "account_name", "organisation", "new_name"), account),
        **dict.fromkeys(("profile", "profile_name", "name", "of", "whose"), profile),
        **dict.fromkeys(("number", "corrected", "credit_note", "transfer_reference"), number),
        **dict.fromkeys(("description", "note", "answer", "text", "opening", "words", "reason", "sentence"), ELLIPSIS),
        **dict.fromkeys(("title", "subject", "subject_line", "status"), ELLIPSIS),
        **dict.fromkeys(("approved", "is_approved", "attached", "prepaid", "reservations", "on"), True),
        **dict.fromkeys(("closed", "is_again", "is_asleep", "is_mandatory"), False),
        **_days(),
        "advice": [ELLIPSIS],
        "iban": invoice.seller["iban"],
        "kind": invoice.kind,
        "documents": [
            {
                "kind": invoice.kind,
                "number": number,
                "total": invoice.total,
                "due_date": invoice.due_date,
                "period_start": invoice.period_start,
                "period_end": invoice.period_end,
                "path": page,
            }
        ],
        "lines": [[number, invoice.total]],
        "mandate": number,
        "marketplace": "all",
        "method": _("Payment method"),
        "names": [person],
        "notes": [ELLIPSIS],
        "numbers": [number],
        "people": [person],
        "period_end": invoice.period_end,
        "period_start": invoice.period_start,
        "po_number": invoice.po_number,
        "profiles": [profile],
        "reached": 80,
        "removed": [{"role": Role.PROFILE_READER, "name": profile, "instead_of": ""}],
        "role": Role.PROFILE_READER,
        "before": Role.INVOICE_MANAGER,
        "seller_name": invoice.seller["legal_name"],
        "vat_id": invoice.customer_vat_id or invoice.seller["vat_id"],
        "what": "phone_changed",
    }


def _days() -> dict[str, Any]:
    now, today = timezone.now(), timezone.localdate()
    later = today + timedelta(days=30)
    return {
        **dict.fromkeys(("at", "asked_at", "expires_at"), now),
        "until": now + timedelta(days=30),
        **dict.fromkeys(("day", "due", "due_date", "starts_on"), today),
        **dict.fromkeys(("last_day", "expires_on"), later),
        "days": 30,
        "left": 30,
        "minutes": 10,
        "term": 30,
        "time": now.strftime("%H:%M"),
    }
