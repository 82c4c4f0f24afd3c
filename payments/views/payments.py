"""Pages of payments: the list of an account, one payment and its receipt, and paying an invoice."""

from django.contrib import messages
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.address_rules import printed_lines
from accounts.models import BillingAccount
from core.errors import Refused
from core.forms import posted
from core.lists import read_page, sorting
from core.money import Money
from core.policy import Action, requires, signed_in_only
from invoices.models import Invoice
from payments.approval_rules import needs_approval
from payments.declines import DECLINES, explain
from payments.filters import SEGMENTS, PaymentFilter
from payments.forms import IDEAL, PayForm
from payments.limits import limit_words
from payments.models import Payment, Refund
from payments.services.approvals import prepared_for
from payments.services.overpaid import balances_seen
from payments.services.pay import attempts_holding, cancel_payment
from payments.services.settle import look_up
from payments.shown import offered_methods
from payments.states import PaymentStatus, RefundStatus
from payments.views.paying import made_by_this_form, next_of, pay_parts, prepare_parts
from profiles.models import BillingProfile

SORTS = {"date": ["created_at", "id"], "amount": ["amount_minor", "id"]}


@requires(Action.INVOICE_VIEW, BillingAccount, anywhere=True)
def payments(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Every payment the person may see in the account, newest first (P8, P24)."""
    seen = Payment.objects.allowing(request.user, Action.INVOICE_VIEW).filter(account=account)
    profiles = BillingProfile.objects.allowing(request.user, Action.INVOICE_VIEW).filter(account=account).shown()
    filters = PaymentFilter(request.GET, profiles=list(profiles.order_by("name")))
    found = filters.apply(seen).select_related("paper", "balance_lot")
    found = found.prefetch_related("allocations__invoice", given_back())
    context = {
        "account": account,
        "page": read_page(request, found, sorting(request, SORTS, "-date")),
        "filters": filters,
        "segments": [(key, label, key == filters.segment) for key, label in SEGMENTS],
        "balances": balances_seen(account, to=request.user),
    }
    return render(request, "payments/payments.html", context)


@requires(Action.INVOICE_VIEW, Payment)
def payment(request: HttpRequest, payment: Payment) -> HttpResponse:
    """One payment: what became of it, what happens next, and which invoices it pays (P24)."""
    allocations = payment.allocations.select_related("invoice", "payment").order_by("invoice__due_date", "invoice_id")
    context = {
        "account": payment.account,
        "payment": payment,
        "allocations": allocations,
        "decline": explain(payment.decline_reason) if payment.status == PaymentStatus.FAILED else None,
        "refunds": payment.refunds.told().select_related("payment", "paper").order_by("pk"),
        "open_invoices": [allocation.invoice for allocation in allocations if allocation.invoice.status == "due"],
    }
    return render(request, "payments/payment.html", context)


@requires(Action.INVOICE_VIEW, Payment)
def payment_receipt(request: HttpRequest, payment: Payment) -> HttpResponse:
    """The receipt as a page, with its PDF (P8)."""
    if not payment.receipt_number:
        raise Http404
    allocations = list(
        payment.allocations.filter(status="settled").select_related("invoice", "payment").order_by("invoice_id")
    )
    invoice = allocations[0].invoice if allocations else None
    context = {
        "account": payment.account,
        "payment": payment,
        "allocations": allocations,
        "seller": invoice.seller if invoice else {},
        "payer_lines": printed_lines(invoice.bill_to) if invoice else [payment.account.name],
        "paper": getattr(payment, "paper", None),
        "refunds": payment.refunds.told().select_related("payment", "paper").order_by("pk"),
    }
    return render(request, "payments/payment_receipt.html", context)


@requires(Action.INVOICE_VIEW, Payment)
def payment_return(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Back from the bank's check. The address says nothing: the gateway is asked (T33)."""
    return redirect(look_up(payment) if payment.is_open else payment)


@require_POST
@requires(Action.INVOICE_PAY, Payment)
def payment_cancellation(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Give up an attempt that waits for the bank's check, so that the invoice can be paid in another way."""
    payment = cancel_payment(payment, by=request.user)
    if payment.status == PaymentStatus.CANCELLED:
        messages.info(request, _("The payment was cancelled. No money was taken."))
    return redirect(payment)


@signed_in_only
def payment_problems(request: HttpRequest) -> HttpResponse:
    """Every reason for which a payment is declined and what helps, and questions about changing a method
    (S3-16 … S3-20, S3-22)."""
    return render(request, "payments/payment_problems.html", {"declines": DECLINES.items()})


@requires(Action.INVOICE_PAY, Invoice)
def invoice_payment(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """Pay an invoice with a saved card (§3.7). A decline stays on the page, with its reason and advice (S3-17)."""
    if (earlier := made_by_this_form(request, allocations__invoice=invoice)) and earlier.status != PaymentStatus.FAILED:
        return redirect(earlier)
    today = timezone.localdate()
    offered, current = offered_methods(invoice.profile, to=request.user, on=today)
    methods = [shown for shown in offered if not shown.method.is_transfer]
    offers_ideal = invoice.currency == "EUR"
    values = {"invoice": invoice, "methods": methods, "current": current, "on": today, "offers_ideal": offers_ideal}
    form = PayForm(posted(request), **values, chosen=request.GET.get("method", ""))
    declined = earlier
    prepared = prepared_for([invoice], to=request.user)
    asks = needs_approval(request.user, invoice.profile, [(invoice, invoice.amount_asked)])
    if declined is None and form.is_valid():
        try:
            parts = {invoice: form.cleaned_data["amount"]}
            if asks:
                return redirect(prepare_parts(request, parts, method=form.chosen()))
            declined = pay_parts(request, parts, method=form.chosen(), key=form.cleaned_data["request_key"])
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            if response := next_of(declined):
                return response
    if declined is not None:
        form = PayForm(
            None, **values, chosen=declined.method.code if declined.method else IDEAL, amount=declined.amount
        )
    context = {
        "account": invoice.account,
        "invoice": invoice,
        "form": form,
        "methods": methods,
        "by_transfer": current is not None and current.is_transfer,
        "card_for": _card_for(invoice),
        "add_card": _add_card_address(invoice),
        "declined": declined,
        "decline": explain(declined.decline_reason) if declined else None,
        "under_way": attempts_holding([invoice]).first(),
        "today": today,
        "limits": limit_words(invoice.currency, offers_ideal=offers_ideal),
        "prepared": prepared,
        "asks_approval": asks,
        "total": form.total,
        "left": invoice.amount_asked - form.total
        if form.total < invoice.amount_asked
        else Money.zero(invoice.currency),
        "also_overdue": Invoice.objects.filter(profile=invoice.profile).overdue(today).exclude(pk=invoice.pk)[:1],
    }
    return render(request, "payments/invoice_payment.html", context)


def given_back() -> Prefetch:
    """What went back of each payment, for lists."""
    return Prefetch("refunds", Refund.objects.filter(status=RefundStatus.GIVEN_BACK).order_by("pk"), "given_back")


def _card_for(invoice: Invoice) -> BillingProfile | BillingAccount:
    """Where a card is added to pay this: its profile, or the account where the profile is not shown."""
    return invoice.profile if invoice.profile.is_shown else invoice.account


def _add_card_address(invoice: Invoice) -> str:
    route = "profile_card_new" if invoice.profile.is_shown else "card_new"
    return f"{reverse(route, args=[_card_for(invoice).code])}?invoice={invoice.code}"
