"""The vendor's staff take in statements of the bank, book what the matching left, and undo what was booked wrongly."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.admin import ForAPerson, ReadOnly
from core.errors import Refused
from core.forms import posted
from core.staff import render_page
from payments.bank.entries import FileRefused
from payments.bank_forms import BankFileForm, BookingForm, ReasonForm
from payments.models import BankBooking, BankEntry, BankFile, BookedBy
from payments.services.bank import book_entry, set_aside, take_in_file, undo_booking
from payments.services.matching import returned_of, suggestions


@admin.register(BankFile)
class BankFileAdmin(ReadOnly, admin.ModelAdmin):
    """Files of the bank; one more is taken in here. The worker books what is certain a moment later."""

    list_display = ("file_name", "statements", "entries_read", "entries_new", "taken_by", "taken_at")
    list_select_related = ("taken_by",)
    ordering = ("-pk",)
    change_list_template = "payments/admin/bank_files.html"

    def get_urls(self) -> list[Any]:
        return [path("new/", self.admin_site.admin_view(self.take_in), name="bank_file_new"), *super().get_urls()]

    def take_in(self, request: HttpRequest) -> HttpResponse:
        """Upload a statement."""
        if not request.user.has_perm("payments.add_bankfile"):  # type: ignore[union-attr]
            raise PermissionDenied
        form = BankFileForm(posted(request), request.FILES if request.method == "POST" else None)
        if form.is_valid():
            file, by = form.cleaned_data["file"], request.user
            try:
                taken = take_in_file(file.read(), name=file.name, by=by)  # type: ignore[arg-type]
            except FileRefused as refusal:
                form.add_error("file", _("This file was refused whole: %(reason)s") % {"reason": refusal})
            else:
                if taken.is_new:
                    said = _("%(read)d movements read, %(new)d of them new. What is certain is booked in a moment.")
                    messages.success(request, said % {"read": taken.file.entries_read, "new": taken.file.entries_new})
                else:
                    messages.info(request, _("This file was taken in before. Nothing changed."))
                return redirect("admin:payments_bankentry_changelist")
        title = _("Take in a statement")
        return render_page(self, request, "payments/admin/bank_file_new.html", title=title, form=form)


@admin.register(BankEntry)
class BankEntryAdmin(ReadOnly, admin.ModelAdmin):
    """Movements at the bank, and what became of each."""

    list_display = ("booked_on", "amount", "name", "text", "status", "is_return", "what_to_do")
    list_filter = (ForAPerson, "status", "is_return", "currency")
    search_fields = ("name__istartswith", "bank_reference__exact", "references__startswith")
    date_hierarchy = "booked_on"
    ordering = ("-booked_on", "-pk")
    exclude = ("entry_key",)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/booking/", view(self.booking), name="bank_entry_booking"),
            path("<int:pk>/aside/", view(self.aside), name="bank_entry_aside"),
            path("bookings/<int:pk>/undoing/", view(self.undoing), name="bank_booking_undoing"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankEntry]:
        return super().get_queryset(request).select_related("file")

    @admin.display(description=gettext_lazy("what to do"))
    def what_to_do(self, entry: BankEntry) -> str:
        label = _("Book") if entry.status in ("open", "partly") else _("Look")
        return format_html('<a href="{}">{}</a>', reverse("admin:bank_entry_booking", args=[entry.pk]), label)

    def booking(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A movement, what it may pay, and what was booked of it."""
        self._demand(request)
        entry = get_object_or_404(BankEntry, pk=pk)
        is_open = entry.status in ("open", "partly") and entry.amount_minor > 0
        form = BookingForm(posted(request), suggested=suggestions(entry) if is_open else [])
        if is_open and form.is_valid():
            try:
                by, rest = request.user, form.cleaned_data["keeps_rest"]
                book_entry(entry, form.chosen(), why=BookedBy.STAFF, by=by, keeps_rest=rest)  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                messages.success(request, _("Booked. The receipt goes to those who get the invoices."))
                return redirect("admin:bank_entry_booking", pk)
        return render_page(
            self,
            request,
            "payments/admin/bank_entry.html",
            title=_("A movement at the bank"),
            entry=entry,
            form=form,
            is_open=is_open,
            bookings=entry.bookings.select_related("payment__account", "booked_by", "undone_by").order_by("pk"),
            returned=returned_of(entry),
            aside=ReasonForm(),
        )

    def aside(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Nothing of it is ours to book, with the reason."""
        self._demand(request)
        entry = get_object_or_404(BankEntry, pk=pk)
        form = ReasonForm(posted(request))
        if form.is_valid():
            try:
                set_aside(entry, note=form.cleaned_data["reason"], by=request.user)  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error("reason", refusal)
            else:
                messages.success(request, _("Set aside."))
                return redirect("admin:payments_bankentry_changelist")
        title, template = _("Set a movement aside"), "payments/admin/bank_reason.html"
        return render_page(self, request, template, title=title, entry=entry, form=form, verb=_("Set aside"))

    def undoing(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Take a booking back, with the reason; the invoice is owed again."""
        self._demand(request)
        booking = get_object_or_404(BankBooking.objects.select_related("entry", "payment"), pk=pk)
        form = ReasonForm(posted(request))
        if form.is_valid():
            try:
                undo_booking(booking, reason=form.cleaned_data["reason"], by=request.user)  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error("reason" if refusal.code == "reason_missing" else None, refusal)
            else:
                messages.success(request, _("Undone. What it paid is owed again."))
                return redirect("admin:bank_entry_booking", booking.entry_id)
        return render_page(
            self,
            request,
            "payments/admin/bank_reason.html",
            title=_("Undo a booking"),
            entry=booking.entry,
            booking=booking,
            form=form,
            verb=_("Undo"),
        )

    def _demand(self, request: HttpRequest) -> None:
        if not request.user.has_perm("payments.change_bankentry"):  # type: ignore[union-attr]
            raise PermissionDenied
