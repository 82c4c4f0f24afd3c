"""The vendor's staff look at payments, methods and what gateways reported. They change nothing here; all they
can do is have the gateway asked again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.admin import ReadOnly, ReadOnlyInline
from payments.models import Allocation, CardSetup, GatewayEvent, Payment, PaymentMethod
from payments.services.events import process_event
from payments.services.settle import ask_again


class NeedsAPerson(admin.SimpleListFilter):
    """The payments that no job can bring to an end."""

    title = gettext_lazy("needs a look")
    parameter_name = "needs_a_look"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", gettext_lazy("Yes"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.for_a_person() if self.value() == "yes" else queryset


class AllocationInline(ReadOnlyInline):
    model = Allocation
    fields = ("invoice", "amount_minor", "status")


@admin.register(Payment)
class PaymentAdmin(ReadOnly, admin.ModelAdmin):
    """Attempts to collect money, and their outcome."""

    list_display = ("created_at", "account", "amount", "method_text", "status", "parked_reason", "next_lookup_at")
    list_filter = (NeedsAPerson, "status", "parked_reason", "gateway")
    list_select_related = ("account",)
    search_fields = ("code", "receipt_number", "idempotency_key", "gateway_reference")
    ordering = ("-created_at", "-pk")
    inlines = (AllocationInline,)
    actions = ("ask_gateway_again",)
    show_full_result_count = False

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_payment")

    @admin.action(description=gettext_lazy("Ask the gateway again"), permissions=["ask"])
    def ask_gateway_again(self, request: HttpRequest, payments: QuerySet[Payment]) -> None:
        number = ask_again(payments, at=timezone.now())
        said = ngettext(
            "The gateway will be asked about %d payment.", "The gateway will be asked about %d payments.", number
        )
        self.message_user(request, said % number, messages.SUCCESS)


@admin.register(PaymentMethod)
class PaymentMethodAdmin(ReadOnly, admin.ModelAdmin):
    """Saved cards: what may be shown of them."""

    list_display = ("__str__", "account", "profile", "status", "valid_until", "added_by")
    list_filter = ("status", "brand", "gateway")
    list_select_related = ("account", "profile", "added_by")
    search_fields = ("code", "last4", "account__name__istartswith")
    ordering = ("-added_at", "-pk")
    exclude = ("token", "fingerprint")


@admin.register(CardSetup)
class CardSetupAdmin(ReadOnly, admin.ModelAdmin):
    """Visits to the gateway's page to add a card."""

    list_display = ("started_at", "account", "profile", "status", "decline_reason", "started_by", "next_lookup_at")
    list_filter = ("status", "decline_reason", "gateway")
    list_select_related = ("account", "profile", "started_by")
    search_fields = ("code", "session_id", "account__name__istartswith")
    ordering = ("-started_at", "-pk")


@admin.register(GatewayEvent)
class GatewayEventAdmin(ReadOnly, admin.ModelAdmin):
    """What gateways reported by themselves. Those set aside fit nothing of ours, or say something else."""

    list_display = ("received_at", "gateway", "kind", "object_id", "status", "trouble")
    list_filter = ("status", "trouble", "gateway", "kind")
    search_fields = ("event_id", "object_id", "idempotency_key")
    ordering = ("-pk",)
    actions = ("read_again",)
    show_full_result_count = False

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_gatewayevent")

    @admin.action(description=gettext_lazy("Read again, by asking the gateway"), permissions=["ask"])
    def read_again(self, request: HttpRequest, events: QuerySet[GatewayEvent]) -> None:
        for event in events:
            process_event(event)
        self.message_user(request, _("The events were read again."), messages.SUCCESS)
