"""The rows of a list of who holds which role on an account, ready to be drawn.

Addresses, days, sentences and what may be done about a row are put together here: done cell by cell in the template,
they were most of the page.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.models import AccountRole, BillingAccount
from accounts.states import AccountStatus
from core.policy import Role
from core.templatetags.ui import chip, day, link_button, menu, menu_link, person

_ANY = 987654321098765  # stands in an address where the key of a row goes


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One role of one person, in words, with what may be done about it."""

    key: str
    person: SafeString
    role: str
    until: str
    status: SafeString
    since: str
    by: str
    select: str
    actions: SafeString


def held_rows(account: BillingAccount, held: Iterable[AccountRole], *, today: date, can_change: bool) -> list[HeldRow]:
    """The rows of these roles, with what may be done about each where `can_change`."""
    labels = {role.value: str(role.label) for role in Role}
    select = _("Select the role of %(person)s")
    statuses, actions = _Statuses(), _Actions(account, can_change)
    return [
        HeldRow(
            key=str(row.pk),
            person=person(row.user.name, row.user.email),
            role=labels[row.role],
            until=_until(row),
            status=statuses.of(row, today),
            since=day(row.assigned_at),
            by=str(row.assigned_by or ""),
            select=select % {"person": row.user},
            actions=actions.of(row),
        )
        for row in held
    ]


class _Actions:
    """Why somebody may what they may, and the menu of what may be done about it; words and routes looked up once."""

    def __init__(self, account: BillingAccount, can_change: bool) -> None:
        self.can_change = can_change
        self.can_stand_in = can_change and account.status != AccountStatus.CLOSED
        self.reasons, self.stand_in, self.removal = (
            _addresses(name, account) for name in ("account_person", "account_role_stand_in", "account_role_removal")
        )
        self.why, self.why_of = _("Why?"), _("What %(name)s may do here, and why")
        self.more = _("More for the role of %(person)s")
        self.to_stand_in, self.to_remove = _("Appoint a stand-in"), _("Remove role")

    def of(self, held: AccountRole) -> SafeString:
        name = self.why_of % {"name": held.user}
        drawn = link_button(self.why, self.reasons(held.user_id), variant="ghost", size="sm", name=name)
        if not self.can_change:
            return drawn
        links = menu_link(self.to_remove, self.removal(held.pk), icon="trash", panel=True)
        if self.can_stand_in and not held.stands_in_for_id:
            links = menu_link(self.to_stand_in, self.stand_in(held.pk), icon="users", panel=True) + links
        return drawn + menu(links, self.more % {"person": held.user})


class _Statuses:
    """The chips, each drawn once for a list."""

    def __init__(self) -> None:
        self.deactivated = chip(_("Deactivated"), "neutral", "status-locked")
        self.ended = chip(_("Ended"), "neutral")
        self.stand_in = chip(_("Stand-in"), "warn")
        self.direct = chip(_("This account"), "info", "direct")

    def of(self, held: AccountRole, today: date) -> SafeString:
        if not held.user.is_active:
            return self.deactivated
        if held.expires_on is not None and held.expires_on < today:
            return self.ended
        return self.stand_in if held.stands_in_for_id else self.direct


def _until(held: AccountRole) -> str:
    if held.expires_on is None:
        return ""
    last = day(held.expires_on)
    if held.stands_in_for is None:
        return _("until %(day)s") % {"day": last}
    return _("for %(person)s until %(day)s") % {"person": held.stands_in_for, "day": last}


def _addresses(name: str, account: BillingAccount) -> Callable[[int], str]:
    """The addresses of a route for any row of the account, the route looked up once."""
    before, after = reverse(name, args=[account.code, _ANY]).rsplit(str(_ANY), 1)
    return lambda key: f"{before}{key}{after}"
