"""Pages of one payment method: what it is and pays for, replacing it, and removing it now or later."""

from datetime import date, timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.codes import code_asked_for
from core.errors import Refused
from core.forms import posted
from core.policy import Action, requires
from core.step_up import recently_confirmed
from payments.blockers import blockers, due_invoices, free_from
from payments.declines import explain
from payments.forms import CardUpdateForm, MethodRemovalForm, RemovalPlanForm, ReplacementForm
from payments.models import CardSetup, Family, Mandate, PaymentMethod
from payments.services.cards import start_card_update
from payments.services.methods import is_offered, plan_removal, remove_method, replace_method, withdraw_removal
from payments.shown import ShownMethod, Use, shown_methods, uses_of
from payments.states import SetupStatus


@requires(Action.METHOD_VIEW, PaymentMethod)
def payment_method(request: HttpRequest, method: PaymentMethod) -> HttpResponse:
    """One method: its details, all that it pays for, and its verbs (S3-12). Also what a replacement ended in (P9)."""
    _refuse_gone(method)
    today = timezone.localdate()
    uses, unseen = uses_of(method, to=request.user, on=today)
    replaced = PaymentMethod.objects.allowing(request.user, Action.METHOD_VIEW).filter(
        account=method.account, code=code_asked_for(request, "replaced")
    )
    context = {
        "account": method.account,
        "method": method,
        "mandate": Mandate.objects.filter(method=method).select_related("signed_by").first(),
        "shown": shown_methods([method], to=request.user, on=today)[0],
        "uses": uses,
        "unseen": unseen,
        "replaced": replaced.first(),
    }
    return render(request, "payments/payment_method.html", context)


@requires(Action.METHOD_EDIT, PaymentMethod)
@recently_confirmed
def method_edit(request: HttpRequest, method: PaymentMethod) -> HttpResponse:
    """Bring expiry, name and address of a card up to date on the gateway's page; its number never (S3-12, S3-13)."""
    if not method.is_kept or method.family != Family.CARD:
        raise Http404
    form = CardUpdateForm(posted(request))
    if form.is_valid():
        try:
            _setup, address = start_card_update(method, by=request.user)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            return redirect(address)
    refused = CardSetup.objects.filter(
        changes=method, code=code_asked_for(request, "refused"), status=SetupStatus.FAILED
    ).first()
    context = {
        "account": method.account,
        "method": method,
        "shown": shown_methods([method], to=request.user, on=timezone.localdate())[0],
        "form": form,
        "decline": explain(refused.decline_reason) if refused else None,
        "reason": refused.decline_reason if refused else "",
    }
    return render(request, "payments/method_edit.html", context)


# --- Replacing ----------------------------------------------------------------------------------


@requires(Action.METHOD_EDIT, PaymentMethod)
@recently_confirmed
def method_replacement(request: HttpRequest, method: PaymentMethod) -> HttpResponse:
    """Let another method take its place: what uses it, choose or add, look at it all, confirm (S3-23, P5).

    The steps stand in the address, so that back and reload work; only the last one changes anything.
    """
    _refuse_gone(method)
    today = timezone.localdate()
    uses, unseen = uses_of(method, to=request.user, on=today)
    methods = _replacements(request, method, uses, today)
    asked = request.POST if request.method == "POST" else request.GET if "item" in request.GET else None
    form = ReplacementForm(
        asked,
        uses=uses,
        methods=methods,
        chosen=request.GET.get("method", ""),
        only=request.GET.getlist("only"),
    )
    is_complete = form.is_valid()
    if is_complete and request.method == "POST":
        try:
            replace_method(
                method,
                form.chosen(),
                defaults=form.defaults(),
                backups=form.backups(),
                by=request.user,
                on=today,
            )
        except Refused as refusal:
            form.add_error(None, refusal)
            is_complete = False
        else:
            messages.success(request, _("%(new)s took the place of %(old)s.") % {"new": form.chosen(), "old": method})
            return redirect(f"{reverse('payment_method', args=[form.chosen().code])}?replaced={method.code}")
    context = {
        "account": method.account,
        "method": method,
        "shown": shown_methods([method], to=request.user, on=today)[0],
        "form": form,
        "uses": uses,
        "unseen": unseen,
        "methods": methods,
        "is_review": is_complete,
        "debts": due_invoices(method).filter(profile__in=form.defaults())[:3] if is_complete else [],
    }
    return render(request, "payments/method_replacement.html", context)


def _replacements(request: HttpRequest, method: PaymentMethod, uses: list[Use], on: date) -> list[ShownMethod]:
    """What could take its place everywhere the person may change it."""
    profiles = [use.profile for use in uses if use.may_change]
    others = PaymentMethod.objects.chargeable(on).filter(account=method.account).exclude(pk=method.pk)
    newest = others.select_related("profile").order_by("-added_at", "-pk")
    fitting = [other for other in newest if all(is_offered(other, profile) for profile in profiles)]
    return shown_methods(fitting, to=request.user, on=on)


# --- Removing -----------------------------------------------------------------------------------


@requires(Action.METHOD_DELETE, PaymentMethod)
@recently_confirmed
def method_removal(request: HttpRequest, method: PaymentMethod) -> HttpResponse:
    """Remove a payment method, or see all that stands in the way (S3-14, S3-15, P4)."""
    _refuse_gone(method)
    today = timezone.localdate()
    standing = blockers(method, on=today)
    under_way = blockers(method, on=today, replaced=True)
    uses, _unseen = uses_of(method, to=request.user, on=today)
    candidates = _replacements(request, method, uses, today) if standing and not under_way else []
    can_detach = bool(standing) and all(blocker.detachable for blocker in standing)
    form = MethodRemovalForm(posted(request), candidates=candidates, can_detach=can_detach)
    if form.is_valid():
        try:
            remove_method(method, replacement=form.chosen(), detach=form.detaches, by=request.user, on=today)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("%(method)s was removed.") % {"method": method})
            return redirect("payment_methods", method.account.code)
    context = {
        "account": method.account,
        "method": method,
        "shown": shown_methods([method], to=request.user, on=today)[0],
        "form": form,
        "blockers": standing,
        "candidates": candidates,
        "can_detach": can_detach,
        "is_under_way": bool(under_way),
        "debts": due_invoices(method)[:1],
    }
    return render(request, "payments/method_removal.html", context)


@requires(Action.METHOD_DELETE, PaymentMethod)
@recently_confirmed
def method_removal_plan(request: HttpRequest, method: PaymentMethod) -> HttpResponse:
    """Have a method deleted by itself, from a day on, as soon as nothing uses it (P4)."""
    _refuse_gone(method)
    today = timezone.localdate()
    standing = blockers(method, on=today)
    form = RemovalPlanForm(
        posted(request),
        on=today,
        suggested=method.remove_from or free_from(standing) or today + timedelta(days=1),
    )
    if form.is_valid():
        try:
            plan_removal(method, start=form.cleaned_data["start"], by=request.user, on=today)
        except Refused as refusal:
            form.add_error("start", refusal)
        else:
            messages.success(request, _("%(method)s will be deleted by itself.") % {"method": method})
            return redirect("payment_method", method.code)
    context = {"account": method.account, "method": method, "form": form, "blockers": standing}
    return render(request, "payments/method_removal_plan.html", context)


@require_POST
@requires(Action.METHOD_DELETE, PaymentMethod)
def method_removal_withdrawal(request: HttpRequest, method: PaymentMethod) -> HttpResponse:
    """Keep a method after all that was to be deleted by itself."""
    _refuse_gone(method)
    withdraw_removal(method, by=request.user)
    messages.success(request, _("%(method)s is kept.") % {"method": method})
    return redirect("payment_method", method.code)


def _refuse_gone(method: PaymentMethod) -> None:
    if not method.is_kept:
        raise Http404
