"""Models as points: predictors against what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from ..comparisons.correlation import PREDICTORS, Correlation
from .correlation_table import outcome_name
from .figure import COLOURS, WIDTH, Header, Picture, is_alone, scale_of, title
from .names_beside_points import lay_out, put_names
from .text import UNDEFINED, number, percent, told_apart

_PANEL, _BELOW = 2.0, 0.62  # inches
_LETTERS = 26  # of a name beside a mark
_PREDICTORS = ("srs_signed", "accuracy")
# Where a name may stand: points from its mark, best first.
_PLACES = (
    (5, 0), (-5, 0), (0, 4), (0, -4), (4, 4), (4, -4), (-4, 4), (-4, -4), (0, 10), (0, -10),
    (8, 12), (8, -12), (-8, 12), (-8, -12), (14, 18), (14, -18), (-14, 18), (-14, -18),
    (20, 26), (20, -26), (-20, 26), (-20, -26), (0, 24), (0, -24),
)  # fmt: skip


def correlation_figure(correlation: Correlation) -> Picture:
    """A row for each outcome; the signed score left, clean accuracy, its rival, right."""
    header = Header(
        "What predicts robustness?",
        f"{_sample(correlation)}; Spearman's coefficient with {_interval(correlation)}; "
        "higher outcomes are worse",
    )
    rows = _PANEL + _BELOW
    drawn = Picture(2 * WIDTH, header.height + len(correlation.outcomes) * rows)
    header.draw(drawn)
    for row, outcome in enumerate(correlation.outcomes):
        for column, predictor in enumerate(_PREDICTORS):
            left, top = 0.525 + WIDTH * column, header.height + row * rows
            _draw(drawn.panel(left, top, 2.87, _PANEL), correlation, predictor, outcome)
    return drawn


def draw_score(axes: Axes, found: Sequence[Correlation], _: Sequence[str]) -> None:
    """The signed score of each model against what was measured of it."""
    _draw(axes, found[0], _PREDICTORS[0], next(iter(found[0].outcomes)))


def draw_accuracy(axes: Axes, found: Sequence[Correlation], _: Sequence[str]) -> None:
    """The clean accuracy of each model against what was measured of it."""
    _draw(axes, found[0], _PREDICTORS[1], next(iter(found[0].outcomes)))


def _draw(axes: Axes, correlation: Correlation, predictor: str, outcome: str) -> None:
    x, y = correlation.predictors[predictor], correlation.outcomes[outcome]
    ranks = correlation.associations["spearman"]
    place = list(correlation.predictors).index(predictor), list(correlation.outcomes).index(outcome)
    value, low, high = (
        number(part[place], 2, signed=True) for part in (ranks.value, ranks.low, ranks.high)
    )
    said = "none" if value == UNDEFINED else f"{value} [{low}, {high}]"
    axes.scatter(
        x,
        y,
        s=14 * scale_of(axes) ** 2,
        color=COLOURS[_PREDICTORS.index(predictor)],
        linewidths=0,
        zorder=3,
    )
    axes.margins(0.12, 0.12)
    about = f"{_sample(correlation)}; in brackets: {_interval(correlation)}"
    title(
        axes, f"Spearman {said}", PREDICTORS[predictor], outcome_name(outcome),
        about if is_alone(axes) else "",
    )  # fmt: skip
    _name(axes, x, y, correlation.names)


def _sample(correlation: Correlation) -> str:
    return f"{correlation.models} models{', which are few' if correlation.few else ''}"


def _interval(correlation: Correlation) -> str:
    kind = "approximate " if correlation.few else ""
    return f"{kind}{percent(correlation.confidence)} interval"


def _name(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], names: list[str]) -> None:
    """A name at each mark, where it covers least of other names and marks."""
    lay_out(axes)
    marks = axes.transData.transform(np.column_stack([x, y]))
    frame, point = axes.get_window_extent(), scale_of(axes) * axes.figure.dpi / 72

    def cost(_: int, box: Bbox, taken: list[Bbox]) -> float:
        covered = sum(_shared(box, other) for other in taken)
        return covered + 5 * (box.width * box.height - _shared(box, frame))

    put_names(
        axes,
        marks,
        dict(enumerate(told_apart(names, _LETTERS))),
        [Bbox.from_bounds(across - 3, up - 3, 6, 6) for across, up in marks],
        lambda *_: [(across * point, up * point) for across, up in _PLACES],
        cost,
        aligned=True,
        fontsize=5.5 * scale_of(axes),
        color="#333333",
    )


def _shared(first: Bbox, second: Bbox) -> float:
    common = Bbox.intersection(first, second)
    return 0.0 if common is None else float(common.width * common.height)
