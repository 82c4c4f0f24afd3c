"""What the pages that pay have in common: the same form twice, the amounts, and where the person goes next."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from core.money import Money
from invoices.models import Invoice
from payments.models import Payment, PaymentMethod, PreparedPayment
from payments.services.approvals import prepare_payment, prepared_for
from payments.services.pay import pay_invoices, pay_once
from payments.states import PaymentStatus


def made_by_this_form(request: HttpRequest, **of: Any) -> Payment | None:
    """The attempt that this very form has made already: sent twice, or sent again after a timeout (I16)."""
    key = request.POST.get("request_key", "") if request.method == "POST" else ""
    if not key or "\x00" in key:
        return None
    return Payment.objects.filter(user=request.user, request_key=key, **of).first()  # type: ignore[misc]


def pay_parts(
    request: HttpRequest, parts: Mapping[Invoice, Money], *, method: PaymentMethod | None, key: str
) -> Payment:
    """Pay these parts of invoices with the chosen method, or once by iDEAL where that was chosen."""
    amounts = {invoice.pk: part for invoice, part in parts.items()}
    if method is None:
        return pay_once(list(parts), by=request.user, request_key=key, amounts=amounts)  # type: ignore[arg-type]
    return pay_invoices(
        list(parts),
        method=method,
        by=request.user,  # type: ignore[arg-type]
        request_key=key,
        amounts=amounts,
    )


def prepare_parts(
    request: HttpRequest, parts: Mapping[Invoice, Money], *, method: PaymentMethod | None
) -> PreparedPayment:
    """Have them prepared for an owner; what waits already, also of the same form sent twice, is shown instead."""
    if earlier := prepared_for(list(parts), to=request.user):
        return earlier
    amounts = {invoice.pk: part for invoice, part in parts.items()}
    return prepare_payment(list(parts), method=method, by=request.user, amounts=amounts)  # type: ignore[arg-type]


def next_of(payment: Payment) -> HttpResponse | None:
    """Where who paid goes: to the bank's page, or to the payment; None where it was declined, and the form stays."""
    if payment.status == PaymentStatus.REQUIRES_ACTION:
        return redirect(payment.action_url)
    return None if payment.status == PaymentStatus.FAILED else redirect(payment)
