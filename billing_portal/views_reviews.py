"""Reviews of who has access to an account: the list of them, one page by page, its end, and its result as CSV."""

import re

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.models import BillingAccount
from billing_portal.forms import ReviewIntervalForm
from billing_portal.models import AccessReview, Choice, Outcome, ReviewedRole, ReviewPlan
from billing_portal.reviews import (
    bring_up_to_date,
    finish_review,
    progress_of,
    save_choices,
    set_review_interval,
    start_review,
    with_review_due,
)
from billing_portal.states import ReviewStatus
from core.errors import Refused
from core.forms import posted
from core.lists import ListPage, read_page
from core.policy import Action, may, read_roles, requires
from core.spreadsheets import csv_response
from core.step_up import recently_confirmed

PAGE_SIZE = 50
ORDER = ["held_on", "scope_name", "user__name", "pk"]
REMOVALS_SHOWN = 200
SHOWN = {
    "undecided": Q(choice=Choice.NONE, outcome=Outcome.NONE),
    "keep": Q(choice=Choice.KEEP),
    "remove": Q(choice=Choice.REMOVE),
    "gone": Q(outcome=Outcome.GONE),
}


@requires(Action.ACCOUNT_VIEW_ROLES, BillingAccount)
def account_reviews(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The reviews of an account, the newest first; when the next is due, and how often."""
    rows = AccessReview.objects.filter(account=account).select_related("started_by", "finished_by")
    due = with_review_due(BillingAccount.objects.filter(pk=account.pk)).values("review_due_at", "review_open").get()
    context = {
        "account": account,
        "page": read_page(request, rows, ["-started_at", "-pk"]),
        "due_at": due["review_due_at"],
        "is_due": due["review_due_at"] is not None and due["review_due_at"] <= timezone.now(),
        "open_code": due["review_open"],
    }
    return render(request, "portal/account_reviews.html", context)


@requires(Action.ACCOUNT_REVIEW_ACCESS, BillingAccount)
def account_review_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Say what a review is, and begin one."""
    under_way = AccessReview.objects.filter(account=account, status=ReviewStatus.OPEN).first()
    if request.method == "POST":
        try:
            return redirect(start_review(account, by=request.user))
        except Refused as refusal:
            messages.info(request, str(refusal))
            under_way = AccessReview.objects.filter(account=account, status=ReviewStatus.OPEN).first()
    if under_way is not None:
        return redirect(under_way)
    return render(request, "portal/account_review_new.html", {"account": account})


@requires(Action.ACCOUNT_REVIEW_ACCESS, BillingAccount)
def account_review_interval(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Choose how often the account is reviewed."""
    plan = ReviewPlan.objects.filter(account=account).first()
    form = ReviewIntervalForm(posted(request), plan=plan)
    if form.is_valid():
        changed = set_review_interval(account, every_months=form.cleaned_data["every_months"], by=request.user)
        messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
        return redirect("account_reviews", account.code)
    return render(request, "portal/account_review_interval.html", {"account": account, "form": form})


@requires(Action.ACCOUNT_VIEW_ROLES, AccessReview)
def access_review(request: HttpRequest, review: AccessReview) -> HttpResponse:
    """Everybody with access, a page at a time: what they hold, and what is to become of it."""
    words, shown = request.GET.get("q", "").replace("\x00", "").strip()[:100], request.GET.get("show", "")
    page = _page(request, review)
    progress = progress_of(review)
    context = {
        "account": review.account,
        "review": review,
        "status": ReviewStatus(review.status),
        "is_open": review.status == ReviewStatus.OPEN,
        "page": page,
        "progress": progress,
        "words": words,
        "shown": shown if shown in SHOWN else "",
        "segments": [
            ("", _("All"), progress.total),
            ("undecided", _("Undecided"), progress.undecided),
            ("keep", _("Keep"), progress.kept),
            ("remove", _("Remove"), progress.removed),
            ("gone", _("Ended elsewhere"), progress.gone),
        ],
        "choices": [(Choice.KEEP.value, _("Keep")), (Choice.REMOVE.value, _("Remove"))],
        "only_keep": [(Choice.KEEP.value, _("Keep"))],
        "query": f"?{request.GET.urlencode()}" if request.GET else "",
    }
    return render(request, "portal/access_review.html", context)


def _page(request: HttpRequest, review: AccessReview) -> ListPage:
    words, shown = request.GET.get("q", "").replace("\x00", "").strip()[:100], request.GET.get("show", "")
    rows = ReviewedRole.objects.filter(SHOWN.get(shown, Q()), review=review)
    if words:
        by_name = Q(user__name__istartswith=words) | Q(user__name__icontains=f" {words}")
        rows = rows.filter(by_name | Q(user__email__istartswith=words))
    return read_page(request, rows.select_related("user", "chosen_by"), ORDER, size=PAGE_SIZE)


@require_POST
@requires(Action.ACCOUNT_REVIEW_ACCESS, AccessReview)
def access_review_choices(request: HttpRequest, review: AccessReview) -> HttpResponse:
    """Save what was chosen on a page, and go where the button leads: nothing chosen is lost on the way."""
    page, go = _page(request, review), request.POST.get("go", "")
    choices = _chosen(request)
    if go == "keep":
        choices |= {row.pk: Choice.KEEP for row in page.rows if not choices.get(row.pk) and not row.choice}
    try:
        changed = save_choices(review, choices, by=request.user)
    except Refused as refusal:
        messages.info(request, str(refusal))
        return redirect(review)
    if changed:
        messages.warning(request, _changed_said(changed))
    if go == "end" and not changed:
        return redirect("access_review_end", review.code)
    here = f"?{request.GET.urlencode()}" if request.GET else ""
    ways = {"newer": page.newer, "older": page.older, "keep": page.older or here}
    return redirect(f"{review.get_absolute_url()}{here if changed else ways.get(go, here)}")


def _chosen(request: HttpRequest) -> dict[int, str]:
    """What was sent as `choice-<row>`; the review itself says which rows are its own."""
    found = {}
    for name in request.POST:
        row = re.fullmatch(r"choice-([0-9]{1,18})", name)
        if row and request.POST[name] in Choice.values:
            found[int(row[1])] = request.POST[name]
    return found


def _changed_said(rows: list[ReviewedRole]) -> str:
    said = ngettext(
        "The role of %(names)s was given or changed meanwhile. Look at it again.",
        "Roles of %(names)s were given or changed meanwhile. Look at them again.",
        len(rows),
    )
    names = list(dict.fromkeys(str(row.user) for row in rows))
    return said % {"names": ", ".join(names[:5]) + (" …" if len(names) > 5 else "")}


@requires(Action.ACCOUNT_REVIEW_ACCESS, AccessReview)
@recently_confirmed
def access_review_end(request: HttpRequest, review: AccessReview) -> HttpResponse:
    """Show who will lose what, and finish the review."""
    refusals: list = []
    if request.method == "POST":
        try:
            if changed := bring_up_to_date(review, by=request.user):
                messages.warning(request, _changed_said(changed))
                return redirect(f"{review.get_absolute_url()}?show=undecided")
            refusals = finish_review(review, by=request.user)
        except Refused as refusal:
            messages.warning(request, str(refusal))
            return redirect(f"{review.get_absolute_url()}?show=undecided")
        if not refusals:
            messages.success(request, _("The review is finished. Its result is kept."))
            return _after(request, review)
    removals = review.roles.filter(choice=Choice.REMOVE, outcome=Outcome.NONE).select_related("user").order_by(*ORDER)
    context = {
        "account": review.account,
        "review": review,
        "is_open": review.status == ReviewStatus.OPEN,
        "progress": progress_of(review),
        "removals": removals[:REMOVALS_SHOWN],
        "refusals": refusals,
    }
    return render(request, "portal/access_review_end.html", context)


def _after(request: HttpRequest, review: AccessReview) -> HttpResponse:
    """The result, or home for somebody who gave up the last role here."""
    sees = may(request.user, Action.ACCOUNT_VIEW_ROLES, review, read_roles(request.user))
    return redirect(review) if sees else redirect("home")


@requires(Action.PROFILE_EXPORT_ROLES, AccessReview)
def access_review_export(request: HttpRequest, review: AccessReview) -> HttpResponse:
    """Who was confirmed or removed by whom and when, as CSV."""
    header = [_("Name"), _("E-mail"), _("Role"), _("Scope"), _("Given by"), _("Since"), _("Until")]
    header += [_("Last sign-in"), _("Choice"), _("Result"), _("Decided by"), _("Decided at")]
    rows = [
        [
            row.user.name,
            row.user.email,
            row.get_role_display(),
            row.scope_name,
            row.given_by,
            timezone.localdate(row.given_at),
            row.expires_on,
            timezone.localdate(row.last_sign_in) if row.last_sign_in else None,
            row.get_choice_display(),
            row.get_outcome_display(),
            row.chosen_by,
            row.chosen_at,
        ]
        for row in review.roles.select_related("user", "chosen_by").order_by(*ORDER)
    ]
    return csv_response(f"review-{review.code}", header, rows)
