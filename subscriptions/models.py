"""What the vendor sells, and what a customer has bought."""

from datetime import date
from decimal import Decimal
from typing import Any

import pgtrigger
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, Value
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts.guards import nothing_new_when_closed
from accounts.models import BillingAccount, User
from core.codes import CodeField
from core.figures import unit_price
from core.guards import append_only, no_truncate
from core.history import tracked
from core.money import Money, exponent
from core.periods import Month, term_end, term_start_in
from core.policy import Action, Scope
from core.states import only_along
from profiles.models import BillingProfile, InvoiceSection
from subscriptions import states
from subscriptions.querysets import PriceQuerySet, SubscriptionMoveQuerySet, SubscriptionQuerySet
from subscriptions.supplies import Supply


class Term(models.TextChoices):
    """How long one price buys. A one-off is bought once and is no subscription."""

    MONTHLY = "monthly", _("per month")
    QUARTERLY = "quarterly", _("per quarter")
    HALF_YEARLY = "half_yearly", _("per half year")
    YEARLY = "yearly", _("per year")
    ONE_OFF = "one_off", _("one-off")

    @property
    def months(self) -> int:
        """The length of the term; 0 for a one-off."""
        return {"monthly": 1, "quarterly": 3, "half_yearly": 6, "yearly": 12, "one_off": 0}[self.value]


class ProductKind(models.TextChoices):
    """What the policies of a billing profile tell apart (S2-7)."""

    OWN = "own", _("Of the vendor")
    MARKETPLACE = "marketplace", _("Of another company")
    RESERVATION = "reservation", _("Reservation")


class Product(models.Model):
    """Something the vendor offers, named in both languages."""

    code = models.SlugField(_("code"), max_length=50, unique=True)
    name = models.CharField(_("name (English)"), max_length=200)
    name_nl = models.CharField(_("name (Dutch)"), max_length=200, blank=True)
    description = models.CharField(_("description (English)"), max_length=300, blank=True)
    description_nl = models.CharField(_("description (Dutch)"), max_length=300, blank=True)
    # The family under which invoices and charts group it.
    service_name = models.CharField(_("service"), max_length=200)
    kind = models.CharField(_("kind"), max_length=12, choices=ProductKind, default=ProductKind.OWN)
    supply = models.CharField(
        _("for VAT"), max_length=12, choices=Supply, default=Supply.ELECTRONIC, db_default=Supply.ELECTRONIC
    )
    is_offered = models.BooleanField(_("on offer"), default=True)

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name_in(get_language() or "en")

    def name_in(self, language: str) -> str:
        return self.name_nl if language == "nl" and self.name_nl else self.name

    @property
    def text(self) -> str:
        """The description in the language of the page."""
        return self.description_nl if get_language() == "nl" and self.description_nl else self.description


def validate_currency(code: str) -> None:
    """Refuse what is no currency by ISO 4217, or has no unit to bill in."""
    try:
        exponent(code)
    except ValueError:
        raise ValidationError(_("This is no currency; one is EUR."), "currency") from None


class Price(models.Model):
    """What a unit of a product costs for a term, without VAT, from a day until another."""

    product = models.ForeignKey(Product, models.PROTECT, related_name="prices")
    currency = models.CharField(_("currency"), max_length=3, validators=[validate_currency])
    term = models.CharField(_("term"), max_length=12, choices=Term)
    # Major units; unit prices may be finer than the currency (architecture §8).
    unit_price = models.DecimalField(_("unit price excl. VAT"), max_digits=38, decimal_places=18)
    valid_from = models.DateField(_("valid from"))
    valid_until = models.DateField(_("valid until"), null=True, blank=True)

    objects = PriceQuerySet.as_manager()

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["product", "currency", "term", "valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["product", "currency", "term", "valid_from"], name="one_price_from_a_day"),
            models.CheckConstraint(name="price_not_negative", condition=Q(unit_price__gte=0)),
            models.CheckConstraint(
                name="price_ends_after_it_starts",
                condition=Q(valid_until=None) | Q(valid_until__gte=models.F("valid_from")),
            ),
        ]
        triggers = [
            # Asked at the commit, so that one price can be ended and the next begun in any order; the lock lets two
            # people do it one after the other.
            pgtrigger.Trigger(
                name="one_price_at_a_time",
                when=pgtrigger.After,
                operation=pgtrigger.Insert | pgtrigger.Update,
                timing=pgtrigger.Deferred,
                func="""
                    PERFORM 1 FROM subscriptions_product WHERE id = NEW.product_id FOR NO KEY UPDATE;
                    IF EXISTS (
                        SELECT 1 FROM subscriptions_price a JOIN subscriptions_price b
                            ON b.product_id = a.product_id AND b.currency = a.currency AND b.term = a.term
                            AND b.id <> a.id
                        WHERE a.id = NEW.id AND b.valid_from <= coalesce(a.valid_until, 'infinity')
                            AND a.valid_from <= coalesce(b.valid_until, 'infinity')
                    ) THEN RAISE EXCEPTION 'two prices of one product, currency and term count on the same day'
                        USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NULL;
                """,
            )
        ]

    def __str__(self) -> str:
        return f"{self.product} · {unit_price(self.unit_price, self.currency)} · {self.get_term_display()}"

    @property
    def ladder(self) -> list[list[Any]]:
        """The tiers as what was bought keeps them: [from how many, price of each] as text, the first from one on;
        empty where all cost the same however many.
        """
        tiers = sorted((tier.from_quantity, tier.unit_price) for tier in self.tiers.all())
        return [[start, f"{price.normalize():f}"] for start, price in [(1, self.unit_price), *tiers]] if tiers else []

    def unit_price_for(self, quantity: int) -> Decimal:
        """What each of so many costs: the price of the highest tier that they reach."""
        return price_on(self.ladder, quantity, self.unit_price)

    def total(self, quantity: int) -> Money:
        """What that many cost for one term, without VAT, rounded as the invoice line will be."""
        return Money.rounded(self.unit_price_for(quantity) * quantity, self.currency)


def price_on(ladder: list[list[Any]], quantity: int, otherwise: Decimal) -> Decimal:
    """The price of each of so many on a ladder of tiers; `otherwise` where there is none."""
    reached = [price for start, price in ladder if start <= quantity]
    return Decimal(reached[-1]) if reached else otherwise


class PriceTier(models.Model):
    """From so many on, each of them costs this instead of the price itself (volume prices)."""

    price = models.ForeignKey(Price, models.CASCADE, related_name="tiers", db_index=False)
    from_quantity = models.PositiveIntegerField(_("from how many"))
    unit_price = models.DecimalField(_("unit price excl. VAT"), max_digits=38, decimal_places=18)

    class Meta:
        verbose_name = _("price tier")
        verbose_name_plural = _("price tiers")
        ordering = ["price", "from_quantity"]
        constraints = [
            models.UniqueConstraint(fields=["price", "from_quantity"], name="one_tier_from_a_quantity"),
            models.CheckConstraint(
                name="price_tier_from_two_on",
                condition=Q(from_quantity__gte=2),
                violation_error_message=_("A tier begins at 2 or more; the price itself is for 1."),
            ),
            models.CheckConstraint(name="price_tier_not_negative", condition=Q(unit_price__gte=0)),
        ]

    def __str__(self) -> str:
        return f"{self.from_quantity}+: {self.unit_price.normalize():f}"


@tracked(exclude=("last_change_from", "last_move_on"))
class Subscription(models.Model):
    """Something bought, on one billing profile (S2-1).

    Either of a product with a price, or made from a charge file, where only its charges say what it
    costs (`product` is then empty and `external_id` is the SubAccountId).
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="subscriptions")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="subscriptions")
    external_id = models.CharField(max_length=100, null=True, blank=True)
    name = models.CharField(_("name"), max_length=200)
    product = models.ForeignKey(Product, models.PROTECT, null=True, blank=True, related_name="subscriptions")
    term = models.CharField(_("term"), max_length=12, choices=Term, default=Term.MONTHLY)
    quantity = models.PositiveIntegerField(_("quantity"), default=1)
    unit_price = models.DecimalField(max_digits=38, decimal_places=18, default=0)
    # The tiers of the price that it was bought at, as they stood then (`Price.ladder`).
    tiers = models.JSONField(default=list, blank=True, db_default=Value([], output_field=models.JSONField()))
    currency = models.CharField(max_length=3)
    status = models.CharField(
        max_length=16, choices=states.SubscriptionStatus, default=states.SubscriptionStatus.ACTIVE
    )
    # Where it stands on the invoice; empty is the default section of the profile.
    section = models.ForeignKey(
        InvoiceSection, models.SET_NULL, null=True, blank=True, related_name="subscriptions", verbose_name=_("section")
    )
    # The purchase day anchors every term: 31 falls on the last day of a shorter month (§3.9).
    started_on = models.DateField(_("started on"))
    # The last day on which it runs. While it is active, that day is to come: it is not renewed any more.
    ended_on = models.DateField(_("ended on"), null=True, blank=True)
    # Whether the billing run has to look for changes and moves at all, and from which day on.
    last_change_from = models.DateField(null=True, editable=False)
    last_move_on = models.DateField(null=True, editable=False)
    created_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    TRANSITIONS = states.SUBSCRIPTION
    POLICY = Scope(view=Action.SUBSCRIPTION_VIEW, account="account", profile="profile")

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["account", "external_id"], name="subscription_external_id_once"),
            models.CheckConstraint(name="quantity_at_least_one", condition=Q(quantity__gte=1)),
        ]
        indexes = [
            # What the jobs look for.
            models.Index(
                "ended_on",
                condition=Q(status__in=["active", "past_due", "cancelled"], ended_on__isnull=False),
                name="subscription_ending",
            )
        ]
        triggers = [only_along(states.SUBSCRIPTION, "subscription_status_edges"), nothing_new_when_closed()]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("subscription", args=[self.code])

    @property
    def is_renewed(self) -> bool:
        """Whether a price of its own is charged term by term: not where charges from outside say what it costs."""
        return self.product_id is not None and self.status not in {"cancelled", "deleted"}

    @property
    def runs_out(self) -> bool:
        """Whether it runs now and recurring billing is off: it ends with `ended_on`."""
        return self.ended_on is not None and self.status in {"active", "past_due"}

    @property
    def term_total(self) -> Money:
        """What one term costs without VAT, rounded as the invoice line is."""
        return Money.rounded(Decimal(self.quantity) * self.unit_price, self.currency)

    def current_term(self, on: date) -> tuple[date, date] | None:
        """First and last day of the term that the day lies in; None outside of every term."""
        for month in (Month.of(on).plus(-back) for back in range(self._months + 1)):
            start = term_start_in(month, self.started_on, self._months)
            if start is not None and start <= on:
                return start, term_end(start, self.started_on, self._months)
        return None

    def next_renewal(self, on: date) -> date | None:
        """The day on which the next term starts, seen from that day; None where none follows."""
        if not self.is_renewed:
            return None
        for month in (Month.of(max(on, self.started_on)).plus(ahead) for ahead in range(self._months + 1)):
            start = term_start_in(month, self.started_on, self._months)
            if start is not None and start > on:
                return start if self.ended_on is None or start <= self.ended_on else None
        return None

    @property
    def _months(self) -> int:
        return Term(self.term).months


class ChangeKind(models.TextChoices):
    """What a change of a subscription was; the transaction types of the invoice (§3.6)."""

    QUANTITY = "quantity", _("Quantity changed")
    PLAN = "plan", _("Plan changed")
    CANCELLED = "cancelled", _("Cancelled")
    ENDED = "ended", _("Ended with its term")
    REACTIVATED = "reactivated", _("Reactivated")


class SubscriptionChange(models.Model):
    """What ran before and after a day, and what that comes to over the rest of the term (§3.9).

    A row is a fact: it is billed once, by the month of `counts_from`, and never edited. The rows of a
    subscription follow each other: none counts from an earlier day than the one before. A quantity of
    zero means that nothing ran.
    """

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="changes", db_index=False)
    kind = models.CharField(max_length=12, choices=ChangeKind)
    # The first day that is charged as after the change. More counts from the day itself, less from the next.
    counts_from = models.DateField()
    # The term that it changes; a change on its first day is charged with the term and comes to nothing itself.
    term_start = models.DateField()
    term_end = models.DateField()
    product_before = models.ForeignKey(Product, models.PROTECT, related_name="+", db_index=False)
    quantity_before = models.PositiveIntegerField()
    unit_price_before = models.DecimalField(max_digits=38, decimal_places=18)
    product_after = models.ForeignKey(Product, models.PROTECT, related_name="+", db_index=False)
    quantity_after = models.PositiveIntegerField()
    unit_price_after = models.DecimalField(max_digits=38, decimal_places=18)
    # Without VAT, below zero where it gives back.
    net_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    made_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    # The form's own key: the same form sent twice changes once.
    request_key = models.CharField(max_length=40, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("change of a subscription")
        verbose_name_plural = _("changes of subscriptions")
        indexes = [models.Index(fields=["subscription", "counts_from", "id"], name="changes_of_subscription")]
        constraints = [
            models.CheckConstraint(
                name="change_lies_in_its_term",
                condition=Q(counts_from__gte=models.F("term_start"), counts_from__lte=models.F("term_end")),
            ),
            models.CheckConstraint(
                name="change_on_the_first_day_is_in_the_term",
                condition=Q(counts_from__gt=models.F("term_start")) | Q(net_minor=0),
            ),
        ]
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.counts_from}"

    @property
    def net(self) -> Money:
        return Money(self.net_minor, self.currency)

    @property
    def days(self) -> int:
        """How many days of the term it counts for."""
        return (self.term_end - self.counts_from).days + 1

    @property
    def term_days(self) -> int:
        return (self.term_end - self.term_start).days + 1

    @property
    def term_total_after(self) -> Money:
        """What a whole term costs from now on, without VAT."""
        return Money.rounded(self.quantity_after * self.unit_price_after, self.currency)


class SubscriptionMove(models.Model):
    """A subscription is invoiced on another profile from a month on; months before stay where they were."""

    subscription = models.ForeignKey(Subscription, models.PROTECT, related_name="moves")
    from_profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="+")
    to_profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="+")
    # The first day of the first month that the new profile is billed for.
    starts_on = models.DateField()
    asked_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField(default=timezone.now, editable=False)
    withdrawn_at = models.DateTimeField(null=True, editable=False)
    # When the subscription was put on the new profile, on or after `starts_on`.
    applied_at = models.DateTimeField(null=True, editable=False)

    objects = SubscriptionMoveQuerySet.as_manager()

    class Meta:
        verbose_name = _("move of a subscription")
        verbose_name_plural = _("moves of subscriptions")
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"], condition=Q(applied_at=None, withdrawn_at=None), name="one_move_ahead"
            ),
            models.UniqueConstraint(
                fields=["subscription", "starts_on"], condition=Q(withdrawn_at=None), name="one_move_a_month"
            ),
            models.CheckConstraint(name="move_starts_on_the_first", condition=Q(starts_on__day=1)),
            models.CheckConstraint(name="move_goes_elsewhere", condition=~Q(from_profile=models.F("to_profile"))),
            models.CheckConstraint(
                name="move_is_withdrawn_or_applied", condition=Q(applied_at=None) | Q(withdrawn_at=None)
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="move_is_kept", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="move_is_final",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=["applied_at", "withdrawn_at"]),
            ),
            no_truncate(),
        ]

    def __str__(self) -> str:
        return f"{self.subscription} · {self.starts_on}"


class Purchase(models.Model):
    """What was ordered: by whom, when, at which price. The start of a subscription, or a one-off.

    A row is a fact and is not edited; a one-off is billed from here.
    """

    code = CodeField()
    account = models.ForeignKey(BillingAccount, models.PROTECT, related_name="purchases")
    profile = models.ForeignKey(BillingProfile, models.PROTECT, related_name="purchases")
    subscription = models.OneToOneField(Subscription, models.PROTECT, null=True, blank=True, related_name="purchase")
    product = models.ForeignKey(Product, models.PROTECT, related_name="purchases")
    term = models.CharField(max_length=12, choices=Term)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=38, decimal_places=18)
    currency = models.CharField(max_length=3)
    bought_on = models.DateField()
    bought_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    # The form's own key: the same form sent twice buys once.
    request_key = models.CharField(max_length=32, unique=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(name="purchase_quantity_at_least_one", condition=Q(quantity__gte=1)),
            models.CheckConstraint(
                name="one_off_has_no_subscription",
                condition=Q(term="one_off", subscription=None) | (~Q(term="one_off") & Q(subscription__isnull=False)),
            ),
        ]
        triggers = [nothing_new_when_closed()]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"
