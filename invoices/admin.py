"""The vendor's staff: what was billed and imported, and the profiles that wait for somebody to look (PR6).

Documents are made by the billing run and are final; the only thing done here is to release a parked profile.
"""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin import ReadOnly
from invoices.exchange_admin import ExchangeRateAdmin  # noqa: F401 a page of its own
from invoices.models import BillingRun, ChargeImport, Invoice, NumberSeries, ParkedProfile
from invoices.services.parking import release_profiles


class Unreleased(admin.SimpleListFilter):
    """Those that keep a profile from being billed, unless all are asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("all", _("Released ones too"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ParkedProfile]) -> QuerySet[ParkedProfile]:
        return queryset if self.value() == "all" else queryset.filter(released_at=None)


@admin.register(ParkedProfile)
class ParkedProfileAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("profile", "account", "month", "reason", "detail", "parked_at", "released_at")
    list_filter = (Unreleased, "reason")
    list_select_related = ("profile__account",)
    ordering = ("-parked_at", "-pk")
    show_full_result_count = False
    actions = ("release",)

    @admin.display(description=_("billing account"))
    def account(self, parked: ParkedProfile) -> str:
        return str(parked.profile.account)

    def has_release_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("invoices.change_parkedprofile"))

    @admin.action(description=_("Release: let the next run bill them again"), permissions=["release"])
    def release(self, request: HttpRequest, chosen: QuerySet[ParkedProfile]) -> None:
        released = release_profiles(chosen.values_list("profile", flat=True))
        text = ngettext("%(count)s profile was released.", "%(count)s profiles were released.", released)
        self.message_user(request, text % {"count": released}, messages.SUCCESS)


@admin.register(Invoice)
class InvoiceAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("number", "kind", "account", "profile_name", "issue_date", "due_date", "status", "total")
    list_filter = ("status", "kind")
    list_select_related = ("account",)
    search_fields = ("number__startswith",)
    ordering = ("-issue_date", "-pk")
    show_full_result_count = False


@admin.register(BillingRun)
class BillingRunAdmin(ReadOnly, admin.ModelAdmin):
    list_display = (
        "month",
        "issue_date",
        "status",
        "profiles_done",
        "profiles_total",
        "invoices_issued",
        "profiles_parked",
        "started_at",
        "finished_at",
    )
    list_filter = ("status",)
    ordering = ("-started_at", "-pk")


@admin.register(ChargeImport)
class ChargeImportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("file_name", "accepted_rows", "refused_rows", "size_bytes", "imported_at")
    search_fields = ("file_name__startswith", "sha256__startswith")
    ordering = ("-imported_at", "-pk")


@admin.register(NumberSeries)
class NumberSeriesAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("kind", "prefix", "next_number", "last_issue_date")
