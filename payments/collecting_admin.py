"""The vendor's staff look at cases of collecting and at payment links, and revoke links."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy, ngettext

from core.admin import ReadOnly, ReadOnlyInline
from payments.models import CollectionCase, CollectionStep, PayLink, PayLinkUse
from payments.services.pay_links import revoke_for_staff


class CollectionStepInline(ReadOnlyInline):
    model = CollectionStep
    fields = ("begun_at", "pace", "day", "act", "outcome", "done_at")


@admin.register(CollectionCase)
class CollectionCaseAdmin(ReadOnly, admin.ModelAdmin):
    """How far collecting of each open invoice has come, and what comes next."""

    list_display = ("invoice", "standing", "pace", "status", "day_zero", "last_day", "next_at", "promised_on")
    list_filter = ("status", "standing", "pace")
    list_select_related = ("invoice",)
    search_fields = ("invoice__number__startswith",)
    ordering = ("-pk",)
    inlines = (CollectionStepInline,)


class PayLinkUseInline(ReadOnlyInline):
    model = PayLinkUse
    fields = ("at", "what")


@admin.register(PayLink)
class PayLinkAdmin(ReadOnly, admin.ModelAdmin):
    """Links that pay without signing in, and when they were used. The address itself is not shown."""

    list_display = ("invoice", "created_at", "expires_at", "revoked_at", "revoked_by")
    list_select_related = ("invoice", "revoked_by")
    search_fields = ("invoice__number__startswith",)
    exclude = ("code",)
    ordering = ("-pk",)
    inlines = (PayLinkUseInline,)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_paylink")

    @admin.action(description=gettext_lazy("Revoke every link of these invoices"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[PayLink]) -> None:
        invoices: Any = {link.invoice_id: link.invoice for link in chosen.select_related("invoice")}
        by: Any = request.user
        number = sum(revoke_for_staff(invoice, by=by) for invoice in invoices.values())
        said = ngettext("%(number)d payment link was revoked.", "%(number)d payment links were revoked.", number)
        messages.success(request, said % {"number": number})
