"""Which method pays for what: the default of each profile, and taking a method away.

Locks are taken in one order everywhere: payment, invoice, method, number series.
"""

from collections.abc import Iterable
from datetime import date

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand
from core.states import move
from payments.blockers import blockers
from payments.gateways.registry import gateway_named
from payments.mail import tell_default_changed, tell_method_removed
from payments.models import PaymentMethod, ProfileMethods
from payments.services.mandates import cancel_mandate
from payments.states import MethodStatus
from profiles.models import BillingProfile
from subscriptions.models import Subscription


def default_right(profile: BillingProfile) -> Action:
    """The right to choose what this profile pays with; the hidden one of a subscription has its own (§2.2)."""
    return Action.METHOD_REPLACE_DEFAULT if profile.is_shown else Action.METHOD_SET_ACTIVE


def demand_default(by: User, profile: BillingProfile) -> None:
    """Raise Forbidden unless the person may choose what the profile pays with."""
    demand(by, default_right(profile), profile)


# --- Defaults -----------------------------------------------------------------------------------


def set_default_method(method: PaymentMethod, *, profiles: Iterable[BillingProfile], by: User, on: date) -> None:
    """Let these profiles pay with the method from now on (S3-9, S3-11, S3-23): all of them, or none.

    What they paid with before is kept. Refuses `method_gone`, `expired` on that day, and `not_offered`
    where the method belongs to another profile.
    """
    profiles = list(profiles)
    for profile in profiles:
        demand_default(by, profile)
    with transaction.atomic(), acting(by, "method.replace_default"):
        method = lock_method(method)
        _check_usable(method, profiles, on)
        changed = make_default(method, profiles)
        if changed:
            tell_default_changed(method, changed, by=by)


def make_default(method: PaymentMethod, profiles: Iterable[BillingProfile]) -> list[BillingProfile]:
    """Write the default of each profile, in the caller's transaction; returns those that changed."""
    changed = []
    for profile in sorted(profiles, key=lambda profile: profile.pk):
        methods, _made = ProfileMethods.objects.select_for_update().get_or_create(profile=profile)
        if methods.default_id != method.pk:
            methods.default = method
            methods.backup = None if methods.backup_id == method.pk else methods.backup
            methods.save()
            changed.append(profile)
    return changed


def sharing_subscriptions(subscription: Subscription) -> QuerySet[Subscription]:
    """The subscriptions of the account whose active method is the same as this one's, itself included (S3-9)."""
    same = Q(pk=subscription.pk)
    methods = ProfileMethods.objects.filter(profile=subscription.profile_id).first()
    if methods is not None and methods.default_id is not None:
        same |= Q(profile__methods__default=methods.default_id)
    alive = Subscription.objects.filter(account=subscription.account_id).exclude(status="deleted")
    return alive.filter(same).select_related("profile").order_by("name", "pk")


def lock_method(method: PaymentMethod) -> PaymentMethod:
    """The method as it is stored, locked until the transaction ends; refuses `method_gone`."""
    stored = PaymentMethod.objects.select_for_update(of=("self",)).select_related("account").get(pk=method.pk)
    if not stored.is_kept:
        raise Refused(
            _("%(method)s was removed a moment ago. Choose another payment method.") % {"method": stored}, "method_gone"
        )
    return stored


def _check_usable(method: PaymentMethod, profiles: Iterable[BillingProfile], on: date) -> None:
    if method.is_expired(on):
        raise Refused(_("%(method)s has expired. Choose another card, or add one.") % {"method": method}, "expired")
    for profile in profiles:
        if not is_offered(method, profile):
            raise Refused(
                _("%(method)s belongs to another billing profile. Add it here, or to the whole account.")
                % {"method": method},
                "not_offered",
            )


def is_offered(method: PaymentMethod, profile: BillingProfile) -> bool:
    """Whether the profile may pay with it: its own, or one of the whole account."""
    return method.account_id == profile.account_id and method.profile_id in {None, profile.pk}


# --- Taking away --------------------------------------------------------------------------------


def remove_method(
    method: PaymentMethod, *, replacement: PaymentMethod | None = None, by: User, on: date
) -> PaymentMethod:
    """Take the method away: the gateway forgets it, past payments keep brand and last four digits (S3-14).

    With `replacement`, every profile it paid for gets that one first. Refuses `in_use` and names all that
    stands in the way (S3-15), and what `set_default_method` refuses.
    """
    demand(by, Action.METHOD_DELETE, method)
    with transaction.atomic(), acting(by, "method.remove"):
        for each in sorted(filter(None, (method, replacement)), key=lambda each: each.pk):
            lock_method(each)
        if replacement is not None:
            _replace(method, replacement, by, on)
        if standing := blockers(method, on=on, replaced=replacement is not None):
            titles = ", ".join(blocker.title for blocker in standing)
            raise Refused(
                _("%(method)s is still in use: %(blockers)s.") % {"method": method, "blockers": titles}, "in_use"
            )
        move(method, MethodStatus.DETACHED)
        cancel_mandate(method)
        tell_method_removed(method, by=by)
    return method


def forget_method(method: PaymentMethod) -> None:
    """Have the gateway forget a method that was taken away. Twice is once."""
    gateway_named(method.gateway).detach(token=method.token)
    with acting(None, "method.forget"):
        move(method, MethodStatus.DELETED, token="", holder="", billing_address="", fingerprint="")


def _replace(method: PaymentMethod, replacement: PaymentMethod, by: User, on: date) -> None:
    if replacement.pk == method.pk:
        raise Refused(_("Choose another payment method to use instead."), "same_method")
    profiles = [methods.profile for methods in method.default_of.select_related("profile")]
    for profile in profiles:
        demand_default(by, profile)
    _check_usable(replacement, profiles, on)
    make_default(replacement, profiles)
    for methods in ProfileMethods.objects.filter(backup=method):
        methods.backup = None
        methods.save()
    if profiles:
        tell_default_changed(replacement, profiles, by=by)
