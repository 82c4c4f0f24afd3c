"""Who may do what in an account, and why: one person with all their roles, or one action with all who may (P12)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from accounts.models import BillingAccount
from billing_portal import access
from core.policy import Action, requires, roles_granting


@requires(Action.ACCOUNT_VIEW_ROLES, BillingAccount)
def account_person(request: HttpRequest, account: BillingAccount, person: int) -> HttpResponse:
    """Every role of somebody in the account, where it comes from, and what it allows."""
    somebody = get_object_or_404(access.people_of(account), pk=person)
    context = {
        "account": account,
        "person": somebody,
        "grants": access.grants_of(account, on=timezone.localdate(), user=somebody),
    }
    return render(request, "portal/account_person.html", context)


@requires(Action.ACCOUNT_VIEW_ROLES, BillingAccount)
def account_question(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Who may do that here, and by which role."""
    action = access.asked_action(request.GET.get("action", ""))
    found = access.who_may(account, action, on=timezone.localdate()) if action else []
    context = {
        "account": account,
        "action": action,
        "questions": access.questions(),
        "roles": roles_granting(action) if action else (),
        "grants": found[: access.SHOWN],
        "found_count": len(found),
        "people_count": len({grant.user.pk for grant in found}),
    }
    return render(request, "portal/account_question.html", context)
