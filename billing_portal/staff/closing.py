"""The vendor's staff close a billing account, or open a closed one again, and say why."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount
from accounts.services.closing import reopen_account
from accounts.services.invitations import is_customer_staff
from core.errors import Refused
from core.forms import posted
from core.staff import render_page
from payments.bank_forms import ReasonForm
from payments.closing import account_closing_conditions
from payments.services.closing import close_account_by_staff


def closing_page(site: Any, request: HttpRequest, pk: int) -> HttpResponse:
    """The same checklist as the customer's, and the closing; for a closed account, its opening."""
    if not is_customer_staff(request.user):
        raise PermissionDenied
    account = get_object_or_404(BillingAccount.objects.select_related("organisation"), pk=pk)
    is_closed, today, by = account.status == "closed", timezone.localdate(), request.user
    conditions = [] if is_closed else account_closing_conditions(account, on=today)
    form = ReasonForm(posted(request))
    if form.is_valid():
        note = form.cleaned_data["reason"]
        try:
            if is_closed:
                reopen_account(account, note=note, by=by)
            else:
                close_account_by_staff(account, note=note, by=by, on=today)  # type: ignore[arg-type]
        except Refused as refusal:
            form.add_error(None, refusal)
        else:
            opened, closed = (
                _("%(account)s is open again. Its owners get a mail."),
                _("%(account)s is closed. Its owners get a mail."),
            )
            said = opened if is_closed else closed
            messages.success(request, said % {"account": account})
            return redirect("admin:accounts_billingaccount_change", account.pk)
    return render_page(
        site,
        request,
        "staff/account_closing.html",
        title=_("Open %(account)s again") % {"account": account}
        if is_closed
        else _("Close %(account)s") % {"account": account},
        account=account,
        is_closed=is_closed,
        standing=[each for each in conditions if not each.is_met],
        form=form,
        verb=_("Open it again") if is_closed else _("Close it"),
        back=reverse("admin:accounts_billingaccount_change", args=[account.pk]),
    )
