"""Robustness reports as a picture: errors by corruption and severity, models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..comparisons.agreement import grounds_apart
from ..errors import UsageError
from ..results.robustness import RobustnessReport
from ..results.spread import Spread
from .figure import COLOURS, SMALL, WIDTH, Header, Picture, check_count, title
from .text import one_line, percent, told_apart, words

# Inches.
_NAMES, _CELL, _GAP, _EDGE = 1.2, 0.21, 0.14, 0.1
_ROW, _BAR, _BETWEEN, _BELOW = 0.155, 0.1, 0.32, 0.36
_LEAST_PANEL, _LONGEST_NAME = 1.0, 18
_MAP = "YlOrBr"
_DARK = 0.6  # from here on text in a cell is white


def robustness_figure(reports: Sequence[RobustnessReport], names: Sequence[str]) -> Picture:
    """Errors of each model as a map, and below them clean, mean and adversarial error as bars.

    Raises
    ------
    UsageError
        More than six reports, or of other corruptions or severities.
    """
    check_count(len(reports))
    reports = [report.with_attacks_run() for report in reports]
    first = reports[0]
    other_sizes = False
    for report, name in zip(reports[1:], names[1:], strict=True):
        refusals, notes = grounds_apart(first, report)
        other_sizes = other_sizes or bool(notes)
        if refusals:
            raise UsageError(
                f"{name} and {names[0]} were measured with {', '.join(refusals)}; draw them one "
                "by one"
            )
    sizes = dict.fromkeys(f"{len(report.labels)}" for report in reports)
    model = f"{first.model['path']}: " if len(reports) == 1 else ""
    header = Header(
        f"{first.error_name.capitalize()} under corruptions, per cent",
        f"{model}{', '.join(sizes)} images; columns are severities"
        + (" (sizes differ: other constants)" if other_sizes else ""),
    )
    rows, columns = first.errors.shape
    panel = max(columns * _CELL, _LEAST_PANEL if len(reports) > 1 else 0)
    bars = _bars(reports)
    map_height, bar_height = rows * _ROW, max(0.4, len(bars) * (len(reports) * _BAR + 0.08))
    width = max(WIDTH, _NAMES + len(reports) * (panel + _GAP) + _EDGE)
    below = header.height + map_height + _BETWEEN
    drawn = Picture(width, below + bar_height + _BELOW)
    header.draw(drawn)
    shown = told_apart(names, _LONGEST_NAME)
    for number, report in enumerate(reports):
        left = _NAMES + number * (panel + _GAP)
        axes = drawn.panel(left, header.height, panel, map_height)
        _map(axes, report, named=number == 0)
        label = shown[number] if len(reports) > 1 else ""
        axes.set_title(label, fontsize=SMALL, pad=3, color=COLOURS[number], parse_math=False)
    axes = drawn.panel(_NAMES, below, width - _NAMES - _EDGE, bar_height)
    _draw_bars(axes, bars, shown, first.confidence, first.error_name)
    return drawn


def _map(axes: Axes, report: RobustnessReport, *, named: bool) -> None:
    errors = report.errors
    axes.imshow(errors, cmap=_MAP, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    for (row, column), value in np.ndenumerate(errors):
        axes.text(
            column, row, f"{100 * value:.0f}", ha="center", va="center_baseline", fontsize=5.5,
            color="white" if value > _DARK else "#222222",
        )  # fmt: skip
    kinds = [report.settings["kinds"][name] for name in report.perturbations]
    for row in range(1, len(kinds)):
        if kinds[row] != kinds[row - 1]:
            axes.axhline(row - 0.5, color="white", linewidth=2.5)
    axes.set_xticks(range(len(report.severities)), [str(level) for level in report.severities])
    labels = [words(name) for name in report.perturbations]
    axes.set_yticks(range(len(labels)), labels if named else [""] * len(labels))
    axes.tick_params(length=0, labelsize=SMALL, pad=2)
    for side in axes.spines.values():
        side.set_visible(False)


def _bars(reports: Sequence[RobustnessReport]) -> dict[str, dict[int, Spread]]:
    """Name of each quantity to the models that have it."""
    bars: dict[str, dict[int, Spread]] = {"clean": {}, "mean, corrupted": {}}
    for number, report in enumerate(reports):
        if report.clean_spread is not None:
            bars["clean"][number] = report.clean_spread
        bars["mean, corrupted"][number] = report.damage.mean_error
        for place, attack in enumerate(report.attacks):
            label = f"{attack['name']} {attack['epsilon']:.3g}"
            bars.setdefault(one_line(label), {})[number] = report.adversarial_spread[place]
    return {name: of for name, of in bars.items() if of}


def _draw_bars(
    axes: Axes, bars: dict[str, dict[int, Spread]], names: list[str], confidence: float, what: str
) -> None:
    step = 0.8 / len(names)
    for number, name in enumerate(names):
        own = {row: of[number] for row, of in enumerate(bars.values()) if number in of}
        values = np.array([float(spread.value) for spread in own.values()])
        ends: Any = np.array([[spread.low, spread.high] for spread in own.values()], dtype=float)
        axes.barh(
            [row + (number - (len(names) - 1) / 2) * step for row in own], values,
            height=0.9 * step, xerr=np.abs(ends.T - values), color=COLOURS[number],
            error_kw={"linewidth": 0.7, "ecolor": "#222222"}, label=name,
        )  # fmt: skip
    axes.set_yticks(range(len(bars)), list(bars))
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="y", length=0, pad=2)
    title(axes, "", f"{what}, {percent(confidence)} intervals")
