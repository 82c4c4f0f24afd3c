"""Pages of paying by bank transfer: asking for it, and how the request stands (S3-21, P16)."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import BillingAccount
from core.errors import Refused
from core.forms import posted
from core.policy import Action, requires
from core.step_up import recently_confirmed
from payments.forms import TransferAnswerForm, TransferRequestForm
from payments.models import TransferRequest
from payments.services.transfers import answer_question, request_transfer, withdraw_request
from payments.states import TransferStatus
from payments.transfers import transfer_rules
from profiles.models import BillingProfile


@requires(Action.METHOD_REQUEST_TRANSFER, BillingProfile)
@recently_confirmed
def profile_transfer_new(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Ask to pay the invoices of a billing profile by transfer, after reading who may (S3-21)."""
    return _ask(request, profile.account, profile, reverse("profile_payment_methods", args=[profile.code]))


@requires(Action.METHOD_REQUEST_TRANSFER, BillingAccount)
@recently_confirmed
def account_transfer_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Ask to pay all of an online-services account by transfer; elsewhere each profile asks for itself."""
    if not account.is_online_services:
        return redirect("profiles", account.code)
    return _ask(request, account, None, reverse("payment_methods", args=[account.code]))


def _ask(request: HttpRequest, account: BillingAccount, profile: BillingProfile | None, back: str) -> HttpResponse:
    today = timezone.localdate()
    rules = transfer_rules(account, profile, on=today)
    form = TransferRequestForm(posted(request), request.FILES or None, account=account, profile=profile)
    is_eligible = all(rule.is_met for rule in rules)
    if is_eligible and form.is_valid():
        try:
            made = request_transfer(
                account,
                profile=profile,
                values=form.values(),
                documents=form.cleaned_data["documents"],
                by=request.user,  # type: ignore[arg-type]
                on=today,
            )
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Your request was sent. We answer within two working days."))
            return redirect(made)
    context = {
        "account": account,
        "profile": profile,
        "of": profile or account,
        "rules": rules,
        "is_eligible": is_eligible,
        "form": form,
        "back": back,
        "requests": requests_of(account, profile)[:5],
    }
    return render(request, "payments/transfer_new.html", context)


@requires(Action.METHOD_VIEW, TransferRequest)
def transfer_request(request: HttpRequest, transfer: TransferRequest) -> HttpResponse:
    """How a request stands: each step with its day, what was handed in, and what is to be answered (P16)."""
    context = {
        "account": transfer.account,
        "transfer": transfer,
        "steps": _steps(transfer),
        "documents": transfer.documents.select_related("added_by").order_by("pk"),
    }
    return render(request, "payments/transfer_request.html", context)


@requires(Action.METHOD_REQUEST_TRANSFER, TransferRequest)
def transfer_answer(request: HttpRequest, transfer: TransferRequest) -> HttpResponse:
    """Answer what staff asked."""
    if transfer.status != TransferStatus.QUESTION:
        return redirect(transfer)
    form = TransferAnswerForm(posted(request), request.FILES or None)
    if form.is_valid():
        try:
            answer_question(transfer, **form.cleaned_data, by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Your answer was sent."))
            return redirect(transfer)
    context = {"account": transfer.account, "transfer": transfer, "form": form}
    return render(request, "payments/transfer_answer.html", context)


@require_POST
@requires(Action.METHOD_REQUEST_TRANSFER, TransferRequest)
def transfer_withdrawal(request: HttpRequest, transfer: TransferRequest) -> HttpResponse:
    """Ask for it no longer."""
    try:
        withdraw_request(transfer, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, " ".join(refusal.messages))
    else:
        messages.success(request, _("Your request was withdrawn."))
    return redirect(transfer)


def requests_of(account: BillingAccount, profile: BillingProfile | None) -> QuerySet[TransferRequest]:
    """What was asked for before, the latest first."""
    return TransferRequest.objects.filter(account=account, profile=profile).order_by("-pk")


def _steps(transfer: TransferRequest) -> list[tuple[Any, str, str]]:
    """When it came into which status, and the tone of that, the latest first."""
    steps, last = [], ""
    for entry in transfer.events.order_by("pgh_id"):  # type: ignore[attr-defined]
        if entry.status != last:
            status = TransferStatus(entry.status)
            tone = {"approved": "ok", "declined": "bad"}.get(entry.status, "")
            steps.append((entry.pgh_created_at, str(status.label), tone))
            last = entry.status
    return steps[::-1]
