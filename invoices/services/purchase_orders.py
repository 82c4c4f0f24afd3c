"""Purchase orders with a budget: made, changed, closed, and warned of (P17)."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.services.notices import mail_people
from core.errors import Refused
from core.history import acting
from core.mail_classes import MailClass
from core.money import Money
from core.policy import Action, demand, holders
from invoices.models import PurchaseOrder
from profiles.models import BillingProfile
from subscriptions.models import Subscription

ORDERS_PER_PROFILE = 200
STEPS = (100, 80)


@dataclass(frozen=True)
class OrderValues:
    """What people say of an order; `budget` is without VAT, None without a limit."""

    number: str
    valid_from: date
    valid_until: date | None = None
    budget: Money | None = None
    subscription: Subscription | None = None


def drawn(order: PurchaseOrder) -> Money:
    """What issued invoices have drawn from it, without VAT."""
    row = PurchaseOrder.objects.with_drawn().get(pk=order.pk)
    return Money(row.drawn_minor, order.profile.currency)


@transaction.atomic
def add_purchase_order(profile: BillingProfile, values: OrderValues, *, by: Any) -> PurchaseOrder:
    """Add an order; invoices issued from its first day on carry it.

    Refuses `profile_closed`, `no_orders_here` on the hidden profile of a subscription, `number_taken`,
    `ends_first`, `other_profile` for a subscription that is elsewhere, and `too_many` beyond 200 open ones.
    """
    demand(by, Action.PROFILE_MANAGE_PURCHASE_ORDERS, profile)
    if not profile.is_shown:
        raise Refused(_("The invoice of a single subscription has no purchase orders."), "no_orders_here")
    _lock(profile)
    if PurchaseOrder.objects.filter(profile=profile, closed_on=None).count() >= ORDERS_PER_PROFILE:
        raise Refused(
            _("A billing profile has at most %(most)d purchase orders. Close one first.")
            % {"most": ORDERS_PER_PROFILE},
            "too_many",
        )
    _check(profile, values)
    with acting(by, "purchase_order.added"):
        return PurchaseOrder.objects.create(
            profile=profile,
            subscription=values.subscription,
            number=values.number,
            budget_minor=values.budget.minor if values.budget else None,
            valid_from=values.valid_from,
            valid_until=values.valid_until,
            created_by=by,
        )


@transaction.atomic
def change_purchase_order(order: PurchaseOrder, values: OrderValues, *, version: int, by: Any) -> None:
    """Change it from the next invoice on; issued ones stay as they are.

    Refuses what adding refuses, `closed`, `changed_meanwhile`, and `drawn_from` for another number or
    subscription once invoices carry it.
    """
    demand(by, Action.PROFILE_MANAGE_PURCHASE_ORDERS, order.profile)
    _lock(order.profile)
    stored = PurchaseOrder.objects.select_for_update().get(pk=order.pk)
    if stored.closed_on is not None:
        raise Refused(_("This purchase order is closed. Add another one."), "closed")
    if stored.version != version:
        raise Refused(_("Somebody else changed it meanwhile. Look at it again."), "changed_meanwhile")
    subscription_id = values.subscription.pk if values.subscription else None
    is_other = (values.number, subscription_id) != (stored.number, stored.subscription_id)
    if is_other and stored.lines.exists():
        raise Refused(_("Invoices carry this number already. Close this order, and add another one."), "drawn_from")
    _check(order.profile, values, but=order)
    budget_minor = values.budget.minor if values.budget else None
    with acting(by, "purchase_order.changed"):
        PurchaseOrder.objects.filter(pk=order.pk).update(
            number=values.number,
            subscription=values.subscription,
            budget_minor=budget_minor,
            valid_from=values.valid_from,
            valid_until=values.valid_until,
            # Another budget is warned of anew.
            warned_percent=stored.warned_percent if budget_minor == stored.budget_minor else 0,
            version=F("version") + 1,
        )


@transaction.atomic
def close_purchase_order(order: PurchaseOrder, *, by: Any, on: date) -> None:
    """No invoice carries it any more, from now on. Closing twice changes nothing."""
    demand(by, Action.PROFILE_MANAGE_PURCHASE_ORDERS, order.profile)
    with acting(by, "purchase_order.closed"):
        PurchaseOrder.objects.filter(pk=order.pk, closed_on=None).update(closed_on=on, version=F("version") + 1)


def order_in_force(profile: BillingProfile, *, on: date) -> PurchaseOrder | None:
    """The order that an invoice of the profile issued on that day would carry."""
    orders = PurchaseOrder.objects.filter(profile=profile, subscription=None).valid(on).with_anything_left()
    return orders.order_by("valid_from", "pk").first()


def warn_of_budgets() -> int:
    """Tell who looks after them of orders that reached 80 and 100 percent, each once; returns how many orders."""
    told = 0
    for pk in list(PurchaseOrder.objects.to_warn_of().values_list("pk", flat=True)):
        with transaction.atomic():
            order = PurchaseOrder.objects.select_for_update().select_related("profile__account").get(pk=pk)
            spent = drawn(order)
            reached = next((step for step in STEPS if spent.minor * 100 >= (order.budget_minor or 0) * step), 0)
            if order.budget is None or reached <= order.warned_percent:
                continue
            PurchaseOrder.objects.filter(pk=pk).update(warned_percent=reached)
            _tell(order, order.budget, spent, reached)
            told += 1
    return told


def _tell(order: PurchaseOrder, budget: Money, spent: Money, reached: int) -> None:
    on = timezone.localdate()
    following = order_in_force(order.profile, on=on + timedelta(days=1)) if reached == 100 else None
    mail_people(
        {held.user: None for held in holders(Action.PROFILE_MANAGE_PURCHASE_ORDERS, order.profile, on)},
        template="purchase_order_budget",
        mail_class=MailClass.SERVICE,
        context={
            "number": order.number,
            "profile": order.profile.name,
            "account": order.profile.account.name,
            "reached": reached,
            "drawn": spent,
            "budget": budget,
            "following": following.number if following else "",
            "path": reverse("purchase_order_detail", args=[order.code]),
        },
        reference=f"purchase_order:{order.code}",
        key=f"budget:{order.code}:{order.budget_minor}:{reached}",
    )


def _lock(profile: BillingProfile) -> None:
    locked = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    if locked.status == "closed":
        raise Refused(_("This billing profile is closed."), "profile_closed")


def _check(profile: BillingProfile, values: OrderValues, but: PurchaseOrder | None = None) -> None:
    others = PurchaseOrder.objects.filter(profile=profile, number__iexact=values.number)
    if but is not None:
        others = others.exclude(pk=but.pk)
    if others.exists():
        raise Refused(_("This billing profile has a purchase order of that number already."), "number_taken")
    if values.valid_until is not None and values.valid_until < values.valid_from:
        raise Refused(_("It would end before it starts."), "ends_first")
    if values.subscription is not None and values.subscription.profile_id != profile.pk:
        raise Refused(_("This subscription is on another billing profile."), "other_profile")
