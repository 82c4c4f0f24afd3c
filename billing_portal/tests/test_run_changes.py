"""What the run bills of subscriptions that were changed, ended, brought back and moved (domain §3.9)."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from accounts.tests.factories import BillingAccountFactory, SellerFactory, UserFactory
from billing_portal.invariants import find_violations
from core.codes import new_code
from core.errors import Refused
from core.periods import Month, months_between
from invoices.models import Invoice, InvoiceLine
from invoices.services.run import run_billing
from profiles.tests.factories import BillingProfileFactory
from subscriptions.models import Term
from subscriptions.services.changing import (
    cancel_subscription,
    change_subscription,
    end_subscription,
    plan_cancellation,
    plan_change,
    plan_reactivation,
    reactivate_subscription,
    set_recurring_billing,
)
from subscriptions.services.moving import apply_due_move, move_subscription
from subscriptions.tests.factories import PriceFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db

OCTOBER, NOVEMBER, DECEMBER = Month(2026, 10), Month(2026, 11), Month(2026, 12)
ONE_DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def seller():
    return SellerFactory()


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def profile(owner):
    account = BillingAccountFactory(owner=owner)
    return BillingProfileFactory(account=account, created_at=datetime(2026, 10, 1, tzinfo=UTC))


def bought(profile, **values):
    return SubscriptionFactory(
        **{
            "profile": profile,
            "quantity": 3,
            "unit_price": Decimal(10),
            "started_on": date(2026, 10, 16),
            "price__product__name": "Mail",
            **values,
        }
    )


def change(row, quantity, by, on, price=None):
    planned = plan_change(row, quantity=quantity, price=price, on=on)
    return change_subscription(
        row, quantity=quantity, price=price, expected=planned.net, request_key=new_code(), by=by, on=on
    )


def cancel(row, by, on):
    expected = plan_cancellation(row, on=on).net
    return cancel_subscription(row, expected=expected, request_key=new_code(), by=by, on=on)


def reactivate(row, by, on):
    expected = plan_reactivation(row, on=on).net
    return reactivate_subscription(row, expected=expected, request_key=new_code(), by=by, on=on)


def bill(month, on=None):
    return run_billing(month, on=on or month.next.first + timedelta(days=4))


def lines():
    rows = InvoiceLine.objects.order_by("invoice__period_start", "invoice_id", "position")
    return list(rows.values_list("invoice__period_start__month", "description", "net_minor"))


def test_3_9_the_term_is_billed_as_it_stood_and_the_change_by_day_beside_it(profile, owner):
    row = bought(profile)
    change(row, 5, owner, date(2026, 10, 26))

    bill(OCTOBER)
    bill(NOVEMBER)

    assert lines() == [
        (10, "Mail", 3000),
        (10, "Mail: from 3 to 5, 21 of 31 days of the term", 1355),
        (11, "Mail", 5000),
    ]
    line = InvoiceLine.objects.get(net_minor=1355)
    assert (line.quantity, line.unit_price, line.service_start, line.service_end) == (
        1,
        Decimal("13.55"),
        date(2026, 10, 26),
        date(2026, 11, 15),
    )
    assert list(find_violations()) == []


def test_3_9_what_is_changed_after_the_month_and_before_the_run_waits_for_its_own(profile, owner):
    row = bought(profile)
    change(row, 5, owner, date(2026, 11, 3))

    bill(OCTOBER)
    bill(NOVEMBER)

    assert [(month, net) for month, _text, net in lines()] == [(10, 3000), (11, 5000), (11, 839)]


def test_3_5_cancelled_now_the_rest_comes_back_as_a_credit_note(profile, owner):
    row = bought(profile, term=Term.QUARTERLY)
    bill(OCTOBER)
    cancel(row, owner, date(2026, 11, 15))

    bill(NOVEMBER)
    bill(DECEMBER)

    note = Invoice.objects.get(kind="credit_note")
    # 61 of the 92 days from 16 October to 15 January are left from 16 November on.
    assert (note.net_minor, Invoice.objects.count()) == (1989, 2)
    assert note.lines.get().description == "Mail: cancelled, 61 of 92 days of the term given back"
    assert list(find_violations()) == []


def test_3_5_ended_and_brought_back_bills_no_day_twice_and_none_in_between_however_late(profile, owner):
    row = bought(profile)
    set_recurring_billing(row, is_on=False, by=owner, on=date(2026, 10, 20))
    end_subscription(row, on=date(2026, 11, 16))
    reactivate(row, owner, date(2026, 12, 1))

    bill(DECEMBER)

    assert [(month, net) for month, _text, net in lines()] == [(10, 3000), (12, 3000), (12, 1500)]
    assert list(find_violations()) == []


def test_plan_change_is_told_in_dutch_too(profile, owner):
    profile.account.organisation.preferred_language = "nl"
    profile.account.organisation.save()
    row = bought(profile, price__product__name_nl="Postvak")
    pro = PriceFactory(unit_price=Decimal(25), product__name="Pro", product__name_nl="Postvak Pro")
    change(row, 3, owner, date(2026, 10, 26), price=pro)

    bill(OCTOBER)

    assert [text for _month, text, _net in lines()] == [
        "Postvak",
        "Postvak × 3 wordt Postvak Pro × 3, 21 van 31 dagen van de termijn",
    ]


@pytest.mark.parametrize("is_applied", [True, False])
def test_3_9_from_the_next_month_another_profile_is_billed_even_by_one_late_run(profile, owner, is_applied):
    other = BillingProfileFactory(account=profile.account, created_at=datetime(2026, 10, 1, tzinfo=UTC))
    row = bought(profile)
    change(row, 4, owner, date(2026, 11, 20))
    move_subscription(row, profile=other, by=owner, on=date(2026, 11, 20))
    change(row, 5, owner, date(2026, 12, 5))
    if is_applied:
        apply_due_move(row, on=date(2026, 12, 10))

    bill(DECEMBER)

    found = Invoice.objects.order_by("period_start").values_list("period_start__month", "profile", "net_minor")
    assert list(found) == [
        (10, profile.pk, 3000),
        (11, profile.pk, 3000 + 867),
        (12, other.pk, 5000 + 366),
    ]
    assert list(find_violations()) == []


def test_a_profile_that_got_a_subscription_is_not_billed_for_the_years_before(profile, owner):
    other = BillingProfileFactory(account=profile.account, created_at=datetime(2026, 11, 20, tzinfo=UTC))
    row = bought(profile, started_on=date(2026, 10, 16))
    move_subscription(row, profile=other, by=owner, on=date(2026, 11, 20))
    apply_due_move(row, on=date(2026, 12, 1))

    bill(DECEMBER)

    months = other.periods.order_by("month").values_list("month", flat=True)
    assert list(months) == [date(2026, 11, 1), date(2026, 12, 1)]


def test_check_invariants_finds_a_change_that_was_left_out(profile, owner):
    row = bought(profile)
    bill(OCTOBER)
    made = change(row, 5, owner, date(2026, 11, 20))
    bill(NOVEMBER)
    assert list(find_violations()) == []

    # As if the run had not seen it: an issued line cannot be taken away, so its change is given another month.
    type(made).objects.create(
        **{
            field.attname: getattr(made, field.attname)
            for field in made._meta.fields
            if field.name not in {"id", "request_key", "created_at"}
        },
        request_key="left out",
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
    )

    assert [violation.invariant for violation in find_violations()] == ["I31", "I31"]


# --- Any sequence ---------------------------------------------------------------------------------


class Diary:
    """What each day should cost, written down without the code under test."""

    def __init__(self, start, rate):
        self.steps = [(start, rate)]

    def note(self, day, rate):
        self.steps.append((max(day, self.steps[-1][0]), rate))

    def rate_on(self, day):
        return [rate for first, rate in self.steps if first <= day][-1]

    def price(self, start, end):
        days = [start + timedelta(days=number) for number in range((end - start).days + 1)]
        exact = sum((self.rate_on(day) for day in days), Fraction(0)) / len(days)
        return int(exact + Fraction(1, 2))


@pytest.mark.long(sample=6)
@pytest.mark.parametrize("seed", range(300))
def test_P23_no_sequence_of_changes_loses_or_makes_a_cent(profile, owner, seed):
    chance = random.Random(seed)
    start = date(2026, 10, chance.randint(1, 31))
    price = Decimal(chance.randint(1, 99_999)) / chance.choice([100, 1000, 10_000])
    term = chance.choice([Term.MONTHLY, Term.MONTHLY, Term.QUARTERLY, Term.HALF_YEARLY])
    row = bought(profile, started_on=start, unit_price=price, quantity=chance.randint(1, 20), term=term)
    prices = [
        PriceFactory(unit_price=Decimal(chance.randint(1, 9_999)) / 100, term=term, currency="EUR")
        for _each in range(2)
    ]
    other = BillingProfileFactory(account=profile.account, created_at=datetime(2026, 10, 1, tzinfo=UTC))
    diary = Diary(start, _rate(row))
    habit = chance.choice(["each month", "late"])
    # In the last month nothing is done: what counts from its first day is billed with it.
    last = Month(2027, 4)
    moves = {}
    for month in months_between(OCTOBER, last):
        for day in sorted(chance.choices(range(month.days), k=chance.randint(0, 4))) if month < last else []:
            on = month.first + timedelta(days=day)
            if on >= start:
                _act(row, diary, owner, on, chance, prices, (profile, other), moves)
        if habit == "each month":
            bill(month)
    if habit == "late":
        bill(last)

    _settle(row, diary, last.last)
    charged = defaultdict(int)
    for line in InvoiceLine.objects.select_related("invoice"):
        sign = 1 if line.invoice.kind == "invoice" else -1
        charged[row.current_term(line.service_start)] += sign * line.net_minor
        owner_of_month = [to for first, to in sorted(moves.items()) if first <= line.invoice.period_start]
        assert line.invoice.profile == (owner_of_month[-1] if owner_of_month else profile)
    terms, day = [], start
    while day <= last.last:
        terms.append(row.current_term(day))
        day = terms[-1][1] + ONE_DAY
    assert {term: net for term, net in charged.items() if net} == {
        term: net for term in terms if (net := diary.price(*term))
    }
    assert list(find_violations()) == []


def _rate(row):
    return row.quantity * Fraction(row.unit_price) * 100


def _act(row, diary, by, on, chance, prices, profiles, moves):
    """One thing that a person could do on that day; what is refused changes nothing."""
    row.refresh_from_db()
    _settle(row, diary, on)
    verb = chance.choice(["quantity", "quantity", "plan", "cancel", "reactivate", "reactivate", "off", "on", "move"])
    before = _rate(row)
    try:
        if verb in {"quantity", "plan"}:
            price = chance.choice(prices) if verb == "plan" else None
            change(row, chance.randint(1, 30), by, on, price)
            diary.note(on + ONE_DAY if _rate(row) < before else on, _rate(row))
        elif verb == "cancel":
            cancel(row, by, on)
            diary.note(on + ONE_DAY, Fraction(0))
        elif verb == "reactivate":
            reactivate(row, by, on)
            diary.note(on, _rate(row))
        elif verb == "move":
            to = next(each for each in profiles if each.pk != row.profile_id)
            asked = move_subscription(row, profile=to, by=by, on=on)
            moves[asked.starts_on] = to
        else:
            set_recurring_billing(row, is_on=verb == "on", by=by, on=on)
    except Refused:
        pass


def _settle(row, diary, on):
    """What the clock would have done by that day."""
    row.refresh_from_db()
    if row.runs_out and row.ended_on < on:
        diary.note(row.ended_on + ONE_DAY, Fraction(0))
    end_subscription(row, on=on)
    apply_due_move(row, on=on)
    row.refresh_from_db()
