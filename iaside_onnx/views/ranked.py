"""Rows of dots with their intervals, the best model first: how many results stand side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from .figure import COLOURS, GREY, MARKERS, RED, SMALL, scale_of
from .lettering import beside

ROW = 0.16  # inches
# A value with the ends of its interval, which may be missing (not a number).
Dot = tuple[float, float, float]


def ranks(values: Sequence[float], *, highest: bool) -> NDArray[np.intp]:
    """Rows from the best down; those without a value last."""
    keys = np.asarray(values, np.float64)
    keys = np.where(np.isnan(keys), np.inf, -keys if highest else keys)
    return np.argsort(keys, kind="stable")


def dots(
    axes: Axes,
    names: Sequence[str],
    series: Mapping[str, Sequence[Dot | None]],
    *,
    pale: Sequence[bool] = (),
    colours: Sequence[str] = COLOURS,
    markers: Sequence[str] = MARKERS,
) -> None:
    """A row for each name, from the top, with a dot and a whisker of each series.

    Names of rows that are `pale` are red, and what stands there is faint.
    """
    k = scale_of(axes)
    count = len(series)
    for number, (label, values) in enumerate(series.items()):
        shift = 0.0 if count == 1 else 0.5 * (number / (count - 1) - 0.5)
        known = [(row, dot) for row, dot in enumerate(values) if dot is not None]
        for faint in (False, True):
            chosen = [(row, dot) for row, dot in known if (bool(pale) and pale[row]) == faint]
            if faint and not chosen:
                continue
            rows = np.array([row + shift for row, _ in chosen], np.float64)
            found: Any = np.array([dot for _, dot in chosen], np.float64).reshape(-1, 3)
            ends = np.nan_to_num(np.abs(found[:, 1:] - found[:, :1])).T
            look: dict[str, Any] = {"color": colours[number], "alpha": 0.35 if faint else 1.0}
            # A dot is whole at the edge; marks of nothing, which stand in legends alone, would be
            # taken to lie in the corner of the figure, and a layout would make room for them.
            axes.errorbar(
                found[:, 0], rows, xerr=ends, fmt=markers[number], markersize=3.4 * k,
                elinewidth=0.9 * k, capsize=0, label=None if faint else label,
                clip_on=not chosen, **look,
            )  # fmt: skip
    set_rows(axes, names, pale)
    for row in range(len(names)):
        axes.axhline(row, color="#EEEEEE", linewidth=0.6 * k, zorder=0)


def set_rows(axes: Axes, names: Sequence[str], pale: Sequence[bool] = ()) -> None:
    """Names at the rows of axes, the first on top, each where its row is."""
    k = scale_of(axes)
    axes.set_yticks(
        range(len(names)), beside(axes, names), fontsize=SMALL * k, parse_math=False
    )  # fmt: skip
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0, pad=3 * k)
    for row, label in enumerate(axes.get_yticklabels()):
        label.set_color(RED if pale and pale[row] else "black")


def zero(axes: Axes, *, upright: bool = False) -> None:
    """The line at 0, which every axis of values has and none needs to explain."""
    draw = axes.axvline if upright else axes.axhline
    draw(0, color=GREY, linewidth=0.6 * scale_of(axes), zorder=1)
