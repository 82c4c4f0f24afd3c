"""Who gets the invoices of a profile by mail, and why: the one list that the pages show and the mail job follows
(P10, S4-2, S4-2b, §3.9)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models.functions import Lower
from django.utils.translation import gettext as _

from accounts.models import User
from core.policy import PROFILE_ROLES, Action, Role, holders
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
    muted = set(InvoiceMute.objects.filter(profile=profile).values_list("user_id", flat=True))
    found: dict[str, InvoiceRecipient] = {}
    for held in sorted(holders(Action.INVOICE_RECEIVE, profile, on), key=_rank):
        person = InvoiceRecipient(
            held.user.billing_email, user=held.user, role=Role(held.role), is_muted=held.user_id in muted
        )
        found.setdefault(person.email.lower(), person)
    people = sorted(found.values(), key=lambda each: (each.name.lower(), each.email))
    extras = [
        InvoiceRecipient(extra.email, extra=extra)
        for extra in ExtraRecipient.objects.filter(profile=profile).select_related("added_by").order_by(Lower("email"))
        if extra.email.lower() not in found
    ]
    return people + extras


def mailed_recipients(profile: BillingProfile, *, on: date) -> list[InvoiceRecipient]:
    """Those who are sent each invoice, once the profile wants invoices by mail."""
    return [recipient for recipient in recipients_on(profile, on=on) if recipient.gets_mail]


def still_wanted(profile: BillingProfile, *, email: str, user_id: int | None) -> bool:
    """Whether an invoice may still go there: the right, the mute or the address may have changed meanwhile (I23)."""
    if user_id is None:
        return ExtraRecipient.objects.filter(profile=profile, email__iexact=email, confirmed_at__isnull=False).exists()
    if not any(holders(Action.INVOICE_RECEIVE, profile, user=user_id)):
        return False
    return not InvoiceMute.objects.filter(profile=profile, user=user_id).exists()


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
