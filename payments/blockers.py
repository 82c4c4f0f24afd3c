"""What stands in the way of removing a payment method, as people read it (S3-15, P4)."""

from dataclasses import dataclass
from datetime import date

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.templatetags.ui import day, money
from invoices.models import Invoice
from payments.models import Payment, PaymentMethod
from profiles.models import BillingProfile
from subscriptions.models import Subscription

NAMED_AT_MOST = 3


@dataclass(frozen=True)
class Blocker:
    """Something that uses a method and has to be dealt with before the method can go (S3-15, P4)."""

    title: str
    sub: str
    href: str
    action: str


def blockers(method: PaymentMethod, *, on: date, replaced: bool = False) -> list[Blocker]:
    """All that stands in the way of removing the method, each with where to go (S3-15, P4).

    `replaced`: another method has its place already, so only what is under way counts.
    """
    payments = Payment.objects.filter(method=method).open().order_by("pk")
    standing = [
        Blocker(
            _("Payment of %(amount)s under way") % {"amount": money(payment.amount)},
            _("Its outcome has to be known first"),
            payment.get_absolute_url(),
            _("Look"),
        )
        for payment in payments
    ]
    if replaced:
        return standing
    return [*_uses(method), *standing, *_debts(method, on)]


def due_invoices(method: PaymentMethod) -> QuerySet[Invoice]:
    """Open invoices that this method is to pay, or failed to pay, oldest first."""
    pays_for = Q(profile__methods__default=method)
    failed = Q(pk__in=Payment.objects.filter(method=method).failed().values("allocations__invoice"))
    return Invoice.objects.open().filter(pays_for | failed, account=method.account_id).order_by("due_date", "pk")


def _uses(method: PaymentMethod) -> list[Blocker]:
    profiles = [methods.profile for methods in method.default_of.select_related("profile").order_by("profile__name")]
    standard = [profile for profile in profiles if profile.is_shown]
    hidden = [profile for profile in profiles if not profile.is_shown]
    found = [
        Blocker(
            _("Default of %(profile)s") % {"profile": profile},
            _("Choose another default first"),
            reverse("profile_default_method", args=[profile.code]),
            _("Replace"),
        )
        for profile in standard
    ]
    if subscriptions := list(Subscription.objects.filter(profile__in=hidden).order_by("name", "pk")):
        number = len(subscriptions)
        found.append(
            Blocker(
                ngettext("Pays %(number)d subscription", "Pays %(number)d subscriptions", number) % {"number": number},
                _shortened([str(subscription) for subscription in subscriptions]),
                reverse("subscription_method", args=[subscriptions[0].code]),
                _("Replace"),
            )
        )
    found += [
        Blocker(
            _("Backup of %(profile)s") % {"profile": methods.profile},
            _("Choose another backup first"),
            _page_of(methods.profile),
            _("Look"),
        )
        for methods in method.backup_of.select_related("profile")
    ]
    return found


def _page_of(profile: BillingProfile) -> str:
    if profile.is_shown:
        return reverse("profile_payment_methods", args=[profile.code])
    return reverse("payment_methods", args=[profile.account.code])


def _debts(method: PaymentMethod, on: date) -> list[Blocker]:
    invoices = list(due_invoices(method)[: NAMED_AT_MOST + 1])
    found = []
    for invoice in invoices[:NAMED_AT_MOST]:
        words = _("Past due: %(number)s") if invoice.is_overdue(on) else _("Due: %(number)s")
        found.append(
            Blocker(
                words % {"number": invoice.number},
                _("%(amount)s, due %(day)s") % {"amount": money(invoice.amount_due), "day": day(invoice.due_date)},
                reverse("invoice_payment", args=[invoice.code]),
                _("Pay now"),
            )
        )
    if len(invoices) > NAMED_AT_MOST:
        account = method.account.code
        found.append(
            Blocker(_("More invoices are due"), "", reverse("invoices", args=[account]) + "?status=open", _("Look"))
        )
    return found


def _shortened(names: list[str]) -> str:
    shown = ", ".join(names[:NAMED_AT_MOST])
    return shown + ", …" if len(names) > NAMED_AT_MOST else shown
