"""Predicted damage as a picture: a row a corruption, with what was measured where it was."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from ..comparisons.prediction import Prediction
from ..results.finding import NOT_A_FINDING
from .figure import COLOURS, MARKERS, SMALL, Header, Panel, Picture, column, reason_lines
from .text import one_line, percent

_ROW, _LEGEND = 0.15, 0.28


def prediction_figure(prediction: Prediction) -> Picture:
    """Mean over severities of each corruption, the most harmful one first, with intervals."""
    reason = prediction.no_finding
    header = Header(
        "Damage foretold" if reason is None else f"Damage foretold ({NOT_A_FINDING})",
        f"{prediction.model['path']}, {len(prediction.probability)} images, "
        f"{percent(prediction.settings['confidence'])} intervals",
        above=reason_lines(reason),
    )
    rows = _ROW * len(prediction.perturbations)
    panel = Panel(rows, 0.5, lambda axes: _draw(axes, prediction), above=_LEGEND)
    return column(header, [panel], left=1.155, width=2.205)


def _draw(axes: Axes, prediction: Prediction) -> None:
    fall = prediction.corruption_drops
    order = np.argsort(-fall.value, kind="stable")
    rows = np.arange(len(order))
    middle = fall.value[order]
    spread = np.abs(np.stack([fall.low, fall.high])[:, order] - middle)
    axes.errorbar(
        middle, rows, xerr=spread, fmt=MARKERS[0], color=COLOURS[0], markersize=3, linewidth=0.8,
        label="foretold fall of probability",
    )  # fmt: skip
    half_mpe = None if prediction.measured_mpe is None else prediction.measured_mpe / 2
    measured = (
        (prediction.measured_drop, "measured fall of accuracy"),
        (half_mpe, "measured mPE / 2"),
    )
    for number, (values, label) in enumerate(measured, start=1):
        if values is not None:
            axes.plot(
                values.mean(axis=1)[order], rows, MARKERS[number], color=COLOURS[number],
                markersize=3, label=label,
            )  # fmt: skip
    names = [one_line(prediction.perturbations[row]) for row in order]
    axes.set_yticks(rows, names, fontsize=SMALL)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.axvline(0, color="#777777", linewidth=0.6)
    axes.set_xlabel("mean over severities", fontsize=SMALL)
    axes.legend(
        fontsize=SMALL - 0.5, frameon=False, loc="lower left", bbox_to_anchor=(-0.05, 1.0),
        ncols=1, borderaxespad=0.2, labelspacing=0.2,
    )  # fmt: skip
