"""Fourier heat maps as a picture: a row a model, error and mean prediction error, bands on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from ..comparisons.agreement import heatmaps_apart
from ..errors import UsageError
from ..results.finding import NOT_A_FINDING
from ..results.heatmap import HeatmapReport
from ..results.report import Report
from .figure import (
    COLOURS,
    RED,
    SMALL,
    WIDTH,
    Header,
    Picture,
    check_count,
    colour_scale,
    style,
    title,
)
from .text import NOT_KNOWN, rank_text, shortened

_SIDE, _GAP, _LEFT = 1.4, 0.16, 0.34  # inches
_NAME, _SCALE = 0.22, 0.54
_ABOVE = 0.16  # of the header's room for a title, which names take
_INSET = 0.06  # of a scale of colours, whose numbers stand out at both ends
_ROOM = 0.32  # for the labels of the bars' axis
_COLOURS = "magma"
_LONGEST_NAME = 30
_BARS = "#BBBBBB"
_ERROR: dict[str, Any] = {"color": COLOURS[1], "marker": "s", "markersize": 2.5, "linewidth": 1}
_MPE: dict[str, Any] = {"color": COLOURS[0], "marker": "o", "markersize": 2.5, "linewidth": 1}
_OVER = (Stroke(linewidth=1.1, foreground="black", alpha=0.45), Normal())


def heatmap_figure(
    reports: Sequence[HeatmapReport],
    names: Sequence[str],
    analyses: Sequence[Report | None] | None = None,
) -> Picture:
    """Heat maps centred on DC, on common scales of colour, with the edges of the bands.

    At most six, a row each. Where there are `analyses`, of the same models in the same order, their
    SID stands beside the maps and gives the bands; the picture is 5.5 inches wide then.

    Raises
    ------
    UsageError
        Too many reports, measured differently, or an analysis of another model.
    """
    check_count(len(reports), "heat maps")
    for report, name in zip(reports[1:], names[1:], strict=True):
        apart = heatmaps_apart(reports[0], report)
        if apart:
            raise UsageError(
                f"{name} and {names[0]} were measured differently: {'; '.join(apart)}; draw them "
                "one by one"
            )
    beside = list(analyses or [None] * len(reports))
    shown = [
        report if analysis is None else report.seen_as(analysis)
        for report, analysis in zip(reports, beside, strict=True)
    ]
    columns = [_LEFT, _LEFT + _SIDE + _GAP, _LEFT + 2 * (_SIDE + _GAP) + _ROOM]
    with_sid = any(analysis is not None for analysis in beside)
    width = WIDTH + (_ROOM + _SIDE + 0.3 if with_sid else 0)
    header = _header(shown, width)
    height = header.height + len(shown) * (_NAME + _SIDE) + _SCALE - _ABOVE
    drawn = Picture(width, height)
    header.draw(drawn)
    maps = [[report.error_map for report in shown], [report.mpe_map for report in shown]]
    most = [max(float(values.max()) for values in column) for column in maps]
    for number, (report, name, analysis) in enumerate(zip(shown, names, beside, strict=True)):
        top = header.height - _ABOVE + number * (_NAME + _SIDE) + _NAME
        last = number == len(shown) - 1
        clean = NOT_KNOWN if report.clean_error is None else f"{report.clean_error:.3f}"
        about = f"{len(report.labels)} images, clean error {clean}"
        drawn.put(_LEFT, top - 0.05, f"{shortened(name, _LONGEST_NAME)}: {about}")
        for column, left in enumerate(columns[:2]):
            axes = drawn.panel(left, top, _SIDE, _SIDE)
            mesh = _draw_map(axes, report, maps[column][number], most[column])
            _draw_bands(axes, report)
            axes.set_xticks([-1, 0, 1], ["-1", "0", "1"] if last else [])
            axes.set_yticks([-1, 0, 1], ["-1", "0", "1"] if column == 0 else [])
            if last:
                scale = drawn.panel(left + _INSET, height - 0.37, _SIDE - 2 * _INSET, 0.06)
                label = (report.error_name, "mPE")[column]
                colour_scale(drawn, mesh, scale, label, orientation="horizontal")
        if analysis is not None:
            _draw_profile(drawn.panel(columns[2], top, _SIDE, _SIDE), report, analysis, last=last)
    if with_sid:
        keys = [Patch(color=_BARS), Line2D([], [], **_ERROR), Line2D([], [], **_MPE)]
        drawn.legend(
            keys, ["SID", shown[0].error_name, "mPE"], fontsize=SMALL, frameon=False, ncols=3,
            loc="lower left", bbox_to_anchor=((columns[2] - 0.1) / drawn.width, 0),
            handlelength=1.4, columnspacing=1,
        )  # fmt: skip
    return drawn


def _header(reports: Sequence[HeatmapReport], width: float) -> Header:
    settings = reports[0].settings
    sizes = {f"{across} x {down}" for down, across in (r.settings["size"] for r in reports)}
    norms = {f"{r.settings['strength']:.4g}" for r in reports}
    return Header(
        "Fourier heat map",
        f"waves of l2 norm {', '.join(sorted(norms))} a channel, {', '.join(sorted(sizes))} "
        f"pixels; {settings['bands']} bands ({settings['norm']}); 1 is Nyquist",
        width=width,
    )


def _edges(lines: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Borders of the cells around an axis's frequencies, in units of Nyquist."""
    if len(lines) == 1:
        return np.array([-1.0, 1.0])
    middles = (lines[1:] + lines[:-1]) / 2
    first, last = lines[0] - (middles[0] - lines[0]), lines[-1] + (lines[-1] - middles[-1])
    return np.asarray(2.0 * np.concatenate([[first], middles, [last]]) / size)


def _draw_map(
    axes: Axes, report: HeatmapReport, values: NDArray[np.float64], top: float
) -> QuadMesh:
    height, width = report.settings["size"]
    across, down = _edges(report.grid.columns, width), _edges(report.grid.rows, height)
    mesh = axes.pcolormesh(
        across, down, values, cmap=_COLOURS, vmin=0, vmax=top or 1.0, rasterized=True
    )
    axes.set_xlim(across[0], across[-1])
    axes.set_ylim(down[-1], down[0])  # rows of pixels go down
    for spine in axes.spines.values():
        spine.set_visible(False)
    return mesh


def _draw_bands(axes: Axes, report: HeatmapReport) -> None:
    """Edges of the bands: where the radius is a multiple of 1 / M (method, section 1)."""
    # Every eighth of a turn has the corners of squares and diamonds; a circle needs more.
    turn = np.linspace(0, 2 * np.pi, 361 if report.settings["norm"] == "l2" else 9)
    across, down = np.cos(turn), np.sin(turn)
    # Length of a direction's unit vector in the norm: dividing by it gives radius 1.
    length = {
        "linf": np.maximum(abs(across), abs(down)),
        "l2": np.full(len(turn), 1 / np.sqrt(2)),
        "l1": (abs(across) + abs(down)) / 2,
    }[report.settings["norm"]]
    bands = int(report.settings["bands"])
    look: dict[str, Any] = {"color": "white", "linewidth": 0.5, "path_effects": list(_OVER)}
    for edge in np.arange(1, bands) / bands:
        axes.plot(edge * across / length, edge * down / length, **look)


def _draw_profile(axes: Axes, report: HeatmapReport, analysis: Report, *, last: bool) -> None:
    """SID as bars, error and mPE by band as lines."""
    places, damage = np.arange(len(report.band_names)), report.band_damage
    holds = analysis.precondition.holds
    axes.bar(places, analysis.sid, 0.8, color=_BARS, alpha=1.0 if holds else 0.3)
    axes.set_xticks(places, report.band_names if last else [])
    axes.set_ylim(0, 1.1 * float(analysis.sid.max()))
    ranks = report.rank_correlation(analysis)
    error, mpe = (rank_text(ranks[key]) for key in ("error", "mpe"))
    title(axes, "", "band" if last else "", "SID")
    said = (
        f"rank corr.: {report.error_name} {error}, mPE {mpe}" if holds else f"SID: {NOT_A_FINDING}"
    )
    axes.set_title(said, fontsize=SMALL, loc="left", pad=3.5, color="black" if holds else RED)
    over = axes.twinx()
    style(over)
    over.spines["right"].set_visible(True)
    over.set_ylim(0, 2.1)
    over.set_yticks([0, 1, 2])
    for spread, line in ((damage.error, _ERROR), (damage.mpe, _MPE)):
        known = np.isfinite(spread.value)
        over.plot(places[known], spread.value[known], **line)
