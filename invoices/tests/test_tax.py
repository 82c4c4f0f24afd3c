"""VAT by seller's and customer's country and VAT id, and its wording (domain §3.6, L1, I9)."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import Money
from invoices.tax import OUT_OF_SCOPE, REVERSE_CHARGE, STANDARD_RATES, UNION, is_vat_id, treatment


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
    decided = treatment(seller, customer, vat_id)

    assert (decided.category, decided.rate) == (category, Decimal(rate))


def test_L1_a_seller_whose_rules_are_unknown_issues_nothing():
    with pytest.raises(ValueError, match="US"):
        treatment("US", "NL", "")
    with pytest.raises(ValueError, match="no country"):
        treatment("", "NL", "")


def test_L1_where_no_vat_is_charged_the_invoice_says_why_in_its_language():
    assert REVERSE_CHARGE.wording("en").startswith("Reverse charge")
    assert REVERSE_CHARGE.wording("nl").startswith("Btw verlegd")
    assert OUT_OF_SCOPE.wording("en").startswith("Outside the scope")
    assert OUT_OF_SCOPE.wording("nl").startswith("Buiten de reikwijdte")
    assert treatment("NL", "NL", "").wording("nl") == ""


def test_a_vat_id_is_of_one_country_and_its_check_digits_fit():
    assert is_vat_id("NL000099998B57", "NL")
    assert not is_vat_id("NL000099998B58", "NL")
    assert not is_vat_id("NL000099998B57", "BE")
    assert not is_vat_id("", "NL")
    assert not is_vat_id("CHE123456788", "CH")


@given(st.sampled_from(sorted(UNION)), st.sampled_from([*sorted(UNION), "US", "CH", "JP", ""]), st.text(max_size=16))
def test_I9_vat_is_the_sellers_rate_or_nothing_with_a_reason(seller: str, customer: str, vat_id: str):
    decided = treatment(seller, customer, vat_id)

    assert (decided.category, decided.rate) in {("S", Decimal(STANDARD_RATES[seller])), ("AE", 0), ("O", 0)}
    assert (decided.rate == 0) == bool(decided.wording("en"))
    assert decided.category != "AE" or is_vat_id(vat_id, customer)


@pytest.mark.parametrize(
    ("base", "rate", "vat"), [(12_345, "21", 2_592), (50, "21", 11), (100, "25.5", 26), (-50, "21", -11), (1, "21", 0)]
)
def test_I3_vat_is_rounded_once_half_away_from_zero(base: int, rate: str, vat: int):
    assert Money(base, "EUR").share(Decimal(rate) / 100) == Money(vat, "EUR")
