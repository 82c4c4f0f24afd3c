"""The vendor's staff answer requests for corrections, credit lines, and void invoices."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.admin import ReadOnly
from core.errors import Refused
from core.forms import posted
from core.staff import render_page
from invoices.correction_forms import CreditLinesForm, DecideForm, VoidForm, wanted_changes
from invoices.models import Correction, CorrectionRequest, Invoice
from invoices.services.correcting import credit_lines, void_invoice
from invoices.services.correction_requests import approve_correction, decline_correction
from invoices.services.run import seller_today


@admin.register(CorrectionRequest)
class CorrectionRequestAdmin(ReadOnly, admin.ModelAdmin):
    """Requests for corrections, the open ones first; each decided with an answer."""

    list_display = ("requested_at", "invoice", "account", "reason", "status", "requested_by", "decided_by")
    list_filter = ("status", "reason")
    list_select_related = ("invoice", "account", "requested_by", "decided_by")
    search_fields = ("invoice__number__startswith", "account__name__istartswith", "code__exact")
    ordering = ("-pk",)
    change_form_template = "invoices/admin/correction_request.html"
    fields = (
        *("invoice", "account", "reason", "line", "wanted", "explanation", "status"),
        *("requested_by", "requested_at", "answer", "decided_by", "decided_at"),
    )
    readonly_fields = fields

    @admin.display(description=gettext_lazy("Should be"))
    def wanted(self, asked: CorrectionRequest) -> str:
        rows = ((label, now or "—", should or "—") for label, now, should in wanted_changes(asked))
        return format_html_join("", "<div>{}: {} → <b>{}</b></div>", rows)

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("invoices.change_correctionrequest")  # type: ignore[union-attr]

    def get_urls(self) -> list[Any]:
        decision = self.admin_site.admin_view(self.decision)
        return [path("<int:pk>/decision/", decision, name="invoices_correction_decision"), *super().get_urls()]

    def decision(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Approve, which issues the documents at once, or decline."""
        if not self.has_decide_permission(request):
            raise PermissionDenied
        asked = get_object_or_404(CorrectionRequest.objects.select_related("invoice", "line", "account"), pk=pk)
        form = DecideForm(posted(request))
        if form.is_valid():
            answer, by = form.cleaned_data["answer"], request.user
            try:
                if form.cleaned_data["decision"] == DecideForm.APPROVE:
                    approve_correction(asked, answer=answer, by=by, on=seller_today())  # type: ignore[arg-type]
                else:
                    decline_correction(asked, answer=answer, by=by)  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                self.message_user(request, _("Done, and the customer was told."), messages.SUCCESS)
                return redirect("admin:invoices_correctionrequest_change", asked.pk)
        return render_page(
            self,
            request,
            "invoices/admin/correction_decision.html",
            title=_("Decide"),
            original=asked,
            asked=asked,
            changes=wanted_changes(asked),
            form=form,
        )


class CreditsInvoices(admin.ModelAdmin):
    """Pages of the admin of invoices: crediting single lines, and voiding."""

    def get_urls(self) -> list[Any]:
        site = self.admin_site.admin_view
        own = [
            path("<int:pk>/voiding/", site(self.void), name="invoices_invoice_void"),
            path("<int:pk>/crediting/", site(self.crediting), name="invoices_invoice_credit"),
        ]
        return own + super().get_urls()

    def void(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A credit note for all that is left."""

        def issue(invoice: Invoice, _form: Any, **common: Any) -> Correction:
            return void_invoice(invoice, **common)

        return self._issuing(request, pk, VoidForm, issue, _("Void %(number)s"), _("Credit it in full"))

    def crediting(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A credit note for parts of lines."""

        def issue(invoice: Invoice, form: Any, **common: Any) -> Correction:
            return credit_lines(invoice, form.amounts(), **common)

        title, verb = _("Credit lines of %(number)s"), _("Issue the credit note")
        return self._issuing(request, pk, CreditLinesForm, issue, title, verb)

    def _issuing(
        self,
        request: HttpRequest,
        pk: int,
        form_class: type[VoidForm],
        issue: Callable[..., Correction],
        title: str,
        verb: str,
    ) -> HttpResponse:
        """What both pages are: a form with a reason, and the credit note that comes of it."""
        if not request.user.has_perm("invoices.add_correction"):  # type: ignore[union-attr]
            raise PermissionDenied
        invoice = get_object_or_404(Invoice.objects.select_related("account").issued(), pk=pk)
        form = form_class(posted(request), invoice=invoice)
        if form.is_valid():
            try:
                made = issue(invoice, form, reason=form.cleaned_data["reason"], by=request.user, on=seller_today())
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                messages.success(request, _("Credit note %(number)s was issued.") % {"number": made.credit_note})
                return redirect("admin:invoices_invoice_change", invoice.pk)
        return render_page(
            self,
            request,
            "invoices/admin/invoice_crediting.html",
            title=title % {"number": invoice},
            original=invoice,
            invoice=invoice,
            form=form,
            verb=verb,
        )
