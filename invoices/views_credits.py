"""Pages of credits: the balance of a billing profile with every move, and the credits themselves (S2-23, S2-24)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from core.lists import read_page, sorting
from core.policy import Action, requires
from invoices.estimates import credit_balance, credit_history
from invoices.filters import CREDIT_SEGMENTS, CreditFilter, TransactionFilter
from invoices.models import CreditLot, CreditMove, CreditTransaction
from invoices.services.credits import today_of
from profiles.models import BillingProfile

TRANSACTION_SORTS = {"date": ["happened_on", "id"]}
LOT_SORTS = {"expires": ["lasts_until", "id"], "original": ["original_minor", "id"], "left": ["balance_minor", "id"]}


@requires(Action.CREDIT_VIEW, BillingProfile)
def profile_credit_balance(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """What is left of the credits, and every move of them, newest first (S2-23)."""
    today = today_of(profile)
    filters = TransactionFilter(request.GET)
    rows = CreditTransaction.objects.filter(profile=profile).select_related("lot", "invoice", "by")
    page = read_page(request, filters.apply(rows).with_balance(), sorting(request, TRANSACTION_SORTS, "-date"))
    context = {
        "account": profile.account,
        "profile": profile,
        "has_credits": CreditLot.objects.filter(profile=profile).exists() or rows.exists(),
        "balance": credit_balance(profile, on=today),
        "history": credit_history(profile, on=today),
        "page": page,
        "filters": filters,
        "kinds": [("", _("All moves")), *CreditMove.choices],
    }
    return render(request, "invoices/profile_credit_balance.html", context)


@requires(Action.CREDIT_VIEW, BillingProfile)
def profile_credits(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """The credits of the profile with what is left of each and its last day, the first to expire on top (S2-24)."""
    today = today_of(profile)
    filters = CreditFilter(request.GET, on=today)
    lots = CreditLot.objects.filter(profile=profile)
    rows = filters.apply(lots).with_last_day().select_related("profile")
    page = read_page(request, rows, sorting(request, LOT_SORTS, "expires"))
    context = {
        "account": profile.account,
        "profile": profile,
        "has_credits": lots.exists() or CreditTransaction.objects.filter(profile=profile).exists(),
        "page": page,
        "rows": [(lot, lot.state(today)) for lot in page.rows],
        "filters": filters,
        "segments": [(key, str(label), key == filters.segment) for key, label in CREDIT_SEGMENTS],
        "today": today,
    }
    return render(request, "invoices/profile_credits.html", context)
