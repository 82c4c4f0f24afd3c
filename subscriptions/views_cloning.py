"""The page on which a billing profile is copied to another account."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from core.errors import Refused
from core.forms import posted
from core.policy import Action, requires
from core.step_up import recently_confirmed
from profiles.models import BillingProfile
from subscriptions.cloning import accounts_for_clones, clone_profile, roles_to_offer
from subscriptions.forms import CloneForm


@requires(Action.PROFILE_RENAME, BillingProfile)
@recently_confirmed
def profile_cloning(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Copy the profile to another account, which is how one moves to another country (P15)."""
    accounts = list(accounts_for_clones(request.user))
    recipients = profile.extra_recipients.order_by("pk")
    roles = roles_to_offer(profile, request.user)
    form = CloneForm(posted(request), profile=profile, accounts=accounts, recipients=recipients, roles=roles)
    if form.is_valid():
        try:
            cloned = clone_profile(profile, **form.values(), by=request.user)
        except Refused as refusal:
            form.add_error("name" if refusal.code == "name_taken" else None, refusal)
        else:
            messages.success(request, _("The billing profile “%(name)s” is there.") % {"name": cloned.profile.name})
            for who, why in cloned.left_out:
                messages.warning(request, f"{who}: {why}")
            return redirect(cloned.profile)
    context = {"account": profile.account, "profile": profile, "form": form, "accounts": accounts}
    return render(request, "subscriptions/profile_cloning.html", context)
