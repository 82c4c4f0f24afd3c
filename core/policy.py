"""Who may do what: the roles, the actions, and the one table that joins them (domain §2).

Everything that asks about a right reads `GRANTS`: views by `@requires`, services by `demand`, pages by
`{% may %}`, lists by `Model.objects.allowing(user, action)`, the permissions page and the tests.

A role is held on an organisation, an account or a billing profile. A role on an account counts for
everything in it; a role on a profile counts for what hangs on that profile, and lets its holder see
the account's name (nothing else flows upward). The models that store roles register themselves here
(`register_roles`), so that this module stays the leaf it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache, wraps
from types import SimpleNamespace
from typing import Any, Self

from django.contrib.auth.decorators import login_required
from django.db import connection, models
from django.db.models import F, Q, Value
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.errors import AccountClosed, Forbidden


class Role(models.TextChoices):
    """The roles of domain §2.1. The value says on which scope it is held."""

    ACCOUNT_OWNER = "account_owner", _("Billing account owner")
    ACCOUNT_CONTRIBUTOR = "account_contributor", _("Billing account contributor")
    ACCOUNT_READER = "account_reader", _("Billing account reader")
    PROFILE_OWNER = "profile_owner", _("Billing profile owner")
    PROFILE_CONTRIBUTOR = "profile_contributor", _("Billing profile contributor")
    PROFILE_READER = "profile_reader", _("Billing profile reader")
    INVOICE_MANAGER = "invoice_manager", _("Invoice manager")
    ACCOUNT_ADMINISTRATOR = "account_administrator", _("Account administrator")
    USER_ADMINISTRATOR = "user_administrator", _("User administrator")
    ORGANISATION_ADMINISTRATOR = "organisation_administrator", _("Organisation administrator")

    @property
    def description(self) -> str:
        """What the role is for, in a plain sentence."""
        return str(ROLE_DESCRIPTIONS[self])


ACCOUNT_ROLES = (Role.ACCOUNT_OWNER, Role.ACCOUNT_CONTRIBUTOR, Role.ACCOUNT_READER)
PROFILE_ROLES = (Role.PROFILE_OWNER, Role.PROFILE_CONTRIBUTOR, Role.INVOICE_MANAGER, Role.PROFILE_READER)

# Who holds one of these can give rights away or keeps the people: a second factor and recovery data are demanded
# (ASVS 6.3.3), and a password is not reset by mail alone (§3.9). The vendor's staff counts among them.
PRIVILEGED_ROLES = frozenset(
    {
        Role.ACCOUNT_OWNER,
        Role.PROFILE_OWNER,
        Role.ACCOUNT_ADMINISTRATOR,
        Role.USER_ADMINISTRATOR,
        Role.ORGANISATION_ADMINISTRATOR,
    }
)

# What an account role is called on a profile below it (inheritance, domain §2.1).
INHERITED_AS = {
    Role.ACCOUNT_OWNER: Role.PROFILE_OWNER,
    Role.ACCOUNT_CONTRIBUTOR: Role.PROFILE_CONTRIBUTOR,
    Role.ACCOUNT_READER: Role.PROFILE_READER,
    Role.ACCOUNT_ADMINISTRATOR: Role.PROFILE_OWNER,
}

ROLE_DESCRIPTIONS = {
    Role.ACCOUNT_OWNER: _("Everything in the billing account, including roles"),
    Role.ACCOUNT_CONTRIBUTOR: _("Everything in the billing account except roles"),
    Role.ACCOUNT_READER: _("See everything in the billing account, change nothing"),
    Role.PROFILE_OWNER: _("Everything on this profile, including roles"),
    Role.PROFILE_CONTRIBUTOR: _("Everything on this profile except roles"),
    Role.PROFILE_READER: _("See and download, change nothing"),
    Role.INVOICE_MANAGER: _("See and pay invoices"),
    Role.ACCOUNT_ADMINISTRATOR: _("Everything in an online-services account; there is exactly one"),
    Role.USER_ADMINISTRATOR: _("Keeps the people of the organisation; no billing rights"),
    Role.ORGANISATION_ADMINISTRATOR: _("Keeps the organisation; reads its customer-agreement accounts"),
}


class Action(StrEnum):
    """What a person can do. `object:verb`; the order is that of domain §2.2."""

    ACCOUNT_SEE = "account:see"
    ACCOUNT_VIEW = "account:view"
    ACCOUNT_RENAME = "account:rename"
    ACCOUNT_EDIT_SOLD_TO = "account:edit_sold_to"
    ACCOUNT_REQUEST_LEGAL_NAME = "account:request_legal_name"
    ACCOUNT_EDIT_TAX_IDS = "account:edit_tax_ids"
    ACCOUNT_VIEW_ROLES = "account:view_roles"
    ACCOUNT_ASSIGN_ROLES = "account:assign_roles"
    ACCOUNT_HAND_OVER = "account:hand_over"
    ACCOUNT_SIGN_AGREEMENTS = "account:sign_agreements"
    ACCOUNT_VIEW_ACTIVITY = "account:view_activity"
    ACCOUNT_TAKE_OUT = "account:take_out"
    ACCOUNT_VIEW_AS = "account:view_as"
    ACCOUNT_REVIEW_ACCESS = "account:review_access"
    ACCOUNT_CLOSE = "account:close"
    PROFILE_VIEW = "profile:view"
    PROFILE_CREATE = "profile:create"
    PROFILE_RENAME = "profile:rename"
    PROFILE_EDIT_BILL_TO = "profile:edit_bill_to"
    PROFILE_EDIT_SHIP_TO = "profile:edit_ship_to"
    PROFILE_EDIT_PO_NUMBER = "profile:edit_po_number"
    PROFILE_EDIT_INVOICE_DAY = "profile:edit_invoice_day"
    PROFILE_MANAGE_PURCHASE_ORDERS = "profile:manage_purchase_orders"
    PROFILE_EDIT_EMAIL_PREFERENCE = "profile:edit_email_preference"
    PROFILE_EDIT_RECIPIENTS = "profile:edit_recipients"
    PROFILE_VIEW_ROLES = "profile:view_roles"
    PROFILE_ASSIGN_ROLES = "profile:assign_roles"
    PROFILE_EXPORT_ROLES = "profile:export_roles"
    PROFILE_VIEW_POLICIES = "profile:view_policies"
    PROFILE_APPLY_POLICIES = "profile:apply_policies"
    PROFILE_SET_APPROVAL = "profile:set_approval"
    PROFILE_PURCHASE = "profile:purchase"
    PROFILE_CLOSE = "profile:close"
    PROFILE_VIEW_ACTIVITY = "profile:view_activity"
    PROFILE_VIEW_AS = "profile:view_as"
    INVOICE_VIEW = "invoice:view"
    INVOICE_DOWNLOAD = "invoice:download"
    INVOICE_PAY = "invoice:pay"
    INVOICE_APPROVE_PAYMENT = "invoice:approve_payment"
    INVOICE_SETTLE_BALANCE = "invoice:settle_balance"
    INVOICE_SHARE_ACCESS = "invoice:share_access"
    INVOICE_RECEIVE = "invoice:receive"
    INVOICE_RECEIVE_DUNNING = "invoice:receive_dunning"
    INVOICE_DISPUTE = "invoice:dispute"
    METHOD_VIEW = "method:view"
    METHOD_ADD = "method:add"
    METHOD_REPLACE_DEFAULT = "method:replace_default"
    METHOD_SET_ACTIVE = "method:set_active"
    METHOD_EDIT = "method:edit"
    METHOD_DELETE = "method:delete"
    METHOD_REQUEST_TRANSFER = "method:request_transfer"
    CREDIT_VIEW = "credit:view"
    SUBSCRIPTION_VIEW = "subscription:view"
    SUBSCRIPTION_CREATE = "subscription:create"
    SUBSCRIPTION_MANAGE = "subscription:manage"
    SUBSCRIPTION_MOVE = "subscription:move"
    SECTION_CREATE = "section:create"
    USER_VIEW = "user:view"
    USER_EDIT = "user:edit"
    USER_CREATE = "user:create"
    ORGANISATION_VIEW = "organisation:view"
    ORGANISATION_EDIT = "organisation:edit"
    ORGANISATION_JOIN_ACCOUNT = "organisation:join_account"
    SUPPORT_VIEW = "support:view"
    SUPPORT_ASK = "support:ask"


_COLUMNS = {
    "BAO": Role.ACCOUNT_OWNER,
    "BAC": Role.ACCOUNT_CONTRIBUTOR,
    "BAR": Role.ACCOUNT_READER,
    "BPO": Role.PROFILE_OWNER,
    "BPC": Role.PROFILE_CONTRIBUTOR,
    "BPR": Role.PROFILE_READER,
    "IM": Role.INVOICE_MANAGER,
    "AA": Role.ACCOUNT_ADMINISTRATOR,
    "UA": Role.USER_ADMINISTRATOR,
    "OA": Role.ORGANISATION_ADMINISTRATOR,
}

# Domain §2.2, with the choices of §2.3. x is allowed, . is not.
_TABLE = """
                                 BAO BAC BAR BPO BPC BPR IM  AA  UA  OA
account:see                       x   x   x   x   x   x   x   x   .   x
account:view                      x   x   x   .   .   .   .   x   .   x
account:rename                    x   x   .   .   .   .   .   x   .   .
account:edit_sold_to              x   x   .   .   .   .   .   x   .   .
account:request_legal_name        x   x   .   .   .   .   .   x   .   .
account:edit_tax_ids              x   x   .   .   .   .   .   x   .   .
account:view_roles                x   x   x   .   .   .   .   x   .   x
account:assign_roles              x   .   .   .   .   .   .   .   .   .
account:hand_over                 .   .   .   .   .   .   .   x   .   .
account:sign_agreements           x   x   .   .   .   .   .   x   .   .
account:view_activity             x   .   .   .   .   .   .   x   .   .
account:take_out                  x   .   .   .   .   .   .   x   .   .
account:view_as                   x   .   .   .   .   .   .   x   .   .
account:review_access             x   .   .   .   .   .   .   .   .   .
account:close                     x   .   .   .   .   .   .   x   .   .
profile:view                      x   x   x   x   x   x   x   x   .   x
profile:create                    x   x   .   .   .   .   .   .   .   .
profile:rename                    x   x   .   x   x   .   .   .   .   .
profile:edit_bill_to              x   x   .   x   x   .   .   x   .   .
profile:edit_ship_to              x   x   .   x   x   .   .   x   .   .
profile:edit_po_number            x   x   .   x   x   .   .   x   .   .
profile:edit_invoice_day          x   x   .   x   x   .   .   .   .   .
profile:manage_purchase_orders    x   x   .   x   x   .   .   .   .   .
profile:edit_email_preference     x   x   .   x   x   .   .   x   .   .
profile:edit_recipients           x   x   .   x   x   .   .   x   .   .
profile:view_roles                x   x   x   x   x   x   x   x   .   x
profile:assign_roles              x   .   .   x   .   .   .   .   .   .
profile:export_roles              x   x   x   x   x   x   x   .   .   .
profile:view_policies             x   x   x   x   x   x   x   .   .   .
profile:apply_policies            x   x   .   x   x   .   .   .   .   .
profile:set_approval              x   .   .   x   .   .   .   .   .   .
profile:purchase                  x   x   .   x   x   .   .   x   .   .
profile:close                     x   .   .   x   .   .   .   .   .   .
profile:view_activity             x   .   .   x   .   .   .   x   .   .
profile:view_as                   x   .   .   x   .   .   .   x   .   .
invoice:view                      x   x   x   x   x   x   x   x   .   x
invoice:download                  x   x   x   x   x   x   x   x   .   x
invoice:pay                       x   x   .   x   x   .   x   x   .   .
invoice:approve_payment           x   .   .   x   .   .   .   .   .   .
invoice:settle_balance            .   .   .   .   .   .   .   x   .   .
invoice:share_access              .   .   .   .   .   .   .   x   .   .
invoice:receive                   .   .   .   x   x   x   x   x   .   .
invoice:receive_dunning           .   .   .   x   x   .   x   x   .   .
invoice:dispute                   x   x   .   x   x   .   x   x   .   .
method:view                       x   x   x   x   x   x   x   x   .   x
method:add                        x   x   .   x   x   .   .   x   .   .
method:replace_default            x   x   .   x   x   .   .   .   .   .
method:set_active                 .   .   .   .   .   .   .   x   .   .
method:edit                       x   x   .   x   x   .   .   x   .   .
method:delete                     x   x   .   x   x   .   .   x   .   .
method:request_transfer           x   x   .   x   x   .   .   x   .   .
credit:view                       x   x   x   x   x   x   x   x   .   x
subscription:view                 x   x   x   x   x   x   x   x   .   x
subscription:create               x   x   .   x   x   .   .   x   .   .
subscription:manage               x   x   .   x   x   .   .   x   .   .
subscription:move                 x   x   .   x   x   .   .   .   .   .
section:create                    x   x   .   x   x   .   .   .   .   .
user:view                         .   .   .   .   .   .   .   .   x   x
user:edit                         .   .   .   .   .   .   .   .   x   .
user:create                       .   .   .   .   .   .   .   .   x   .
organisation:view                 .   .   .   .   .   .   .   .   x   x
organisation:edit                 .   .   .   .   .   .   .   .   .   x
organisation:join_account         .   .   .   .   .   .   .   .   .   x
support:view                      x   x   x   x   x   x   x   x   .   x
support:ask                       x   x   x   x   x   x   x   x   .   x
"""


def _read_table(table: str) -> dict[Action, frozenset[Role]]:
    head, *rows = [line.split() for line in table.strip().splitlines()]
    roles = [_COLUMNS[name] for name in head]
    grants = {}
    for name, *marks in rows:
        if len(marks) != len(roles) or set(marks) - {"x", "."}:
            raise ValueError(f"the row of {name} does not fit the table")
        grants[Action(name)] = frozenset(role for role, mark in zip(roles, marks, strict=True) if mark == "x")
    missing = set(Action) - set(grants)
    if missing:
        raise ValueError(f"actions without a row: {sorted(missing)}")
    return grants


GRANTS: dict[Action, frozenset[Role]] = _read_table(_TABLE)

# What goes on in a billing account that is closed: to see it and take it out, to ask support, to pay what came to be
# owed after all (a payment that the bank took back), and to take rights away. Whoever gives rights, or does anything
# else, is refused there, whatever the role.
AFTER_CLOSING = frozenset(
    {
        *(Action.ACCOUNT_SEE, Action.ACCOUNT_VIEW, Action.ACCOUNT_VIEW_ROLES, Action.ACCOUNT_VIEW_ACTIVITY),
        *(Action.ACCOUNT_TAKE_OUT, Action.ACCOUNT_VIEW_AS, Action.ACCOUNT_ASSIGN_ROLES, Action.ACCOUNT_CLOSE),
        *(Action.PROFILE_VIEW, Action.PROFILE_VIEW_ROLES, Action.PROFILE_EXPORT_ROLES, Action.PROFILE_VIEW_POLICIES),
        *(Action.PROFILE_VIEW_ACTIVITY, Action.PROFILE_VIEW_AS, Action.PROFILE_ASSIGN_ROLES, Action.PROFILE_CLOSE),
        *(Action.INVOICE_VIEW, Action.INVOICE_DOWNLOAD, Action.INVOICE_PAY, Action.INVOICE_APPROVE_PAYMENT),
        *(Action.INVOICE_SETTLE_BALANCE, Action.INVOICE_SHARE_ACCESS, Action.INVOICE_RECEIVE),
        *(Action.INVOICE_RECEIVE_DUNNING, Action.METHOD_VIEW, Action.CREDIT_VIEW, Action.SUBSCRIPTION_VIEW),
        *(Action.SUPPORT_VIEW, Action.SUPPORT_ASK),
    }
)

# A profile role counts on the account above it for this, and for nothing else.
_SEEN_FROM_BELOW = frozenset({Action.ACCOUNT_SEE})


def roles_granting(action: Action) -> tuple[Role, ...]:
    """The roles that may do this, in the order of the table."""
    return tuple(role for role in _COLUMNS.values() if role in GRANTS[action])


# --- Where roles are stored -----------------------------------------------------------------------


@dataclass(frozen=True)
class RoleSource:
    """A model with rows (user, <scope>, role, expires_on). `scope` is account, profile or organisation; a row that
    is not `awake` counts for nothing until it is."""

    scope: str
    model: type[models.Model]
    awake: Q = field(default_factory=Q)

    def counting(self, on: date) -> models.QuerySet:
        """The rows that count on that day; none of somebody who is deactivated."""
        rows = self.model._default_manager.filter(user__is_active=True)
        return rows.filter(Q(expires_on=None) | Q(expires_on__gte=on), self.awake)

    def active(self, user: Any, on: date) -> models.QuerySet:
        """Those of one person."""
        return self.counting(on).filter(user_id=user.pk)


_SOURCES: dict[str, RoleSource] = {}


def register_roles(scope: str, model: type[models.Model], *, awake: Q | None = None) -> None:
    """Tell the policy where roles of that scope are stored, and which of them sleep. Called once per app, when it is
    ready."""
    _SOURCES[scope] = RoleSource(scope, model, awake or Q())
    _reading_roles.cache_clear()


@dataclass(frozen=True)
class Scope:
    """How a model hangs in the tree: lookup paths to its account and profile ("" is the row itself,
    None is nowhere), and the action without which the row does not exist for a person."""

    view: Action
    account: str | None = None
    profile: str | None = None
    organisation: str | None = None


@dataclass
class RoleBook:
    """Every role one person holds on one day, read by one statement."""

    accounts: dict[int, set[Role]] = field(default_factory=dict)
    profiles: dict[int, set[Role]] = field(default_factory=dict)
    organisations: dict[int, set[Role]] = field(default_factory=dict)
    account_of_profile: dict[int, int] = field(default_factory=dict)
    # Those among their accounts, and the accounts of their profiles, that are closed.
    closed: set[int] = field(default_factory=set)

    def all_roles(self) -> set[Role]:
        return set().union(*self.accounts.values(), *self.profiles.values(), *self.organisations.values())


def read_roles(user: Any, on: date | None = None) -> RoleBook:
    """The person's roles as they are stored now; nobody's where the person is anonymous or deactivated."""
    book = RoleBook()
    if not (user.is_authenticated and user.is_active and _SOURCES):
        return book
    statement, values = _reading_roles()
    given = {_ANYBODY.pk: user.pk, _ANY_DAY: on or timezone.localdate()}
    with connection.cursor() as cursor:
        cursor.execute(statement, [given.get(value, value) for value in values])
        for scope, pk, parent, role, status in cursor:
            getattr(book, f"{scope}s").setdefault(pk, set()).add(Role(role))
            if scope == "profile":
                book.account_of_profile[pk] = parent
            if status == _CLOSED:
                book.closed.add(parent)
    narrow: Lens | None = getattr(user, "_lens", None)
    return narrow(book) if narrow else book


Lens = Callable[[RoleBook], RoleBook]


def look_through(user: Any, lens: Lens) -> None:
    """From now on this object stands for the person with fewer rights: whatever reads their roles gets what the lens
    leaves of them. For somebody who is viewed as; the lens only ever takes away."""
    user._lens = lens
    user._role_book = read_roles(user)


_ANYBODY, _ANY_DAY = SimpleNamespace(pk=-1), date.min
# How a closed billing account is stored, which this module knows by its roles alone.
_CLOSED = "closed"


@cache
def _reading_roles() -> tuple[str, tuple[Any, ...]]:
    """The statement that reads all roles of somebody on a day, and its values with _ANYBODY's key and _ANY_DAY in
    them. Every page runs it, and putting it together takes longer than running it."""
    parts = [_rows(source) for source in _SOURCES.values()]
    return parts[0].union(*parts[1:], all=True).query.sql_with_params()


def _rows(source: RoleSource) -> models.QuerySet:
    parent = F("profile__account_id") if source.scope == "profile" else F(f"{source.scope}_id")
    paths = {"account": F("account__status"), "profile": F("profile__account__status")}
    status = paths.get(source.scope, Value("", output_field=models.CharField()))
    return source.active(_ANYBODY, _ANY_DAY).values_list(
        Value(source.scope, output_field=models.CharField()), f"{source.scope}_id", parent, "role", status
    )


def is_privileged(user: Any, book: RoleBook | None = None) -> bool:
    """Whether the person is staff, or holds one of `PRIVILEGED_ROLES` anywhere today."""
    return bool(user.is_staff or (book or read_roles(user)).all_roles() & PRIVILEGED_ROLES)


def role_book(user: Any) -> RoleBook:
    """The book of the request, where there is one; otherwise read now. A lost right is gone at the
    next request (I23), since the book lives on the user that the request loaded."""
    book = getattr(user, "_role_book", None)
    return book if book is not None else read_roles(user)


# --- Questions ------------------------------------------------------------------------------------


def roles_on(user: Any, obj: Any, book: RoleBook | None = None) -> set[Role]:
    """The roles that count for the person on this object, inherited ones included."""
    book, scope = book or role_book(user), type(obj).POLICY
    roles: set[Role] = set()
    account_id, profile_id = _key(obj, scope.account), _key(obj, scope.profile)
    roles |= book.accounts.get(account_id, set()) if account_id else set()
    roles |= book.profiles.get(profile_id, set()) if profile_id else set()
    if scope.organisation is not None:
        roles |= book.organisations.get(_key(obj, scope.organisation), set())  # type: ignore[arg-type]
    elif account_id and book.organisations:
        account = _follow(obj, scope.account)
        if account.is_open_to_organisation:
            held = book.organisations.get(account.organisation_id, set())
            roles |= held & {Role.ORGANISATION_ADMINISTRATOR}
    return roles


def is_stopped(user: Any, action: Action, obj: Any, book: RoleBook | None = None) -> bool:
    """Whether nobody may do this with the object, since its billing account is closed."""
    scope: Scope = type(obj).POLICY
    if action in AFTER_CLOSING or scope.account is None:
        return False
    book = book or role_book(user)
    if _key(obj, scope.account) in book.closed:
        return True
    # Accounts of an organisation that somebody keeps do not stand in the book.
    return bool(book.organisations) and _follow(obj, scope.account).status == _CLOSED


def may(user: Any, action: Action, obj: Any, book: RoleBook | None = None) -> bool:
    """Whether the person may do this with the object, today. An unknown action raises ValueError."""
    action, book = Action(action), book or role_book(user)
    return not is_stopped(user, action, obj, book) and _is_granted(user, action, obj, book)


def _is_granted(user: Any, action: Action, obj: Any, book: RoleBook) -> bool:
    """Whether a role of theirs allows it, be the account open or closed."""
    if roles_on(user, obj, book) & GRANTS[action]:
        return True
    is_account = type(obj).POLICY.account == ""
    return is_account and action in _SEEN_FROM_BELOW and _is_granted_somewhere(user, action, obj, book)


def may_somewhere(user: Any, action: Action, account: Any, book: RoleBook | None = None) -> bool:
    """Whether the person may do this on the account, or on at least one profile in it."""
    book = book or role_book(user)
    return not is_stopped(user, action, account, book) and _is_granted_somewhere(user, action, account, book)


def _is_granted_somewhere(user: Any, action: Action, account: Any, book: RoleBook) -> bool:
    if roles_on(user, account, book) & GRANTS[action]:
        return True
    return any(
        book.account_of_profile[profile] == account.pk and roles & GRANTS[action]
        for profile, roles in book.profiles.items()
    )


def demand(user: Any, action: Action, obj: Any) -> None:
    """Raise Forbidden unless the person may, `AccountClosed` where a closed account is what forbids it. Services ask,
    with the rights stored now; those that hold the row of the account also know that it stays open."""
    book = read_roles(user)
    if not may(user, action, obj, book):
        raise _no(action, obj, is_granted=_is_granted(user, action, obj, book))


def _no(action: Action, obj: Any, *, is_granted: bool) -> Forbidden:
    return AccountClosed(action, obj, _account(obj)) if is_granted else Forbidden(action, obj)


def while_allowed(
    user: Any, action: Action, obj: Any, pieces: Iterable[Any], *, every: int, ending: Iterable[Any] = ()
) -> Iterator[Any]:
    """The pieces of a long answer for as long as the person may do this with the object, then the `ending`.

    Asked again before every so many pieces, so that a right taken away also stops what is under way (I23).
    """
    for place, piece in enumerate(pieces):
        if place and place % every == 0 and not may(user, action, obj, read_roles(user)):
            yield from ending
            return
        yield piece


class PolicyQuerySet(models.QuerySet):
    """A queryset of rows that hang in the tree (the model has a `POLICY`)."""

    def allowing(self, user: Any, action: Action) -> Self:
        """The rows with which the person may do this. Agrees with `may` for every role, scope and action."""
        granted, scope, book = GRANTS[Action(action)], self.model.POLICY, role_book(user)  # type: ignore[attr-defined]
        accounts = [pk for pk, roles in book.accounts.items() if roles & granted]
        profiles = [pk for pk, roles in book.profiles.items() if roles & granted]
        goes_on = action in AFTER_CLOSING
        if book.closed and not goes_on:
            accounts = [pk for pk in accounts if pk not in book.closed]
            profiles = [pk for pk in profiles if book.account_of_profile[pk] not in book.closed]
        organisations = [pk for pk, roles in book.organisations.items() if roles & granted]
        allowed = Q(pk__in=[])
        if scope.account is not None and accounts:
            allowed |= Q(**{_id(scope.account): accounts})
        if scope.profile is not None and profiles:
            allowed |= Q(**{_id(scope.profile): profiles})
        if scope.account == "" and action in _SEEN_FROM_BELOW and profiles:
            allowed |= Q(pk__in={book.account_of_profile[pk] for pk in profiles})
        if scope.organisation is not None and organisations:
            allowed |= Q(**{_id(scope.organisation): organisations})
        elif scope.account is not None and Role.ORGANISATION_ADMINISTRATOR in granted:
            administered = [pk for pk, roles in book.organisations.items() if Role.ORGANISATION_ADMINISTRATOR in roles]
            if administered:
                prefix = f"{scope.account}__" if scope.account else ""
                open_to_them = {
                    f"{prefix}organisation_id__in": administered,
                    f"{prefix}agreement": "customer_agreement",
                }
                allowed |= Q(**open_to_them) if goes_on else Q(**open_to_them) & ~Q(**{f"{prefix}status": _CLOSED})
        return self.filter(allowed)


def _id(path: str) -> str:
    return f"{path}_id__in" if path else "pk__in"


def _key(obj: Any, path: str | None) -> int | None:
    if path is None:
        return None
    if path == "":
        return obj.pk  # type: ignore[no-any-return]
    *parents, last = path.split("__")
    for name in parents:
        obj = getattr(obj, name)
    return getattr(obj, f"{last}_id")  # type: ignore[no-any-return]


def _follow(obj: Any, path: str | None) -> Any:
    for name in (path or "").split("__"):
        obj = getattr(obj, name) if name else obj
    return obj


# --- Views ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Requirement:
    """What a view demands; the URLconf is walked for these."""

    action: Action | None
    model: type[models.Model] | None = None
    anywhere: bool = False


Wall = Callable[[HttpRequest, RoleBook], HttpResponse | None]
_walls: list[Wall] = []


def before_every_page(wall: Wall) -> Wall:
    """Register what looks at each request of a signed-in person, with the roles just read, and may answer it in
    place of the page: None lets it through."""
    _walls.append(wall)
    return wall


def walled(request: HttpRequest, book: RoleBook) -> HttpResponse | None:
    """The answer in place of the page, where there is one. Whoever looks through a lens came past as themselves."""
    if getattr(request.user, "_lens", None) is not None:
        return None
    return next((answer for wall in _walls if (answer := wall(request, book)) is not None), None)


def requires(
    action: Action, model: type[models.Model], *, anywhere: bool = False
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """The view gets the object instead of its `code`: 404 where the person never sees it, 403 where
    the person sees it but may not do this.

    `anywhere` is for pages of an account that show what the person may see in it: the right on one
    profile of the account is enough, and the page lists `allowing(...)`.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        @login_required
        def guarded(request: HttpRequest, *args: Any, code: str, **kwargs: Any) -> HttpResponse:
            book = request.user._role_book = read_roles(request.user)  # type: ignore[union-attr]
            if (answer := walled(request, book)) is not None:
                return answer
            obj = _load(request.user, model, code)
            request.billing_account = _account(obj)  # type: ignore[attr-defined]
            if not (may_somewhere if anywhere else may)(request.user, action, obj):
                ask = _is_granted_somewhere if anywhere else _is_granted
                raise _no(action, obj, is_granted=ask(request.user, action, obj, book))
            return view(request, obj, *args, **kwargs)

        guarded.requirement = Requirement(action, model, anywhere)  # type: ignore[attr-defined]
        return guarded

    return decorate


def signed_in_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For pages about the person alone, or that show only what `allowing` lets through."""

    @wraps(view)
    @login_required
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        book = request.user._role_book = read_roles(request.user)  # type: ignore[union-attr]
        if (answer := walled(request, book)) is not None:
            return answer
        return view(request, *args, **kwargs)

    guarded.requirement = Requirement(None)  # type: ignore[attr-defined]
    return guarded


def _load(user: Any, model: type[models.Model], code: str) -> Any:
    scope: Scope = model.POLICY  # type: ignore[attr-defined]
    rows = model._default_manager.allowing(user, scope.view)  # type: ignore[attr-defined]
    if scope.account:
        rows = rows.select_related(scope.account)
    obj = rows.filter(code=code).first()
    # The hidden profile of a subscription has no page: that of its subscription stands for it.
    if obj is None or not getattr(obj, "is_shown", True):
        raise Http404
    return obj


def _account(obj: Any) -> Any:
    scope: Scope = type(obj).POLICY
    return _follow(obj, scope.account) if scope.account is not None else None


def holders_of_each(action: Action, objects: Iterable[Any], on: date | None = None) -> dict[int, list[Any]]:
    """`holders` of many objects of one model, by primary key: one statement a scope, however many they are."""
    objects = list(objects)
    found: dict[int, list[Any]] = {obj.pk: [] for obj in objects}
    day, granted = on or timezone.localdate(), [str(role) for role in GRANTS[action]]
    for source in _SOURCES.values():
        keys = {obj.pk: _key(obj, getattr(type(obj).POLICY, source.scope, None)) for obj in objects}
        wanted = {key for key in keys.values() if key is not None}
        if not wanted:
            continue
        rows = source.counting(day).filter(role__in=granted, **{f"{source.scope}_id__in": wanted})
        by_key: dict[int, list[Any]] = {}
        for row in rows.select_related("user").order_by("user__name", "pk"):
            by_key.setdefault(getattr(row, f"{source.scope}_id"), []).append(row)
        for pk, key in keys.items():
            found[pk] += by_key.get(key, [])  # type: ignore[arg-type]
    return found


def holders(action: Action, obj: Any, on: date | None = None, *, user: Any = None) -> Iterable[Any]:
    """The role rows (with their users) of those who may do this on the object: for "ask one of these".

    With `user` only theirs: one look at one person, cheaper than reading all their roles.
    """
    day, scope, granted = on or timezone.localdate(), type(obj).POLICY, [str(role) for role in GRANTS[action]]
    for source in _SOURCES.values():
        key = _key(obj, getattr(scope, source.scope, None))
        if key is None:
            continue
        rows = source.counting(day).filter(role__in=granted, **{f"{source.scope}_id": key})
        if user is not None:
            rows = rows.filter(user=user)
        yield from rows.select_related("user").order_by("user__name", "pk")
