"""Receipts as PDF, and statements of account: the list, asking for one, one of them (P8)."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import BillingAccount
from core.errors import Refused
from core.forms import posted
from core.lists import read_page, sorting
from core.policy import Action, may, requires
from invoices.documents.keeping import Damaged, read
from invoices.states import DocumentStatus
from payments.forms import StatementForm
from payments.models import Paper, PaperKind, Payment, Remittance
from payments.services.papers import ask_for_statement, file_name
from profiles.models import BillingProfile

SORTS = {"asked": ["created_at", "pk"], "from": ["starts_on", "pk"], "until": ["ends_on", "pk"]}
MOST_CHOICES = 200


@requires(Action.INVOICE_DOWNLOAD, BillingAccount, anywhere=True)
@require_safe
def statements(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Every statement that was asked for, of what the person may see, the newest first."""
    profiles = _profiles(request, account)
    profile = next((each for each in profiles if each.code == request.GET.get("profile")), None)
    rows = Paper.objects.allowing(request.user, Action.INVOICE_DOWNLOAD)
    rows = rows.filter(account=account, kind=PaperKind.STATEMENT).select_related("profile", "asked_by", "payment")
    if profile:
        rows = rows.filter(profile=profile)
    context = {
        "account": account,
        "page": read_page(request, rows, sorting(request, SORTS, "-asked")),
        "profile": profile,
        "profile_choices": [("", _("All profiles")), *((each.code, each.name) for each in profiles)],
    }
    return render(request, "payments/statements.html", context)


@requires(Action.INVOICE_DOWNLOAD, BillingAccount, anywhere=True)
def statement_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Ask for a statement of the account, or of one billing profile, over a time."""
    form = StatementForm(
        posted(request),
        profiles=_profiles(request, account),
        is_whole=may(request.user, Action.INVOICE_DOWNLOAD, account),
        on=timezone.localdate(),
    )
    if form.is_valid():
        try:
            made = ask_for_statement(account, **form.values(), by=request.user)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("The statement is being made. It stands here in a moment."))
            return redirect(made)
    return render(request, "payments/statement_new.html", {"account": account, "form": form})


@requires(Action.INVOICE_DOWNLOAD, Paper)
@require_safe
def statement(request: HttpRequest, paper: Paper) -> HttpResponse:
    """One statement: of what, of which time, what was owed before and after; and its PDF once it is made."""
    _only_statements(paper)
    response = render(request, "payments/statement.html", {"account": paper.account, "statement": paper})
    if paper.status == DocumentStatus.PENDING:
        response["Refresh"] = "3"
    return response


@requires(Action.INVOICE_DOWNLOAD, Paper)
@require_safe
def statement_pdf(request: HttpRequest, paper: Paper) -> HttpResponse:
    """The PDF exactly as it was made, its digest checked (F39)."""
    _only_statements(paper)
    return paper_file(request, paper, paper)


@requires(Action.INVOICE_DOWNLOAD, Payment)
@require_safe
def payment_receipt_pdf(request: HttpRequest, payment: Payment) -> HttpResponse:
    """The receipt as PDF, exactly as it was made, its digest checked (P8, F39); with `?refund=` the proof of what went
    back of it."""
    asked = request.GET.get("refund", "")
    mine = Paper.objects.filter(refund__payment=payment) if asked else Paper.objects.filter(payment=payment)
    if asked:
        mine = mine.filter(refund=int(asked)) if asked.isdecimal() and len(asked) < 18 else mine.none()
    paper = mine.select_related("payment", "refund__payment").first()
    if paper is None:
        raise Http404
    return paper_file(request, paper, payment)


def paper_file(request: HttpRequest, paper: Paper, page: Paper | Payment | Remittance) -> HttpResponse:
    """The file; or back to its page, which says why there is none."""
    if paper.status != DocumentStatus.READY:
        return redirect(paper)
    try:
        content = read(paper)
    except Damaged:
        messages.error(
            request,
            _("The stored file is not the one that was made, so nobody gets it. We have been told and will see to it."),
        )
        return redirect(page)
    headers = {
        "Content-Disposition": content_disposition_header(as_attachment=True, filename=file_name(paper)),
        "Cache-Control": "no-store",
    }
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _only_statements(paper: Paper) -> None:
    if paper.kind != PaperKind.STATEMENT:
        raise Http404


def _profiles(request: HttpRequest, account: BillingAccount) -> list[BillingProfile]:
    mine = BillingProfile.objects.allowing(request.user, Action.INVOICE_DOWNLOAD).filter(account=account).shown()
    return list(mine.order_by("name", "pk")[:MOST_CHOICES])
