"""Money adds, splits and rounds without losing a unit, in every currency (Q6)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from core.money import Money, exponent, round_half_up
from core.testing import thorough

MINOR = st.integers(-(10**18), 10**18)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLF"])
MONEY = st.builds(Money, MINOR, CURRENCIES)
# What numeric(38,18) holds.
DELIVERED = st.decimals(-(10**20) + 1, 10**20 - 1, allow_nan=False, allow_infinity=False, places=18)


@pytest.mark.parametrize(
    ("currency", "decimals"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("IQD", 3), ("MGA", 2), ("AFN", 2)]
)
def test_Q6_decimals_are_those_of_iso_4217(currency, decimals):
    assert exponent(currency) == decimals


@pytest.mark.parametrize("code", ["XAU", "XXX", "XTS", "eur", "EURO", "", "€", "A\0B"])
def test_T28_what_is_no_currency_is_refused(code):
    with pytest.raises(ValueError, match=r"currency|billed"):
        Money(1, code)


def test_Q6_every_currency_with_a_minor_unit_can_be_billed():
    billable = [currency for currency in Currency if currency.exponent is not None]

    assert len(billable) > 150
    assert all(Money(1, currency.code).amount == Decimal(1).scaleb(-currency.exponent) for currency in billable)


@pytest.mark.parametrize("minor", [1.0, "1", Decimal(1), None, True])
def test_T28_minor_units_are_whole_numbers(minor):
    with pytest.raises(TypeError):
        Money(minor, "EUR")


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("0.005", "EUR", 1),
        ("-0.005", "EUR", -1),
        ("0.0049999999999999999", "EUR", 0),
        ("2.5", "JPY", 3),
        ("1.0005", "KWD", 1001),
        ("1e-30", "EUR", 0),
        ("12345678901234567890.125", "EUR", 1234567890123456789013),
    ],
)
def test_Q6_half_a_unit_rounds_away_from_zero(amount, currency, minor):
    assert Money.rounded(Decimal(amount), currency).minor == minor


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_T28_nan_and_infinity_are_no_amounts(amount):
    with pytest.raises(ValueError, match="not an amount"):
        Money.rounded(Decimal(amount), "EUR")


@pytest.mark.parametrize(
    ("text", "currency"),
    [("1.001", "EUR"), ("0.5", "JPY"), ("ten", "EUR"), ("", "EUR"), ("1,5", "EUR"), ("NaN", "EUR")],
)
def test_T28_only_what_the_currency_holds_is_read(text, currency):
    with pytest.raises(ValueError, match=r"amount|decimals"):
        Money.parse(text, currency)


@thorough
@given(MONEY)
def test_Q6_what_is_written_is_read_again(money: Money):
    assert Money.parse(f"{money.amount}", money.currency) == money
    assert Money.rounded(money.amount, money.currency) == money


@thorough
@given(DELIVERED, CURRENCIES)
def test_Q6_rounding_moves_by_half_a_unit_at_most(amount: Decimal, currency: str):
    rounded = Money.rounded(amount, currency)

    assert abs(rounded.amount - amount) <= Decimal("0.5").scaleb(-exponent(currency))
    assert Money.rounded(-amount, currency) == -rounded


@thorough
@given(st.lists(MINOR, max_size=20), CURRENCIES, st.randoms())
def test_Q6_a_sum_is_the_same_in_any_order(minors: list[int], currency: str, shuffler):
    amounts = [Money(minor, currency) for minor in minors]
    total = Money.total(amounts, currency)
    shuffler.shuffle(amounts)

    assert Money.total(amounts, currency) == total == Money(sum(minors), currency)


@thorough
@given(MINOR, CURRENCIES, st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any))
def test_Q6_a_split_keeps_every_unit_and_each_share_is_next_to_its_due(minor, currency, weights):
    money, whole = Money(minor, currency), sum(weights)

    shares = money.allocate(weights)

    assert Money.total(shares, currency) == money
    assert all(abs(share.minor * whole - minor * weight) < whole for share, weight in zip(shares, weights, strict=True))
    assert all(not share for share, weight in zip(shares, weights, strict=True) if weight == 0)


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1]])
def test_Q6_a_split_among_nobody_is_refused(weights):
    with pytest.raises(ValueError, match="weights"):
        Money(1, "EUR").allocate(weights)


@thorough
@given(st.integers(0, 10**15), st.sampled_from(["0", "5.5", "9", "19", "21", "25.5", "27"]))
def test_I3_vat_is_the_rate_of_the_base_rounded_once(base: int, rate: str):
    vat = Money(base, "EUR").share(Decimal(rate) / 100)

    assert abs(vat.minor * 100 - base * Decimal(rate)) <= 50
    assert vat.minor == round_half_up(base * Decimal(rate) / 100)


def test_Q6_two_currencies_never_meet():
    euro, dollar = Money(100, "EUR"), Money(100, "USD")

    for mix in (lambda: euro + dollar, lambda: euro - dollar, lambda: euro < dollar, lambda: euro >= dollar):
        with pytest.raises(ValueError, match="do not add up"):
            mix()
    with pytest.raises(ValueError, match="do not add up"):
        Money.total([euro, dollar], "EUR")
    with pytest.raises(TypeError):
        euro + 1
    with pytest.raises(TypeError):
        euro * Decimal("0.5")
    assert euro != dollar


@thorough
@given(MONEY, st.integers(-1000, 1000))
def test_Q6_arithmetic_is_that_of_whole_numbers(money: Money, count: int):
    assert (money * count).minor == money.minor * count
    assert money - money == Money.zero(money.currency)
    assert not Money.zero(money.currency)
    assert (-money).minor == -money.minor
    assert (money < Money.zero(money.currency)) == (money.minor < 0)
