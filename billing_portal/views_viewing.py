"""View as: begin and end looking at an account or a billing profile as somebody else sees it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import BillingAccount, User
from billing_portal import access
from billing_portal.models import Viewing
from billing_portal.viewing import LASTS, VIEWING, end_viewing, start_viewing
from core.errors import Refused
from core.policy import Action, requires, signed_in_only
from core.step_up import recently_confirmed
from profiles.models import BillingProfile
from profiles.people import people_on


@requires(Action.ACCOUNT_VIEW_AS, BillingAccount)
@recently_confirmed
def account_viewing(request: HttpRequest, account: BillingAccount, person: int) -> HttpResponse:
    """Say what viewing as that person shows and who hears of it, and begin."""
    somebody = get_object_or_404(access.people_of(account), pk=person)
    back = reverse("account_person", args=[account.code, somebody.pk])
    return _viewing_page(request, account, somebody, account=account, back=back)


@requires(Action.PROFILE_VIEW_AS, BillingProfile)
@recently_confirmed
def profile_viewing(request: HttpRequest, profile: BillingProfile, person: int) -> HttpResponse:
    """The same on one billing profile."""
    here = {each.user.pk: each.user for each in people_on(profile, on=timezone.localdate())}
    somebody = get_object_or_404(User, pk=person if person in here else None)
    back = reverse("profile_permissions", args=[profile.code])
    return _viewing_page(request, profile, somebody, account=profile.account, back=back)


def _viewing_page(
    request: HttpRequest, scope: BillingAccount | BillingProfile, person: User, *, account: BillingAccount, back: str
) -> HttpResponse:
    refusal = None
    if request.method == "POST":
        try:
            viewing = start_viewing(scope, user=person, by=request.user)
        except Refused as error:
            refusal = error
        else:
            request.session[VIEWING] = viewing.pk
            return redirect(scope)
    minutes = LASTS.seconds // 60
    context = {
        "account": account,
        "scope": scope,
        "person": person,
        "refusal": refusal,
        "back": back,
        "minutes": minutes,
    }
    return render(request, "portal/viewing.html", context)


@require_POST
@signed_in_only
def viewing_end(request: HttpRequest) -> HttpResponse:
    """Back to one's own eyes, on the page from which it began."""
    viewing = Viewing.objects.filter(pk=request.session.pop(VIEWING, None), viewer=request.user.pk).first()
    if viewing is None:
        return redirect("home")
    end_viewing(viewing)
    messages.success(request, _("You see the portal with your own eyes again."))
    if viewing.profile is not None:
        return redirect("profile_permissions", viewing.profile.code)
    return redirect("account_person", viewing.account.code, viewing.user_id)
