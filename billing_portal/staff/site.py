"""Django's admin site with the staff's own pages, each behind the permission of what it shows."""

import tempfile
from collections.abc import Callable
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from billing_portal.staff.closing import closing_page
from billing_portal.staff.exceptions import exceptions_for
from billing_portal.staff.forms import LedgerForm, ReceivablesForm
from billing_portal.staff.search import search_as_staff
from core.errors import Refused
from core.periods import Month
from core.spreadsheets import csv_download, csv_stream
from core.staff import render_page
from invoices.ledger_files.audit_file import check_audit_file, write_audit_file
from invoices.ledger_files.rows import Stretch, ledger_csv, sums_of
from invoices.receivables import AGES, PAGE_SIZE, Asked, rows_of, stream, totals_of

VIEW_RECEIVABLES = "invoices.view_invoice"
VIEW_LEDGER = "invoices.view_posting"


class StaffSite(AdminSite):
    """The admin of the portal's staff."""

    index_template = "staff/index.html"

    def get_urls(self) -> list[Any]:
        def page(address: str, view: Callable[..., HttpResponseBase], name: str) -> Any:
            return path(address, self.admin_view(require_safe(view)), name=name)

        own = [
            page("exceptions/", self.exceptions, "exceptions"),
            page("search/", self.search, "staff_search"),
            page("receivables/", self.receivables, "receivables"),
            page("receivables/csv/", self.receivables_csv, "receivables_csv"),
            page("ledger/", self.ledger, "ledger"),
            page("ledger/csv/", self.ledger_csv, "ledger_csv"),
            page("ledger/audit-file/", self.audit_file, "audit_file"),
        ]
        closing = path(
            "accounts/billingaccount/<int:pk>/closing/", self.admin_view(self.closing), name="account_closing"
        )
        return [*own, closing, *super().get_urls()]

    def closing(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Close a billing account, or open it again."""
        return closing_page(self, request, pk)

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """The models, below what staff look at first."""
        own = {
            "found": exceptions_for(request.user, at=timezone.now()),
            "sees_receivables": request.user.has_perm(VIEW_RECEIVABLES),  # type: ignore[union-attr]
            "sees_ledger": request.user.has_perm(VIEW_LEDGER),  # type: ignore[union-attr]
        }
        return super().index(request, {**own, **(extra_context or {})})

    def exceptions(self, request: HttpRequest) -> HttpResponse:
        """What no job brings to an end, on one page."""
        found = exceptions_for(request.user, at=timezone.now())
        return render_page(self, request, "staff/exceptions.html", title=_("Today's exceptions"), found=found)

    def search(self, request: HttpRequest) -> HttpResponse:
        """Customers, people, profiles, invoices and payments."""
        words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
        groups = search_as_staff(request.user, words)
        return render_page(self, request, "staff/search.html", title=_("Search"), words=words, groups=groups)

    def receivables(self, request: HttpRequest) -> HttpResponse:
        """What is owed on a day, by how late it is; the sums are those of the ledger."""
        _demand(request, VIEW_RECEIVABLES)
        form = ReceivablesForm(request.GET, today=timezone.localdate())
        asked, number = form.asked(), _number(request)
        rows, found = rows_of(asked, first=(number - 1) * PAGE_SIZE)
        pages = max(1, -(-found // PAGE_SIZE)) if rows else number
        return render_page(
            self,
            request,
            "staff/receivables.html",
            title=_("Receivables by age"),
            form=form,
            asked=asked,
            ages=AGES.values(),
            rows=rows,
            found=found,
            totals=totals_of(asked),
            number=number,
            pages=pages,
            query=_query(asked),
            ungrouped=_query(asked, by="", account=""),
        )

    def receivables_csv(self, request: HttpRequest) -> HttpResponseBase:
        """The same rows, all of them, as a file."""
        _demand(request, VIEW_RECEIVABLES)
        asked = ReceivablesForm(request.GET, today=timezone.localdate()).asked()
        header = [
            *(_("Day"), _("Customer"), _("Name of the customer"), _("Billing profile"), _("Invoice"), _("Documents")),
            *(_("Oldest due date"), _("Currency"), *AGES.values(), _("Total")),
        ]
        rows = (
            [
                *(asked.on, row.account_code, row.account_name, row.profile_name, row.number, row.documents),
                *(row.oldest, row.total.currency, *(amount.amount for amount in row.ages), row.total.amount),
            ]
            for row in stream(asked)
        )
        return csv_download(f"receivables-{asked.on}.csv", csv_stream(header, rows))

    def ledger(self, request: HttpRequest) -> HttpResponse:
        """The postings of a time as files, with their control totals beforehand."""
        _demand(request, VIEW_LEDGER)
        form = LedgerForm(request.GET, usual=_last_month(timezone.localdate()))
        stretch = form.stretch()
        return render_page(
            self,
            request,
            "staff/ledger.html",
            title=_("Ledger"),
            form=form,
            stretch=stretch,
            sums=sums_of(stretch) if stretch else [],
            query=urlencode({**vars(stretch)}) if stretch else "",
            audit_file_refusal=_refusal(stretch) if stretch else "",
        )

    def ledger_csv(self, request: HttpRequest) -> HttpResponseBase:
        """The postings as CSV."""
        _demand(request, VIEW_LEDGER)
        stretch = LedgerForm(request.GET, usual=_last_month(timezone.localdate())).stretch()
        if stretch is None:
            return self.ledger(request)
        return csv_download(f"ledger-{stretch.starts_on}-{stretch.ends_on}.csv", ledger_csv(stretch))

    def audit_file(self, request: HttpRequest) -> HttpResponseBase:
        """The postings as the Dutch audit file."""
        _demand(request, VIEW_LEDGER)
        stretch = LedgerForm(request.GET, usual=_last_month(timezone.localdate())).stretch()
        if stretch is None or _refusal(stretch):
            return self.ledger(request)
        file = tempfile.TemporaryFile()  # noqa: SIM115 the response closes it
        write_audit_file(stretch, file, on=timezone.localdate())
        file.seek(0)
        name = f"{stretch.currency}-{stretch.starts_on}-{stretch.ends_on}.xaf"
        response = FileResponse(file, as_attachment=True, filename=name, content_type="application/xml")
        response["Cache-Control"] = "no-store"
        return response


def _demand(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):  # type: ignore[union-attr]
        raise PermissionDenied


def _number(request: HttpRequest) -> int:
    """Which page; the first for what is no number."""
    text = request.GET.get("page", "1")
    return max(1, int(text)) if text.isdecimal() and len(text) < 7 else 1


def _query(asked: Asked, **other: str) -> str:
    """What is asked, as an address has it."""
    values = {**vars(asked), **other}
    values["q"] = values.pop("words")
    return urlencode({name: value for name, value in values.items() if value})


def _last_month(today: date) -> Stretch:
    month = Month.of(today).previous
    return Stretch(month.first, month.last)


def _refusal(stretch: Stretch) -> str:
    """Why there is no audit file of it; empty where there is one."""
    try:
        check_audit_file(stretch)
    except Refused as refusal:
        return str(refusal)
    return ""
