"""Geometry of the page's charts: values in, positions in SVG units out; templates draw them.

Nothing here makes markup, so that every name reaches the page through the templates' escaping.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 480
_HEIGHT = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 472, 28, 208
_GAUGE_ENDS = (24, 456)
_GAUGE_TOP, _GAUGE_ROW = 30, 36
# On the right there is room for half a number.
_ROWS_LEFT, _ROWS_RIGHT, _ROWS_TOP = 130, 456, 20
# A second line of a name takes its part of the height of a row.
_STACKS_LEFT, _STACK_ROW, _STACK_LINE = 186, 24.0, 12.0
# Up and down: ticks are floats.
_MOST_DECADES = 300.0


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """One value that can be pointed at and focused: where its marker stands, and what is said.

    Marks of several reports with one `key` belong together (the same band). A bar, where there is
    one, goes from `base` to `y`; `low` and `high` are the ends of the interval.
    """

    series: int
    key: int
    x: float
    y: float
    text: str
    base: float = 0.0
    width: float = 0.0
    low: float | None = None
    high: float | None = None

    @property
    def top(self) -> float:
        """Upper edge of the bar."""
        return min(self.y, self.base)

    @property
    def length(self) -> float:
        """Height of the bar."""
        return round(abs(self.y - self.base), 1)


@dataclass(frozen=True)
class Words:
    """What a chart is called and what stands along its axes; `name` is unique on the page."""

    name: str
    title: str
    description: str
    across: str = ""
    up: str = ""


@dataclass(frozen=True)
class Chart:
    """Everything a template needs to draw one chart.

    The value 0 lies at `zero`, and a value of 1 is `unit` SVG units long (upwards). `paths` are the
    lines: series and points. `reference` is a dotted line across, with its text; `uprights` are
    lines upwards, of the kinds that their texts name. Series that are no models are of a `group`,
    so that what hides a model leaves them alone; `place` counts charts of one name.
    """

    words: Words
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Mark]
    zero: float
    unit: float
    paths: list[tuple[int, str]] = field(default_factory=list)
    reference: Tick | None = None
    uprights: list[Tick] = field(default_factory=list)
    group: str = ""
    place: int = 0
    width: int = WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


@dataclass(frozen=True)
class Stack:
    """One row of a chart of stacked bars, which can be pointed at and focused.

    `segments` are the left end, width and part of each piece; `x` is where the sum lies, `low` and
    `high` the ends of its interval.
    """

    y: float
    text: str
    segments: list[tuple[float, float, int]]
    x: float
    low: float
    high: float


@dataclass(frozen=True)
class Values:
    """Heights of one series, shape (n,), what is said about each, and ends of their intervals."""

    heights: NDArray[Any]
    texts: Sequence[str]
    ends: tuple[NDArray[Any], NDArray[Any]] | None = None


def bar_chart(
    series: Sequence[Values],
    names: Sequence[str],
    words: Words,
    *,
    reference: tuple[float, str] | None = None,
    top: float = 0.0,
) -> Chart:
    """Grouped bars with markers and intervals over the bands of these names, a series a report.

    The `reference` is the value and text of a dotted line across; the axis reaches up to `top` at
    least.
    """
    spans = [values.heights for values in series] + [e for v in series for e in v.ends or ()]
    up, y_ticks = _vertical([top, 0.0, *spans])
    group = (_RIGHT - _LEFT) / len(names)
    width = min(0.8 * group / len(series), 34.0)
    middles = [_LEFT + (key + 0.5) * group for key in range(len(names))]
    marks = _marks(series, up, middles, width)
    return Chart(
        words,
        x_ticks=_ticks(middles, names),
        y_ticks=y_ticks,
        marks=[replace(mark, base=up.zero, width=_round(width * 0.9)) for mark in marks],
        zero=up.zero,
        unit=up.height,
        reference=Tick(up.at(reference[0]), reference[1]) if reference else None,
    )


def line_chart(
    series: Sequence[Values],
    words: Words,
    *,
    span: Sequence[Any],
    names: Sequence[str] = (),
    decades: bool = False,
    group: str = "",
) -> Chart:
    """Curves over 0, 1, ..., n, or over places with `names`; heights must be finite to be drawn.

    The axis reaches all of `span`. With `decades` the heights are logarithms to base 10, and a
    dotted line marks 0.
    """
    up, y_ticks = _vertical(span, decades=decades)
    count = max(len(values.heights) for values in series)
    along = _Scale(_LEFT + 8, (_RIGHT - _LEFT - 16) / max(1, count - 1))
    places = [along.at(key) for key in range(count)]
    marks = _marks(series, up, places)
    paths = [
        (number, " ".join(f"{mark.x},{mark.y}" for mark in marks if mark.series == number))
        for number in range(len(series))
    ]
    return Chart(
        words,
        x_ticks=_ticks(places, names or [str(key) for key in range(count)]),
        y_ticks=y_ticks,
        marks=marks,
        zero=up.zero,
        unit=up.height,
        paths=paths,
        reference=Tick(up.zero, "") if decades else None,
        group=group,
    )


def dot_rows(
    series: Sequence[Values],
    names: Sequence[str],
    words: Words,
    *,
    numbers: Sequence[int],
    most: float,
    least: float = 0.0,
    uprights: Sequence[tuple[str, float]] = (),
    unit: str = "",
) -> Chart:
    """Dots with intervals on a line from `least` to `most` for each name, the first on top.

    `uprights` are lines across all rows: what they stand for, and the value that they stand at. A
    series is of the report of its number; dots of several lie close. With a `unit` the axis is told
    in hundredths: "%", or "points" with their signs.
    """
    apart = max(5.0, min(9.0, 18.0 / len(series)))
    row = apart * (len(series) - 1) + 18.0
    along = _Scale(_ROWS_LEFT, (_ROWS_RIGHT - _ROWS_LEFT) / (most - least), least, (least, most))
    middles = [_ROWS_TOP + row * (key + 0.5) for key in range(len(names))]
    marks = _marks(series, along, middles, apart)
    bottom = math.ceil(_ROWS_TOP + row * len(names))
    return Chart(
        words,
        x_ticks=[Tick(along.at(step), _told(step, unit)) for step in np.linspace(least, most, 5)],
        y_ticks=_ticks(middles, names),
        marks=[replace(mark, series=numbers[mark.series], x=mark.y, y=mark.x) for mark in marks],
        zero=along.zero,
        unit=along.unit,
        uprights=[Tick(along.at(value), kind) for kind, value in uprights],
        left=_ROWS_LEFT,
        right=_ROWS_RIGHT,
        top=_ROWS_TOP,
        bottom=bottom,
        height=bottom + 44,
    )


def stacked_rows(
    values: NDArray[Any],
    sums: Sequence[tuple[float, float, float]],
    names: Sequence[str],
    texts: Sequence[str],
    words: Words,
) -> tuple[Chart, list[Stack]]:
    """Rows of stacked bars; parts below 0 go to the left of it, and a dot shows the sum.

    Parameters
    ----------
    values : ndarray, shape (rows, parts)
    sums : sequence of (value, low, high)
    names, texts : sequence of str
        What a row is called, in one line or two, and what is said about it.
    """
    ends = np.array([values.clip(min=0).sum(axis=1), values.clip(max=0).sum(axis=1)])
    low, high, steps = _steps([0.0, *ends.ravel(), *np.ravel(sums)])
    along = _Scale(_STACKS_LEFT, (_RIGHT - _STACKS_LEFT) / (high - low), low, (low, high))
    height = _STACK_ROW + _STACK_LINE * max(name.count("\n") for name in names)
    middles = [_ROWS_TOP + height * (row + 0.5) for row in range(len(names))]
    stacks = []
    for row, (middle, text) in enumerate(zip(middles, texts, strict=True)):
        right = left = 0.0
        segments = []
        for part, value in enumerate(map(float, values[row])):
            start = right if value >= 0 else left + value
            segments.append((along.at(start), _round(abs(value) * along.unit), part))
            right, left = right + max(value, 0.0), left + min(value, 0.0)
        stacks.append(Stack(_round(middle), text, segments, *map(along.at, sums[row])))
    bottom = math.ceil(_ROWS_TOP + height * len(names))
    chart = Chart(
        words,
        x_ticks=[Tick(along.at(step), f"{step:g}") for step in steps],
        y_ticks=_ticks(middles, names),
        marks=[],
        zero=along.zero,
        unit=along.unit,
        left=_STACKS_LEFT,
        top=_ROWS_TOP,
        bottom=bottom,
        height=bottom + 44,
    )
    return chart, stacks


def scatter(points: Sequence[tuple[int, float, float, str]], words: Words) -> Chart:
    """One dot a report: its number, its place across and up, and what is said about it."""
    up, y_ticks = _vertical([[y for _, _, y, _ in points]])
    low, high, steps = _steps([x for _, x, _, _ in points])
    along = _Scale(_LEFT, (_RIGHT - _LEFT) / (high - low), low)
    return Chart(
        words,
        x_ticks=[Tick(along.at(step), f"{step:g}") for step in steps],
        y_ticks=y_ticks,
        marks=[Mark(number, 0, along.at(x), up.at(y), text) for number, x, y, text in points],
        zero=up.zero,
        unit=up.height,
    )


def gauge(
    scores: Sequence[tuple[float, float, float]],
    ends: tuple[float, float],
    texts: Sequence[str],
    words: Words,
) -> Chart:
    """Scores (value, low, high) on the line of attainable values, one row a report.

    `ends` are those of the attainable range, `texts` what is said about each score.
    """
    low, high = ends if ends[1] > ends[0] else (-1.0, 1.0)
    left, right = _GAUGE_ENDS
    along = _Scale(left, (right - left) / (high - low), low, (low, high))
    marks = []
    for row, (score, text) in enumerate(zip(scores, texts, strict=True)):
        x, first, last = map(along.at, score)
        marks.append(Mark(row, 0, x, _GAUGE_TOP + _GAUGE_ROW * row, text, low=first, high=last))
    bottom = _GAUGE_TOP + _GAUGE_ROW * (len(scores) - 1) + 18
    names = (f"{ends[0]:+.3f}", "0", f"{ends[1]:+.3f}")
    return Chart(
        words,
        x_ticks=_ticks(map(along.at, (low, 0, high)), names),
        y_ticks=[],
        marks=marks,
        zero=along.zero,
        unit=along.unit,
        left=left,
        right=right,
        top=_GAUGE_TOP - 16,
        bottom=bottom,
        height=bottom + 44,
    )


@dataclass(frozen=True)
class _Scale:
    """An axis: `low` lies at `start`, a value of 1 is `unit` long; values stay within `ends`."""

    start: float
    unit: float
    low: float = 0.0
    ends: tuple[float, float] = (-math.inf, math.inf)

    def at(self, value: Any) -> float:
        """Where a value lies."""
        within = min(max(float(value), self.ends[0]), self.ends[1])
        return _round(self.start + (within - self.low) * self.unit)

    @property
    def zero(self) -> float:
        """Where 0 lies."""
        return self.at(0.0)

    @property
    def height(self) -> float:
        """How far up a value of 1 is."""
        return round(-self.unit, 4)


def _told(value: float, unit: str) -> str:
    """A place on an axis in its unit."""
    if not unit:
        return f"{value:g}"
    hundredths = round(100 * float(value), 6) + 0.0
    return (
        f"{hundredths:+g}"
        if unit == "points" and hundredths
        else f"{hundredths:g}" + ("\N{NO-BREAK SPACE}%" if unit == "%" else "")
    )


def _ticks(places: Iterable[float], names: Sequence[str]) -> list[Tick]:
    return [Tick(_round(at), name) for at, name in zip(places, names, strict=True)]


def _marks(
    series: Sequence[Values], scale: _Scale, middles: Sequence[float], apart: float = 0.0
) -> list[Mark]:
    """A mark for each finite value; those of several series stand `apart` around their middle."""
    marks = []
    for number, values in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * apart
        for key, height in enumerate(values.heights):
            if np.isfinite(height):
                low, high = [scale.at(e[key]) for e in values.ends] if values.ends else [None] * 2
                x, y, text = _round(middles[key] + shift), scale.at(height), values.texts[key]
                marks.append(Mark(number, key, x, y, text, low=low, high=high))
    return marks


def _steps(span: Any) -> tuple[float, float, list[float]]:
    """Ends of an axis that reaches all of `span`, and round numbers on it."""
    from matplotlib.ticker import MaxNLocator

    numbers = np.ravel(span)
    low, high = float(numbers.min()), float(numbers.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    steps = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return min(low, float(steps[0])), max(high, float(steps[-1])), [float(step) for step in steps]


def _vertical(span: Sequence[Any], *, decades: bool = False) -> tuple[_Scale, list[Tick]]:
    """The vertical axis and its ticks."""
    numbers = np.concatenate([np.ravel(part) for part in span])
    numbers = numbers[np.isfinite(numbers)]
    if decades:
        low, high = np.floor(numbers.min(initial=-1.0)), np.ceil(numbers.max(initial=1.0))
        low, high = max(low, -_MOST_DECADES), min(high, _MOST_DECADES)
        steps = np.arange(low, high + 1).tolist()
    else:
        low, high, steps = _steps(numbers)
    up = _Scale(_BOTTOM, -(_BOTTOM - _TOP) / (high - low), low)
    names = [f"{10.0**step:g}" if decades else f"{step:g}" for step in steps]
    return up, _ticks(map(up.at, steps), names)


def _round(position: float) -> float:
    return round(float(position), 1)
