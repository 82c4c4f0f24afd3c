"""Billing profiles for the vendor's staff: to look at, and to set what customers cannot set themselves."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from core.admin import ReadOnlyInline
from core.staff import PresentedRow
from profiles.models import BillingProfile, ProfileRole


class ProfileRoleInline(ReadOnlyInline):
    """Roles are given and taken in the portal, where an owner stays and everybody concerned gets a mail."""

    model = ProfileRole
    fields = ("user", "role", "assigned_by", "assigned_at", "expires_on")


@admin.register(BillingProfile)
class BillingProfileAdmin(PresentedRow, admin.ModelAdmin):
    list_display = ("name", "account", "kind", "status", "currency", "invoice_day", "payment_term_days")
    list_filter = ("status", "kind")
    list_select_related = ("account",)
    search_fields = ("name__istartswith", "account__name__istartswith", "code__exact")
    inlines = (ProfileRoleInline,)
    fields = (
        "code",
        "account",
        "kind",
        "name",
        "status",
        "currency",
        "bill_to",
        "po_number",
        "coming_po_number",
        "coming_po_from",
        "marketplace_policy",
        "allows_reservations",
        "sends_invoices",
        "attaches_pdf",
        "invoice_day",
        "payment_term_days",
        "time_zone",
        "created_by",
        "created_at",
    )
    readonly_fields = tuple(set(fields) - {"invoice_day", "payment_term_days", "time_zone"})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
