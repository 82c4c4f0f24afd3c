"""Who gets the invoices of a profile by mail, and why: the one list that the pages show and the mail job follows
(P10, S4-2, S4-2b, §3.9)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from accounts.models import User
from core.policy import PROFILE_ROLES, Action, Role, holders_of_each
from profiles.models import BillingProfile, ExtraRecipient, InvoiceMute
from profiles.people import PersonHere, people_on

# What a delivery says of an address that no role brings in.
EXTRA = "extra"


@dataclass(frozen=True)
class InvoiceRecipient:
    """An address that invoices go to, or would go to. Either a person with the role, or an extra address."""

    email: str
    user: User | None = None
    role: Role | None = None
    extra: ExtraRecipient | None = None
    is_muted: bool = False

    @property
    def name(self) -> str:
        return str(self.user) if self.user else ""

    @property
    def language(self) -> str:
        """The language in which the mail is written."""
        return self.user.language if self.user else self.extra.language if self.extra else "en"

    @property
    def is_pending(self) -> bool:
        return self.extra is not None and not self.extra.is_confirmed

    @property
    def gets_mail(self) -> bool:
        return not self.is_muted and not self.is_pending

    @property
    def reason(self) -> str:
        """What a delivery keeps as its reason: the role, or that the address was added."""
        return str(self.role) if self.role else EXTRA


def recipients_on(profile: BillingProfile, *, on: date) -> list[InvoiceRecipient]:
    """Everybody the next invoice could reach, in a fixed number of statements: people with a role of their own on
    the profile (or the administrator of an online-services account), then the extra addresses.

    One per address: who is reached by a role needs no extra address, and the highest role counts.
    """
    return recipients_on_each([profile], on=on)[profile.pk]


def recipients_on_each(profiles: Iterable[BillingProfile], *, on: date) -> dict[int, list[InvoiceRecipient]]:
    """`recipients_on` of many profiles, by primary key; as many statements as for one."""
    profiles = list(profiles)
    held = holders_of_each(Action.INVOICE_RECEIVE, profiles, on)
    muted = set(InvoiceMute.objects.filter(profile__in=held).values_list("profile_id", "user_id"))
    added: dict[int, list[ExtraRecipient]] = {profile.pk: [] for profile in profiles}
    rows = ExtraRecipient.objects.filter(profile__in=held).select_related("added_by").order_by(Lower("email"))
    for extra in rows:
        added[extra.profile_id].append(extra)
    return {pk: _recipients(held[pk], {user for profile, user in muted if profile == pk}, added[pk]) for pk in held}


def _recipients(held: list[Any], muted: set[int], extras: list[ExtraRecipient]) -> list[InvoiceRecipient]:
    found: dict[str, InvoiceRecipient] = {}
    for each in sorted(held, key=_rank):
        person = InvoiceRecipient(
            each.user.billing_email, user=each.user, role=Role(each.role), is_muted=each.user_id in muted
        )
        found.setdefault(person.email.lower(), person)
    people = sorted(found.values(), key=lambda each: (each.name.lower(), each.email))
    added = [InvoiceRecipient(extra.email, extra=extra) for extra in extras if extra.email.lower() not in found]
    return people + added


def mailed_recipients(profile: BillingProfile, *, on: date) -> list[InvoiceRecipient]:
    """Those who are sent each invoice, once the profile wants invoices by mail."""
    return mailed_on_each([profile], on=on)[profile.pk]


def mailed_on_each(profiles: Iterable[BillingProfile], *, on: date) -> dict[int, list[InvoiceRecipient]]:
    """`mailed_recipients` of many profiles, by primary key."""
    reached = recipients_on_each(profiles, on=on)
    return {pk: [recipient for recipient in rows if recipient.gets_mail] for pk, rows in reached.items()}


def still_wanted(profile: BillingProfile, *, email: str, user_id: int | None) -> bool:
    """Whether an invoice may still go there: the right, the mute or the address may have changed meanwhile (I23)."""
    return still_wanted_each([(profile, email, user_id)])[0]


def still_wanted_each(places: Sequence[tuple[BillingProfile, str, int | None]]) -> list[bool]:
    """`still_wanted` for each profile, address and person, in their order; as many statements as for one."""
    profiles = {profile.pk: profile for profile, _email, _user in places}
    held = holders_of_each(Action.INVOICE_RECEIVE, profiles.values())
    people = {pk: {row.user_id for row in rows} for pk, rows in held.items()}
    muted = set(InvoiceMute.objects.filter(profile__in=profiles).values_list("profile_id", "user_id"))
    confirmed = ExtraRecipient.objects.filter(profile__in=profiles, confirmed_at__isnull=False)
    extras = set(confirmed.values_list("profile_id", Lower("email")))
    return [
        (profile.pk, email.lower()) in extras
        if user_id is None
        else user_id in people[profile.pk] and (profile.pk, user_id) not in muted
        for profile, email, user_id in places
    ]


def not_mailed(
    profile: BillingProfile, recipients: Iterable[InvoiceRecipient], *, on: date
) -> list[tuple[PersonHere, str]]:
    """People with a role that counts on the profile who get no invoice by mail, with the reason (P10)."""
    reached = {recipient.user.pk for recipient in recipients if recipient.user}
    return [
        (here, _("Role given on %(scope)s, not on the profile itself") % {"scope": here.scope})
        for here in people_on(profile, on=on)
        if here.user.pk not in reached
    ]


def _rank(held: object) -> int:
    role = held.role  # type: ignore[attr-defined]
    return PROFILE_ROLES.index(role) if role in PROFILE_ROLES else -1
