"""The left navigation as data: what stands where, for the scope in hand (domain §4).

An item is shown to a person who may do its action somewhere in the account. Pages without a scope carry
no action.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import policy
from core.policy import Action


@dataclass(frozen=True)
class Entry:
    """A page of the portal: its icon, its name, the name of its route, and the right to see it."""

    icon: str
    label: str | Promise
    route: str
    action: Action | None = None


@dataclass(frozen=True)
class Item:
    """An entry as it is drawn. `current` is "page" on that page itself, "true" on a page below it."""

    icon: str
    label: str
    href: str
    current: str = ""
    count: int = 0


@dataclass(frozen=True)
class Group:
    label: str
    items: tuple[Item, ...]


IN_ACCOUNT: tuple[tuple[str | Promise, tuple[Entry, ...]], ...] = (
    (
        "",
        (
            Entry("home", _("Home"), "home"),
            Entry("organisation", _("Overview"), "account_overview", Action.ACCOUNT_SEE),
            Entry("key", _("Access control (IAM)"), "account_access", Action.ACCOUNT_VIEW_ROLES),
            Entry("log", _("Activity"), "account_activity", Action.ACCOUNT_VIEW_ACTIVITY),
        ),
    ),
    (
        _("Billing"),
        (
            Entry("document", _("Invoices"), "invoices", Action.INVOICE_VIEW),
            Entry("swap", _("Payments"), "payments", Action.INVOICE_VIEW),
            Entry("send", _("Bank transfers"), "remittances", Action.INVOICE_VIEW),
            Entry("log", _("Statements of account"), "statements", Action.INVOICE_DOWNLOAD),
            Entry("card", _("Payment methods"), "payment_methods", Action.METHOD_VIEW),
            Entry("layers", _("Billing profiles"), "profiles", Action.PROFILE_VIEW),
            Entry("document", _("Purchase orders"), "purchase_orders", Action.PROFILE_VIEW),
            Entry("box", _("Subscriptions"), "subscriptions", Action.SUBSCRIPTION_VIEW),
        ),
    ),
    (_("Settings"), (Entry("sliders", _("Properties"), "account_properties", Action.ACCOUNT_VIEW),)),
    (_("Organisation"), (Entry("organisation", _("Organisation profile"), "organisations"),)),
    (
        "",
        (
            Entry("mail", _("Support requests"), "support_requests", Action.SUPPORT_VIEW),
            Entry("help", _("Help + support"), "help"),
        ),
    ),
)

WITHOUT_ACCOUNT: tuple[tuple[str | Promise, tuple[Entry, ...]], ...] = (
    (
        "",
        (
            Entry("home", _("Home"), "home"),
            Entry("layers", _("Billing scopes"), "scopes"),
        ),
    ),
    (
        _("Organisation"),
        (
            Entry("organisation", _("Organisation profile"), "organisations"),
            Entry("users", _("Users"), "users_start"),
        ),
    ),
    (
        _("Yourself"),
        (
            Entry("user", _("My profile"), "own_profile"),
            Entry("mail", _("My contact information"), "contact_information"),
            Entry("key", _("Security info"), "security_info"),
            Entry("bell", _("Communication preferences"), "communication_preferences"),
            Entry("sliders", _("Preferences"), "preferences"),
        ),
    ),
    ("", (Entry("help", _("Help + support"), "help"),)),
)

ACCOUNT_MENU: tuple[Entry, ...] = (
    Entry("user", _("My profile"), "own_profile"),
    Entry("mail", _("My contact information"), "contact_information"),
    Entry("key", _("Security info"), "security_info"),
    Entry("bell", _("Communication preferences"), "communication_preferences"),
    Entry("sliders", _("Preferences"), "preferences"),
    Entry("layers", _("Switch scope"), "scopes"),
)

# Pages of one row have addresses of their own: which list each of them belongs to.
_LISTS = {
    "access-reviews": "account_access",
    "billing-profiles": "profiles",
    "card-setups": "payment_methods",
    "corrections": "invoices",
    "invoices": "invoices",
    "organisations": "organisations",
    "payment-methods": "payment_methods",
    "payments": "payments",
    "prepared-payments": "payments",
    "purchase-orders": "purchase_orders",
    "remittances": "remittances",
    "statements": "statements",
    "subscriptions": "subscriptions",
    "support-requests": "support_requests",
    "transfer-requests": "profiles",
}
# An online-services account keeps a profile per subscription and never shows one (architecture §3).
_ONLY_WITH_PROFILES = frozenset({"profiles", "purchase_orders"})
# For who keeps the people or the profile of an organisation.
_FOR_ORGANISATIONS = frozenset({"organisations"})


def side(user: Any, account: Any, path: str, counts: Mapping[str, int]) -> list[Group]:
    """The groups of the side navigation. `counts` maps the name of a route to the number beside it."""
    groups = []
    for label, entries in IN_ACCOUNT if account else WITHOUT_ACCOUNT:
        shown = [entry for entry in entries if _is_shown(entry, user, account)]
        if shown:
            groups.append(Group(str(label), tuple(_items(shown, account, path, counts))))
    return groups


def account_menu() -> list[Item]:
    return [Item(entry.icon, str(entry.label), href) for entry in ACCOUNT_MENU if (href := address(entry.route))]


def address(route: str, account: Any = None) -> str:
    """Where that page is, for the account when it belongs to one; empty where it is not routed."""
    try:
        return reverse(route, kwargs={"code": account.code} if account else None)
    except NoReverseMatch:
        return ""


def _is_shown(entry: Entry, user: Any, account: Any) -> bool:
    if entry.action is None:
        return entry.route not in _FOR_ORGANISATIONS or bool(policy.role_book(user).organisations)
    if entry.route in _ONLY_WITH_PROFILES and account.is_online_services:
        return False
    return policy.may_somewhere(user, entry.action, account)


def _items(entries: Iterable[Entry], account: Any, path: str, counts: Mapping[str, int]) -> Iterable[Item]:
    for entry in entries:
        href = address(entry.route, account if entry.action else None)
        if href:
            yield Item(entry.icon, str(entry.label), href, _current(entry, href, path), counts.get(entry.route, 0))


def _current(entry: Entry, href: str, path: str) -> str:
    if path == href:
        return "page"
    below = path.startswith(href) and entry.route not in {"home", "account_overview"}
    return "true" if below or _LISTS.get(path.split("/")[1]) == entry.route else ""
