"""The vendor's staff: what was billed and imported. Documents are made by the billing run and are final."""

from django.contrib import admin

from accounts.admin import ReadOnly
from invoices.charge_admin import ChargeUploadAdmin  # noqa: F401 a page of its own
from invoices.correction_admin import CorrectionRequestAdmin, CreditsInvoices  # noqa: F401 pages of their own
from invoices.credit_admin import CreditLotAdmin  # noqa: F401 a page of its own
from invoices.exchange_admin import ExchangeRateAdmin  # noqa: F401 a page of its own
from invoices.models import ChargeImport, Invoice, NumberSeries
from invoices.preview_admin import PreviewsMails
from invoices.run_admin import BillingRunAdmin  # noqa: F401 pages of their own


@admin.register(Invoice)
class InvoiceAdmin(PreviewsMails, CreditsInvoices, ReadOnly, admin.ModelAdmin):
    change_form_template = "invoices/admin/invoice.html"
    list_display = ("number", "kind", "account", "profile_name", "issue_date", "due_date", "status", "total")
    list_filter = ("status", "kind")
    list_select_related = ("account",)
    search_fields = ("number__startswith",)
    ordering = ("-issue_date", "-pk")
    show_full_result_count = False


@admin.register(ChargeImport)
class ChargeImportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("file_name", "version", "accepted_rows", "refused_rows", "size_bytes", "imported_at")
    search_fields = ("file_name__startswith", "sha256__startswith")
    ordering = ("-imported_at", "-pk")


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("kind", "prefix", "next_number", "last_issue_date")
