"""The search of the top bar: pages by their names in both languages, and the things a person may see (S0-6)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts.models import BillingAccount
from billing_portal.navigation import IN_ACCOUNT, WITHOUT_ACCOUNT
from core.policy import Action, may_somewhere
from invoices.models import Invoice
from profiles.models import BillingProfile
from subscriptions.models import Subscription

SHOWN = 8
# What other portals call our pages, so that somebody who learned those names arrives (S0-6, S2-19).
ALIASES = {
    "invoices": ("Bills & payments", "Facturen en betalingen", "Bills", "Rekeningen"),
    "home": ("Cost Management + Billing", "Kostenbeheer en facturering"),
    "account_properties": ("Billing address", "Factuuradres", "Sold-to", "Afnemer"),
    "account_access": ("IAM", "Roles", "Rollen", "Permissions", "Machtigingen"),
    "contact_information": ("Contact email", "Contact-e-mailadres", "E-mail"),
    "users_start": ("People", "Personen", "Directory", "Gebruikers toevoegen"),
    "own_profile": ("Picture", "Foto", "My account", "Mijn account"),
    "security_info": ("Password", "Wachtwoord", "Alternate email", "Alternatief e-mailadres", "Phone", "Telefoon"),
    "communication_preferences": ("Marketing", "Newsletters", "Nieuwsbrieven"),
    "payment_methods": ("Cards", "Kaarten", "Credit card", "Creditcard"),
}


@dataclass(frozen=True)
class Hit:
    title: str
    text: str
    href: str
    icon: str


@dataclass(frozen=True)
class Group:
    label: str
    hits: list[Hit]


def search_everything(user: Any, words: str) -> list[Group]:
    """What begins with the words, or has a word that does; nothing for nothing. One statement per kind."""
    if not words:
        return []
    profiles = Q(kind="standard") & _by_name(words)
    found = [
        Group(_("Pages"), list(_pages(user, words))[:SHOWN]),
        Group(_("Billing accounts"), list(_rows(BillingAccount, Action.ACCOUNT_SEE, user, _by_name(words), _account))),
        Group(_("Invoices"), list(_rows(Invoice, Action.INVOICE_VIEW, user, _by_number(words), _invoice))),
        Group(_("Billing profiles"), list(_rows(BillingProfile, Action.PROFILE_VIEW, user, profiles, _profile))),
        Group(
            _("Subscriptions"),
            list(_rows(Subscription, Action.SUBSCRIPTION_VIEW, user, _by_name(words), _subscription)),
        ),
    ]
    return [group for group in found if group.hits]


def _pages(user: Any, words: str) -> Iterable[Hit]:
    accounts = list(BillingAccount.objects.allowing(user, Action.ACCOUNT_SEE)[:SHOWN])
    for _label, entries in WITHOUT_ACCOUNT:
        for entry in entries:
            if _is_called(entry.route, entry.label, words):
                yield Hit(str(entry.label), "", reverse(entry.route), entry.icon)
    for account in accounts:
        for _label, entries in IN_ACCOUNT:
            for entry in entries:
                if entry.action is None or not _is_called(entry.route, entry.label, words):
                    continue
                if may_somewhere(user, entry.action, account):
                    href = reverse(entry.route, kwargs={"code": account.code})
                    yield Hit(str(entry.label), account.name, href, entry.icon)


def _is_called(route: str, label: Any, words: str) -> bool:
    names = list(ALIASES.get(route, ()))
    for language, _name in settings.LANGUAGES:
        with override(language):
            names.append(str(label))
    wanted = words.casefold()
    return any(
        name.casefold().startswith(wanted) or any(word.startswith(wanted) for word in name.casefold().split())
        for name in names
    )


def _by_name(words: str) -> Q:
    return Q(name__istartswith=words) | Q(name__icontains=f" {words}")


def _by_number(words: str) -> Q:
    return ~Q(status="draft") & Q(number__startswith=words.upper())


def _rows(model: Any, action: Action, user: Any, condition: Q, hit: Callable[[Any], Hit]) -> Iterable[Hit]:
    rows = model.objects.allowing(user, action).filter(condition).order_by("-pk")
    if model is not BillingAccount:
        rows = rows.select_related("account")
    return (hit(row) for row in rows[:SHOWN])


def _account(row: BillingAccount) -> Hit:
    return Hit(row.name, str(row.get_agreement_display()), row.get_absolute_url(), "organisation")


def _invoice(row: Invoice) -> Hit:
    return Hit(row.number or "", f"{row.account.name} · {row.profile_name}", row.get_absolute_url(), "document")


def _profile(row: BillingProfile) -> Hit:
    return Hit(row.name, row.account.name, row.get_absolute_url(), "layers")


def _subscription(row: Subscription) -> Hit:
    return Hit(row.name, row.account.name, row.get_absolute_url(), "box")
