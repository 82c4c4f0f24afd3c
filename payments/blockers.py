"""What stands in the way of removing a payment method, as people read it (S3-15, P4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Max, Q, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.money import Money
from core.periods import Month
from core.templatetags.ui import day, money, month
from invoices.models import Charge, Invoice
from payments.models import Payment, PaymentMethod
from profiles.models import BillingProfile
from subscriptions.models import Subscription
from subscriptions.states import SubscriptionStatus

NAMED_AT_MOST = 3
# How long the data of a disabled subscription is kept, and with it what pays for bringing it back (§3.5).
RETENTION_DAYS = 90


@dataclass(frozen=True)
class Blocker:
    """Something that uses a method and has to be dealt with before the method can go (S3-15, P4).

    `until` is the day after which it goes away by itself, where there is such a day. `detachable` is what
    may also be left without any method.
    """

    title: str
    sub: str
    href: str
    action: str
    until: date | None = None
    detachable: bool = False


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
    return [*_uses(method, on), *standing, *_charges(method), *_debts(method, on)]


def free_from(blockers: Sequence[Blocker]) -> date | None:
    """The first day on which none of these stands any more by itself; None where a person has to act."""
    days = [blocker.until for blocker in blockers]
    known = [each for each in days if each is not None]
    return max(known) + timedelta(days=1) if known and len(known) == len(days) else None


def due_invoices(method: PaymentMethod) -> QuerySet[Invoice]:
    """Open invoices that this method is to pay, or failed to pay, oldest first."""
    pays_for = Q(profile__methods__default=method)
    failed = Q(pk__in=Payment.objects.filter(method=method).failed().values("allocations__invoice"))
    return Invoice.objects.open().filter(pays_for | failed, account=method.account_id).order_by("due_date", "pk")


def retained_until(subscription: Subscription) -> date | None:
    """Until which day the data of a disabled subscription is kept: 90 days after it was disabled (§3.5)."""
    history = subscription.events.order_by("pgh_id")  # type: ignore[attr-defined]
    before = history.exclude(status=SubscriptionStatus.DISABLED).last()
    disabled = history.filter(pgh_id__gt=before.pgh_id if before else 0).first()
    return timezone.localdate(disabled.pgh_created_at) + timedelta(days=RETENTION_DAYS) if disabled else None


def _uses(method: PaymentMethod, on: date) -> list[Blocker]:
    rows = method.default_of.select_related("profile").order_by("profile__name")
    shown = [row.profile for row in rows if row.profile.is_shown]
    subscriptions = list(
        Subscription.objects.filter(profile__methods__default=method)
        .exclude(status=SubscriptionStatus.DELETED)
        .select_related("profile")
        .order_by("name", "pk")
    )
    disabled = [each for each in subscriptions if each.status == SubscriptionStatus.DISABLED]
    alive = [each for each in subscriptions if each.status != SubscriptionStatus.DISABLED]
    return [
        *(
            Blocker(
                _("Default of %(profile)s") % {"profile": profile},
                _("Choose another default first"),
                reverse("profile_default_method", args=[profile.code]),
                _("Replace"),
                detachable=True,
            )
            for profile in shown
        ),
        *_paid(alive),
        *_renewing(alive, on),
        *_retained(disabled),
        *_backups(method),
    ]


def _paid(subscriptions: Sequence[Subscription]) -> Iterable[Blocker]:
    if number := len(subscriptions):
        yield Blocker(
            ngettext("Pays %(number)d subscription", "Pays %(number)d subscriptions", number) % {"number": number},
            _shortened([str(subscription) for subscription in subscriptions]),
            _replacement_for(subscriptions[0]),
            _("Replace"),
        )


def _renewing(subscriptions: Sequence[Subscription], on: date) -> Iterable[Blocker]:
    days = [(each, each.next_renewal(on)) for each in subscriptions]
    renewing = [(each, renewal) for each, renewal in days if renewal is not None]
    if number := len(renewing):
        yield Blocker(
            ngettext("%(number)d subscription renews by itself", "%(number)d subscriptions renew by themselves", number)
            % {"number": number},
            _shortened([_("%(name)s on %(day)s") % {"name": each, "day": day(renewal)} for each, renewal in renewing]),
            _replacement_for(renewing[0][0]),
            _("Replace"),
        )


def _retained(subscriptions: Sequence[Subscription]) -> Iterable[Blocker]:
    for subscription in subscriptions:
        until = retained_until(subscription)
        words = _("Its data is kept until %(day)s; the card stays with it until then") % {"day": day(until)}
        yield Blocker(
            _("Disabled: %(subscription)s") % {"subscription": subscription},
            words if until else _("Its data is kept, and the card stays with it"),
            _replacement_for(subscription),
            _("Replace"),
            until,
        )


def _backups(method: PaymentMethod) -> Iterable[Blocker]:
    for methods in method.backup_of.select_related("profile__account").order_by("profile__name"):
        profile = methods.profile
        yield Blocker(
            _("Backup of %(profile)s") % {"profile": profile},
            _("Choose another backup first, or none"),
            reverse("profile_backup_method", args=[profile.code]) if profile.is_shown else _page_of(profile),
            _("Replace"),
            detachable=True,
        )


def _replacement_for(subscription: Subscription) -> str:
    profile = subscription.profile
    if profile.is_shown:
        return reverse("profile_default_method", args=[profile.code])
    return reverse("subscription_method", args=[subscription.code])


def _page_of(profile: BillingProfile) -> str:
    if profile.is_shown:
        return reverse("profile_payment_methods", args=[profile.code])
    return reverse("payment_methods", args=[profile.account.code])


def _charges(method: PaymentMethod) -> Iterable[Blocker]:
    """What was used and is on no invoice yet: the open period (S3-15)."""
    pending = Charge.objects.filter(line=None, subscription__profile__methods__default=method)
    for row in pending.values("currency").annotate(cost=Sum("cost"), latest=Max("month")).order_by("currency"):
        amount = Money.rounded(row["cost"], row["currency"])
        yield Blocker(
            _("Charges not invoiced yet: %(amount)s") % {"amount": money(amount)},
            _("Excl. VAT, up to %(month)s; they come on the next invoice") % {"month": month(Month.of(row["latest"]))},
            reverse("method_replacement", args=[method.code]),
            _("Replace"),
        )


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
