"""Pages of purchase orders: those of an account, those of a billing profile, and one of them (P17)."""

from typing import Any

from django.contrib import messages
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount
from core.errors import Refused
from core.forms import posted
from core.lists import read_page, sorting
from core.money import Money
from core.policy import Action, requires
from invoices.models import Invoice, PurchaseOrder
from invoices.order_forms import PurchaseOrderForm
from invoices.order_querysets import PurchaseOrderQuerySet
from invoices.services.purchase_orders import (
    OrderValues,
    add_purchase_order,
    change_purchase_order,
    close_purchase_order,
    order_in_force,
)
from profiles.models import BillingProfile
from subscriptions.models import Subscription

SORTS = {
    "number": ["number", "pk"],
    "profile": ["profile__name", "pk"],
    "from": ["valid_from", "pk"],
    "drawn": ["drawn_minor", "pk"],
}
FIELDS_OF = {
    "number_taken": "number",
    "drawn_from": "number",
    "ends_first": "valid_until",
    "other_profile": "subscription",
}
INVOICES_SHOWN = 50
SUBSCRIPTIONS_SHOWN = 500


@requires(Action.PROFILE_VIEW, BillingAccount, anywhere=True)
def purchase_orders(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Every purchase order of the account that the person may see."""
    rows = PurchaseOrder.objects.allowing(request.user, Action.PROFILE_VIEW).filter(profile__account=account)
    return render(request, "invoices/purchase_orders.html", {"account": account, **_list(request, rows)})


@requires(Action.PROFILE_VIEW, BillingProfile)
def profile_purchase_orders(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Those of one billing profile, and which of them the next invoice carries."""
    today = timezone.localdate()
    context = {
        "account": profile.account,
        "profile": profile,
        "in_force": order_in_force(profile, on=profile.next_billing_date(today)),
        "next_on": profile.next_billing_date(today),
        **_list(request, PurchaseOrder.objects.filter(profile=profile)),
    }
    return render(request, "invoices/profile_purchase_orders.html", context)


@requires(Action.PROFILE_MANAGE_PURCHASE_ORDERS, BillingProfile)
def profile_purchase_order_new(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Add one."""
    form = PurchaseOrderForm(
        posted(request),
        profile=profile,
        subscriptions=_subscriptions(profile),
        initial={"valid_from": timezone.localdate()},
    )
    if form.is_valid():
        try:
            order = add_purchase_order(profile, form.values(), by=request.user)
        except Refused as refusal:
            form.add_error(FIELDS_OF.get(refusal.code or ""), refusal)
        else:
            messages.success(request, _("The purchase order %(number)s is there.") % {"number": order.number})
            return redirect("profile_purchase_orders", profile.code)
    context = {"account": profile.account, "profile": profile, "form": form}
    return render(request, "invoices/purchase_order_edit.html", context)


@requires(Action.PROFILE_VIEW, PurchaseOrder)
def purchase_order_detail(request: HttpRequest, order: PurchaseOrder) -> HttpResponse:
    """One order: what is left of it, what happens after it, and the invoices that drew from it."""
    today = timezone.localdate()
    spent = Money(PurchaseOrder.objects.with_drawn().get(pk=order.pk).drawn_minor, order.profile.currency)
    issued = Invoice.objects.allowing(request.user, Action.INVOICE_VIEW).issued()
    carrying = issued.filter(lines__purchase_order=order).distinct().order_by("-issue_date", "-pk")
    context = {
        "account": order.profile.account,
        "profile": order.profile,
        "row": _Row(order, spent, today),
        "order": order,
        "invoices": carrying[:INVOICES_SHOWN],
        "today": today,
    }
    return render(request, "invoices/purchase_order_detail.html", context)


@requires(Action.PROFILE_MANAGE_PURCHASE_ORDERS, PurchaseOrder)
def purchase_order_edit(request: HttpRequest, order: PurchaseOrder) -> HttpResponse:
    """Change number, budget and validity, from the next invoice on."""
    profile = order.profile
    form = PurchaseOrderForm(
        posted(request), profile=profile, subscriptions=_subscriptions(profile, order.subscription), order=order
    )
    if form.is_valid():
        values: OrderValues = form.values()
        try:
            change_purchase_order(order, values, version=form.cleaned_data["version"] or 0, by=request.user)
        except Refused as refusal:
            form.add_error(FIELDS_OF.get(refusal.code or ""), refusal)
        else:
            messages.success(request, _("Saved."))
            return redirect(order)
    context = {"account": profile.account, "profile": profile, "order": order, "form": form}
    return render(request, "invoices/purchase_order_edit.html", context)


@requires(Action.PROFILE_MANAGE_PURCHASE_ORDERS, PurchaseOrder)
def purchase_order_closing(request: HttpRequest, order: PurchaseOrder) -> HttpResponse:
    """Close it, after saying what that means."""
    if request.method == "POST":
        close_purchase_order(order, by=request.user, on=timezone.localdate())
        messages.success(request, _("No invoice carries %(number)s any more.") % {"number": order.number})
        return redirect(order)
    context = {"account": order.profile.account, "profile": order.profile, "order": order}
    return render(request, "invoices/purchase_order_closing.html", context)


class _Row:
    """An order as a list shows it."""

    def __init__(self, order: PurchaseOrder, drawn: Money, on: Any) -> None:
        self.order, self.drawn, self.budget = order, drawn, order.budget
        self.state = order.state(drawn, on)

    @property
    def left(self) -> Money | None:
        """What is left of the budget."""
        return None if self.budget is None else self.budget - self.drawn

    @property
    def beyond(self) -> Money | None:
        """By how much invoices went beyond the budget; None where they did not."""
        return self.drawn - self.budget if self.budget and self.budget < self.drawn else None

    @property
    def percent(self) -> int | None:
        return None if self.budget is None else self.drawn.minor * 100 // self.budget.minor


def _list(request: HttpRequest, rows: PurchaseOrderQuerySet) -> dict[str, Any]:
    today = timezone.localdate()
    words = request.GET.get("q", "").replace("\x00", "").strip()[:50]
    labels = {"": _("All states"), "open": _("Open"), "used_up": _("Used up"), "closed": _("Closed or expired")}
    state = request.GET.get("state", "") if request.GET.get("state") in labels else ""
    found = rows.with_drawn().select_related("profile", "subscription")
    ended = Q(closed_on__isnull=False) | Q(valid_until__lt=today)
    used_up = Q(budget_minor__isnull=False, drawn_minor__gte=F("budget_minor"))
    if words:
        found = found.filter(number__istartswith=words)
    if state:
        wanted = {"open": ~ended & ~used_up, "used_up": ~ended & used_up, "closed": ended}[state]
        found = found.filter(wanted)
    page = read_page(request, found, sorting(request, SORTS, "-from"))
    return {
        "page": page,
        "rows": [_Row(order, Money(order.drawn_minor, order.profile.currency), today) for order in page.rows],
        "words": words,
        "state": state,
        "states": list(labels.items()),
        "is_filtered": bool(words or state),
    }


def _subscriptions(profile: BillingProfile, chosen: Subscription | None = None) -> list[Subscription]:
    rows = Subscription.objects.filter(profile=profile).exclude(status="deleted").order_by("name", "pk")
    found = list(rows[:SUBSCRIPTIONS_SHOWN])
    return found if chosen is None or chosen in found else [chosen, *found]
