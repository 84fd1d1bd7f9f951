"""Pictures of reports: `figure` draws, `save_figure` writes; nothing is ever shown.

One column of panels, 3.5 inches wide, so that a picture placed in one column of a paper keeps its
text size. Colours are Okabe and Ito's, distinguishable with every common colour blindness;
several reports also differ by marker and hatch.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..comparisons.comparable import drawn_together
from ..errors import UsageError
from ..mathematics.bands import band_images
from ..mathematics.shapley import coalition_curves
from ..results.finding import NO_FINDING, NOT_A_FINDING
from ..results.report import Report, load
from ..results.robustness import RobustnessReport
from ..storage.output_file import check_free, whole_file
from . import plot_words as words
from .text import one_line

FORMATS = (".png", ".svg", ".pdf")
MOST_REPORTS = 6
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
_HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")
WIDTH = 3.5
_TEXT, SMALL = 7.5, 6.5
_DPI = 300
_SHOWN_DPI, _SHOWN_SCALE = 240, 2  # pixels that a notebook gets, and how many it puts in one
_COLUMNS = 5  # of the strip of band images
_VALUE_NAMES = {
    "log-prob": "log-probability",
    "log-prob-clipped": "log-probability (floored)",
    "prob": "probability",
}


class Picture(Figure):
    """A figure that notebooks show by themselves, without pyplot and its global state."""

    def __init__(self, width: float, height: float) -> None:
        super().__init__(figsize=(width, height))
        FigureCanvasAgg(self)

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        target = io.BytesIO()
        self.savefig(target, format="png", dpi=_SHOWN_DPI)
        size = self.get_size_inches() * _SHOWN_DPI / _SHOWN_SCALE
        return target.getvalue(), {"width": round(size[0]), "height": round(size[1])}


def plot(*reports: Report | str | Path, names: Sequence[str] | None = None) -> Figure:
    """Draw one report, or up to six side by side, as ``iaside plot`` does.

    Parameters
    ----------
    *reports : Report or path
        What to draw: reports of one game with images in common, as `compare` takes them; all are
        seen through the view of the first.
    names : sequence of str, optional
        What the legend calls them; by default paths by their file names and reports by those
        of their models.

    Returns
    -------
    matplotlib Figure
        3.5 inches wide; notebooks show it, ``figure.savefig(path)`` writes it.

    Raises
    ------
    UsageError
        No report, too many, different numbers of bands, or not one name a report.
    ReportError
        A path is no finished report, or the reports cannot be compared.

    Examples
    --------
    >>> drawn = ia.plot("plain.h5", "robust.h5")
    >>> drawn.savefig("both.pdf")
    """
    named = names or [Path(r.model["path"] if isinstance(r, Report) else r).stem for r in reports]
    if len(named) != len(reports):
        raise UsageError(f"plot: {len(reports)} reports, but {len(named)} names")
    return figure([r if isinstance(r, Report) else load(r) for r in reports], named)


def save_figure(
    reports: Sequence[Report],
    names: Sequence[str],
    target: Path,
    *,
    overwrite: bool = False,
    robustness: Sequence[RobustnessReport | None] | None = None,
) -> None:
    """Draw reports and write the picture; nothing is left behind when that fails.

    Raises
    ------
    UsageError
        Another ending than .png, .svg or .pdf, or too many reports.
    ReportError
        The file exists and `overwrite` is not set, or it cannot be written.
    """
    write_figure(lambda: figure(reports, names, robustness), target, overwrite=overwrite)


def write_figure(draw: Callable[[], Figure], target: Path, *, overwrite: bool = False) -> None:
    """Write what `draw` makes, after looking whether `target` can be written.

    Raises
    ------
    UsageError, ReportError
        As for `save_figure`.
    """
    check_picture(target, overwrite=overwrite)
    drawn = draw()
    with whole_file(target) as scratch:
        drawn.savefig(scratch, format=target.suffix[1:].lower(), dpi=_DPI)


def check_picture(target: Path, *, overwrite: bool) -> None:
    """Refuse a name that no picture can be written under.

    Raises
    ------
    UsageError
        Another ending than .png, .svg or .pdf.
    ReportError
        The file exists and `overwrite` is not set.
    """
    if target.suffix.lower() not in FORMATS:
        raise UsageError(f"{target}: a picture's name ends in {', '.join(FORMATS)}")
    check_free(target, overwrite=overwrite)


def figure(
    reports: Sequence[Report],
    names: Sequence[str] | None = None,
    robustness: Sequence[RobustnessReport | None] | None = None,
) -> Figure:
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

    Returns
    -------
    matplotlib Figure
        3.5 inches wide; below its legend stands what to bear in mind about the reports.

    Raises
    ------
    UsageError
        No report, too many, or different numbers of bands.
    ReportError
        The reports cannot be compared.
    """
    if not 1 <= len(reports) <= MOST_REPORTS:
        raise UsageError(f"a picture takes 1 to {MOST_REPORTS} reports, not {len(reports)}")
    if len({report.players for report in reports}) > 1:
        raise UsageError("the reports have different numbers of bands; plot them one by one")
    labels = [one_line(name) for name in (names or [Path(r.model["path"]).stem for r in reports])]
    reports, notes = drawn_together(list(zip(labels, reports, strict=True)))
    lines = [line for note in notes for line in textwrap.wrap(f"{note}.", 76)]
    # Height of each panel and of what stands below it, in inches.
    panels: list[tuple[float, float, Callable[[Axes], None]]] = [
        (1.3, 0.52, lambda axes: _draw_sid(axes, reports)),
        (1.3, 0.52, lambda axes: _draw_shapley(axes, reports)),
        (0.1 + 0.18 * len(reports), 0.55, lambda axes: _draw_score(axes, reports)),
    ]
    if all(report.exact for report in reports):  # else no curve is known
        panels.append((1.45, 0.58, lambda axes: _draw_curves(axes, reports)))
    strip = _strip(reports[0])
    if strip is not None:
        panels.append((0.74 * _strip_rows(strip), 0.05, lambda axes: _draw_strip(axes, strip)))
    warned = words.warning_lines(reports, labels)
    said = words.finding_lines(reports, labels, robustness or [None] * len(reports))
    about = 0.42 + 0.14 * len(reports)
    noted = 0.05 + words.NOTE_LINE * len(lines) if lines else 0.0
    header = 0.08 + words.lines_height(warned) + about + noted + words.lines_height(said) + 0.24
    total = header + sum(tall + below for tall, below, _ in panels)
    drawn = Picture(WIDTH, total)
    top = total - 0.08
    words.draw_lines(drawn, warned, top, total)
    top -= words.lines_height(warned)
    _draw_header(drawn, reports, labels, lines, top, total)
    words.draw_lines(drawn, said, top - about - noted, total)
    top = total - header
    mute = not any(report.precondition.holds for report in reports)
    for tall, below, draw in panels:
        axes = drawn.add_axes((0.17, (top - tall) / total, 0.8, tall / total))
        style(axes)
        draw(axes)
        if mute:
            across = filter(None, [axes.get_xlabel(), NOT_A_FINDING])
            axes.set_xlabel(": ".join(across), fontsize=SMALL, labelpad=1.5, color=words.RED)
        top -= tall + below
    return drawn


def style(axes: Axes) -> None:
    """The look of every panel."""
    axes.tick_params(labelsize=SMALL, length=2, pad=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)


def title(axes: Axes, text: str, across: str = "", up: str = "") -> None:
    """Title of a panel and its axes."""
    axes.set_title(text, fontsize=_TEXT, loc="left", pad=3, fontweight="bold")
    axes.set_xlabel(across, fontsize=SMALL, labelpad=1.5)
    axes.set_ylabel(up, fontsize=SMALL, labelpad=2)


def _draw_header(
    drawn: Figure,
    reports: Sequence[Report],
    labels: Sequence[str],
    lines: Sequence[str],
    top: float,
    total: float,
) -> None:
    first = reports[0]
    line = top - 0.1
    shared = (
        f"{first.settings['bands']} bands ({first.settings['norm']}), absence "
        f"{first.settings['absence']}, {first.settings['value']}, "
        f"{first.confidence:.0%} intervals"
    )
    drawn.text(0.03, line / total, "Spectral importance", fontsize=8.5, fontweight="bold")
    drawn.text(0.03, (line - 0.15) / total, shared, fontsize=SMALL, color="#444444")
    for number, (report, label) in enumerate(zip(reports, labels, strict=True)):
        level = (line - 0.31 - 0.14 * number) / total
        shown = label if len(label) <= 24 else label[:23] + "…"
        holds = report.precondition.holds
        score = f"signed SRS {report.srs_signed:+.3f}" if holds else NO_FINDING.upper()
        drawn.text(0.03, level, "■", fontsize=SMALL, color=COLOURS[number])
        drawn.text(
            0.065,
            level,
            f"{shown}: {len(report.labels)} images, accuracy {report.accuracy:.3f}, {score}",
            fontsize=SMALL,
            parse_math=False,
        )
    words.draw_notes(drawn, lines, line - 0.31 - 0.14 * len(reports), total)


def _offsets(count: int) -> tuple[NDArray[np.float64], float]:
    width = 0.8 / count
    return (np.arange(count, dtype=np.float64) - (count - 1) / 2) * width, width


def _draw_bars(
    axes: Axes,
    reports: Sequence[Report],
    bars: Callable[[Report], tuple[NDArray[Any], NDArray[Any]]],
) -> None:
    """Grouped bars with error bars; `bars` gives heights and (2, M) error lengths."""
    offsets, width = _offsets(len(reports))
    for number, report in enumerate(reports):
        heights, errors = bars(report)
        axes.bar(
            np.arange(report.players) + offsets[number],
            heights,
            width * 0.94,
            color=COLOURS[number],
            alpha=_strength(report),
            edgecolor="white",
            linewidth=0.3,
            hatch=_HATCHES[number] if len(reports) > 1 else "",
            yerr=errors,
            error_kw={"elinewidth": 0.7, "capsize": 1.5, "capthick": 0.7},
        )
    axes.set_xticks(range(reports[0].players), reports[0].band_names)


def _strength(report: Report) -> float:
    """Opacity of what is drawn of a report: pale where it is no finding."""
    return 1.0 if report.precondition.holds else 0.3


def _draw_sid(axes: Axes, reports: Sequence[Report]) -> None:
    def bars(report: Report) -> tuple[NDArray[Any], NDArray[Any]]:
        ends = report.intervals
        errors = np.stack([report.sid - ends.sid_low, ends.sid_high - report.sid])
        return report.sid, np.maximum(errors, 0)

    _draw_bars(axes, reports, bars)
    axes.axhline(1 / reports[0].players, color="#777777", linewidth=0.6, linestyle=":")
    title(axes, "Importance distribution (SID)", "band, lowest to highest frequency", "share")


def _draw_shapley(axes: Axes, reports: Sequence[Report]) -> None:
    _draw_bars(
        axes, reports, lambda report: (report.shapley, np.stack([report.shapley_stderr] * 2))
    )
    axes.axhline(0, color="black", linewidth=0.6)
    title(axes, "Shapley values, signed (± 1 std. error)", "band", "Δ " + _value_name(reports))


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
    ends_text = (f"{low:.2f}\nhighest only", "0\neven", f"{high:.2f}\nlowest only")
    axes.set_xticks([low, 0, high], ends_text)
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.margins(x=0.01)
    title(axes, "Signed score on its attainable range")


def _draw_curves(axes: Axes, reports: Sequence[Report]) -> None:
    steps = np.arange(reports[0].players + 1)
    for number, report in enumerate(reports):
        for curve, line, fill in zip(
            coalition_curves(report.coalition_values), ("-", "--"), ("full", "none"), strict=True
        ):
            axes.plot(
                steps,
                curve,
                line,
                color=COLOURS[number],
                alpha=_strength(report),
                marker=MARKERS[number],
                fillstyle=fill,
                markersize=3,
                linewidth=1,
                label=("lowest first" if line == "-" else "highest first") if not number else None,
            )
    axes.legend(
        fontsize=SMALL,
        frameon=False,
        loc="lower right",
        bbox_to_anchor=(1.02, 0.97),
        ncols=2,
        handlelength=2.5,
        columnspacing=1.0,
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    title(axes, "Bands kept", "number of bands kept", "mean " + _value_name(reports))


def _value_name(reports: Sequence[Report]) -> str:
    return _VALUE_NAMES.get(str(reports[0].settings["value"]), "value")


def _strip(report: Report) -> list[tuple[str, NDArray[np.float64]]] | None:
    """Example image and its band images, stretched so that they can be seen."""
    if report.example is None or report.example.shape[2] not in (1, 3):
        return None
    settings = report.settings
    image = np.moveaxis(report.example.astype(np.float64) / 255, -1, 0)
    parts = band_images(
        image,
        int(settings["bands"]),
        str(settings["norm"]),
        separate_dc=bool(settings["separate_dc"]),
    )
    if len(parts) != report.players:
        return None
    tiles = [("image", image)]
    for name, part in zip(report.band_names, parts, strict=True):
        offset = 0.5 if len(tiles) > 1 else 0.0  # the lowest holds the mean colour
        size = np.percentile(np.abs(part), 99) or 1.0
        tiles.append((name, part if not offset else offset + 0.5 * part / size))
    return [(name, np.moveaxis(np.clip(tile, 0, 1), 0, -1)) for name, tile in tiles]


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
