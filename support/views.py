"""Pages of support: the requests of an account, a new one, one thread, its files (S2-26, S2-27, P20)."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import BillingAccount
from core.codes import code_asked_for
from core.errors import Refused
from core.forms import posted
from core.lists import read_page, sorting
from core.policy import Action, may, requires
from invoices.models import Invoice
from invoices.services.disputes import why_not_disputable
from profiles.models import BillingProfile
from support import services
from support.downloads import file_response
from support.forms import DisputeForm, MessageForm, RequestForm
from support.models import Category, SupportFile, SupportMessage, SupportRequest
from support.states import RequestStatus

SORTS = {"changed": ["-changed_at", "-pk"], "subject": ["subject", "pk"]}


@requires(Action.SUPPORT_VIEW, BillingAccount, anywhere=True)
def support_requests(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """What was asked in the account, of what the person may see."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    status = request.GET.get("status", "") if request.GET.get("status") in RequestStatus.values else ""
    rows = SupportRequest.objects.filter(account=account, subject__istartswith=words)
    found = rows.allowing(request.user, Action.SUPPORT_VIEW).select_related("profile", "opened_by", "invoice")
    if status:
        found = found.filter(status=status)
    context = {
        "account": account,
        "page": read_page(request, found, sorting(request, SORTS, "changed")),
        "words": words,
        "status": status,
        "statuses": [("", _("All statuses")), *RequestStatus.choices],
        "is_filtered": bool(words or status),
    }
    return render(request, "support/support_requests.html", context)


@requires(Action.SUPPORT_ASK, BillingAccount, anywhere=True)
def support_request_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Ask the vendor, with what is known filled in: `?invoice=` and `?line=`, or `?profile=` and `?category=`."""
    invoice = _invoice_asked_for(request, account)
    profiles = BillingProfile.objects.filter(account=account).shown().order_by("name", "pk")
    form = RequestForm(
        posted(request),
        request.FILES or None,
        account=account,
        profiles=list(profiles.allowing(request.user, Action.SUPPORT_ASK)[:200]),
        is_whole_account=may(request.user, Action.SUPPORT_ASK, account),
        invoice=invoice,
        initial=_known(request, invoice),
    )
    if form.is_valid():
        try:
            asked = services.open_request(account, **form.values(), by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Your question is with the vendor. You get a mail when there is an answer."))
            return redirect(asked)
    return render(request, "support/support_request_new.html", {"account": account, "form": form, "invoice": invoice})


@requires(Action.INVOICE_DISPUTE, Invoice)
def invoice_dispute(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """Say with what of an invoice one does not agree; nothing of it is collected until the vendor has decided."""
    form = DisputeForm(posted(request), request.FILES or None, invoice=invoice)
    if form.is_valid():
        try:
            asked = services.dispute_invoice(invoice, **form.values(), by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("The vendor looks at it. Until then nothing of this invoice is collected."))
            return redirect(asked)
    known = SupportRequest.objects.filter(dispute__invoice=invoice, dispute__status="open").first()
    why_not = why_not_disputable(invoice)
    context = {"account": invoice.account, "invoice": invoice, "form": form, "why_not": why_not, "known": known}
    return render(request, "support/invoice_dispute.html", context)


@require_POST
@requires(Action.INVOICE_DISPUTE, SupportRequest)
def dispute_withdrawal(request: HttpRequest, asked: SupportRequest) -> HttpResponse:
    """Agree after all."""
    try:
        services.withdraw(asked, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Withdrawn: the invoice is due again."))
    return redirect(asked)


@requires(Action.SUPPORT_VIEW, SupportRequest)
def support_request(request: HttpRequest, asked: SupportRequest) -> HttpResponse:
    """The thread of a request."""
    return _thread(request, asked, MessageForm(action=_writing(asked)))


@require_POST
@requires(Action.SUPPORT_ASK, SupportRequest)
def support_request_message(request: HttpRequest, asked: SupportRequest) -> HttpResponse:
    """Write in the thread."""
    form = MessageForm(request.POST, request.FILES, action=_writing(asked))
    if form.is_valid():
        try:
            services.write_message(asked, **form.values(), by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Your message is with the vendor."))
            return redirect(asked)
    return _thread(request, asked, form)


@require_POST
@requires(Action.SUPPORT_ASK, SupportRequest)
def support_request_closing(request: HttpRequest, asked: SupportRequest) -> HttpResponse:
    """Say that nothing more has to be done."""
    services.close_request(asked, by=request.user)  # type: ignore[arg-type]
    messages.success(request, _("The request is closed. Writing again opens it."))
    return redirect(asked)


@requires(Action.SUPPORT_VIEW, SupportRequest)
def support_file(request: HttpRequest, asked: SupportRequest, file: int) -> HttpResponse:
    """One of the files that came along, as a download and never shown in the portal (M7)."""
    row = get_object_or_404(SupportFile.objects.filter(message__request=asked), pk=file)
    return file_response(row)


def _thread(request: HttpRequest, asked: SupportRequest, form: MessageForm) -> HttpResponse:
    thread = SupportMessage.objects.filter(request=asked).select_related("author").prefetch_related("files")
    context = {
        "account": asked.account,
        "asked": asked,
        "thread": thread.order_by("pk"),
        "form": form,
        "category": Category(asked.category),
        "may_ask": may(request.user, Action.SUPPORT_ASK, asked),
        "may_withdraw": asked.dispute is not None
        and asked.dispute.status == "open"
        and may(request.user, Action.INVOICE_DISPUTE, asked),
    }
    return render(request, "support/support_request.html", context)


def _writing(asked: SupportRequest) -> str:
    return reverse("support_request_message", args=[asked.code])


def _invoice_asked_for(request: HttpRequest, account: BillingAccount) -> Invoice | None:
    if not request.GET.get("invoice"):
        return None
    rows = Invoice.objects.issued().allowing(request.user, Action.INVOICE_VIEW).select_related("profile")
    return get_object_or_404(rows, account=account, code=code_asked_for(request, "invoice"))


def _known(request: HttpRequest, invoice: Invoice | None) -> dict[str, str]:
    """What the address says about the question; what makes no sense is left out by the form."""
    if invoice is not None:
        known = {"category": Category.CHARGE, "subject": _("About invoice %(number)s") % {"number": invoice.number}}
        return {**known, "line": request.GET.get("line", "")[:10]}
    category = request.GET.get("category", "")
    return {
        "category": category if category in Category.values else Category.OTHER,
        "profile": code_asked_for(request, "profile") if request.GET.get("profile") else "",
    }
