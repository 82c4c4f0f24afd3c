"""Access to invoice of an online-services subscription: the switch, and the viewers that it wakes (S4-8a, P11)."""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.role_pages import (
    RolesPlace,
    colleagues,
    invitation_removal_page,
    invitation_renewal_page,
    roles_removal_page,
)
from accounts.services.invitations import person_in_organisation, waiting_on
from core.errors import Refused
from core.forms import posted
from core.lists import capped_count, read_page
from core.policy import Action, requires
from core.step_up import recently_confirmed
from profiles.models import ProfileRole
from subscriptions.forms import ViewerForm
from subscriptions.models import Subscription
from subscriptions.services.viewers import ON_SUBSCRIPTION, add_viewer, invite_viewer, share_invoices, viewers_of


@requires(Action.INVOICE_SHARE_ACCESS, Subscription)
def subscription_invoice_access(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Whether access to invoice is on, and for whom; who is invited stands on the last page."""
    place = _place(subscription)
    viewers = viewers_of(subscription)
    page = read_page(request, viewers, ["user__name", "pk"])
    context = {
        **place.context,
        "subscription": subscription,
        "profile": subscription.profile,
        "page": page,
        "number": len(page.rows) if page.is_whole else capped_count(viewers),
        "invitations": waiting_on(ON_SUBSCRIPTION, subscription.profile).order_by("email", "pk"),
        "today": timezone.localdate(),
        "now": timezone.now(),
    }
    return render(request, "subscriptions/subscription_invoice_access.html", context)


@requires(Action.INVOICE_SHARE_ACCESS, Subscription)
@recently_confirmed
def subscription_invoice_switch(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Say what the switch will do, and turn it: to what `to` says."""
    is_on = not subscription.profile.shares_invoices
    if request.method == "POST":
        wanted = request.POST.get("to") == "on"
        try:
            share_invoices(subscription, is_on=wanted, by=request.user)
        except Refused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("Access to invoice is on.") if wanted else _("Access to invoice is off."))
        return redirect("subscription_invoice_access", subscription.code)
    context = {**_place(subscription).context, "subscription": subscription, "is_on": is_on}
    context["viewers"] = viewers_of(subscription)
    return render(request, "subscriptions/subscription_invoice_switch.html", context)


@requires(Action.INVOICE_SHARE_ACCESS, Subscription)
@recently_confirmed
def subscription_viewer_new(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Let somebody see the invoices: a member of the organisation at once, anybody else by invitation."""
    form = ViewerForm(posted(request))
    if form.is_valid():
        try:
            said = _give(subscription, form, request)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, said)
            return redirect("subscription_invoice_access", subscription.code)
    place = _place(subscription)
    context = {**place.context, "subscription": subscription, "form": form, "colleagues": colleagues(place.account)}
    return render(request, "subscriptions/subscription_viewer_new.html", context)


@requires(Action.INVOICE_SHARE_ACCESS, Subscription)
@recently_confirmed
def subscription_viewer_removal(request: HttpRequest, subscription: Subscription, role: int) -> HttpResponse:
    """Take a viewer away."""
    rows = ProfileRole.objects.filter(profile=subscription.profile_id).select_related("user", "stands_in_for")
    return roles_removal_page(request, _place(subscription), [get_object_or_404(rows, pk=role)])


@requires(Action.INVOICE_SHARE_ACCESS, Subscription)
def subscription_invitation_renewal(request: HttpRequest, subscription: Subscription, invitation: int) -> HttpResponse:
    """Send an invitation again, with a new link."""
    return invitation_renewal_page(request, _place(subscription), invitation)


@requires(Action.INVOICE_SHARE_ACCESS, Subscription)
def subscription_invitation_removal(request: HttpRequest, subscription: Subscription, invitation: int) -> HttpResponse:
    """Take an invitation back."""
    return invitation_removal_page(request, _place(subscription), invitation)


def _give(subscription: Subscription, form: forms.Form, request: HttpRequest) -> str:
    email, expires_on = form.cleaned_data["email"], form.cleaned_data["expires_on"]
    person = person_in_organisation(subscription.account, email)
    if person is None:
        invite_viewer(subscription, email=email, expires_on=expires_on, by=request.user)
        return _("%(email)s gets an invitation by e-mail.") % {"email": email}
    add_viewer(subscription, user=person, expires_on=expires_on, by=request.user)
    if subscription.profile.shares_invoices:
        return _("%(person)s can see the invoices of this subscription now.") % {"person": person}
    return _("%(person)s can see the invoices as soon as access to invoice is on.") % {"person": person}


def _place(subscription: Subscription) -> RolesPlace:
    profile = subscription.profile
    profile.account = subscription.account
    crumbs = [
        (_("Subscriptions"), reverse("subscriptions", args=[subscription.account.code])),
        (subscription.name, subscription.get_absolute_url()),
        (_("Access to invoice"), reverse("subscription_invoice_access", args=[subscription.code])),
    ]
    return RolesPlace(ON_SUBSCRIPTION, profile, _("Subscription %(name)s") % {"name": subscription.name}, crumbs)
