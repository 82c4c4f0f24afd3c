"""Pages about collecting: a promise to pay, paying from the balance, taking back payment links, and the switch of
automatic payment."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from core.errors import Refused
from core.forms import posted
from core.policy import Action, requires
from core.templatetags.ui import day, money
from invoices.models import Invoice
from payments.collecting_forms import AutomaticPaymentForm, PromiseForm
from payments.models import ProfileMethods
from payments.services.collecting import promise_to_pay
from payments.services.methods import set_automatic_payment
from payments.services.overpaid import use_balance
from payments.services.pay_links import revoke_links
from profiles.models import BillingProfile
from subscriptions.models import Subscription


@requires(Action.INVOICE_PAY, Invoice)
def invoice_promise(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """Say by when a past-due invoice is paid; until then nobody is reminded (§3.9)."""
    now = timezone.now()
    form = PromiseForm(posted(request), on=timezone.localdate(now))
    if form.is_valid():
        try:
            promise_to_pay(invoice, until=form.cleaned_data["until"], by=request.user, at=now)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error("until" if refusal.code == "too_late" else None, refusal)
        else:
            said = _("Noted: %(number)s is paid by %(day)s. Until then we do not remind you.")
            messages.success(request, said % {"number": invoice.number, "day": day(form.cleaned_data["until"])})
            return redirect(invoice)
    context = {"account": invoice.account, "invoice": invoice, "form": form}
    return render(request, "payments/invoice_promise.html", context)


@require_POST
@requires(Action.INVOICE_PAY, Invoice)
def invoice_balance(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """Let what was overpaid on the billing profile pay this invoice (§3.7)."""
    try:
        paid = use_balance(invoice, by=request.user)  # type: ignore[arg-type]
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        said = _("%(amount)s of %(number)s was paid from the balance.")
        messages.success(request, said % {"amount": money(paid), "number": invoice.number})
    return redirect(invoice)


@require_POST
@requires(Action.INVOICE_PAY, Invoice)
def invoice_links_revocation(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """Let the payment links in the mails about this invoice work no longer (P18)."""
    number = revoke_links(invoice, by=request.user)  # type: ignore[arg-type]
    said = ngettext("%(number)d payment link was revoked.", "%(number)d payment links were revoked.", number)
    messages.success(request, said % {"number": number})
    return redirect(invoice)


@requires(Action.METHOD_REPLACE_DEFAULT, BillingProfile)
def profile_automatic_payment(request: HttpRequest, profile: BillingProfile) -> HttpResponse:
    """Whether invoices of the profile are charged by themselves on their due date."""
    return _automatic_payment(request, profile, reverse("profile_payment_methods", args=[profile.code]), profile.name)


@requires(Action.METHOD_SET_ACTIVE, Subscription)
def subscription_automatic_payment(request: HttpRequest, subscription: Subscription) -> HttpResponse:
    """The same of a subscription of online services."""
    back = reverse("subscription_payment_methods", args=[subscription.code])
    if subscription.profile.is_shown:
        return redirect(back)
    return _automatic_payment(request, subscription.profile, back, subscription.name)


def _automatic_payment(request: HttpRequest, profile: BillingProfile, back: str, name: str) -> HttpResponse:
    chosen = ProfileMethods.objects.filter(profile=profile).select_related("default", "backup").first()
    form = AutomaticPaymentForm(posted(request), is_on=chosen.charges_automatically if chosen else True)
    if form.is_valid():
        is_on = form.cleaned_data["is_on"]
        set_automatic_payment(profile, is_on=is_on, by=request.user)  # type: ignore[arg-type]
        said = _("Invoices of “%(name)s” are charged on their due date from now on.")
        if not is_on:
            said = _("Nothing of “%(name)s” is charged by itself any more. Pay each invoice before its due date.")
        messages.success(request, said % {"name": name})
        return redirect(back)
    context = {"account": profile.account, "profile": profile, "name": name, "form": form, "back": back}
    context |= {"default": chosen and chosen.default, "backup": chosen and chosen.backup}
    return render(request, "payments/automatic_payment.html", context)
