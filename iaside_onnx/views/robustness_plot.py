"""Robustness reports as a picture: errors by corruption and severity, models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..comparisons.agreement import grounds_apart
from ..errors import UsageError
from ..results.robustness import RobustnessReport
from ..results.spread import Spread
from .plots import COLOURS, MOST_REPORTS, SMALL, style, title, write_figure
from .text import one_line

# Inches.
_NAMES, _CELL, _GAP, _EDGE = 1.2, 0.21, 0.14, 0.1
_ROW, _BAR, _HEADER, _BETWEEN, _BELOW = 0.155, 0.1, 0.6, 0.32, 0.36
_LEAST_WIDTH, _LEAST_PANEL, _LONGEST_NAME = 3.5, 1.0, 18
_MAP = "YlOrBr"
_DARK = 0.6  # from here on text in a cell is white


def save_robustness(
    reports: Sequence[RobustnessReport], names: Sequence[str], target: Path, *, overwrite: bool
) -> None:
    """Draw reports and write the picture.

    Raises
    ------
    UsageError, ReportError
        As for `plots.write_figure`; more than six reports, or of other corruptions or severities.
    """
    write_figure(lambda: robustness_figure(reports, names), target, overwrite=overwrite)


def robustness_figure(reports: Sequence[RobustnessReport], names: Sequence[str]) -> Figure:
    """Errors of each model as a map, and below them clean, mean and adversarial error as bars.

    Raises
    ------
    UsageError
        More than six reports, or of other corruptions or severities.
    """
    first = reports[0]
    if len(reports) > MOST_REPORTS:
        raise UsageError(f"a picture takes at most {MOST_REPORTS} reports, not {len(reports)}")
    other_sizes = False
    for report, name in zip(reports[1:], names[1:], strict=True):
        refusals, notes = grounds_apart(first, report)
        other_sizes = other_sizes or bool(notes)
        if refusals:
            raise UsageError(
                f"{name} and {names[0]} were measured with {', '.join(refusals)}; draw them one "
                "by one"
            )
    rows, columns = first.errors.shape
    panel = max(columns * _CELL, _LEAST_PANEL if len(reports) > 1 else 0)
    bars = _bars(reports)
    width = max(_LEAST_WIDTH, _NAMES + len(reports) * (panel + _GAP) + _EDGE)
    map_height = rows * _ROW
    bar_height = max(0.4, len(bars) * (len(reports) * _BAR + 0.08))
    height = _HEADER + map_height + _BETWEEN + bar_height + _BELOW
    drawn = Figure(figsize=(width, height))
    FigureCanvasAgg(drawn)
    drawn.text(
        0.1 / width, 1 - 0.18 / height, "Error under corruptions, per cent", fontsize=9,
        fontweight="bold",
    )  # fmt: skip
    sizes = dict.fromkeys(f"{len(report.labels)}" for report in reports)
    drawn.text(
        0.1 / width,
        1 - 0.33 / height,
        f"{', '.join(sizes)} images; columns are severities"
        + (" (sizes differ: other constants)" if other_sizes else ""),
        fontsize=SMALL,
        color="#444444",
    )
    bottom = height - _HEADER - map_height
    for number, (report, name) in enumerate(zip(reports, names, strict=True)):
        left = _NAMES + number * (panel + _GAP)
        axes = drawn.add_axes((left / width, bottom / height, panel / width, map_height / height))
        _map(axes, report, named=number == 0)
        label = _short(name) if len(reports) > 1 else ""
        axes.set_title(label, fontsize=SMALL, pad=3, color=COLOURS[number], parse_math=False)
    axes = drawn.add_axes(
        (_NAMES / width, _BELOW / height, 1 - (_NAMES + _EDGE) / width, bar_height / height)
    )
    _draw_bars(axes, bars, [_short(name) for name in names], first.confidence)
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
    labels = [one_line(name.replace("_", " ")) for name in report.perturbations]
    axes.set_yticks(range(len(labels)), labels if named else [""] * len(labels))
    axes.tick_params(length=0, labelsize=SMALL, pad=2)
    for side in axes.spines.values():
        side.set_visible(False)


def _bars(reports: Sequence[RobustnessReport]) -> dict[str, dict[int, Spread]]:
    """Name of each quantity to the models that have it."""
    found: dict[str, dict[int, Spread]] = {"clean": {}, "mean, corrupted": {}}
    for number, report in enumerate(reports):
        found["clean"][number] = report.clean_spread
        found["mean, corrupted"][number] = report.damage.mean_error
        for place, attack in enumerate(report.attacks):
            label = f"{attack['name']} {attack['epsilon']:.3g}"
            found.setdefault(one_line(label), {})[number] = report.adversarial_spread[place]
    return found


def _draw_bars(
    axes: Axes, bars: dict[str, dict[int, Spread]], names: list[str], confidence: float
) -> None:
    style(axes)
    step = 0.8 / len(names)
    for number, name in enumerate(names):
        held = [
            (row, models[number]) for row, models in enumerate(bars.values()) if number in models
        ]
        values = np.array([float(spread.value) for _, spread in held])
        ends: Any = np.array([[float(spread.low), float(spread.high)] for _, spread in held])
        axes.barh(
            [row + (number - (len(names) - 1) / 2) * step for row, _ in held],
            values,
            height=0.9 * step,
            xerr=np.abs(ends.T - values),
            color=COLOURS[number],
            error_kw={"linewidth": 0.7, "ecolor": "#222222"},
            label=name,
        )
    axes.set_yticks(range(len(bars)), list(bars))
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="y", length=0, pad=2)
    title(axes, "", f"error, {confidence:.0%} intervals", "")


def _short(name: str) -> str:
    """A name that fits over a map: its beginning and its end."""
    line = one_line(name)
    half = _LONGEST_NAME // 2
    return line if len(line) <= _LONGEST_NAME else f"{line[: half - 1]}…{line[-half:]}"
