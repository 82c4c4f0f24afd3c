"""The to-do list of home: what is waiting, most urgent first, each with the button that mends it.

A row is there only for somebody who can do something about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Min, Q, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AccountRole, BillingAccount
from billing_portal.reviews import with_review_due
from core.models import MailComplaint
from core.money import Money
from core.policy import Action, Role, may
from core.templatetags.ui import day
from invoices.coming import checked_by_vendor
from invoices.deliveries import unrepaired
from invoices.models import Delivery, Invoice
from invoices.services.sending import repair_path
from payments.models import PaymentMethod, PreparedPayment, TransferRequest
from profiles.models import BillingProfile

DUE_SOON_DAYS = 14


@dataclass(frozen=True)
class Task:
    """One row: what is the matter, what it means, and where it is mended."""

    icon: str
    title: str
    text: str
    href: str
    action: str
    tone: str = "neutral"
    amount: Money | None = None


def tasks(user: Any, account: BillingAccount, on: date) -> list[Task]:
    """What waits for this person in this account; a fixed number of statements."""
    rows = [
        *_overdue(user, account, on),
        *_address(user, account),
        *_approvals(user, account),
        *_methods(user, account, on),
        *_transfers(user, account),
        *_bounced(user, account),
        *_complained(user, account),
        *_without_method(user, account),
        *_checked(user, account, on),
        *_due_soon(user, account, on),
        *_only_owner(user, account, on),
        *_review(user, account),
    ]
    order = {"danger": 0, "warn": 1, "neutral": 2}
    return sorted(rows, key=lambda task: order[task.tone])


def _overdue(user: Any, account: BillingAccount, on: date) -> Iterable[Task]:
    rows = Invoice.objects.allowing(user, Action.INVOICE_PAY).filter(account=account).overdue(on)
    found = rows.aggregate(count=Count("pk"), owed=Sum("amount_due_minor"), oldest=Min("due_date"))
    if not found["count"]:
        return
    if found["count"] == 1:
        only = rows.get()
        href, title = (
            reverse("invoice_payment", args=[only.code]),
            _("%(number)s is past due") % {"number": only.number},
        )
    else:
        href = reverse("invoices", args=[account.code]) + "?status=past_due"
        title = _("%(count)d invoices are past due") % {"count": found["count"]}
    text = _("The oldest was due on %(day)s. Pay now, or ask help when something is wrong with it.")
    yield Task(
        "status-past-due",
        title,
        text % {"day": day(found["oldest"])},
        href,
        _("Review and pay"),
        "danger",
        Money(found["owed"], account.currency),
    )


def _approvals(user: Any, account: BillingAccount) -> Iterable[Task]:
    """Payments that others prepared and this owner may approve."""
    mine = PreparedPayment.objects.allowing(user, Action.INVOICE_APPROVE_PAYMENT).filter(account=account)
    rows = mine.waiting(timezone.now()).exclude(prepared_by=user).select_related("profile", "prepared_by")
    for prepared in rows.order_by("expires_at", "pk")[:3]:
        yield Task(
            "swap",
            _("A payment waits for your approval"),
            _("%(by)s prepared it for %(profile)s. It expires on %(day)s.")
            % {"by": prepared.prepared_by, "profile": prepared.profile, "day": day(prepared.expires_at)},
            prepared.get_absolute_url(),
            _("Approve or refuse"),
            "warn",
            prepared.amount,
        )


def _due_soon(user: Any, account: BillingAccount, on: date) -> Iterable[Task]:
    rows = Invoice.objects.allowing(user, Action.INVOICE_PAY).filter(account=account).due_soon(on)
    for invoice in rows.order_by("due_date", "pk")[:3]:
        left = (invoice.due_date - on).days
        if left > DUE_SOON_DAYS:
            continue
        title = ngettext("%(number)s is due in %(days)d day", "%(number)s is due in %(days)d days", left)
        yield Task(
            "status-due",
            title % {"number": invoice.number, "days": left},
            _("%(profile)s · before %(day)s") % {"profile": invoice.profile_name, "day": day(invoice.due_date)},
            invoice.get_absolute_url(),
            _("View invoice"),
            amount=invoice.amount_due,
        )


def _methods(user: Any, account: BillingAccount, on: date) -> Iterable[Task]:
    methods = PaymentMethod.objects.allowing(user, Action.METHOD_ADD).filter(account=account).kept()
    in_use = methods.filter(default_of__isnull=False).distinct().order_by("valid_until", "pk")
    for method in in_use.filter(Q(status="declined") | Q(pk__in=methods.expired(on)) | Q(pk__in=methods.expiring(on))):
        href = reverse("method_replacement", args=[method.code])
        if method.valid_until and method.valid_until < on:
            title = _("%(method)s has expired") % {"method": method}
            text = _("It was valid until %(day)s and pays nothing any more.") % {"day": day(method.valid_until)}
            yield Task("card", title, text, href, _("Replace card"), "danger")
        elif method.status == "declined":
            title = _("The last charge of %(method)s was declined") % {"method": method}
            text = _("Its invoices stay open until another card is used or the bank lets the charge through.")
            yield Task("card", title, text, href, _("Replace card"), "warn")
        else:
            left = (method.valid_until - on).days  # type: ignore[operator]
            title = ngettext("%(method)s expires in %(days)d day", "%(method)s expires in %(days)d days", left)
            text = _("Replace it before the next charge, so that nothing is declined.")
            yield Task("card", title % {"method": method, "days": left}, text, href, _("Replace card"), "warn")


def _transfers(user: Any, account: BillingAccount) -> Iterable[Task]:
    rows = TransferRequest.objects.allowing(user, Action.METHOD_REQUEST_TRANSFER).filter(account=account)
    for request in rows.filter(status="question").select_related("profile").order_by("pk")[:2]:
        yield Task(
            "swap",
            _("We have a question about paying by transfer: %(of)s") % {"of": request},
            request.note,
            reverse("transfer_answer", args=[request.code]),
            _("Answer the question"),
            "warn",
        )


def _without_method(user: Any, account: BillingAccount) -> Iterable[Task]:
    profiles = BillingProfile.objects.allowing(user, Action.METHOD_ADD).filter(account=account).open().shown()
    for profile in profiles.filter(
        Q(methods=None) | Q(methods__default=None), subscriptions__status="active"
    ).distinct()[:3]:
        yield Task(
            "card",
            _("%(profile)s has no payment method") % {"profile": profile},
            _("Its invoices are paid by hand. Add a card to pay them in a moment."),
            reverse("profile_payment_methods", args=[profile.code]),
            _("Add a card"),
        )


def _checked(user: Any, account: BillingAccount, on: date) -> Iterable[Task]:
    """Invoices that were to be there by now. Nothing is asked; who waits for one reads why it is not there."""
    profiles = BillingProfile.objects.allowing(user, Action.INVOICE_VIEW).filter(account=account).shown()
    for coming in checked_by_vendor(profiles, on)[:3]:
        title = _("The invoice of %(profile)s of %(month)s is being checked")
        yield Task(
            "info",
            title % {"profile": coming.profile, "month": date_format(coming.month.first, "F Y")},
            _("We look at it before we send it. You need not do anything, and nothing is charged meanwhile."),
            coming.profile.get_absolute_url(),
            _("View billing profile"),
        )


def _bounced(user: Any, account: BillingAccount) -> Iterable[Task]:
    """An invoice mail that came back: the address is mended and it goes again, in one step."""
    rows = Delivery.objects.allowing(user, Action.PROFILE_EDIT_RECIPIENTS).filter(invoice__account=account)
    for delivery in unrepaired(rows)[:2]:
        yield Task(
            "mail",
            _("Invoice e-mail to %(address)s came back") % {"address": delivery.email},
            _("%(number)s was refused: %(words)s")
            % {"number": delivery.invoice.number, "words": delivery.message.last_error or _("no reason given")},
            repair_path(delivery),
            _("Fix and send again"),
            "warn",
        )


def _complained(user: Any, account: BillingAccount) -> Iterable[Task]:
    """Somebody marked an invoice mail as spam: the person themselves can want it again, the others are told."""
    stopped = MailComplaint.objects.open().filter(message__isnull=False)
    mine = {user.email.lower(), user.billing_email.lower()}
    rows = Delivery.objects.allowing(user, Action.INVOICE_VIEW).filter(
        invoice__account=account, message__in=stopped.values("message")
    )
    for delivery in rows.select_related("invoice__profile").order_by("-pk")[:3]:
        if delivery.email.lower() in mine:
            yield Task(
                "mail",
                _("You marked our mail as spam"),
                _("Invoices and receipts no longer go to %(address)s. Say which mail you want to get it again.")
                % {"address": delivery.email},
                reverse("communication_preferences"),
                _("Choose your mail"),
                "warn",
            )
        elif may(user, Action.PROFILE_EDIT_RECIPIENTS, delivery.invoice.profile):
            yield Task(
                "mail",
                _("%(address)s marked an invoice mail as spam") % {"address": delivery.email},
                _("No invoices of %(profile)s go there until its holder asks for them again.")
                % {"profile": delivery.invoice.profile_name},
                delivery.invoice.get_absolute_url(),
                _("View invoice"),
                "warn",
            )


def _address(user: Any, account: BillingAccount) -> Iterable[Task]:
    if not account.sold_to.is_complete and may(user, Action.ACCOUNT_EDIT_SOLD_TO, account):
        yield Task(
            "sliders",
            _("The address of this account is not complete"),
            _("Nothing is invoiced until it is, since an invoice has to name the customer in full."),
            reverse("account_addresses", args=[account.code]),
            _("Complete the address"),
            "warn",
        )


def _only_owner(user: Any, account: BillingAccount, on: date) -> Iterable[Task]:
    if account.status == "closed" or not may(user, Action.ACCOUNT_ASSIGN_ROLES, account):
        return
    lasting = AccountRole.objects.active(on).filter(account=account, role=Role.ACCOUNT_OWNER, expires_on=None)
    if list(lasting.values_list("user_id", flat=True)[:2]) == [user.pk]:
        yield Task(
            "users",
            _("You are the only owner of this account"),
            _("If you lose access, nobody can assign roles. Two owners is safer."),
            reverse("account_role_new", args=[account.code]),
            _("Add an owner"),
        )


def _review(user: Any, account: BillingAccount) -> Iterable[Task]:
    if not may(user, Action.ACCOUNT_REVIEW_ACCESS, account):
        return
    found = with_review_due(BillingAccount.objects.filter(pk=account.pk)).values("review_due_at", "review_open").get()
    if found["review_open"]:
        yield Task(
            "key",
            _("A review of access is under way"),
            _("What you chose is kept. Nobody loses a role before you finish it."),
            reverse("access_review", args=[found["review_open"]]),
            _("Go on with it"),
            "warn",
        )
    elif found["review_due_at"] and found["review_due_at"] <= timezone.now():
        yield Task(
            "key",
            _("It is time to review who has access"),
            _("Due since %(day)s. Confirm or remove everybody with a role, page by page.")
            % {"day": day(found["review_due_at"])},
            reverse("account_reviews", args=[account.code]),
            _("Review access"),
            "warn",
        )
