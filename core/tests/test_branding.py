"""The vendor's colour, shaded until it can be read in both looks (WCAG 2.2, 1.4.3 and 1.4.11)."""

import pytest
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from core.branding import (
    DARK_SURFACE,
    DARK_WORST,
    LIGHT_SURFACE,
    LIGHT_WORST,
    OWN_DARK,
    OWN_LIGHT,
    Brand,
    contrast,
    is_colour,
    readable,
    words_on,
)

LOOKS = (("light", LIGHT_SURFACE, LIGHT_WORST), ("dark", DARK_SURFACE, DARK_WORST))
colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(colour=colours)
@settings(max_examples=300, deadline=None)
def test_every_colour_becomes_shades_that_can_be_read(colour):
    for look, surface, worst in LOOKS:
        shades = getattr(Brand(colour), look)
        for ground in (shades.accent, shades.hover):
            assert contrast(shades.on_accent, ground) >= 4.5
        assert contrast(shades.accent, surface) >= 3
        assert contrast(shades.on_button, shades.button) >= 4.5
        for ground in (surface, worst):
            assert contrast(shades.link, ground) >= 4.5
        for ground in (worst, shades.soft):
            assert contrast(shades.words, ground) >= 4.5
    assert contrast(readable(colour, "#ffffff"), "#ffffff") >= 4.5


@given(colour=colours)
@settings(max_examples=300, deadline=None)
def test_the_series_of_a_chart_can_be_told_apart_in_every_colour(colour):
    for look, surface, _worst in LOOKS:
        far, middle, near = getattr(Brand(colour), look).charts
        assert contrast(far, surface) > contrast(middle, surface) > contrast(near, surface) > 1.4
        assert contrast(middle, surface) >= 2.9  # a step beyond the shade that is just dark enough
        assert min(contrast(far, middle), contrast(middle, near)) >= 1.9


def test_the_portals_own_series_are_those_of_its_tokens():
    tokens = (django_settings.BASE_DIR / "static/css/tokens.css").read_text()
    for shades in (OWN_LIGHT, OWN_DARK):
        for number, series in enumerate(shades.charts, start=1):
            assert f"--c-chart-{number}: {series};" in tokens


def test_known_ratios():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert (words_on("#ffd400"), words_on("#8a1c5b")) == ("#161a22", "#ffffff")


def test_a_colour_that_can_be_read_stays_as_it_is():
    assert readable("#8A1C5B", "#ffffff") == "#8a1c5b"
    assert Brand("#8a1c5b").light.accent == "#8a1c5b"


def test_without_a_colour_it_is_the_portals():
    assert (Brand().light, Brand().dark) == (OWN_LIGHT, OWN_DARK)


@pytest.mark.parametrize("text", ["", "red", "#12345", "#1234567", "#12345g", "#123456\n", "url(x)"])
def test_what_is_no_colour(text):
    assert not is_colour(text)
