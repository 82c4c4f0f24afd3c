"""The vendor's staff: what was billed and imported. Documents are made by the billing run and are final."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext

from core.admin import ReadOnly
from core.states import move_all
from invoices.charge_admin import ChargeUploadAdmin  # noqa: F401 a page of its own
from invoices.correction_admin import CorrectionRequestAdmin, CreditsInvoices  # noqa: F401 pages of their own
from invoices.credit_admin import CreditLotAdmin  # noqa: F401 a page of its own
from invoices.document_admin import Trouble
from invoices.exchange_admin import ExchangeRateAdmin  # noqa: F401 a page of its own
from invoices.models import ChargeImport, Document, Invoice, NumberSeries
from invoices.preview_admin import PreviewsMails
from invoices.run_admin import BillingRunAdmin  # noqa: F401 pages of their own
from invoices.states import DocumentStatus
from invoices.vat_rate_admin import VatRateAdmin  # noqa: F401 pages of their own


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly, PreviewsMails, CreditsInvoices):
    change_form_template = "invoices/admin/invoice.html"
    list_display = ("number", "account", "total", "status", "issue_date", "due_date", "kind", "profile_name")
    fields = (
        *("number", "kind", "status", "account", "profile", "period_start", "period_end", "issue_date", "due_date"),
        *("net", "credit", "vat", "total", "prepaid", "settled", "amount_due"),
        *("customer_vat_id", "po_number", "payment_term_days", "language"),
    )
    readonly_fields = fields
    list_filter = ("status", "kind", "account__status")
    list_select_related = ("account",)
    search_fields = ("number__startswith",)
    ordering = ("-issue_date", "-pk")


@admin.register(Document)
class DocumentAdmin(ReadOnly, admin.ModelAdmin):
    """The files of invoices, and why one could not be made."""

    list_display = ("invoice", "kind", "status", "last_error", "replaced_characters", "made_at")
    list_filter = (Trouble, "status", "kind")
    list_select_related = ("invoice",)
    search_fields = ("invoice__number__startswith",)
    ordering = ("-pk",)
    actions = ("make_again",)

    def has_make_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("invoices.change_document")  # type: ignore[union-attr]

    @admin.action(description=gettext_lazy("Let the worker try again what could not be made"), permissions=["make"])
    def make_again(self, request: HttpRequest, chosen: QuerySet[Document]) -> None:
        number = len(move_all(list(chosen.filter(status=DocumentStatus.FAILED)), DocumentStatus.PENDING))
        said = ngettext("%d document is tried again.", "%d documents are tried again.", number)
        self.message_user(request, said % number, messages.SUCCESS)


@admin.register(ChargeImport)
class ChargeImportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("file_name", "version", "accepted_rows", "refused_rows", "size_bytes", "imported_at")
    search_fields = ("file_name__startswith", "sha256__startswith")
    ordering = ("-imported_at", "-pk")


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("kind", "prefix", "next_number", "last_issue_date")
    ordering = ("kind",)
