"""The people of an organisation: its list, each person, coming and going; and one's own profile (S0-12 to S0-17)."""

from functools import partial

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from accounts.coming_in import answer_as_new_person, answer_signed_in, is_somebody_else, take_link
from accounts.models import (
    AccountRole,
    MemberInvitation,
    Organisation,
    OrganisationMember,
    OrganisationRole,
    User,
    UserProfile,
)
from accounts.people_forms import MemberForm, PersonForm, PictureForm
from accounts.services import passwords, people
from accounts.services.offers import digest, person_with
from accounts.states import InvitationStatus
from core.errors import Refused
from core.forms import posted
from core.history import last_change
from core.lists import capped_count, read_page, sorting
from core.policy import Action, Role, requires, signed_in_only
from core.step_up import recently_confirmed

SORTS = {
    "name": ["user__name", "pk"],
    "email": ["user__email", "pk"],
    "since": ["joined_at", "pk"],
}
JOINING_KEY = "joining"
MEMBERS_OFFERED = 200


# --- The list -------------------------------------------------------------------------------------


@signed_in_only
def users_start(request: HttpRequest) -> HttpResponse:
    """The users of the person's organisation; who keeps them, for somebody who may not look (S0-13)."""
    found = list(Organisation.objects.allowing(request.user, Action.USER_VIEW)[:20])
    if len(found) == 1:
        return redirect("users", found[0].code)
    day = timezone.localdate()
    keepers = OrganisationRole.objects.active(day).filter(
        role=Role.USER_ADMINISTRATOR, organisation__members__user=request.user
    )
    context = {"organisations": found, "keepers": keepers.select_related("user", "organisation").order_by("pk")[:20]}
    return render(request, "accounts/users_start.html", context)


@requires(Action.USER_VIEW, Organisation)
def users(request: HttpRequest, organisation: Organisation) -> HttpResponse:
    """Everybody of the organisation, searched, filtered, sorted and by pages (S0-14)."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    state = request.GET.get("state", "") if request.GET.get("state") in {"active", "deactivated"} else ""
    found = OrganisationMember.objects.filter(organisation=organisation).select_related("user", "user__profile")
    if words:
        found = found.filter(
            Q(user__name__icontains=words)
            | Q(user__email__istartswith=words)
            | Q(user__profile__department__istartswith=words)
        )
    if state:
        found = found.filter(user__is_active=state == "active")
    page = read_page(request, found, sorting(request, SORTS, "name"))
    context = {
        "organisation": organisation,
        "page": page,
        "number": capped_count(found),
        "words": words,
        "state": state,
        "states": [("", _("Active and deactivated")), ("active", _("Active")), ("deactivated", _("Deactivated"))],
        "is_filtered": bool(words or state),
        "invitations": _waiting(organisation),
        "now": timezone.now(),
    }
    return render(request, "accounts/users.html", context)


def _waiting(organisation: Organisation) -> QuerySet[MemberInvitation]:
    waiting = MemberInvitation.objects.filter(organisation=organisation, status=InvitationStatus.PENDING)
    return waiting.select_related("invited_by").order_by("email", "pk")[:50]


@requires(Action.USER_CREATE, Organisation)
def user_new(request: HttpRequest, organisation: Organisation) -> HttpResponse:
    """Invite somebody; the person is there once the invitation is taken (S0-17)."""
    form = MemberForm(posted(request), initial={"language": organisation.preferred_language})
    if form.is_valid():
        try:
            people.invite_member(organisation, **form.cleaned_data, by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            said = _("%(email)s gets an invitation by e-mail.") % {"email": form.cleaned_data["email"]}
            messages.success(request, said)
            return redirect("users", organisation.code)
    return render(request, "accounts/user_new.html", {"organisation": organisation, "form": form})


@requires(Action.USER_CREATE, Organisation)
def member_invitation(request: HttpRequest, organisation: Organisation, invitation: int) -> HttpResponse:
    """Send an invitation again, or take it back."""
    offer = get_object_or_404(MemberInvitation, pk=invitation, organisation=organisation)
    refusal = None
    if request.method == "POST":
        verb = people.revoke_member_invitation if request.POST.get("revoke") else people.renew_member_invitation
        try:
            verb(offer, by=request.user)  # type: ignore[arg-type]
        except Refused as error:
            refusal = error
        else:
            messages.success(request, _("Done: %(email)s.") % {"email": offer.email})
            return redirect("users", organisation.code)
    context = {"organisation": organisation, "invitation": offer, "refusal": refusal}
    return render(request, "accounts/member_invitation.html", context)


# --- One person -----------------------------------------------------------------------------------


@requires(Action.USER_VIEW, Organisation)
def user(request: HttpRequest, organisation: Organisation, member: int) -> HttpResponse:
    """What the organisation keeps of a person, and which roles they hold in it."""
    person, profile = _person(organisation, member)
    context = {
        "organisation": organisation,
        "member": member,
        "person": person,
        "profile": profile,
        "account_roles": AccountRole.objects.filter(user=person, account__organisation=organisation).select_related(
            "account"
        )[:50],
        "organisation_roles": OrganisationRole.objects.filter(user=person, organisation=organisation),
        "changed": last_change(profile) if profile.pk else None,
        "refusal": _why_not(organisation, person),
    }
    return render(request, "accounts/user.html", context)


@requires(Action.USER_EDIT, Organisation)
def user_edit(request: HttpRequest, organisation: Organisation, member: int) -> HttpResponse:
    """Change what the organisation keeps of a person, in sections (S0-15, S0-16)."""
    person, profile = _person(organisation, member)
    form = PersonForm(posted(request), profile=profile, organisation=organisation)
    href = reverse("user", args=[organisation.code, member])
    if form.is_valid():
        try:
            changed = people.save_person(
                person,
                form.values(),
                version=form.cleaned_data["version"],
                by=request.user,  # type: ignore[arg-type]
                organisation=organisation,
            )
        except Refused as refusal:
            if refusal.code == "changed_meanwhile":
                return _conflict(request, form, profile, href, organisation)
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return redirect(href)
    members = User.objects.filter(memberships__organisation=organisation, is_active=True).exclude(pk=person.pk)
    context = {
        "organisation": organisation,
        "person": person,
        "form": form,
        "href": href,
        "members": members.order_by("name", "pk")[:MEMBERS_OFFERED],
    }
    return render(request, "accounts/user_edit.html", context)


@requires(Action.USER_EDIT, Organisation)
def user_picture(request: HttpRequest, organisation: Organisation, member: int) -> HttpResponse:
    """Change the picture of a person, or take it away."""
    person, profile = _person(organisation, member)
    href = reverse("user", args=[organisation.code, member])
    return _picture(request, person, profile, href, organisation)


@requires(Action.USER_EDIT, Organisation)
@recently_confirmed
def user_deactivation(request: HttpRequest, organisation: Organisation, member: int) -> HttpResponse:
    """Deactivate a person, after saying what that means; or let them in again (S0-17)."""
    person, _profile = _person(organisation, member)
    refusal = None
    if request.method == "POST":
        verb = people.deactivate_person if person.is_active else people.reactivate_person
        try:
            verb(organisation, person, by=request.user)  # type: ignore[arg-type]
        except Refused as error:
            refusal = error
        else:
            said = _("%(person)s is active again.") if person.is_active else _("%(person)s can no longer sign in.")
            messages.success(request, said % {"person": person})
            return redirect("user", organisation.code, member)
    context = {"organisation": organisation, "member": member, "person": person, "refusal": refusal}
    return render(request, "accounts/user_deactivation.html", context)


@requires(Action.USER_EDIT, Organisation)
@recently_confirmed
def user_password(request: HttpRequest, organisation: Organisation, member: int) -> HttpResponse:
    """Have a link for a new password sent to somebody who lost everything else (P18)."""
    person, _profile = _person(organisation, member)
    refusal = _why_not(organisation, person)
    if request.method == "POST" and refusal is None:
        try:
            passwords.vouch_for(person, by=request.user)  # type: ignore[arg-type]
        except Refused as error:
            refusal = error
        else:
            messages.success(request, _("%(person)s gets a link by e-mail.") % {"person": person})
            return redirect("user", organisation.code, member)
    context = {"organisation": organisation, "member": member, "person": person, "refusal": refusal}
    return render(request, "accounts/user_password.html", context)


# --- One's own profile ----------------------------------------------------------------------------


@signed_in_only
def own_profile(request: HttpRequest) -> HttpResponse:
    """What people keep of themselves; their job is kept by the user administrator."""
    person: User = request.user  # type: ignore[assignment]
    profile = people.read_profile(person)
    form = PersonForm(posted(request), profile=profile)
    if form.is_valid():
        try:
            changed = people.save_person(person, form.values(), version=form.cleaned_data["version"], by=person)
        except Refused:
            return _conflict(request, form, profile, reverse("own_profile"), None)
        messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
        return redirect("own_profile")
    return render(request, "accounts/own_profile.html", {"form": form, "profile": profile})


@signed_in_only
def own_picture(request: HttpRequest) -> HttpResponse:
    """Change one's own picture, or take it away."""
    person: User = request.user  # type: ignore[assignment]
    return _picture(request, person, people.read_profile(person), reverse("own_profile"), None)


def _picture(
    request: HttpRequest, person: User, profile: UserProfile, href: str, organisation: Organisation | None
) -> HttpResponse:
    form = PictureForm(posted(request), request.FILES or None)
    removes = bool(request.POST.get("remove"))
    if removes or form.is_valid():
        file = None if removes else form.cleaned_data["picture"]
        try:
            people.set_picture(
                person,
                file,
                size=file.size if file else 0,
                by=request.user,  # type: ignore[arg-type]
                organisation=organisation,
            )
        except Refused as refusal:
            form.add_error("picture" if not removes else None, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect(href)
    context = {"form": form, "profile": profile, "person": person, "href": href, "organisation": organisation}
    return render(request, "accounts/picture.html", context)


def _person(organisation: Organisation, member: int) -> tuple[User, UserProfile]:
    """The person of that membership, always looked up through the organisation (T02)."""
    row = get_object_or_404(OrganisationMember.objects.select_related("user"), pk=member, organisation=organisation)
    profile = people.read_profile(row.user)
    return profile.user, profile


def _why_not(organisation: Organisation, person: User) -> Refused | None:
    try:
        people.check_ours(organisation, person)
    except Refused as refusal:
        return refusal
    return None


def _conflict(
    request: HttpRequest, form: PersonForm, profile: UserProfile, href: str, organisation: Organisation | None
) -> HttpResponse:
    """What is stored beside what was typed; sending the page again saves the second over the first (S0-16)."""
    stored = UserProfile.objects.select_related("user", "manager").get(pk=profile.pk)
    now = PersonForm(profile=stored, organisation=organisation)
    names = [name for name in form.fields if name != "version"]
    rows = [
        {"label": form.fields[name].label, "theirs": now[name].value(), "yours": form[name].value()}
        for name in names
        if (now[name].value() or "") != (form[name].value() or "")
    ]
    change = last_change(stored)
    context = {
        "rows": rows,
        "kept": [("version", stored.version), *((name, form[name].value() or "") for name in names)],
        "changed_by": change.by if change else "",
        "changed_at": change.at if change else None,
        "href": href,
        "organisation": organisation,
        "person": stored.user,
    }
    return render(request, "accounts/user_conflict.html", context)


# --- Coming in ------------------------------------------------------------------------------------


@never_cache
@login_not_required
def joining(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail: the token goes from the address into the session, and nothing is used up (T17, T22)."""
    return take_link(request, JOINING_KEY, digest(token), "joining_answer")


@never_cache
@login_not_required
def joining_answer(request: HttpRequest) -> HttpResponse:
    """Become a person of the organisation: as a new one, or signed in as the one it was sent to."""
    offer = people.find_member_invitation(request.session.get(JOINING_KEY, ""))
    if offer is None:
        return render(request, "accounts/invitation_unusable.html", status=410)
    if request.user.is_authenticated:
        return _join_signed_in(request, offer)
    if person_with(offer.email) is not None:
        return render(request, "accounts/joining_sign_in.html", {"invitation": offer})
    is_in, form = answer_as_new_person(request, partial(people.join_as_new_person, offer), name=offer.name)
    if is_in:
        return _welcome(request, offer)
    return render(request, "accounts/joining.html", {"invitation": offer, "form": form})


def _join_signed_in(request: HttpRequest, offer: MemberInvitation) -> HttpResponse:
    is_in, refusal = answer_signed_in(request, partial(people.join, offer, by=request.user))  # type: ignore[arg-type]
    if is_in:
        return _welcome(request, offer)
    context = {"invitation": offer, "is_other": is_somebody_else(request, offer.email), "refusal": refusal}
    return render(request, "accounts/joining_accept.html", context)


def _welcome(request: HttpRequest, offer: MemberInvitation) -> HttpResponse:
    request.session.pop(JOINING_KEY, None)
    messages.success(request, _("Welcome to %(organisation)s") % {"organisation": offer.organisation})
    return redirect("home")
