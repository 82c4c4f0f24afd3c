"""Pages of invoices: the list of an account, and one invoice."""

from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.models import BillingAccount
from core.lists import read_page, sorting
from core.money import Money
from core.policy import Action, requires
from invoices.changed import changes_of
from invoices.filters import SEGMENTS, InvoiceFilter
from invoices.lines import read_lines
from invoices.models import Invoice
from invoices.services.preview import preview_invoices
from profiles.models import BillingProfile

SORTS = {
    "date": ["issue_date", "id"],
    "due": ["due_date", "id"],
    "amount": ["total_minor", "id"],
    "number": ["number", "id"],
}


# What a row of the list shows, and what the rights on it hang on.
COLUMNS = (
    "code", "kind", "number", "account", "profile", "period_start", "period_end", "issue_date", "due_date",
    "currency", "status", "total_minor", "profile_name",
)  # fmt: skip


@requires(Action.INVOICE_VIEW, BillingAccount, anywhere=True)
def invoices(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Every issued invoice the person may see in the account, newest first (S4-5, P13)."""
    today = timezone.localdate()
    seen = Invoice.objects.allowing(request.user, Action.INVOICE_VIEW).filter(account=account).issued()
    profiles = BillingProfile.objects.allowing(request.user, Action.INVOICE_VIEW).filter(account=account).shown()
    filters = InvoiceFilter(request.GET, profiles=list(profiles.order_by("name")), on=today)
    # The snapshots of seller and addresses are the bulk of a row, and no list shows them.
    rows = filters.apply(seen).only(*COLUMNS)
    page = read_page(request, rows, sorting(request, SORTS, "-date"))
    owed = seen.open().aggregate(
        count=Count("pk"),
        minor=Sum("amount_due_minor", default=0),
        late=Count("pk", filter=Q(due_date__lt=today)),
        late_minor=Sum("amount_due_minor", filter=Q(due_date__lt=today), default=0),
    )
    context = {
        "account": account,
        "page": page,
        "filters": filters,
        "segments": [
            (key, label, {"open": owed["count"], "past_due": owed["late"]}.get(key)) for key, label in SEGMENTS
        ],
        "open": Money(owed["minor"], account.currency),
        "past_due": Money(owed["late_minor"], account.currency),
        "today": today,
    }
    return render(request, "invoices/invoices.html", context)


@requires(Action.INVOICE_VIEW, BillingProfile)
def profile_next_invoice(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """What the next invoice of a profile comes to so far, line by line."""
    today = timezone.localdate()
    context = {
        "account": profile.account,
        "profile": profile,
        "previews": preview_invoices(profile, today),
        "today": today,
    }
    return render(request, "invoices/profile_next_invoice.html", context)


@requires(Action.INVOICE_VIEW, Invoice)
def invoice(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """One invoice: what is owed, for what, how it was sent and paid (§3.6)."""
    context = {
        "account": invoice.account,
        "invoice": invoice,
        "lines": read_lines(request, invoice),
        "vat_groups": invoice.vat_groups.order_by("category", "rate"),
        "changes": changes_of(invoice),
        "what_else": Invoice.objects.filter(pk=invoice.pk).what_else().get(),
        "today": timezone.localdate(),
    }
    return render(request, "invoices/invoice.html", context)


def _with_counts(counts: dict[str, int]) -> list[tuple[str, str, int]]:
    return [(key, str(label), counts.get(key, 0)) for key, label in SEGMENTS]
