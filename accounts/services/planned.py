"""Changes of addresses that count from a day: planned, withdrawn, and brought into force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import Address, BillingAccount, PlannedAddress, PlannedChange
from accounts.services.addresses import WRITABLE, is_complete
from accounts.services.notices import mail_people, owners_of
from accounts.services.roles import lock_account
from accounts.states import PlanStatus
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import Action, demand
from core.states import move

FARTHEST = timedelta(days=2 * 366)
# What the post reads belongs together: where one of these changes, all of them are written.
_POSTAL = ("line1", "line2", "line3", "district", "city", "region", "postal_code")


@dataclass(frozen=True)
class Part:
    """One address, what it is to become, and the version that the person had before them."""

    address: Address
    values: Mapping[str, str]
    version: int | None


def check_day(day: date, *, today: date) -> None:
    """Refuse `day_over` for a day before today, and `day_too_far` beyond two years."""
    if day < today:
        raise Refused(_("This day is over. Leave it empty to change the address at once."), "day_over")
    if day > today + FARTHEST:
        raise Refused(_("Choose a day within the next two years."), "day_too_far")


@transaction.atomic
def plan_addresses(
    account: BillingAccount,
    parts: Sequence[Part],
    *,
    takes_effect_on: date,
    today: date,
    of: models.Model,
    action: Action,
    by: Any,
) -> PlannedChange | None:
    """Plan a change of these addresses, all together, for a day to come. None where nothing would change.

    `of` and `action` as in `save_address`. Refuses `changed_meanwhile`, `change_planned` where one of them has
    a planned change already, and a day that is not to come or too far away.
    """
    lock_account(account)
    demand(by, action, of)
    check_day(takes_effect_on, today=today)
    if takes_effect_on == today:
        raise Refused(_("This day is over. Leave it empty to change the address at once."), "day_over")
    found = []
    # In one order, so that two people never wait for each other; two who plan at once do so one by one.
    for part in sorted(parts, key=lambda part: part.address.pk):
        stored = Address.objects.select_for_update().get(pk=part.address.pk)
        if stored.version != part.version:
            raise Refused(
                _("Somebody else changed this address meanwhile. Look at both and decide."), "changed_meanwhile"
            )
        if values := _changed(stored, part.values):
            found.append((stored, values))
    waiting = PlannedChange.objects.waiting().touching(*(address for address, _values in found)).first()
    if waiting is not None:
        raise Refused(
            _("A change of this address is planned already, for %(day)s. Withdraw that one first."),
            "change_planned",
            {"day": date_format(waiting.takes_effect_on)},
        )
    if not found:
        return None
    with acting(by, "change.planned"):
        change = PlannedChange.objects.create(account=account, takes_effect_on=takes_effect_on, planned_by=by)
        PlannedAddress.objects.bulk_create(
            [PlannedAddress(change=change, address=address, values=values) for address, values in found]
        )
    return change


def plan_account_addresses(
    account: BillingAccount,
    *,
    sold_to: Mapping[str, str],
    sold_to_version: int | None,
    bill_to: Mapping[str, str] | None = None,
    bill_to_version: int | None = None,
    takes_effect_on: date,
    today: date,
    by: Any,
) -> PlannedChange | None:
    """`save_account_addresses` from a day to come; the owners get a mail. None where nothing would change."""
    parts = [Part(account.sold_to, sold_to, sold_to_version)]
    if bill_to is not None and account.bill_to is not None:
        parts.append(Part(account.bill_to, bill_to, bill_to_version))
    with transaction.atomic():
        change = plan_addresses(
            account,
            parts,
            takes_effect_on=takes_effect_on,
            today=today,
            of=account,
            action=Action.ACCOUNT_EDIT_SOLD_TO,
            by=by,
        )
        if change is not None:
            path = reverse("account_properties", args=[account.code])
            tell_change_planned(change, name=account.name, path=path, people=owners_of(account), by=by)
    return change


@transaction.atomic
def withdraw_planned_change(change: PlannedChange, *, of: models.Model, action: Action, by: Any) -> None:
    """Take a planned change back. Refuses `no_such_edge` where it is in force or withdrawn already."""
    demand(by, action, of)
    with acting(by, "change.withdrawn"):
        move(change, PlanStatus.WITHDRAWN, ended_at=timezone.now())


@transaction.atomic
def apply_planned_change(change: PlannedChange) -> bool:
    """Write the addresses of a change whose day has come, as done by whoever planned it. Safe to repeat.

    Returns whether it was done now; a change that was withdrawn or applied meanwhile is left as it is.
    """
    stored = PlannedChange.objects.select_for_update().select_related("planned_by").get(pk=change.pk)
    if stored.status != PlanStatus.PLANNED:
        return False
    with acting(stored.planned_by, "address.changed_as_planned"):
        for part in stored.parts.order_by("address_id"):
            address = Address.objects.select_for_update().get(pk=part.address_id)
            before = {name: getattr(address, name) for name in part.values}
            PlannedAddress.objects.filter(pk=part.pk).update(before=before)
            Address.objects.filter(pk=address.pk).update(
                **part.values,
                is_complete=is_complete(address.country.code, {**address.snapshot(), **part.values}),
                version=address.version + 1,
                updated_at=timezone.now(),
            )
        move(stored, PlanStatus.APPLIED, ended_at=timezone.now())
    return True


def tell_change_planned(change: PlannedChange, *, name: str, path: str, people: Any, by: Any) -> None:
    """Mail these people that an address of the account or profile called `name` will change."""
    mail_people(
        people,
        template="address_change_planned",
        mail_class=MailClass.ACCESS_CHANGED,
        context={"name": name, "by": str(by), "path": path, "day": change.takes_effect_on},
        reference=f"plannedchange:{change.pk}",
    )


def _changed(stored: Address, values: Mapping[str, str]) -> dict[str, str]:
    if unknown := set(values) - set(WRITABLE):
        raise ValueError(f"not part of an address that a person writes: {sorted(unknown)}")
    changed = {name: value for name, value in values.items() if getattr(stored, name) != value}
    if set(changed) & set(_POSTAL):
        changed |= {name: value for name, value in values.items() if name in _POSTAL}
    return changed
