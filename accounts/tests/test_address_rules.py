"""Addresses of every country: which fields, what they must hold, and how they are printed."""

import pytest
from django.utils import translation
from django_countries import countries

from accounts.address_rules import printed_lines, rules_for
from accounts.forms import AddressForm
from accounts.tests.factories import AddressFactory

DUTCH = {"line1": "Waalhaven Zuidzijde 21", "postal_code": "3089 JH", "city": "Rotterdam"}
AMERICAN = {"line1": "350 5th Ave", "city": "New York", "region": "NY", "postal_code": "10118"}


def test_every_country_has_rules_labels_and_a_printed_form():
    for country, _name in countries:
        rules = rules_for(country)
        values = {name: f"x{name}" for name in rules.fields}
        printed = " ".join(printed_lines({**values, "country": country}))

        assert rules.required <= set(rules.fields), country
        assert all(rules.label(name) for name in rules.fields), country
        assert rules.errors({}).keys() == rules.required, country
        assert [value for value in values.values() if value not in printed] == [], country


@pytest.mark.parametrize(
    ("country", "rows"),
    [
        ("NL", (("line1",), ("line2",), ("postal_code", "city"))),
        ("US", (("line1",), ("line2",), ("city", "region", "postal_code"))),
        ("GB", (("line1",), ("line2",), ("city",), ("postal_code",))),
        ("BR", (("line1",), ("line2",), ("district",), ("city", "region"), ("postal_code",))),
    ],
)
def test_fields_stand_in_the_order_of_the_country(country, rows):
    assert rules_for(country).rows == rows


@pytest.mark.parametrize("postal_code", ["3089 JH", "3089JH", "3089 jh"])
def test_a_dutch_address_is_taken_as_people_write_it(postal_code):
    assert rules_for("NL").errors({**DUTCH, "postal_code": postal_code}) == {}


@pytest.mark.parametrize(
    ("country", "values", "wrong"),
    [
        ("NL", {**DUTCH, "postal_code": "3089"}, {"postal_code": "Use four digits and two letters, like 1234 AB."}),
        ("NL", {**DUTCH, "postal_code": "0089 JH"}, {"postal_code": "Use four digits and two letters, like 1234 AB."}),
        ("NL", {**DUTCH, "postal_code": ""}, {"postal_code": "Enter the postal code, like 1234 AB."}),
        (
            "NL",
            {**DUTCH, "line1": "Waalhaven Zuidzijde"},
            {"line1": "The house number is missing: write it behind the street."},
        ),
        ("NL", {**DUTCH, "city": ""}, {"city": "Enter the city."}),
        ("US", {**AMERICAN, "region": ""}, {"region": "Choose the state."}),
        ("US", {**AMERICAN, "region": "XX"}, {"region": "Choose one of the list."}),
        (
            "US",
            {**AMERICAN, "postal_code": "94016"},
            {"postal_code": "This ZIP code does not lie in the state you chose."},
        ),
        (
            "DE",
            {"line1": "Friedrichstraße 43", "city": "Berlin", "postal_code": "1011"},
            {"postal_code": "This is no postal code of this country; one looks like 26133."},
        ),
    ],
)
def test_S0_8_what_is_wrong_is_said_at_the_field(country, values, wrong):
    assert rules_for(country).errors(values) == wrong


def test_the_labels_are_those_of_the_country_and_language():
    with translation.override("nl"):
        assert (rules_for("NL").label("postal_code"), rules_for("US").label("region")) == ("Postcode", "Staat")
    assert (rules_for("US").label("postal_code"), rules_for("IE").label("region")) == ("ZIP code", "County")


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        (
            {**DUTCH, "company_name": "Alfa B.V.", "contact_name": "Inkoop", "country": "NL"},
            ["Alfa B.V.", "Inkoop", "Waalhaven Zuidzijde 21", "3089 JH Rotterdam", "Netherlands"],
        ),
        (
            {**AMERICAN, "line2": "Floor 2", "country": "US"},
            ["350 5th Ave", "Floor 2", "New York, NY 10118", "United States of America"],
        ),
        (
            {"line1": "Calle Mayor 1", "city": "Getafe", "region": "M", "postal_code": "28901", "country": "ES"},
            ["Calle Mayor 1", "28901 Getafe Madrid", "Spain"],
        ),
        (
            {"line1": "350 5th Ave", "postal_code": "10118", "country": "US"},
            ["350 5th Ave", "10118", "United States of America"],
        ),
        (
            {"line1": "Damrak 1", "city": "AMSTERDAM zuid", "country": "NL"},
            ["Damrak 1", "AMSTERDAM zuid", "Netherlands"],
        ),
        # What the country has no place for is not lost.
        ({"line1": "Damrak 1", "region": "NH", "country": "NL"}, ["Damrak 1", "NH", "Netherlands"]),
    ],
)
def test_an_address_is_printed_as_on_an_envelope(values, lines):
    assert printed_lines(values) == lines


def test_a_country_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="qq"):
        rules_for("QQ")


def typed(**changed):
    values = {"company_name": "Alfa B.V.", "contact_name": "", "email": "a@alfa.example", "phone": "", "line2": ""}
    return {**values, **DUTCH, **changed}


def test_the_form_gives_what_was_typed_in_the_users_own_spelling():
    form = AddressForm(typed(postal_code="3089jh", city="rotterdam"), country="NL")

    assert form.is_valid(), form.errors
    assert form.values() == typed(postal_code="3089jh", city="rotterdam")
    assert form.version() is None


@pytest.mark.parametrize("name", ["company_name", "email", "line1", "postal_code", "city"])
def test_S0_1_a_field_that_is_demanded_and_empty_is_an_error_there(name):
    form = AddressForm(typed(**{name: ""}), country="NL")

    assert set(form.errors) == {name}


@pytest.mark.parametrize("phone", ["+31 10 428 50 00", "010 428 50 00", "0031104285000", "+1 (212) 736-3100"])
def test_a_phone_number_is_taken_as_people_write_it(phone):
    form = AddressForm(typed(phone=phone), country="NL")

    assert form.is_valid(), form.errors
    assert form.values()["phone"] == phone


@pytest.mark.parametrize("phone", ["12", "call me", "+31 999999999999999999"])
def test_what_is_no_phone_number_gets_an_example(phone):
    form = AddressForm(typed(phone=phone), country="NL")

    assert form.errors["phone"] == ["This is no phone number; write it like +31 10 123 4567."]


def test_S0_1_the_country_is_locked_whatever_is_sent():
    form = AddressForm(typed(country="DE"), country="NL")

    assert form.is_valid()
    assert form.cleaned_data["country"] == "NL"
    assert "country" not in form.values()


def test_Q4_fields_that_are_not_in_the_form_are_not_written():
    form = AddressForm(typed(kind="bill_to", is_complete="1", region="X", id="7"), country="NL")

    assert form.is_valid()
    assert set(form.values()) == set(typed())


@pytest.mark.django_db
def test_a_third_line_stays_where_it_is_used():
    address = AddressFactory.build(line3="Dock 4", version=3)

    assert "line3" in AddressForm(country="NL", address=address).fields
    assert "line3" not in AddressForm(country="NL").fields
