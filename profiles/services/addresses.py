"""The addresses of a billing profile: who gets its invoices, and where what it buys is used (§3.2)."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Address, AddressKind, PlannedChange
from accounts.services.addresses import create_address, save_address, tell_address_changed
from accounts.services.planned import Part, plan_addresses, tell_change_planned
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand
from profiles.models import BillingProfile
from profiles.people import effective_owners


@transaction.atomic
def save_addresses(
    profile: BillingProfile,
    *,
    ship_to: Mapping[str, str] | None,
    ship_to_version: int | None = None,
    bill_to: Mapping[str, str] | None = None,
    bill_to_version: int | None = None,
    path: str,
    by: Any,
) -> bool:
    """Change both addresses, or neither. Returns whether anything changed; then the owners get a mail with `path`.

    Without `ship_to` the service is used at the sold-to address. Counts for invoices that are issued from now
    on. Refuses `changed_meanwhile` where somebody else saved first.
    """
    demand(by, Action.PROFILE_EDIT_SHIP_TO, profile)
    changed = False
    if bill_to is not None and profile.bill_to is not None:
        right, seen = Action.PROFILE_EDIT_BILL_TO, bill_to_version or 0
        changed = save_address(profile.bill_to, bill_to, version=seen, of=profile, action=right, by=by)
    changed |= _save_ship_to(profile, ship_to, ship_to_version, by)
    if changed:
        tell_address_changed(profile, name=profile.name, path=path, by=by, people=effective_owners(profile))
    return changed


def _save_ship_to(profile: BillingProfile, values: Mapping[str, str] | None, version: int | None, by: Any) -> bool:
    stored = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    if stored.ship_to_id != profile.ship_to_id:
        raise Refused(_("Somebody else changed this address meanwhile. Look at both and decide."), "changed_meanwhile")
    if values is not None and stored.ship_to is not None:
        right = Action.PROFILE_EDIT_SHIP_TO
        return save_address(stored.ship_to, values, version=version or 0, of=profile, action=right, by=by)
    if values is None and stored.ship_to is None:
        return False
    if stored.ship_to is not None:
        _refuse_planned(stored.ship_to)
    with acting(by, "address.changed"):
        address = None
        if values is not None:
            address = create_address(AddressKind.SHIP_TO, profile.account.country.code, values)
        BillingProfile.objects.filter(pk=profile.pk).update(ship_to=address)
    profile.ship_to = address
    return True


def _refuse_planned(address: Address) -> None:
    if PlannedChange.objects.waiting().touching(address).exists():
        raise Refused(_("A change of this address is planned. Withdraw that one first."), "change_planned")


def plan_profile_addresses(
    profile: BillingProfile,
    *,
    ship_to: Mapping[str, str] | None,
    ship_to_version: int | None = None,
    bill_to: Mapping[str, str] | None = None,
    bill_to_version: int | None = None,
    takes_effect_on: date,
    today: date,
    path: str,
    by: Any,
) -> PlannedChange | None:
    """`save_addresses` from a day to come. None where nothing would change; refuses as `plan_addresses` does."""
    parts = []
    if bill_to is not None and profile.bill_to is not None:
        parts.append(Part(profile.bill_to, bill_to, bill_to_version))
    if ship_to is not None and profile.ship_to is not None:
        parts.append(Part(profile.ship_to, ship_to, ship_to_version))
    with transaction.atomic():
        change = plan_addresses(
            profile.account,
            parts,
            takes_effect_on=takes_effect_on,
            today=today,
            of=profile,
            action=Action.PROFILE_EDIT_SHIP_TO,
            by=by,
        )
        if change is not None:
            tell_change_planned(change, name=profile.name, path=path, people=effective_owners(profile), by=by)
    return change
