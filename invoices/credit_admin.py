"""The vendor's staff give credits, take back what is left, and move it. Nothing here goes around a service."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _

from core.admin import ForAPerson, ReadOnly, ReadOnlyInline
from core.errors import Refused
from core.forms import posted
from core.staff import render_page
from core.templatetags.ui import money
from invoices.forms_credits import GiveCreditForm, MoveCreditForm, ReasonForm
from invoices.models import CreditLot, CreditTransaction
from invoices.services.credits import give_credit, move_credit, take_back_credit, today_of
from profiles.models import BillingProfile


class CreditTransactionInline(ReadOnlyInline):
    model = CreditTransaction
    fields = ("happened_on", "kind", "amount", "profile", "invoice", "note", "by")


@admin.register(CreditLot)
class CreditLotAdmin(ReadOnly, admin.ModelAdmin):
    """Credits: each given in two steps, so that somebody has looked twice; never edited."""

    list_display = ("description", "account", "balance", "original", "source", "starts_on", "expires_on", "profile")
    fields = (*list_display, "reason", "given_by", "given_at")
    readonly_fields = fields
    list_filter = (ForAPerson, "source")
    list_select_related = ("account", "profile")
    search_fields = ("description__istartswith", "account__name__istartswith", "code__exact")
    ordering = ("-pk",)
    inlines = (CreditTransactionInline,)
    change_form_template = "invoices/admin/credit.html"
    change_list_template = "invoices/admin/credits.html"

    def has_give_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("invoices.add_creditlot")  # type: ignore[union-attr]

    def get_urls(self) -> list[Any]:
        site = self.admin_site.admin_view
        own = [
            path("give/", site(self.choose), name="invoices_credit_choose"),
            path("give/<int:profile>/", site(self.give), name="invoices_credit_give"),
            path("<int:pk>/taking-back/", site(self.take_back), name="invoices_credit_take_back"),
            path("<int:pk>/move/", site(self.move), name="invoices_credit_move"),
        ]
        return own + super().get_urls()

    def choose(self, request: HttpRequest) -> HttpResponse:
        """On which billing profile: found by the beginning of its name or of its account's."""
        self._demand(request)
        words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
        found = BillingProfile.objects.shown().open().select_related("account").order_by("account__name", "name")
        rows = found.filter(account__name__istartswith=words) | found.filter(name__istartswith=words)
        title, template = _("Give a credit: on which billing profile?"), "invoices/admin/credit_choose.html"
        return render_page(self, request, template, title=title, words=words, rows=rows[:25])

    def give(self, request: HttpRequest, profile: int) -> HttpResponse:
        """The credit is entered, shown once more as the customer will get it, and given."""
        self._demand(request)
        on = get_object_or_404(BillingProfile.objects.select_related("account"), pk=profile)
        today = today_of(on)
        form = GiveCreditForm(posted(request), profile=on, initial={"starts_on": today})
        is_looked_at = False
        if form.is_valid() and "change" not in request.POST:
            is_looked_at = True
            if "confirmed" in request.POST:
                try:
                    lot = give_credit(on, **form.cleaned_data, by=request.user, on=today)  # type: ignore[arg-type]
                except Refused as refusal:
                    form.add_error(None, refusal)
                    is_looked_at = False
                else:
                    self.message_user(request, _("Given, and the customer was told."), messages.SUCCESS)
                    return redirect("admin:invoices_creditlot_change", lot.pk)
        title = _("Give this credit?") if is_looked_at else _("Give a credit")
        template = "invoices/admin/credit_give.html"
        return render_page(self, request, template, title=title, profile=on, form=form, is_looked_at=is_looked_at)

    def take_back(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What is left is taken back."""
        lot = self._lot(request, pk)
        form = ReasonForm(posted(request))
        if form.is_valid():
            try:
                reason, by = form.cleaned_data["reason"], request.user
                left = take_back_credit(lot, reason=reason, by=by, on=today_of(lot.profile))  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                return self._done(request, lot, _("%(amount)s was taken back.") % {"amount": money(left)})
        title = _("Take back %(amount)s") % {"amount": money(lot.balance)}
        template = "invoices/admin/credit_reason.html"
        return render_page(self, request, template, title=title, lot=lot, form=form, verb=_("Take it back"))

    def move(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What is left goes to another billing profile of the account."""
        lot = self._lot(request, pk)
        form = MoveCreditForm(posted(request), lot=lot)
        if form.is_valid():
            try:
                move_credit(lot, **form.cleaned_data, by=request.user, on=today_of(lot.profile))  # type: ignore[arg-type]
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                return self._done(request, lot, _("The credit is on “%(name)s” now.") % {"name": lot.profile})
        title = _("Move %(amount)s to another billing profile") % {"amount": money(lot.balance)}
        template = "invoices/admin/credit_reason.html"
        return render_page(self, request, template, title=title, lot=lot, form=form, verb=_("Move it"))

    def _lot(self, request: HttpRequest, pk: int) -> CreditLot:
        self._demand(request)
        return get_object_or_404(CreditLot.objects.select_related("profile__account"), pk=pk)

    def _demand(self, request: HttpRequest) -> None:
        if not self.has_give_permission(request):
            raise PermissionDenied

    def _done(self, request: HttpRequest, lot: CreditLot, said: str) -> HttpResponseRedirect:
        self.message_user(request, said, messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:invoices_creditlot_change", args=[lot.pk]))
