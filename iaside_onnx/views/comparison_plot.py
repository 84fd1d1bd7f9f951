"""The picture of a comparison: differences with their intervals, zero in the middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ..comparisons.pairs import Comparison, Pair
from ..mathematics.paired import Difference
from ..mathematics.replicates import TrainingDifference
from ..results.finding import NOT_A_FINDING
from .comparison_rows import no_finding_of
from .figure import (
    COLOURS,
    MARKERS,
    Header,
    Panel,
    Picture,
    check_count,
    column,
    note_lines,
    reason_lines,
    title,
)
from .text import percent, told_apart

_NAME = 24  # letters


def comparison_figure(comparison: Comparison) -> Picture:
    """Differences of SID, Shapley values, score and accuracy, other minus reference.

    Filled markers are differences that are seen (p below 1 - confidence; bands after Holm's
    correction), hollow ones are not. Grey bars reach as far as the minimum detectable effect.
    Where the reference has replicates, a small cross is each of its trainings less their mean.

    Raises
    ------
    UsageError
        More pairs than there are colours.
    """
    pairs, view = comparison.pairs, comparison.view
    check_count(len(pairs), "comparisons")
    level = 1 - float(view["confidence"])
    name, *others = told_apart(
        [comparison.reference["report"], *(pair.report for pair in pairs)], _NAME
    )
    if comparison.replicates:
        name = f"{1 + len(comparison.replicates)} trainings like {name}"
    header = Header(
        f"Against {name}",
        f"other - reference, {view['value']}, {percent(view['confidence'])} intervals; filled: "
        "seen" + ("; x: trainings" if comparison.replicates else ""),
        list(map(_entry, pairs, others)),
        above=reason_lines(" ".join(no_finding_of(comparison)) or None),
        below=note_lines([f"{pair.report}: {note}." for pair in pairs for note in pair.notes]),
    )
    rows, margin = 0.14 + 0.19 * len(pairs), comparison.margin
    known = all(pair.accuracy is not None for pair in pairs)
    panels = [
        Panel(rows, 0.5, lambda axes: _draw_rows(axes, pairs, level, "srs_signed", margin)),
        *[Panel(rows, 0.5, lambda axes: _draw_rows(axes, pairs, level, "accuracy", None))] * known,
        Panel(1.3, 0.52, lambda axes: _draw_bands(axes, comparison, level, "sid")),
        Panel(1.3, 0.45, lambda axes: _draw_bands(axes, comparison, level, "shapley")),
    ]
    return column(header, panels)


def _entry(pair: Pair, name: str) -> str:
    if pair.no_finding:
        return f"{name}: {NOT_A_FINDING}"
    return (
        f"{name}: {pair.shared} shared, signed SRS "
        f"{pair.srs_signed.other:+.3f} against {pair.srs_signed.reference:+.3f}"
    )


def _mark(axes: Axes, number: int, x: float, y: float, *, filled: bool) -> None:
    axes.plot(
        x, y, MARKERS[number], color=COLOURS[number], markersize=4, markeredgewidth=0.8, zorder=3,
        markerfacecolor=COLOURS[number] if filled else "white",
    )  # fmt: skip


def _trainings(d: Difference) -> list[float]:
    """Every training of the reference less their mean."""
    return [t - d.reference for t in d.trainings] if isinstance(d, TrainingDifference) else []


def _draw_rows(
    axes: Axes, pairs: Sequence[Pair], level: float, part: str, margin: float | None
) -> None:
    for number, pair in enumerate(pairs):
        row = len(pairs) - 1 - number
        d: Difference = getattr(pair, part)
        axes.plot([-d.mde, d.mde], [row, row], color="#DDDDDD", linewidth=5, zorder=1)
        axes.plot([d.low, d.high], [row, row], color=COLOURS[number], linewidth=1.3, zorder=2)
        for apart in _trainings(d):
            axes.plot(apart, row, "x", color="#444444", markersize=3, zorder=2.5)
        _mark(axes, number, d.difference, row, filled=d.p < level)
    axes.axvline(0, color="black", linewidth=0.6)
    for side in (-1, 1) if margin is not None else ():
        axes.axvline(side * (margin or 0.0), color="#777777", linewidth=0.6, linestyle=":")
    axes.set_ylim(-0.7, len(pairs) - 0.3)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
    what = "signed score" if part == "srs_signed" else "clean accuracy"
    across = "grey: less than a detectable effect" + (", dotted: margin" if margin else "")
    title(axes, f"Difference of {what}", across)


def _draw_bands(axes: Axes, comparison: Comparison, level: float, part: str) -> None:
    count = len(comparison.pairs)
    spread = 0.6 / count
    for number, pair in enumerate(comparison.pairs):
        for band, d in enumerate(getattr(pair, part)):
            x = band + (number - (count - 1) / 2) * spread
            axes.plot([x, x], [d.low, d.high], color=COLOURS[number], linewidth=1.1, zorder=2)
            for apart in _trainings(d):
                axes.plot(x, apart, "x", color="#444444", markersize=2.5, zorder=2.5)
            _mark(axes, number, x, d.difference, filled=(d.p_holm or 0.0) < level)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(np.arange(len(comparison.bands)), comparison.bands)
    what = "Difference of SID" if part == "sid" else "Difference of Shapley values"
    across = "band, lowest frequency first; filled: seen (Holm)"
    title(axes, what, across, "difference")
