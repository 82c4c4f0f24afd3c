"""Staff enter VAT rates of the member states as laws change them, and read which rates are known."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_countries import countries

from core.admin import ReadOnly
from core.errors import Refused
from core.forms import posted
from core.staff import render_page
from invoices.models import RateKind, VatRate
from invoices.services.run import seller_today
from invoices.services.vat_rates import enter_rate
from invoices.tax import UNION, counting_on, rates_of
from invoices.vat_rates import entered_rates


def _member_states() -> list[tuple[str, str]]:
    return [(code, str(name)) for code, name in countries if code in UNION]


class VatRateForm(forms.Form):
    """A rate of a member state from a day on."""

    country = forms.ChoiceField(label=gettext_lazy("Country"), choices=lambda: [("", "—"), *_member_states()])
    kind = forms.ChoiceField(
        label=gettext_lazy("Rate of"),
        choices=RateKind,
        help_text=gettext_lazy("Electronic publications: for products that are supplied as such."),
    )
    valid_from = forms.DateField(
        label=gettext_lazy("Valid from"),
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=gettext_lazy("It counts until the next day from which a rate is known."),
    )
    rate = forms.DecimalField(
        label=gettext_lazy("Rate in percent"),
        required=False,
        max_digits=4,
        decimal_places=2,
        help_text=gettext_lazy("Empty where no one rate counts any more: what needs one is then not invoiced."),
    )
    source = forms.CharField(
        label=gettext_lazy("Source"),
        max_length=200,
        help_text=gettext_lazy("The law or the page that says so. It is kept with your name."),
    )


@admin.register(VatRate)
class VatRateAdmin(ReadOnly, admin.ModelAdmin):
    """What staff entered, the latest first. A row is never changed: another one for the same day counts before it."""

    list_display = ("country", "kind", "valid_from", "rate", "source", "entered_by", "entered_at")
    list_filter = ("kind",)
    list_select_related = ("entered_by",)
    search_fields = ("country__iexact", "source__icontains")
    ordering = ("-pk",)
    change_list_template = "invoices/admin/vat_rates.html"

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return bool(request.user.has_perm("invoices.add_vatrate"))

    def get_urls(self) -> list[URLPattern]:
        return [path("known/", self.admin_site.admin_view(self.known), name="vat_rates_known"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Enter a rate; links from other pages bring country and kind."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        asked = {name: request.GET.get(name, "") for name in ("country", "kind")}
        form = VatRateForm(posted(request), initial=asked)
        if form.is_valid():
            by: Any = request.user
            try:
                rate = enter_rate(**form.cleaned_data, by=by, on=seller_today())
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                said = _("%(rate)s was entered. Profiles that waited for it are billed by the next run.")
                self.message_user(request, said % {"rate": rate}, messages.SUCCESS)
                return redirect("admin:vat_rates_known")
        return render_page(self, request, "invoices/admin/vat_rate_new.html", title=_("Enter a VAT rate"), form=form)

    def known(self, request: HttpRequest) -> HttpResponse:
        """Every rate that counts today or later, by country, and where one is missing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = list(_rows(seller_today()))
        may_enter = self.has_add_permission(request)
        return render_page(
            self,
            request,
            "invoices/admin/vat_rates_known.html",
            title=_("Known VAT rates"),
            rows=rows,
            may_enter=may_enter,
            has_coming=any(row["coming"] for row in rows),
        )


def _rows(on: date) -> Iterator[dict[str, Any]]:
    entered = entered_rates()
    for code, name in _member_states():
        for kind in RateKind:
            dated = rates_of(code, kind, entered)
            counting = counting_on(dated, on)
            yield {
                "code": code,
                "country": name,
                "kind": kind,
                "counting": counting if counting and counting.rate is not None else None,
                "is_entered": counting in entered,
                "coming": [rate for rate in dated if rate.since > on],
            }
