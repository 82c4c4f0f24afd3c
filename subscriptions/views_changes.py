"""Pages that change what was bought: each says what it comes to before it is done."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from core.codes import new_code
from core.errors import Refused
from core.forms import posted
from core.periods import Month, on_anchor
from core.policy import Action, requires
from core.templatetags.ui import day, money
from profiles.models import BillingProfile
from subscriptions.forms import CancellationForm, ChangeForm, ConfirmedForm, MoveForm
from subscriptions.models import Subscription, SubscriptionChange
from subscriptions.services.changing import (
    RETENTION_DAYS,
    cancel_subscription,
    change_subscription,
    last_day_of_term,
    plan_cancellation,
    plan_change,
    plan_reactivation,
    plans_for,
    reactivate_subscription,
    set_recurring_billing,
    why_not_changeable,
)
from subscriptions.services.moving import move_subscription, withdraw_move


@requires(Action.SUBSCRIPTION_MANAGE, Subscription)
def subscription_change(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Another quantity or plan: chosen first, then seen with its money, then done (T24)."""
    today = timezone.localdate()
    context: dict[str, Any] = {"why_not": why_not_changeable(subscription, today)}
    if not context["why_not"]:
        asked = request.POST if request.method == "POST" else request.GET
        chosen = {name: asked[name] for name in ("quantity", "plan") if name in asked}
        form = ChangeForm(
            chosen if chosen and "change" not in request.GET else None,
            subscription=subscription,
            plans=plans_for(subscription, on=today),
            initial=chosen,
        )
        context["form"] = form
        if form.is_valid():
            try:
                if request.method == "POST" and (done := _change(request, subscription, form)):
                    return done
                planned = plan_change(subscription, quantity=form.cleaned_data["quantity"], price=form.price, on=today)
                context |= {"planned": planned, "chosen": chosen} | _asked(subscription, planned)
            except Refused as refusal:
                form.add_error(None, refusal)
    return _page(request, "subscription_change", subscription, context)


def _change(request: HttpRequest, subscription: Subscription, form: ChangeForm) -> HttpResponse | None:
    confirmed = ConfirmedForm(request.POST, currency=subscription.currency)
    if not confirmed.is_valid():
        return None
    change = change_subscription(
        subscription,
        quantity=form.cleaned_data["quantity"],
        price=form.price,
        **confirmed.values(),
        by=request.user,
        on=timezone.localdate(),
    )
    messages.success(request, _("Changed, from %(day)s.") % {"day": day(change.counts_from)})
    return redirect(subscription)


@requires(Action.SUBSCRIPTION_MANAGE, Subscription)
def subscription_cancellation(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Cancel now, with what is given back, or with the end of the term."""
    today = timezone.localdate()
    context: dict[str, Any] = {"why_not": why_not_changeable(subscription, today), "retention_days": RETENTION_DAYS}
    if not context["why_not"]:
        planned = plan_cancellation(subscription, on=today)
        back, end = money(-planned.net), day(last_day_of_term(subscription, today))
        rows = [
            (
                "term_end",
                _("With the end of the term"),
                _("It runs until %(day)s; nothing is given back.") % {"day": end},
            ),
            ("now", _("Now"), _("It ends today; %(back)s is given back for the days left.") % {"back": back}),
        ]
        asked = _asked(subscription, planned)
        form = CancellationForm(
            posted(request), currency=subscription.currency, rows=rows, initial=asked | {"when": "term_end"}
        )
        context |= {"form": form, "planned": planned} | asked
        if form.is_valid():
            try:
                return _cancel(request, subscription, form)
            except Refused as refusal:
                messages.error(request, str(refusal))
                return redirect(request.path)
    return _page(request, "subscription_cancellation", subscription, context)


def _cancel(request: HttpRequest, subscription: Subscription, form: CancellationForm) -> HttpResponse:
    today = timezone.localdate()
    if form.cleaned_data["when"] == "now":
        cancel_subscription(subscription, **form.values(), by=request.user, on=today)
        messages.success(request, _("Cancelled. Its last day is %(day)s.") % {"day": day(subscription.ended_on)})
    else:
        set_recurring_billing(subscription, is_on=False, by=request.user, on=today)
        messages.success(request, _("It ends on %(day)s.") % {"day": day(subscription.ended_on)})
    return redirect(subscription)


@requires(Action.SUBSCRIPTION_MANAGE, Subscription)
def subscription_recurring_billing(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Renewed term by term, or ending with the present one."""
    today = timezone.localdate()
    context: dict[str, Any] = {"why_not": why_not_changeable(subscription, today)}
    if not context["why_not"]:
        context |= {"ends": last_day_of_term(subscription, today), "renewal": subscription.next_renewal(today)}
        if request.method == "POST":
            try:
                wanted = request.POST.get("recurring") == "on"
                set_recurring_billing(subscription, is_on=wanted, by=request.user, on=today)
            except Refused as refusal:
                messages.error(request, str(refusal))
            else:
                said = _("Recurring billing is on.") if wanted else _("Recurring billing is off.")
                messages.success(request, said)
            return redirect(subscription)
    return _page(request, "subscription_recurring_billing", subscription, context)


@requires(Action.SUBSCRIPTION_MANAGE, Subscription)
def subscription_reactivation(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Bring back what was cancelled, with what the rest of the present term costs."""
    today = timezone.localdate()
    context: dict[str, Any] = {}
    try:
        planned = plan_reactivation(subscription, on=today)
    except Refused as refusal:
        context["why_not"] = str(refusal)
        return _page(request, "subscription_reactivation", subscription, context)
    asked = _asked(subscription, planned)
    form = ConfirmedForm(posted(request), currency=subscription.currency, initial=asked)
    context |= {"form": form, "planned": planned} | asked
    if form.is_valid():
        try:
            reactivate_subscription(subscription, **form.values(), by=request.user, on=today)
        except Refused as refusal:
            # Asked anew, with the money of now.
            messages.error(request, str(refusal))
            return redirect(request.path)
        messages.success(request, _("Active again."))
        return redirect(subscription)
    return _page(request, "subscription_reactivation", subscription, context)


@requires(Action.SUBSCRIPTION_MOVE, Subscription)
def subscription_move(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Another billing profile from next month on; or leave it where it is after all."""
    today = timezone.localdate()
    profiles = BillingProfile.objects.filter(account=subscription.account).shown().open().order_by("name", "pk")
    others = list(profiles.exclude(pk=subscription.profile_id).allowing(request.user, Action.PROFILE_PURCHASE))
    withdraws = request.method == "POST" and "withdraw" in request.POST
    form = MoveForm(None if withdraws else posted(request), profiles=others)
    try:
        if withdraws:
            withdraw_move(subscription, by=request.user, on=today)
            messages.success(request, _("It stays where it is."))
            return redirect(subscription)
        if form.is_valid():
            asked = move_subscription(subscription, profile=form.profile, by=request.user, on=today)
            said = _("Invoiced on “%(name)s” from %(day)s.")
            messages.success(request, said % {"name": asked.to_profile, "day": day(asked.starts_on)})
            return redirect(subscription)
    except Refused as refusal:
        form.add_error(None, refusal)
    context = {
        "form": form,
        "others": others,
        "starts_on": Month.of(today).next.first,
        "ahead": subscription.moves.ahead().select_related("to_profile").first(),
    }
    return _page(request, "subscription_move", subscription, context)


def _asked(subscription: Subscription, planned: SubscriptionChange) -> dict[str, Any]:
    """What the form sends back, and on which invoice it will be."""
    month = Month.of(planned.counts_from)
    return {
        "expected_minor": planned.net_minor,
        "request_key": new_code(),
        "month": month,
        "invoiced_on": on_anchor(month.next, subscription.profile.invoice_day),
    }


def _page(request: HttpRequest, name: str, subscription: Subscription, context: dict[str, Any]) -> HttpResponse:
    facts = {"account": subscription.account, "subscription": subscription, "profile": subscription.profile}
    return render(request, f"subscriptions/{name}.html", facts | context)
