"""Pages about who may do what on a billing profile: the Permissions tab, giving and taking roles, invitations."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.role_pages import (
    RolesPlace,
    invitation_removal_page,
    invitation_renewal_page,
    numbers,
    roles_removal_page,
    stand_in_page,
)
from accounts.services.invitations import person_in_organisation, waiting_on
from accounts.services.notices import owners_of
from core.errors import Refused
from core.forms import posted
from core.lists import capped_count, read_page, sorting
from core.policy import PROFILE_ROLES, Action, Role, may, read_roles, requires
from core.spreadsheets import csv_response
from core.step_up import recently_confirmed
from profiles.capabilities import all_capabilities
from profiles.forms import RemovalForm, RoleForm
from profiles.models import BillingProfile, ProfileRole
from profiles.people import colleagues_of, people_on, role_left, users_on, with_role
from profiles.services.roles import (
    ON_PROFILE,
    assign_profile_role,
    has_lasting_effective_owner,
    invite_to_profile,
    remove_profile_role,
)

SORTS = {"role": ["rank", "folded_name", "pk"], "name": ["folded_name", "pk"]}
LISTED = (*PROFILE_ROLES, Role.ORGANISATION_ADMINISTRATOR)


@requires(Action.PROFILE_VIEW_ROLES, BillingProfile)
def profile_permissions(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """The Permissions tab: everybody with a role that counts here, and why; who is invited (S2-22, S4-12)."""
    today = timezone.localdate()
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    role = next((each for each in LISTED if each == request.GET.get("role")), None)
    everybody = users_on(profile, on=today)
    found = with_role(everybody, role, words)
    page = read_page(request, found, sorting(request, SORTS, "role"))
    people = {here.user.pk: here for here in people_on(profile, on=today, users=[user.pk for user in page.rows])}
    waiting = waiting_on(ON_PROFILE, profile).filter(email__istartswith=words)
    is_filtered = bool(words or role)
    is_everybody = page.is_whole and not is_filtered
    explained = request.GET.get("why", "")
    may_assign = may(request.user, Action.PROFILE_ASSIGN_ROLES, profile)
    context = {
        "account": profile.account,
        "profile": profile,
        "page": page,
        # Whoever lost the role between two statements is left out.
        "rows": [people[user.pk] for user in page.rows if user.pk in people],
        "invitations": waiting.filter(role=role) if role else waiting,
        "number": len(page.rows) if page.is_whole else capped_count(found),
        "people_count": len(page.rows) if is_everybody else capped_count(everybody),
        "assigners": sum(user.rank == 0 for user in page.rows)
        if is_everybody
        else capped_count(with_role(everybody, Role.PROFILE_OWNER, "")),
        "owners_above": owners_of(profile.account) if explained else [],
        "words": words,
        "role": role or "",
        "roles": [("", _("All roles")), *((each.value, each.label) for each in LISTED)],
        "is_filtered": is_filtered,
        "explained": explained,
        "changed": request.GET.get("changed", ""),
        "now": timezone.now(),
        "may_assign": may_assign,
        "can_tick": may_assign and any(here.removable for here in people.values()),
        "may_export": may(request.user, Action.PROFILE_EXPORT_ROLES, profile),
    }
    return render(request, "profiles/profile_permissions.html", context)


@requires(Action.PROFILE_ASSIGN_ROLES, BillingProfile)
@recently_confirmed
def profile_role_new(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Give a role on the profile by e-mail: to somebody of the organisation at once, to anybody else by invitation;
    or another role than now (S4-12 to S4-14)."""
    asked = {name: request.GET[name] for name in ("email", "role", "expires_on") if name in request.GET}
    form = RoleForm(posted(request), profile=profile, initial=asked)
    back = reverse("profile_permissions", args=[profile.code])
    if form.is_valid():
        try:
            said, changed = _give(profile, **form.values(), by=request.user)
        except Refused as refusal:
            if refusal.code == "already_holds":
                messages.info(request, str(refusal))
                return redirect(back)
            form.add_error(None, refusal)
        else:
            messages.success(request, said)
            return redirect(f"{back}?changed={changed}" if changed else back)
    context = {
        "account": profile.account,
        "profile": profile,
        "form": form,
        "colleagues": colleagues_of(profile),
        "capabilities": all_capabilities(sends_invoices=profile.sends_invoices),
        "changes": asked.get("email", ""),
    }
    return render(request, "profiles/profile_role_new.html", context)


def _give(profile: BillingProfile, *, email: str, role: Role, expires_on: Any, by: Any) -> tuple[str, int | None]:
    """What is said afterwards, and whose row changed. Somebody of another organisation is invited like nobody (T14)."""
    person = person_in_organisation(profile.account, email)
    if person is None:
        invite_to_profile(profile, email=email, role=role, expires_on=expires_on, by=by)
        return _("%(email)s gets an invitation by e-mail.") % {"email": email}, None
    held = assign_profile_role(profile, user=person, role=role, expires_on=expires_on, by=by)
    said = _("%(person)s is %(role)s on “%(name)s” now.")
    return said % {
        "person": person,
        "role": held.get_role_display().lower(),
        "name": profile.name,
    }, held.user_id


@requires(Action.PROFILE_ASSIGN_ROLES, BillingProfile)
@recently_confirmed
def profile_role_removal(request: HttpRequest, profile: BillingProfile, role: int) -> HttpResponse:
    """Take a role that was given on the profile away again, after saying what that means (S4-14a)."""
    held = get_object_or_404(ProfileRole.objects.filter(profile=profile).select_related("user"), pk=role)
    form = RemovalForm(posted(request))
    if form.is_valid():
        try:
            remove_profile_role(held, by=request.user)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("%(person)s no longer has that role.") % {"person": held.user})
            # Whoever gave up the last role here may not see this page any more.
            sees = may(request.user, Action.PROFILE_VIEW_ROLES, profile, read_roles(request.user))
            return redirect("profile_permissions", profile.code) if sees else redirect("home")
    is_own = held.stands_in_for_id is None
    is_last_owner = held.role == Role.PROFILE_OWNER and not has_lasting_effective_owner(profile, {held.pk})
    followers = ProfileRole.objects.filter(profile=profile, stands_in_for=held.user).select_related("user")
    context = {
        "account": profile.account,
        "profile": profile,
        "held": held,
        "form": form,
        "is_last_owner": is_last_owner and is_own,
        "followers": [row.user for row in followers] if is_own else [],
        "left": role_left(held, on=timezone.localdate()),
    }
    return render(request, "profiles/profile_role_removal.html", context)


@requires(Action.PROFILE_ASSIGN_ROLES, BillingProfile)
@recently_confirmed
def profile_roles_removal(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Take every role that the ticked people hold on the profile away, all of them or none (S4-14a)."""
    rows = ProfileRole.objects.filter(profile=profile).select_related("user", "stands_in_for")
    if request.method == "POST":
        chosen = rows.filter(pk__in=numbers(request, "role"))
    else:
        chosen = rows.filter(user__in=numbers(request, "person"))
    return roles_removal_page(request, _place(profile), list(chosen.order_by("user__name", "pk")))


@requires(Action.PROFILE_ASSIGN_ROLES, BillingProfile)
@recently_confirmed
def profile_role_stand_in(request: HttpRequest, profile: BillingProfile, role: int) -> HttpResponse:
    """Appoint a stand-in for somebody on the profile until a day (§2.2)."""
    rows = ProfileRole.objects.filter(profile=profile, stands_in_for=None).select_related("user")
    return stand_in_page(request, _place(profile), get_object_or_404(rows, pk=role))


@requires(Action.PROFILE_ASSIGN_ROLES, BillingProfile)
def profile_invitation_renewal(request: HttpRequest, profile: BillingProfile, invitation: int) -> HttpResponse:
    """Send an invitation again, with a new link."""
    return invitation_renewal_page(request, _place(profile), invitation)


@requires(Action.PROFILE_ASSIGN_ROLES, BillingProfile)
def profile_invitation_removal(request: HttpRequest, profile: BillingProfile, invitation: int) -> HttpResponse:
    """Take an invitation back."""
    return invitation_removal_page(request, _place(profile), invitation)


@requires(Action.PROFILE_EXPORT_ROLES, BillingProfile)
def profile_permissions_export(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Who has which role here, as CSV."""
    header = [_("Name"), _("E-mail"), _("Role here"), _("Given on"), _("Role given"), _("Since"), _("By"), _("Until")]
    rows = []
    for here in people_on(profile, on=timezone.localdate()):
        row, scope = here.given_by, here.scope
        since = timezone.localdate(row.assigned_at)
        given = [row.get_role_display(), since, row.assigned_by, row.expires_on, here.instead_of]
        rows.append([here.user.name, here.user.email, here.role.label, scope, *given])
    return csv_response(f"permissions-{profile.code}", [*header, _("Stands in for")], rows)


def _place(profile: BillingProfile) -> RolesPlace:
    crumbs = [
        (_("Billing profiles"), reverse("profiles", args=[profile.account.code])),
        (profile.name, profile.get_absolute_url()),
        (_("Permissions"), reverse("profile_permissions", args=[profile.code])),
    ]
    return RolesPlace(ON_PROFILE, profile, _("On billing profile %(name)s") % {"name": profile.name}, crumbs)
