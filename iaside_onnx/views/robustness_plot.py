"""Robustness reports as a picture: errors by corruption and severity, models side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..comparisons.agreement import grounds_apart
from ..errors import UsageError
from ..plurals import counted
from ..results.damage_words import radius_text
from ..results.robustness import RobustnessReport
from ..results.spread import Spread
from .figure import (
    COLOURS,
    FEW,
    SMALL,
    WIDTH,
    Header,
    Picture,
    check_count,
    is_alone,
    legend,
    make_room,
    scale_of,
    title,
)
from .lettering import beside, fitted, room_for
from .ranked import ROW, Dot, dots, ranks, set_rows
from .text import both_ends, levels, one_line, words

# Inches.
_CELL, _GAP, _EDGE = 0.225, 0.14, 0.1
_MAP_ROW, _BETWEEN, _BELOW, _NOTE = 0.155, 0.4, 0.36, 0.12
_LEAST_PANEL, _MOST_NAMES = 1.0, 1.3
_LETTERS = 0.62  # of the corruptions above many columns
_MAP = "YlOrBr"
_DARK = 0.6  # from here on text in a cell is white
CLEAN, MEAN = "clean", "mean"


def robustness_figure(reports: Sequence[RobustnessReport], names: Sequence[str]) -> Picture:
    """Errors as maps, and below them clean, mean and adversarial error with intervals.

    Up to four models have a map each, by severity; more are the rows of one map of means.

    Raises
    ------
    UsageError
        More than twelve reports, or of other corruptions or severities.
    """
    reports, other_sizes = together(reports, names)
    first, several = reports[0], len(reports) > 1
    sizes = dict.fromkeys(f"{len(report.labels)}" for report in reports)
    model = "" if several else f"{both_ends(names[0], 40)}: "
    about = f"{model}{', '.join(sizes)} images{_columns(first) if len(reports) <= FEW else ''}" + (
        " (sizes differ: other constants)" if other_sizes else ""
    )
    heading = f"{first.error_name.capitalize()} under corruptions, per cent"
    if len(reports) > FEW:
        return _ranked(Header(heading, about), reports, names)
    # The rows of the map and those of the means, which stand on one left edge.
    quantities = list(_quantities(reports))
    called, wide = room_for([*_rows(first), *quantities], _MOST_NAMES)
    labels, quantities = called[: -len(quantities)], called[-len(quantities) :]
    left = wide + 0.17
    rows, columns = len(labels), len(first.severities) + 1
    panel = max(columns * _CELL, _LEAST_PANEL if several else WIDTH - left - _EDGE)
    width = max(WIDTH, left + len(reports) * (panel + _GAP) + _EDGE)
    header = Header(heading, about, width=width)
    map_height = rows * _MAP_ROW
    bars = len(quantities) * len(reports)
    bar_height = max(0.5, 0.13 * bars + 0.1)
    below = header.height + map_height + _BETWEEN
    drawn = Picture(width, below + bar_height + _BELOW)
    header.draw(drawn)
    shown = fitted(names, panel if several else 9.0)
    for number, report in enumerate(reports):
        axes = drawn.panel(left + number * (panel + _GAP), header.height, panel, map_height)
        _draw_map(axes, report, labels if number == 0 else [""] * rows)
        axes.set_title(
            shown[number] if several else "", fontsize=SMALL * drawn.scale, pad=3 * drawn.scale,
            color=COLOURS[number], parse_math=False,
        )  # fmt: skip
    axes = drawn.panel(left, below, width - left - _EDGE, bar_height)
    _draw_means(axes, reports, shown, ranked=False)
    axes.set_yticks(range(len(quantities)), quantities, parse_math=False)
    return drawn


def together(
    reports: Sequence[RobustnessReport], names: Sequence[str]
) -> tuple[list[RobustnessReport], bool]:
    """Reports that may stand side by side, and whether they are of images of several sizes.

    Raises
    ------
    UsageError
        Too many, or of other images, corruptions or severities.
    """
    check_count(len(reports))
    run = [report.with_attacks_run() for report in reports]
    other_sizes = False
    for report, name in zip(run[1:], names[1:], strict=True):
        refusals, notes = grounds_apart(run[0], report)
        other_sizes = other_sizes or bool(notes)
        if refusals:
            raise UsageError(
                f"{name} and {names[0]} were measured with {', '.join(refusals)}; draw them one "
                "by one"
            )
    return run, other_sizes


def draw_errors(axes: Axes, reports: Sequence[RobustnessReport], names: Sequence[str]) -> None:
    """Error by corruption and severity; of several models by model and corruption."""
    reports, _ = together(reports, names)
    first = reports[0]
    what = f"{first.error_name}, per cent"
    if len(reports) > 1:
        _draw_models(axes, reports, names)
        title(axes, "Under corruptions", "", "", f"{what}, mean over severities")
        return
    _draw_map(axes, first, beside(axes, _rows(first)))
    said = (
        f"{both_ends(names[0], 40)}, {counted(len(first.labels), 'image')}; {what}{_columns(first)}"
    )
    title(axes, "Under corruptions", "severity" if _columns(first) else "", "", said)


def draw_means(axes: Axes, reports: Sequence[RobustnessReport], names: Sequence[str]) -> None:
    """Clean, mean corrupted and adversarial error with intervals, of many models ranked."""
    reports, _ = together(reports, names)
    _draw_means(axes, reports, names, ranked=len(reports) > FEW)


def _ranked(header: Header, reports: Sequence[RobustnessReport], names: Sequence[str]) -> Picture:
    """One map of many models, and their means as rows of dots below."""
    shown, wide = room_for(names, _MOST_NAMES)
    left = wide + 0.17
    columns = len(reports[0].perturbations) + 2
    labels, letters = room_for([words(name) for name in reports[0].perturbations], _LETTERS * 1.6)
    panel = max(columns * 0.235, WIDTH - left - _EDGE)
    width = left + panel + _EDGE
    rows = ROW * len(reports)
    top = header.height + letters - 0.1
    below = top + rows + _BETWEEN
    drawn = Picture(width, below + _NOTE + 1.5 * rows + _BELOW)
    header.draw(drawn)
    axes = drawn.panel(left, top, panel, rows)
    _draw_models(axes, reports, shown, labels)
    axes = drawn.panel(left, below + _NOTE, panel, 1.5 * rows)
    _draw_means(axes, reports, shown, ranked=True)
    return drawn


def _columns(report: RobustnessReport) -> str:
    """What columns are; pictures of the user's own have no severities and stand in each."""
    if len(report.own) == len(report.perturbations):
        return ""
    own = "; your own pictures have none" if report.own else ""
    return f"; columns are severities{own}"


def _rows(report: RobustnessReport) -> list[str]:
    clean = [] if report.clean_error is None else [CLEAN]
    return [*clean, *map(words, report.perturbations)]


def _draw_map(axes: Axes, report: RobustnessReport, labels: Sequence[str]) -> None:
    """Corruptions by severities with their means, below the row of clean images."""
    errors = np.column_stack([report.errors, report.errors.mean(axis=1)])
    groups = [report.settings["kinds"][name] for name in report.perturbations]
    if report.clean_error is not None:
        errors = np.vstack([np.full(errors.shape[1], report.clean_error), errors])
        groups = [CLEAN, *groups]
    blank = np.zeros(errors.shape, bool)
    if groups[0] == CLEAN:
        blank[0, :-1] = True  # one number, which no severity has a part in
    _cells(axes, errors, blank)
    _lines(axes, groups, along=False)
    levels = [str(level) if _columns(report) else "" for level in report.severities]
    _ticks(axes, [*levels, MEAN], labels)
    _lines(axes, [*[""] * len(levels), MEAN], along=True)


def _draw_models(
    axes: Axes,
    reports: Sequence[RobustnessReport],
    names: Sequence[str],
    labels: Sequence[str] | None = None,
) -> None:
    """Models by corruptions, means over severities, the best model on top."""
    first = reports[0]
    order = _order(reports)
    clean = first.clean_error is not None
    errors = np.array([_of_model(reports[at], clean=clean) for at in order])
    _cells(axes, errors, np.zeros(errors.shape, bool))
    kinds = [first.settings["kinds"][name] for name in first.perturbations]
    _lines(axes, [*[CLEAN] * clean, *kinds, MEAN], along=True)
    k = scale_of(axes)
    called, high = room_for([words(n) for n in first.perturbations], _LETTERS * 2, SMALL * k)
    _ticks(axes, [*[CLEAN] * clean, *(labels or called), MEAN], [])
    axes.tick_params(axis="x", labelrotation=90)
    if is_alone(axes):
        make_room(axes, bottom=high + 0.1)
    else:
        axes.tick_params(axis="x", labeltop=True, labelbottom=False)
    set_rows(axes, [names[at] for at in order])


def _of_model(report: RobustnessReport, *, clean: bool) -> list[float]:
    known = [float(report.clean_wrong.mean())] if clean else []
    return [*known, *report.errors.mean(axis=1), report.mean_error]


def _order(reports: Sequence[RobustnessReport]) -> NDArray[np.intp]:
    return ranks([report.mean_error for report in reports], highest=False)


def _cells(axes: Axes, errors: NDArray[np.float64], blank: NDArray[np.bool_]) -> None:
    k = scale_of(axes)
    axes.imshow(errors, cmap=_MAP, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(errors):
        if not blank[row, column]:
            axes.text(
                column, row, f"{100 * value:.0f}", ha="center", va="center_baseline",
                fontsize=5.5 * k, color="white" if value > _DARK else "#222222",
            )  # fmt: skip
    for side in axes.spines.values():
        side.set_visible(False)


def _lines(axes: Axes, groups: Sequence[str], *, along: bool) -> None:
    """White lines between groups of columns, or of rows."""
    draw = axes.axvline if along else axes.axhline
    for place in range(1, len(groups)):
        if groups[place] != groups[place - 1]:
            draw(place - 0.5, color="white", linewidth=2.5 * scale_of(axes))


def _ticks(axes: Axes, across: Sequence[str], down: Sequence[str]) -> None:
    k = scale_of(axes)
    axes.set_xticks(range(len(across)), across, parse_math=False)
    axes.set_yticks(range(len(down)), down, parse_math=False)
    axes.tick_params(length=0, labelsize=SMALL * k, pad=2 * k)


def _quantities(reports: Sequence[RobustnessReport]) -> dict[str, list[Dot | None]]:
    """Name of each quantity to that of each model, or None where a model has it not."""
    found: dict[str, list[Dot | None]] = {}

    def put(name: str, number: int, spread: Spread) -> None:
        ends = (float(part) for part in (spread.value, spread.low, spread.high))
        value, low, high = ends
        found.setdefault(name, [None] * len(reports))[number] = value, low, high

    for number, report in enumerate(reports):
        if report.clean_spread is not None:
            put("clean", number, report.clean_spread)
        put("mean, corrupted", number, report.damage.mean_error)
        for place, attack in enumerate(report.attacks):
            label = one_line(f"{attack['name']} {radius_text(attack['epsilon'])}")
            put(label, number, report.adversarial_spread[place])
    return found


def _draw_means(
    axes: Axes, reports: Sequence[RobustnessReport], names: Sequence[str], *, ranked: bool
) -> None:
    """Of few models a row for each quantity, in their colours; of many a row for each model."""
    quantities, first = _quantities(reports), reports[0]
    if ranked:
        order = _order(reports)
        series = {name: [of[at] for at in order] for name, of in quantities.items()}
        dots(axes, [names[at] for at in order], series)
    else:
        series = {
            name: [of[number] for of in quantities.values()] for number, name in enumerate(names)
        }
        dots(axes, list(quantities), series)
    axes.set_xlim(0, 1)
    about = f"{both_ends(names[0], 40)}, {counted(len(first.labels), 'image')}"
    across = f"{first.error_name}; whiskers: {levels(reports)} intervals"
    heading = f"Mean {first.error_name}" if is_alone(axes) else ""
    title(axes, heading, across, "", about if len(reports) == 1 and is_alone(axes) else "")
    if ranked and not is_alone(axes):
        legend(axes, columns=3, loc="lower left", bbox_to_anchor=(0.0, 1.0), handlelength=1.2)
    elif ranked or (len(reports) > 1 and is_alone(axes)):
        legend(axes)
