"""Copying a billing profile to another account, as somebody does who moves to another country (P15).

It stands in this app, since the sections of a profile do.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from accounts.models import BillingAccount
from core.errors import Refused
from core.policy import Action, Role, demand, may
from profiles.models import BillingProfile, ExtraRecipient, InvoiceSection, ProfileRole
from profiles.services.profiles import create_profile, set_email_preference, set_policies
from profiles.services.recipients import add_recipient
from profiles.services.roles import assign_profile_role, invite_to_profile
from subscriptions.sections import add_section


@dataclass(frozen=True)
class Cloned:
    """The new profile, and in whose place nothing was made, each with the reason."""

    profile: BillingProfile
    left_out: list[tuple[str, Refused]]


@transaction.atomic
def clone_profile(
    profile: BillingProfile,
    *,
    to: BillingAccount,
    name: str,
    po_number: str,
    recipients: Collection[ExtraRecipient] = (),
    roles: Collection[ProfileRole] = (),
    by: Any,
) -> Cloned:
    """Make a profile like this one in `to`: its policies, its way of sending invoices, its sections.

    The bill-to is copied within a country; in another one it is the sold-to of that account, since address and tax
    follow the country. The holders of `recipients` are asked again, and nobody gets a mail before they say yes. Those
    of `roles` get the same role, or are invited where they do not belong to the organisation. Payment methods,
    subscriptions, invoices and the payment term stay where they are.

    Refuses `name_taken`, `account_closed` and `no_profiles_here` as `create_profile` does. A person or an address
    that cannot be taken over is left out, and the rest is made.
    """
    demand(by, Action.PROFILE_RENAME, profile)
    same_country = to.country == profile.account.country
    bill_to = profile.bill_to.snapshot() if profile.bill_to and same_country else None
    if bill_to is not None:
        del bill_to["country"]
    clone = create_profile(to, name=name, po_number=po_number, bill_to=bill_to, by=by)
    set_email_preference(clone, sends_invoices=profile.sends_invoices, attaches_pdf=profile.attaches_pdf, by=by)
    if may(by, Action.PROFILE_APPLY_POLICIES, clone):
        marketplace, reservations = profile.marketplace_policy, profile.allows_reservations
        set_policies(clone, marketplace_policy=marketplace, allows_reservations=reservations, by=by)
    for section in InvoiceSection.objects.filter(profile=profile, is_default=False).order_by("pk"):
        add_section(clone, name=section.name, by=by)
    return Cloned(clone, [*_ask_again(clone, recipients, by), *_give(clone, roles, by)])


def accounts_for_clones(person: Any) -> Any:
    """Where the person may make profiles."""
    seen = BillingAccount.objects.allowing(person, Action.PROFILE_CREATE)
    return seen.filter(agreement="customer_agreement").exclude(status="closed").order_by("name", "pk")


def roles_to_offer(profile: BillingProfile, person: Any) -> Any:
    """The roles on the profile that the person may give elsewhere: their own comes by itself."""
    if not may(person, Action.PROFILE_ASSIGN_ROLES, profile):
        return ProfileRole.objects.none()
    return ProfileRole.objects.filter(profile=profile).exclude(user=person).select_related("user").order_by("pk")


def _ask_again(clone: BillingProfile, recipients: Iterable[ExtraRecipient], by: Any) -> list[tuple[str, Refused]]:
    left_out = []
    for extra in recipients:
        try:
            with transaction.atomic():
                add_recipient(clone, email=extra.email, language=extra.language, by=by)
        except Refused as refusal:
            left_out.append((extra.email, refusal))
    return left_out


def _give(clone: BillingProfile, roles: Iterable[ProfileRole], by: Any) -> list[tuple[str, Refused]]:
    left_out = []
    for held in roles:
        try:
            with transaction.atomic():
                _give_one(clone, held, by)
        except Refused as refusal:
            left_out.append((str(held.user), refusal))
    return left_out


def _give_one(clone: BillingProfile, held: ProfileRole, by: Any) -> None:
    role, ends = Role(held.role), held.expires_on
    try:
        with transaction.atomic():
            assign_profile_role(clone, user=held.user, role=role, expires_on=ends, by=by)
    except Refused as refusal:
        if refusal.code != "not_a_member":
            raise
        invite_to_profile(clone, email=held.user.email, role=role, expires_on=ends, language=held.user.language, by=by)
