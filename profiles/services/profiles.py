"""Making billing profiles and changing what their next invoice carries."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Address, AddressKind, BillingAccount, Seller
from accounts.services.addresses import WRITABLE, create_address, save_address, tell_address_changed
from accounts.services.notices import mail_people
from accounts.services.roles import lock_account, refuse_closed
from core.errors import Refused
from core.history import acting
from core.messages import MailClass
from core.policy import INHERITED_AS, Action, Role, demand, read_roles, roles_on
from profiles.models import BillingProfile, MarketplacePolicy, ProfileKind, ProfileRole
from profiles.people import effective_owners
from profiles.time_zones import main_time_zone


@transaction.atomic
def create_profile(
    account: BillingAccount,
    *,
    name: str,
    po_number: str = "",
    bill_to: Mapping[str, str] | None = None,
    sends_invoices: bool = False,
    by: Any,
) -> BillingProfile:
    """Make a profile in a customer-agreement account (S2-11). `by` is None for a command of the vendor's.

    `bill_to` holds the fields of an address; without it the account's sold-to is copied, incomplete
    where that is. Currency, payment term and time zone follow from the account and the seller. The
    creator becomes its owner unless an account role makes them one already (§2.1).

    Refuses `name_taken`, `account_closed`, and `no_profiles_here` on an online-services account,
    whose subscriptions bring their own.
    """
    lock_account(account)
    refuse_closed(account)
    if by is not None:
        demand(by, Action.PROFILE_CREATE, account)
    if account.is_online_services:
        raise Refused(
            _("An online-services account has no billing profiles; each subscription is billed by itself."),
            "no_profiles_here",
        )
    _refuse_taken_name(account, name)
    with acting(by, "profile.created"):
        profile = BillingProfile.objects.create(
            name=name,
            po_number=po_number,
            bill_to=_new_bill_to(account, bill_to),
            sends_invoices=sends_invoices,
            **_from_account(account, by),
        )
        if by is not None and not _owns_by_inheritance(by, account):
            ProfileRole.objects.create(profile=profile, user=by, role=Role.PROFILE_OWNER, assigned_by=by)
    return profile


@transaction.atomic
def create_subscription_profile(account: BillingAccount, *, name: str, by: Any) -> BillingProfile:
    """Make the hidden profile of one subscription of an online-services account (architecture §3).

    It is invoiced to the account's bill-to, and its owner is the account administrator.
    Refuses `account_closed`.
    """
    lock_account(account)
    refuse_closed(account)
    if by is not None:
        demand(by, Action.SUBSCRIPTION_CREATE, account)
    if not account.is_online_services:
        raise ValueError("a customer agreement bills its subscriptions on profiles that people know")
    with acting(by, "profile.created"):
        return BillingProfile.objects.create(
            kind=ProfileKind.SUBSCRIPTION, name=name[:100], **_from_account(account, by)
        )


@transaction.atomic
def update_profile(
    profile: BillingProfile,
    *,
    name: str,
    po_number: str,
    coming_po_number: str = "",
    coming_po_from: date | None = None,
    invoice_day: int | None = None,
    version: int,
    bill_to: Mapping[str, str],
    bill_to_version: int,
    by: Any,
) -> bool:
    """Change what invoices carry from now on; issued ones keep theirs (S2-5b, S0-8a). Returns whether anything changed.

    From the day `coming_po_from` on, invoices carry `coming_po_number`, which may be empty (P17). The
    versions are those that the person had before them; without `invoice_day` that stays. Owners get a
    mail when the bill-to changed (§3.9). Refuses `name_taken`, `profile_closed`, `invoice_day` outside
    1 to 28, `po_without_day`, and `changed_meanwhile` when somebody else saved first; nothing is
    written then.
    """
    if profile.bill_to is None:
        raise ValueError("the profile of a subscription has nothing of its own to edit")
    for right in (Action.PROFILE_RENAME, Action.PROFILE_EDIT_PO_NUMBER):
        demand(by, right, profile)
    lock_account(profile.account)
    stored = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    if stored.version != version:
        raise Refused(_("Somebody else changed this profile meanwhile. Look at both and decide."), "changed_meanwhile")
    if stored.status == "closed":
        raise Refused(_("This billing profile is closed, so nothing on it changes any more."), "profile_closed")
    values: dict[str, Any] = {
        "name": name,
        "po_number": po_number,
        "coming_po_number": coming_po_number,
        "coming_po_from": coming_po_from,
        "invoice_day": stored.invoice_day if invoice_day is None else invoice_day,
    }
    if not 1 <= values["invoice_day"] <= 28:
        raise Refused(_("Choose a day that every month has: 1 to 28."), "invoice_day")
    if coming_po_number and coming_po_from is None:
        raise Refused(_("Say from which day the next PO number counts."), "po_without_day")
    if values["invoice_day"] != stored.invoice_day:
        demand(by, Action.PROFILE_EDIT_INVOICE_DAY, profile)
    moved = save_address(
        profile.bill_to,
        bill_to,
        version=bill_to_version,
        of=profile,
        action=Action.PROFILE_EDIT_BILL_TO,
        by=by,
    )
    if moved:
        tell_address_changed(
            profile, name=profile.name, path=profile.get_absolute_url(), by=by, people=effective_owners(profile)
        )
    if all(getattr(stored, field) == value for field, value in values.items()):
        return moved
    _refuse_taken_name(profile.account, name, but=stored)
    with acting(by, "profile.changed"):
        _write(profile, **values, version=version + 1)
    return True


@transaction.atomic
def set_policies(profile: BillingProfile, *, marketplace_policy: str, allows_reservations: bool, by: Any) -> bool:
    """Say which kinds of purchase the profile allows from now on; what was bought stays (S2-7).

    The owners and whoever changed it get a mail. Returns whether anything changed. Refuses `profile_closed`.
    """
    demand(by, Action.PROFILE_APPLY_POLICIES, profile)
    stored = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    if stored.status == "closed":
        raise Refused(_("This billing profile is closed, so nothing on it changes any more."), "profile_closed")
    policy = MarketplacePolicy(marketplace_policy)
    if (stored.marketplace_policy, stored.allows_reservations) == (policy, allows_reservations):
        return False
    with acting(by, "profile.policies"):
        _write(profile, marketplace_policy=policy, allows_reservations=allows_reservations)
    mail_people(
        [*effective_owners(profile), by],
        template="policies_changed",
        mail_class=MailClass.ACCESS_CHANGED,
        context={
            "profile": profile.name,
            "by": str(by),
            "marketplace": str(policy),
            "reservations": allows_reservations,
            "path": reverse("profile_policies", args=[profile.code]),
        },
        reference=f"profile:{profile.code}",
    )
    return True


def bring_po_numbers_up(on: date) -> int:
    """Make the next PO number the present one where its day has come; returns on how many profiles.

    Invoices look at the day themselves, so this only tidies what people see.
    """
    with acting(None, "profile.po_number"):
        return BillingProfile.objects.filter(coming_po_from__lte=on).update(
            po_number=F("coming_po_number"), coming_po_number="", coming_po_from=None, version=F("version") + 1
        )


@transaction.atomic
def set_email_preference(profile: BillingProfile, *, sends_invoices: bool, attaches_pdf: bool, by: Any) -> bool:
    """Switch invoices by e-mail on or off for everybody on the profile, with the PDF or a link (S4-6, S4-2a).

    Returns whether anything changed.
    """
    demand(by, Action.PROFILE_EDIT_EMAIL_PREFERENCE, profile)
    stored = BillingProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)
    if (stored.sends_invoices, stored.attaches_pdf) == (sends_invoices, attaches_pdf):
        return False
    with acting(by, "profile.email_preference"):
        _write(profile, sends_invoices=sends_invoices, attaches_pdf=attaches_pdf)
    return True


def _write(profile: BillingProfile, **values: Any) -> None:
    BillingProfile.objects.filter(pk=profile.pk).update(**values)
    profile.refresh_from_db(fields=list(values))


def _from_account(account: BillingAccount, by: Any) -> dict[str, Any]:
    """What every new profile takes over."""
    term = Seller.objects.values_list("payment_term_days", flat=True).first()
    return {
        "account": account,
        "currency": account.currency,
        "time_zone": main_time_zone(account.country.code),
        "created_by": by,
        **({"payment_term_days": term} if term is not None else {}),
    }


def _new_bill_to(account: BillingAccount, values: Mapping[str, str] | None) -> Address:
    if values is not None:
        return create_address(AddressKind.BILL_TO, account.country.code, values)
    sold_to = account.sold_to
    copied = create_address(
        AddressKind.BILL_TO, account.country.code, {name: getattr(sold_to, name) for name in WRITABLE}
    )
    if not sold_to.is_complete:
        Address.objects.filter(pk=copied.pk).update(is_complete=False)
        copied.is_complete = False
    return copied


def _refuse_taken_name(account: BillingAccount, name: str, but: BillingProfile | None = None) -> None:
    """The account is locked, so nobody takes the name between this look and the write."""
    others = BillingProfile.objects.filter(account=account).shown().open().called(name)
    if but is not None:
        others = others.exclude(pk=but.pk)
    if others.exists():
        raise Refused(
            _("This account has a billing profile called “%(name)s” already. Choose another name."),
            "name_taken",
            {"name": name},
        )


def _owns_by_inheritance(user: Any, account: BillingAccount) -> bool:
    held = roles_on(user, account, read_roles(user))
    return any(INHERITED_AS.get(role) == Role.PROFILE_OWNER for role in held)
