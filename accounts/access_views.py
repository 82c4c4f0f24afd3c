"""More pages of access control on an account: invitations, stand-ins, several roles at once, handing over."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.forms import HandoverForm
from accounts.models import AccountRole, BillingAccount
from accounts.role_pages import (
    RolesPlace,
    invitation_removal_page,
    invitation_renewal_page,
    numbers,
    roles_removal_page,
    stand_in_page,
)
from accounts.services.handover import offer_administration, offers_of, withdraw_offer
from accounts.services.invitations import renew_invitation
from accounts.services.joining import join_as_owner
from accounts.services.notices import owners_of
from accounts.services.roles import ON_ACCOUNT
from core.errors import Refused
from core.forms import posted
from core.policy import Action, requires
from core.step_up import recently_confirmed


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
def account_invitation_renewal(request: HttpRequest, account: BillingAccount, invitation: int) -> HttpResponse:
    """Send an invitation again, with a new link."""
    return invitation_renewal_page(request, _place(account), invitation)


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
def account_invitation_removal(request: HttpRequest, account: BillingAccount, invitation: int) -> HttpResponse:
    """Take an invitation back."""
    return invitation_removal_page(request, _place(account), invitation)


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
@recently_confirmed
def account_role_stand_in(request: HttpRequest, account: BillingAccount, role: int) -> HttpResponse:
    """Appoint a stand-in for somebody until a day (§2.2)."""
    rows = AccountRole.objects.filter(account=account, stands_in_for=None).select_related("user")
    return stand_in_page(request, _place(account), get_object_or_404(rows, pk=role))


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
@recently_confirmed
def account_roles_removal(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Take the ticked roles away, all of them or none (S4-14a)."""
    rows = AccountRole.objects.filter(account=account, pk__in=numbers(request, "role"))
    held = list(rows.select_related("user", "stands_in_for").order_by("user__name", "pk"))
    return roles_removal_page(request, _place(account), held)


@requires(Action.ACCOUNT_HAND_OVER, BillingAccount)
@recently_confirmed
def account_handover(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Offer an online-services account to a successor, or see what became of the offer (§2.2)."""
    form = HandoverForm(posted(request))
    if form.is_valid():
        try:
            offer = offer_administration(account, email=form.cleaned_data["email"], by=request.user)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            said = _("%(email)s gets the offer by e-mail. You stay administrator until it is accepted.")
            messages.success(request, said % {"email": offer.email})
            return redirect("account_handover", account.code)
    context = {"account": account, "form": form, "offer": offers_of(account).open(timezone.now()).first()}
    return render(request, "accounts/account_handover.html", context)


@requires(Action.ACCOUNT_HAND_OVER, BillingAccount)
@recently_confirmed
def account_handover_renewal(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Send the offer again, with a new link."""
    said = _("%(email)s gets a new offer. The one sent before no longer works.")
    return _change_offer(request, account, renew_invitation, said)


@requires(Action.ACCOUNT_HAND_OVER, BillingAccount)
@recently_confirmed
def account_handover_withdrawal(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Take the offer back; both are told."""
    return _change_offer(request, account, withdraw_offer, _("The offer to %(email)s no longer works."))


@requires(Action.ORGANISATION_JOIN_ACCOUNT, BillingAccount)
@recently_confirmed
def account_ownership(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Become owner of an account of the organisation that one administers; all its owners are told (§2.2)."""
    refusal = None
    if request.method == "POST":
        try:
            join_as_owner(account, by=request.user)
        except Refused as error:
            refusal = error
        else:
            messages.success(request, _("You own %(account)s now.") % {"account": account})
            return redirect("account_access", account.code)
    owners = owners_of(account)
    context = {"account": account, "owners": owners, "is_owner": request.user in owners, "refusal": refusal}
    return render(request, "accounts/account_ownership.html", context)


def _change_offer(request: HttpRequest, account: BillingAccount, change: Any, said: str) -> HttpResponse:
    offer = offers_of(account).first()
    if request.method == "POST" and offer is not None:
        try:
            change(offer, by=request.user)
        except Refused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, said % {"email": offer.email})
    elif request.method == "POST":
        messages.info(request, _("No offer waits any more."))
    return redirect("account_handover", account.code)


def _place(account: BillingAccount) -> RolesPlace:
    on = _("On billing account %(account)s") % {"account": account}
    crumbs = [(_("Access control (IAM)"), reverse("account_access", args=[account.code]))]
    return RolesPlace(ON_ACCOUNT, account, on, crumbs)
