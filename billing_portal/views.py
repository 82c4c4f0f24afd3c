"""Pages that see every app: home, overview, search, help, errors."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts.models import BillingAccount
from accounts.services.scopes import remember_scope
from billing_portal import activity, figures, todo
from billing_portal.forms import PreferencesForm
from billing_portal.guide import capability_table
from billing_portal.search import search_everything
from core.errors import AccountClosed, Forbidden
from core.forms import posted
from core.policy import ACCOUNT_ROLES, PROFILE_ROLES, Action, Role, holders, requires, roles_granting, signed_in_only
from core.spreadsheets import csv_response
from profiles.models import BillingProfile


@signed_in_only
def home(request: HttpRequest) -> HttpResponse:
    """What waits for the person in every account; straight to the overview where there is only one."""
    accounts = list(BillingAccount.objects.allowing(request.user, Action.ACCOUNT_SEE).select_related("sold_to")[:20])
    if len(accounts) == 1:
        return redirect(accounts[0])
    today = timezone.localdate()
    listed = [(account, todo.tasks(request.user, account, today)) for account in accounts]
    request.todo_count = sum(len(tasks) for _account, tasks in listed)  # type: ignore[attr-defined]
    return render(request, "portal/home.html", {"accounts": listed})


@requires(Action.ACCOUNT_SEE, BillingAccount)
def account_overview(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The account at a glance: a to-do list first, figures second."""
    if request.viewing is None:  # type: ignore[attr-defined]
        remember_scope(account, by=request.user)
    today = timezone.localdate()
    tasks = todo.tasks(request.user, account, today)
    request.todo_count = len(tasks)  # type: ignore[attr-defined]
    amounts = figures.amounts(request.user, account, today)
    context = {
        "account": account,
        "today": today,
        "tasks": tasks,
        "amounts": amounts,
        "ages": figures.by_age(amounts),
        "chart": figures.invoiced_per_month(request.user, account, today),
    }
    return render(request, "portal/overview.html", context)


@requires(Action.ACCOUNT_VIEW_ACTIVITY, BillingAccount)
def account_activity(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """What happened in the account: who, what, from what to what, when, from where."""
    return _activity_page(request, account, account)


@requires(Action.ACCOUNT_VIEW_ACTIVITY, BillingAccount)
def account_activity_export(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The same as CSV."""
    return _activity_file(request, account)


@requires(Action.PROFILE_VIEW_ACTIVITY, BillingProfile)
def profile_activity(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """What happened on one billing profile."""
    return _activity_page(request, profile.account, profile)


@requires(Action.PROFILE_VIEW_ACTIVITY, BillingProfile)
def profile_activity_export(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """The same as CSV."""
    return _activity_file(request, profile)


def _activity_page(
    request: HttpRequest, account: BillingAccount, scope: BillingAccount | BillingProfile
) -> HttpResponse:
    filters = activity.Filters.of(request)
    is_profile = isinstance(scope, BillingProfile)
    query = request.GET.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    export = reverse("profile_activity_export" if is_profile else "account_activity_export", args=[scope.code])
    context = {
        "account": account,
        "profile": scope if is_profile else None,
        "scope": scope,
        "page": activity.read_activity(request, scope, filters),
        "filters": filters,
        "kinds": [("", _("Everything")), *activity.kinds_for(scope)],
        "periods": [("", _("Any time")), *activity.PERIODS.items()],
        "export": f"{export}?{query.urlencode()}" if query else export,
        "exported": activity.EXPORTED_AT_MOST,
    }
    return render(request, "portal/profile_activity.html" if is_profile else "portal/activity.html", context)


def _activity_file(request: HttpRequest, scope: BillingAccount | BillingProfile) -> HttpResponse:
    header = [_("Moment"), _("Who"), _("What happened"), _("To what"), _("Name"), _("Field"), _("Before"), _("After")]
    rows = []
    for entry in activity.all_activity(scope, activity.Filters.of(request)):
        first = [entry.at.isoformat(timespec="seconds"), entry.who, entry.word, entry.what, entry.name]
        for change in entry.changes or [("", "", "")]:
            rows.append([*first, *change, entry.where, entry.agent])
    return csv_response(f"activity-{scope.code}", [*header, _("Network address"), _("Browser")], rows)


@signed_in_only
def search(request: HttpRequest) -> HttpResponse:
    """Pages by their English and Dutch names, accounts, profiles, subscriptions, invoices (S0-6)."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    return render(request, "portal/search.html", {"words": words, "groups": search_everything(request.user, words)})


@signed_in_only
def help_page(request: HttpRequest) -> HttpResponse:
    """Who may do what, read from the policy table, and what to do when a payment is declined (P12, S3-16)."""
    roles = (*ACCOUNT_ROLES, *PROFILE_ROLES, Role.ACCOUNT_ADMINISTRATOR)
    accounts = BillingAccount.objects.allowing(request.user, Action.ACCOUNT_SEE).order_by("name", "pk")
    context = {"roles": roles, "table": capability_table(roles), "asking": accounts[:20]}
    return render(request, "portal/help.html", context)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Says which roles may, and who holds them: never a bare 403 (S0-5, P11). In a closed account nobody may: it says
    who can open it again."""
    context: dict[str, Any] = {}
    if isinstance(exception, AccountClosed):
        return render(request, "403_closed.html", {"account": exception.account}, status=403)
    if isinstance(exception, Forbidden):
        context = {
            "roles": [role.label for role in roles_granting(exception.action)],
            "people": list({row.user_id: row.user for row in holders(exception.action, exception.object)}.values()),
        }
    if _is_for_staff(request):
        said = _("You are signed in as staff, and your rights do not reach this. Nothing was changed.")
        return _staff_error(request, 403, _("You may not do this"), said)
    return render(request, "403.html", context, status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if _is_for_staff(request):
        said = _("The address is wrong, or what stood here is gone. Search for it above, or look through the lists.")
        return _staff_error(request, 404, _("There is nothing here"), said)
    return render(request, "404.html", status=404)


def _is_for_staff(request: HttpRequest) -> bool:
    """Whether somebody of the vendor's staff asked for a page of theirs; they stay in its frame."""
    user = getattr(request, "user", None)
    return user is not None and user.is_active and user.is_staff and request.path.startswith(reverse("admin:index"))


def _staff_error(request: HttpRequest, status: int, title: str, explanation: str) -> HttpResponse:
    context = {**admin.site.each_context(request), "title": title, "explanation": explanation}
    return render(request, "staff/error.html", context, status=status)


def server_error(request: HttpRequest) -> HttpResponse:
    return render(request, "500.html", {"reference": getattr(request, "reference", "")}, status=500)


@signed_in_only
def preferences(request: HttpRequest) -> HttpResponse:
    form = PreferencesForm(posted(request), instance=request.user)
    if form.is_valid():
        person = form.save()
        with translation.override(person.language):
            messages.success(request, _("Your preferences are saved."))
        return redirect("preferences")
    return render(request, "portal/preferences.html", {"form": form})
