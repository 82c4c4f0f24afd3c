"""Pages about who gets the invoices of a profile by mail, and why (P10, S4-2, S4-2b).

The hidden profile of an online-services subscription has the same pages below its subscription: the
views of `subscriptions` hand over to the functions here, with the scope that is theirs.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from core.errors import Refused
from core.forms import posted
from core.policy import Action, may, requires
from profiles.forms import RecipientForm
from profiles.models import BillingProfile, ExtraRecipient
from profiles.recipients import InvoiceRecipient, not_mailed, recipients_on
from profiles.services import recipients as services


@dataclass(frozen=True)
class RecipientsScope:
    """Where the pages of one profile stand: `kind` is the first word of their routes, `code` that of its page."""

    profile: BillingProfile
    kind: str
    code: str
    name: str

    def address(self, page: str, *args: Any) -> str:
        """The address of one of the pages: `recipients`, `recipient_new`, …"""
        return reverse(f"{self.kind}_{page}", args=[self.code, *args])

    @property
    def home(self) -> str:
        return reverse(self.kind, args=[self.code])


@requires(Action.PROFILE_VIEW, BillingProfile)
def profile_recipients(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Who gets the next invoice by mail, and why; who does not, and why not (P10)."""
    return recipients_page(request, _scope(profile))


@requires(Action.PROFILE_EDIT_RECIPIENTS, BillingProfile)
def profile_recipient_new(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Add an extra address; its holder is asked first (S4-2b)."""
    return recipient_new_page(request, _scope(profile))


@requires(Action.PROFILE_EDIT_RECIPIENTS, BillingProfile)
def profile_recipient_removal(request: HttpRequest, profile: BillingProfile, recipient: int) -> HttpResponse:
    """Take an extra address away, after saying what that means (S4-2b)."""
    return recipient_removal_page(request, _scope(profile), recipient)


@require_POST
@requires(Action.PROFILE_EDIT_RECIPIENTS, BillingProfile)
def profile_recipient_question(request: HttpRequest, profile: BillingProfile, recipient: int) -> HttpResponse:
    """Ask the holder of an address once more."""
    return ask_again(request, _scope(profile), recipient)


@require_POST
@requires(Action.PROFILE_EDIT_RECIPIENTS, BillingProfile)
def profile_recipient_test(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Send a test mail to one of the recipients (P10)."""
    return send_test(request, _scope(profile))


@require_POST
@requires(Action.PROFILE_VIEW, BillingProfile)
def profile_invoice_mute(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Stop the mails with invoices to oneself, or resume them (S4-2a)."""
    return mute(request, _scope(profile))


# --- For both kinds of scope ------------------------------------------------------------------------


def recipients_page(request: HttpRequest, scope: RecipientsScope) -> HttpResponse:
    today = timezone.localdate()
    recipients = recipients_on(scope.profile, on=today)
    mine = next((each for each in recipients if each.user == request.user), None)
    context = {
        **_context(scope),
        "recipients": recipients,
        "mailed_count": sum(each.gets_mail for each in recipients),
        "others": not_mailed(scope.profile, recipients, on=today) if scope.profile.is_shown else [],
        "next_billing_date": scope.profile.next_billing_date(today),
        "mine": mine,
        "may_edit": may(request.user, Action.PROFILE_EDIT_RECIPIENTS, scope.profile),
        "is_closed": scope.profile.status == "closed",
    }
    return render(request, "profiles/recipients.html", context)


def recipient_new_page(request: HttpRequest, scope: RecipientsScope) -> HttpResponse:
    form = RecipientForm(posted(request), language=scope.profile.account.organisation.preferred_language)
    if form.is_valid():
        try:
            extra = services.add_recipient(scope.profile, **form.cleaned_data, by=request.user)
        except Refused as refusal:
            form.add_error("email" if refusal.code in {"already_there", "not_an_address"} else None, refusal)
        else:
            messages.success(
                request, _("%(email)s was asked by mail. It gets invoices once confirmed.") % {"email": extra}
            )
            return redirect(scope.address("recipients"))
    return render(request, "profiles/recipient_new.html", {**_context(scope), "form": form})


def recipient_removal_page(request: HttpRequest, scope: RecipientsScope, recipient: int) -> HttpResponse:
    extra = _extra(scope, recipient)
    if request.method == "POST":
        email = extra.email
        services.remove_recipient(extra, by=request.user)
        messages.success(request, _("%(email)s gets no invoices any more.") % {"email": email})
        return redirect(scope.address("recipients"))
    return render(request, "profiles/recipient_removal.html", {**_context(scope), "extra": extra})


def ask_again(request: HttpRequest, scope: RecipientsScope, recipient: int) -> HttpResponse:
    extra = _extra(scope, recipient)
    try:
        services.ask_again(extra, by=request.user)
    except Refused as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _("%(email)s was asked again.") % {"email": extra.email})
    return redirect(scope.address("recipients"))


def send_test(request: HttpRequest, scope: RecipientsScope) -> HttpResponse:
    email = request.POST.get("email", "").lower()
    known = recipients_on(scope.profile, on=timezone.localdate())
    chosen: InvoiceRecipient | None = next((each for each in known if each.email.lower() == email), None)
    if chosen is None:
        messages.warning(request, _("This address is not on the list any more."))
        return redirect(scope.address("recipients"))
    try:
        services.send_test_mail(scope.profile, recipient=chosen, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _("A test mail goes to %(email)s.") % {"email": chosen.email})
    return redirect(scope.address("recipients"))


def mute(request: HttpRequest, scope: RecipientsScope) -> HttpResponse:
    muted = request.POST.get("muted") == "1"
    try:
        services.mute_invoices(scope.profile, muted=muted, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.warning(request, str(refusal))
    else:
        said = _("You get no invoices of “%(name)s” by mail any more.") if muted else _("You get the invoices again.")
        messages.success(request, said % {"name": scope.name})
    return redirect(scope.address("recipients"))


# --- The holder of an address -----------------------------------------------------------------------


@never_cache
@login_not_required
def recipient(request: HttpRequest, token: str) -> HttpResponse:
    """The link of a mail to an extra address: what it is asked, and the buttons to answer. Nothing is used up."""
    extra = services.recipient_with(token)
    context = {"extra": extra, "token": token, "is_expired": bool(extra) and services.is_expired(token)}
    response = render(request, "profiles/recipient.html", context, status=200 if extra else 410)
    response.headers["Referrer-Policy"] = "same-origin"
    return response


@never_cache
@require_POST
@login_not_required
def recipient_confirmation(request: HttpRequest, token: str) -> HttpResponse:
    """The holder of the address says yes (S4-2b)."""
    try:
        services.confirm_recipient(token)
    except Refused as refusal:
        messages.warning(request, str(refusal))
    return redirect("recipient", token)


@never_cache
@require_POST
@login_not_required
def recipient_refusal(request: HttpRequest, token: str) -> HttpResponse:
    """The holder of the address says no, now or years later."""
    services.decline_recipient(token)
    return redirect("recipient", token)


def _scope(profile: BillingProfile) -> RecipientsScope:
    return RecipientsScope(profile, "profile", profile.code, profile.name)


def _context(scope: RecipientsScope) -> dict[str, Any]:
    pages = ("recipients", "recipient_new", "recipient_test", "invoice_mute", "email_preference")
    return {
        "account": scope.profile.account,
        "profile": scope.profile,
        "scope": scope,
        "to": {page: scope.address(page) for page in pages},
    }


def _extra(scope: RecipientsScope, pk: int) -> ExtraRecipient:
    rows = ExtraRecipient.objects.filter(profile=scope.profile).select_related("profile__account")
    return get_object_or_404(rows, pk=pk)
