"""The geometry of the charts. Pure: figures in, coordinates out; the look is in the stylesheet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from core.money import Money
from core.periods import Month

_LEFT, _TOP, _FOOT = 36, 8, 24


@dataclass(frozen=True)
class Series:
    """One product over all months, in the order of the months."""

    name: str
    amounts: Sequence[Money]


@dataclass(frozen=True)
class Segment:
    """One product in one month. The topmost of a bar has round corners."""

    css: str
    x: float
    y: float
    width: float
    height: float
    is_top: bool

    @property
    def path(self) -> str:
        right, bottom, radius = self.width - 6, self.y + self.height, 3
        return f"M{self.x:.1f} {bottom:.1f}V{self.y + radius:.1f}q0-3 3-3h{right:.1f}q3 0 3 3V{bottom:.1f}z"


@dataclass(frozen=True)
class Bar:
    month: Month
    center: float
    segments: Sequence[Segment]
    is_last: bool


@dataclass(frozen=True)
class GridLine:
    y: float
    minor: int
    is_axis: bool


@dataclass(frozen=True)
class Plot:
    """A drawing of one width."""

    width: int
    height: int
    bars: Sequence[Bar]
    lines: Sequence[GridLine]
    reference: str

    @property
    def base(self) -> float:
        return self.height - _FOOT


class StackedBars:
    """Amounts per month, stacked by series (three at most), with the totals of a year before as a line.

    Negative amounts (a month with more credit than charges) are drawn as nothing; the table has them.
    """

    def __init__(
        self,
        title: str,
        description: str,
        months: Sequence[Month],
        series: Sequence[Series],
        currency: str,
        reference: Sequence[Money] | None = None,
        reference_name: str = "",
    ) -> None:
        if not 1 <= len(series) <= 3:
            raise ValueError("one to three series: more are not told apart")
        if any(len(one.amounts) != len(months) for one in series):
            raise ValueError("every series has an amount for every month")
        self.title, self.description, self.months, self.currency = title, description, months, currency
        self.series, self.reference, self.reference_name = series, reference, reference_name

    @cached_property
    def totals(self) -> list[Money]:
        columns = zip(*(one.amounts for one in self.series), strict=True)
        return [Money.total(column, self.currency) for column in columns]

    @cached_property
    def wide(self) -> Plot:
        return self._plot(720, 258, bar=30, keep=len(self.months))

    @cached_property
    def narrow(self) -> Plot:
        """For a phone: the last six months."""
        return self._plot(330, 190, bar=26, keep=6)

    @property
    def legend(self) -> list[tuple[str, str]]:
        return [(f"s{place}", one.name) for place, one in enumerate(self.series, start=1)]

    @property
    def rows(self) -> list[tuple[Month, list[Money], Money, Money | None]]:
        """The table: month, amount of each series, total, and the reference."""
        return [
            (month, [one.amounts[place] for one in self.series], self.totals[place], self._reference(place))
            for place, month in enumerate(self.months)
        ]

    def _reference(self, place: int) -> Money | None:
        return self.reference[place] if self.reference else None

    def _plot(self, width: int, height: int, bar: int, keep: int) -> Plot:
        first = max(0, len(self.months) - keep)
        places = range(first, len(self.months))
        base, room = height - _FOOT, height - _FOOT - _TOP
        highest = max([0, *(sum(max(0, one.amounts[place].minor) for one in self.series) for place in places)])
        if self.reference:
            highest = max([highest, *(self.reference[place].minor for place in places)])
        step = _step(highest)
        top = step * max(1, -(-highest // step))
        pitch = (width - _LEFT) / max(1, len(places))
        bars, dots = [], []
        for index, place in enumerate(places):
            center = _LEFT + pitch * (index + 0.5)
            segments = self._segments(place, center - bar / 2, bar, base, room / top)
            bars.append(Bar(self.months[place], center, segments, place == len(self.months) - 1))
            if self.reference:
                dots.append(f"{center:.1f},{base - self.reference[place].minor * room / top:.1f}")
        lines = [GridLine(base - minor * room / top, minor, minor == 0) for minor in range(0, top + 1, step)]
        return Plot(width, height, bars, lines, " ".join(dots))

    def _segments(self, place: int, x: float, bar: int, base: float, scale: float) -> list[Segment]:
        heights = [max(0, one.amounts[place].minor) * scale for one in self.series]
        drawn = [index for index, height in enumerate(heights) if height >= 1]
        segments: list[Segment] = []
        bottom = base
        for index in drawn:
            gap = 1 if segments else 0
            height = max(0.0, heights[index] - gap)
            is_top = index == drawn[-1] and height > 3
            segments.append(Segment(f"s{index + 1}", x, bottom - gap - height, bar, height, is_top))
            bottom -= heights[index]
        return segments


def _step(highest: int) -> int:
    """A round distance between grid lines, so that there are three or four of them: 1, 2 or 5 times 10^n."""
    rough = max(1, highest) / 3
    power = 1
    while power * 10 <= rough:
        power *= 10
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


@dataclass(frozen=True)
class AgeBar:
    """One row of "amount due by age". `tone`: fill for what is not late, w for late, d for very late."""

    label: str
    amount: Money
    share: float
    tone: str

    @property
    def width(self) -> str:
        return f"{max(0.0, min(1.0, self.share)) * 100:.1f}"


def age_bars(rows: Sequence[tuple[str, Money, str]]) -> list[AgeBar]:
    """Rows of (label, amount, tone); the longest bar is the sum, so that lengths compare."""
    whole = sum(max(0, amount.minor) for _label, amount, _tone in rows)
    return [AgeBar(label, amount, amount.minor / whole if whole else 0.0, tone) for label, amount, tone in rows]
