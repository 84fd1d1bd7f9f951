"""Foretold damage as a picture: a row a corruption, with what was measured where it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..comparisons.prediction import Prediction
from ..results.finding import NOT_A_FINDING
from .plot_words import draw_lines, lines_height, reason_lines
from .plots import COLOURS, MARKERS, SMALL, WIDTH, style, write_figure
from .text import one_line

_ROW, _HEADER, _BELOW = 0.15, 0.85, 0.5


def save_prediction(found: Prediction, target: Path, *, overwrite: bool = False) -> None:
    """Draw a prediction and write the picture.

    Raises
    ------
    UsageError, ReportError
        As for `plots.write_figure`.
    """
    write_figure(lambda: prediction_figure(found), target, overwrite=overwrite)


def prediction_figure(found: Prediction) -> Figure:
    """Mean over severities of each corruption, the most harmful one first, with intervals."""
    fall = found.corruption_drops
    order = np.argsort(-fall.value, kind="stable")
    rows = np.arange(len(order))
    warned = reason_lines(found.no_finding)
    height = lines_height(warned) + _HEADER + _BELOW + _ROW * len(order)
    drawn = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(drawn)
    draw_lines(drawn, warned, height - 0.05, height)
    top = height - lines_height(warned)
    name = "Damage foretold" if not warned else f"Damage foretold ({NOT_A_FINDING})"
    drawn.text(0.03, (top - 0.18) / height, name, fontsize=8.5, fontweight="bold")
    drawn.text(
        0.03,
        (top - 0.33) / height,
        f"{one_line(found.model['path'])}, {len(found.probability)} images, "
        f"{found.settings['confidence']:.0%} intervals",
        fontsize=SMALL,
        color="#444444",
        parse_math=False,
    )
    axes = drawn.add_axes((0.33, _BELOW / height, 0.63, _ROW * len(order) / height))
    style(axes)
    middle = fall.value[order]
    spread = np.abs(np.stack([fall.low, fall.high])[:, order] - middle)
    axes.errorbar(
        middle, rows, xerr=spread, fmt=MARKERS[0], color=COLOURS[0], markersize=3, linewidth=0.8,
        label="foretold fall of probability",
    )  # fmt: skip
    measured = (
        (found.measured_drop, "measured fall of accuracy"),
        (None if found.measured_mpe is None else found.measured_mpe / 2, "measured mPE / 2"),
    )
    for number, (values, label) in enumerate(measured, start=1):
        if values is not None:
            axes.plot(
                values.mean(axis=1)[order], rows, MARKERS[number], color=COLOURS[number],
                markersize=3, label=label,
            )  # fmt: skip
    axes.set_yticks(rows, [one_line(found.perturbations[row]) for row in order], fontsize=SMALL)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.axvline(0, color="#777777", linewidth=0.6)
    axes.set_xlabel("mean over severities", fontsize=SMALL)
    axes.legend(
        fontsize=SMALL - 0.5, frameon=False, loc="lower left", bbox_to_anchor=(-0.05, 1.0),
        ncols=1, borderaxespad=0.2, labelspacing=0.2,
    )  # fmt: skip
    return drawn
