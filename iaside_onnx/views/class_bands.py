"""The classes of a report by band: a row for each class, a column for each band."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..errors import UsageError
from ..plurals import counted
from ..results.class_rows import by_score, estimate_note, finding_notes, reservation
from ..results.report import FEW_IMAGES, Report
from .figure import (
    GREY,
    NOTE,
    SMALL,
    WIDTH,
    Header,
    Picture,
    inches_of,
    is_alone,
    note_lines,
    scale_of,
    title,
    wrapped,
)
from .lettering import beside, fitted, width_of
from .plots import warning_lines
from .text import both_ends, model_name, number, one_line, percent

MOST_ROWS = 120
_ROW, _CELL, _SCORE = 0.135, 0.24, 0.9  # inches
_MOST_NAMES, _BELOW = 1.25, 0.42
_MAP = "YlGnBu"
_DARK = 0.6
_MOST_NUMBERS = 10
_COUNT = " (00)?"  # room of a number of images and a mark
_NOTHING = "no finding: nothing to share out"


def class_figure(report: Report, name: str | None = None) -> Picture:
    """Importance of each band for each class, and beside it the signed score of the class.

    Classes are sorted by that score, those that lean most on high bands on top. Of more than 120
    classes the middle is left out, and the picture says so.

    Raises
    ------
    UsageError
        A report of one class.
    """
    rows = _rows(report)
    profiles = report.class_profiles
    header = Header(
        f"Classes of {both_ends(name or model_name(report), 34)}",
        f"{counted(len(profiles.labels), 'class', 'classes')} (with their images); share of "
        f"importance of each band; whiskers: {percent(report.confidence)} intervals of the "
        "score; dashed: that of all images",
        above=warning_lines([report], [""]),
        below=[
            *note_lines(_notes(report)),
            *wrapped(_left_out(report, rows), NOTE, colour=GREY),
        ],
    )
    size = SMALL - 0.5
    most = _MOST_NAMES - width_of(_COUNT, size)
    names = _counted(report, rows, fitted(_names(report, rows), most, size))
    left = max(width_of(name, size) for name in names) + 0.15
    cells = max(_CELL * report.players, WIDTH - left - _SCORE - 0.2)
    width = left + cells + _SCORE + 0.2
    height = _ROW * len(rows)
    drawn = Picture(width, header.height - 0.1 + height + _BELOW)
    header.draw(drawn)
    top = header.height - 0.1
    axes = drawn.panel(left, top, cells, height)
    _draw_cells(axes, report, rows)
    _set_names(axes, names)
    title(axes, "", "band, low to high frequency")
    scores = drawn.panel(left + cells + 0.1, top, _SCORE, height)
    _draw_scores(scores, report, rows)
    title(scores, "", "signed score")
    return drawn


def draw_classes(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    """Importance of each band for each class, those that lean most on high bands on top."""
    report = reports[0]
    rows = _rows(report)
    _draw_cells(axes, report, rows)
    size = _letter_size(axes, len(rows))
    names_shown = beside(axes, _names(report, rows), size, further=width_of(_COUNT, size))
    _set_names(axes, _counted(report, rows, names_shown), size)
    note = "on top: leans most on high bands; share of importance; in brackets: images"
    if report.class_gains.open.any():
        note += "; ?: too few to tell whether there is enough to share out"
    if is_alone(axes):
        note = f"{both_ends(names[0], 40)}, {counted(len(report.labels), 'image')}; {note}"
        if not report.precondition.holds:
            note = f"NO FINDING; {note}"
    title(axes, "Classes", "band, low to high frequency", "", f"{note} {_left_out(report, rows)}")


def _rows(report: Report) -> NDArray[np.intp]:
    """Classes in the order of all views, without the middle of very many.

    Those of which nothing may be read come last.
    """
    scores = report.class_profiles.best.signed
    if len(scores) < 2:
        raise UsageError("a report of one class has no classes to set side by side")
    order = by_score(report)
    if len(order) <= MOST_ROWS:
        return order
    return np.concatenate([order[: MOST_ROWS // 2], order[-MOST_ROWS // 2 :]])


def _left_out(report: Report, rows: NDArray[np.intp]) -> str:
    left = len(report.class_profiles.labels) - len(rows)
    return f"{left} classes between the upper and the lower {len(rows) // 2} left out" * (left > 0)


def _notes(report: Report) -> list[str]:
    profiles = report.class_profiles
    notes = [(estimate_note(profiles) or "").partition(";")[0], reservation(profiles, FEW_IMAGES)]
    return [one_line(note) for note in [*finding_notes(report), *notes] if note]


def _names(report: Report, rows: NDArray[np.intp]) -> list[str]:
    profiles = report.class_profiles
    return [one_line(report.class_name(int(profiles.labels[row]))) for row in rows]


def _counted(report: Report, rows: NDArray[np.intp], names: Sequence[str]) -> list[str]:
    """Names with the number of images that each class has, marked where a finding is open."""
    images, doubtful = report.class_profiles.images, report.class_gains.open
    return [
        f"{name} ({images[row]}){'?' if doubtful[row] else ''}"
        for name, row in zip(names, rows, strict=True)
    ]


def _letter_size(axes: Axes, rows: int) -> float:
    """Points of the names beside so many rows, so that none touches another."""
    height = axes.get_position().height * inches_of(axes)[1] * 72
    return float(min(SMALL * scale_of(axes), 0.95 * height / rows))


def _set_names(axes: Axes, names: Sequence[str], size: float | None = None) -> None:
    k = scale_of(axes)
    axes.set_yticks(range(len(names)), names, fontsize=size or (SMALL - 0.5) * k, parse_math=False)
    axes.tick_params(length=0, pad=2 * k)


def _draw_cells(axes: Axes, report: Report, rows: NDArray[np.intp]) -> None:
    k = scale_of(axes)
    nothing = report.class_gains.nothing[rows]
    values = np.where(nothing[:, None], np.nan, report.class_profiles.best.sid[rows])
    most = float(np.nanmax(values, initial=0.0)) or 1.0
    axes.imshow(values, cmap=_MAP, vmin=0, vmax=most, aspect="auto", interpolation="nearest")
    size = min((SMALL - 1.2) * k, _letter_size(axes, len(rows)))
    if report.players <= _MOST_NUMBERS and size >= 4:
        for (row, place), value in np.ndenumerate(values):
            if np.isfinite(value):
                axes.text(
                    place, row, number(value, 2), ha="center", va="center_baseline",
                    fontsize=size, color="white" if value > _DARK * most else "#222222",
                )  # fmt: skip
    for row in np.flatnonzero(nothing).tolist() if size >= 4 else ():
        axes.text(
            (report.players - 1) / 2, row, _NOTHING, ha="center", va="center_baseline",
            fontsize=size, color=GREY,
        )  # fmt: skip
    axes.set_xticks(range(report.players), report.band_names)
    for side in axes.spines.values():
        side.set_visible(False)


def _draw_scores(axes: Axes, report: Report, rows: NDArray[np.intp]) -> None:
    k, best = scale_of(axes), report.class_profiles.best
    drawn = np.flatnonzero(~report.class_gains.nothing[rows])
    chosen = rows[drawn]
    values = best.signed[chosen]
    ends = np.stack([values - best.signed_low[chosen], best.signed_high[chosen] - values])
    axes.errorbar(
        values, drawn, xerr=np.clip(np.nan_to_num(ends), 0, None), fmt="o", markersize=2.4 * k,
        elinewidth=0.7 * k, color="#0072B2",
    )  # fmt: skip
    axes.axvline(0, color=GREY, linewidth=0.6 * k, zorder=0)
    axes.axvline(report.srs_signed, color="#D55E00", linewidth=0.8 * k, linestyle="--", zorder=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
