"""The rows of a list of who holds which role on an account, ready to be drawn.

Addresses, days and sentences are put together here once: done cell by cell in the template, they were most of the page.
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
from core.templatetags.ui import chip, day

_ANY = 987654321098765  # stands in an address where the key of a row goes


@dataclass(frozen=True, slots=True)
class HeldRow:
    """One role of one person, in words. `stand_in` and `removal` are addresses, empty where they are not offered."""

    key: str
    name: str
    email: str
    role: str
    until: str
    status: SafeString
    since: str
    by: str
    select: str
    why: str
    reasons: str
    more: str
    stand_in: str
    removal: str


def held_rows(account: BillingAccount, held: Iterable[AccountRole], *, today: date, can_change: bool) -> list[HeldRow]:
    """The rows of these roles, with what may be done about each where `can_change`."""
    reasons, stand_in, removal = (
        _addresses(name, account) for name in ("account_person", "account_role_stand_in", "account_role_removal")
    )
    labels = {role.value: str(role.label) for role in Role}
    select, why = _("Select the role of %(person)s"), _("What %(name)s may do here, and why")
    more = _("More for the role of %(person)s")
    statuses = _Statuses()
    can_stand_in = can_change and account.status != AccountStatus.CLOSED
    rows = []
    for row in held:
        person = str(row.user)
        rows.append(
            HeldRow(
                key=str(row.pk),
                name=row.user.name,
                email=row.user.email,
                role=labels[row.role],
                until=_until(row),
                status=statuses.of(row, today),
                since=day(row.assigned_at),
                by=str(row.assigned_by or ""),
                select=select % {"person": person},
                why=why % {"name": person},
                reasons=reasons(row.user_id),
                more=more % {"person": person},
                stand_in=stand_in(row.pk) if can_stand_in and not row.stands_in_for_id else "",
                removal=removal(row.pk) if can_change else "",
            )
        )
    return rows


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
