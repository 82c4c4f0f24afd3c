"""What keeps a billing profile from being closed: the checklist of domain §3.3, each blocker with where to go (P4).

It stands here because it looks at everything that hangs on a profile: subscriptions, charges, invoices
and payment methods.
"""

from dataclasses import dataclass
from datetime import date

from django.db.models import Min
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.money import Money
from core.periods import Month, months_between, term_start_in
from core.templatetags.ui import day, money
from invoices.models import BillingPeriod, Charge, CreditLot, Invoice, InvoiceLine
from payments.models import PaymentMethod, ProfileMethods
from profiles.models import BillingProfile
from profiles.states import ProfileStatus
from subscriptions.models import Purchase, Subscription, SubscriptionChange, SubscriptionMove, Term

NAMED_AT_MOST = 3


@dataclass(frozen=True)
class Condition:
    """One line of the checklist. `code` is that of domain §3.3; `title` says what blocks, or that it is met."""

    code: str
    title: str
    is_met: bool = True
    sub: str = ""
    href: str = ""
    action: str = ""


def closing_conditions(profile: BillingProfile, *, on: date) -> list[Condition]:
    """Every condition for closing the profile that day, in the order in which they are best dealt with."""
    return [
        _is_not_the_last(profile),
        _has_no_subscriptions(profile),
        _owes_nothing(profile),
        _has_nothing_to_bill(profile, on),
        _has_no_credits(profile, on),
        *_has_no_method(profile),
        _may_be_closed_now(profile),
    ]


def _is_not_the_last(profile: BillingProfile) -> Condition:
    account = profile.account
    others = BillingProfile.objects.filter(account=account).shown().open().exclude(pk=profile.pk)
    if others.exists():
        return Condition("LastBillingProfile", _("Another billing profile stays open"))
    return Condition(
        "LastBillingProfile",
        _("It is the only billing profile of the account"),
        is_met=False,
        sub=_("Make another one first, on which the account goes on"),
        href=reverse("profile_new", args=[account.code]),
        action=_("Add a billing profile"),
    )


def _has_no_subscriptions(profile: BillingProfile) -> Condition:
    alive = Subscription.objects.filter(profile=profile).exclude(status__in=["cancelled", "deleted"])
    names = list(alive.order_by("name", "pk").values_list("name", "code")[: NAMED_AT_MOST + 1])
    if not names:
        return Condition("ActiveBillingSubscriptions", _("No subscription is active on it"))
    shown = ", ".join(name for name, _code in names[:NAMED_AT_MOST]) + (", …" if len(names) > NAMED_AT_MOST else "")
    number = len(names) if len(names) <= NAMED_AT_MOST else alive.count()
    address = reverse("subscriptions", args=[profile.account.code])
    return Condition(
        "ActiveBillingSubscriptions",
        ngettext("%(number)d subscription is active", "%(number)d subscriptions are active", number)
        % {"number": number},
        is_met=False,
        sub=shown,
        href=reverse("subscription", args=[names[0][1]]) if number == 1 else address,
        action=_("Look"),
    )


def _owes_nothing(profile: BillingProfile) -> Condition:
    number = Invoice.objects.open().filter(profile=profile).count()
    if not number:
        return Condition("OutstandingCharges", _("Every invoice is paid"))
    return Condition(
        "OutstandingCharges",
        ngettext("%(number)d invoice is not paid", "%(number)d invoices are not paid", number) % {"number": number},
        is_met=False,
        href=reverse("invoices", args=[profile.account.code]) + f"?profile={profile.code}&status=open",
        action=_("To its invoices"),
    )


def _has_nothing_to_bill(profile: BillingProfile, on: date) -> Condition:
    if not _waits_for_an_invoice(profile, on):
        return Condition("PendingCharges", _("Everything bought and used is invoiced"))
    return Condition(
        "PendingCharges",
        _("Something is still to be invoiced"),
        is_met=False,
        sub=_("On the next invoice, on %(day)s") % {"day": day(profile.next_billing_date(on))},
        href=reverse("invoices", args=[profile.account.code]) + f"?profile={profile.code}",
        action=_("To its invoices"),
    )


def _has_no_credits(profile: BillingProfile, on: date) -> Condition:
    left = CreditLot.objects.filter(profile=profile).unexpired(on).left_minor()
    if not left:
        return Condition("ActiveCredits", _("No credit is left on it"))
    return Condition(
        "ActiveCredits",
        _("%(amount)s of credit is left") % {"amount": money(Money(left, profile.currency))},
        is_met=False,
        sub=_("It would be lost. Ask the vendor to move it to another billing profile"),
        href=reverse("support_request_new", args=[profile.account.code]) + f"?category=profile&profile={profile.code}",
        action=_("Ask the vendor"),
    )


def _waits_for_an_invoice(profile: BillingProfile, on: date) -> bool:
    """Whether a run would still bill something: imported charges, one-offs, terms that started since the last one."""
    if Charge.objects.filter(subscription__profile=profile, line=None).exists():
        return True
    one_offs = Purchase.objects.filter(profile=profile, term=Term.ONE_OFF)
    if one_offs.exclude(pk__in=InvoiceLine.objects.filter(purchase__profile=profile).values("purchase")).exists():
        return True
    last = BillingPeriod.objects.filter(profile=profile).order_by("-month").values_list("month", flat=True).first()
    changes = SubscriptionChange.objects.filter(subscription__profile=profile).exclude(net_minor=0)
    billed = InvoiceLine.objects.filter(change__subscription__profile=profile)
    if changes.exclude(pk__in=billed.values("change")).exists() or _moves_wait(profile, last):
        return True
    ended = list(Subscription.objects.filter(profile=profile, product__isnull=False))
    if not ended:
        return False
    first_start = Subscription.objects.filter(profile=profile).aggregate(day=Min("started_on"))["day"]
    first = Month.of(last).next if last else Month.of(first_start)
    return any(_starts_a_term(each, month) for month in months_between(first, Month.of(on)) for each in ended)


def _moves_wait(profile: BillingProfile, last: date | None) -> bool:
    """Whether a subscription is about to come, or left with a month that is not billed yet."""
    moves = SubscriptionMove.objects.filter(withdrawn_at=None)
    left = moves.filter(from_profile=profile)
    if last:
        left = left.filter(starts_on__gt=Month.of(last).next.first)
    return left.exists() or moves.ahead().filter(to_profile=profile).exists()


def _starts_a_term(subscription: Subscription, month: Month) -> bool:
    start = term_start_in(month, subscription.started_on, Term(subscription.term).months)
    return start is not None and (subscription.ended_on is None or start <= subscription.ended_on)


def _has_no_method(profile: BillingProfile) -> list[Condition]:
    methods = ProfileMethods.objects.filter(profile=profile).select_related("default", "backup").first()
    used = [method for method in (methods and methods.default, methods and methods.backup) if method]
    if used:
        return [
            Condition(
                "ActiveCreditCard",
                _("It is paid with %(method)s") % {"method": used[0]},
                is_met=False,
                sub=_("Unlink it: the card itself stays where it is"),
                href=reverse("profile_method_unlinking", args=[profile.code]),
                action=_("Unlink"),
            )
        ]
    own = PaymentMethod.objects.kept().filter(profile=profile).order_by("pk")
    return [
        Condition(
            "ActiveCreditCard",
            _("%(method)s is saved on it") % {"method": method},
            is_met=False,
            sub=_("Nobody could use it any more"),
            href=reverse("method_removal", args=[method.code]),
            action=_("Remove"),
        )
        for method in own
    ] or [Condition("ActiveCreditCard", _("No payment method is linked to it"))]


def _may_be_closed_now(profile: BillingProfile) -> Condition:
    if profile.status in {ProfileStatus.ACTIVE, ProfileStatus.DISABLED}:
        return Condition("NotSupported", _("Its status allows it"))
    return Condition(
        "NotSupported",
        _("Its status is “%(status)s”") % {"status": profile.get_status_display()},
        is_met=False,
        sub=ProfileStatus(profile.status).reason,
        href=profile.get_absolute_url(),
        action=_("Look"),
    )
