"""Which method pays for what: the default of each profile, and taking a method away.

Locks are taken in one order everywhere: payment, invoice, method, number series.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand, may, read_roles
from core.states import move
from invoices.models import Invoice
from payments.blockers import Blocker, blockers
from payments.gateways.registry import gateway_named
from payments.mail import tell_default_changed, tell_method_removed
from payments.models import Family, PaymentMethod, ProfileMethods
from payments.services.mandates import cancel_mandate
from payments.states import MethodStatus
from profiles.models import BillingProfile
from subscriptions.models import Subscription

LONGEST_PLAN = timedelta(days=2 * 365)


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
    if changed:
        _keep_after_all(method)
    return changed


def set_backup_method(profile: BillingProfile, method: PaymentMethod | None, *, by: User, on: date) -> None:
    """With what the profile falls back when its default is refused (P19); None for nothing.

    Refuses `method_gone`, `expired`, `not_offered`, and `is_default` for the default itself.
    """
    demand_default(by, profile)
    with transaction.atomic(), acting(by, "method.set_backup"):
        if method is not None:
            method = lock_method(method)
            _check_usable(method, [profile], on)
        methods, _made = ProfileMethods.objects.select_for_update().get_or_create(profile=profile)
        if method is not None and methods.default_id == method.pk:
            raise Refused(
                _("%(method)s is the default already. Choose another one as backup.") % {"method": method}, "is_default"
            )
        if methods.backup_id != (method.pk if method else None):
            methods.backup = method
            methods.save()
            if method is not None:
                _keep_after_all(method)


def set_automatic_payment(profile: BillingProfile, *, is_on: bool, by: User) -> None:
    """Whether invoices of the profile are charged by themselves on their due date (§3.9)."""
    demand_default(by, profile)
    with transaction.atomic(), acting(by, "method.automatic_on" if is_on else "method.automatic_off"):
        methods, _made = ProfileMethods.objects.select_for_update().get_or_create(profile=profile)
        if methods.charges_automatically != is_on:
            methods.charges_automatically = is_on
            methods.save()


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


def _check_usable(method: PaymentMethod, profiles: Sequence[BillingProfile], on: date) -> None:
    if method.is_expired(on):
        raise Refused(_("%(method)s has expired. Choose another card, or add one.") % {"method": method}, "expired")
    owing = ProfileMethods.objects.filter(profile__in=profiles, default__family=Family.TRANSFER).exclude(default=method)
    if not method.is_transfer and Invoice.objects.open().filter(profile__in=owing.values("profile")).exists():
        raise Refused(
            _("What is paid by bank transfer moves to another method when nothing is owed on it. Pay it first."),
            "transfer_owed",
        )
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


# --- Replacing ----------------------------------------------------------------------------------


def replace_method(
    method: PaymentMethod,
    replacement: PaymentMethod,
    *,
    defaults: Iterable[BillingProfile],
    backups: Iterable[BillingProfile] = (),
    by: User,
    on: date,
) -> None:
    """Let another method take the place of this one on these profiles (S3-23, §3.4): all of them, or none.

    `defaults` pay with it now, `backups` fall back on it. The old method is kept. Refuses `same_method`,
    `nothing_chosen`, `changed_meanwhile` where one of them has moved since, and what `set_default_method`
    refuses.
    """
    defaults, backups = list(defaults), list(backups)
    if not defaults and not backups:
        raise Refused(_("Choose at least one thing that is to change."), "nothing_chosen")
    for profile in [*defaults, *backups]:
        demand_default(by, profile)
    with transaction.atomic(), acting(by, "method.replace"):
        _lock_both(method, replacement)
        _check_usable(replacement, [*defaults, *backups], on)
        rows = ProfileMethods.objects.select_for_update().filter(Q(default=method) | Q(backup=method))
        held = {(row.profile_id, row.default_id == method.pk) for row in rows.order_by("profile")}
        asked = {(each.pk, True) for each in defaults} | {(each.pk, False) for each in backups}
        if not asked <= held:
            raise Refused(
                _("Somebody else changed what %(method)s pays for. Look again.") % {"method": method},
                "changed_meanwhile",
            )
        if changed := make_default(replacement, defaults):
            tell_default_changed(replacement, changed, by=by)
        _replace_backup(replacement, ProfileMethods.objects.filter(backup=method, profile__in=backups))


def _replace_backup(replacement: PaymentMethod, rows: QuerySet[ProfileMethods]) -> None:
    """The replacement becomes the backup too, where it is offered and is not the default already."""
    for row in rows.select_for_update(of=("self",)).select_related("profile").order_by("profile"):
        fits = row.default_id != replacement.pk and is_offered(replacement, row.profile)
        row.backup = replacement if fits else None
        row.save()


def _lock_both(method: PaymentMethod, other: PaymentMethod | None) -> None:
    if other is not None and other.pk == method.pk:
        raise Refused(_("Choose another payment method to use instead."), "same_method")
    for each in sorted(filter(None, (method, other)), key=lambda each: each.pk):
        lock_method(each)


# --- Taking away --------------------------------------------------------------------------------


def remove_method(
    method: PaymentMethod, *, replacement: PaymentMethod | None = None, detach: bool = False, by: User, on: date
) -> PaymentMethod:
    """Take the method away: the gateway forgets it, past payments keep brand and last four digits (S3-14).

    With `replacement`, every profile it paid for gets that one first; with `detach` they are left without
    one, and say so. Refuses `in_use` and names all that stands in the way (S3-15), and what
    `set_default_method` refuses.
    """
    demand(by, Action.METHOD_DELETE, method)
    with transaction.atomic(), acting(by, "method.remove"):
        _lock_both(method, replacement)
        if replacement is not None:
            _replace(method, replacement, by, on)
        standing = blockers(method, on=on, replaced=replacement is not None)
        if detach and all(blocker.detachable for blocker in standing):
            standing = _detach(method, by)
        if standing:
            titles = ", ".join(blocker.title for blocker in standing)
            raise Refused(
                _("%(method)s is still in use: %(blockers)s.") % {"method": method, "blockers": titles}, "in_use"
            )
        move(method, MethodStatus.DETACHED, remove_from=None, removal_asked_by=None)
        cancel_mandate(method)
        tell_method_removed(method, by=by)
    return method


def plan_removal(method: PaymentMethod, *, start: date, by: User, on: date) -> None:
    """Have the method deleted by itself: on that day, or the first one after it on which nothing uses it (P4).

    Refuses `method_gone`, and `not_that_day` for a day that has come or is more than two years away.
    """
    demand(by, Action.METHOD_DELETE, method)
    if not on < start <= on + LONGEST_PLAN:
        raise Refused(_("Choose a day after today, and within two years."), "not_that_day")
    with transaction.atomic(), acting(by, "method.plan_removal"):
        _plan(lock_method(method), start, by)


def withdraw_removal(method: PaymentMethod, *, by: User) -> None:
    """Keep the method after all."""
    demand(by, Action.METHOD_DELETE, method)
    with transaction.atomic(), acting(by, "method.withdraw_removal"):
        _plan(lock_method(method), None, None)


def remove_as_planned(method: PaymentMethod, *, on: date) -> bool:
    """Delete the method if its day has come and nothing uses it; else it stays planned. Returns whether it went.

    The plan of somebody who lost the right meanwhile is dropped (I23).
    """
    with transaction.atomic(), acting(None, "method.remove_as_planned"):
        method = PaymentMethod.objects.select_for_update(of=("self",)).select_related("account").get(pk=method.pk)
        person = method.removal_asked_by
        if not method.is_kept or method.remove_from is None or method.remove_from > on or person is None:
            return False
        if not may(person, Action.METHOD_DELETE, method, read_roles(person)):
            _plan(method, None, None)
            return False
        if blockers(method, on=on):
            return False
        remove_method(method, by=person, on=on)
    return True


def forget_method(method: PaymentMethod) -> None:
    """Have the gateway forget a method that was taken away. Twice is once."""
    if method.gateway:
        gateway_named(method.gateway).detach(token=method.token)
    with acting(None, "method.forget"):
        move(method, MethodStatus.DELETED, token="", holder="", billing_address="", fingerprint="")


def _plan(method: PaymentMethod, start: date | None, by: User | None) -> None:
    method.remove_from, method.removal_asked_by = start, by
    method.save(update_fields=["remove_from", "removal_asked_by"])


def _keep_after_all(method: PaymentMethod) -> None:
    """Who lets something pay with a method wants it kept."""
    PaymentMethod.objects.filter(pk=method.pk).exclude(remove_from=None).update(remove_from=None, removal_asked_by=None)


def _detach(method: PaymentMethod, by: User) -> list[Blocker]:
    """Leave every profile without it; nothing stands in the way then."""
    for row in ProfileMethods.objects.select_for_update().filter(Q(default=method) | Q(backup=method)).order_by("pk"):
        demand_default(by, row.profile)
        row.default = None if row.default_id == method.pk else row.default
        row.backup = None if row.backup_id == method.pk else row.backup
        row.save()
    return []


def _replace(method: PaymentMethod, replacement: PaymentMethod, by: User, on: date) -> None:
    # Locked first: a profile for which somebody chose something else at this moment stays as they chose.
    rows = list(ProfileMethods.objects.select_for_update().filter(default=method).order_by("profile"))
    profiles = list(BillingProfile.objects.filter(pk__in=[row.profile_id for row in rows]).select_related("account"))
    for profile in profiles:
        demand_default(by, profile)
    _check_usable(replacement, profiles, on)
    make_default(replacement, profiles)
    _replace_backup(replacement, ProfileMethods.objects.filter(backup=method))
    if profiles:
        tell_default_changed(replacement, profiles, by=by)
