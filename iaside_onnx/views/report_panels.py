"""The panels of reports of `iaside analyze`: each draws one quantity of them into given axes.

Up to `FEW` reports stand side by side as bars and lines, in the colours of a legend; more are rows,
named beside them and ranked by the signed score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.special import stdtrit

from ..errors import UsageError
from ..mathematics.bands import band_images
from ..mathematics.shapley import coalition_curves
from ..plurals import counted
from ..results.finding import NO_FINDING, NOT_A_FINDING
from ..results.report import Report
from .band_tiles import cropped, has_pictures, partition, visible
from .figure import (
    COLOURS,
    FEW,
    HATCHES,
    MARKERS,
    RED,
    SMALL,
    check_count,
    is_alone,
    legend,
    scale_of,
    title,
)
from .ranked import dots, ranks, set_rows, zero
from .text import both_ends, percent, told_apart, value_name

COLUMNS = 5  # of the strip of band images
_BANDS = "band, lowest to highest frequency"
_DARK = 0.6  # of the scale: from here on text in a cell is white
_MOST_NUMBERS = 10  # in a row of a map


def draw_sid(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    """Importance of each band, a share, with its interval; of many reports a map of them."""
    if len(reports) > FEW:
        _draw_sid_map(axes, reports, names)
        return
    bars = []
    for report in reports:
        ends = report.intervals
        errors = np.stack([report.sid - ends.sid_low, ends.sid_high - report.sid])
        bars.append((report.sid, np.maximum(errors, 0)))
    _draw_bars(axes, reports, bars)
    k = scale_of(axes)
    axes.axhline(1 / reports[0].players, color="#555555", linewidth=0.7 * k, linestyle=":")
    _finish(
        axes, reports, names, "Importance distribution (SID)", _BANDS, "share of importance",
        f"{_whiskers(reports[0])}; dotted: even share",
    )  # fmt: skip


def draw_shapley(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    """Shapley value of each band with its interval; of many reports a map of them."""
    if len(reports) > FEW:
        _draw_shapley_map(axes, reports, names)
        return
    bars = [(r.shapley, np.stack([_half_interval(r)] * 2)) for r in reports]
    _draw_bars(axes, reports, bars)
    zero(axes)
    _finish(
        axes, reports, names, "Shapley values, signed", _BANDS,
        f"Δ {value_name(reports[0])}", _whiskers(reports[0]),
    )  # fmt: skip


def draw_score(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    """Signed score of each report on the range that a score can have; of many, the best first."""
    low, high = reports[0].srs_range
    k, several = scale_of(axes), len(reports) > FEW
    order = by_score(reports) if several else np.arange(len(reports))
    ordered = [reports[at] for at in order]
    axes.axvspan(low, high, color="#EDEDED", zorder=0, linewidth=0)
    axes.axvline(0, color="#555555", linewidth=0.7 * k, linestyle=":", zorder=1)
    if several:
        found = {"score": [_with_ends(report) for report in ordered]}
        dots(axes, [names[at] for at in order], found, pale=_pale(ordered))
    else:
        for row, report in enumerate(ordered):
            value, *ends = _with_ends(report)
            shade: dict[str, Any] = {"color": COLOURS[row], "alpha": _strength(report)}
            axes.plot(ends, [row, row], linewidth=1.4 * k, zorder=2, **shade)
            axes.plot(value, row, MARKERS[row], markersize=4.5 * k, **shade)
        if is_alone(axes):
            set_rows(axes, list(names), _pale(ordered))
        else:
            axes.set_yticks([])
            axes.set_ylim(len(reports) - 0.3, -0.7)
    axes.spines["left"].set_visible(False)
    only, on_range = ("", "") if several else (" only", " on its attainable range")
    texts = (f"{low:.2f}\nhighest{only}", "0\neven", f"{high:.2f}\nlowest{only}")
    axes.set_xticks([low, 0, high], texts)
    first, _, last = axes.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    axes.set_xlim(low, high)
    axes.margins(x=0.01)
    _finish(
        axes, reports, names, "Signed score" + on_range, "", "", _whiskers(reports[0]),
        keys=False,
    )  # fmt: skip


def draw_accuracy(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    """Accuracy of each report on clean images with its interval, in the order of the score."""
    from ..mathematics.proportion import wilson

    order = by_score(reports) if len(reports) > FEW else np.arange(len(reports))
    found: list[tuple[float, float, float] | None] = []
    for at in order:
        report = reports[at]
        if report.accuracy is None:
            found.append(None)
            continue
        count = len(report.labels)
        right = np.asarray((report.predicted == report.labels).sum())
        low, high = wilson(right, np.asarray(count), report.confidence)
        found.append((report.accuracy, float(low), float(high)))
    dots(axes, [names[at] for at in order], {"accuracy": found})
    axes.set_xlim(0, 1)
    _finish(
        axes, reports, names, "Clean accuracy", "share of images right", "",
        f"whiskers: {percent(reports[0].confidence)} intervals (Wilson)", keys=False,
        derived=False,
    )  # fmt: skip


def draw_curves(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    """Value as bands are kept from the low and from the high end.

    Raises
    ------
    UsageError
        More reports than there are colours, or one of drawn coalitions, of which no curve is known.
    """
    check_count(len(reports), "reports where lines are drawn", len(COLOURS))
    if not all(report.exact for report in reports):
        raise UsageError("curves need reports in which all coalitions were evaluated")
    k = scale_of(axes)
    for number, report in enumerate(reports):
        curves = coalition_curves(report.coalition_values)
        for curve, line, fill in zip(curves, ("-", "--"), ("full", "none"), strict=True):
            axes.plot(
                curve, line, color=COLOURS[number], alpha=_strength(report), linewidth=1 * k,
                marker=MARKERS[number], fillstyle=fill, markersize=3 * k,
                label=names[number] if fill == "full" else None,
            )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _finish(
        axes, reports, names, "Bands kept", "number of bands kept",
        f"mean {value_name(reports[0])}",
        "solid, filled: the lowest; dashed, hollow: the highest",
    )  # fmt: skip


def draw_strip(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    """The example of a report and what each of its bands holds, contrast stretched band by band.

    Raises
    ------
    UsageError
        The report holds no example.
    """
    report = reports[0]
    if not has_pictures(report):
        raise UsageError("this report holds no example image to draw the bands of")
    k = scale_of(axes)
    tiles, crop = strip(report)
    rows = strip_rows(len(tiles))
    for number, (name, tile) in enumerate(tiles):
        row, column = divmod(number, COLUMNS)
        cell = axes.inset_axes(
            (column / COLUMNS, 1 - (row + 1) / rows, 0.97 / COLUMNS, 0.82 / rows)
        )
        cell.imshow(
            tile if tile.shape[2] == 3 else tile[:, :, 0], cmap="gray", vmin=0, vmax=1,
            interpolation="antialiased" if number == 0 else "nearest",
        )  # fmt: skip
        if number == 0 and crop is not None:
            top, left, size = crop
            frame = (left - 0.5, top - 0.5), size, size
            cell.add_patch(Rectangle(*frame, fill=False, edgecolor=RED, linewidth=0.8 * k))
        cell.set_axis_off()
        cell.set_title(name, fontsize=(SMALL - 0.5) * k, pad=1.5 * k)
    axes.set_axis_off()
    note = "contrast stretched band by band, but for the lowest"
    if crop is not None:
        note += f"; bands of the {crop[2]} x {crop[2]} pixels framed in the image"
    _finish(axes, reports, names, "What the bands hold", "", "", note, keys=False, derived=False)


def strip(report: Report) -> tuple[list[tuple[str, NDArray[Any]]], tuple[int, int, int] | None]:
    """Example image and its band images, made visible, and the part of it that these show.

    Fine bands of a large image do not survive being made as small as a tile is: tiles of bands
    hold its middle, a pixel for a pixel.
    """
    assert report.example is not None
    image = np.moveaxis(report.example.astype(np.float64) / 255, -1, 0)
    parts = list(band_images(image, **partition(report)))
    crop = cropped(*image.shape[1:])
    if crop is not None:
        top, left, size = crop
        parts = [part[:, top : top + size, left : left + size] for part in parts]
    # The image and its lowest band hold the mean colour.
    whole = [image, *parts]
    tiles = [visible(tile, has_lowest=number < 2) for number, tile in enumerate(whole)]
    in_rows = [np.moveaxis(tile, 0, -1) for tile in tiles]
    return list(zip(["image", *report.band_names], in_rows, strict=True)), crop


def strip_rows(tiles: int) -> int:
    """Rows of the strip."""
    return -(-tiles // COLUMNS)


def by_score(reports: Sequence[Report]) -> NDArray[np.intp]:
    """The order in which many reports stand: the highest signed score first, silent ones last."""
    scores = [r.srs_signed if r.precondition.holds else np.nan for r in reports]
    return ranks(scores, highest=True)


def _draw_bars(
    axes: Axes, reports: Sequence[Report], bars: Iterable[tuple[NDArray[Any], NDArray[Any]]]
) -> None:
    """Grouped bars with error bars: heights and (2, M) error lengths for each report."""
    width, k = 0.8 / len(reports), scale_of(axes)
    for number, (report, (heights, errors)) in enumerate(zip(reports, bars, strict=True)):
        shift = (number - (len(reports) - 1) / 2) * width
        axes.bar(
            np.arange(report.players) + shift, heights, width * 0.94, color=COLOURS[number],
            alpha=_strength(report), edgecolor="white", linewidth=0.3 * k,
            hatch=HATCHES[number] if len(reports) > 1 else "", yerr=errors,
            error_kw={"elinewidth": 0.7 * k, "capsize": 1.5 * k, "capthick": 0.7 * k},
        )  # fmt: skip
    axes.set_xticks(range(reports[0].players), reports[0].band_names)


def _draw_sid_map(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    order = by_score(reports)
    ordered = [reports[at] for at in order]
    values = np.stack([report.sid for report in ordered])
    _cells(axes, values, "YlGnBu", 0.0, float(values.max()) or 1.0, ordered)
    set_rows(axes, [names[at] for at in order], _pale(ordered))
    _finish(
        axes, reports, names, "Importance distribution (SID)", _BANDS, "",
        "share of importance", keys=False,
    )  # fmt: skip


def _draw_shapley_map(axes: Axes, reports: Sequence[Report], names: Sequence[str]) -> None:
    order = by_score(reports)
    ordered = [reports[at] for at in order]
    values = np.stack([report.shapley for report in ordered])
    most = float(np.abs(values).max()) or 1.0
    _cells(axes, values, "PuOr_r", -most, most, ordered)
    set_rows(axes, [names[at] for at in order], _pale(ordered))
    _finish(
        axes, reports, names, "Shapley values, signed", _BANDS, "",
        f"Δ {value_name(reports[0])}", keys=False,
    )  # fmt: skip


def _cells(
    axes: Axes,
    values: NDArray[np.float64],
    colours: str,
    low: float,
    high: float,
    reports: Sequence[Report],
) -> None:
    """A map of reports by bands with its numbers, which are left out where they would not fit."""
    k = scale_of(axes)
    strength = np.array([_strength(report) for report in reports])
    axes.imshow(
        values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="nearest",
        alpha=np.broadcast_to(strength[:, None], values.shape),
    )  # fmt: skip
    if values.shape[1] <= _MOST_NUMBERS:
        for (row, place), value in np.ndenumerate(values):
            axes.text(
                place, row, f"{value:.2f}", ha="center", va="center_baseline",
                fontsize=(SMALL - 1) * k,
                color="white" if abs(value) * strength[row] > _DARK * high else "#222222",
            )  # fmt: skip
    axes.set_xticks(range(reports[0].players), reports[0].band_names)
    for side in axes.spines.values():
        side.set_visible(False)


def _with_ends(report: Report) -> tuple[float, float, float]:
    low, high = report.intervals.srs_signed
    return report.srs_signed, low, high


def _half_interval(report: Report) -> NDArray[np.float64]:
    """Half the interval of a mean over images (Student's)."""
    freedom = max(len(report.labels) - 1, 1)
    factor = float(stdtrit(freedom, 0.5 + report.confidence / 2))
    return np.asarray(factor * report.shapley_stderr)


def _whiskers(report: Report) -> str:
    return f"whiskers: {percent(report.confidence)} intervals"


def _strength(report: Report) -> float:
    """Opacity of what is drawn of a report: pale where it is no finding."""
    return 1.0 if report.precondition.holds else 0.3


def _pale(reports: Sequence[Report]) -> list[bool]:
    return [not report.precondition.holds for report in reports]


def _finish(
    axes: Axes,
    reports: Sequence[Report],
    names: Sequence[str],
    heading: str,
    across: str,
    up: str,
    note: str,
    *,
    keys: bool = True,
    derived: bool = True,
) -> None:
    """Title and axes; where the panel stands alone, also whose it is, and what is no finding."""
    alone, silent = is_alone(axes), _pale(reports)
    few = len(reports) <= FEW
    if alone and len(reports) == 1:
        note = f"{both_ends(names[0], 40)}, {counted(len(reports[0].labels), 'image')}; {note}"
    if any(silent) and alone and derived:
        which = [both_ends(name, 24) for name, pale in zip(names, silent, strict=True) if pale]
        whose = "" if len(reports) == 1 else f" ({', '.join(which[:3])}{' ...' * (len(which) > 3)})"
        note = f"{NO_FINDING.upper()}{whose}, faint: {NOT_A_FINDING}. {note}"
    if all(silent) and derived:
        across = ": ".join(filter(None, [across, NOT_A_FINDING]))
    title(axes, heading, across, up, note)
    if all(silent) and derived:
        axes.xaxis.label.set_color(RED)
    if alone and keys and few and len(reports) > 1:
        _series_legend(axes, names)


def _series_legend(axes: Axes, names: Sequence[str]) -> None:
    """Which report is in which colour, above what else the panel draws."""
    if axes.patches:
        handles: list[Any] = [
            Rectangle((0, 0), 1, 1, facecolor=COLOURS[at], edgecolor="white", hatch=HATCHES[at])
            for at in range(len(names))
        ]
    else:
        handles = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    legend(axes, handles=handles, labels=told_apart(names, 32))
