"""The geometry of the charts."""

import re

import pytest
from django.template import Context, Template
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from core.charts import Series, StackedBars, age_bars
from core.money import Money
from core.periods import Month

MONTHS = [Month(2026, 1).plus(place) for place in range(12)]


def euros(*minors: int) -> list[Money]:
    return [Money(minor, "EUR") for minor in minors]


def chart(*rows: list[Money], reference: list[Money] | None = None) -> StackedBars:
    series = [Series(f"Product {place}", row) for place, row in enumerate(rows)]
    return StackedBars("Title", "Words", MONTHS[: len(rows[0])], series, "EUR", reference, "A year earlier")


def drawn(value: StackedBars) -> str:
    return Template("{% stacked_bars chart %}").render(Context({"chart": value}))


@given(st.lists(st.lists(st.integers(-(10**9), 10**12), min_size=1, max_size=12), min_size=1, max_size=3))
def test_no_bar_leaves_its_plot(rows: list[list[int]]):
    shortest = min(map(len, rows))
    one = chart(*(euros(*row[:shortest]) for row in rows))
    for plot in (one.wide, one.narrow):
        for bar in plot.bars:
            for segment in bar.segments:
                assert segment.height >= 0
                assert segment.y >= 7.9
                assert segment.y + segment.height <= plot.base + 0.1
                assert segment.x >= 0
                assert segment.x + segment.width <= plot.width


@given(st.integers(1, 10**13))
def test_there_are_two_to_five_grid_lines_at_round_amounts(highest: int):
    lines = chart(euros(highest)).wide.lines
    assert 2 <= len(lines) <= 5
    assert lines[0].minor == 0
    assert lines[-1].minor >= highest
    step = str(lines[1].minor)
    assert step.rstrip("0") in {"1", "2", "5"}


def test_the_phone_sees_the_last_six_months():
    one = chart(euros(*range(100, 1300, 100)))
    assert [bar.month for bar in one.narrow.bars] == MONTHS[-6:]
    assert [bar.month for bar in one.wide.bars] == MONTHS


def test_an_empty_year_is_drawn_as_nothing():
    one = chart(euros(*[0] * 12))
    assert [bar.segments for bar in one.wide.bars] == [[]] * 12


def test_a_chart_is_named_described_and_has_its_table():
    one = chart(euros(100, 200), euros(300, -50), reference=euros(50, 60))
    text = drawn(one)
    for part in re.findall(r'aria-labelledby="([^"]+)"', text):
        for target in part.split():
            assert f'id="{target}"' in text
    assert "€4.00" in text
    assert "\u2212€0.50" in text
    assert "€1.50" in text
    assert "€0.60" in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_coordinates_have_a_point_in_dutch_too():
    with translation.override("nl"):
        text = drawn(chart(euros(12345, 23456)))
    assert not re.search(
        r'\b(?:x|y|x1|x2|y1|y2|width|height|points|d)="[^"]*\d,\d+[^"\d ]*"', text.replace("points", "p")
    )
    assert "€0,1k" not in text


def test_more_than_three_series_are_refused():
    with pytest.raises(ValueError, match="three"):
        chart(*[euros(1)] * 4)


def test_ages_share_the_whole():
    bars = age_bars([("A", Money(300, "EUR"), "fill"), ("B", Money(100, "EUR"), "w"), ("C", Money(0, "EUR"), "d")])
    assert [bar.width for bar in bars] == ["75.0", "25.0", "0.0"]
    assert [bar.width for bar in age_bars([("A", Money(0, "EUR"), "fill")])] == ["0.0"]
