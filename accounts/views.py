"""Pages of billing accounts: the list of scopes, properties, addresses, access control; coming in by invitation."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from accounts import services
from accounts.address_rules import printed_lines
from accounts.addressing import kept_fields, review_page, said_of_addresses
from accounts.coming_in import answer_as_new_person, answer_signed_in, is_somebody_else, take_link
from accounts.forms import AccountAddressesForm, AccountRoleForm
from accounts.held_roles import held_rows
from accounts.models import (
    AccountRole,
    Agreement,
    BillingAccount,
    Invitation,
    NameChange,
    PlannedChange,
    ScopeMemory,
    User,
    VatCheck,
)
from accounts.states import NameChangeStatus, VatStatus
from accounts.validators import registration_label
from core.errors import Refused
from core.forms import posted
from core.history import last_change
from core.lists import capped_count, read_page, sorting
from core.policy import (
    ACCOUNT_ROLES,
    Action,
    Role,
    holders,
    may,
    requires,
    role_book,
    roles_granting,
    roles_on,
    signed_in_only,
)
from core.spreadsheets import csv_response
from core.step_up import recently_confirmed

SORTS = {"name": ["name", "pk"], "type": ["agreement", "name", "pk"], "status": ["status", "name", "pk"]}
INVITATION_KEY = "invitation"
MEMBERS_OFFERED = 200

# What a row of the page of roles shows; the whole of three people would be most of its statement.
HELD_COLUMNS = (
    "account", "role", "assigned_at", "expires_on", "user__name", "user__email", "user__is_active",
    "assigned_by__name", "assigned_by__email", "stands_in_for__name", "stands_in_for__email",
)  # fmt: skip


# --- Scopes ---------------------------------------------------------------------------------------


@signed_in_only
def scopes(request: HttpRequest) -> HttpResponse:
    """The billing accounts that the person may see, with the role on each (S0-18)."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    agreement = request.GET.get("type", "") if request.GET.get("type") in Agreement.values else ""
    seen = BillingAccount.objects.allowing(request.user, Action.ACCOUNT_SEE).select_related("organisation")
    found = seen.matching(words)
    if agreement:
        found = found.filter(agreement=agreement)
    page = read_page(request, found, sorting(request, SORTS, "name"))
    context = {
        "page": page,
        "rows": [(account, _role_label(request.user, account)) for account in page.rows],
        "number": capped_count(found),
        "words": words,
        "agreement": agreement,
        "agreements": [("", _("All types")), *Agreement.choices],
        "is_filtered": bool(words or agreement),
        "memory": ScopeMemory.objects.filter(user=request.user).first(),  # type: ignore[misc]
        "no_scope": _(
            "You see an account as soon as one of its owners gives you a role on it or on one of its billing profiles. "
            "Ask the person who told you about this portal, and name the address you signed in with: %(email)s."
        )
        % {"email": request.user.email},  # type: ignore[union-attr]
    }
    return render(request, "accounts/scopes.html", context)


def _role_label(user: Any, account: BillingAccount) -> str:
    """The highest role that the person holds on the account, or else on a profile in it."""
    book = role_book(user)
    roles = set(roles_on(user, account, book))
    for profile, held in book.profiles.items():
        if book.account_of_profile[profile] == account.pk:
            roles |= held
    return str(next((role.label for role in Role if role in roles), ""))


# --- Properties and addresses ---------------------------------------------------------------------


@requires(Action.ACCOUNT_VIEW, BillingAccount)
def account_properties(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """What the account is, its addresses and numbers, what is planned, and who may change them (S0-7)."""
    editors = {held.user_id: held.user for held in holders(Action.ACCOUNT_EDIT_SOLD_TO, account)}
    vat_check = VatCheck.objects.filter(account=account, number=account.vat_id).exclude(number="").first()
    waiting = NameChange.objects.filter(account=account, status=NameChangeStatus.REQUESTED)
    context = {
        "account": account,
        "sold_to": printed_lines(account.sold_to.snapshot()),
        "bill_to": printed_lines(account.bill_to.snapshot()) if account.bill_to else [],
        "registration_label": registration_label(account.country.code),
        "editors": list(editors.values()),
        "editor_roles": [role.label for role in _roles_here(account, Action.ACCOUNT_EDIT_SOLD_TO)],
        "changed": last_change(account.sold_to),
        "vat_check": vat_check,
        "vat_status": VatStatus(vat_check.status) if vat_check else None,
        "planned": _planned(account),
        "name_change": waiting.first(),
    }
    return render(request, "accounts/account_properties.html", context)


def _planned(account: BillingAccount) -> PlannedChange | None:
    addresses = [address for address in (account.sold_to, account.bill_to) if address is not None]
    return (
        PlannedChange.objects.waiting()
        .touching(*addresses)
        .select_related("planned_by")
        .prefetch_related("parts__address")
        .first()
    )


@requires(Action.ACCOUNT_EDIT_SOLD_TO, BillingAccount)
def account_addresses(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Change sold-to and, on online services, bill-to: all or nothing, at once or from a day (S0-8)."""
    form = AccountAddressesForm(posted(request), account=account)
    here, back = (reverse(name, args=[account.code]) for name in ("account_addresses", "account_properties"))
    if form.is_valid() and "again" not in request.POST:
        day = form.takes_effect.later()
        if day and not form.takes_effect.is_confirmed():
            return review_page(request, form, day=day, of=account, back=back, here=here)
        try:
            changed = _save_addresses(request, account, form)
        except Refused as refusal:
            if refusal.code == "changed_meanwhile":
                return _conflict(request, account, form)
            form.add_error(None, refusal)
        else:
            messages.success(request, said_of_addresses(day) if changed else _("Nothing was changed."))
            return redirect("account_properties", account.code)
    context = {"account": account, "form": form, "today": timezone.localdate(), "planned": _planned(account)}
    context["sold_to"] = printed_lines(account.sold_to.snapshot())
    return render(request, "accounts/account_addresses.html", context)


def _save_addresses(request: HttpRequest, account: BillingAccount, form: AccountAddressesForm) -> bool:
    day = form.takes_effect.later()
    if day is None:
        return services.save_account_addresses(account, **form.values(), by=request.user)
    plan = services.plan_account_addresses(
        account, **form.values(), takes_effect_on=day, today=timezone.localdate(), by=request.user
    )
    return plan is not None


def _conflict(request: HttpRequest, account: BillingAccount, form: AccountAddressesForm) -> HttpResponse:
    """What is stored beside what was typed; sending the page again saves the second over the first."""
    stored = BillingAccount.objects.select_related("sold_to", "bill_to").get(pk=account.pk)
    now = AccountAddressesForm(account=stored)
    typed = form.values_by_field()
    rows = [
        {"label": form.said(name), "theirs": now[name].value(), "yours": typed[name]}
        for name in typed
        if now[name].value() != typed[name]
    ]
    change = last_change(stored.sold_to)
    context = {
        "account": stored,
        "rows": rows,
        "kept": kept_fields(form, now),
        "changed_by": change.by if change else "",
        "changed_at": change.at if change else None,
        "href": reverse("account_addresses", args=[stored.code]),
    }
    return render(request, "accounts/account_conflict.html", context)


def _roles_here(account: BillingAccount, action: Action) -> list[Role]:
    """The roles of an account of this agreement that grant the action."""
    own = {Role.ACCOUNT_ADMINISTRATOR} if account.is_online_services else {*Role} - {Role.ACCOUNT_ADMINISTRATOR}
    return [role for role in roles_granting(action) if role in own]


# --- Access control -------------------------------------------------------------------------------


@requires(Action.ACCOUNT_VIEW_ROLES, BillingAccount)
def account_access(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Who holds which role on the account, and who is invited (S4-12)."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    role = request.GET.get("role", "") if request.GET.get("role") in ACCOUNT_ROLES else ""
    held = AccountRole.objects.filter(account=account).matching(words)
    waiting = services.waiting_on(services.ON_ACCOUNT, account).filter(email__istartswith=words)
    if role:
        held, waiting = held.filter(role=role), waiting.filter(role=role)
    rows = held.in_order().select_related("user", "assigned_by", "stands_in_for").only(*HELD_COLUMNS)
    page = read_page(request, rows, ["rank", "user__name", "pk"])
    can_change = not account.is_online_services and may(request.user, Action.ACCOUNT_ASSIGN_ROLES, account)
    today = timezone.localdate()
    context = {
        "account": account,
        "page": page,
        "rows": held_rows(account, page.rows, today=today, can_change=can_change),
        "invitations": waiting.select_related("invited_by").order_by("email", "pk"),
        "number": capped_count(held),
        "now": timezone.now(),
        "words": words,
        "role": role,
        "roles": [("", _("All roles")), *((each.value, each.label) for each in ACCOUNT_ROLES)],
        "is_filtered": bool(words or role),
        "can_tick": can_change and bool(page.rows),
    }
    return render(request, "accounts/account_access.html", context)


@requires(Action.PROFILE_EXPORT_ROLES, BillingAccount)
def account_access_export(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Who holds which role on the account, as CSV: those whose role has ended or who are deactivated included."""
    header = [_("Name"), _("E-mail"), _("Role"), _("Since"), _("By"), _("Until"), _("Active"), _("Stands in for")]
    held = AccountRole.objects.filter(account=account).in_order()
    rows = [
        [
            row.user.name,
            row.user.email,
            row.get_role_display(),
            timezone.localdate(row.assigned_at),
            row.assigned_by,
            row.expires_on,
            _("yes") if row.user.is_active else _("no"),
            row.stands_in_for,
        ]
        for row in held.select_related("user", "assigned_by", "stands_in_for").order_by("rank", "user__name", "pk")
    ]
    return csv_response(f"access-{account.code}", header, rows)


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
@recently_confirmed
def account_role_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Give a role by e-mail: to a member of the organisation at once, to anybody else by invitation (S4-13)."""
    form = AccountRoleForm(posted(request))
    if form.is_valid():
        try:
            said = _give(account, form, by=request.user)
        except Refused as refusal:
            if refusal.code == "already_holds":
                messages.info(request, str(refusal))
                return redirect("account_access", account.code)
            form.add_error(None, refusal)
        else:
            messages.success(request, said)
            return redirect("account_access", account.code)
    members = User.objects.filter(memberships__organisation=account.organisation_id, is_active=True)
    context = {"account": account, "form": form, "members": members.order_by("name", "pk")[:MEMBERS_OFFERED]}
    return render(request, "accounts/account_role_new.html", context)


def _give(account: BillingAccount, form: AccountRoleForm, *, by: Any) -> str:
    email, role, expires_on = (form.cleaned_data[name] for name in ("email", "role", "expires_on"))
    person = services.person_in_organisation(account, email)
    if person is None:
        services.invite_to_account(account, email=email, role=role, expires_on=expires_on, by=by)
        return _("%(email)s gets an invitation by e-mail.") % {"email": email}
    services.assign_account_role(account, user=person, role=role, expires_on=expires_on, by=by)
    return _("%(person)s is now: %(role)s.") % {"person": person, "role": role.label}


@requires(Action.ACCOUNT_ASSIGN_ROLES, BillingAccount)
@recently_confirmed
def account_role_removal(request: HttpRequest, account: BillingAccount, role: int) -> HttpResponse:
    """Say what taking a role away will mean, and do it (S4-14a)."""
    held = get_object_or_404(AccountRole.objects.select_related("user", "account"), pk=role, account=account)
    refusal = None
    if request.method == "POST":
        try:
            services.remove_account_role(held, by=request.user)
        except Refused as error:
            refusal = error
        else:
            messages.success(request, _("%(person)s no longer has the role.") % {"person": held.user})
            return redirect("scopes" if held.user == request.user else reverse("account_access", args=[account.code]))
    followers = AccountRole.objects.filter(account=account, stands_in_for=held.user).exclude(pk=held.pk)
    names = [] if held.stands_in_for_id else [row.user for row in followers.select_related("user")]
    context = {"account": account, "held": held, "refusal": refusal, "followers": names}
    return render(request, "accounts/account_role_removal.html", context)


# --- Coming in ------------------------------------------------------------------------------------


@never_cache
@login_not_required
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """The link of the mail: the token goes from the address into the session, and nothing is used up (T17, T22).

    What is kept is the digest, so that the session store opens no door either.
    """
    return take_link(request, INVITATION_KEY, services.digest(token), "invitation_answer")


@never_cache
@login_not_required
def invitation_answer(request: HttpRequest) -> HttpResponse:
    """Take the offered role: as a new person, or signed in as the one it was sent to."""
    offer = services.find_invitation(request.session.get(INVITATION_KEY, ""))
    refusal = services.why_unusable(offer) if offer else None
    if offer is None or refusal:
        context = {"invitation": offer, "refusal": refusal}
        return render(request, "accounts/invitation_unusable.html", context, status=410 if offer else 404)
    if request.user.is_authenticated:
        return _answer_signed_in(request, offer)
    if services.person_with(offer.email) is not None:
        return render(request, "accounts/invitation_sign_in.html", _offer(offer))
    is_in, form = answer_as_new_person(request, partial(services.accept_as_new_person, offer))
    if is_in:
        return _come_in(request, offer)
    return render(request, "accounts/invitation.html", {**_offer(offer), "form": form})


def _answer_signed_in(request: HttpRequest, offer: Invitation) -> HttpResponse:
    is_in, refusal = answer_signed_in(request, partial(services.accept_invitation, offer, by=request.user))
    if is_in:
        return _come_in(request, offer)
    context = {**_offer(offer), "is_other": is_somebody_else(request, offer.email), "refusal": refusal}
    return render(request, "accounts/invitation_accept.html", context)


def _offer(offer: Invitation) -> dict[str, Any]:
    """What the pages say of the invitation: what it is for, and whether it hands the administration over."""
    obj = services.target_of(offer)[1]
    return {"invitation": offer, "target": obj, "is_handover": services.is_handover(offer)}


def _come_in(request: HttpRequest, offer: Invitation) -> HttpResponse:
    request.session.pop(INVITATION_KEY, None)
    scope, obj = services.target_of(offer)
    messages.success(request, _("Welcome to %(name)s") % {"name": obj})
    return redirect(scope.home_of(obj))
