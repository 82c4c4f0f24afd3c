"""Pages of the invoice sections of a billing profile."""

from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from core.errors import Refused
from core.forms import posted
from core.policy import Action, may, requires
from profiles.models import BillingProfile, InvoiceSection
from subscriptions.forms import SectionChoiceForm, SectionForm
from subscriptions.models import Subscription
from subscriptions.sections import add_section, move_to_section, remove_section, rename_section

SHOWN = 200


@requires(Action.PROFILE_VIEW, BillingProfile)
def profile_sections(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """The sections of the profile, and what stands in each; three statements of its own."""
    sections = list(InvoiceSection.objects.filter(profile=profile))
    rows = Subscription.objects.filter(profile=profile).exclude(status="deleted").order_by("name", "pk")
    within: dict[int | None, list[Subscription]] = defaultdict(list)
    known = {section.pk for section in sections if not section.is_default}
    for subscription in rows[:SHOWN]:
        within[subscription.section_id if subscription.section_id in known else None].append(subscription)
    context = {
        "account": profile.account,
        "profile": profile,
        "sections": [(section, within[None if section.is_default else section.pk]) for section in sections],
        "may_edit": may(request.user, Action.SECTION_CREATE, profile) and profile.status != "closed",
        "may_move": may(request.user, Action.SUBSCRIPTION_MOVE, profile) and profile.status != "closed",
    }
    return render(request, "subscriptions/profile_sections.html", context)


@requires(Action.SECTION_CREATE, BillingProfile)
def profile_section_new(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Add a section."""
    form = SectionForm(posted(request))
    if form.is_valid():
        try:
            section = add_section(profile, **form.cleaned_data, by=request.user)
        except Refused as refusal:
            form.add_error("name" if refusal.code == "name_taken" else None, refusal)
        else:
            messages.success(request, _("The section “%(name)s” is there.") % {"name": section.name})
            return redirect("profile_sections", profile.code)
    return render(request, "subscriptions/profile_section_edit.html", _context(profile, form=form))


@requires(Action.SECTION_CREATE, BillingProfile)
def profile_section_edit(request: HttpRequest, profile: BillingProfile, section: int) -> HttpResponse:
    """Rename a section."""
    chosen = _section(profile, section)
    form = SectionForm(posted(request), initial={"name": chosen.name})
    if form.is_valid():
        try:
            rename_section(chosen, **form.cleaned_data, by=request.user)
        except Refused as refusal:
            form.add_error("name" if refusal.code == "name_taken" else None, refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect("profile_sections", profile.code)
    return render(request, "subscriptions/profile_section_edit.html", _context(profile, form=form, section=chosen))


@requires(Action.SECTION_CREATE, BillingProfile)
def profile_section_removal(request: HttpRequest, profile: BillingProfile, section: int) -> HttpResponse:
    """Remove a section, after saying what becomes of its content."""
    chosen = _section(profile, section)
    refusal = None
    if request.method == "POST":
        try:
            remove_section(chosen, by=request.user)
        except Refused as error:
            refusal = error
        else:
            messages.success(request, _("The section “%(name)s” is gone.") % {"name": chosen.name})
            return redirect("profile_sections", profile.code)
    context = _context(profile, section=chosen, refusal=refusal)
    return render(request, "subscriptions/profile_section_removal.html", context)


@requires(Action.SUBSCRIPTION_MOVE, Subscription)
def subscription_section(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Choose the section of the invoice in which a subscription stands."""
    profile = subscription.profile
    sections = list(InvoiceSection.objects.filter(profile=profile))
    form = SectionChoiceForm(posted(request), sections=sections, chosen=subscription.section_id)
    if form.is_valid():
        try:
            changed = move_to_section(subscription, section=form.section, by=request.user)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return redirect("profile_sections", profile.code) if profile.is_shown else redirect(subscription)
    context = _context(profile, form=form, subscription=subscription, sections=sections)
    return render(request, "subscriptions/subscription_section.html", context)


def _section(profile: BillingProfile, pk: int) -> InvoiceSection:
    return get_object_or_404(InvoiceSection.objects.filter(profile=profile), pk=pk)


def _context(profile: BillingProfile, **more: Any) -> dict[str, Any]:
    return {"account": profile.account, "profile": profile, **more}
