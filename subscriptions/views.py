"""Pages of what is bought: the list of an account, one subscription, a purchase."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.address_rules import printed_lines
from accounts.models import BillingAccount
from core.codes import new_code
from core.errors import Refused
from core.lists import read_page, sorting
from core.periods import Month, on_anchor, term_end
from core.policy import Action, may, may_somewhere, requires
from profiles.address_views import addresses_page, planned_change, withdrawal_of
from profiles.models import BillingProfile
from profiles.views import email_preference_page
from profiles.views_recipients import (
    RecipientsScope,
    ask_again,
    mute,
    recipient_new_page,
    recipient_removal_page,
    recipients_page,
    send_test,
)
from subscriptions.forms import BuyForm, OrderForm
from subscriptions.models import Price, Purchase, Subscription, Term
from subscriptions.services.changing import RUNNING
from subscriptions.services.purchasing import purchase_product, why_not_usable
from subscriptions.states import SubscriptionStatus

CHANGES_SHOWN = 50
SORTS = {"name": ["lower_name", "pk"], "started": ["started_on", "pk"], "status": ["status", "lower_name", "pk"]}


@requires(Action.SUBSCRIPTION_VIEW, BillingAccount, anywhere=True)
def subscriptions(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Everything bought in the account that the person may see."""
    today = timezone.localdate()
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    status = request.GET.get("status", "") if request.GET.get("status") in SubscriptionStatus.values else ""
    rows = Subscription.objects.filter(account=account).matching(words).select_related("profile", "product")
    found = rows.allowing(request.user, Action.SUBSCRIPTION_VIEW).annotate(lower_name=Lower("name"))
    if status:
        found = found.filter(status=status)
    page = read_page(request, found, sorting(request, SORTS, "name"))
    context = {
        "account": account,
        "page": page,
        "rows": [(subscription, subscription.next_renewal(today)) for subscription in page.rows],
        "words": words,
        "status": status,
        "statuses": [("", _("All statuses")), *SubscriptionStatus.choices],
        "is_filtered": bool(words or status),
        "may_buy": may_somewhere(request.user, Action.PROFILE_PURCHASE, account),
    }
    return render(request, "subscriptions/subscriptions.html", context)


@requires(Action.SUBSCRIPTION_VIEW, Subscription)
def subscription(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """What was bought, what it costs, and where it is invoiced."""
    today = timezone.localdate()
    context = {
        "account": subscription.account,
        "subscription": subscription,
        "profile": subscription.profile,
        "purchase": Purchase.objects.filter(subscription=subscription).select_related("bought_by").first(),
        "term": subscription.current_term(today) if subscription.is_renewed else None,
        "renewal": subscription.next_renewal(today),
        "ship_to_lines": printed_lines(used_at.snapshot()) if (used_at := subscription.profile.ship_to) else [],
        "planned": planned_change(subscription.profile) if used_at else None,
        "changes": subscription.changes.select_related("made_by", "product_before", "product_after").order_by("-pk")[
            :CHANGES_SHOWN
        ],
        "changes_count": subscription.changes.count(),
        "move_ahead": subscription.moves.ahead().select_related("to_profile").first(),
        "is_running": subscription.status in RUNNING,
    }
    return render(request, "subscriptions/subscription.html", context)


@requires(Action.PROFILE_EDIT_EMAIL_PREFERENCE, Subscription)
def subscription_email_preference(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Opt in to or out of invoices by e-mail for one subscription of an online-services account (S4-8a)."""
    if subscription.profile.is_shown:
        return redirect("profile_email_preference", subscription.profile.code)
    return email_preference_page(
        request,
        subscription.profile,
        back=subscription.get_absolute_url(),
        choices=[],
        recipients_href=reverse("subscription_recipients", args=[subscription.code]),
    )


@requires(Action.SUBSCRIPTION_VIEW, Subscription)
def subscription_recipients(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Who gets the invoices of one subscription of an online-services account (S4-8a, P10)."""
    if subscription.profile.is_shown:
        return redirect("profile_recipients", subscription.profile.code)
    return recipients_page(request, _recipients_of(subscription))


@requires(Action.PROFILE_EDIT_RECIPIENTS, Subscription)
def subscription_recipient_new(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    return recipient_new_page(request, _recipients_of(subscription))


@requires(Action.PROFILE_EDIT_RECIPIENTS, Subscription)
def subscription_recipient_removal(request: HttpRequest, subscription: Subscription, recipient: int) -> HttpResponse:
    return recipient_removal_page(request, _recipients_of(subscription), recipient)


@require_POST
@requires(Action.PROFILE_EDIT_RECIPIENTS, Subscription)
def subscription_recipient_question(request: HttpRequest, subscription: Subscription, recipient: int) -> HttpResponse:
    return ask_again(request, _recipients_of(subscription), recipient)


@require_POST
@requires(Action.PROFILE_EDIT_RECIPIENTS, Subscription)
def subscription_recipient_test(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    return send_test(request, _recipients_of(subscription))


@require_POST
@requires(Action.SUBSCRIPTION_VIEW, Subscription)
def subscription_invoice_mute(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    return mute(request, _recipients_of(subscription))


def _recipients_of(subscription: Subscription) -> RecipientsScope:
    return RecipientsScope(subscription.profile, "subscription", subscription.code, subscription.name)


@requires(Action.PROFILE_EDIT_SHIP_TO, Subscription)
def subscription_address(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """Where one subscription of an online-services account is used (§3.2)."""
    profile, back = subscription.profile, subscription.get_absolute_url()
    if profile.is_shown:
        return redirect("profile_addresses", profile.code)
    here = reverse("subscription_address", args=[subscription.code])
    return addresses_page(
        request,
        profile,
        name=subscription.name,
        back=back,
        here=here,
        withdrawal=lambda change: reverse("subscription_change_withdrawal", args=[subscription.code, change.pk]),
    )


@requires(Action.PROFILE_EDIT_SHIP_TO, Subscription)
def subscription_change_withdrawal(request: HttpRequest, subscription: Subscription, change: int) -> HttpResponse:
    """Take a planned change of its service usage address back."""
    if subscription.profile.is_shown:
        return redirect("profile_change_withdrawal", subscription.profile.code, change)
    return withdrawal_of(request, subscription.profile, change, back=subscription.get_absolute_url())


@requires(Action.PROFILE_PURCHASE, BillingAccount, anywhere=True)
def purchase(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """What is on offer in the currency of the account (S2-7)."""
    today = timezone.localdate()
    offers = (
        Price.objects.valid(today).filter(currency=account.currency).select_related("product").prefetch_related("tiers")
    )
    profiles = _profiles_to_buy_on(request, account)
    context = {
        "account": account,
        "offers": offers.order_by("product__service_name", "product__name", "product_id", "unit_price"),
        "profiles": profiles,
        "is_blocked": _is_blocked(request, account, profiles),
    }
    return render(request, "subscriptions/purchase.html", context)


@requires(Action.PROFILE_PURCHASE, BillingAccount, anywhere=True)
def purchase_order(request: HttpRequest, account: BillingAccount, price: int) -> HttpResponse:
    """Choose how many on which profile; then see what it will cost, and buy (S2-7, S2-10, T24)."""
    today = timezone.localdate()
    offer = Price.objects.valid(today).filter(currency=account.currency, pk=price).select_related("product").first()
    profiles = _profiles_to_buy_on(request, account)
    if offer is None or _is_blocked(request, account, profiles):
        messages.info(request, _("This is no longer on offer at this price. Look at the list again."))
        return redirect("purchase", account.code)
    if request.method == "POST":
        return _place_order(request, account, offer, profiles, today)
    # "Change" on the summary leads back here with what was chosen.
    asked = {name: request.GET[name] for name in ("quantity", "profile") if name in request.GET}
    form = OrderForm(
        asked if asked and "change" not in request.GET else None, profiles=profiles, price=offer, initial=asked
    )
    context: dict[str, Any] = {"account": account, "price": offer, "form": form}
    if form.is_valid():
        context |= {"summary": _summary(account, offer, form, today), "request_key": new_code()}
    return render(request, "subscriptions/purchase_order.html", context)


def _place_order(
    request: HttpRequest, account: BillingAccount, offer: Price, profiles: list[BillingProfile], today: date
) -> HttpResponse:
    form = BuyForm(request.POST, profiles=profiles, price=offer)
    if form.is_valid():
        try:
            bought = purchase_product(account, price=offer, **form.values(), by=request.user, on=today)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Bought: %(purchase)s.") % {"purchase": bought})
            return redirect(bought.subscription or reverse("subscriptions", args=[account.code]))
    return render(request, "subscriptions/purchase_order.html", {"account": account, "price": offer, "form": form})


def _profiles_to_buy_on(request: HttpRequest, account: BillingAccount) -> list[BillingProfile]:
    """The open profiles that the person may use to buy; none on online services, where a subscription brings one."""
    rows = BillingProfile.objects.filter(account=account).shown().open().order_by("name", "pk")
    return list(rows.allowing(request.user, Action.PROFILE_PURCHASE))


def _is_blocked(request: HttpRequest, account: BillingAccount, profiles: list[BillingProfile]) -> bool:
    """Whether nothing can be bought now: every profile that the person may use is stopped, or, where there
    is none to use, the person may not make the first one either."""
    if profiles:
        return all(why_not_usable(profile) for profile in profiles)
    return not may(request.user, Action.PROFILE_PURCHASE, account)


def _summary(account: BillingAccount, offer: Price, form: OrderForm, today: date) -> dict[str, Any]:
    """What is about to be bought, and what the next invoice will carry of it."""
    profile, quantity, months = form.profile, form.cleaned_data["quantity"], Term(offer.term).months
    ends = term_end(today, today, months) if months else None
    invoice_day = profile.invoice_day if profile else BillingProfile._meta.get_field("invoice_day").default
    return {
        "profile": profile,
        "quantity": quantity,
        "unit_price": offer.unit_price_for(quantity),
        "total": offer.total(quantity),
        "starts": today,
        "ends": ends,
        "month": Month.of(today),
        "invoiced_on": on_anchor(Month.of(today).next, invoice_day),
    }
