"""Paying one invoice by the link of a mail, without signing in (P18). Nothing else is shown of the customer."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from accounts.services.limits import Limit, count, count_all
from accounts.sign_in import network_of
from core.errors import Refused
from core.forms import posted
from invoices.models import Invoice
from payments.collecting_forms import PayByLinkForm
from payments.declines import explain
from payments.models import PayLink, Payment
from payments.services.pay import attempts_holding, pay_by_link
from payments.services.pay_links import link_with, log_use
from payments.services.settle import look_up
from payments.states import PaymentStatus

LOOKS_PER_ADDRESS = Limit("payment links from an address", 30, timedelta(minutes=1))
TRIES_PER_LINK = Limit("payments by a link", 10, timedelta(hours=1))


def _with_link(view: Callable[[HttpRequest, str, PayLink], HttpResponse]) -> Callable[..., HttpResponse]:
    """A page for whoever holds the link of a mail; no link, or too many tries, is a page that says so."""

    @never_cache
    @login_not_required
    @wraps(view)
    def page(request: HttpRequest, token: str) -> HttpResponse:
        try:
            count(LOOKS_PER_ADDRESS, network_of(request))
        except Refused as refusal:
            return _page(request, {"refusal": refusal}, 429)
        link = link_with(token)
        return _page(request, {}, 404) if link is None else view(request, token, link)

    return page


@_with_link
def pay_link(request: HttpRequest, token: str, link: PayLink) -> HttpResponse:
    """The invoice of the link: what is owed and by when, and the button that pays it."""
    if not link.works_at(timezone.now()):
        return _page(request, {"ended": link}, 410)
    invoice = link.invoice
    form = PayByLinkForm(posted(request), amount=invoice.amount_asked, key=uuid.uuid4().hex)
    if invoice.status == "due" and form.is_valid():
        try:
            count_all([(TRIES_PER_LINK, link.pk)])
            payment = pay_by_link(link, amount=form.shown_amount(), request_key=form.cleaned_data["request_key"])
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            log_use(link, "paid")
            if payment.status == PaymentStatus.REQUIRES_ACTION:
                return redirect(payment.action_url)
            return redirect("pay_link_result", token)
    elif request.method == "GET":
        log_use(link, "opened")
    return _page(request, {"link": link, "token": token, "form": form, **_state(invoice)})


@_with_link
def pay_link_result(request: HttpRequest, token: str, link: PayLink) -> HttpResponse:
    """Back from the bank: what became of the latest payment by this link. The gateway is asked (T33)."""
    payment = _latest(link)
    if payment is None:
        return redirect("pay_link", token)
    if payment.is_open:
        payment = look_up(payment)
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        return redirect(payment.action_url)
    context = {
        "link": link,
        "token": token,
        "payment": payment,
        "decline": explain(payment.decline_reason) if payment.status == PaymentStatus.FAILED else None,
        "works": link.works_at(timezone.now()),
    }
    response = render(request, "payments/pay_link_result.html", context)
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _latest(link: PayLink) -> Payment | None:
    return Payment.objects.filter(request_key__startswith=f"link-{link.pk}-").order_by("-pk").first()


def _state(invoice: Invoice) -> dict[str, object]:
    today = timezone.localdate()
    under_way = attempts_holding([invoice]).first() if invoice.status == "due" else None
    return {"invoice": invoice, "under_way": under_way, "is_overdue": invoice.is_overdue(today), "today": today}


def _page(request: HttpRequest, context: dict[str, object], status: int = 200) -> HttpResponse:
    response = render(request, "payments/pay_link.html", context, status=status)
    # The address opens a door: it is told to nobody else.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
