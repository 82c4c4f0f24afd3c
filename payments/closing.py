"""What keeps a billing profile or a billing account from being closed: the checklist of domain §3.3, each blocker
with where to go (P4).

It stands here because it looks at everything that hangs on them: subscriptions, charges, invoices, payments and
payment methods.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import BillingAccount
from core.money import Money
from core.periods import Month, months_between, term_start_in
from core.templatetags.ui import day, money
from invoices.models import (
    BillingPeriod,
    Charge,
    CorrectionRequest,
    CreditLot,
    CreditSource,
    Dispute,
    Invoice,
    InvoiceLine,
)
from payments.models import Payment, PaymentMethod, ProfileMethods, Refund
from profiles.models import BillingProfile
from profiles.states import ProfileStatus
from subscriptions.models import Purchase, Subscription, SubscriptionChange, SubscriptionMove, Term

NAMED_AT_MOST = 3
# Both a profile and an account are closed from these.
CLOSES_FROM = frozenset({"active", "disabled"})


@dataclass(frozen=True)
class Condition:
    """One line of the checklist. `code` is that of domain §3.3; `title` says what blocks, or that it is met."""

    code: str
    title: str
    is_met: bool = True
    sub: str = ""
    href: str = ""
    action: str = ""


@dataclass(frozen=True)
class _Scope:
    """What is to be closed: one billing profile, or all of an account."""

    account: BillingAccount
    profile: BillingProfile | None = None

    def of(self, path: str = "") -> dict[str, Any]:
        """The filter for rows that hang on it, by way of `path`."""
        return {f"{path}profile": self.profile} if self.profile else {f"{path}account": self.account}

    @property
    def billed(self) -> BillingProfile | None:
        """The one profile that is still billed in it; None where there are several, or none."""
        rows = list(BillingProfile.objects.filter(account=self.account).open()[:2]) if not self.profile else []
        return self.profile or (rows[0] if len(rows) == 1 else None)

    def invoices(self, **query: str) -> str:
        """Where its invoices are listed."""
        if self.profile:
            query = {"profile": self.profile.code, **query}
        address = reverse("invoices", args=[self.account.code])
        return f"{address}?{urlencode(query)}" if query else address


def closing_conditions(profile: BillingProfile, *, on: date) -> list[Condition]:
    """Every condition for closing the profile that day, in the order in which they are best dealt with."""
    scope = _Scope(profile.account, profile)
    return [
        _is_not_the_last(profile),
        _has_no_subscriptions(scope),
        _owes_nothing(scope),
        _has_nothing_to_bill(scope, on),
        _has_no_credits(scope, on),
        *_has_no_method(profile),
        _may_be_closed_now(profile),
    ]


def account_closing_conditions(account: BillingAccount, *, on: date) -> list[Condition]:
    """The same of an account. Its last billing profile is closed with it, and so are the hidden ones of the
    subscriptions of online services. The number of statements does not depend on how much hangs on it."""
    scope = _Scope(account)
    return [
        *_has_no_other_profiles(account),
        _has_no_subscriptions(scope),
        _owes_nothing(scope),
        _waits_for_no_payment(account),
        _has_nothing_to_bill(scope, on),
        _is_owed_nothing(account),
        _has_no_credits(scope, on),
        _is_at_peace(account),
        *_has_no_methods(account),
        _account_may_be_closed_now(account),
    ]


def _has_no_other_profiles(account: BillingAccount) -> list[Condition]:
    code = "OpenBillingProfiles"
    if account.is_online_services:
        return []
    rows = BillingProfile.objects.filter(account=account).shown().open().order_by("name", "pk")
    profiles = list(rows[: NAMED_AT_MOST + 1])
    if len(profiles) < 2:
        return [
            Condition(
                code,
                _("“%(name)s”, its only billing profile, is closed with it") % {"name": profiles[0].name}
                if profiles
                else _("No billing profile is open"),
            )
        ]
    shown = [
        Condition(
            code,
            _("Billing profile “%(name)s” is open") % {"name": profile.name},
            is_met=False,
            sub=_("All but one are closed before; the last one is closed with the account"),
            href=reverse("profile_closing", args=[profile.code]),
            action=_("Close it"),
        )
        for profile in profiles[:NAMED_AT_MOST]
    ]
    if len(profiles) > NAMED_AT_MOST:
        number = rows.count() - NAMED_AT_MOST
        more = ngettext("%(number)d more is open", "%(number)d more are open", number) % {"number": number}
        profiles_page = reverse("profiles", args=[account.code])
        shown.append(Condition(code, more, is_met=False, href=profiles_page, action=_("To the billing profiles")))
    return shown


def _is_not_the_last(profile: BillingProfile) -> Condition:
    account = profile.account
    others = BillingProfile.objects.filter(account=account).shown().open().exclude(pk=profile.pk)
    if others.exists():
        return Condition("LastBillingProfile", _("Another billing profile stays open"))
    return Condition(
        "LastBillingProfile",
        _("It is the only billing profile of the account"),
        is_met=False,
        sub=_("Make another one first, on which the account goes on. Or close the account: this one closes with it"),
        href=reverse("profile_new", args=[account.code]),
        action=_("Add a billing profile"),
    )


def _has_no_subscriptions(scope: _Scope) -> Condition:
    alive = Subscription.objects.filter(**scope.of()).exclude(status__in=["cancelled", "deleted"])
    names = list(alive.order_by("name", "pk").values_list("name", "code")[: NAMED_AT_MOST + 1])
    if not names:
        return Condition("ActiveBillingSubscriptions", _("No subscription is active"))
    shown = ", ".join(name for name, _code in names[:NAMED_AT_MOST]) + (", …" if len(names) > NAMED_AT_MOST else "")
    number = len(names) if len(names) <= NAMED_AT_MOST else alive.count()
    address = reverse("subscriptions", args=[scope.account.code])
    return Condition(
        "ActiveBillingSubscriptions",
        ngettext("%(number)d subscription is active", "%(number)d subscriptions are active", number)
        % {"number": number},
        is_met=False,
        sub=shown,
        href=reverse("subscription", args=[names[0][1]]) if number == 1 else address,
        action=_("Look"),
    )


def _owes_nothing(scope: _Scope) -> Condition:
    number = Invoice.objects.open().filter(**scope.of()).count()
    if not number:
        return Condition("OutstandingCharges", _("Every invoice is paid"))
    return Condition(
        "OutstandingCharges",
        ngettext("%(number)d invoice is not paid", "%(number)d invoices are not paid", number) % {"number": number},
        is_met=False,
        href=scope.invoices(status="open"),
        action=_("To its invoices"),
    )


def _has_nothing_to_bill(scope: _Scope, on: date) -> Condition:
    if not _waits_for_an_invoice(scope, on):
        return Condition("PendingCharges", _("Everything bought and used is invoiced"))
    billed = scope.billed
    return Condition(
        "PendingCharges",
        _("Something is still to be invoiced"),
        is_met=False,
        sub=_("On the next invoice, on %(day)s") % {"day": day(billed.next_billing_date(on))} if billed else "",
        href=scope.invoices(),
        action=_("To its invoices"),
    )


def _has_no_credits(scope: _Scope, on: date) -> Condition:
    lots = CreditLot.objects.filter(**scope.of())
    if scope.profile is None:
        lots = lots.exclude(source=CreditSource.OVERPAID)  # which has a condition of its own there
    left = lots.unexpired(on).left_minor()
    if not left:
        return Condition("ActiveCredits", _("No credit is left on it"))
    ask = reverse("support_request_new", args=[scope.account.code])
    if scope.profile is None:
        says = _("It would be lost. Ask the vendor to pay it out, or to take it back")
    else:
        says = _("It would be lost. Ask the vendor to move it to another billing profile")
    return Condition(
        "ActiveCredits",
        _("%(amount)s of credit is left") % {"amount": money(Money(left, scope.account.currency))},
        is_met=False,
        sub=says,
        href=f"{ask}?category=profile" + (f"&profile={scope.profile.code}" if scope.profile else ""),
        action=_("Ask the vendor"),
    )


def _is_owed_nothing(account: BillingAccount) -> Condition:
    """What was paid too much, what credit notes left, and what is on its way back."""
    kept = CreditLot.objects.filter(account=account, source=CreditSource.OVERPAID).left_minor()
    notes = Invoice.objects.with_balance_left().filter(account=account).aggregate(left=Sum("amount_due_minor"))
    left = kept + abs(notes["left"] or 0)
    if left:
        return Condition(
            "OverpaidMoney",
            _("%(amount)s is yours: it was paid too much, or credited")
            % {"amount": money(Money(left, account.currency))},
            is_met=False,
            sub=_("Ask the vendor to pay it back"),
            href=reverse("support_request_new", args=[account.code]) + "?category=payment",
            action=_("Ask the vendor"),
        )
    if Refund.objects.filter(payment__account=account, status__in=["proposed", "agreed"]).exists():
        return Condition(
            "OverpaidMoney",
            _("A refund is on its way"),
            is_met=False,
            sub=_("It ends by itself, within some days"),
            href=reverse("payments", args=[account.code]),
            action=_("To the payments"),
        )
    return Condition("OverpaidMoney", _("No money of yours is left with the vendor"))


def _waits_for_no_payment(account: BillingAccount) -> Condition:
    if not Payment.objects.open().filter(account=account).exists():
        return Condition("PendingPayments", _("No payment is under way"))
    return Condition(
        "PendingPayments",
        _("A payment is under way"),
        is_met=False,
        sub=_("Wait until its outcome is known"),
        href=reverse("payments", args=[account.code]),
        action=_("To the payments"),
    )


def _is_at_peace(account: BillingAccount) -> Condition:
    disputed = Dispute.objects.filter(account=account, status="open").select_related("invoice").order_by("pk").first()
    asked = (
        disputed
        or CorrectionRequest.objects.filter(account=account, status="open")
        .select_related("invoice")
        .order_by("pk")
        .first()
    )
    if asked is None:
        return Condition("OpenDisputes", _("No invoice is disputed or waits for a correction"))
    said = _("%(number)s is disputed") if disputed else _("A correction of %(number)s is asked for")
    return Condition(
        "OpenDisputes",
        said % {"number": asked.invoice.number},
        is_met=False,
        sub=_("Wait for the answer of the vendor, or withdraw it"),
        href=asked.invoice.get_absolute_url(),
        action=_("To the invoice"),
    )


def _waits_for_an_invoice(scope: _Scope, on: date) -> bool:
    """Whether a run would still bill something: imported charges, one-offs, terms that started since the last one."""
    if Charge.objects.filter(**scope.of("subscription__"), line=None).exists():
        return True
    one_offs = Purchase.objects.filter(**scope.of(), term=Term.ONE_OFF)
    if one_offs.exclude(pk__in=InvoiceLine.objects.filter(**scope.of("purchase__")).values("purchase")).exists():
        return True
    changes = SubscriptionChange.objects.filter(**scope.of("subscription__")).exclude(net_minor=0)
    billed = InvoiceLine.objects.filter(**scope.of("change__subscription__"))
    if changes.exclude(pk__in=billed.values("change")).exists() or _moves_wait(scope):
        return True
    sold = Subscription.objects.filter(**scope.of(), product__isnull=False).annotate(last=_last_billed("profile"))
    perhaps = sold.filter(Q(last=None) | Q(ended_on=None) | Q(ended_on__gt=F("last")))
    return any(
        _starts_a_term(each, month)
        for each in perhaps.iterator()
        for month in months_between(Month.of(each.last).next if each.last else Month.of(each.started_on), Month.of(on))
    )


def _last_billed(profile: str) -> Subquery:
    """The first day of the last month that is billed on the profile of a row."""
    billed = BillingPeriod.objects.filter(profile=OuterRef(profile)).order_by("-month")
    return Subquery(billed.values("month")[:1])


def _moves_wait(scope: _Scope) -> bool:
    """Whether a subscription is about to come, or left with a month that is not billed yet."""
    moves = SubscriptionMove.objects.filter(withdrawn_at=None)
    if scope.profile:
        left, coming = moves.filter(from_profile=scope.profile), moves.ahead().filter(to_profile=scope.profile)
    else:
        inside = {"subscription__account": scope.account}
        left, coming = moves.filter(**inside), moves.ahead().filter(**inside)
    # Both are the first of a month: later than the month that is billed next.
    unbilled = Q(last=None) | Q(starts_on__gt=F("last") + timedelta(days=31))
    return left.annotate(last=_last_billed("from_profile")).filter(unbilled).exists() or coming.exists()


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


def _has_no_methods(account: BillingAccount) -> list[Condition]:
    kept = PaymentMethod.objects.kept().filter(account=account).order_by("pk")
    return [
        Condition(
            "ActiveCreditCard",
            _("%(method)s is saved in it") % {"method": method},
            is_met=False,
            sub=_("Nobody could use it any more"),
            href=reverse("method_removal", args=[method.code]),
            action=_("Remove"),
        )
        for method in kept[:NAMED_AT_MOST]
    ] or [Condition("ActiveCreditCard", _("No payment method is saved in it"))]


def _account_may_be_closed_now(account: BillingAccount) -> Condition:
    """The statuses of the account and of what is closed with it."""
    profiles: QuerySet[BillingProfile] = BillingProfile.objects.filter(account=account).open()
    others = profiles.exclude(status__in=CLOSES_FROM)
    first = others.order_by("pk").first()
    status = None if account.status in CLOSES_FROM else account.get_status_display()
    if first is None and status is None:
        return Condition("NotSupported", _("Its status allows it"))
    return Condition(
        "NotSupported",
        _("Its status is “%(status)s”") % {"status": status}
        if first is None or status
        else _("The status of “%(name)s” is “%(status)s”") % {"name": first.name, "status": first.get_status_display()},
        is_met=False,
        href=reverse("support_request_new", args=[account.code]),
        action=_("Ask the vendor"),
    )


def _may_be_closed_now(profile: BillingProfile) -> Condition:
    if profile.status in CLOSES_FROM:
        return Condition("NotSupported", _("Its status allows it"))
    return Condition(
        "NotSupported",
        _("Its status is “%(status)s”") % {"status": profile.get_status_display()},
        is_met=False,
        sub=ProfileStatus(profile.status).reason,
        href=profile.get_absolute_url(),
        action=_("Look"),
    )
