"""What pages of other apps show of payments.

{% payment_panel invoice has_moves %}             the payments of an invoice, latest first
{% payment_button invoice %}                      Pay now, or why not, for block commands
{% gateway_rest as rests_until %}                 until when the payment provider is left alone; None where it answers
{% open_attempt invoice as processing %}          the ids of invoices with an attempt that is not over:
{% active_method subscription %}                  what it is paid with, where it has a method of its own
{% open_attempts invoices as processing %}        for {% invoice_status invoice today processing %}
{% pay_now invoice processing %}                  the link of a row of a list
{% collection_box invoice %}                      when it is charged by itself, or how far collecting has come
{% past_due_banner profile %}                     that a profile is past due, what follows, and Pay (P2)
"""

from collections.abc import Container, Iterable
from datetime import date, datetime
from typing import Any

from django import template
from django.conf import settings
from django.db.models import F
from django.template.context import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from core.money import Money
from core.policy import Action, may
from core.templatetags.ui import link_button
from invoices.models import CreditMove, CreditTransaction, Invoice
from payments.declines import Decline, explain
from payments.gateways.breaker import rest_of
from payments.models import Allocation, CollectionCase, Pace, Payment, ProfileMethods, Standing
from payments.schedule import RED_FROM, Act, day_of
from payments.services.cases import schedule_for
from payments.services.outlook import outlook_of
from payments.states import AllocationStatus, PaymentStatus
from profiles.models import BillingProfile
from subscriptions.models import Subscription

register = template.Library()

SHOWN = 20


@register.simple_tag
def open_attempts(invoices: Iterable[Invoice]) -> set[int]:
    """Which of these an attempt holds whose outcome is open."""
    due = [invoice.pk for invoice in invoices if invoice.status == "due"]
    return set(Allocation.objects.holding(due).values_list("invoice_id", flat=True))


@register.simple_tag
def open_attempt(invoice: Invoice) -> set[int]:
    return {invoice.pk} if _under_way(invoice) else set()


@register.simple_tag(takes_context=True)
def pay_now(context: Context, invoice: Invoice, processing: Container[int]) -> str:
    """The link of a row of a list; nothing where there is nothing to pay, or somebody else has to (P2)."""
    is_payable = invoice.status == "due" and invoice.kind == "invoice" and invoice.pk not in processing
    if not is_payable or not may(context["user"], Action.INVOICE_PAY, invoice):
        return ""
    name = _("Pay %(number)s now") % {"number": invoice.number}
    return link_button(_("Pay now"), reverse("invoice_payment", args=[invoice.code]), size="sm", name=name)


@register.inclusion_tag("payments/_payment_panel.html", takes_context=True)
def payment_panel(context: Context, invoice: Invoice, has_moves: bool = True) -> dict[str, Any]:
    """The payments of an invoice with their outcome: paid, declined and why, or under way. `has_moves` is False where
    none of it was paid from a balance."""
    moves = CreditTransaction.objects.filter(invoice=invoice, kind=CreditMove.PAID).order_by("-pk")
    return {
        "request": context.get("request"),
        "user": context.get("user"),
        "invoice": invoice,
        "rows": [
            (payment, Money(payment.part_minor, payment.currency), _decline(payment))
            for payment in _payments_of(invoice)[:SHOWN]
        ],
        "from_balance": moves[:SHOWN] if has_moves else [],
    }


@register.inclusion_tag("payments/_payment_button.html", takes_context=True)
def payment_button(context: Context, invoice: Invoice) -> dict[str, Any]:
    """Pay now where that is possible; otherwise the same button, locked, with who may (P2)."""
    user, is_payable = context["user"], invoice.status == "due" and invoice.kind == "invoice"
    can_pay = is_payable and may(user, Action.INVOICE_PAY, invoice)
    return {
        "request": context.get("request"),
        "user": user,
        "invoice": invoice,
        "is_payable": is_payable,
        "can_pay": can_pay,
        "rests_until": gateway_rest(context) if can_pay else None,
        "under_way": _under_way(invoice) if is_payable else None,
    }


@register.simple_tag(takes_context=True)
def gateway_rest(context: Context) -> datetime | None:
    """Until when the payment provider is left alone, because it did not answer; None where all is well. Read once
    per request."""
    request = context.get("request")
    read: dict[str, datetime | None] = request.__dict__.setdefault("_gateway_rest", {}) if request else {}
    if settings.PAYMENT_GATEWAY not in read:
        read[settings.PAYMENT_GATEWAY] = rest_of(settings.PAYMENT_GATEWAY)
    return read[settings.PAYMENT_GATEWAY]


@register.inclusion_tag("payments/_collection_box.html", takes_context=True)
def collection_box(context: Context, invoice: Invoice) -> dict[str, Any]:
    """The next charge of an open invoice, or where its collection stands; with what can be done about it (P9)."""
    user, now = context["user"], timezone.now()
    on = timezone.localdate(now)
    is_open = invoice.status == "due" and invoice.kind == "invoice"
    outlook = outlook_of(invoice, at=now) if is_open else None
    case = outlook.case if outlook else None
    can_pay = is_open and may(user, Action.INVOICE_PAY, invoice)
    return {
        "request": context.get("request"),
        "user": user,
        "csrf_token": context.get("csrf_token"),
        "invoice": invoice,
        "outlook": outlook,
        "is_overdue": is_open and invoice.is_overdue(on),
        "disabled_on": _disabled_on(case),
        "is_promised": case is not None and case.is_promised(on),
        "can_pay": can_pay,
        "links": outlook.links if outlook and can_pay else 0,
    }


@register.inclusion_tag("payments/_past_due_banner.html", takes_context=True)
def past_due_banner(context: Context, profile: BillingProfile) -> dict[str, Any]:
    """What is past due on a profile, what happens when it stays so, and the way to pay it."""
    cases = CollectionCase.objects.open().exclude(standing=Standing.FINE)
    cases = cases.filter(invoice__profile=profile, invoice__status="due").select_related("invoice__profile__account")
    worst = max(cases, key=lambda case: (Standing.values.index(case.standing), case.last_day or 0), default=None)
    is_red = worst is not None and (worst.standing != Standing.PAST_DUE or (worst.last_day or 0) >= RED_FROM)
    return {
        "request": context.get("request"),
        "user": context["user"],
        "case": worst,
        "tone": "danger" if is_red or (worst is not None and worst.pace != Pace.NORMAL) else "warn",
        "disabled_on": _disabled_on(worst),
        "can_pay": worst is not None and may(context["user"], Action.INVOICE_PAY, worst.invoice),
    }


def _disabled_on(case: CollectionCase | None) -> date | None:
    """When the subscriptions of its profile are disabled; None where they are, or nothing is past due."""
    if case is None or case.standing != Standing.PAST_DUE:
        return None
    day = day_of(schedule_for(case, case.invoice.profile), Act.DISABLE)
    return None if day is None else case.day_of(day)


@register.simple_tag
def active_method(subscription: Subscription) -> str:
    """With what a subscription of online services is paid, as words; empty where nothing is chosen."""
    chosen = ProfileMethods.objects.filter(profile=subscription.profile_id).select_related("default").first()
    return str(chosen.default) if chosen and chosen.default else ""


@register.filter
def decline_words(payment: Payment) -> str:
    """Why it was declined, in a few words; empty where it was not."""
    decline = _decline(payment)
    return str(decline.short) if decline else ""


def _payments_of(invoice: Invoice) -> list[Any]:
    """The payments of the invoice, latest first, each with its part; read once for all tags of a page."""
    if not hasattr(invoice, "_shown_payments"):
        payments = Payment.objects.filter(allocations__invoice=invoice).annotate(
            part_minor=F("allocations__amount_minor"), part_status=F("allocations__status")
        )
        invoice._shown_payments = list(payments.order_by("-created_at", "-pk"))
    return invoice._shown_payments


def _under_way(invoice: Invoice) -> Payment | None:
    """The attempt that holds the invoice until its outcome is certain (I12)."""
    return next((payment for payment in _payments_of(invoice) if payment.part_status == AllocationStatus.HELD), None)


def _decline(payment: Payment) -> Decline | None:
    return explain(payment.decline_reason) if payment.status == PaymentStatus.FAILED else None
