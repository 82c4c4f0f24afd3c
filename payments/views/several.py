"""Paying more than one invoice at once: those of a billing profile, or the balance of an online-services account."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import BillingAccount
from core.errors import Refused
from core.forms import posted
from core.policy import Action, may, requires
from invoices.models import Invoice
from payments.approval_rules import is_above, limit_of
from payments.declines import explain
from payments.limits import limit_words
from payments.models import Payment, PaymentMethod
from payments.services.approvals import prepared_for
from payments.services.balance import past_due_of, settle_balance
from payments.services.pay import attempts_holding
from payments.several_forms import PaySeveralForm, SpreadForm
from payments.shown import offered_methods, shown_methods
from payments.spreading import owed
from payments.states import PaymentStatus
from payments.views.paying import made_by_this_form, next_of, pay_parts, prepare_parts
from profiles.models import BillingProfile

MOST_INVOICES = 100


@requires(Action.INVOICE_PAY, BillingProfile)
def profile_payment(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Pay several open invoices of a profile, or all; what goes to which is seen before (P24, §3.7)."""
    earlier = made_by_this_form(request, profile=profile)
    if earlier and earlier.status != PaymentStatus.FAILED:
        return redirect(earlier)
    today = timezone.localdate()
    found = Invoice.objects.open().filter(profile=profile).select_related("profile")
    invoices = list(found.order_by("due_date", "number")[:MOST_INVOICES])
    held = {invoice.pk for invoice in Invoice.objects.filter(allocations__payment__in=attempts_holding(invoices))}
    payable = [invoice for invoice in invoices if invoice.pk not in held]
    offered, current = offered_methods(profile, to=request.user, on=today)
    offers_ideal = profile.currency == "EUR"
    values = {
        "invoices": payable,
        "currency": profile.currency,
        "methods": [shown for shown in offered if not shown.method.is_transfer],
        "current": current,
        "offers_ideal": offers_ideal,
    }
    form = PaySeveralForm(posted(request), **values)
    limit = None if may(request.user, Action.INVOICE_APPROVE_PAYMENT, profile) else limit_of(profile)
    looked = SpreadForm(_looked_at(request), invoices=payable, currency=profile.currency)
    declined = None
    if form.is_valid():
        try:
            parts = {invoice: part for invoice, part in form.parts() if part}
            if is_above(limit, parts.items()):
                return redirect(prepare_parts(request, parts, method=form.method()))
            declined = pay_parts(request, parts, method=form.method(), key=form.cleaned_data["request_key"])
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            if response := next_of(declined):
                return response
    seen = form if form.is_bound else looked
    if seen.is_bound:
        seen.is_valid()
    context = {
        "account": profile.account,
        "profile": profile,
        "form": form,
        "seen": seen,
        "parts": seen.parts(),
        "ticked": {invoice.code for invoice in seen.chosen()},
        "total": seen.total,
        "left": owed(payable, profile.currency) - seen.total,
        "held": [invoice for invoice in invoices if invoice.pk in held],
        "limits": limit_words(profile.currency, offers_ideal=offers_ideal),
        "declined": declined,
        "decline": explain(declined.decline_reason) if declined else None,
        "approval_limit": limit,
        "asks_approval": is_above(limit, [(invoice, part) for invoice, part in seen.parts() if part]),
        "prepared": prepared_for(payable, to=request.user),
        "today": today,
        "can_pay": bool(payable and form.fields["method"].choices),
    }
    return render(request, "payments/profile_payment.html", context)


@requires(Action.INVOICE_SETTLE_BALANCE, BillingAccount)
def account_balance(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Settle all that is past due on an online-services account with one card, which then pays for it (§3.7)."""
    if not account.is_online_services:
        return redirect("invoices", account.code)
    today, invoices = timezone.localdate(), past_due_of(account, at=timezone.now())
    methods = PaymentMethod.objects.kept().filter(account=account, profile=None).order_by("-added_at", "-pk")
    shown = [each for each in shown_methods(methods, to=request.user, on=today) if not each.method.is_transfer]
    form = PaySeveralForm(
        _all_of(request, invoices),
        invoices=invoices,
        currency=account.currency,
        methods=shown,
        current=None,
        offers_ideal=False,
    )
    if form.is_valid() and (method := form.method()):
        try:
            payments = settle_balance(
                account, form.chosen(), method=method, by=request.user, request_key=form.cleaned_data["request_key"]
            )
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            return _settled(request, account, payments)
    context = {
        "account": account,
        "form": form,
        "invoices": invoices,
        "total": owed(invoices, account.currency),
        "limits": limit_words(account.currency, offers_ideal=False),
        "today": today,
        "can_pay": bool(invoices and shown),
    }
    return render(request, "payments/account_balance.html", context)


def _settled(request: HttpRequest, account: BillingAccount, payments: list[Payment]) -> HttpResponse:
    if len(payments) == 1 or (payments and payments[-1].status == PaymentStatus.FAILED):
        return redirect(payments[-1])
    waiting = next((payment for payment in payments if payment.status == PaymentStatus.REQUIRES_ACTION), None)
    if waiting is not None:
        return redirect(waiting.action_url)
    said = ngettext("%(number)d payment was made.", "%(number)d payments were made.", len(payments))
    messages.success(request, said % {"number": len(payments)} + " " + _("The card pays for these subscriptions now."))
    return redirect("payments", account.code)


def _looked_at(request: HttpRequest) -> Any:
    return request.GET if request.method == "GET" and "amount" in request.GET else None


def _all_of(request: HttpRequest, invoices: list[Invoice]) -> Any:
    """What was posted; all that is past due is ticked, and cannot be cleared."""
    data = posted(request)
    if data is None:
        return None
    data = data.copy()
    data.setlist("invoice", [invoice.code for invoice in invoices])
    data["amount"] = ""
    return data
