"""Damage predicted by spectral stand-ins as a picture, alone or against what was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..comparisons.shares import Shares
from ..plurals import counted
from ..results.spread import Spread
from ..results.stand_ins import StandInReport
from .figure import (
    COLOURS,
    GREY,
    MARKERS,
    Header,
    Panel,
    Picture,
    column,
    is_alone,
    legend,
    note_lines,
    scale_of,
    title,
)
from .lettering import room_for
from .ranked import ROW, Dot, dots, zero
from .text import both_ends, model_name, percent, words

_LEGEND, _SQUARE, _MOST_NAMES = 0.2, 2.205, 1.15


def stand_in_figure(report: StandInReport) -> Picture:
    """Fall of the accuracy on the stand-ins of each perturbation, the most harmful first."""
    rows = ROW * len(report.perturbations)
    panel = Panel(rows, 0.5, lambda axes: draw_falls(axes, [report], []), above=0.05)
    return _column(_header("Damage predicted", report, []), [panel], report)


def shares_figure(shares: Shares) -> Picture:
    """Each corruption as measured and as predicted; below, one against the other."""
    report = shares.report
    panels = [
        Panel(
            ROW * len(report.perturbations), 0.5,
            lambda axes: draw_shares(axes, [shares], []), above=_LEGEND,
        ),
        Panel(_SQUARE, 0.4, lambda axes: draw_against(axes, [shares], []), above=0.15),
    ]  # fmt: skip
    header = _header("Spectral and structural damage", report, shares.notes)
    return _column(header, panels, report)


def _column(header: Header, panels: Sequence[Panel], report: StandInReport) -> Picture:
    _, wide = room_for([words(name) for name in report.perturbations], _MOST_NAMES)
    left = max(wide + 0.15, 0.6)
    return column(header, panels, left=left, width=3.4 - left)


def _header(heading: str, report: StandInReport, notes: list[str]) -> Header:
    return Header(heading, _about(report), below=note_lines(notes))


def _about(report: StandInReport) -> str:
    return f"{both_ends(model_name(report), 40)}, {counted(len(report.labels), 'image')}"


def draw_falls(axes: Axes, reports: Sequence[StandInReport], _: Sequence[str]) -> None:
    """Fall of the accuracy that stand-ins predict, the most harmful perturbation first."""
    report = reports[0]
    _rows(axes, "Damage predicted", report, {"predicted": report.foretold.corruption_drops})


def draw_shares(axes: Axes, found: Sequence[Shares], _: Sequence[str]) -> None:
    """Fall of the accuracy as measured and as predicted, the most harmful perturbation first."""
    shares = found[0]
    falls = {"measured": shares.measured, "spectral (predicted)": shares.spectral}
    _rows(axes, "Spectral and structural damage", shares.report, falls)


def _rows(axes: Axes, heading: str, report: StandInReport, falls: dict[str, Spread]) -> None:
    """Falls side by side, a row a perturbation, in the order of the first kind of fall."""
    order = np.argsort(-next(iter(falls.values())).value, kind="stable")
    series: dict[str, list[Dot | None]] = {
        label: [
            (float(fall.value[row]), float(fall.low[row]), float(fall.high[row])) for row in order
        ]
        for label, fall in falls.items()
    }
    labels = [words(report.perturbations[row]) for row in order]
    if not is_alone(axes):
        labels, _ = room_for(labels, _MOST_NAMES)
    dots(axes, labels, series)
    zero(axes, upright=True)
    note = f"{_about(report)}; mean over severities" if is_alone(axes) else ""
    across = f"fall of accuracy; whiskers: {percent(report.confidence)} intervals"
    title(axes, heading if is_alone(axes) else "", across, "", note)
    if len(series) > 1 and is_alone(axes):
        legend(axes)
    elif len(series) > 1:
        legend(axes, columns=2, loc="lower left", bbox_to_anchor=(-0.05, 1.0))


def draw_against(axes: Axes, found: Sequence[Shares], _: Sequence[str]) -> None:
    """Predicted across, measured up, both with intervals; on the line nothing is structural."""
    shares, k = found[0], scale_of(axes)
    spectral, measured = shares.spectral, shares.measured
    axes.errorbar(
        spectral.value, measured.value, xerr=_ends(spectral), yerr=_ends(measured),
        fmt=MARKERS[0], color=COLOURS[0], markersize=3 * k, elinewidth=0.5 * k,
    )  # fmt: skip
    ends = [np.min([spectral.low, measured.low]), np.max([spectral.high, measured.high])]
    axes.plot(ends, ends, color=GREY, linewidth=0.7 * k, linestyle=":", zorder=0)
    level = percent(shares.report.confidence)
    title(
        axes, "", "predicted fall of accuracy (spectral)", "measured fall of accuracy",
        f"whiskers: {level} intervals; dotted: all of it spectral",
    )  # fmt: skip


def _ends(spread: Spread) -> NDArray[np.float64]:
    """How far the ends of intervals lie from their values, shape (2, n)."""
    return np.abs(np.stack([spread.low, spread.high]) - spread.value)
