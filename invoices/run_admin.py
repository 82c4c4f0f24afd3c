"""The vendor's staff and the billing run: runs with their progress and control totals, profiles held and parked."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from core.admin import ReadOnly
from core.errors import Refused
from core.forms import posted
from core.money import Money
from core.periods import Month
from core.spreadsheets import csv_download
from core.staff import EMPTY, render_page
from invoices.forms import HoldForm, ReleaseForm, RunForm
from invoices.models import BillingHold, BillingRun, InvoiceKind, ParkedProfile, ParkReason, Preflight, RunRange
from invoices.preflight_rows import PreflightRows, csv_lines
from invoices.services.holding import hold_profile, release_hold
from invoices.services.looking import start_preflight, stop_preflight
from invoices.services.parking import release_profiles
from invoices.services.run import refusals_now, seller_today
from invoices.services.schedule import resume_run, start_run, stop_run
from invoices.states import RangeStatus, RunStatus

# Where staff bring what a profile is parked for; the next run looks again by itself.
MENDED_AT: dict[str, tuple[str, Any]] = {
    ParkReason.VAT_UNKNOWN: ("admin:vat_rates_known", gettext_lazy("Known VAT rates")),
    ParkReason.NO_EXCHANGE_RATE: ("admin:exchange_rates_import", gettext_lazy("Import exchange rates")),
}


class Unreleased(admin.SimpleListFilter):
    """Those that keep a profile from being billed, unless all are asked for."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("all", _("Released ones too"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() == "all" else queryset.filter(released_at=None)


@admin.register(ParkedProfile)
class ParkedProfileAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("profile", "account", "month", "reason", "detail", "mend", "parked_at", "released_at")
    list_filter = (Unreleased, "reason")
    list_select_related = ("profile__account",)
    search_fields = ("profile__code", "profile__name__istartswith", "profile__account__name__istartswith")
    ordering = ("-parked_at", "-pk")
    actions = ("release",)

    @admin.display(description=gettext_lazy("billing account"))
    def account(self, parked: ParkedProfile) -> str:
        return str(parked.profile.account)

    @admin.display(description=gettext_lazy("Mend"))
    def mend(self, parked: ParkedProfile) -> str:
        page = MENDED_AT.get(parked.reason) if parked.released_at is None else None
        return format_html('<a href="{}">{}</a>', reverse(page[0]), page[1]) if page else EMPTY

    def has_release_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("invoices.change_parkedprofile"))

    @admin.action(description=gettext_lazy("Release: let the next run bill them again"), permissions=["release"])
    def release(self, request: HttpRequest, chosen: QuerySet[ParkedProfile]) -> None:
        released = release_profiles(chosen.values_list("profile", flat=True))
        text = ngettext("%(count)s profile was released.", "%(count)s profiles were released.", released)
        self.message_user(request, text % {"count": released}, messages.SUCCESS)


@admin.register(BillingHold)
class BillingHoldAdmin(ReadOnly, admin.ModelAdmin):
    """Profiles that staff keep from being billed: held with a note, and released with one."""

    list_display = ("profile", "account", "note", "placed_by", "placed_at", "released_by", "released_at")
    list_filter = (Unreleased,)
    list_select_related = ("profile__account", "placed_by", "released_by")
    search_fields = ("profile__code", "profile__name__istartswith", "profile__account__name__istartswith")
    ordering = ("-placed_at", "-pk")

    @admin.display(description=gettext_lazy("billing account"))
    def account(self, hold: BillingHold) -> str:
        return str(hold.profile.account)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return bool(request.user.has_perm("invoices.add_billinghold"))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Hold a profile; links from other pages bring its code."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = HoldForm(posted(request), initial={"profile": request.GET.get("profile", "")})
        if form.is_valid():
            try:
                hold = hold_profile(**form.cleaned_data, by=staff(request))
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                self.message_user(
                    request, _("No run bills %(profile)s now.") % {"profile": hold.profile}, messages.SUCCESS
                )
                return redirect("admin:invoices_billinghold_change", hold.pk)
        return render_page(self, request, "invoices/admin/hold_new.html", title=_("Hold a billing profile"), form=form)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A hold with what was written down; released here."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = BillingHold.objects.select_related("profile__account", "placed_by", "released_by")
        hold = get_object_or_404(rows, pk=object_id) if object_id.isdecimal() else get_object_or_404(rows, pk=None)
        may_release = request.user.has_perm("invoices.change_billinghold")
        form = ReleaseForm(posted(request))
        if form.is_bound and not may_release:
            raise PermissionDenied
        if form.is_valid():
            try:
                release_hold(hold, **form.cleaned_data, by=staff(request))
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                said = _("%(profile)s is released: the next run bills it, the months that it missed first.")
                self.message_user(request, said % {"profile": hold.profile}, messages.SUCCESS)
                return redirect("admin:invoices_billinghold_changelist")
        return render_page(
            self,
            request,
            "invoices/admin/hold.html",
            title=str(hold),
            row=hold,
            form=form if may_release and hold.released_at is None else None,
            hold=hold,
        )


class BegunForMonth(ReadOnly, admin.ModelAdmin):
    """What staff begin here for a month, and workers do. `begin` writes it down, or raises Refused."""

    begin: Callable[..., Model]
    begun_with = ""
    title_of_form: Any = ""
    said_once_begun: Any = ""

    def beside_form(self) -> dict[str, Any]:
        """What the page of the form tells besides."""
        return {}

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return bool(request.user.has_perm(f"invoices.add_{self.opts.model_name}"))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = RunForm(posted(request), on=seller_today())
        if form.is_valid():
            try:
                begun = self.begin(form.month, by=staff(request))
            except Refused as refusal:
                form.add_error(None, refusal)
            else:
                if self.said_once_begun:
                    self.message_user(request, self.said_once_begun, messages.SUCCESS)
                return redirect(f"admin:invoices_{self.opts.model_name}_change", begun.pk)
        return render_page(
            self, request, self.begun_with, title=str(self.title_of_form), form=form, **self.beside_form()
        )


@admin.register(BillingRun)
class BillingRunAdmin(BegunForMonth):
    """Runs: begun here, by the clock, or by the command; with their progress, and stopped and gone on with."""

    begin = staticmethod(start_run)
    begun_with = "invoices/admin/run_new.html"
    title_of_form = gettext_lazy("Begin a billing run")
    said_once_begun = gettext_lazy("The run has begun. This page tells how far it is.")
    list_display = (
        "__str__",
        "issue_date",
        "origin",
        "status",
        "progress",
        "documents",
        "parked",
        "profiles_held",
        "started_at",
        "finished_at",
    )
    list_filter = ("status", "origin")
    ordering = ("-started_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingRun]:
        return BillingRun.objects.with_progress().select_related("started_by")

    @admin.display(description=gettext_lazy("billed"))
    def progress(self, run: Any) -> str:
        return _("%(done)s of %(total)s") % {"done": run.profiles_done, "total": run.profiles_total}

    @admin.display(description=gettext_lazy("documents"))
    def documents(self, run: Any) -> int:
        return int(run.invoices_issued)

    @admin.display(description=gettext_lazy("parked"))
    def parked(self, run: Any) -> str:
        if not run.profiles_parked:
            return "0"
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:invoices_parkedprofile_changelist"), run.profiles_parked
        )

    def beside_form(self) -> dict[str, Any]:
        return {
            "refusals": refusals_now(Month.of(seller_today()).previous),
            "held": BillingHold.objects.unreleased().count(),
            "parked": ParkedProfile.objects.unreleased().count(),
        }

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One run: how far it is, what it came to, and the buttons that stop it and go on with it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = get_object_or_404(self.get_queryset(request), pk=object_id if object_id.isdecimal() else None)
        may_change = request.user.has_perm("invoices.change_billingrun")
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            return self._steer(request, run)
        ranges = RunRange.objects.filter(run=run)
        waiting = ranges.filter(status=RangeStatus.WAITING).count()
        return render_page(
            self,
            request,
            "invoices/admin/run.html",
            title=str(run),
            row=run,
            run=run,
            totals=[_shown(total) for total in ranges.control_totals()],
            parts=ranges.count(),
            parts_waiting=waiting,
            can_stop=may_change and run.is_in_background and run.status == RunStatus.RUNNING,
            can_resume=may_change and run.is_in_background and run.status == RunStatus.STOPPED and waiting,
            now=timezone.now(),
        )

    def _steer(self, request: HttpRequest, run: BillingRun) -> HttpResponse:
        try:
            if "stop" in request.POST:
                stop_run(run)
                self.message_user(request, _("No further chunk is billed. What is billed stays billed."))
            else:
                resume_run(run)
                self.message_user(request, _("It goes on where it ended."), messages.SUCCESS)
        except Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        return redirect("admin:invoices_billingrun_change", run.pk)


@admin.register(Preflight)
class PreflightAdmin(BegunForMonth):
    """Looks before a run: what it would issue, and what somebody should look at, with the ways to mend it."""

    begin = staticmethod(start_preflight)
    begun_with = "invoices/admin/preflight_new.html"
    title_of_form = gettext_lazy("Look before a billing run")
    list_display = ("__str__", "on", "status", "profiles_done", "profiles_total", "started_at", "finished_at")
    list_filter = ("status",)
    ordering = ("-pk",)

    def get_urls(self) -> list[Any]:
        own = [path("<int:pk>/csv/", self.admin_site.admin_view(self.csv), name="invoices_preflight_csv")]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What was found: totals, each kind of finding with its number, and the profiles, filtered and sorted."""
        preflight = self._preflight(request, object_id)
        if request.method == "POST":
            return self._stop(request, preflight)
        rows = PreflightRows(preflight, request.GET)
        return render_page(
            self,
            request,
            "invoices/admin/preflight.html",
            title=str(preflight),
            row=preflight,
            preflight=preflight,
            totals=[_foreseen(currency, total) for currency, total in preflight.totals.items()],
            rows=rows,
            page=rows.page(),
        )

    def csv(self, request: HttpRequest, pk: int) -> StreamingHttpResponse:
        """The rows that the page's filters leave, as a file."""
        preflight = self._preflight(request, str(pk))
        lines = csv_lines(PreflightRows(preflight, request.GET).found())
        return csv_download(f"preflight-{Month.of(preflight.month)}.csv", lines)

    def _preflight(self, request: HttpRequest, object_id: str) -> Preflight:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return get_object_or_404(Preflight, pk=object_id if object_id.isdecimal() else None)

    def _stop(self, request: HttpRequest, preflight: Preflight) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        try:
            stop_preflight(preflight)
        except Refused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        return redirect("admin:invoices_preflight_change", preflight.pk)


def _foreseen(currency: str, total: dict[str, int]) -> dict[str, Any]:
    """What would be issued in a currency, in money."""
    net, vat = Money(total["net_minor"], currency), Money(total["vat_minor"], currency)
    return {**total, "currency": currency, "net": net, "vat": vat, "total": net + vat}


def staff(request: HttpRequest) -> User:
    """Who is asking: nobody comes here without having signed in."""
    return cast(User, request.user)


def _shown(total: dict[str, Any]) -> dict[str, Any]:
    """A control total in money."""
    net, vat = Money(total["net_minor"], total["currency"]), Money(total["vat_minor"], total["currency"])
    return {**total, "kind": InvoiceKind(total["kind"]).label, "net": net, "vat": vat, "total": net + vat}
