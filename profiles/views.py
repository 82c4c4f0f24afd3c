"""Pages of billing profiles: the list of an account, one profile, its e-mail preference."""

from django.contrib import messages
from django.db.models.functions import Lower
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.address_rules import printed_lines
from accounts.models import BillingAccount
from core.codes import code_asked_for
from core.errors import Refused
from core.forms import posted
from core.history import last_change
from core.lists import read_page, sorting
from core.policy import Action, PolicyQuerySet, may, requires
from profiles.address_views import planned_change
from profiles.forms import EmailPreferenceForm, NewProfileForm, PoliciesForm, ProfileForm
from profiles.models import BillingProfile, MarketplacePolicy
from profiles.people import count_people
from profiles.recipients import recipients_on
from profiles.services.profiles import create_profile, set_email_preference, set_policies, update_profile
from profiles.states import ProfileStatus

SORTS = {"name": ["lower_name", "pk"], "status": ["status", "pk"], "po": ["po_number", "pk"]}


@requires(Action.PROFILE_VIEW, BillingAccount, anywhere=True)
def profiles(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The billing profiles of an account that the person may see (S2-19, S2-20)."""
    words = request.GET.get("q", "").replace("\x00", "").strip()[:100]
    status = request.GET.get("status", "") if request.GET.get("status") in ProfileStatus.values else ""
    rows = BillingProfile.objects.filter(account=account).shown().matching(words)
    found = rows.allowing(request.user, Action.PROFILE_VIEW).annotate(lower_name=Lower("name"))
    if status:
        found = found.filter(status=status)
    page = read_page(request, found, sorting(request, SORTS, "name"))
    people = count_people(page.rows, account=account, on=timezone.localdate())
    context = {
        "account": account,
        "page": page,
        "rows": [(profile, people[profile.pk]) for profile in page.rows],
        "words": words,
        "status": status,
        "statuses": [("", _("All statuses")), *ProfileStatus.choices],
        "is_filtered": bool(words or status),
    }
    return render(request, "profiles/profiles.html", context)


@requires(Action.PROFILE_CREATE, BillingAccount)
def profile_new(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """Make a billing profile; what is computed per profile is said before (S2-11)."""
    form = NewProfileForm(posted(request), account=account)
    if form.is_valid():
        try:
            profile = create_profile(account, **form.values(), by=request.user)
        except Refused as refusal:
            form.add_error("name" if refusal.code == "name_taken" else None, refusal)
        else:
            messages.success(request, _("The billing profile “%(name)s” is there.") % {"name": profile.name})
            return redirect(profile)
    return render(request, "profiles/profile_new.html", {"account": account, "form": form})


@requires(Action.PROFILE_VIEW, BillingProfile)
def profile(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """The Overview tab: what the profile is, what its invoices carry, and who gets them by mail (S2-21)."""
    today = timezone.localdate()
    context = {
        "account": profile.account,
        "profile": profile,
        "status": ProfileStatus(profile.status),
        "bill_to": profile.bill_to,
        "address_lines": printed_lines(profile.invoice_address.snapshot()),
        "ship_to_lines": printed_lines(profile.ship_to.snapshot()) if profile.ship_to else [],
        "planned": planned_change(profile),
        "next_billing_date": profile.next_billing_date(today),
        "recipients": recipients_on(profile, on=today),
    }
    return render(request, "profiles/profile.html", context)


@requires(Action.PROFILE_RENAME, BillingProfile)
def profile_edit(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Change name, PO number and bill-to, from the next invoice on (S2-5b, S0-8a)."""
    may_set_day = may(request.user, Action.PROFILE_EDIT_INVOICE_DAY, profile)
    form = ProfileForm(posted(request), profile=profile, may_set_day=may_set_day)
    if form.is_valid():
        try:
            changed = update_profile(profile, **form.values(), by=request.user)
        except Refused as refusal:
            if refusal.code == "changed_meanwhile":
                return _conflict(request, profile, form)
            form.add_error("name" if refusal.code == "name_taken" else None, refusal)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return redirect(profile)
    context = {
        "account": profile.account,
        "profile": profile,
        "form": form,
        "next_billing_date": profile.next_billing_date(timezone.localdate()),
    }
    return render(request, "profiles/profile_edit.html", context)


@requires(Action.PROFILE_VIEW_POLICIES, BillingProfile)
def profile_policies(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Which kinds of purchase the profile allows (S2-7)."""
    policy = MarketplacePolicy(profile.marketplace_policy)
    context = {"account": profile.account, "profile": profile, "marketplace": policy}
    return render(request, "profiles/profile_policies.html", context)


@requires(Action.PROFILE_APPLY_POLICIES, BillingProfile)
def profile_policies_edit(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Set the policies; the owners get a mail."""
    form = PoliciesForm(posted(request), profile=profile)
    if form.is_valid():
        try:
            changed = set_policies(profile, **form.cleaned_data, by=request.user)
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing was changed."))
            return redirect("profile_policies", profile.code)
    context = {"account": profile.account, "profile": profile, "form": form}
    return render(request, "profiles/profile_policies_edit.html", context)


@requires(Action.PROFILE_EDIT_EMAIL_PREFERENCE, BillingProfile)
def profile_email_preference(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Opt in to or out of invoices by e-mail, for everybody on the profile (S4-5, S4-6, S4-7)."""
    choices = _choices(_editable(request, profile.account))
    return email_preference_page(request, profile, back=profile.get_absolute_url(), choices=choices)


def email_preference_page(
    request: HttpRequest,
    profile: BillingProfile,
    *,
    back: str,
    choices: list[tuple[str, str]],
    recipients_href: str = "",
) -> HttpResponse:
    """The panel of one profile, also of a hidden one: the page of its subscription places it (S4-8a).

    It stays open after a change, so that the next of `choices` can be set (S4-8).
    """
    recipients = recipients_on(profile, on=timezone.localdate())
    concerned = sum(recipient.gets_mail for recipient in recipients)
    form = EmailPreferenceForm(posted(request), profile=profile, people=concerned)
    if form.is_valid():
        set_email_preference(profile, **form.values(), by=request.user)
        messages.success(request, _preference_said(profile))
        return redirect("profile_email_preference", profile.code) if len(choices) > 1 else redirect(back)
    context = {
        "account": profile.account,
        "profile": profile,
        "form": form,
        "recipients": recipients,
        "choices": choices,
        "back": back,
        "recipients_href": recipients_href or reverse("profile_recipients", args=[profile.code]),
    }
    return render(request, "profiles/profile_email_preference.html", context)


@requires(Action.PROFILE_EDIT_EMAIL_PREFERENCE, BillingAccount, anywhere=True)
def invoice_email_preference(request: HttpRequest, account: BillingAccount) -> HttpResponse:
    """The preference of the profile that is asked for, or of the first that the person may change (S4-5, S4-6)."""
    profiles = _editable(request, account)
    asked = code_asked_for(request, "profile")
    profile = get_object_or_404(profiles, code=asked) if request.GET.get("profile") else profiles.first()
    if profile is not None:
        profile.account = account
        return email_preference_page(request, profile, back=profile.get_absolute_url(), choices=_choices(profiles))
    if account.is_online_services:
        messages.info(request, _("Each subscription has its own switch for invoices by e-mail: on its page."))
        return redirect("subscriptions", account.code)
    messages.info(request, _("There is nothing yet that is invoiced by e-mail."))
    return redirect("profiles", account.code)


def _editable(request: HttpRequest, account: BillingAccount) -> PolicyQuerySet:
    """The profiles whose e-mail preference the person may change."""
    rows = BillingProfile.objects.filter(account=account).shown().open().order_by("name", "pk")
    return rows.allowing(request.user, Action.PROFILE_EDIT_EMAIL_PREFERENCE)


def _choices(profiles: PolicyQuerySet) -> list[tuple[str, str]]:
    return list(profiles.values_list("code", "name"))


def _preference_said(profile: BillingProfile) -> str:
    if profile.sends_invoices:
        return _("Invoices of “%(name)s” are sent by e-mail from now on.") % {"name": profile.name}
    return _("Invoices of “%(name)s” are no longer sent by e-mail.") % {"name": profile.name}


def _conflict(request: HttpRequest, profile: BillingProfile, form: ProfileForm) -> HttpResponse:
    """What is stored beside what was typed; sending the page again saves the second over the first."""
    stored = BillingProfile.objects.select_related("account", "bill_to").get(pk=profile.pk)
    now = ProfileForm(profile=stored)
    rows = [
        {"label": field.label, "theirs": now[name].value(), "yours": form.cleaned_data[name]}
        for name, field in form.fields.items()
        if not field.disabled and not form[name].is_hidden and now[name].value() != form.cleaned_data[name]
    ]
    changes = [change for change in (last_change(stored), last_change(stored.bill_to)) if change]
    last = max(changes, key=lambda change: change.at, default=None)
    context = {
        "account": stored.account,
        "profile": stored,
        "rows": rows,
        "kept": [(name, (now if form[name].is_hidden else form)[name].value()) for name in form.fields],
        "action": reverse("profile_edit", args=[stored.code]),
        "href": stored.get_absolute_url(),
        "changed_by": last.by if last else "",
        "changed_at": last.at if last else None,
    }
    # htmx shows a refusal of the protocol as the page it came from, which would lose what was typed.
    status = 200 if request.headers.get("HX-Request") else 409
    return render(request, "profiles/profile_conflict.html", context, status=status)
