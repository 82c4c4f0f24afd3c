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
    REDUCED,
    REVERSE_CHARGE,
    STANDARD,
    UNION,
    ZERO_RATED,
    DatedRate,
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
        ("NL", "", Supply.REDUCED, date(2020, 1, 1), "S", "9"),
        ("DE", "", Supply.REDUCED, SHOP, "S", "7"),
        ("DE", "", Supply.REDUCED, SHOP - timedelta(days=1), "S", "9"),
        ("RO", "", Supply.REDUCED, SHOP, "S", "11"),
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
        treatment(situation("NL", "FR", "", one_stop_shop_from=SHOP), SHOP, Supply.REDUCED)
    with pytest.raises(UnknownRate):
        rate_on("NL", date(2014, 12, 31))
    # Until 2020 an electronic publication was taxed as any electronic service, and not by the rate of printed ones.
    with pytest.raises(UnknownRate):
        rate_on("NL", date(2019, 12, 31), REDUCED)


# The standard rates since 2015 as the Commission publishes them, and what it does not record: Germany in 2020.
FIRST = (
    "AT 20, BE 21, BG 20, CY 19, CZ 21, DE 19, DK 25, EE 20, ES 21, FI 24, FR 20, GR 23, HR 25, HU 27, IE 23, IT 22, "
    "LT 21, LU 17, LV 21, MT 18, NL 21, PL 23, PT 23, RO 24, SE 25, SI 22, SK 20"
)
CHANGES = {
    "DE": [("2020-07-01", "16"), ("2021-01-01", "19")],
    "EE": [("2024-01-01", "22"), ("2025-07-01", "24")],
    "FI": [("2024-09-01", "25.5")],
    "GR": [("2016-06-01", "24")],
    "IE": [("2020-09-01", "21"), ("2021-03-01", "23")],
    "LU": [("2023-01-01", "16"), ("2024-01-01", "17")],
    "RO": [("2016-01-01", "20"), ("2017-01-01", "19"), ("2025-08-01", "21")],
    "SK": [("2025-01-01", "23")],
}


def test_L1_the_standard_rates_are_those_that_the_commission_publishes():
    firsts = dict(pair.split() for pair in FIRST.split(", "))
    assert set(firsts) == UNION
    for country, first in firsts.items():
        wanted = [(date(2015, 1, 1), Decimal(first))]
        wanted += [(date.fromisoformat(day), Decimal(rate)) for day, rate in CHANGES.get(country, [])]
        assert [(rate.since, rate.rate) for rate in RATES[country, STANDARD]] == wanted, country


def test_L1_the_rates_of_the_file_leave_no_gap_and_are_plausible():
    """A rate counts until the next one begins, so they cannot overlap; each is another one than the one before."""
    for (country, kind), dated in RATES.items():
        assert country in UNION
        assert kind in {STANDARD, REDUCED}
        days = [rate.since for rate in dated]
        assert days == sorted(set(days))
        assert all(before.rate != after.rate for before, after in pairwise(dated)), country
        assert all(rate.source for rate in dated)
        for rate in dated:
            assert rate.rate is not None
            if kind == STANDARD:
                # Article 97 of the directive, and the highest that there is.
                assert 15 <= rate.rate <= 27
            else:
                # Lower than the standard rate, and one of the states that have one for all kinds of publications.
                assert 0 < rate.rate < rate_on(country, rate.since)


def test_L1_no_reduced_rate_is_older_than_the_law_that_allows_it():
    """Directive (EU) 2018/1713 is in force from 4 December 2018; Italy did not wait for it."""
    early = {country for (country, kind), dated in RATES.items() if kind == REDUCED and dated[0].since.year < 2019}
    assert early == {"IT"}


def entered(since: date, rate: str | None, country: str = "FR", kind: str = REDUCED) -> DatedRate:
    return DatedRate(country, kind, since, None if rate is None else Decimal(rate), "a law")


def test_L1_what_staff_entered_counts_before_the_file_and_the_last_of_a_day_most():
    new_year = date(2027, 1, 1)
    rates = [
        entered(SHOP, "2.1"),
        entered(SHOP, "5.5"),
        entered(new_year, None),
        entered(new_year, "22", "NL", STANDARD),
        entered(new_year, "99", "SE", STANDARD),
    ]
    where = situation("NL", "FR", "", one_stop_shop_from=SHOP, entered=rates)

    assert treatment(where, SHOP, Supply.REDUCED).rate == Decimal("5.5")
    with pytest.raises(UnknownRate):
        treatment(where, new_year, Supply.REDUCED)
    assert treatment(where, new_year, Supply.GENERAL).rate == 22
    assert treatment(where, new_year - timedelta(days=1), Supply.GENERAL).rate == 21
    assert {rate.country for rate in where.entered} == {"NL", "FR"}
    assert [(piece.first, piece.last) for piece in pieces(where, Supply.REDUCED, SHOP, date(2027, 6, 30))] == [
        (SHOP, date(2026, 12, 31))
    ]


def test_L6_a_reduced_rate_of_zero_is_in_the_category_of_zero():
    """EN 16931, BR-S-05: at the standard category a rate is above zero."""
    where = situation("NL", "IE", "", one_stop_shop_from=SHOP, entered=[entered(SHOP, "0", "IE")])

    assert treatment(where, SHOP, Supply.REDUCED) == ZERO_RATED


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
