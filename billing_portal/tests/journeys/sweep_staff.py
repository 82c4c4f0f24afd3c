"""What the sweep opens of the vendor's staff: every list, full, empty and filtered, every row, and every form."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.test import RequestFactory
from django.urls import reverse

from accounts.models import BillingAccount, ServiceNotice
from billing_portal.tests.journeys.sweep import make_pages
from billing_portal.tests.journeys.swept import Pages
from billing_portal.tests.staff_rows import make_row_of, models_of_staff
from invoices.models import CreditLot, Invoice
from payments.models import Payment, TransferRequest
from support.models import SupportRequest

STAFF = "staff"
NOTHING = "nothingofthekind"


def make_staff_pages() -> Pages:
    """The world of the other sweep with rows in every list; the addresses are those of the staff alone."""
    pages = make_pages()
    pages.addresses = [address for address in pages.addresses if address[0] == STAFF]
    for number, model in enumerate(models_of_staff(), start=100):
        if not model._default_manager.exists():
            make_row_of(model, number)
    request: Any = RequestFactory().get("/")
    request.user = pages.people[STAFF]
    for model in models_of_staff():
        _pages_of(pages, model, request)
    for app in sorted({model._meta.app_label for model in models_of_staff()}):
        pages.addresses.append((STAFF, "admin:app_list", reverse("admin:app_list", args=[app])))
    _own_pages(pages)
    return pages


def _pages_of(pages: Pages, model: type[Model], request: Any) -> None:
    """The pages that Django makes of a model, as its admin allows."""
    of = admin.site._registry[model]
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.latest("pk")
    pages.add(STAFF, f"{name}_changelist")
    if of.search_fields:
        pages.add(STAFF, f"{name}_changelist", query=f"?q={NOTHING}")
    if "status" in of.list_filter:
        pages.add(STAFF, f"{name}_changelist", query=f"?status__exact={row.status}")  # type: ignore[attr-defined]
    for page in ("change", "history"):
        pages.add(STAFF, f"{name}_{page}", row.pk)
    if of.has_add_permission(request):
        pages.add(STAFF, f"{name}_add")
    if of.has_delete_permission(request, row):
        pages.add(STAFF, f"{name}_delete", row.pk)


def _own_pages(pages: Pages) -> None:
    """The pages that no model has by itself."""
    lot, request = CreditLot.objects.latest("pk"), SupportRequest.objects.exclude(dispute=None).latest("pk")
    invoice = Invoice.objects.open().filter(kind="invoice").latest("pk")
    payment, transfer = Payment.objects.settled().latest("pk"), TransferRequest.objects.latest("pk")
    for name, args in (
        ("account_closing", [BillingAccount.objects.exclude(status="closed").latest("pk").pk]),
        ("account_closing", [BillingAccount.objects.filter(status="closed").latest("pk").pk]),
        ("charges_upload", []),
        ("exchange_rates_import", []),
        ("invoices_credit_choose", []),
        ("write_off_choose", []),
        ("invoices_credit_give", [lot.profile_id]),
        ("invoices_credit_move", [lot.pk]),
        ("invoices_credit_take_back", [lot.pk]),
        ("invoices_invoice_credit", [invoice.pk]),
        ("invoices_invoice_void", [invoice.pk]),
        ("notice_preview", [ServiceNotice.objects.latest("pk").pk]),
        ("payments_transfer_decision", [transfer.pk]),
        ("refund_new", [payment.pk]),
        ("support_dispute", [request.pk]),
        ("vat_rates_known", []),
        ("write_off_new", [invoice.pk]),
    ):
        pages.add(STAFF, f"admin:{name}", *args)
    pages.add(STAFF, "admin:invoices_credit_choose", query=f"?q={NOTHING}")
