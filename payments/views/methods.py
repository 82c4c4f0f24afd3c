"""Pages of payment methods: those of an account and of a billing profile, and adding, choosing, removing one."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import BillingAccount
from core.codes import code_asked_for
from core.errors import Refused
from core.forms import posted
from core.lists import read_page
from core.policy import Action, may, requires
from core.step_up import recently_confirmed
from invoices.models import Invoice
from payments.blockers import blockers, due_invoices
from payments.declines import explain
from payments.forms import ActiveMethodForm, CardSetupForm, DefaultMethodForm, MethodRemovalForm
from payments.models import CardSetup, PaymentMethod, ProfileMethods
from payments.services.cards import finish_card_setup, start_card_setup
from payments.services.methods import is_offered, remove_method, set_default_method, sharing_subscriptions
from payments.shown import ShownMethod, first_expiring, offered_methods, seen_methods, shown_methods
from payments.states import SetupStatus
from profiles.models import BillingProfile
from subscriptions.models import Subscription

NEWEST_FIRST = ["-added_at", "-pk"]


# --- Lists --------------------------------------------------------------------------------------


@requires(Action.METHOD_VIEW, BillingAccount, anywhere=True)
def payment_methods(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The payment methods of an account; on online services also which subscription pays with which (S3-1)."""
    today = timezone.localdate()
    page = read_page(request, seen_methods(request.user, account).select_related("profile"), NEWEST_FIRST)
    methods = shown_methods(page.rows, to=request.user, on=today)
    context = {
        "account": account,
        "page": page,
        "methods": methods,
        "expiring": first_expiring(methods),
        "subscriptions": _subscriptions_with_method(request, account),
        "changed": request.GET.get("changed", ""),
    }
    return render(request, "payments/payment_methods.html", context)


@requires(Action.METHOD_VIEW, BillingProfile)
def profile_payment_methods(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """With what a billing profile pays, and with what it could (S3-2)."""
    today = timezone.localdate()
    page = read_page(request, PaymentMethod.objects.offered_on(profile).select_related("profile"), NEWEST_FIRST)
    methods = shown_methods(page.rows, to=request.user, on=today)
    current = _current(profile)
    context = {
        "account": profile.account,
        "profile": profile,
        "page": page,
        "methods": methods,
        "default": shown_methods([current], to=request.user, on=today)[0] if current else None,
        "changed": request.GET.get("changed", ""),
    }
    return render(request, "payments/profile_payment_methods.html", context)


# --- Adding a card ------------------------------------------------------------------------------


@requires(Action.METHOD_ADD, BillingAccount)
@recently_confirmed
def card_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Add a card that every billing profile of the account may pay with."""
    return _add_card(request, account, profile=None, choices=[], back="payment_methods", of=account)


@requires(Action.METHOD_ADD, BillingProfile)
@recently_confirmed
def profile_card_new(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Add a card to a billing profile, as its default where that is wanted (S3-6, S3-8)."""
    choices = []
    if may(request.user, Action.METHOD_REPLACE_DEFAULT, profile):
        choices = [(profile, _("Use this card as the default of %(profile)s") % {"profile": profile})]
    return _add_card(
        request, profile.account, profile=profile, choices=choices, back="profile_payment_methods", of=profile
    )


@requires(Action.METHOD_SET_ACTIVE, Subscription)
@recently_confirmed
def subscription_card_new(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Add a card, and let the subscriptions that share a card with this one pay with it (S3-8, S3-9)."""
    sharing = [
        (each.profile, _("Pay %(subscription)s with it") % {"subscription": each})
        for each in sharing_subscriptions(subscription)
    ]
    return _add_card(
        request, subscription.account, profile=None, choices=sharing, back="subscription_method", of=subscription
    )


def _add_card(
    request: HttpRequest,
    account: BillingAccount,
    *,
    profile: BillingProfile | None,
    choices: Sequence[tuple[BillingProfile, str]],
    back: str,
    of: Any,
) -> HttpResponse:
    label = _("Default payment method") if profile else _("Use as active payment method")
    form = CardSetupForm(posted(request), profiles=choices, label=label)
    if form.is_valid():
        try:
            _setup, address = start_card_setup(
                account,
                profile=profile,
                default_for=form.chosen(),
                invoice=_invoice_to_pay(request, account),
                by=request.user,
            )
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            return redirect(address)
    refused = (
        CardSetup.objects.allowing(request.user, Action.METHOD_ADD)
        .filter(account=account, code=code_asked_for(request, "refused"), status=SetupStatus.FAILED)
        .first()
    )
    context = {
        "account": account,
        "profile": profile,
        "of": of,
        "form": form,
        "back": reverse(back, args=[of.code]),
        "decline": explain(refused.decline_reason) if refused else None,
    }
    return render(request, "payments/card_new.html", context)


@requires(Action.METHOD_ADD, CardSetup)
def card_setup_return(request: HttpRequest, setup: CardSetup) -> HttpResponse:
    """Back from the gateway's page. The address says nothing: the gateway is asked (T33)."""
    setup = finish_card_setup(setup)
    if setup.status == SetupStatus.COMPLETED and setup.method is not None:
        messages.success(request, _card_added(setup))
        if setup.invoice is not None:
            return redirect(f"{reverse('invoice_payment', args=[setup.invoice.code])}?method={setup.method.code}")
        return redirect(f"{_home_of(setup)}?changed={setup.method.code}")
    if setup.status == SetupStatus.FAILED:
        return redirect(f"{_form_of(setup)}?refused={setup.code}")
    messages.info(request, _("No card was added."))
    return redirect(_home_of(setup))


# --- Choosing -----------------------------------------------------------------------------------


@requires(Action.METHOD_REPLACE_DEFAULT, BillingProfile)
@recently_confirmed
def profile_default_method(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Choose what a billing profile pays with from now on, after seeing what moves (S3-23, P5)."""
    today = timezone.localdate()
    methods, current = offered_methods(profile, to=request.user, on=today)
    form = DefaultMethodForm(
        posted(request), methods=methods, current=current, initial={"method": request.GET.get("method", "")}
    )
    if form.is_valid():
        try:
            set_default_method(form.chosen(), profiles=[profile], by=request.user, on=today)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            said = _("%(method)s is now the default of %(profile)s.")
            messages.success(request, said % {"method": form.chosen(), "profile": profile})
            return redirect(f"{reverse('profile_payment_methods', args=[profile.code])}?changed={form.chosen().code}")
    context = {
        "account": profile.account,
        "profile": profile,
        "form": form,
        "methods": methods,
        "current": current,
        "subscriptions": Subscription.objects.filter(profile=profile).exclude(status="deleted").order_by("name")[:10],
        "open_invoices": Invoice.objects.filter(profile=profile).open().order_by("due_date", "pk")[:3],
    }
    return render(request, "payments/profile_default_method.html", context)


@requires(Action.METHOD_SET_ACTIVE, Subscription)
@recently_confirmed
def subscription_method(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Choose what a subscription of online services is paid with, and those that share its card (S3-9, S3-11)."""
    today = timezone.localdate()
    methods, current = offered_methods(subscription.profile, to=request.user, on=today)
    form = ActiveMethodForm(
        posted(request),
        methods=methods,
        current=current,
        subscription=subscription,
        sharing=sharing_subscriptions(subscription),
        initial={"method": request.GET.get("method", "")},
    )
    if form.is_valid():
        profiles = form.profiles()
        try:
            set_default_method(form.chosen(), profiles=profiles, by=request.user, on=today)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            said = ngettext(
                "%(number)d subscription is now paid with %(method)s.",
                "%(number)d subscriptions are now paid with %(method)s.",
                len(profiles),
            )
            messages.success(request, said % {"number": len(profiles), "method": form.chosen()})
            return redirect(
                f"{reverse('payment_methods', args=[subscription.account.code])}?changed={form.chosen().code}"
            )
    context = {
        "account": subscription.account,
        "subscription": subscription,
        "form": form,
        "methods": methods,
        "current": current,
    }
    return render(request, "payments/subscription_method.html", context)


# --- Removing -----------------------------------------------------------------------------------


@requires(Action.METHOD_DELETE, PaymentMethod)
@recently_confirmed
def method_removal(request: HttpRequest, method: PaymentMethod) -> HttpResponse:
    """Remove a payment method, or see all that stands in the way (S3-14, S3-15, P4)."""
    if not method.is_kept:
        raise Http404
    today = timezone.localdate()
    standing = blockers(method, on=today)
    under_way = blockers(method, on=today, replaced=True)
    candidates = _replacements(request, method) if standing and not under_way else []
    form = MethodRemovalForm(posted(request), candidates=candidates)
    if form.is_valid():
        try:
            remove_method(method, replacement=form.chosen(), by=request.user, on=today)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("%(method)s was removed.") % {"method": method})
            return redirect("payment_methods", method.account.code)
    shown = shown_methods([method], to=request.user, on=today)[0]
    context = {
        "account": method.account,
        "method": method,
        "shown": shown,
        "form": form,
        "blockers": standing,
        "candidates": candidates,
        "is_under_way": bool(under_way),
        "debts": due_invoices(method)[:1],
    }
    return render(request, "payments/method_removal.html", context)


# --- Helpers ------------------------------------------------------------------------------------


def _current(profile: BillingProfile) -> PaymentMethod | None:
    methods = ProfileMethods.objects.filter(profile=profile).select_related("default__profile").first()
    return methods.default if methods else None


def _subscriptions_with_method(request: HttpRequest, account: BillingAccount) -> list[tuple[Subscription, Any]]:
    """Each subscription of an online-services account with what it is paid with."""
    if not account.is_online_services:
        return []
    seen = Subscription.objects.allowing(request.user, Action.METHOD_VIEW).filter(account=account)
    subscriptions = list(seen.exclude(status="deleted").select_related("profile").order_by("name", "pk")[:200])
    rows = ProfileMethods.objects.filter(profile__in=[each.profile_id for each in subscriptions])
    active = {row.profile_id: row.default for row in rows.select_related("default")}
    return [(each, active.get(each.profile_id)) for each in subscriptions]


def _replacements(request: HttpRequest, method: PaymentMethod) -> list[ShownMethod]:
    """What could take its place everywhere it pays now."""
    today = timezone.localdate()
    profiles = [row.profile for row in method.default_of.select_related("profile")]
    others = PaymentMethod.objects.chargeable(today).filter(account=method.account).exclude(pk=method.pk)
    fitting = [other for other in others.order_by(*NEWEST_FIRST) if all(is_offered(other, each) for each in profiles)]
    return shown_methods(fitting, to=request.user, on=today)


def _invoice_to_pay(request: HttpRequest, account: BillingAccount) -> Invoice | None:
    """The invoice that the person was about to pay, where the address names one that may be paid."""
    payable = Invoice.objects.allowing(request.user, Action.INVOICE_PAY).filter(account=account)
    return payable.filter(code=code_asked_for(request, "invoice")).first()


def _card_added(setup: CardSetup) -> str:
    names = [profile.name for profile in setup.default_for.all()]
    if not names:
        return _("%(method)s was added.") % {"method": setup.method}
    return _("%(method)s was added, and pays for %(names)s from now on.") % {
        "method": setup.method,
        "names": ", ".join(names),
    }


def _home_of(setup: CardSetup) -> str:
    if setup.profile is not None:
        return reverse("profile_payment_methods", args=[setup.profile.code])
    return reverse("payment_methods", args=[setup.account.code])


def _form_of(setup: CardSetup) -> str:
    if setup.profile is not None:
        return reverse("profile_card_new", args=[setup.profile.code])
    return reverse("card_new", args=[setup.account.code])
