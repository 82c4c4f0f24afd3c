"""Settle balance: everything past due on an online-services account at once (§3.7, S3)."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import BillingAccount, User
from core.errors import Refused
from core.policy import Action, demand
from invoices.models import Invoice
from payments.models import Payment, PaymentMethod
from payments.services.methods import set_default_method
from payments.services.pay import pay_invoices
from payments.states import PaymentStatus
from profiles.models import BillingProfile


def past_due_of(account: BillingAccount, *, at: datetime) -> list[Invoice]:
    """What has to be settled, the oldest first."""
    overdue = Invoice.objects.filter(account=account).overdue(timezone.localdate(at))
    return list(overdue.select_related("profile").order_by("due_date", "pk"))


def settle_balance(
    account: BillingAccount, invoices: Sequence[Invoice], *, method: PaymentMethod, by: User, request_key: str
) -> list[Payment]:
    """Pay all that is past due with one method, and let it pay for those subscriptions from now on.

    One payment per subscription, each invoiced on its own; the first that is declined ends it. `invoices` is what
    the page showed. Refuses `not_all` where more is past due by now, and what `pay_invoices` refuses.
    """
    at = timezone.now()
    demand(by, Action.INVOICE_SETTLE_BALANCE, account)
    owing = past_due_of(account, at=at)
    if not {invoice.pk for invoice in owing} <= {invoice.pk for invoice in invoices}:
        raise Refused(_("More is past due by now. Look at the list again."), "not_all")
    of_profile: dict[int, list[Invoice]] = defaultdict(list)
    for invoice in owing:
        of_profile[invoice.profile_id].append(invoice)
    payments: list[Payment] = []
    for profile_id, theirs in of_profile.items():
        payment = pay_invoices(theirs, method=method, by=by, request_key=f"{request_key}-{profile_id}"[:64], at=at)
        payments.append(payment)
        if payment.status in (PaymentStatus.FAILED, PaymentStatus.CANCELLED):
            return payments
    paid = BillingProfile.objects.filter(pk__in=of_profile)
    set_default_method(method, profiles=list(paid), by=by, on=timezone.localdate(at))
    return payments
