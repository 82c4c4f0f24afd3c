"""Pages about the mails of an invoice: sending one again, to one's own accounting, or in the place of one that came
back (S4, F17)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from core.errors import Refused
from core.forms import PortalFormHelper, posted
from core.policy import Action, may, requires
from invoices.deliveries import LOST, resend_delivery
from invoices.models import Delivery, Invoice
from invoices.services.sending import last_address, repair_delivery, send_invoice_to
from profiles.models import ExtraRecipient


class AddressForm(forms.Form):
    """Where an invoice is sent."""

    email = forms.EmailField(label=gettext_lazy("E-mail address"), max_length=254)

    def __init__(self, data: Mapping[str, Any] | None, *, email: str, help_text: str = "") -> None:
        super().__init__(data, initial={"email": email})
        self.fields["email"].help_text = help_text
        self.helper = PortalFormHelper("email")


@requires(Action.INVOICE_VIEW, Invoice)
@require_POST
def delivery_resend(request: HttpRequest, invoice: Invoice, delivery_id: int) -> HttpResponse:
    """Send the invoice to one recipient once more (S4)."""
    delivery = _delivery(invoice, delivery_id)
    try:
        resend_delivery(delivery, by=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The invoice goes to %(email)s again.") % {"email": delivery.email})
    return redirect(invoice)


@requires(Action.INVOICE_DOWNLOAD, Invoice)
def invoice_sending(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """Send the PDF and the structured file to an address of one's own choice, once."""
    help_text = _("For example the mailbox from which your bookkeeping program reads invoices.")
    form = AddressForm(posted(request), email=last_address(request.user), help_text=help_text)  # type: ignore[arg-type]
    if _is_sent(request, form, partial(send_invoice_to, invoice)):
        return redirect(invoice)
    context = {
        "account": invoice.account,
        "invoice": invoice,
        "form": form,
        "may_add": may(request.user, Action.PROFILE_EDIT_RECIPIENTS, invoice.profile) and invoice.profile.is_shown,
    }
    return render(request, "invoices/invoice_sending.html", context)


@requires(Action.PROFILE_EDIT_RECIPIENTS, Invoice)
def delivery_repair(request: HttpRequest, invoice: Invoice, delivery_id: int) -> HttpResponse:
    """A mail that came back: why, the address to mend, and the button that sends the invoice again (F17)."""
    delivery = _delivery(invoice, delivery_id)
    form = AddressForm(posted(request), email=delivery.email)
    if _is_sent(request, form, partial(repair_delivery, delivery)):
        return redirect(invoice)
    extras = ExtraRecipient.objects.filter(profile=invoice.profile, email__iexact=delivery.email)
    context = {
        "account": invoice.account,
        "invoice": invoice,
        "delivery": delivery,
        "form": form,
        "is_over": delivery.message.status not in LOST or delivery.replacements.exists(),
        "is_extra": delivery.user is None and extras.exists(),
        "is_mine": delivery.user == request.user,
    }
    return render(request, "invoices/delivery_repair.html", context)


def _is_sent(request: HttpRequest, form: AddressForm, send: Callable[..., Delivery]) -> bool:
    """Send to the address of the form, if it was posted and nothing is wrong with it; the form says what is."""
    if not form.is_valid():
        return False
    try:
        delivery = send(email=form.cleaned_data["email"], by=request.user)
    except Refused as refusal:
        form.add_error("email", refusal)
        return False
    messages.success(request, _("The invoice goes to %(email)s.") % {"email": delivery.email})
    return True


def _delivery(invoice: Invoice, pk: int) -> Delivery:
    delivery = get_object_or_404(invoice.deliveries.select_related("message", "user", "sent_by"), pk=pk)
    delivery.invoice = invoice
    return delivery
