"""Models as points: what was foretold against what was measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from ..comparisons.correlation import PREDICTORS, Correlation
from .correlation_table import outcome_name
from .plots import COLOURS, SMALL, WIDTH, Picture, style, title, write_figure
from .text import one_line

_PANEL, _BELOW, _HEADER = 2.0, 0.62, 0.65
_FORETOLD = ("srs_signed", "accuracy")
# Where a name may stand: points from its mark, and the alignment that belongs to it.
_PLACES = (
    (5, 0, "left", "center"), (-5, 0, "right", "center"), (0, 4, "center", "bottom"),
    (0, -4, "center", "top"), (4, 4, "left", "bottom"), (4, -4, "left", "top"),
    (-4, 4, "right", "bottom"), (-4, -4, "right", "top"), (0, 10, "center", "bottom"),
    (0, -10, "center", "top"),
)  # fmt: skip


def save_correlation(found: Correlation, target: Path, *, overwrite: bool = False) -> None:
    """Draw the models and write the picture.

    Raises
    ------
    UsageError, ReportError
        As for `plots.write_figure`.
    """
    write_figure(lambda: correlation_figure(found), target, overwrite=overwrite)


def correlation_figure(found: Correlation) -> Picture:
    """One row a outcome; the signed score on the left, clean accuracy, its rival, on the right."""
    rows = len(found.outcomes)
    height = _HEADER + rows * (_PANEL + _BELOW)
    drawn = Picture(2 * WIDTH, height)
    drawn.text(
        0.015, 1 - 0.18 / height, "What foretells robustness?", fontsize=9, fontweight="bold"
    )
    drawn.text(
        0.015,
        1 - 0.33 / height,
        f"{found.models} models; Spearman's coefficient with {found.confidence:.0%} interval; "
        "higher outcomes are worse",
        fontsize=SMALL,
        color="#444444",
    )
    for row, outcome in enumerate(found.outcomes):
        bottom = height - _HEADER - row * (_PANEL + _BELOW) - _PANEL
        for column, predictor in enumerate(_FORETOLD):
            box = (0.075 + 0.5 * column, bottom / height, 0.41, _PANEL / height)
            axes = drawn.add_axes(box)
            style(axes)
            _draw(axes, found, predictor, outcome)
    return drawn


def _draw(axes: Axes, found: Correlation, predictor: str, outcome: str) -> None:
    x, y = found.predictors[predictor], found.outcomes[outcome]
    ranks = found.associations["spearman"]
    place = list(found.predictors).index(predictor), list(found.outcomes).index(outcome)
    value, low, high = (part[place] for part in (ranks.value, ranks.low, ranks.high))
    said = f"{value:+.2f} [{low:+.2f}, {high:+.2f}]" if np.isfinite(value) else "none"
    axes.scatter(x, y, s=14, color=COLOURS[_FORETOLD.index(predictor)], linewidths=0, zorder=3)
    axes.margins(0.12, 0.12)
    title(axes, f"Spearman {said}", PREDICTORS[predictor], outcome_name(outcome))
    _name(axes, x, y, found.names)


def _name(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], names: list[str]) -> None:
    """A name at each mark, where it covers least of other names and marks."""
    canvas = axes.figure.canvas
    renderer = canvas.get_renderer()  # type: ignore[attr-defined]
    axes.autoscale_view()  # else the transformation is still that of empty axes
    marks = axes.transData.transform(np.column_stack([x, y]))
    taken = [Bbox.from_bounds(px - 3, py - 3, 6, 6) for px, py in marks]
    frame = axes.get_window_extent(renderer)
    for name, at in zip(names, zip(x, y, strict=True), strict=True):
        label = axes.annotate(
            one_line(name), at, textcoords="offset points", xytext=(0, 0), fontsize=5.5,
            color="#333333", parse_math=False,
        )  # fmt: skip
        costs = []
        for dx, dy, across, along in _PLACES:
            _put(label, dx, dy, across, along)
            box = label.get_window_extent(renderer)
            covered = sum(_shared(box, other) for other in taken)
            costs.append(covered + 5 * (box.width * box.height - _shared(box, frame)))
        _put(label, *_PLACES[int(np.argmin(costs))])
        taken.append(label.get_window_extent(renderer))


def _put(label: object, dx: float, dy: float, across: str, along: str) -> None:
    label.set_position((dx, dy))  # type: ignore[attr-defined]
    label.set(ha=across, va=along)  # type: ignore[attr-defined]


def _shared(first: Bbox, second: Bbox) -> float:
    common = Bbox.intersection(first, second)
    return 0.0 if common is None else float(common.width * common.height)
