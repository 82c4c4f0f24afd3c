"""The vendor's staff give money back and give debts up, above a limit two of them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.admin import ForAPerson, ReadOnly
from core.errors import Refused
from core.forms import posted
from core.staff import render_page
from invoices.models import Invoice
from payments.models import Payment, Refund, WriteOff
from payments.refund_forms import AmountForm, InvoiceNumberForm
from payments.services.refunds import (
    agree_refund,
    agree_write_off,
    ask_refund,
    ask_write_off,
    confirm_transferred,
    decline_refund,
    decline_write_off,
    refundable,
)


def _each(request: HttpRequest, rows: QuerySet[Any], verb: Callable[..., None], done: str) -> None:
    """Do it with each of the rows, and say of each that refused why."""
    number = 0
    for row in rows.order_by("pk"):
        try:
            verb(row, by=request.user)
            number += 1
        except Refused as refusal:
            messages.warning(request, f"{row}: {refusal}")
    if number:
        messages.success(request, f"{done}: {number}")


@admin.register(Refund)
class RefundAdmin(ReadOnly, admin.ModelAdmin):
    """Money that goes back, and who asked and agreed."""

    list_display = ("asked_at", "payment", "amount", "status", "reason", "asked_by", "agreed_by", "settled_at")
    list_filter = (ForAPerson, "status")
    list_select_related = ("payment__account", "asked_by", "agreed_by")
    search_fields = ("payment__code", "payment__receipt_number")
    ordering = ("-pk",)
    exclude = ("idempotency_key",)
    actions = ("agree", "decline", "transferred")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.ask)
        return [path("of/<int:pk>/new/", view, name="refund_new"), *super().get_urls()]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_refund")  # type: ignore[union-attr]

    @admin.action(description=gettext_lazy("Agree, as the second person"), permissions=["decide"])
    def agree(self, request: HttpRequest, rows: QuerySet[Refund]) -> None:
        _each(request, rows, agree_refund, _("Agreed"))

    @admin.action(description=gettext_lazy("Do not agree"), permissions=["decide"])
    def decline(self, request: HttpRequest, rows: QuerySet[Refund]) -> None:
        _each(request, rows, decline_refund, _("Not agreed"))

    @admin.action(description=gettext_lazy("I have transferred it from the bank"), permissions=["decide"])
    def transferred(self, request: HttpRequest, rows: QuerySet[Refund]) -> None:
        _each(request, rows.select_related("payment"), confirm_transferred, _("Given back"))

    def ask(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give a part of a payment back, or all of it."""
        if not request.user.has_perm("payments.add_refund"):  # type: ignore[union-attr]
            raise PermissionDenied
        payment = get_object_or_404(Payment.objects.select_related("account"), pk=pk)
        form = AmountForm(posted(request), most=refundable(payment), is_told=True)
        if form.is_valid():
            try:
                refund = ask_refund(payment, **form.cleaned_data, by=request.user)  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error("reason" if refusal.code == "reason_missing" else None, refusal)
            else:
                second = _("It waits for a second person.") if refund.needs_second else _("It is on its way.")
                messages.success(request, second)
                return redirect("admin:payments_refund_changelist")
        return render_page(
            self,
            request,
            "payments/admin/amount.html",
            title=_("Give money back"),
            about=f"{payment.account} · {payment.method_text} · {payment.receipt_number or payment.code}",
            most=refundable(payment),
            note=_("The invoices it had paid are owed again, the latest first; credit what is not to be owed."),
            form=form,
        )


@admin.register(WriteOff)
class WriteOffAdmin(ReadOnly, admin.ModelAdmin):
    """Debts that were given up, and who asked and agreed."""

    list_display = ("asked_at", "invoice", "amount", "status", "reason", "asked_by", "agreed_by")
    list_filter = ("status",)
    list_select_related = ("invoice", "asked_by", "agreed_by")
    search_fields = ("invoice__number__startswith",)
    ordering = ("-pk",)
    actions = ("agree", "decline")
    change_list_template = "payments/admin/write_offs.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.choose), name="write_off_choose"),
            path("of/<int:pk>/new/", view(self.ask), name="write_off_new"),
            *super().get_urls(),
        ]

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("payments.change_writeoff")  # type: ignore[union-attr]

    @admin.action(description=gettext_lazy("Agree, as the second person"), permissions=["decide"])
    def agree(self, request: HttpRequest, rows: QuerySet[WriteOff]) -> None:
        _each(request, rows, agree_write_off, _("Agreed"))

    @admin.action(description=gettext_lazy("Do not agree"), permissions=["decide"])
    def decline(self, request: HttpRequest, rows: QuerySet[WriteOff]) -> None:
        _each(request, rows, decline_write_off, _("Not agreed"))

    def choose(self, request: HttpRequest) -> HttpResponse:
        """Which invoice is written off."""
        self._demand(request)
        form = InvoiceNumberForm(posted(request))
        if form.is_valid():
            return redirect("admin:write_off_new", Invoice.objects.get(number=form.cleaned_data["number"]).pk)
        title = _("Write an invoice off")
        return render_page(self, request, "payments/admin/amount.html", title=title, form=form)

    def ask(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How much of an invoice is written off, and why."""
        self._demand(request)
        invoice = get_object_or_404(Invoice.objects.open(), pk=pk)
        form = AmountForm(posted(request), most=invoice.amount_due)
        if form.is_valid():
            try:
                row = ask_write_off(invoice, **form.cleaned_data, by=request.user)  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error("reason" if refusal.code == "reason_missing" else None, refusal)
            else:
                messages.success(request, _("It waits for a second person.") if row.needs_second else _("Written off."))
                return redirect("admin:payments_writeoff_changelist")
        return render_page(
            self,
            request,
            "payments/admin/amount.html",
            title=_("Write an invoice off"),
            about=f"{invoice.number} · {invoice.account_name}",
            most=invoice.amount_due,
            note=_("Nothing is asked for any more. VAT is not given back by this: that takes a credit note."),
            form=form,
        )

    def _demand(self, request: HttpRequest) -> None:
        if not request.user.has_perm("payments.add_writeoff"):  # type: ignore[union-attr]
            raise PermissionDenied
