"""When a subscription is renewed: the same days on which it is billed (core.periods)."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Money
from core.periods import Month, term_start_in
from subscriptions.models import Product, Subscription, Term


def subscription(started_on, term=Term.MONTHLY, **fields):
    values = {"product_id": 1, "quantity": 1, "unit_price": Decimal("10"), "currency": "EUR", **fields}
    return Subscription(started_on=started_on, term=term, **values)


@pytest.mark.parametrize(
    ("started", "term", "on", "present", "renewal"),
    [
        (date(2026, 1, 31), "monthly", date(2026, 1, 31), (date(2026, 1, 31), date(2026, 2, 27)), date(2026, 2, 28)),
        (date(2026, 1, 31), "monthly", date(2026, 2, 28), (date(2026, 2, 28), date(2026, 3, 30)), date(2026, 3, 31)),
        (date(2026, 1, 15), "quarterly", date(2026, 4, 14), (date(2026, 1, 15), date(2026, 4, 14)), date(2026, 4, 15)),
        (date(2026, 1, 15), "half_yearly", date(2026, 8, 1), (date(2026, 7, 15), date(2027, 1, 14)), date(2027, 1, 15)),
        (date(2024, 2, 29), "yearly", date(2026, 11, 20), (date(2026, 2, 28), date(2027, 2, 27)), date(2027, 2, 28)),
        (date(2026, 12, 1), "monthly", date(2026, 11, 20), None, date(2026, 12, 1)),
    ],
)
def test_present_term_and_next_renewal(started, term, on, present, renewal):
    bought = subscription(started, term)

    assert bought.current_term(on) == present
    assert bought.next_renewal(on) == renewal


@given(
    started=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
    term=st.sampled_from(["monthly", "quarterly", "half_yearly", "yearly"]),
    later=st.integers(0, 1500),
)
def test_F25_renewal_is_the_next_day_on_which_the_billing_run_charges(started, term, later):
    on = started + timedelta(days=later)
    bought, months = subscription(started, term), Term(term).months

    renewal = bought.next_renewal(on)
    start, end = bought.current_term(on)

    assert start <= on <= end
    assert renewal == end + timedelta(days=1)
    assert renewal == term_start_in(Month.of(renewal), started, months)


@pytest.mark.parametrize(
    "fields",
    [{"ended_on": date(2026, 2, 10)}, {"status": "cancelled"}, {"status": "deleted"}, {"product_id": None}],
)
def test_what_is_over_or_measured_is_not_renewed(fields):
    assert subscription(date(2026, 1, 15), **fields).next_renewal(date(2026, 2, 1)) is None


def test_one_term_costs_what_the_invoice_line_will():
    bought = subscription(date(2026, 1, 1), quantity=3, unit_price=Decimal("0.335"))

    assert bought.term_total == Money(101, "EUR")


@pytest.mark.parametrize(("language", "name"), [("nl", "Postvak"), ("en", "Mailbox"), ("de", "Mailbox")])
def test_a_product_without_a_dutch_name_keeps_the_english_one(language, name):
    assert Product(name="Mailbox", name_nl="Postvak").name_in(language) == name
    assert Product(name="Mailbox").name_in(language) == "Mailbox"
