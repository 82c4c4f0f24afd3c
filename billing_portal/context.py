"""What every page needs to draw its frame, computed only when a template asks for it."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts.contact_views import LATER_KEY
from accounts.second_factor import grace_ends_at, is_in_grace
from accounts.services.contact import wants_confirming
from billing_portal.forms import OWN_NAMES
from billing_portal.navigation import Group, Item, account_menu, address, side
from core import policy


def shell(request: HttpRequest) -> dict[str, Any]:
    """The context processor: one name, `shell`."""
    return {"shell": Shell(request)}


class Shell:
    """The frame of one page: whose it is, which account is in hand, where the person stands."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.account = getattr(request, "billing_account", None)

    @property
    def name(self) -> str:
        return settings.PORTAL_NAME or _("Billing portal")

    @property
    def language(self) -> str:
        return get_language() or settings.LANGUAGE_CODE

    @property
    def other_languages(self) -> list[tuple[str, str]]:
        """The languages that the page is not in, each in its own words."""
        return [(code, name) for code, name in OWN_NAMES if code != self.language]

    @property
    def color_mode(self) -> str:
        return getattr(self.request, "color_mode", "auto")

    @property
    def theme(self) -> str:
        """What the server draws; under "auto" a script turns it dark before the first paint."""
        return "dark" if self.color_mode == "dark" else "light"

    @property
    def path(self) -> str:
        return self.request.get_full_path() if self.request.method == "GET" else self.request.path

    @property
    def query(self) -> str:
        return self.request.GET.get("q", "") if self.request.path.startswith("/search/") else ""

    @property
    def panel_frame(self) -> str:
        """Which layout a panel gets: a fragment at the right where htmx asks for one, else a page."""
        htmx = getattr(self.request, "htmx", None)
        return "layouts/_panel_docked.html" if htmx and htmx.target == "panel" else "layouts/_panel_page.html"

    @property
    def error_frame(self) -> str:
        """Where an error is told: in the frame, or on the plain page of who is not signed in."""
        return "layouts/_error_page.html" if self.person else "layouts/_error_plain.html"

    @property
    def viewing(self) -> Any:
        """The row that says through whose eyes the page is seen; None where they are the person's own."""
        return getattr(self.request, "viewing", None)

    @property
    def person(self) -> str:
        user = getattr(self.request, "user", None)
        return str(user) if user is not None and user.is_authenticated else ""

    @property
    def account_name(self) -> str:
        return str(self.account)

    @property
    def account_url(self) -> str:
        return address("account_overview", self.account)

    @cached_property
    def role_label(self) -> str:
        """The person's highest role on the account, or else on a profile in it."""
        account, book = self.account, policy.role_book(self.request.user)
        if account is None:
            return ""
        roles = policy.roles_on(self.request.user, account, book)
        for profile, held in book.profiles.items():
            if book.account_of_profile[profile] == account.pk:
                roles |= held
        return str(next((role.label for role in policy.Role if role in roles), ""))

    @property
    def has_scopes(self) -> bool:
        """Whether there is another account to switch to (A-scope); read from the roles, without a statement."""
        book = policy.role_book(self.request.user)
        return bool(book.organisations) or len({*book.accounts, *book.account_of_profile.values()}) > 1

    @cached_property
    def navigation(self) -> list[Group]:
        counts = {"invoices": getattr(self.request, "late_count", 0)}
        return side(self.request.user, self.account, self.request.path, counts)

    @property
    def navigation_key(self) -> str:
        """Everything that the drawn navigation depends on: equal keys, equal HTML."""
        switches = self.has_scopes
        return repr((self.language, str(self.account), self.role_label, switches, self.name, self.navigation))

    @property
    def topbar_key(self) -> str:
        """The same of the bar at the top, but for the menu of the person, which holds a token."""
        return repr((self.language, self.name, self.query, self.alerts))

    @property
    def account_menu(self) -> Iterable[Item]:
        return account_menu()

    @property
    def factor_needed_by(self) -> Any:
        """Until when the person may go on without the second factor that they need; None where that is no matter."""
        person = self.request.user
        if self.viewing or not person.is_authenticated or not is_in_grace(self.request, policy.role_book(person)):
            return None
        return grace_ends_at(person)  # type: ignore[arg-type]

    @property
    def asks_for_contact(self) -> bool:
        """Whether it is time to ask if the contact address is still right (S0-11b)."""
        person = self.request.user
        is_asked = self.request.method == "GET" and not self.viewing and not self.request.session.get(LATER_KEY)
        return bool(is_asked and person.is_authenticated and wants_confirming(person))

    @property
    def alerts(self) -> int | None:
        """How many rows the to-do list of home has; None where the view has not counted them."""
        return getattr(self.request, "todo_count", None)
