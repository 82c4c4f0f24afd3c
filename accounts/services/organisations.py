"""What an organisation says of itself (S1-2). None of it stands on an invoice."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Address, AddressKind, BillingAccount, Organisation
from core.errors import Refused
from core.history import acting
from core.policy import Action, demand

WRITABLE = (
    "name",
    "phone",
    "preferred_language",
    "technical_contact_name",
    "technical_contact_email",
    "technical_contact_phone",
)


@transaction.atomic
def update_organisation(
    organisation: Organisation, values: Mapping[str, str], *, address: Mapping[str, str], version: int, by: Any
) -> bool:
    """Change the profile of an organisation; its accounts, their names and their sold-to stay as they are.

    `values` are WRITABLE fields, `address` postal fields. The country is that of `country_of` and is never
    written. Returns whether anything changed. Refuses `changed_meanwhile` for an old version.
    """
    demand(by, Action.ORGANISATION_EDIT, organisation)
    if unknown := set(values) - set(WRITABLE):
        raise ValueError(f"not part of an organisation that a person writes: {sorted(unknown)}")
    stored = (
        Organisation.objects.select_for_update(no_key=True, of=("self",))
        .select_related("address")
        .get(pk=organisation.pk)
    )
    if stored.version != version:
        raise Refused(_("Somebody else changed this profile meanwhile. Look at both and decide."), "changed_meanwhile")
    changed: dict[str, Any] = {name: value for name, value in values.items() if getattr(stored, name) != value}
    moved = {name: value for name, value in address.items() if getattr(stored.address, name, "") != value}
    if not changed and not moved:
        return False
    with acting(by, "organisation.changed"):
        if moved and stored.address is None:
            changed["address"] = Address.objects.create(
                kind=AddressKind.ORGANISATION,
                country=country_of(stored),
                company_name=values.get("name", ""),
                **address,
            )
        elif moved:
            Address.objects.filter(address_of=stored).update(**moved, updated_at=timezone.now())
        Organisation.objects.filter(pk=stored.pk).update(**changed, version=version + 1)
    organisation.refresh_from_db()
    return True


def country_of(organisation: Organisation) -> str:
    """The country of the organisation: of its address, else of its first account. Nobody changes it in the portal."""
    if organisation.address is not None:
        return str(organisation.address.country.code)
    first = BillingAccount.objects.filter(organisation=organisation).order_by("pk").values_list("country", flat=True)
    return str(first.first() or "NL")
