"""The time zone of a new profile."""

import zoneinfo

import pytest
from django_countries import countries

from profiles.time_zones import main_time_zone


def test_every_country_has_a_zone_that_exists():
    zones = {country: main_time_zone(country) for country, _name in countries}

    assert set(zones.values()) <= zoneinfo.available_timezones()
    assert {country for country, zone in zones.items() if zone == "UTC"} <= {"AQ", "BV", "HM"}


@pytest.mark.parametrize(
    ("country", "zone"), [("NL", "Europe/Amsterdam"), ("US", "America/New_York"), ("XX", "UTC"), ("JP", "Asia/Tokyo")]
)
def test_main_zone_of_a_country(country, zone):
    assert main_time_zone(country) == zone
