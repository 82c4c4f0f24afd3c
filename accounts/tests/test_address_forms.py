"""The form of an address in ten countries and one without postcodes: fields, order, what is taken, what is refused."""

import pytest
from django.utils.translation import override

from accounts.forms import AddressForm

CONTACT = {"company_name": "Acme", "contact_name": "", "email": "ap@acme.example", "phone": ""}

# Country: its fields in their order, an address as people there write it, and a postcode that is none of theirs.
COUNTRIES = {
    "NL": (
        ["line1", "line2", "postal_code", "city"],
        {"line1": "Waalhaven Zuidzijde 21-b", "postal_code": "3089 jh", "city": "rotterdam"},
        "30891 JH",
    ),
    "BE": (
        ["line1", "line2", "postal_code", "city"],
        {"line1": "Wetstraat 16", "postal_code": "1000", "city": "Brussel"},
        "100",
    ),
    "DE": (
        ["line1", "line2", "postal_code", "city"],
        {"line1": "Friedrichstraße 43", "postal_code": "10117", "city": "Berlin"},
        "1011",
    ),
    "FR": (
        ["line1", "line2", "postal_code", "city"],
        {"line1": "10 rue de Rivoli", "postal_code": "75004", "city": "Paris"},
        "7500",
    ),
    "GB": (
        ["line1", "line2", "city", "postal_code"],
        {"line1": "221B Baker Street", "city": "London", "postal_code": "NW1 6XE"},
        "NW1",
    ),
    "IE": (
        ["line1", "line2", "district", "city", "region", "postal_code"],
        {"line1": "7 Hanover Quay", "city": "Dublin", "postal_code": "D02 VY79"},
        "02 VY79",
    ),
    "US": (
        ["line1", "line2", "city", "region", "postal_code"],
        {"line1": "350 5th Ave", "city": "New York", "region": "NY", "postal_code": "10118"},
        "90210",
    ),
    "CA": (
        ["line1", "line2", "city", "region", "postal_code"],
        {"line1": "290 Bremner Blvd", "city": "Toronto", "region": "ON", "postal_code": "M5V 3L9"},
        "H0H 0H0",
    ),
    "JP": (
        ["line1", "line2", "region", "postal_code"],
        {"line1": "4-2-8 Shibakoen, Minato-ku", "region": "Tokyo", "postal_code": "105-0011"},
        "1050-011",
    ),
    "BR": (
        ["line1", "line2", "district", "city", "region", "postal_code"],
        {
            "line1": "Av. Paulista 1578",
            "district": "Bela Vista",
            "city": "São Paulo",
            "region": "SP",
            "postal_code": "01310-200",
        },
        "01310",
    ),
    "AE": (["line1", "line2", "region"], {"line1": "Sheikh Zayed Road 1", "region": "Dubai"}, None),
}


def form_of(country, **values):
    return AddressForm({**CONTACT, **values}, country=country)


def fields_of(form):
    return [name for row in form.part.rules.rows for name in row]


@pytest.mark.parametrize("country", COUNTRIES)
def test_S0_8_the_form_has_the_fields_of_the_country_in_their_order(country):
    fields, _address, _wrong = COUNTRIES[country]

    form = form_of(country)

    assert fields_of(form) == fields
    assert [name for name in form.fields if name in fields] == fields
    assert form.fields["country"].disabled


@pytest.mark.parametrize("country", COUNTRIES)
def test_S0_8_a_good_address_is_taken_as_it_was_typed(country):
    _fields, address, _wrong = COUNTRIES[country]
    form = form_of(country, **address)

    assert form.is_valid(), form.errors
    assert {name: value for name, value in form.values().items() if name in address} == address


@pytest.mark.parametrize("country", [country for country, (_fields, _good, wrong) in COUNTRIES.items() if wrong])
def test_S0_8_a_bad_postcode_is_refused_at_its_field_in_both_languages(country):
    _fields, address, wrong = COUNTRIES[country]
    said = {}
    for language in ("en", "nl"):
        with override(language):
            form = form_of(country, **{**address, "postal_code": wrong})
            assert list(form.errors) == ["postal_code"]
            said[language] = str(form.errors["postal_code"][0])

    assert said["en"] != said["nl"]
    assert form.part.rules.postal_example in said["nl"] or "niet met elkaar" in said["nl"]


@pytest.mark.parametrize("country", COUNTRIES)
def test_S0_1_what_the_country_demands_is_refused_empty_at_each_field(country):
    form = form_of(country)

    assert set(form.errors) == set(form.part.rules.required)
    assert all(form.fields[name].required for name in form.part.rules.required)
