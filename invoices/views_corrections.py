"""Pages of corrections: asking for one, and what became of it (P7)."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import Refused
from core.forms import posted
from core.policy import Action, may, requires
from invoices.correction_forms import CorrectionForm, wanted_changes
from invoices.models import Correction, CorrectionReason, CorrectionRequest, Invoice
from invoices.services.correction_requests import request_correction, why_not_correctable, withdraw_correction
from invoices.states import CorrectionStatus


@requires(Action.INVOICE_DISPUTE, Invoice)
def correction_request_new(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """What is wrong is chosen first (`?reason=`), and then what it should be."""
    wanted = request.GET.get("reason", "")
    reason = CorrectionReason(wanted) if wanted in CorrectionReason.values else None
    asked = CorrectionRequest.objects.filter(invoice=invoice, status=CorrectionStatus.OPEN).first()
    form = CorrectionForm(posted(request), invoice=invoice, reason=reason) if reason else None
    if form is not None and form.is_valid():
        try:
            made = request_correction(invoice, **form.values(), by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("The vendor has your request and answers by mail."))
            return redirect(made)
    context = {
        "account": invoice.account,
        "invoice": invoice,
        "reasons": CorrectionReason.choices,
        "reason": reason,
        "form": form,
        "asked": asked,
        "why_not": why_not_correctable(invoice),
    }
    return render(request, "invoices/correction_request_new.html", context)


@requires(Action.INVOICE_VIEW, CorrectionRequest)
def correction_request(request: HttpRequest, correction_request: CorrectionRequest) -> HttpResponse:
    """One request: what was asked for, the answer, and the documents that it led to."""
    asked = correction_request
    context = {
        "account": asked.account,
        "asked": asked,
        "invoice": asked.invoice,
        "changes": wanted_changes(asked),
        "made": Correction.objects.filter(request=asked).select_related("credit_note", "corrected").first(),
        "may_withdraw": asked.status == CorrectionStatus.OPEN
        and may(request.user, Action.INVOICE_DISPUTE, asked.invoice),
    }
    return render(request, "invoices/correction_request.html", context)


@requires(Action.INVOICE_DISPUTE, CorrectionRequest)
@require_POST
def correction_request_withdrawal(request: HttpRequest, correction_request: CorrectionRequest) -> HttpResponse:
    """Ask for it no more."""
    try:
        withdraw_correction(correction_request, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Withdrawn. The invoice stays as it is."))
    return redirect(correction_request)
