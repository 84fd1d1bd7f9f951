"""The picture of a comparison: differences with their intervals, zero in the middle."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..comparisons.pairs import Comparison, Pair
from ..errors import UsageError
from ..mathematics.paired import Difference
from ..mathematics.replicates import TrainingDifference
from ..results.finding import NOT_A_FINDING
from .plot_words import NOTE_LINE, draw_lines, draw_notes, lines_height, reason_lines
from .plots import (
    COLOURS,
    MARKERS,
    MOST_REPORTS,
    SMALL,
    WIDTH,
    Picture,
    style,
    title,
    write_figure,
)
from .text import one_line


def save_comparison(found: Comparison, target: Path, *, overwrite: bool = False) -> None:
    """Draw a comparison and write the picture; errors are those of `plots.write_figure`."""
    write_figure(lambda: comparison_figure(found), target, overwrite=overwrite)


def comparison_figure(found: Comparison) -> Figure:
    """Differences of SID, Shapley values, score and accuracy, other minus reference.

    Filled markers are differences that are seen (p below 1 - confidence; bands after Holm's
    correction), hollow ones are not. Grey bars reach as far as the minimum detectable effect.
    Where the reference has replicates, a small cross is each of its trainings less their mean.

    Returns
    -------
    matplotlib Figure
        3.5 inches wide.

    Raises
    ------
    UsageError
        More pairs than there are colours.
    """
    pairs = found.pairs
    if len(pairs) > MOST_REPORTS:
        raise UsageError(f"a picture takes up to {MOST_REPORTS} comparisons, not {len(pairs)}")
    level = 1 - float(found.view["confidence"])
    rows = 0.14 + 0.19 * len(pairs)
    # Height of each panel and of what stands below it, in inches.
    panels: list[tuple[float, float, Callable[[Axes], None]]] = [
        (rows, 0.5, lambda axes: _draw_rows(axes, pairs, level, "srs_signed", found.margin)),
        (rows, 0.5, lambda axes: _draw_rows(axes, pairs, level, "accuracy", None)),
        (1.3, 0.52, lambda axes: _draw_bands(axes, found, level, "sid")),
        (1.3, 0.45, lambda axes: _draw_bands(axes, found, level, "shapley")),
    ]
    reasons = dict.fromkeys(reason for pair in pairs for reason in pair.no_finding)
    warned = reason_lines(" ".join(reasons) or None)
    notes = [f"{pair.report}: {note}." for pair in pairs for note in pair.notes]
    lines = [one_line(line) for note in notes for line in textwrap.wrap(note, 76)]
    header = lines_height(warned) + 0.72 + 0.14 * len(pairs) + NOTE_LINE * len(lines)
    total = header + sum(height + below for height, below, _ in panels)
    drawn = Picture(WIDTH, total)
    draw_lines(drawn, warned, total - 0.03, total)
    _draw_header(drawn, found, lines, total - lines_height(warned), total)
    top = total - header
    for height, below, draw in panels:
        axes = drawn.add_axes((0.17, (top - height) / total, 0.8, height / total))
        style(axes)
        draw(axes)
        top -= height + below
    return drawn


def _shorter(text: str, length: int) -> str:
    shown = one_line(text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def _draw_header(
    drawn: Figure, found: Comparison, lines: Sequence[str], top: float, total: float
) -> None:
    line = top - 0.18
    name = _shorter(found.reference["report"], 30)
    if found.replicates:
        name = f"{1 + len(found.replicates)} trainings like {name}"
    drawn.text(
        0.03, line / total, f"Against {name}", fontsize=9, fontweight="bold", parse_math=False
    )
    about = (
        f"other - reference, {found.view['value']}, {found.view['confidence']:.0%} intervals; "
        "filled: seen" + ("; x: trainings" if found.replicates else "")
    )
    drawn.text(0.03, (line - 0.15) / total, about, fontsize=SMALL, color="#444444")
    for number, pair in enumerate(found.pairs):
        height = (line - 0.31 - 0.14 * number) / total
        drawn.text(0.03, height, "■", fontsize=SMALL, color=COLOURS[number])
        signed = pair.srs_signed
        text = (
            f"{_shorter(pair.report, 24)}: {pair.shared} shared images, signed score "
            f"{signed.other:+.3f} against {signed.reference:+.3f}"
        )
        text = f"{_shorter(pair.report, 30)}: {NOT_A_FINDING}" if pair.no_finding else text
        drawn.text(0.065, height, text, fontsize=SMALL, parse_math=False)
    below = line - 0.31 - 0.14 * len(found.pairs)
    draw_notes(drawn, lines, below, total)


def _mark(axes: Axes, number: int, x: float, y: float, *, seen: bool) -> None:
    axes.plot(
        x,
        y,
        MARKERS[number],
        color=COLOURS[number],
        markersize=4,
        markerfacecolor=COLOURS[number] if seen else "white",
        markeredgewidth=0.8,
        zorder=3,
    )


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
        _mark(axes, number, d.difference, row, seen=d.p < level)
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


def _draw_bands(axes: Axes, found: Comparison, level: float, part: str) -> None:
    count = len(found.pairs)
    spread = 0.6 / count
    for number, pair in enumerate(found.pairs):
        for band, d in enumerate(getattr(pair, part)):
            x = band + (number - (count - 1) / 2) * spread
            axes.plot([x, x], [d.low, d.high], color=COLOURS[number], linewidth=1.1, zorder=2)
            for apart in _trainings(d):
                axes.plot(x, apart, "x", color="#444444", markersize=2.5, zorder=2.5)
            _mark(axes, number, x, d.difference, seen=(d.p_holm or 0.0) < level)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(np.arange(len(found.bands)), found.bands)
    what = "Difference of SID" if part == "sid" else "Difference of Shapley values"
    across = "band, lowest frequency first; filled: seen (Holm)"
    title(axes, what, across, "difference")
