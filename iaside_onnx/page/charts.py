"""Geometry of the page's charts: values in, positions in SVG units out; templates draw them.

Nothing here makes markup, so that every name reaches the page through the templates' escaping.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 480
_HEIGHT = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 472, 28, 208
_GAUGE_ENDS = (24, 456)
_GAUGE_TOP, _GAUGE_ROW = 30, 36


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
    """

    words: Words
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    marks: list[Mark]
    zero: float
    unit: float
    paths: list[tuple[int, str]] = field(default_factory=list)
    reference: Tick | None = None
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
    extremes: list[Any] = [top, 0.0]
    for values in series:
        extremes += [values.heights, *(values.ends or ())]
    y_of, unit, y_ticks = _vertical(extremes)
    group = (_RIGHT - _LEFT) / len(names)
    width = min(0.8 * group / len(series), 34.0)
    marks = []
    for number, values in enumerate(series):
        shift = (number - (len(series) - 1) / 2) * width
        for key, height in enumerate(values.heights):
            ends = [y_of(float(end[key])) for end in values.ends] if values.ends else [None] * 2
            marks.append(
                Mark(
                    number,
                    key,
                    x=_round(_LEFT + (key + 0.5) * group + shift),
                    y=y_of(float(height)),
                    text=values.texts[key],
                    base=y_of(0.0),
                    width=_round(width * 0.9),
                    low=ends[0],
                    high=ends[1],
                )
            )
    return Chart(
        words,
        x_ticks=[Tick(_round(_LEFT + (key + 0.5) * group), name) for key, name in enumerate(names)],
        y_ticks=y_ticks,
        marks=marks,
        zero=y_of(0.0),
        unit=unit,
        reference=Tick(y_of(reference[0]), reference[1]) if reference else None,
    )


def line_chart(series: Sequence[Values], *, span: Sequence[Any], words: Words) -> Chart:
    """Curves over 0, 1, ..., n; `span` holds whatever the axis must reach (see `bar_chart`)."""
    y_of, unit, y_ticks = _vertical(span)
    count = max(len(values.heights) for values in series)
    step = (_RIGHT - _LEFT - 16) / max(1, count - 1)

    def x_of(key: int) -> float:
        return _round(_LEFT + 8 + key * step)

    marks = [
        Mark(number, key, x_of(key), y_of(float(height)), values.texts[key])
        for number, values in enumerate(series)
        for key, height in enumerate(values.heights)
    ]
    paths = [
        (number, " ".join(f"{mark.x},{mark.y}" for mark in marks if mark.series == number))
        for number in range(len(series))
    ]
    return Chart(
        words,
        x_ticks=[Tick(x_of(key), str(key)) for key in range(count)],
        y_ticks=y_ticks,
        marks=marks,
        zero=y_of(0.0),
        unit=unit,
        paths=paths,
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
    scale = (_GAUGE_ENDS[1] - _GAUGE_ENDS[0]) / (high - low)

    def x_of(value: float) -> float:
        return _round(_GAUGE_ENDS[0] + (min(max(value, low), high) - low) * scale)

    marks = [
        Mark(
            row,
            0,
            x=x_of(value),
            y=_GAUGE_TOP + _GAUGE_ROW * row,
            text=spoken[row],
            low=x_of(from_),
            high=x_of(to),
        )
        for row, (value, from_, to) in enumerate(scores)
    ]
    bottom = _GAUGE_TOP + _GAUGE_ROW * (len(scores) - 1) + 18
    return Chart(
        words,
        x_ticks=[
            Tick(x_of(low), f"{ends[0]:+.3f}"),
            Tick(x_of(0.0), "0"),
            Tick(x_of(high), f"{ends[1]:+.3f}"),
        ],
        y_ticks=[],
        marks=marks,
        zero=x_of(0.0),
        unit=scale,
        left=_GAUGE_ENDS[0],
        right=_GAUGE_ENDS[1],
        top=_GAUGE_TOP - 16,
        bottom=bottom,
        height=bottom + 44,
    )


def _vertical(span: Sequence[Any]) -> tuple[Callable[[float], float], float, list[Tick]]:
    """Scale of the vertical axis: position of a value, units per 1, ticks."""
    from matplotlib.ticker import MaxNLocator

    numbers = np.concatenate([np.ravel(part) for part in span])
    low, high = float(numbers.min()), float(numbers.max())
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    low, high = min(low, float(ticks[0])), max(high, float(ticks[-1]))
    unit = (_BOTTOM - _TOP) / (high - low)

    def y_of(value: float) -> float:
        return _round(_BOTTOM - (value - low) * unit)

    return y_of, round(unit, 4), [Tick(y_of(float(tick)), f"{tick:g}") for tick in ticks]


def _round(position: float) -> float:
    return round(float(position), 1)
