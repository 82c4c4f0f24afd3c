"""How payment methods and payments are shown: the mark of a brand, the state of a card, what it pays for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import BillingAccount
from core.lists import COUNTED_TO
from core.policy import Action, may
from core.templatetags.ui import day
from payments.declines import explain
from payments.models import Brand, PaymentMethod, ProfileMethods
from payments.states import MethodStatus
from profiles.models import BillingProfile
from subscriptions.models import Subscription

OFFERED_AT_MOST = 50
MARKS = {
    Brand.VISA: "VISA",
    Brand.MASTERCARD: "MC",
    Brand.AMEX: "AMEX",
    Brand.MAESTRO: "MAE",
    Brand.CARD: "CARD",
    Brand.SEPA_DEBIT: "SEPA",
    Brand.TRANSFER: "BANK",
}


@dataclass
class ShownMethod:
    """A payment method with all that its row says, as of a day."""

    method: PaymentMethod
    on: date
    pays_for: list[BillingProfile] = field(default_factory=list)
    pays_elsewhere: bool = False
    backs_up: list[BillingProfile] = field(default_factory=list)

    @property
    def mark(self) -> str:
        return MARKS[Brand(self.method.brand)]

    @property
    def is_expired(self) -> bool:
        return self.method.is_expired(self.on)

    @property
    def is_expiring(self) -> bool:
        return self.method.is_expiring(self.on)

    @property
    def tone(self) -> str:
        if self.is_expired:
            return "neutral"
        if self.method.status == MethodStatus.DECLINED:
            return "danger"
        return "warn" if self.is_expiring else "ok"

    @property
    def state(self) -> str:
        """The word of its chip."""
        if self.is_expired:
            return _("Expired")
        if self.method.status == MethodStatus.DECLINED:
            return _("Declined")
        if self.is_expiring and self.method.valid_until is not None:
            days = (self.method.valid_until - self.on).days
            if days == 0:
                return _("Expires today")
            return ngettext("Expires in %(days)d day", "Expires in %(days)d days", days) % {"days": days}
        return _("Active")

    @property
    def icon(self) -> str:
        if self.is_expired:
            return "status-void"
        return "status-failed" if self.method.status == MethodStatus.DECLINED else ""

    @property
    def expiry(self) -> str:
        """Expires 08/2029."""
        if self.method.valid_until is None:
            return ""
        words = _("Expired %(month)s") if self.is_expired else _("Expires %(month)s")
        return words % {"month": f"{self.method.valid_until:%m/%Y}"}

    @property
    def use(self) -> str:
        """What it pays for, as far as the person may know: IT & Data and 3 subscriptions."""
        names = [profile.name for profile in self.pays_for if profile.is_shown]
        hidden = len(self.pays_for) - len(names)
        if len(names) > 2:
            names = [*names[:2], _("%(number)d more") % {"number": len(names) - 2}]
        if hidden:
            names.append(ngettext("%(number)d subscription", "%(number)d subscriptions", hidden) % {"number": hidden})
        if self.pays_elsewhere:
            names.append(_("other billing profiles"))
        names += [_("%(name)s as backup") % {"name": profile.name} for profile in self.backs_up if profile.is_shown]
        if not names:
            return _("not in use")
        return (
            names[0]
            if len(names) == 1
            else _("%(first)s and %(last)s")
            % {
                "first": ", ".join(names[:-1]),
                "last": names[-1],
            }
        )

    @property
    def is_used(self) -> bool:
        return bool(self.pays_for or self.backs_up or self.pays_elsewhere)

    @property
    def only_profile(self) -> BillingProfile | None:
        """The one billing profile that pays with it, where there is just one."""
        alone = len(self.pays_for) == 1 and not self.pays_elsewhere
        return self.pays_for[0] if alone and self.pays_for[0].is_shown else None

    @property
    def trouble(self) -> str:
        """Why the last charge was refused, where it was."""
        if self.method.status != MethodStatus.DECLINED:
            return ""
        return _("last charge refused: %(reason)s") % {"reason": explain(self.method.last_decline_reason).short}

    @property
    def plan(self) -> str:
        """When it goes by itself, where somebody asked for that (P4)."""
        if self.method.remove_from is None:
            return ""
        if self.method.remove_from > self.on:
            return _("deletes itself on %(day)s") % {"day": day(self.method.remove_from)}
        return _("deletes itself as soon as nothing uses it")

    @property
    def line(self) -> str:
        """All of it under its name."""
        return " · ".join(filter(None, [self.expiry, self.use, self.trouble, self.plan]))

    @property
    def short_line(self) -> str:
        """As a choice: expiry, trouble, and whether it is about to go."""
        return " · ".join(filter(None, [self.expiry, self.trouble, self.plan]))


def shown_methods(methods: Iterable[PaymentMethod], *, to: Any, on: date) -> list[ShownMethod]:
    """These methods with what each pays for. The person is told the names of profiles that they see (I22)."""
    shown = {method.pk: ShownMethod(method, on) for method in methods}
    found = ProfileMethods.objects.filter(Q(default__in=shown) | Q(backup__in=shown)).select_related("profile")
    rows = list(found.order_by("profile__name")[:COUNTED_TO])
    profiles = BillingProfile.objects.filter(pk__in=[row.profile_id for row in rows])
    seen = set(profiles.allowing(to, Action.METHOD_VIEW).order_by().values_list("pk", flat=True)) if rows else set()
    for row in rows:
        each = next((shown[pk] for pk in [row.default_id] if pk in shown), None)
        if each is not None and row.profile_id in seen:
            each.pays_for.append(row.profile)
        elif each is not None:
            each.pays_elsewhere = True
        if row.backup_id in shown and row.profile_id in seen:
            shown[row.backup_id].backs_up.append(row.profile)  # type: ignore[index]
    return list(shown.values())


def offered_methods(profile: BillingProfile, *, to: Any, on: date) -> tuple[list[ShownMethod], PaymentMethod | None]:
    """What the profile may pay with, its default first, then the newest; and that default."""
    row = ProfileMethods.objects.filter(profile=profile).select_related("default__profile").first()
    current = row.default if row else None
    methods = PaymentMethod.objects.offered_on(profile).select_related("profile").order_by("-added_at", "-pk")
    shown = shown_methods(methods[:OFFERED_AT_MOST], to=to, on=on)
    return sorted(shown, key=lambda each: each.method != current), current


def seen_methods(user: Any, account: BillingAccount) -> QuerySet[PaymentMethod]:
    """The methods of the account that the person may see: those of profiles seen, and those of the whole
    account, since every profile may pay with them. For people who see at least one of these."""
    allowed = PaymentMethod.objects.allowing(user, Action.METHOD_VIEW)
    of_all = Q(account=account, profile=None)
    return PaymentMethod.objects.filter(Q(pk__in=allowed.filter(account=account)) | of_all).kept()


@dataclass(frozen=True)
class Use:
    """One thing that a method pays for, or is the backup of, and when its next invoice is made."""

    profile: BillingProfile
    name: str
    href: str
    is_backup: bool
    may_change: bool
    next_invoice: date

    @property
    def key(self) -> str:
        """What stands for it in a form."""
        return f"backup-{self.profile.code}" if self.is_backup else self.profile.code

    @property
    def line(self) -> str:
        return _("Backup") if self.is_backup else _("Pays its invoices")


def uses_of(method: PaymentMethod, *, to: Any, on: date) -> tuple[list[Use], int]:
    """What the method pays for as far as the person sees it, and how much more there is that they do not (I22)."""
    found = ProfileMethods.objects.filter(Q(default=method) | Q(backup=method)).select_related("profile__account")
    rows = list(found.order_by("profile__name", "pk")[:COUNTED_TO])
    profiles = BillingProfile.objects.filter(pk__in=[row.profile_id for row in rows])
    seen = set(profiles.allowing(to, Action.METHOD_VIEW).order_by().values_list("pk", flat=True)) if rows else set()
    subscriptions = Subscription.objects.filter(profile__in=profiles.filter(kind="subscription"))
    of_hidden = {each.profile_id: each for each in subscriptions}
    uses = []
    for row in rows:
        if row.profile_id not in seen:
            continue
        target = row.profile if row.profile.is_shown else of_hidden.get(row.profile_id, row.profile)
        right = Action.METHOD_REPLACE_DEFAULT if row.profile.is_shown else Action.METHOD_SET_ACTIVE
        uses.append(
            Use(
                row.profile,
                str(target),
                target.get_absolute_url(),
                is_backup=row.default_id != method.pk,
                may_change=may(to, right, row.profile),
                next_invoice=row.profile.next_billing_date(on),
            )
        )
    return uses, len(rows) - len(uses)


def first_expiring(methods: Sequence[ShownMethod]) -> ShownMethod | None:
    """The method in use that expires next, where one is about to or has."""
    ending = [each for each in methods if each.pays_for and (each.is_expiring or each.is_expired)]
    return min(ending, key=lambda each: each.method.valid_until or each.on, default=None)


@dataclass(frozen=True)
class MethodChange:
    """One entry of what a profile paid with: since when, by whom, and what it was before."""

    at: datetime
    by: str
    method: str
    before: str


def method_history(profile: BillingProfile, most: int = 10) -> list[MethodChange]:
    """What the profile paid with over time, the latest change first (S3-9, P9)."""
    row = ProfileMethods.objects.filter(profile=profile).first()
    if row is None:
        return []
    entries = list(row.events.select_related("pgh_context").order_by("-pgh_id")[: most * 3])  # type: ignore[attr-defined]
    names: dict[int | None, str] = {
        method.pk: str(method)
        for method in PaymentMethod.objects.filter(pk__in={entry.default_id for entry in entries} - {None})
    }
    changes = []
    for entry, earlier in zip(entries, [*entries[1:], None], strict=True):
        before = earlier.default_id if earlier else None
        if entry.default_id == before:
            continue
        told = entry.pgh_context.metadata if entry.pgh_context else {}
        changes.append(
            MethodChange(
                entry.pgh_created_at, told.get("actor_name", ""), names.get(entry.default_id, ""), names.get(before, "")
            )
        )
    return changes[:most]
