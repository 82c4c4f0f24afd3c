"""Pages of payment methods: the lists of an account, a billing profile and a subscription; adding and choosing one."""

from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import BillingAccount
from core.codes import code_asked_for
from core.errors import Refused
from core.forms import posted
from core.lists import read_page, sorting
from core.policy import Action, may, requires
from core.step_up import recently_confirmed
from invoices.models import Invoice
from payments.approval_rules import limit_of
from payments.declines import explain
from payments.filters import METHOD_SORTS, MethodFilter
from payments.forms import (
    ActiveCardSetupForm,
    ActiveMethodForm,
    BackupMethodForm,
    CardSetupForm,
    DefaultMethodForm,
)
from payments.models import CardSetup, Family, PaymentMethod, ProfileMethods
from payments.services.cards import finish_card_setup, start_card_setup
from payments.services.methods import set_backup_method, set_default_method, sharing_subscriptions
from payments.shown import ShownMethod, first_expiring, method_history, offered_methods, seen_methods, shown_methods
from payments.states import SetupStatus
from profiles.models import BillingProfile
from subscriptions.models import Subscription

# --- Lists --------------------------------------------------------------------------------------


@requires(Action.METHOD_VIEW, BillingAccount, anywhere=True)
def payment_methods(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The payment methods of an account; on online services also which subscription pays with which (S3-1)."""
    today = timezone.localdate()
    filters = MethodFilter(request.GET, on=today)
    found = filters.apply(seen_methods(request.user, account)).select_related("profile")
    page = read_page(request, found, sorting(request, METHOD_SORTS, "-added"))
    methods = shown_methods(page.rows, to=request.user, on=today)
    context = {
        "account": account,
        "page": page,
        "filters": filters,
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
    filters = MethodFilter(request.GET, on=today)
    found = filters.apply(PaymentMethod.objects.offered_on(profile)).select_related("profile")
    page = read_page(request, found, sorting(request, METHOD_SORTS, "-added"))
    chosen = _chosen_of(profile)
    context = {
        "account": profile.account,
        "profile": profile,
        "page": page,
        "filters": filters,
        "methods": shown_methods(page.rows, to=request.user, on=today),
        "default": _shown(chosen.default if chosen else None, request, today),
        "backup": _shown(chosen.backup if chosen else None, request, today),
        "charges_automatically": chosen is None or chosen.charges_automatically,
        "approval_limit": limit_of(profile),
        "next_invoice": profile.next_billing_date(today),
        "changed": request.GET.get("changed", ""),
    }
    return render(request, "payments/profile_payment_methods.html", context)


@requires(Action.METHOD_VIEW, Subscription)
def subscription_payment_methods(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """With what a subscription of online services is paid, what it could be, and who changed it (S3-5, S3-11)."""
    if subscription.profile.is_shown:
        return redirect("profile_payment_methods", subscription.profile.code)
    today = timezone.localdate()
    filters = MethodFilter(request.GET, on=today)
    found = filters.apply(PaymentMethod.objects.offered_on(subscription.profile)).select_related("profile")
    page = read_page(request, found, sorting(request, METHOD_SORTS, "-added"))
    chosen = _chosen_of(subscription.profile)
    context = {
        "account": subscription.account,
        "subscription": subscription,
        "page": page,
        "filters": filters,
        "methods": shown_methods(page.rows, to=request.user, on=today),
        "default": _shown(chosen.default if chosen else None, request, today),
        "charges_automatically": chosen is None or chosen.charges_automatically,
        "next_invoice": subscription.profile.next_billing_date(today),
        "history": method_history(subscription.profile),
        "changed": request.GET.get("changed", ""),
    }
    return render(request, "payments/subscription_payment_methods.html", context)


# --- Adding a card ------------------------------------------------------------------------------


@requires(Action.METHOD_ADD, BillingAccount)
@recently_confirmed
def card_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Add a card that every billing profile of the account may pay with, also to replace one with it (S3-23)."""
    return _add_card(request, account, CardSetupForm(posted(request), profiles=[], label=""))


@requires(Action.METHOD_ADD, BillingProfile)
@recently_confirmed
def profile_card_new(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Add a card to a billing profile, as its default where that is wanted (S3-6, S3-8)."""
    choices = []
    if may(request.user, Action.METHOD_REPLACE_DEFAULT, profile):
        choices = [(profile, _("Use this card as the default of %(profile)s") % {"profile": profile})]
    form = CardSetupForm(posted(request), profiles=choices, label=_("Default payment method"))
    return _add_card(request, profile.account, form, profile=profile)


@requires(Action.METHOD_SET_ACTIVE, Subscription)
@recently_confirmed
def subscription_card_new(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Add a card, and let the subscriptions that share a card with this one pay with it (S3-8, S3-9)."""
    sharing = [(each.profile, str(each)) for each in sharing_subscriptions(subscription)]
    form = ActiveCardSetupForm(posted(request), profiles=sharing, label=_("Subscriptions that change"))
    return _add_card(request, subscription.account, form, subscription=subscription)


def _add_card(
    request: HttpRequest,
    account: BillingAccount,
    form: CardSetupForm,
    *,
    profile: BillingProfile | None = None,
    subscription: Subscription | None = None,
) -> HttpResponse:
    replaces = _method_to_replace(request, account)
    debits = account.currency == "EUR"
    family = Family.DIRECT_DEBIT if debits and request.GET.get("family") == Family.DIRECT_DEBIT else Family.CARD
    if form.is_valid():
        try:
            _setup, address = start_card_setup(
                account,
                profile=profile,
                default_for=form.chosen(),
                invoice=_invoice_to_pay(request, account),
                subscription=subscription,
                replaces=replaces,
                family=family,
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
        "subscription": subscription,
        "form": form,
        "is_debit": family == Family.DIRECT_DEBIT,
        "offers_debit": debits,
        "notice_days": settings.DEBIT_NOTICE_DAYS,
        "back": _home_of(account, profile, subscription, replaces),
        "decline": explain(refused.decline_reason) if refused else None,
        "reason": refused.decline_reason if refused else "",
    }
    return render(request, "payments/card_new.html", context)


@requires(Action.METHOD_ADD, CardSetup)
def card_setup_return(request: HttpRequest, setup: CardSetup) -> HttpResponse:
    """Back from the gateway's page. The address says nothing: the gateway is asked (T33)."""
    setup = finish_card_setup(setup)
    if setup.changes is not None:
        return _back_from_change(request, setup, setup.changes)
    if setup.status == SetupStatus.COMPLETED and setup.method is not None:
        messages.success(request, _card_added(setup))
        if setup.invoice is not None:
            return redirect(f"{reverse('invoice_payment', args=[setup.invoice.code])}?method={setup.method.code}")
        came_from = _home_of(setup.account, setup.profile, setup.subscription, setup.replaces)
        return redirect(f"{came_from}?{'method' if setup.replaces else 'changed'}={setup.method.code}")
    if setup.status == SetupStatus.FAILED:
        return redirect(_form_of(setup))
    messages.info(request, _("Nothing was added."))
    return redirect(_home_of(setup.account, setup.profile, setup.subscription, setup.replaces))


def _back_from_change(request: HttpRequest, setup: CardSetup, method: PaymentMethod) -> HttpResponse:
    if setup.status == SetupStatus.FAILED:
        return redirect(f"{reverse('method_edit', args=[method.code])}?refused={setup.code}")
    if setup.status == SetupStatus.COMPLETED:
        messages.success(request, _("%(method)s was brought up to date.") % {"method": method})
    else:
        messages.info(request, _("%(method)s is as it was.") % {"method": method})
    return redirect("payment_method", method.code)


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


@requires(Action.METHOD_REPLACE_DEFAULT, BillingProfile)
@recently_confirmed
def profile_backup_method(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Choose with what a billing profile falls back when its default is refused, or nothing (P19)."""
    today = timezone.localdate()
    methods, current = offered_methods(profile, to=request.user, on=today)
    others = [shown for shown in methods if shown.method != current]
    chosen = _chosen_of(profile)
    form = BackupMethodForm(posted(request), methods=others, backup=chosen.backup if chosen else None)
    if form.is_valid():
        try:
            set_backup_method(profile, form.chosen(), by=request.user, on=today)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            said = (
                _("%(method)s is now the backup of %(profile)s.") if form.chosen() else _("%(profile)s has no backup.")
            )
            messages.success(request, said % {"method": form.chosen(), "profile": profile})
            return redirect("profile_payment_methods", profile.code)
    context = {"account": profile.account, "profile": profile, "form": form, "current": current, "methods": others}
    return render(request, "payments/profile_backup_method.html", context)


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
            address = reverse("subscription_payment_methods", args=[subscription.code])
            return redirect(f"{address}?changed={form.chosen().code}")
    context = {
        "account": subscription.account,
        "subscription": subscription,
        "form": form,
        "methods": methods,
        "current": current,
    }
    return render(request, "payments/subscription_method.html", context)


# --- Helpers ------------------------------------------------------------------------------------


def _chosen_of(profile: BillingProfile) -> ProfileMethods | None:
    rows = ProfileMethods.objects.filter(profile=profile).select_related("default__profile", "backup__profile")
    return rows.first()


def _shown(method: PaymentMethod | None, request: HttpRequest, on: date) -> ShownMethod | None:
    return shown_methods([method], to=request.user, on=on)[0] if method else None


def _subscriptions_with_method(request: HttpRequest, account: BillingAccount) -> list[tuple[Subscription, Any]]:
    """Each subscription of an online-services account with what it is paid with."""
    if not account.is_online_services:
        return []
    seen = Subscription.objects.allowing(request.user, Action.METHOD_VIEW).filter(account=account)
    subscriptions = list(seen.exclude(status="deleted").select_related("profile").order_by("name", "pk")[:200])
    rows = ProfileMethods.objects.filter(profile__in=[each.profile_id for each in subscriptions])
    active = {row.profile_id: row.default for row in rows.select_related("default")}
    return [(each, active.get(each.profile_id)) for each in subscriptions]


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


def _method_to_replace(request: HttpRequest, account: BillingAccount) -> PaymentMethod | None:
    """The method whose place the new card is to take, where the address names one that may be replaced."""
    methods = PaymentMethod.objects.allowing(request.user, Action.METHOD_EDIT).filter(account=account).kept()
    return methods.filter(code=code_asked_for(request, "replaces")).first()


def _home_of(
    account: BillingAccount,
    profile: BillingProfile | None,
    subscription: Subscription | None,
    replaces: PaymentMethod | None,
) -> str:
    """Where somebody came from who went to add a card."""
    if replaces is not None:
        return reverse("method_replacement", args=[replaces.code])
    if subscription is not None:
        return reverse("subscription_payment_methods", args=[subscription.code])
    if profile is not None:
        return reverse("profile_payment_methods", args=[profile.code])
    return reverse("payment_methods", args=[account.code])


def _form_of(setup: CardSetup) -> str:
    """The page from which the card was to be added, with why it was not (S3-10)."""
    if setup.subscription is not None:
        address = reverse("subscription_card_new", args=[setup.subscription.code])
    elif setup.profile is not None:
        address = reverse("profile_card_new", args=[setup.profile.code])
    else:
        address = reverse("card_new", args=[setup.account.code])
    asked = {"refused": setup.code}
    if setup.invoice is not None:
        asked["invoice"] = setup.invoice.code
    if setup.replaces is not None:
        asked["replaces"] = setup.replaces.code
    return f"{address}?{urlencode(asked)}"
