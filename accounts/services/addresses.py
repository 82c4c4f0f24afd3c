"""Changing addresses: two people never overwrite each other unseen, and issued invoices keep what they carry."""

from collections.abc import Mapping
from typing import Any

from django.db import models, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.address_rules import rules_for
from accounts.models import Address, AddressKind, BillingAccount
from accounts.services.notices import mail_people, owners_of
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import Action, demand

# What a person may write; kind, country and version are never input.
WRITABLE = (
    "company_name",
    "contact_name",
    "email",
    "phone",
    "line1",
    "line2",
    "line3",
    "district",
    "city",
    "region",
    "postal_code",
)


def create_address(kind: AddressKind, country: str, values: Mapping[str, str]) -> Address:
    """Write a new address, in the caller's transaction: it belongs to something that the caller makes.

    One that lacks what its country demands is marked as incomplete.
    """
    values = _checked(values)
    return Address.objects.create(kind=kind, country=country, is_complete=is_complete(country, values), **values)


def is_complete(country: str, values: Mapping[str, str]) -> bool:
    """Whether mail to it would arrive: a company, and what the country demands."""
    return bool(values.get("company_name")) and not rules_for(country).errors(values)


def save_address(
    address: Address, values: Mapping[str, str], *, version: int, of: models.Model, action: Action, by: Any
) -> bool:
    """Write `values` into the address, in the caller's transaction. Returns whether anything changed.

    `of` is the account or profile that the address belongs to, and `action` the right on it that the
    person needs. Refuses `changed_meanwhile` when the stored version is not the one that the person
    had before them; nothing is written then. The country never changes.
    """
    demand(by, action, of)
    values = _checked(values)
    stored = Address.objects.select_for_update().get(pk=address.pk)
    if stored.version != version:
        raise Refused(_("Somebody else changed this address meanwhile. Look at both and decide."), "changed_meanwhile")
    changed = {name: value for name, value in values.items() if getattr(stored, name) != value}
    if not changed:
        return False
    whole = is_complete(stored.country.code, {**stored.snapshot(), **changed})
    with acting(by, "address.changed"):
        Address.objects.filter(pk=address.pk).update(
            **changed, is_complete=whole, version=version + 1, updated_at=timezone.now()
        )
    address.refresh_from_db()
    return True


@transaction.atomic
def save_account_addresses(
    account: BillingAccount,
    *,
    sold_to: Mapping[str, str],
    sold_to_version: int,
    bill_to: Mapping[str, str] | None = None,
    bill_to_version: int | None = None,
    by: Any,
) -> bool:
    """Change the sold-to and, on online services, the bill-to: all or nothing (S0-8). Returns whether anything
    changed; then the owners get a mail (§3.9).

    Counts for invoices that are issued from now on; issued ones keep theirs (S0-8a). Refuses
    `changed_meanwhile` as `save_address` does.
    """
    right = Action.ACCOUNT_EDIT_SOLD_TO
    changed = save_address(account.sold_to, sold_to, version=sold_to_version, of=account, action=right, by=by)
    if bill_to is not None:
        if account.bill_to is None or bill_to_version is None:
            raise ValueError("a customer agreement has its bill-to addresses on its billing profiles")
        changed |= save_address(account.bill_to, bill_to, version=bill_to_version, of=account, action=right, by=by)
    if changed:
        path = reverse("account_properties", args=[account.code])
        tell_address_changed(account, name=account.name, path=path, by=by, people=owners_of(account))
    return changed


def tell_address_changed(of: models.Model, *, name: str, path: str, by: Any, people: Any) -> None:
    """Mail these people that an address of the account or profile called `name` was changed."""
    mail_people(
        people,
        template="address_changed",
        mail_class=MailClass.ACCESS_CHANGED,
        context={"name": name, "by": str(by), "path": path},
        reference=f"{of._meta.model_name}:{of.pk}",
    )


def _checked(values: Mapping[str, str]) -> dict[str, str]:
    if unknown := set(values) - set(WRITABLE):
        raise ValueError(f"not part of an address that a person writes: {sorted(unknown)}")
    return dict(values)
