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
from ..plurals import counted
from ..results.banded import band_ends, bands_said
from ..results.finding import NOT_A_FINDING
from ..results.heatmap import HeatmapReport
from ..results.report import Report
from .figure import (
    COLOURS,
    FEW,
    MARKERS,
    RED,
    SMALL,
    WIDTH,
    Header,
    Picture,
    check_count,
    colour_scale,
    is_alone,
    legend,
    scale_of,
    style,
    title,
)
from .lettering import fitted
from .text import NOT_KNOWN, both_ends, levels, rank_text, told_apart

_SIDE, _GAP, _LEFT = 1.4, 0.16, 0.5  # inches
_NAME, _SCALE = 0.22, 0.72
_ABOVE = 0.16  # of the header's room for a title, which names take
_INSET = 0.06  # of a scale of colours, whose numbers stand out at both ends
_ROOM = 0.32  # for the labels of the bars' axis
_TILE, _TILES = 1.05, 3  # of the maps of many models, and how many stand in a row
_COLOURS = "magma"
_LONGEST_NAME = 30
_BARS = "#BBBBBB"
_ERROR: dict[str, Any] = {"color": COLOURS[1], "marker": "s", "markersize": 2.5, "linewidth": 1}
_MPE: dict[str, Any] = {"color": COLOURS[0], "marker": "o", "markersize": 2.5, "linewidth": 1}
_TICKS = (-0.5, 0.0, 0.5)
_ACROSS, _DOWN = "cycles a pixel, across", "cycles a pixel, down"


def heatmap_figure(
    reports: Sequence[HeatmapReport],
    names: Sequence[str],
    analyses: Sequence[Report | None] | None = None,
) -> Picture:
    """Heat maps centred on DC, on common scales of colour, with the edges of the bands.

    Up to four have a row each, of error and of mean prediction error; more, up to twelve, a map of
    the error each. Where there are `analyses`, of the same models in the same order, their SID
    stands beside the rows and gives the bands; the picture is wider then.

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
    with_sid = any(analysis is not None for analysis in beside)
    if len(shown) > FEW:
        if with_sid:
            raise UsageError(f"reports of an analysis go with up to {FEW} heat maps")
        return _many(shown, names)
    columns = [_LEFT, _LEFT + _SIDE + _GAP, _LEFT + 2 * (_SIDE + _GAP) + _ROOM]
    width = WIDTH + 0.15 + (_ROOM + _SIDE + 0.3 if with_sid else 0)
    header = _header(shown, width)
    height = header.height + len(shown) * (_NAME + _SIDE) + _SCALE - _ABOVE
    drawn = Picture(width, height)
    header.draw(drawn)
    k = drawn.scale
    maps = [[report.error_map for report in shown], [report.mpe_map for report in shown]]
    most = [max(float(values.max()) for values in column) for column in maps]
    called = told_apart(names, _LONGEST_NAME)
    for number, (report, name, analysis) in enumerate(zip(shown, called, beside, strict=True)):
        top = header.height - _ABOVE + number * (_NAME + _SIDE) + _NAME
        last = number == len(shown) - 1
        drawn.put(_LEFT, top - 0.05, f"{name}: {_about(report)}")
        for column, left in enumerate(columns[:2]):
            axes = drawn.panel(left, top, _SIDE, _SIDE)
            mesh = _draw_map(axes, report, maps[column][number], most[column])
            _draw_bands(axes, report)
            axes.set_xticks(_TICKS, ["-0.5", "0", "0.5"] if last else ["", "", ""])
            _inside(axes)
            axes.set_yticks(_TICKS, ["-0.5", "0", "0.5"] if column == 0 else ["", "", ""])
            if last:
                axes.set_xlabel(_ACROSS, fontsize=SMALL * k, labelpad=1 * k)
                scale = drawn.panel(left + _INSET, height - 0.37, _SIDE - 2 * _INSET, 0.06)
                label = (report.error_name, report.change_name)[column]
                colour_scale(drawn, mesh, scale, label, orientation="horizontal")
            if column == 0:
                axes.set_ylabel(_DOWN, fontsize=SMALL * k, labelpad=1 * k)
        if analysis is not None:
            _draw_profile(drawn.panel(columns[2], top, _SIDE, _SIDE), report, analysis, last=last)
    if with_sid:
        keys = [Patch(color=_BARS), Line2D([], [], **_ERROR), Line2D([], [], **_MPE)]
        drawn.legend(
            keys, ["SID", shown[0].error_name, shown[0].change_name], fontsize=SMALL * k,
            frameon=False, ncols=3, loc="lower left",
            bbox_to_anchor=((columns[2] - 0.1) / drawn.width, 0),
            handlelength=1.4, columnspacing=1,
        )  # fmt: skip
    return drawn


def _many(reports: Sequence[HeatmapReport], names: Sequence[str]) -> Picture:
    """A map of the error for each of many models, on one scale of colours."""
    header = _header(reports, WIDTH)
    rows = -(-len(reports) // _TILES)
    step = _TILE + 0.05
    height = header.height - _ABOVE + rows * (step + 2 * _NAME - 0.1) + _SCALE - 0.1
    drawn = Picture(_LEFT + _TILES * step + 0.05, height)
    header.draw(drawn)
    k = drawn.scale
    most = max(float(report.error_map.max()) for report in reports)
    called = fitted(names, _TILE - 0.03)
    for number, (report, name) in enumerate(zip(reports, called, strict=True)):
        down, column = divmod(number, _TILES)
        top = header.height - _ABOVE + down * (step + 2 * _NAME - 0.1) + 2 * _NAME - 0.1
        left = _LEFT + column * step
        drawn.put(left, top - 0.14, name)
        drawn.put(left, top - 0.04, _clean(report, 2), SMALL - 0.5, color="#444444")
        axes = drawn.panel(left, top, _TILE, _TILE)
        mesh = _draw_map(axes, report, report.error_map, most)
        _draw_bands(axes, report)
        lowest = number + _TILES >= len(reports)
        axes.set_xticks(_TICKS, ["-0.5", "0", "0.5"] if lowest else ["", "", ""])
        _inside(axes)
        axes.set_yticks(_TICKS, ["-0.5", "0", "0.5"] if column == 0 else ["", "", ""])
        if lowest:
            axes.set_xlabel(_ACROSS, fontsize=(SMALL - 0.5) * k, labelpad=1 * k)
        if column == 0:
            axes.set_ylabel(_DOWN, fontsize=(SMALL - 0.5) * k, labelpad=1 * k)
    scale = drawn.panel(_LEFT + _INSET, height - 0.33, 1.6, 0.06)
    colour_scale(drawn, mesh, scale, reports[0].error_name, orientation="horizontal")
    return drawn


def _inside(axes: Axes) -> None:
    """Numbers at the ends of an axis within its width, for another map stands beside it."""
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")


def draw_error_map(axes: Axes, reports: Sequence[HeatmapReport], names: Sequence[str]) -> None:
    """Error under a wave of each frequency."""
    report = reports[0]
    _alone_map(axes, report, report.error_map, report.error_name, names[0])


def draw_mpe_map(axes: Axes, reports: Sequence[HeatmapReport], names: Sequence[str]) -> None:
    """Mean prediction error under a wave of each frequency."""
    report = reports[0]
    what = "mean prediction error (mPE)" if report.of_classes else report.change_name
    _alone_map(axes, report, report.mpe_map, what, names[0])


def draw_band_errors(axes: Axes, reports: Sequence[HeatmapReport], names: Sequence[str]) -> None:
    """Error under waves of each band with its interval.

    Raises
    ------
    UsageError
        Heat maps that were measured differently, or seen in other bands.
    """
    first, k = reports[0], scale_of(axes)
    for report, name in zip(reports[1:], names[1:], strict=True):
        if heatmaps_apart(first, report) or report.band_names != first.band_names:
            raise UsageError(f"{name} and {names[0]} were measured differently, or in other bands")
    for number, (report, name) in enumerate(zip(reports, told_apart(names, 32), strict=True)):
        error = report.band_damage.error
        known = np.isfinite(error.value)
        places = np.arange(len(report.band_names)) + 0.12 * (number - (len(reports) - 1) / 2)
        ends = np.abs(np.stack([error.low, error.high]) - error.value)[:, known]
        axes.errorbar(
            places[known], error.value[known], np.nan_to_num(ends), color=COLOURS[number],
            marker=MARKERS[number], markersize=4 * k, linewidth=k, elinewidth=0.8 * k, label=name,
        )  # fmt: skip
        if report.clean_error is not None:
            axes.axhline(
                report.clean_error, color=COLOURS[number], linewidth=0.8 * k, linestyle=":"
            )
    axes.set_xticks(range(len(first.band_names)), first.band_names)
    axes.set_ylim(0, 1)
    note = f"whiskers: {levels(reports)} intervals"
    note += "" if first.clean_error is None else "; dotted: clean images"
    if len(reports) == 1:
        note = f"{both_ends(names[0], 40)}, {_about(first)}; {note}"
    else:
        legend(axes)
    heading = f"{first.error_name.capitalize()} under waves"
    title(axes, heading, "band, low to high frequency", first.error_name, note)


def _alone_map(
    axes: Axes, report: HeatmapReport, values: NDArray[np.float64], what: str, name: str
) -> None:
    k = scale_of(axes)
    mesh = _draw_map(axes, report, values, float(values.max()))
    _draw_bands(axes, report)
    axes.set_xticks(_TICKS)
    axes.set_yticks(_TICKS)
    height, width = report.settings["size"]
    axes.set_aspect("equal")
    bar = axes.figure.colorbar(mesh, ax=axes)
    bar.set_label(what, fontsize=SMALL * k)
    bar.ax.tick_params(labelsize=SMALL * k)
    note = f"{both_ends(name, 40)}, {_about(report)}, {width} x {height} pixels; {_lines(report)}"
    title(axes, "Fourier heat map", _ACROSS, _DOWN, note if is_alone(axes) else "")


def _about(report: HeatmapReport) -> str:
    return ", ".join(filter(None, [counted(len(report.labels), "image"), _clean(report, 3)]))


def _clean(report: HeatmapReport, digits: int) -> str:
    """The error on clean images; empty where there is none that could be known."""
    if not report.of_classes:
        return ""
    clean = NOT_KNOWN if report.clean_error is None else f"{report.clean_error:.{digits}f}"
    return f"clean error {clean}"


def _lines(report: HeatmapReport) -> str:
    return f"white: edges of {bands_said(report.settings)}"


def _header(reports: Sequence[HeatmapReport], width: float) -> Header:
    sizes = {f"{across} x {down}" for down, across in (r.settings["size"] for r in reports)}
    norms = {f"{r.settings['strength']:.4g}" for r in reports}
    return Header(
        "Fourier heat map",
        f"waves of l2 norm {', '.join(sorted(norms))} a channel, {', '.join(sorted(sizes))} "
        f"pixels; {_lines(reports[0])}; 0.5 cycles a pixel is Nyquist",
        width=width,
    )


def _edges(lines: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Borders of the cells around an axis's frequencies, in cycles a pixel."""
    if len(lines) == 1:
        return np.array([-0.5, 0.5])
    middles = (lines[1:] + lines[:-1]) / 2
    first, last = lines[0] - (middles[0] - lines[0]), lines[-1] + (lines[-1] - middles[-1])
    return np.asarray(np.concatenate([[first], middles, [last]]) / size)


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
    """Edges of the bands (method, section 1)."""
    # Every eighth of a turn has the corners of squares and diamonds; a circle needs more.
    turn = np.linspace(0, 2 * np.pi, 361 if report.settings["norm"] == "l2" else 9)
    across, down = np.cos(turn), np.sin(turn)
    # Length of a direction's unit vector in the norm: dividing by it gives radius 1.
    length = {
        "linf": np.maximum(abs(across), abs(down)),
        "l2": np.full(len(turn), 1 / np.sqrt(2)),
        "l1": (abs(across) + abs(down)) / 2,
    }[report.settings["norm"]]
    k = scale_of(axes)
    over = [Stroke(linewidth=1.1 * k, foreground="black", alpha=0.45), Normal()]
    look: dict[str, Any] = {"color": "white", "linewidth": 0.5 * k, "path_effects": over}
    for edge in band_ends(report.settings)[1:-1] / 2:  # in cycles a pixel
        axes.plot(edge * across / length, edge * down / length, **look)


def _draw_profile(axes: Axes, report: HeatmapReport, analysis: Report, *, last: bool) -> None:
    """SID as bars, error and mPE by band as lines."""
    k = scale_of(axes)
    places, damage = np.arange(len(report.band_names)), report.band_damage
    holds = analysis.precondition.holds
    axes.bar(places, analysis.sid, 0.8, color=_BARS, alpha=1.0 if holds else 0.3)
    axes.set_xticks(places, report.band_names if last else [])
    axes.set_ylim(0, 1.1 * float(analysis.sid.max()))
    ranks = report.rank_correlation(analysis)
    error, mpe = (rank_text(ranks[key]) for key in ("error", "mpe"))
    title(axes, "", "band" if last else "", "SID")
    said = (
        f"rank corr.: {report.error_name} {error}, {report.change_name} {mpe}"
        if holds
        else f"SID: {NOT_A_FINDING}"
    )
    axes.set_title(
        said, fontsize=SMALL * k, loc="left", pad=3.5 * k, color="black" if holds else RED
    )
    over = axes.twinx()
    style(over)
    over.spines["right"].set_visible(True)
    over.set_ylim(0, 2.1)
    over.set_yticks([0, 1, 2])
    over.set_ylabel(
        f"{report.error_name}, {report.change_name}", fontsize=SMALL * k, labelpad=2 * k
    )
    for spread, line in ((damage.error, _ERROR), (damage.mpe, _MPE)):
        known = np.isfinite(spread.value)
        over.plot(places[known], spread.value[known], **_larger(line, k))


def _larger(line: dict[str, Any], k: float) -> dict[str, Any]:
    return {
        key: value * k if isinstance(value, float | int) else value for key, value in line.items()
    }
