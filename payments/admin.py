"""The vendor's staff look at payments, methods and what gateways reported. They have a gateway asked again, and
decide about attempts that it does not answer for and about requests to pay by transfer. Nothing here goes
around a service."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core.admin import ForAPerson, ReadOnly, ReadOnlyInline
from core.errors import Refused
from core.forms import posted
from core.staff import render_page, yes_or_no
from core.states import move_all
from invoices.document_admin import Trouble
from invoices.states import DocumentStatus
from payments.bank_admin import BankEntryAdmin, BankFileAdmin  # noqa: F401 pages of their own
from payments.collecting_admin import CollectionCaseAdmin, PayLinkAdmin  # noqa: F401 pages of their own
from payments.forms import DecisionForm, TransferDecisionForm
from payments.gateways.breaker import wake
from payments.models import (
    Allocation,
    CardSetup,
    DebitNotice,
    GatewayCustomer,
    GatewayEvent,
    GatewayHealth,
    Mandate,
    Paper,
    Payment,
    PaymentDecision,
    PaymentMethod,
    TransferDocument,
    TransferRequest,
)
from payments.refund_admin import RefundAdmin, WriteOffAdmin  # noqa: F401 pages of their own
from payments.services.decide import decide_payment, decisions_for
from payments.services.events import process_event
from payments.services.settle import ask_again
from payments.services.transfers import approve_request, ask_for_more, decline_request, take_up


class AllocationInline(ReadOnlyInline):
    model = Allocation
    fields = ("invoice", "amount_minor", "status")


class PaymentDecisionInline(ReadOnlyInline):
    model = PaymentDecision
    fields = ("decided_at", "decided_by", "decision", "reason", "status_before", "parked_before", "refund_reference")


@admin.register(Payment)
class PaymentAdmin(ReadOnly, admin.ModelAdmin):
    """Attempts to collect money, and their outcome."""

    list_display = (
        "created_at",
        "account",
        "amount",
        "method_text",
        "status",
        "what_to_do",
        "parked_reason",
        "next_lookup_at",
    )
    list_filter = (ForAPerson, "status", "parked_reason", "family", "gateway")
    list_select_related = ("account",)
    search_fields = ("code", "receipt_number", "idempotency_key", "gateway_reference")
    ordering = ("-created_at", "-pk")
    inlines = (AllocationInline, PaymentDecisionInline)
    actions = ("ask_gateway_again",)
    change_form_template = "payments/admin/payment.html"

    def get_urls(self) -> list[Any]:
        decision = self.admin_site.admin_view(self.decision)
        return [path("<int:pk>/decision/", decision, name="payment_decision"), *super().get_urls()]

    @admin.display(description=gettext_lazy("what to do"))
    def what_to_do(self, payment: Payment) -> str:
        if not decisions_for(payment):
            return ""
        return format_html('<a href="{}">{}</a>', reverse("admin:payment_decision", args=[payment.pk]), _("Decide"))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """An attempt, with the way to what the gateway said of it, and to a decision where one is due."""
        payment = Payment.objects.filter(pk=object_id).first() if object_id.isdecimal() else None
        more: dict[str, Any] = {"is_to_decide": payment is not None and bool(decisions_for(payment))}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **more})

    def decision(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Decide about an attempt that no look-up brings to an end; the gateway is asked once more first."""
        if not self.has_ask_permission(request):
            raise PermissionDenied
        payment = get_object_or_404(Payment.objects.select_related("account", "profile"), pk=pk)
        form = DecisionForm(posted(request), choices=decisions_for(payment))
        if form.is_valid():
            try:
                payment = decide_payment(payment, **form.values(), by=request.user)
            except Refused as refusal:
                payment.refresh_from_db()
                form.add_error(None, refusal)
            else:
                said = _("Decided and recorded. The payment is now: %(status)s.")
                messages.success(request, said % {"status": payment.get_status_display()})
                return redirect("admin:payments_payment_change", payment.pk)
        return render_page(
            self,
            request,
            "payments/admin/decision.html",
            title=_("Decide about a payment"),
            original=payment,
            payment=payment,
            form=form,
            allocations=payment.allocations.select_related("invoice", "payment").order_by("pk"),
            events=GatewayEvent.objects.about(payment).order_by("-pk")[:20],
            decisions=payment.decisions.select_related("decided_by").order_by("-pk"),
        )

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
    list_filter = ("status", ("decline_reason", admin.EmptyFieldListFilter), "gateway")
    list_select_related = ("account", "profile", "started_by")
    search_fields = ("code", "session_id", "account__name__istartswith")
    ordering = ("-started_at", "-pk")


@admin.register(GatewayEvent)
class GatewayEventAdmin(ReadOnly, admin.ModelAdmin):
    """What gateways reported by themselves. Those set aside fit nothing of ours, or say something else."""

    list_display = ("received_at", "gateway", "kind", "object_id", "amount", "status", "trouble")
    list_filter = ("status", "trouble", "gateway", "kind")
    search_fields = ("event_id", "object_id", "idempotency_key")
    ordering = ("-pk",)
    actions = ("read_again",)

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_gatewayevent")

    @admin.action(description=gettext_lazy("Read again, by asking the gateway"), permissions=["ask"])
    def read_again(self, request: HttpRequest, events: QuerySet[GatewayEvent]) -> None:
        for event in events:
            process_event(event)
        self.message_user(request, _("The events were read again."), messages.SUCCESS)


@admin.register(GatewayHealth)
class GatewayHealthAdmin(ReadOnly, admin.ModelAdmin):
    """Gateways that failed to answer; the others are not listed. One that rests is asked again by itself."""

    list_display = ("gateway", "answers", "failures", "last_failure_at", "rests_until")
    ordering = ("gateway",)
    actions = ("ask_now",)

    @admin.display(description=gettext_lazy("answers"))
    def answers(self, health: GatewayHealth) -> str:
        return yes_or_no(health.rests_until is None)

    def has_ask_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_gatewayhealth")

    @admin.action(description=gettext_lazy("Let the next call through now"), permissions=["ask"])
    def ask_now(self, request: HttpRequest, gateways: QuerySet[GatewayHealth]) -> None:
        number = wake(gateways, at=timezone.now())
        said = ngettext("%d gateway will be asked again.", "%d gateways will be asked again.", number)
        self.message_user(request, said % number, messages.SUCCESS)


class TransferDocumentInline(ReadOnlyInline):
    model = TransferDocument
    fields = ("name", "size", "content_type", "added_by", "added_at", "download")
    readonly_fields = fields

    @admin.display(description=gettext_lazy("file"))
    def download(self, document: TransferDocument) -> str:
        address = reverse("admin:payments_transfer_document", args=[document.request_id, document.pk])
        return format_html('<a href="{}">{}</a>', address, _("Download"))


@admin.register(TransferRequest)
class TransferRequestAdmin(ReadOnly, admin.ModelAdmin):
    """Requests to pay by bank transfer: looked at and decided here, by the services (P16)."""

    list_display = ("requested_at", "account", "profile", "legal_name", "status", "term_days", "decided_by")
    list_filter = ("status",)
    list_select_related = ("account", "profile", "decided_by")
    search_fields = ("code", "legal_name__istartswith", "account__name__istartswith")
    ordering = ("-pk",)
    inlines = (TransferDocumentInline,)
    change_form_template = "payments/admin/transfer_request.html"

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_transferrequest")

    def get_urls(self) -> list[Any]:
        site = self.admin_site.admin_view
        own = [
            path("<int:pk>/decision/", site(self.decision), name="payments_transfer_decision"),
            path("<int:pk>/documents/<int:document>/", site(self.document), name="payments_transfer_document"),
        ]
        return own + super().get_urls()

    def decision(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take it up, ask, approve with a term, or decline."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        transfer = get_object_or_404(TransferRequest.objects.select_related("account", "profile"), pk=pk)
        form = TransferDecisionForm(posted(request), request=transfer)
        if form.is_valid():
            try:
                self._decide(transfer, form.cleaned_data, request.user)
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                self.message_user(request, _("Done, and the customer was told."), messages.SUCCESS)
                return redirect("admin:payments_transferrequest_change", transfer.pk)
        return render_page(
            self,
            request,
            "payments/admin/transfer_decision.html",
            title=_("Decide about %(request)s") % {"request": transfer},
            form=form,
            original=transfer,
            transfer=transfer,
            has_view_permission=True,
        )

    def document(self, request: HttpRequest, pk: int, document: int) -> FileResponse:
        """A document that was handed in, always as a download: what people hand in is not opened on our address."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = get_object_or_404(TransferDocument, pk=document, request_id=pk)
        file = default_storage.open(found.file)
        return FileResponse(file, as_attachment=True, filename=found.name, content_type="application/octet-stream")

    def _decide(self, transfer: TransferRequest, values: dict[str, Any], by: Any) -> None:
        decision, note, now = values["decision"], values["note"], timezone.now()
        if decision == TransferDecisionForm.TAKE_UP:
            take_up(transfer, by=by)
        elif decision == TransferDecisionForm.ASK:
            ask_for_more(transfer, question=note, by=by)
        elif decision == TransferDecisionForm.APPROVE:
            approve_request(transfer, term_days=values["term_days"], note=note, by=by, at=now)
        else:
            decline_request(transfer, reason=note, by=by, at=now)


@admin.register(Paper)
class PaperAdmin(ReadOnly, admin.ModelAdmin):
    """Receipts and statements of account, and why one could not be made."""

    list_display = ("created_at", "kind", "account", "status", "last_error", "replaced_characters", "made_at")
    list_filter = (Trouble, "status", "kind")
    list_select_related = ("account", "profile", "payment", "refund__payment", "remittance")
    search_fields = ("code__exact", "payment__receipt_number__startswith")
    ordering = ("-pk",)
    actions = ("make_again",)

    def has_make_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_paper")

    @admin.action(description=gettext_lazy("Let the worker try again what could not be made"), permissions=["make"])
    def make_again(self, request: HttpRequest, chosen: QuerySet[Paper]) -> None:
        number = len(move_all(list(chosen.filter(status=DocumentStatus.FAILED)), DocumentStatus.PENDING))
        said = ngettext("%d document is tried again.", "%d documents are tried again.", number)
        self.message_user(request, said % number, messages.SUCCESS)


@admin.register(Mandate)
class MandateAdmin(ReadOnly, admin.ModelAdmin):
    """Leave to debit bank accounts. The account numbers are masked."""

    list_display = ("reference", "method", "iban_masked", "signatory", "signed_by", "signed_at", "status")
    list_filter = ("status",)
    list_select_related = ("method", "signed_by")
    search_fields = ("reference", "method__account__name__istartswith")
    ordering = ("-signed_at", "-pk")


@admin.register(DebitNotice)
class DebitNoticeAdmin(ReadOnly, admin.ModelAdmin):
    """Which direct debits were announced, for when, and what became of them."""

    list_display = ("collects_on", "invoice", "amount", "mandate", "announced_at", "status", "dropped_because")
    list_filter = ("status",)
    list_select_related = ("invoice", "mandate")
    search_fields = ("mandate__reference", "invoice__number__istartswith")
    ordering = ("-collects_on", "-pk")


@admin.register(GatewayCustomer)
class GatewayCustomerAdmin(ReadOnly, admin.ModelAdmin):
    """Under which name each gateway knows an account."""

    list_display = ("account", "gateway", "reference")
    list_filter = ("gateway",)
    list_select_related = ("account",)
    search_fields = ("reference", "account__name__istartswith")
    ordering = ("account__name", "pk")
