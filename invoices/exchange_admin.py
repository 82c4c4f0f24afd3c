"""Staff bring in the rates of exchange: one by one, or the file of the European Central Bank."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from core.errors import Refused
from core.forms import posted
from core.staff import Presented, render_page
from invoices.models import ExchangeRate
from invoices.services.exchange_import import import_rates


class RatesForm(forms.Form):
    """The file, and from which day on its rates are wanted."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        help_text=gettext_lazy("The CSV of the European Central Bank, of one day or of all its history."),
    )
    since = forms.DateField(
        label=gettext_lazy("Leave out rates before"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
    )


@admin.register(ExchangeRate)
class ExchangeRateAdmin(Presented, admin.ModelAdmin):
    list_display = ("day", "currency", "rate")
    list_filter = ("currency",)
    date_hierarchy = "day"
    ordering = ("-day", "currency")
    change_list_template = "invoices/admin/exchange_rates.html"

    def get_urls(self) -> list[URLPattern]:
        own = [path("import/", self.admin_site.admin_view(self.take_in), name="exchange_rates_import")]
        return own + super().get_urls()

    def take_in(self, request: HttpRequest) -> HttpResponse:
        """The form for the file, and what came of it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = RatesForm(posted(request), request.FILES or None)
        if form.is_valid():
            try:
                report = import_rates(form.cleaned_data["file"], since=form.cleaned_data["since"])
            except Refused as refusal:
                form.add_error("file", refusal)
            else:
                said = ngettext("%(count)s rate was added.", "%(count)s rates were added.", report.added)
                messages.success(request, said % {"count": report.added})
                return redirect("admin:invoices_exchangerate_changelist")
        return render_page(
            self,
            request,
            "admin/upload.html",
            title=_("Import exchange rates"),
            form=form,
            intro=_("What is known already stays. A file that contradicts it, or has an error, is refused whole."),
        )
