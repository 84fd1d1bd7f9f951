"""Damage foretold by spectral stand-ins as a picture, alone or against what was measured."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..comparisons.shares import Shares
from ..results.spread import Spread
from ..results.stand_ins import StandInReport
from .figure import COLOURS, GREY, MARKERS, SMALL, Header, Panel, Picture, column, note_lines
from .text import one_line, percent

_ROW, _LEGEND, _SQUARE = 0.15, 0.2, 2.205


def stand_in_figure(report: StandInReport) -> Picture:
    """Fall of the accuracy on the stand-ins of each perturbation, the most harmful first."""
    rows = _ROW * len(report.perturbations)

    def draw(axes: Axes) -> None:
        _rows(axes, report.perturbations, {"foretold": report.foretold.corruption_drops})

    panel = Panel(rows, 0.5, draw, above=_LEGEND)
    return column(_header("Damage foretold", report, []), [panel], left=1.155, width=2.205)


def shares_figure(shares: Shares) -> Picture:
    """Each corruption as measured and as foretold; below, one against the other."""
    report = shares.report
    falls = {"measured": shares.measured, "spectral (foretold)": shares.spectral}
    panels = [
        Panel(
            _ROW * len(report.perturbations), 0.5,
            lambda axes: _rows(axes, report.perturbations, falls), above=_LEGEND,
        ),
        Panel(_SQUARE, 0.4, lambda axes: _against(axes, shares), above=0.05),
    ]  # fmt: skip
    header = _header("Spectral and structural damage", report, shares.notes)
    return column(header, panels, left=1.155, width=_SQUARE)


def _header(heading: str, report: StandInReport, notes: list[str]) -> Header:
    return Header(
        heading,
        f"{report.model['path']}, {len(report.labels)} images, "
        f"{percent(report.confidence)} intervals",
        below=note_lines(notes),
    )


def _rows(axes: Axes, names: list[str], falls: dict[str, Spread]) -> None:
    """Falls side by side, a row a perturbation, in the order of the first kind of fall."""
    order = np.argsort(-next(iter(falls.values())).value, kind="stable")
    rows = np.arange(len(order))
    for number, (label, fall) in enumerate(falls.items()):
        place = rows + 0.22 * (number - (len(falls) - 1) / 2)
        axes.errorbar(
            fall.value[order], place, xerr=_ends(fall, order), fmt=MARKERS[number],
            color=COLOURS[number], markersize=3, linewidth=0.8, label=label,
        )  # fmt: skip
    axes.set_yticks(rows, [one_line(names[row]) for row in order], fontsize=SMALL)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.axvline(0, color=GREY, linewidth=0.6)
    axes.set_xlabel("fall of accuracy, mean over severities", fontsize=SMALL)
    axes.legend(
        fontsize=SMALL - 0.5, frameon=False, loc="lower left", bbox_to_anchor=(-0.05, 1.0),
        ncols=2, borderaxespad=0.2,
    )  # fmt: skip


def _against(axes: Axes, shares: Shares) -> None:
    """Foretold across, measured up, both with intervals; on the line nothing is structural."""
    spectral, measured = shares.spectral, shares.measured
    every = np.arange(len(measured.value))
    axes.errorbar(
        spectral.value, measured.value, xerr=_ends(spectral, every), yerr=_ends(measured, every),
        fmt=MARKERS[0], color=COLOURS[0], markersize=3, linewidth=0.5,
    )  # fmt: skip
    ends = [np.min([spectral.low, measured.low]), np.max([spectral.high, measured.high])]
    axes.plot(ends, ends, color=GREY, linewidth=0.6, zorder=0)
    axes.set_xlabel("foretold fall of accuracy (spectral)", fontsize=SMALL)
    axes.set_ylabel("measured fall of accuracy", fontsize=SMALL)


def _ends(spread: Spread, order: NDArray[np.intp]) -> NDArray[np.float64]:
    """How far the ends of intervals lie from their values, shape (2, n)."""
    return np.abs(np.stack([spread.low, spread.high])[:, order] - spread.value[order])
