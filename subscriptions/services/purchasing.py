"""Buying: what is ordered, on which billing profile, once."""

from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import BillingAccount
from accounts.services.roles import lock_account
from accounts.states import AccountStatus
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand
from profiles.models import BillingProfile, MarketplacePolicy
from profiles.services.profiles import create_profile, create_subscription_profile
from profiles.states import ProfileStatus
from subscriptions.models import Price, ProductKind, Purchase, Subscription, Term

MAX_QUANTITY = 100_000


@transaction.atomic
def purchase_product(
    account: BillingAccount,
    *,
    price: Price,
    quantity: int,
    profile: BillingProfile | None,
    by: Any,
    on: date,
    request_key: str,
) -> Purchase:
    """Buy that many at that price: a subscription that starts on the day, or a one-off (S2-7).

    `profile` None means: on a customer agreement the one billing profile there is, and the first
    purchase of the account makes it, invoiced to a copy of the sold-to (S2-10); on online services the
    hidden profile that each subscription brings. The same `request_key` buys once and gives back what
    it bought, also when it is sent twice at once.

    Refuses `not_on_offer`, `quantity`, `choose_profile`, `profile_not_usable`, `account_closed`,
    `account_disabled`, `policy` where a policy of the profile forbids this kind of product, and
    `key_reused` for a key that bought something else.
    """
    # First, so that two first purchases at once make one profile, and one form sent twice buys once.
    lock_account(account)
    bought = _bought_before(account, price, quantity, request_key, by)
    if bought is not None:
        return bought
    refuse_stopped(account)
    profile = _profile_in(account, profile, by)
    _refuse_offer(account, price, quantity, on)
    if profile is not None and (reason := why_not_allowed(profile, price)):
        raise Refused(_("“%(name)s” does not allow this.") % {"name": profile} + f" {reason}", "policy")
    if profile is None:
        profile = _new_profile(account, price, by)
    with acting(by, "subscription.purchased"):
        return Purchase.objects.create(
            account=account,
            profile=profile,
            subscription=None if price.term == Term.ONE_OFF else _subscribe(profile, price, quantity, by, on),
            product=price.product,
            term=price.term,
            quantity=quantity,
            unit_price=price.unit_price_for(quantity),
            currency=price.currency,
            bought_on=on,
            bought_by=by,
            request_key=request_key,
        )


def why_not_usable(profile: BillingProfile) -> str:
    """Why nothing can be bought on the profile now, with the way out; empty where it can."""
    reasons = {
        ProfileStatus.DISABLED: _("Disabled, since an invoice was not paid. Paying it makes it usable again."),
        ProfileStatus.UNDER_REVIEW: _("Still under review. That takes about a day."),
        ProfileStatus.CLOSED: _("Closed. Choose another one."),
    }
    return reasons.get(ProfileStatus(profile.status), "")


def why_not_allowed(profile: BillingProfile, price: Price) -> str:
    """The policy of the profile that forbids to buy this, with the way out; empty where none does (S2-7)."""
    kind, policy = price.product.kind, profile.marketplace_policy
    if kind == ProductKind.RESERVATION and not profile.allows_reservations:
        return _("Its policy “Reservations” is set to not allowed. Somebody who sets its policies can change that.")
    if kind == ProductKind.MARKETPLACE and (
        policy == MarketplacePolicy.NONE or (policy == MarketplacePolicy.FREE and price.unit_price > 0)
    ):
        said = _("Its policy “Products of other companies” is set to “%(value)s”. ")
        return said % {"value": MarketplacePolicy(policy).label} + _("Somebody who sets its policies can change that.")
    return ""


def _profile_in(account: BillingAccount, profile: BillingProfile | None, by: Any) -> BillingProfile | None:
    """The profile to buy on, with the right to; None where the purchase makes one."""
    if account.is_online_services:
        if profile is not None:
            raise ValueError("each subscription of an online-services account brings its own profile")
        demand(by, Action.SUBSCRIPTION_CREATE, account)
        return None
    if profile is None:
        profile = _only_profile(account)
    if profile is None:
        demand(by, Action.PROFILE_PURCHASE, account)
        return None
    if profile.account_id != account.pk or not profile.is_shown:
        raise ValueError("the profile is of another account")
    demand(by, Action.PROFILE_PURCHASE, profile)
    profile.refresh_from_db(fields=["status", "marketplace_policy", "allows_reservations"])
    if reason := why_not_usable(profile):
        raise Refused(_("“%(name)s” cannot be used to buy.") % {"name": profile} + f" {reason}", "profile_not_usable")
    return profile


def _only_profile(account: BillingAccount) -> BillingProfile | None:
    profiles = list(BillingProfile.objects.filter(account=account).shown().open()[:2])
    if len(profiles) > 1:
        raise Refused(_("Choose the billing profile that this is bought on."), "choose_profile")
    return profiles[0] if profiles else None


def _new_profile(account: BillingAccount, price: Price, by: Any) -> BillingProfile:
    if account.is_online_services:
        return create_subscription_profile(account, name=_name_of(account, price), by=by)
    return create_profile(account, name=account.name[:100], by=by)


def _subscribe(profile: BillingProfile, price: Price, quantity: int, by: Any, on: date) -> Subscription:
    return Subscription.objects.create(
        account_id=profile.account_id,
        profile=profile,
        name=_name_of(profile.account, price),
        product=price.product,
        term=price.term,
        quantity=quantity,
        unit_price=price.unit_price_for(quantity),
        tiers=price.ladder,
        currency=price.currency,
        started_on=on,
        created_by=by,
    )


def _name_of(account: BillingAccount, price: Price) -> str:
    """The product in the language that the organisation prefers: the name stands on its invoices."""
    return price.product.name_in(account.organisation.preferred_language)


def _bought_before(account: BillingAccount, price: Price, quantity: int, request_key: str, by: Any) -> Purchase | None:
    bought = Purchase.objects.filter(request_key=request_key).select_related("product", "profile").first()
    if bought is None:
        return None
    asked = (account.pk, price.product_id, price.term, quantity)
    if (bought.account_id, bought.product_id, bought.term, bought.quantity) != asked:
        raise Refused(_("This order was sent already, with another content. Start again from the list."), "key_reused")
    demand(by, Action.SUBSCRIPTION_CREATE, bought.profile)
    return bought


def refuse_stopped(account: BillingAccount) -> None:
    """Refuse `account_closed` and `account_disabled`: nothing can be bought there now."""
    account.refresh_from_db(fields=["status"])
    if account.status == AccountStatus.CLOSED:
        raise Refused(_("This billing account is closed, so nothing can be bought in it."), "account_closed")
    if account.status == AccountStatus.DISABLED:
        raise Refused(
            _("This billing account is disabled, since an invoice was not paid. Pay it first."), "account_disabled"
        )


def _refuse_offer(account: BillingAccount, price: Price, quantity: int, on: date) -> None:
    if not Price.objects.valid(on).filter(pk=price.pk, currency=account.currency).exists():
        raise Refused(_("This is no longer on offer at this price. Look at the list again."), "not_on_offer")
    if not 1 <= quantity <= MAX_QUANTITY:
        raise Refused(
            _("Buy at least one and at most %(most)s at once.") % {"most": MAX_QUANTITY},
            "quantity",
        )
