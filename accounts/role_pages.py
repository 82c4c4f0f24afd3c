"""Pages about giving and taking roles that every scope has: sending an invitation again or revoking it, a stand-in,
removing several roles at once. The views of each app hand over to the functions here, with the place that is theirs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.forms import StandInForm
from accounts.models import BillingAccount, Invitation, User
from accounts.services.invitations import renew_invitation, revoke_invitation
from accounts.services.roles import RoleScope, appoint_stand_in, remove_roles
from core.errors import Refused
from core.forms import posted

OFFERED = 200  # colleagues in a list to choose from
AT_ONCE = 200  # roles that can be removed at once


@dataclass(frozen=True)
class RolesPlace:
    """Where the pages of one object stand: `crumbs` lead to its list of roles, `on` says what it is."""

    scope: RoleScope
    obj: Any
    on: str
    crumbs: Sequence[tuple[str, str]]

    @property
    def account(self) -> BillingAccount:
        return self.scope.account_of(self.obj)

    @property
    def back(self) -> str:
        return self.scope.path_of(self.obj)

    @property
    def context(self) -> dict[str, Any]:
        """What every template here needs."""
        return {"account": self.account, "place": self, "back": self.back}


def colleagues(account: BillingAccount) -> list[User]:
    """People of the organisation to whom a role may be given, by name: the first of them, for an owner who types."""
    members = User.objects.filter(memberships__organisation=account.organisation_id, is_active=True)
    return list(members.order_by("name", "pk")[:OFFERED])


def invitation_renewal_page(request: HttpRequest, place: RolesPlace, invitation: int) -> HttpResponse:
    """Send an invitation again, with a new link."""
    said = _("%(email)s gets a new invitation. The one sent before no longer works.")
    return _change_invitation(request, place, invitation, renew_invitation, "accounts/invitation_renewal.html", said)


def invitation_removal_page(request: HttpRequest, place: RolesPlace, invitation: int) -> HttpResponse:
    """Take an invitation back."""
    said = _("The invitation of %(email)s no longer works.")
    return _change_invitation(request, place, invitation, revoke_invitation, "accounts/invitation_removal.html", said)


def stand_in_page(request: HttpRequest, place: RolesPlace, held: Any) -> HttpResponse:
    """Let somebody hold a role in place of its holder until a day."""
    form = StandInForm(posted(request), account=place.account)
    if form.is_valid():
        person, day = form.cleaned_data["email"], form.cleaned_data["expires_on"]
        try:
            appoint_stand_in(place.scope, place.obj, held=held, user=person, expires_on=day, by=request.user)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            said = _("%(person)s stands in for %(whom)s now.") % {"person": person, "whom": held.user}
            messages.success(request, said)
            return redirect(place.back)
    context = {"held": held, "form": form, "colleagues": colleagues(place.account)}
    return render(request, "accounts/role_stand_in.html", {**place.context, **context})


def roles_removal_page(request: HttpRequest, place: RolesPlace, held: Sequence[Any], left: int = 0) -> HttpResponse:
    """Say which roles go, and take them away: all of them or none. `left` is how many were ticked that cannot go."""
    refusal = None
    if not held:
        messages.info(request, _("Tick the roles that you want to remove first."))
        return redirect(place.back)
    if request.method == "POST":
        try:
            remove_roles(place.scope, place.obj, held, by=request.user)
        except Refused as error:
            refusal = error
        else:
            said = ngettext("%(number)d role was removed.", "%(number)d roles were removed.", len(held))
            messages.success(request, said % {"number": len(held)})
            is_own = any(row.user_id == request.user.pk for row in held)
            return redirect("scopes" if is_own else place.back)
    context = {"held": held, "left": left, "refusal": refusal, "is_own": any(row.user == request.user for row in held)}
    return render(request, "accounts/roles_removal.html", {**place.context, **context})


def numbers(request: HttpRequest, name: str) -> list[int]:
    """The primary keys that were ticked, from the address or the form; what is no number is left out."""
    sent = request.POST if request.method == "POST" else request.GET
    return [int(text) for text in sent.getlist(name)[:AT_ONCE] if text.isascii() and text.isdigit() and len(text) < 10]


def _change_invitation(
    request: HttpRequest,
    place: RolesPlace,
    invitation: int,
    change: Callable[..., None],
    template: str,
    said: str,
) -> HttpResponse:
    scope = place.scope
    mine = Invitation.objects.filter(
        account=place.account, scope=scope.name, scope_code=scope.code_of(place.obj)
    ).select_related("account__organisation", "invited_by")
    offer = get_object_or_404(mine, pk=invitation)
    refusal = None
    if request.method == "POST":
        try:
            change(offer, by=request.user)
        except Refused as error:
            refusal = error
        else:
            messages.success(request, said % {"email": offer.email})
            return redirect(place.back)
    return render(request, template, {**place.context, "invitation": offer, "refusal": refusal})
