"""The picture of reports: distribution, values, score and curves, of one or of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..comparisons.comparable import drawn_together
from ..comparisons.contrast import contrasts
from ..errors import UsageError
from ..mathematics.bands import band_images
from ..mathematics.shapley import coalition_curves
from ..results.finding import NO_FINDING, NOT_A_FINDING
from ..results.report import Report
from ..results.robustness import RobustnessReport
from .band_tiles import has_pictures, partition, visible
from .figure import (
    COLOURS,
    GAP,
    LARGE,
    LARGEST,
    MARKERS,
    RED,
    SMALL,
    Header,
    Line,
    Panel,
    Picture,
    check_count,
    column,
    note_lines,
    title,
    wrapped,
)
from .text import clean_words, model_name, one_line, percent, shortened, value_name

_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")
_COLUMNS = 5  # of the strip of band images
_BANDS = "band, lowest to highest frequency"


def figure(
    reports: Sequence[Report],
    names: Sequence[str] | None = None,
    robustness: Sequence[RobustnessReport | None] | None = None,
) -> Picture:
    """One picture of one report, or of several side by side, with what they say.

    Parameters
    ----------
    reports : sequence of Report
        At most six, of one game and with images in common, as `compare` takes them; all are seen
        through the view of the first.
    names : sequence of str, optional
        What the legend calls them; the models' file names by default.
    robustness : sequence of RobustnessReport or None, optional
        What was measured of the model of each.

    Raises
    ------
    UsageError
        No report, too many, or different numbers of bands.
    ReportError
        The reports cannot be compared.
    """
    check_count(len(reports))
    if len({report.players for report in reports}) > 1:
        raise UsageError("the reports have different numbers of bands; plot them one by one")
    labels = [one_line(name) for name in (names or map(model_name, reports))]
    reports, notes = drawn_together(list(zip(labels, reports, strict=True)))
    first = reports[0]
    settings = first.settings
    header = Header(
        "Spectral importance",
        f"{settings['bands']} bands ({settings['norm']}), absence {settings['absence']}, "
        f"{settings['value']}, {percent(first.confidence)} intervals",
        [_entry(report, label) for report, label in zip(reports, labels, strict=True)],
        above=warning_lines(reports, labels),
        below=[
            *note_lines([f"{note}." for note in notes]),
            *_finding_lines(reports, labels, robustness or [None] * len(reports)),
        ],
    )
    panels = [
        Panel(1.3, 0.52, lambda axes: _draw_sid(axes, reports)),
        Panel(1.3, 0.52, lambda axes: _draw_shapley(axes, reports)),
        Panel(0.1 + 0.18 * len(reports), 0.55, lambda axes: _draw_score(axes, reports)),
    ]
    if all(report.exact for report in reports):  # else no curve is known
        panels.append(Panel(1.45, 0.58, lambda axes: _draw_curves(axes, reports)))
    if has_pictures(first):
        tiles = _strip(first)
        panels.append(Panel(0.74 * _strip_rows(tiles), 0.05, lambda axes: _draw_strip(axes, tiles)))
    drawn = column(header, panels)
    if not any(report.precondition.holds for report in reports):
        for axes in drawn.axes:
            across = filter(None, [axes.get_xlabel(), NOT_A_FINDING])
            axes.set_xlabel(": ".join(across), fontsize=SMALL, labelpad=1.5, color=RED)
    return drawn


def _entry(report: Report, label: str) -> str:
    holds = report.precondition.holds
    score = f"signed SRS {report.srs_signed:+.3f}" if holds else NO_FINDING.upper()
    about = f"{len(report.labels)} images, {clean_words(report, 'accuracy', report.accuracy)}"
    return f"{shortened(label, 24)}: {about}, {score}"


def warning_lines(reports: Sequence[Report], labels: Sequence[str]) -> list[Line]:
    """Why reports say nothing, in the largest letters of the picture; nothing where all do."""
    lines: list[Line] = []
    for report, label in zip(reports, labels, strict=True):
        if report.precondition.holds:
            continue
        whose = f": {label}" if len(reports) > 1 else ""
        lines += wrapped(f"{NO_FINDING}{whose}", LARGEST, bold=True, colour=RED)
        for reason in report.precondition.reasons:
            lines += wrapped(f"{reason[0].upper()}{reason[1:]}.", LARGE, colour=RED)
        lines += wrapped(f"What is drawn of it is {NOT_A_FINDING}.", LARGE, bold=True, colour=RED)
        lines.append(GAP)
    return lines


def _finding_lines(
    reports: Sequence[Report], labels: Sequence[str], robustness: Sequence[RobustnessReport | None]
) -> list[Line]:
    """What the reports say: of one report where its evidence lies, of several how they differ."""
    several = len(reports) > 1
    lines: list[Line] = []
    for report, label, measured in zip(reports, labels, robustness, strict=True):
        finding = report.finding(measured)
        if not several and not finding.withheld:
            lines += [*wrapped(finding.evidence), GAP, *wrapped(finding.further or ""), GAP]
        if finding.measured is not None:
            lines += wrapped(f"{label}: {finding.measured}" if several else finding.measured)
            lines.append(GAP)
    for sentence in contrasts(reports, labels):
        lines += wrapped(sentence)
    return lines


def _draw_bars(
    axes: Axes, reports: Sequence[Report], bars: Iterable[tuple[NDArray[Any], NDArray[Any]]]
) -> None:
    """Grouped bars with error bars: heights and (2, M) error lengths for each report."""
    width = 0.8 / len(reports)
    for number, (report, (heights, errors)) in enumerate(zip(reports, bars, strict=True)):
        shift = (number - (len(reports) - 1) / 2) * width
        axes.bar(
            np.arange(report.players) + shift, heights, width * 0.94, color=COLOURS[number],
            alpha=_strength(report), edgecolor="white", linewidth=0.3,
            hatch=_HATCHES[number] if len(reports) > 1 else "", yerr=errors,
            error_kw={"elinewidth": 0.7, "capsize": 1.5, "capthick": 0.7},
        )  # fmt: skip
    axes.set_xticks(range(reports[0].players), reports[0].band_names)


def _strength(report: Report) -> float:
    """Opacity of what is drawn of a report: pale where it is no finding."""
    return 1.0 if report.precondition.holds else 0.3


def _draw_sid(axes: Axes, reports: Sequence[Report]) -> None:
    bars = []
    for report in reports:
        ends = report.intervals
        errors = np.stack([report.sid - ends.sid_low, ends.sid_high - report.sid])
        bars.append((report.sid, np.maximum(errors, 0)))
    _draw_bars(axes, reports, bars)
    axes.axhline(1 / reports[0].players, color="#777777", linewidth=0.6, linestyle=":")
    title(axes, "Importance distribution (SID)", _BANDS, "share")


def _draw_shapley(axes: Axes, reports: Sequence[Report]) -> None:
    _draw_bars(axes, reports, [(r.shapley, np.stack([r.shapley_stderr] * 2)) for r in reports])
    axes.axhline(0, color="black", linewidth=0.6)
    title(axes, "Shapley values, signed (± 1 std. error)", "band", "Δ " + value_name(reports[0]))


def _draw_score(axes: Axes, reports: Sequence[Report]) -> None:
    low, high = reports[0].srs_range
    rows = np.arange(len(reports))[::-1]
    for number, (report, row) in enumerate(zip(reports, rows, strict=True)):
        ends = report.intervals.srs_signed
        axes.plot(report.srs_range, [row, row], color="#CCCCCC", linewidth=4, zorder=1)
        shade: dict[str, Any] = {"color": COLOURS[number], "alpha": _strength(report)}
        axes.plot(ends, [row, row], linewidth=1.4, zorder=2, **shade)
        axes.plot(report.srs_signed, row, MARKERS[number], markersize=4.5, **shade)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_ylim(-0.7, len(reports) - 0.3)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    names = (f"{low:.2f}\nhighest only", "0\neven", f"{high:.2f}\nlowest only")
    axes.set_xticks([low, 0, high], names)
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.margins(x=0.01)
    title(axes, "Signed score on its attainable range")


def _draw_curves(axes: Axes, reports: Sequence[Report]) -> None:
    ways = (("lowest first", "-", "full"), ("highest first", "--", "none"))
    for number, report in enumerate(reports):
        curves = coalition_curves(report.coalition_values)
        for curve, (way, line, fill) in zip(curves, ways, strict=True):
            axes.plot(
                curve, line, color=COLOURS[number], alpha=_strength(report), linewidth=1,
                marker=MARKERS[number], fillstyle=fill, markersize=3,
                label=None if number else way,
            )  # fmt: skip
    axes.legend(
        fontsize=SMALL, frameon=False, loc="lower right", bbox_to_anchor=(1.02, 0.97), ncols=2,
        handlelength=2.5, columnspacing=1.0,
    )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    title(axes, "Bands kept", "number of bands kept", "mean " + value_name(reports[0]))


def _strip(report: Report) -> list[tuple[str, NDArray[Any]]]:
    """Example image and its band images, stretched so that they can be seen."""
    assert report.example is not None
    image = np.moveaxis(report.example.astype(np.float64) / 255, -1, 0)
    parts = band_images(image, **partition(report))
    # The image and its lowest band hold the mean colour.
    tiles = [visible(tile, has_lowest=number < 2) for number, tile in enumerate([image, *parts])]
    shown = [np.moveaxis(tile, 0, -1) for tile in tiles]
    return list(zip(["image", *report.band_names], shown, strict=True))


def _strip_rows(tiles: Sequence[Any]) -> int:
    return -(-len(tiles) // _COLUMNS)


def _draw_strip(axes: Axes, tiles: Sequence[tuple[str, NDArray[np.float64]]]) -> None:
    rows = _strip_rows(tiles)
    for number, (name, tile) in enumerate(tiles):
        row, column = divmod(number, _COLUMNS)
        cell = axes.inset_axes(
            (column / _COLUMNS, 1 - (row + 1) / rows, 0.97 / _COLUMNS, 0.82 / rows)
        )
        cell.imshow(tile if tile.shape[2] == 3 else tile[:, :, 0], cmap="gray", vmin=0, vmax=1)
        cell.set_axis_off()
        cell.set_title(name, fontsize=SMALL - 0.5, pad=1.5)
    axes.set_axis_off()
    title(axes, "What the bands hold (contrast stretched)")
