"""What a role on a billing profile can and cannot do, in few words, read from the table of rights (S2-14)."""

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.policy import GRANTS, PROFILE_ROLES, Action, Role

# In the order in which people ask. A line is a yes for a role that has every right of it.
_LINES = (
    (gettext_lazy("View and download invoices"), (Action.INVOICE_VIEW, Action.INVOICE_DOWNLOAD)),
    (gettext_lazy("Pay invoices and get reminders"), (Action.INVOICE_PAY, Action.INVOICE_RECEIVE_DUNNING)),
    (gettext_lazy("Buy with this profile"), (Action.PROFILE_PURCHASE,)),
    (
        gettext_lazy("Change cards, addresses and the e-mail preference"),
        (
            Action.METHOD_ADD,
            Action.METHOD_REPLACE_DEFAULT,
            Action.METHOD_DELETE,
            Action.PROFILE_EDIT_BILL_TO,
            Action.PROFILE_EDIT_PO_NUMBER,
            Action.PROFILE_RENAME,
            Action.PROFILE_EDIT_EMAIL_PREFERENCE,
        ),
    ),
    (gettext_lazy("Give roles to others"), (Action.PROFILE_ASSIGN_ROLES,)),
)


@dataclass(frozen=True)
class Capability:
    """A line of the list: what, and whether the role can."""

    text: str
    yes: bool


def capabilities(role: Role, *, sends_invoices: bool) -> list[Capability]:
    """What somebody with that role on a profile can do, then what they cannot."""
    lines = [Capability(str(text), all(role in GRANTS[action] for action in rights)) for text, rights in _LINES]
    mailed = _("Get invoices by e-mail, since this is on") if sends_invoices else _("Get invoices by e-mail, once on")
    lines.insert(2, Capability(mailed, role in GRANTS[Action.INVOICE_RECEIVE]))
    return sorted(lines, key=lambda line: not line.yes)


def all_capabilities(*, sends_invoices: bool) -> list[tuple[Role, list[Capability]]]:
    """The list for every role that can be given on a profile."""
    return [(role, capabilities(role, sends_invoices=sends_invoices)) for role in PROFILE_ROLES]
