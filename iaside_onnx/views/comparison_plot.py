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
    FEW,
    GREY,
    MARKERS,
    SMALL,
    Header,
    Panel,
    Picture,
    check_count,
    column,
    is_alone,
    legend,
    note_lines,
    reason_lines,
    scale_of,
    title,
)
from .lettering import room_for
from .ranked import ROW, ranks, set_rows, zero
from .text import percent, told_apart

_NAME = 24  # letters
_MOST_NAMES = 1.3  # inches
_DARK = 0.6
_SAY = {"srs_signed": "signed score", "accuracy": "clean accuracy"}
_BANDS = "band, lowest frequency first"


def comparison_figure(comparison: Comparison) -> Picture:
    """Differences of SID, Shapley values, score and accuracy, other minus reference.

    Filled markers are differences that are seen (p below 1 - confidence; bands after Holm's
    correction), hollow ones are not. Grey bars reach as far as the minimum detectable effect.
    Where the reference has replicates, a small cross is each of its trainings less their mean.
    More than four pairs stand in rows, the highest difference of the score on top.

    Raises
    ------
    UsageError
        More than twelve pairs.
    """
    pairs, view = comparison.pairs, comparison.view
    check_count(len(pairs), "comparisons")
    name, *others = _called(comparison)
    many = len(pairs) > FEW
    if comparison.replicates:
        name = f"{1 + len(comparison.replicates)} trainings like {name}"
    header = Header(
        f"Against {name}",
        f"other - reference, {view['value']}, whiskers: {percent(view['confidence'])} intervals; "
        "filled: seen" + ("; x: trainings" if comparison.replicates else ""),
        [] if many else list(map(_entry, pairs, others)),
        above=reason_lines(" ".join(no_finding_of(comparison)) or None),
        below=note_lines([f"{pair.report}: {note}." for pair in pairs for note in pair.notes]),
        look="mark",
    )
    rows = ROW * len(pairs) if many else 0.14 + 0.19 * len(pairs)
    known = all(pair.accuracy is not None for pair in pairs)
    bands = rows if many else 1.3
    panels = [
        Panel(rows, 0.45, lambda axes: draw_score(axes, [comparison], []), above=0.12),
        *[Panel(rows, 0.45, lambda axes: draw_accuracy(axes, [comparison], []), above=0.12)]
        * known,
        Panel(bands, 0.45, lambda axes: draw_sid(axes, [comparison], []), above=0.12),
        Panel(bands, 0.45, lambda axes: draw_shapley(axes, [comparison], []), above=0.12),
    ]
    if not many:
        return column(header, panels)
    _, wide = room_for(others, _MOST_NAMES)
    return column(header, panels, left=wide + 0.15, width=3.4 - wide - 0.15)


def draw_score(axes: Axes, found: Sequence[Comparison], _: Sequence[str]) -> None:
    """Difference of the signed score of each report from the reference."""
    _draw_rows(axes, found[0], "srs_signed", found[0].margin)


def draw_accuracy(axes: Axes, found: Sequence[Comparison], _: Sequence[str]) -> None:
    """Difference of the clean accuracy of each report from the reference."""
    _draw_rows(axes, found[0], "accuracy", None)


def draw_sid(axes: Axes, found: Sequence[Comparison], _: Sequence[str]) -> None:
    """Differences of the importance of each band."""
    _draw_bands(axes, found[0], "sid")


def draw_shapley(axes: Axes, found: Sequence[Comparison], _: Sequence[str]) -> None:
    """Differences of the Shapley value of each band."""
    _draw_bands(axes, found[0], "shapley")


def _called(comparison: Comparison) -> list[str]:
    """The reference and the others, by names of few letters."""
    pairs = [pair.report for pair in comparison.pairs]
    return told_apart([comparison.reference["report"], *pairs], _NAME)


def _entry(pair: Pair, name: str) -> str:
    if pair.no_finding:
        return f"{name}: {NOT_A_FINDING}"
    return (
        f"{name}: {pair.shared} shared, signed score "
        f"{pair.srs_signed.other:+.3f} against {pair.srs_signed.reference:+.3f}"
    )


def _mark(axes: Axes, number: int, x: float, y: float, *, filled: bool, label: str = "") -> None:
    k = scale_of(axes)
    axes.plot(
        x, y, MARKERS[number], color=COLOURS[number], markersize=4 * k, markeredgewidth=0.8 * k,
        zorder=3, markerfacecolor=COLOURS[number] if filled else "white", label=label or None,
    )  # fmt: skip


def _trainings(d: Difference) -> list[float]:
    """Every training of the reference less their mean."""
    return [t - d.reference for t in d.trainings] if isinstance(d, TrainingDifference) else []


def _order(comparison: Comparison) -> list[int]:
    """Pairs from the top: as given, and of many the highest difference of the score first."""
    pairs = comparison.pairs
    if len(pairs) <= FEW:
        return list(range(len(pairs)))
    return list(map(int, ranks([pair.srs_signed.difference for pair in pairs], highest=True)))


def _draw_rows(axes: Axes, comparison: Comparison, part: str, margin: float | None) -> None:
    pairs, k = comparison.pairs, scale_of(axes)
    name, *others = _called(comparison)
    many, level = len(pairs) > FEW, 1 - float(comparison.view["confidence"])
    order = _order(comparison)
    for row, number in enumerate(order):
        d: Difference | None = getattr(pairs[number], part)
        look = 0 if many else number
        if d is None:
            continue
        axes.plot([-d.mde, d.mde], [row, row], color="#DDDDDD", linewidth=5 * k, zorder=1)
        axes.plot([d.low, d.high], [row, row], color=COLOURS[look], linewidth=1.3 * k, zorder=2)
        for apart in _trainings(d):
            axes.plot(apart, row, "x", color=GREY, markersize=3 * k, zorder=2.5)
        _mark(axes, look, d.difference, row, filled=d.p < level)
    zero(axes, upright=True)
    for side in (-1, 1) if margin is not None else ():
        axes.axvline(side * (margin or 0.0), color="#555555", linewidth=0.7 * k, linestyle=":")
    if many or is_alone(axes):
        set_rows(axes, [others[number] for number in order])
    else:
        axes.set_yticks([])
        axes.set_ylim(len(pairs) - 0.3, -0.7)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=6)
    note = "grey: less than a detectable effect" + (", dotted: margin" if margin else "")
    if is_alone(axes):
        note = f"other - {name}; {_whiskers(comparison)}; filled: seen; {note}"
    title(axes, f"Difference of {_SAY[part]}", "", "", note)


def _draw_bands(axes: Axes, comparison: Comparison, part: str) -> None:
    what = "Difference of SID" if part == "sid" else "Difference of Shapley values"
    name, *others = _called(comparison)
    count, k = len(comparison.pairs), scale_of(axes)
    axes.set_xticks(np.arange(len(comparison.bands)), comparison.bands)
    if count > FEW:
        _draw_map(axes, comparison, part)
        order = _order(comparison)
        set_rows(axes, [others[number] for number in order])
        title(axes, what, _BANDS, "", f"other - {name}; bold: seen (Holm)")
        return
    level, spread = 1 - float(comparison.view["confidence"]), 0.6 / count
    for number, pair in enumerate(comparison.pairs):
        for band, d in enumerate(getattr(pair, part)):
            x = band + (number - (count - 1) / 2) * spread
            axes.plot([x, x], [d.low, d.high], color=COLOURS[number], linewidth=1.1 * k, zorder=2)
            for apart in _trainings(d):
                axes.plot(x, apart, "x", color=GREY, markersize=2.5 * k, zorder=2.5)
            filled = (d.p_holm or 0.0) < level
            label = others[number] if band == 0 else ""
            _mark(axes, number, x, d.difference, filled=filled, label=label)
    zero(axes)
    if is_alone(axes) and count > 1:
        legend(axes)
    note = f"{_whiskers(comparison)}; filled: seen (Holm)"
    if is_alone(axes):
        note = f"other - {name}; {note}"
    title(axes, what, _BANDS, "difference", note)


def _draw_map(axes: Axes, comparison: Comparison, part: str) -> None:
    """Differences as a map of rows by bands; those that are seen are bold."""
    k, level = scale_of(axes), 1 - float(comparison.view["confidence"])
    rows = [getattr(comparison.pairs[number], part) for number in _order(comparison)]
    values = np.array([[d.difference for d in row] for row in rows])
    most = max(float(np.abs(values).max()), 1e-9)
    axes.imshow(values, cmap="PuOr_r", vmin=-most, vmax=most, aspect="auto")
    for (row, band), value in np.ndenumerate(values):
        seen = (rows[row][band].p_holm or 0.0) < level
        axes.text(
            band, row, f"{value:+.2f}", ha="center", va="center_baseline",
            fontsize=(SMALL - 1) * k, fontweight="bold" if seen else "normal",
            color="white" if abs(value) > _DARK * most else "#222222",
        )  # fmt: skip
    axes.spines[:].set_visible(False)


def _whiskers(comparison: Comparison) -> str:
    return f"whiskers: {percent(comparison.view['confidence'])} intervals"
