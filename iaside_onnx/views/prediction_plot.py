"""Predicted damage as a picture: a row a corruption, with what was measured where it was.

What is predicted and what was measured have units of their own, and so axes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..comparisons.prediction import Prediction
from ..errors import UsageError
from ..plurals import counted
from ..results.finding import NOT_A_FINDING
from .figure import (
    COLOURS,
    MARKERS,
    Header,
    Picture,
    inches_of,
    is_alone,
    legend,
    reason_lines,
    scale_of,
    title,
)
from .lettering import room_for
from .ranked import dots, set_rows, zero
from .text import both_ends, model_name, one_line, percent

_ROW, _BELOW, _LEGEND, _TITLE = 0.15, 0.5, 0.26, 0.15
_WIDTH, _MOST_NAMES, _PANEL, _GAP = 4.6, 1.3, 1.5, 0.2  # inches


def prediction_figure(prediction: Prediction) -> Picture:
    """Mean over severities of each corruption, the most harmful one first, with intervals."""
    reason = prediction.no_finding
    known = _measured(prediction)
    labels, wide = room_for(_rows(prediction), _MOST_NAMES)
    left = wide + 0.15
    width = left + _PANEL + (_GAP + _PANEL if known else 0.5) + 0.12
    header = Header(
        "Damage predicted" if reason is None else f"Damage predicted ({NOT_A_FINDING})",
        f"{both_ends(model_name(prediction), 30)}, "
        f"{counted(len(prediction.probability), 'image')}; mean over "
        "severities",
        above=reason_lines(reason),
        width=width,
    )
    height = _ROW * len(labels)
    top = header.height + (_LEGEND if known else 0.0)
    drawn = Picture(max(width, 3.5), top + height + _BELOW)
    header.draw(drawn)
    panel = _PANEL if known else width - left - 0.12
    axes = drawn.panel(left, top, panel, height)
    _draw_foretold(axes, prediction)
    set_rows(axes, labels)
    if known:
        axes = drawn.panel(left + panel + _GAP, top, _PANEL, height)
        _draw_measured(axes, prediction)
        set_rows(axes, [""] * len(labels))
    return drawn


def draw_foretold(axes: Axes, predictions: Sequence[Prediction], _: Sequence[str]) -> None:
    """The fall of the probability that is predicted, the most harmful corruption first."""
    _draw_foretold(axes, predictions[0])


def draw_measured(axes: Axes, predictions: Sequence[Prediction], _: Sequence[str]) -> None:
    """What was measured, in the order of what was predicted.

    Raises
    ------
    UsageError
        The prediction was compared with nothing.
    """
    if not _measured(predictions[0]):
        raise UsageError("nothing measured stands beside this prediction")
    _draw_measured(axes, predictions[0])


def _measured(prediction: Prediction) -> dict[str, NDArray[np.float64]]:
    found = {
        "fall of accuracy": prediction.measured_drop,
        "mPE / 2": None if prediction.measured_mpe is None else prediction.measured_mpe / 2,
    }
    return {name: values.mean(axis=1) for name, values in found.items() if values is not None}


def _order(prediction: Prediction) -> NDArray[np.intp]:
    return np.argsort(-prediction.corruption_drops.value, kind="stable")


def _rows(prediction: Prediction) -> list[str]:
    names = prediction.perturbations
    return [one_line(names[row].replace("_", " ")) for row in _order(prediction)]


def _draw_foretold(axes: Axes, prediction: Prediction) -> None:
    fall, order = prediction.corruption_drops, _order(prediction)
    found = zip(fall.value[order], fall.low[order], fall.high[order], strict=True)
    series = [(float(value), float(low), float(high)) for value, low, high in found]
    dots(axes, _rows(prediction), {"predicted": series})
    zero(axes, upright=True)
    alone = is_alone(axes)
    level = percent(prediction.settings["confidence"])
    images = counted(len(prediction.probability), "image")
    note = f"{both_ends(model_name(prediction), 40)}, {images}; mean over severities"
    silent = f"{NOT_A_FINDING}: " if prediction.no_finding else ""
    title(
        axes, "Predicted", f"{silent}fall of probability; whiskers: {level}" if not alone
        else f"{silent}fall of the probability of the true class; whiskers: {level} intervals",
        "", note if alone else "",
    )  # fmt: skip


def _draw_measured(axes: Axes, prediction: Prediction) -> None:
    found = _measured(prediction)
    order = _order(prediction)
    series = {
        name: [(float(value), np.nan, np.nan) for value in values[order]]
        for name, values in found.items()
    }
    dots(axes, _rows(prediction), series, colours=COLOURS[1:], markers=MARKERS[1:])
    zero(axes, upright=True)
    title(axes, "Measured", "mean over severities")
    if is_alone(axes):
        legend(axes)
    else:
        height = axes.get_position().height * inches_of(axes)[1] / scale_of(axes)
        legend(axes, loc="lower left", bbox_to_anchor=(0.0, 1 + _TITLE / height))
