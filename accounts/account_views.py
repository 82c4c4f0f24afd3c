"""Pages of one account beside its panel of addresses: tax numbers, planned changes, another legal name; and
the profile of an organisation."""

from mimetypes import guess_extension
from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts import services
from accounts.address_rules import printed_lines
from accounts.forms import NameChangeForm, OrganisationForm, TaxIdsForm
from accounts.models import BillingAccount, NameChange, Organisation, PlannedChange, VatCheck
from accounts.services.organisations import country_of
from accounts.states import NameChangeStatus
from core.errors import Refused
from core.forms import posted
from core.history import last_change
from core.policy import Action, holders, requires, signed_in_only

# --- Tax numbers ----------------------------------------------------------------------------------


@requires(Action.ACCOUNT_EDIT_TAX_IDS, BillingAccount)
def account_tax_ids(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Change VAT ID and registration number; the VAT ID is then asked for in its register (§3.1)."""
    form = TaxIdsForm(posted(request), account=account)
    if form.is_valid():
        try:
            changed = services.save_tax_ids(account, **form.values(), by=request.user)
        except Refused as refusal:
            if refusal.code == "changed_meanwhile":
                return _numbers_conflict(request, account, form)
            form.add_error(None, refusal)
        else:
            said = _("Saved. Invoices that are issued from now on carry it; issued ones keep what they have.")
            messages.success(request, said if changed else _("Nothing was changed."))
            return redirect("account_properties", account.code)
    check = VatCheck.objects.filter(account=account).first()
    return render(request, "accounts/account_tax_ids.html", {"account": account, "form": form, "vat_check": check})


def _numbers_conflict(request: HttpRequest, account: BillingAccount, form: TaxIdsForm) -> HttpResponse:
    """What is stored beside what was typed; sending the page again saves the second over the first."""
    stored = BillingAccount.objects.get(pk=account.pk)
    names = ("vat_id", "registration_number")
    rows = [
        {"label": form.fields[name].label, "theirs": getattr(stored, name), "yours": form.cleaned_data[name]}
        for name in names
        if getattr(stored, name) != form.cleaned_data[name]
    ]
    kept = [(name, form.cleaned_data[name]) for name in names]
    kept += [(f"seen_{name}", getattr(stored, name)) for name in names]
    change = last_change(stored)
    context = {
        "account": stored,
        "rows": rows,
        "kept": kept,
        "changed_by": change.by if change else "",
        "changed_at": change.at if change else None,
        "href": reverse("account_tax_ids", args=[stored.code]),
    }
    return render(request, "accounts/account_conflict.html", context)


@requires(Action.ACCOUNT_EDIT_TAX_IDS, BillingAccount)
def account_vat_check(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Have the VAT ID verified again now."""
    if request.method == "POST":
        try:
            services.ask_again(account, by=request.user)
        except Refused as refusal:
            messages.info(request, str(refusal))
        else:
            messages.success(request, _("The register is asked now. The answer shows here within minutes."))
    return redirect("account_properties", account.code)


# --- Planned changes ---------------------------------------------------------------------------


@requires(Action.ACCOUNT_EDIT_SOLD_TO, BillingAccount)
def account_change_withdrawal(request: HttpRequest, account: BillingAccount, change: int) -> HttpResponse:
    """Take a planned change of the account's addresses back."""
    addresses = [address for address in (account.sold_to, account.bill_to) if address is not None]
    planned = get_object_or_404(PlannedChange.objects.touching(*addresses), pk=change, account=account)
    back = reverse("account_properties", args=[account.code])
    return withdrawal_page(request, planned, of=account, action=Action.ACCOUNT_EDIT_SOLD_TO, back=back)


def withdrawal_page(request: HttpRequest, change: PlannedChange, *, of: Any, action: Action, back: str) -> HttpResponse:
    """Say what is planned and what taking it back means, and do it; also for the addresses of a profile."""
    refusal = None
    if request.method == "POST":
        try:
            services.withdraw_planned_change(change, of=of, action=action, by=request.user)
        except Refused as error:
            refusal = error
        else:
            messages.success(request, _("Withdrawn. The address stays as it is."))
            return redirect(back)
    context = {"account": change.account, "change": change, "refusal": refusal, "back": back}
    return render(request, "accounts/change_withdrawal.html", context)


# --- Another legal name ---------------------------------------------------------------------------


@requires(Action.ACCOUNT_REQUEST_LEGAL_NAME, BillingAccount)
def account_name_change(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Ask for another legal name, and see what became of it (§3.1)."""
    form = NameChangeForm(posted(request), request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.request_name_change(account, **form.cleaned_data, by=request.user)
        except Refused as refusal:
            form.add_error("new_name" if refusal.code == "same_name" else None, refusal)
        else:
            messages.success(request, _("Sent. We look at it within two working days, and mail what we decide."))
            return redirect("account_name_change", account.code)
    requests = NameChange.objects.filter(account=account).select_related("requested_by").order_by("-pk")[:20]
    context = {
        "account": account,
        "form": form,
        "requests": [(each, NameChangeStatus(each.status)) for each in requests],
        "open": next((each for each in requests if each.status == NameChangeStatus.REQUESTED), None),
    }
    return render(request, "accounts/account_name_change.html", context)


@requires(Action.ACCOUNT_REQUEST_LEGAL_NAME, NameChange)
def name_change_withdrawal(request: HttpRequest, change: NameChange) -> HttpResponse:
    """Take a request back that nobody has decided yet."""
    refusal = None
    if request.method == "POST":
        try:
            services.withdraw_name_change(change, by=request.user)
        except Refused as error:
            refusal = error
        else:
            messages.success(request, _("Withdrawn. The legal name stays as it is."))
            return redirect("account_name_change", change.account.code)
    context = {"account": change.account, "change": change, "refusal": refusal}
    return render(request, "accounts/name_change_withdrawal.html", context)


@requires(Action.ACCOUNT_REQUEST_LEGAL_NAME, NameChange)
def name_change_document(request: HttpRequest, change: NameChange) -> HttpResponse:
    """The document of a request, for those who may send one."""
    if not change.document.storage.exists(str(change.document.name)):
        messages.error(request, _("The document is not there any more. Withdraw the request and send it anew."))
        return redirect("account_name_change", change.account.code)
    return document_response(change)  # type: ignore[return-value]


def document_response(change: NameChange) -> FileResponse:
    """Somebody else's file: saved and never shown, as what its content said it is (T41)."""
    name = f"{change.code}{guess_extension(change.document_type)}"
    try:
        file = change.document.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    response = FileResponse(file, as_attachment=True, filename=name, content_type=change.document_type)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response


# --- Scopes ---------------------------------------------------------------------------------------


@signed_in_only
def start(request: HttpRequest) -> HttpResponse:
    """Where signing in leads: the default account, else the one opened last, else home (S0-18)."""
    account = services.start_scope(request.user)
    return redirect(account) if account is not None else redirect("home")


@requires(Action.ACCOUNT_SEE, BillingAccount)
def scope_default(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Start in this account after signing in, or no longer, by `choice`."""
    if request.method == "POST":
        is_chosen = request.POST.get("choice") != "none"
        services.choose_default(account if is_chosen else None, by=request.user)
        said = _("You start in %(account)s from now on.") if is_chosen else _("You start where you were last.")
        messages.success(request, said % {"account": account} if is_chosen else said)
    return redirect("scopes")


# --- The organisation -----------------------------------------------------------------------------


@signed_in_only
def organisations(request: HttpRequest) -> HttpResponse:
    """The organisations whose profile the person may see; where it is one, that one."""
    found = list(Organisation.objects.allowing(request.user, Action.ORGANISATION_VIEW).order_by("name", "pk")[:100])
    if len(found) == 1:
        return redirect("organisation_profile", found[0].code)
    return render(request, "accounts/organisations.html", {"organisations": found})


@requires(Action.ORGANISATION_VIEW, Organisation)
def organisation_profile(request: HttpRequest, organisation: Organisation) -> HttpResponse:
    """What the organisation says of itself, and who may change it (S1-2)."""
    address = organisation.address
    editors = {held.user_id: held.user for held in holders(Action.ORGANISATION_EDIT, organisation)}
    context = {
        "organisation": organisation,
        "address_lines": printed_lines({**address.snapshot(), "company_name": ""}) if address else [],
        "editors": list(editors.values()),
        "changed": last_change(organisation),
    }
    return render(request, "accounts/organisation_profile.html", context)


@requires(Action.ORGANISATION_EDIT, Organisation)
def organisation_edit(request: HttpRequest, organisation: Organisation) -> HttpResponse:
    """Change the profile of the organisation; its accounts and their sold-to keep their names (S1-2)."""
    form = OrganisationForm(posted(request), organisation=organisation, country=country_of(organisation))
    if form.is_valid():
        try:
            changed = services.update_organisation(organisation, **form.values(), by=request.user)
        except Refused as refusal:
            if refusal.code == "changed_meanwhile":
                return _organisation_conflict(request, organisation, form)
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return redirect("organisation_profile", organisation.code)
    return render(request, "accounts/organisation_edit.html", {"organisation": organisation, "form": form})


def _organisation_conflict(request: HttpRequest, organisation: Organisation, form: OrganisationForm) -> HttpResponse:
    stored = Organisation.objects.select_related("address").get(pk=organisation.pk)
    now = OrganisationForm(organisation=stored, country=country_of(stored))
    names = [name for name in form.fields if name not in {"version", "country"}]
    rows = [
        {"label": form.fields[name].label, "theirs": now[name].value(), "yours": form.cleaned_data[name]}
        for name in names
        if (now[name].value() or "") != form.cleaned_data[name]
    ]
    change = last_change(stored)
    context = {
        "organisation": stored,
        "rows": rows,
        "kept": [*((name, form.cleaned_data[name]) for name in names), ("version", stored.version)],
        "changed_by": change.by if change else "",
        "changed_at": change.at if change else None,
        "href": reverse("organisation_edit", args=[stored.code]),
    }
    return render(request, "accounts/organisation_conflict.html", context)
