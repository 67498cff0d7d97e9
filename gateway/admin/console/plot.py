"""Bars day by day, as numbers for an SVG and for a table beside it: no style attribute, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 420, 210, 44, 24, 10
COLOURS: Final = 6


@dataclass(frozen=True, slots=True)
class Series:
    """name: in the reader's words. values: one a day."""

    name: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    colour: int


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """One stacked bar a day. key: names it within the page. rows: day and its values, for the table."""

    key: str
    title: str
    series: Sequence[Series]
    days: Sequence[date]
    bars: Sequence[Bar]
    heights: Sequence[Tick]
    marks: Sequence[Tick]

    @property
    def total(self) -> int:
        return sum(sum(one.values) for one in self.series)

    @property
    def rows(self) -> Sequence[tuple[date, Sequence[int]]]:
        return [(day, [one.values[place] for one in self.series]) for place, day in enumerate(self.days)]


def plot(key: str, title: str, days: Sequence[date], series: Sequence[Series]) -> Plot:
    """Shape: each day a column of equal width, its series on top of each other in their order."""
    most = _round_up(max([sum(one.values[place] for one in series) for place in range(len(days))], default=0))
    high, wide = HEIGHT - TOP - BOTTOM, (WIDTH - LEFT) / max(len(days), 1)
    bars = []
    for place in range(len(days)):
        base = 0
        for colour, one in enumerate(series):
            value = one.values[place]
            if value:
                top = TOP + high * (1 - (base + value) / most)
                bars.append(
                    Bar(round(LEFT + wide * place + wide * 0.1, 2), round(top, 2), round(wide * 0.8, 2),
                        round(high * value / most, 2), colour % COLOURS)
                )  # fmt: skip
                base += value
    heights = [Tick(round(TOP + high * (1 - part), 2), str(round(most * part))) for part in (0, 0.5, 1)]
    step = max(1, len(days) // 6)
    marks = [Tick(round(LEFT + wide * (place + 0.5), 2), f"{days[place]:%m-%d}") for place in range(0, len(days), step)]
    return Plot(key, title, series, days, bars, heights, marks)


def _round_up(value: int) -> int:
    """The height of the axis: 2, 4, 6, 10 ... times a power of ten, so that its half is whole.

    >>> _round_up(0), _round_up(7), _round_up(431)
    (2, 10, 600)
    """
    power = 1
    while True:
        for first in (2, 4, 6, 10):
            if value <= first * power:
                return first * power
        power *= 10
