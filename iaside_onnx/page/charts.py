"""Geometry of the page's charts: values in, positions in SVG units out; templates draw them.

Nothing here makes markup, so that every name reaches the page through the templates' escaping.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 480
_HEIGHT = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 472, 28, 208
_GAUGE_ENDS = (24, 456)
_GAUGE_TOP, _GAUGE_ROW = 30, 36
_ROWS_LEFT, _ROWS_TOP = 130, 20
# Up and down: ticks are floats.
_MOST_DECADES = 300.0


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """One value that can be pointed at and focused.

    Attributes
    ----------
    series : int
        Which report it belongs to.
    key : int
        Marks of several series with one key belong together (the same band).
    x, y : float
        Where the marker stands.
    text : str
        What a tooltip and a screen reader say.
    base, width : float
        Of the bar from `base` to `y`, where there is one.
    low, high : float or None
        Ends of the interval.
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

    Attributes
    ----------
    zero, unit : float
        Where the value 0 lies, and how many SVG units a value of 1 is (upwards).
    paths : list of (int, str)
        Series and points of lines.
    reference : Tick or None
        A dotted line across, with its text.
    group : str
        Of series that are no models, so that what hides a model leaves them alone.
    """

    words: Words
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Mark]
    zero: float
    unit: float
    paths: list[tuple[int, str]] = field(default_factory=list)
    reference: Tick | None = None
    group: str = ""
    width: int = WIDTH
    height: int = _HEIGHT
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM


@dataclass(frozen=True)
class Values:
    """Heights of one series of bars or of one curve, with what is said about each.

    Attributes
    ----------
    heights : ndarray, shape (n,)
    texts : sequence of str
    ends : (low, high) of ndarray or None
        Intervals, in the unit of the heights.
    """

    heights: NDArray[Any]
    texts: Sequence[str]
    ends: tuple[NDArray[Any], NDArray[Any]] | None = None


def bar_chart(
    series: Sequence[Values],
    names: Sequence[str],
    *,
    reference: tuple[float, str] | None = None,
    top: float = 0.0,
    words: Words,
) -> Chart:
    """Grouped bars over bands, with markers and intervals.

    Parameters
    ----------
    series : sequence of Values
        One a report.
    names : sequence of str
        Of the bands.
    reference : (value, text), optional
        A dotted line across.
    top : float
        Least upper end of the axis.
    words : Words
    """
    spans = [values.heights for values in series] + [e for v in series for e in v.ends or ()]
    up, y_ticks = _vertical([top, 0.0, *spans])
    group = (_RIGHT - _LEFT) / len(names)
    width = min(0.8 * group / len(series), 34.0)
    middles = [_LEFT + (key + 0.5) * group for key in range(len(names))]
    marks = []
    for number, values in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * width
        for key, height in enumerate(values.heights):
            low, high = [up.at(end[key]) for end in values.ends] if values.ends else [None] * 2
            x, y, text = _round(middles[key] + shift), up.at(height), values.texts[key]
            marks.append(Mark(number, key, x, y, text, up.zero, _round(width * 0.9), low, high))
    return Chart(
        words,
        x_ticks=[Tick(_round(x), name) for x, name in zip(middles, names, strict=True)],
        y_ticks=y_ticks,
        marks=marks,
        zero=up.zero,
        unit=up.height,
        reference=Tick(up.at(reference[0]), reference[1]) if reference else None,
    )


def line_chart(
    series: Sequence[Values],
    *,
    span: Sequence[Any],
    names: Sequence[str] = (),
    decades: bool = False,
    group: str = "",
    words: Words,
) -> Chart:
    """Curves over 0, 1, ..., n.

    Parameters
    ----------
    series : sequence of Values
        Heights that are not finite are left out.
    span : sequence
        Whatever the axis must reach.
    names : sequence of str
        Of the places along the axis, instead of numbers.
    decades : bool
        The heights are logarithms to base 10; a dotted line marks 0.
    group, words
        As for `Chart`.
    """
    up, y_ticks = _vertical(span, decades=decades)
    count = max(len(values.heights) for values in series)
    along = _Scale(_LEFT + 8, (_RIGHT - _LEFT - 16) / max(1, count - 1))
    marks = [
        Mark(number, key, along.at(key), up.at(height), values.texts[key])
        for number, values in enumerate(series)
        for key, height in enumerate(values.heights)
        if np.isfinite(height)
    ]
    paths = [
        (number, " ".join(f"{mark.x},{mark.y}" for mark in marks if mark.series == number))
        for number in range(len(series))
    ]
    return Chart(
        words,
        x_ticks=[Tick(along.at(key), names[key] if names else str(key)) for key in range(count)],
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
    *,
    numbers: Sequence[int],
    most: float,
    words: Words,
) -> Chart:
    """Dots with intervals along a line from 0 for each name; those of several series lie close.

    Parameters
    ----------
    series : sequence of Values
        One a report, with intervals.
    names : sequence of str
        Of the rows, the first on top.
    numbers : sequence of int
        Of the reports that the series belong to.
    most : float
        Right end of the axis.
    """
    apart = max(5.0, min(9.0, 18.0 / len(series)))
    row = apart * (len(series) - 1) + 18.0
    along = _Scale(_ROWS_LEFT, (_RIGHT - _ROWS_LEFT) / most, ends=(0.0, most))
    middles = [_ROWS_TOP + row * (key + 0.5) for key in range(len(names))]
    marks = []
    for place, (number, values) in enumerate(zip(numbers, series, strict=True)):
        assert values.ends is not None
        shift = (place - (len(series) - 1) / 2) * apart
        for key, height in enumerate(values.heights):
            low, high = (along.at(end[key]) for end in values.ends)
            at, y, text = along.at(height), _round(middles[key] + shift), values.texts[key]
            marks.append(Mark(number, key, at, y, text, low=low, high=high))
    bottom = math.ceil(_ROWS_TOP + row * len(names))
    return Chart(
        words,
        x_ticks=[Tick(along.at(step), f"{step:g}") for step in np.linspace(0.0, most, 5)],
        y_ticks=[Tick(_round(y), name) for y, name in zip(middles, names, strict=True)],
        marks=marks,
        zero=along.zero,
        unit=along.unit,
        left=_ROWS_LEFT,
        top=_ROWS_TOP,
        bottom=bottom,
        height=bottom + 44,
    )


def scatter(points: Sequence[tuple[int, float, float, str]], *, words: Words) -> Chart:
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
    spoken: Sequence[str],
    words: Words,
) -> Chart:
    """Scores with their intervals on the line of attainable values, one row a report.

    Parameters
    ----------
    scores : sequence of (value, low, high)
    ends : (float, float)
        The attainable range.
    spoken : sequence of str
        What is said about each.
    """
    low, high = ends if ends[1] > ends[0] else (-1.0, 1.0)
    left, right = _GAUGE_ENDS
    along = _Scale(left, (right - left) / (high - low), low, (low, high))
    marks = []
    for row, (score, text) in enumerate(zip(scores, spoken, strict=True)):
        x, first, last = map(along.at, score)
        marks.append(Mark(row, 0, x, _GAUGE_TOP + _GAUGE_ROW * row, text, low=first, high=last))
    bottom = _GAUGE_TOP + _GAUGE_ROW * (len(scores) - 1) + 18
    texts = (f"{ends[0]:+.3f}", "0", f"{ends[1]:+.3f}")
    return Chart(
        words,
        x_ticks=[Tick(along.at(at), text) for at, text in zip((low, 0, high), texts, strict=True)],
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
    texts = (f"{10.0**step:g}" if decades else f"{step:g}" for step in steps)
    return up, [Tick(up.at(step), text) for step, text in zip(steps, texts, strict=True)]


def _round(position: float) -> float:
    return round(float(position), 1)
