"""Pages of closing a billing profile or a billing account."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount
from accounts.services.closing import open_name_change, planned_changes, waiting_invitations
from core.errors import Refused
from core.forms import posted
from core.policy import Action, requires
from core.step_up import recently_confirmed
from invoices.retention import LONG_YEARS
from payments.closing import account_closing_conditions, closing_conditions
from payments.forms import AccountClosingForm
from payments.models import ProfileMethods
from payments.services.closing import close_account, close_profile, unlink_methods
from profiles.forms import RemovalForm
from profiles.models import BillingProfile


@requires(Action.PROFILE_CLOSE, BillingProfile)
@recently_confirmed
def profile_closing(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """The checklist, each blocker with where to go; then the closing itself (domain §3.3)."""
    if profile.status == "closed":
        return redirect(profile)
    today = timezone.localdate()
    form = RemovalForm(posted(request))
    if form.is_valid():
        try:
            close_profile(profile, by=request.user, on=today)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("“%(name)s” is closed.") % {"name": profile.name})
            return redirect(profile)
    conditions = closing_conditions(profile, on=today)
    context = {
        "account": profile.account,
        "profile": profile,
        "form": form,
        "conditions": conditions,
        "standing": [each for each in conditions if not each.is_met],
    }
    return render(request, "payments/profile_closing.html", context)


@requires(Action.ACCOUNT_CLOSE, BillingAccount)
@recently_confirmed
def account_closing(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The same for an account, with what stays of it; closed by typing its name (domain §3.1)."""
    if account.status == "closed":
        return redirect(account)
    today = timezone.localdate()
    form = AccountClosingForm(posted(request), account=account)
    if form.is_valid():
        try:
            close_account(account, by=request.user, on=today)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("“%(name)s” is closed.") % {"name": account.name})
            return redirect(account)
    conditions = account_closing_conditions(account, on=today)
    context = {
        "account": account,
        "form": form,
        "conditions": conditions,
        "standing": [each for each in conditions if not each.is_met],
        "invitations": waiting_invitations(account).count(),
        "changes": planned_changes(account).count() + (open_name_change(account) is not None),
        "years": LONG_YEARS,
    }
    return render(request, "payments/account_closing.html", context)


@requires(Action.METHOD_REPLACE_DEFAULT, BillingProfile)
@recently_confirmed
def profile_method_unlinking(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Let the profile pay with nothing, after saying what that means."""
    if request.method == "POST":
        unlink_methods(profile, by=request.user)  # type: ignore[arg-type]
        messages.success(request, _("“%(name)s” is paid with nothing now.") % {"name": profile.name})
        return redirect("profile_closing", profile.code)
    methods = ProfileMethods.objects.filter(profile=profile).select_related("default").first()
    context = {"account": profile.account, "profile": profile, "method": methods and methods.default}
    return render(request, "payments/profile_method_unlinking.html", context)
