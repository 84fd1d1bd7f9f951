"""Damage by band of several models, on a terminal and as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ..comparisons.damage import DamageComparison, DamagePair
from ..mathematics.paired import Difference
from ..results.damage_words import perturbation_name
from .comparison_rows import difference_cells
from .figure import (
    COLOURS,
    HATCHES,
    MARKERS,
    Header,
    Panel,
    Picture,
    check_count,
    column,
    is_alone,
    legend,
    note_lines,
    scale_of,
    title,
)
from .ranked import zero
from .terminal import Rows, table, terminal
from .text import number, one_line, percent, told_apart

# Letters of a name over a column, and beside its colour.
_NAME, _ENTRY = 14, 40
_BANDS = "band, lowest frequency first"


def print_damage_comparison(comparison: DamageComparison) -> None:
    """For every pair what differs, then the values of both reports with their differences."""
    out = terminal()
    name, model = comparison.reference["report"], comparison.reference["model"]["path"]
    out.say(
        f"Reference: {one_line(name)} ({one_line(model)}), "
        f"{one_line(perturbation_name(comparison.perturbation))}. Differences are other - "
        f"reference in {comparison.unit}, with {percent(comparison.view['confidence'])} intervals"
    )
    for pair in comparison.pairs:
        left = pair.left_out
        counts = f"{pair.report}: {pair.shared} shared images (contents {pair.contents})"
        if any(left.values()):
            counts += (
                f"; left out: {left['reference']} of the reference, {left['other']} of its own"
            )
        said = [counts, *dict.fromkeys(pair.verdict.values())]
        out.say(*map(one_line, said), *(f"Note: {one_line(note)}." for note in pair.notes))
        out.print(_table(comparison, pair))


def _digits(comparison: DamageComparison) -> int:
    return 1 if comparison.view["value"] in ("right", "same-answer") else 3


def _rows(comparison: DamageComparison, pair: DamagePair) -> list[tuple[str, Difference]]:
    rows = [("clean", pair.clean), ("perturbed", pair.perturbed), ("lost", pair.damage)]
    names = (f"band {name}" if name != "DC" else name for name in comparison.bands)
    return [*rows, *zip(names, pair.bands, strict=True)]


def _table(comparison: DamageComparison, pair: DamagePair) -> Rows:
    level, digits = 1 - float(comparison.view["confidence"]), _digits(comparison)
    rows = []
    for name, d in _rows(comparison, pair):
        cells = [number(round(value, digits) + 0.0, digits) for value in (d.reference, d.other)]
        cells += difference_cells(d, digits)
        p = d.p if d.p_holm is None else d.p_holm
        seen = p < level and (pair.judged or d is pair.clean or d is pair.perturbed)
        rows.append([name, *cells[:-1], cells[-1] + ("*" if seen else " ")])
    reference, other = told_apart([comparison.reference["report"], pair.report], _NAME)
    headings = [
        f"reference\n{reference}", f"other\n{other}", "other -\nreference", "interval", "p",
    ]  # fmt: skip
    caption = (
        "lost: what the perturbation costs; the bands sum to it. Interval and p are of each row "
        f"alone. * below {level:.2g}; of bands, where that also holds among all "
        f"{len(comparison.bands)} (Holm)."
    )
    filled = table([""], headings, rows, caption=caption, tight=True)
    filled.sections = {2}
    return filled


def damage_comparison_figure(comparison: DamageComparison) -> Picture:
    """What comes in through each band with each model, and below it the differences.

    Raises
    ------
    UsageError
        More pairs than there are colours.
    """
    check_count(1 + len(comparison.pairs), "damage reports compared", len(COLOURS))
    reports = [comparison.reference["report"], *(pair.report for pair in comparison.pairs)]
    reference, *names = told_apart(reports, _ENTRY)
    header = Header(
        "Damage by band, compared",
        f"{one_line(perturbation_name(comparison.perturbation))}, {comparison.unit}; "
        f"{percent(comparison.view['confidence'])} intervals",
        [
            f"{reference} (reference)",
            *(
                f"{name}: {pair.shared} shared"
                for name, pair in zip(names, comparison.pairs, strict=True)
            ),
        ],
        below=note_lines([f"{pair.report}: {n}." for pair in comparison.pairs for n in pair.notes]),
        look="both",
    )
    return column(
        header,
        [
            Panel(1.3, 0.5, lambda axes: draw_shares(axes, [comparison], []), above=0.12),
            Panel(1.3, 0.45, lambda axes: draw_differences(axes, [comparison], []), above=0.12),
        ],
    )


def draw_shares(axes: Axes, comparisons: Sequence[DamageComparison], _: Sequence[str]) -> None:
    """What comes in through each band with each model."""
    comparison = comparisons[0]
    names = _names(comparison)
    count = 1 + len(comparison.pairs)
    width = 0.8 / count
    series = [[band.reference for band in comparison.pairs[0].bands]]
    series += [[band.other for band in pair.bands] for pair in comparison.pairs]
    places = np.arange(len(comparison.bands))
    for place, values in enumerate(series):
        off = (place - (count - 1) / 2) * width
        axes.bar(
            places + off, values, width=0.92 * width, color=COLOURS[place], hatch=HATCHES[place],
            edgecolor="white", linewidth=0.3 * scale_of(axes), label=names[place],
        )  # fmt: skip
    zero(axes)
    axes.set_xticks(places, comparison.bands)
    if is_alone(axes):
        legend(axes)
    what = f"{one_line(perturbation_name(comparison.perturbation))}, {comparison.unit}"
    title(axes, "What comes in through each band", _BANDS, "lost", what if is_alone(axes) else "")


def draw_differences(axes: Axes, comparisons: Sequence[DamageComparison], _: Sequence[str]) -> None:
    """The differences from the reference, with intervals."""
    comparison, k = comparisons[0], scale_of(axes)
    names = _names(comparison)
    level, count = 1 - float(comparison.view["confidence"]), len(comparison.pairs)
    for place, pair in enumerate(comparison.pairs, 1):
        for band, d in enumerate(pair.bands):
            x = band + (place - 1 - (count - 1) / 2) * 0.6 / count
            axes.plot([x, x], [d.low, d.high], color=COLOURS[place], linewidth=1.1 * k)
            seen = pair.judged and d.p_holm is not None and d.p_holm < level
            axes.plot(
                x, d.difference, MARKERS[place], color=COLOURS[place], markersize=4 * k,
                markeredgewidth=0.8 * k, label=names[place] if band == 0 else None,
                markerfacecolor=COLOURS[place] if seen else "white",
            )  # fmt: skip
    zero(axes)
    axes.set_xticks(np.arange(len(comparison.bands)), comparison.bands)
    if is_alone(axes):
        legend(axes)
    note = f"whiskers: {percent(comparison.view['confidence'])} intervals; filled: seen (Holm)"
    title(axes, f"Difference from {names[0]}", _BANDS, "lost more", note)


def _names(comparison: DamageComparison) -> list[str]:
    pairs = [pair.report for pair in comparison.pairs]
    return told_apart([comparison.reference["report"], *pairs], _ENTRY)
