"""VAT by seller's and customer's country and VAT id, and its wording (domain §3.6, L1, I9)."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Money
from invoices.tax import (
    OUT_OF_SCOPE,
    RATES,
    REVERSE_CHARGE,
    UNION,
    UnknownRate,
    is_vat_id,
    pieces,
    rate_on,
    situation,
    tax_point,
    treatment,
)
from subscriptions.supplies import Supply

TODAY = date(2026, 11, 5)


@pytest.mark.parametrize(
    ("seller", "customer", "vat_id", "category", "rate"),
    [
        ("NL", "NL", "", "S", "21"),
        ("NL", "NL", "NL000099998B57", "S", "21"),
        ("NL", "BE", "BE0403019261", "AE", "0"),
        ("NL", "DE", "DE136695976", "AE", "0"),
        ("NL", "GR", "EL094259216", "AE", "0"),
        ("NL", "DE", "", "S", "21"),
        ("NL", "DE", "DE136695977", "S", "21"),
        ("NL", "DE", "NL000099998B57", "S", "21"),
        ("NL", "BE", "nonsense", "S", "21"),
        ("NL", "US", "", "O", "0"),
        ("NL", "GB", "GB980780684", "O", "0"),
        ("NL", "CH", "", "O", "0"),
        ("DE", "DE", "", "S", "19"),
        ("DE", "NL", "NL000099998B57", "AE", "0"),
        ("FI", "FI", "", "S", "25.5"),
    ],
)
def test_L1_vat_follows_both_countries_and_the_vat_id(seller, customer, vat_id, category, rate):
    decided = treatment(situation(seller, customer, vat_id), TODAY)

    assert (decided.category, decided.rate) == (category, Decimal(rate))


def test_L1_a_seller_whose_rules_are_unknown_issues_nothing():
    with pytest.raises(ValueError, match="US"):
        situation("US", "NL", "")
    with pytest.raises(ValueError, match="no country"):
        situation("", "NL", "")


def test_L1_where_no_vat_is_charged_the_invoice_says_why_in_its_language():
    assert REVERSE_CHARGE.wording("en").startswith("Reverse charge")
    assert REVERSE_CHARGE.wording("nl").startswith("Btw verlegd")
    assert OUT_OF_SCOPE.wording("en").startswith("Outside the scope")
    assert OUT_OF_SCOPE.wording("nl").startswith("Buiten de reikwijdte")
    assert treatment(situation("NL", "NL", ""), TODAY).wording("nl") == ""


def test_a_vat_id_is_of_one_country_and_its_check_digits_fit():
    assert is_vat_id("NL000099998B57", "NL")
    assert not is_vat_id("NL000099998B58", "NL")
    assert not is_vat_id("NL000099998B57", "BE")
    assert not is_vat_id("", "NL")
    assert not is_vat_id("CHE123456788", "CH")


@given(st.sampled_from(sorted(UNION)), st.sampled_from([*sorted(UNION), "US", "CH", "JP", ""]), st.text(max_size=16))
def test_I9_vat_is_the_sellers_rate_or_nothing_with_a_reason(seller: str, customer: str, vat_id: str):
    decided = treatment(situation(seller, customer, vat_id), TODAY)

    assert (decided.category, decided.rate) in {("S", rate_on(seller, TODAY)), ("AE", 0), ("O", 0)}
    assert (decided.rate == 0) == bool(decided.wording("en"))
    assert decided.category != "AE" or is_vat_id(vat_id, customer)


SHOP = date(2026, 7, 1)


@pytest.mark.parametrize(
    ("customer", "vat_id", "supply", "on", "category", "rate"),
    [
        ("DE", "", Supply.ELECTRONIC, SHOP, "S", "19"),
        ("DE", "", Supply.ELECTRONIC, SHOP - timedelta(days=1), "S", "21"),
        ("DE", "", Supply.GENERAL, SHOP, "S", "21"),
        ("HU", "", Supply.ELECTRONIC, SHOP, "S", "27"),
        ("DE", "DE136695976", Supply.ELECTRONIC, SHOP, "AE", "0"),
        ("NL", "", Supply.ELECTRONIC, SHOP, "S", "21"),
        ("NL", "", Supply.REDUCED, SHOP, "S", "9"),
        ("NL", "", Supply.REDUCED, date(2018, 12, 31), "S", "6"),
        ("NL", "", Supply.ZERO, SHOP, "Z", "0"),
        ("US", "", Supply.REDUCED, SHOP, "O", "0"),
        ("DE", "DE136695976", Supply.ZERO, SHOP, "AE", "0"),
    ],
)
def test_L1_vat_follows_what_is_supplied_and_when(customer, vat_id, supply, on, category, rate):
    decided = treatment(situation("NL", customer, vat_id, one_stop_shop_from=SHOP), on, supply)

    assert (decided.category, decided.rate) == (category, Decimal(rate))


def test_L1_what_has_no_known_rate_is_not_guessed():
    with pytest.raises(UnknownRate):
        treatment(situation("NL", "DE", "", one_stop_shop_from=SHOP), SHOP, Supply.REDUCED)
    with pytest.raises(UnknownRate):
        rate_on("NL", date(2014, 12, 31))


def test_L1_every_member_state_has_a_rate_and_each_says_where_it_comes_from():
    assert len(UNION) == 27
    for country in UNION:
        assert Decimal(15) <= rate_on(country, TODAY) <= Decimal(27)
    for dated in RATES.values():
        days = [day for day, _rate in dated]
        assert days == sorted(set(days))
        assert all(before[1] != after[1] for before, after in pairwise(dated))


@given(
    st.sampled_from(sorted(UNION)),
    st.sampled_from([*sorted(UNION), "US"]),
    st.sampled_from(Supply.values),
    st.dates(date(2015, 1, 1), date(2030, 1, 1)),
)
def test_L1_the_pieces_of_a_time_are_what_each_of_its_days_says(seller: str, customer: str, supply: str, on: date):
    where = situation(seller, customer, "", one_stop_shop_from=SHOP)
    found = [
        piece for piece in pieces(where, supply, date(2015, 1, 1), date(2030, 1, 1)) if piece.first <= on <= piece.last
    ]

    try:
        decided = treatment(where, on, supply)
    except UnknownRate:
        assert found == []
    else:
        assert [piece.treatment for piece in found] == [decided]


def test_L1_the_tax_point_is_the_end_of_the_service_or_an_earlier_invoice():
    assert tax_point(date(2026, 10, 31), date(2026, 11, 5)) == date(2026, 10, 31)
    assert tax_point(date(2027, 10, 31), date(2026, 11, 5)) == date(2026, 11, 5)


@pytest.mark.parametrize(
    ("base", "rate", "vat"), [(12_345, "21", 2_592), (50, "21", 11), (100, "25.5", 26), (-50, "21", -11), (1, "21", 0)]
)
def test_I3_vat_is_rounded_once_half_away_from_zero(base: int, rate: str, vat: int):
    assert Money(base, "EUR").share(Decimal(rate) / 100) == Money(vat, "EUR")
