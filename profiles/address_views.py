"""Pages of the addresses of a billing profile: change them now or from a day, take a plan back.

Also those of a hidden profile: the pages of its subscription place them (architecture §3).
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.account_views import withdrawal_page
from accounts.addressing import kept_fields, review_page, said_of_addresses
from accounts.models import Address, PlannedChange
from core.errors import Refused
from core.forms import posted
from core.history import last_change
from core.policy import Action, requires
from profiles.forms import ProfileAddressesForm
from profiles.models import BillingProfile
from profiles.services.addresses import plan_profile_addresses, save_addresses


@requires(Action.PROFILE_EDIT_SHIP_TO, BillingProfile)
def profile_addresses(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Change bill-to and service usage address, at once or from a day (S0-8, §3.2)."""
    here = reverse("profile_addresses", args=[profile.code])
    return addresses_page(
        request,
        profile,
        name=profile.name,
        back=profile.get_absolute_url(),
        here=here,
        withdrawal=lambda change: reverse("profile_change_withdrawal", args=[profile.code, change.pk]),
    )


def addresses_page(
    request: HttpRequest,
    profile: BillingProfile,
    *,
    name: str,
    back: str,
    here: str,
    withdrawal: Callable[[PlannedChange], str],
) -> HttpResponse:
    """The page of one profile. `name` and the addresses `back`, `here` and `withdrawal` are those of what people
    know it as."""
    form = ProfileAddressesForm(posted(request), profile=profile)
    context = {"account": profile.account, "profile": profile, "name": name, "back": back, "here": here, "form": form}
    if form.is_valid() and "again" not in request.POST:
        day = form.takes_effect.later()
        if day and not form.takes_effect.is_confirmed():
            return review_page(request, form, day=day, of=profile, back=back, here=here)
        try:
            changed = _save(request, profile, form, back)
        except Refused as refusal:
            if refusal.code == "changed_meanwhile":
                return _conflict(request, profile, form, context)
            form.add_error(None, refusal)
        else:
            messages.success(request, said_of_addresses(day) if changed else _("Nothing was changed."))
            return redirect(back)
    planned = planned_change(profile)
    context |= {"planned": planned, "withdraw": withdrawal(planned) if planned else "", "today": timezone.localdate()}
    return render(request, "profiles/profile_addresses.html", context)


def _save(request: HttpRequest, profile: BillingProfile, form: ProfileAddressesForm, back: str) -> bool:
    day = form.takes_effect.later()
    if day is None:
        return save_addresses(profile, **form.values(), path=back, by=request.user)
    today = timezone.localdate()
    plan = plan_profile_addresses(
        profile, **form.values(), takes_effect_on=day, today=today, path=back, by=request.user
    )
    return plan is not None


def _conflict(
    request: HttpRequest, profile: BillingProfile, form: ProfileAddressesForm, context: dict[str, Any]
) -> HttpResponse:
    """What is stored beside what was typed; sending the page again saves the second over the first."""
    stored = BillingProfile.objects.select_related("account__sold_to", "bill_to", "ship_to").get(pk=profile.pk)
    now = ProfileAddressesForm(profile=stored)
    typed = form.values_by_field()
    rows = [
        {"label": form.said(name), "theirs": now[name].value(), "yours": typed[name]}
        for name in typed
        if now[name].value() != typed[name]
    ]
    change = last_change(stored.bill_to or stored.ship_to or stored)
    more = {
        "rows": rows,
        "kept": kept_fields(form, now),
        "changed_by": change.by if change else "",
        "changed_at": change.at if change else None,
        "href": context["here"],
    }
    return render(request, "profiles/profile_addresses_conflict.html", context | more)


@requires(Action.PROFILE_EDIT_SHIP_TO, BillingProfile)
def profile_change_withdrawal(request: HttpRequest, profile: BillingProfile, change: int) -> HttpResponse:
    """Take a planned change of the profile's addresses back."""
    return withdrawal_of(request, profile, change, back=profile.get_absolute_url())


def withdrawal_of(request: HttpRequest, profile: BillingProfile, change: int, *, back: str) -> HttpResponse:
    planned = get_object_or_404(PlannedChange.objects.touching(*addresses_of(profile)), pk=change)
    return withdrawal_page(request, planned, of=profile, action=Action.PROFILE_EDIT_SHIP_TO, back=back)


def planned_change(profile: BillingProfile) -> PlannedChange | None:
    """The change of the profile's addresses that waits for its day."""
    rows = PlannedChange.objects.waiting().touching(*addresses_of(profile))
    return rows.select_related("planned_by").prefetch_related("parts__address").first()


def addresses_of(profile: BillingProfile) -> list[Address]:
    return [address for address in (profile.bill_to, profile.ship_to) if address is not None]
