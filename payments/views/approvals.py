"""Pages of approving payments: the limit of a profile, what waits, and what an owner decides about it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import BillingAccount
from core.errors import Refused
from core.forms import posted
from core.lists import read_page, sorting
from core.policy import Action, may, requires
from core.step_up import recently_confirmed
from core.templatetags.ui import money
from payments.approval_forms import ApprovalLimitForm, RefusalForm
from payments.approval_rules import limit_of
from payments.filters import PREPARED_SEGMENTS, PreparedFilter
from payments.models import PreparedPayment
from payments.services.approvals import (
    approve_payment,
    approvers_of,
    refuse_payment,
    set_approval_limit,
    withdraw_payment,
)
from payments.states import PaymentStatus, PreparedStatus
from profiles.models import BillingProfile

SORTS = {"date": ["prepared_at", "id"], "amount": ["amount_minor", "id"]}


@requires(Action.PROFILE_SET_APPROVAL, BillingProfile)
@recently_confirmed
def profile_payment_approval(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Above which amount an owner approves what others pay with this profile."""
    form = ApprovalLimitForm(posted(request), above=limit_of(profile), currency=profile.currency)
    back = reverse("profile_payment_methods", args=[profile.code])
    if form.is_valid():
        try:
            set_approval_limit(profile, form.limit(), by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            limit = form.limit()
            said = _("Nothing of “%(name)s” waits for an owner any more.") % {"name": profile.name}
            if limit is not None:
                said = _("Payments of “%(name)s” above %(limit)s wait for an owner from now on.")
                said %= {"name": profile.name, "limit": money(limit)}
            messages.success(request, said)
            return redirect(back)
    context = {"account": profile.account, "profile": profile, "form": form, "back": back}
    return render(request, "payments/payment_approval.html", context)


@requires(Action.INVOICE_VIEW, BillingAccount, anywhere=True)
@require_safe
def prepared_payments(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """What was prepared in the account, as far as the person sees it, the newest first."""
    filters = PreparedFilter(request.GET)
    rows = PreparedPayment.objects.allowing(request.user, Action.INVOICE_VIEW).filter(account=account)
    found = filters.apply(rows).select_related("profile", "method", "prepared_by").prefetch_related("parts__invoice")
    context = {
        "account": account,
        "page": read_page(request, found, sorting(request, SORTS, "-date")),
        "filters": filters,
        "segments": [(key, label, key == filters.segment) for key, label in PREPARED_SEGMENTS],
    }
    return render(request, "payments/prepared_payments.html", context)


@requires(Action.INVOICE_VIEW, PreparedPayment)
@require_safe
def prepared_payment(request: HttpRequest, prepared: PreparedPayment) -> HttpResponse:
    """One prepared payment: what it would pay, who decides, and what became of it."""
    is_open = prepared.status == PreparedStatus.WAITING and prepared.expires_at > timezone.now()
    is_mine = prepared.prepared_by_id == request.user.pk
    decides = is_open and not is_mine and may(request.user, Action.INVOICE_APPROVE_PAYMENT, prepared)
    context = {
        "account": prepared.account,
        "prepared": prepared,
        "parts": prepared.parts.select_related("invoice", "prepared").order_by("invoice__due_date", "invoice_id"),
        "is_open": is_open,
        "decides": decides,
        "withdraws": is_open and is_mine and may(request.user, Action.INVOICE_PAY, prepared),
        "approvers": approvers_of(prepared.profile, besides=prepared.prepared_by) if is_open else [],
    }
    return render(request, "payments/prepared_payment.html", context)


@require_POST
@requires(Action.INVOICE_APPROVE_PAYMENT, PreparedPayment)
def prepared_payment_approval(request: HttpRequest, prepared: PreparedPayment) -> HttpResponse:
    """Approve it: it is paid at once, and the bank may want to see the owner."""
    try:
        payment = approve_payment(prepared, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect(prepared)
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        return redirect(payment.action_url)
    if payment.status != PaymentStatus.FAILED:
        messages.success(request, _("Approved. Who prepared it was told."))
    return redirect(payment)


@requires(Action.INVOICE_APPROVE_PAYMENT, PreparedPayment)
def prepared_payment_refusal(request: HttpRequest, prepared: PreparedPayment) -> HttpResponse:
    """Refuse it, with a reason."""
    form = RefusalForm(posted(request))
    if form.is_valid():
        try:
            refuse_payment(prepared, reason=form.cleaned_data["reason"], by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error("reason" if refusal.code == "reason_missing" else None, refusal)
        else:
            messages.success(request, _("Refused. Who prepared it was told why."))
            return redirect(prepared)
    context = {"account": prepared.account, "prepared": prepared, "form": form}
    return render(request, "payments/prepared_payment_refusal.html", context)


@require_POST
@requires(Action.INVOICE_PAY, PreparedPayment)
def prepared_payment_withdrawal(request: HttpRequest, prepared: PreparedPayment) -> HttpResponse:
    """Who prepared it takes it back."""
    try:
        withdraw_payment(prepared, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Withdrawn. Its invoices can be paid in another way."))
    return redirect(prepared)
