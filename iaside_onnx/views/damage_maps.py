"""Damage by band as maps: perturbation by band, and bands that do damage together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..errors import UsageError
from ..results.damage import DamageReport
from ..results.damage_pairs import pairs_told
from ..results.damage_words import pairs_of_bands, perturbation_name
from .damage_rows import cell, check_together, holds_zero, in_order
from .figure import GREY, NOTE, SMALL, WIDTH, Header, Picture, title, wrapped
from .text import model_name, one_line, shortened, told_apart

# Inches.
_ROW, _CELL, _GAP, _EDGE, _BELOW = 0.17, 0.3, 0.1, 0.12, 0.36
_SIDE = 2.5
# Orange: damage; blue: the perturbation of the band helps.
_MAP = "PuOr_r"
_DARK = 0.62  # of the scale: from here on text in a cell is white

_UNTOLD = "#8a8a8a"


def damage_map(reports: Sequence[DamageReport], names: Sequence[str]) -> Picture:
    """A row a report, a column a band, with the damage in each cell and the whole beside it.

    Raises
    ------
    UsageError
        As for `damage_figure`.
    """
    check_together(reports, names, "picture")
    ordered, called, shared = in_order(reports)
    first = ordered[0]
    values = np.stack([report.bands.value for report in ordered])
    untold = np.stack([holds_zero(report.bands) for report in ordered])
    grey = untold.any() or any(holds_zero(report.damage) for report in ordered)
    header = Header(
        "Damage by perturbation and band",
        f"{', '.join(shared)}; {first.unit}",
        below=wrapped("grey: an interval that holds 0", NOTE, colour=GREY) if grey else (),
    )
    called = told_apart(called, 32)
    left = 0.058 * max(map(len, called)) + 0.2
    span, height = _CELL * first.players, _ROW * len(ordered)
    width = max(WIDTH, left + span + _GAP + _CELL * 1.3 + _EDGE)
    drawn = Picture(width, header.height - 0.04 + height + _BELOW)
    header.draw(drawn)
    top = header.height - 0.04
    largest = max(float(np.abs(values).max()), 1e-9)
    axes = drawn.panel(left, top, span, height)
    _cells(axes, values, largest, first, untold)
    axes.set_yticks(range(len(ordered)), called, parse_math=False)
    axes.set_xticks(range(first.players), first.band_names)
    title(axes, "", "band, low to high frequency")
    sums = drawn.panel(left + span + _GAP, top, _CELL * 1.3, height)
    sums.imshow(np.zeros((len(ordered), 1)), cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, report in enumerate(ordered):
        sums.text(
            0, row, cell(float(report.damage.value), first), ha="center", va="center_baseline",
            fontsize=SMALL, fontweight="bold",
            color=_UNTOLD if holds_zero(report.damage) else "#222222",
        )  # fmt: skip
    sums.set_yticks([])
    sums.set_xticks([0], ["all"])
    for each in (axes, sums):
        each.tick_params(length=0)
        each.spines[:].set_visible(False)
    return drawn


def _cells(
    axes: Axes,
    values: NDArray[np.float64],
    largest: float,
    report: DamageReport,
    untold: NDArray[np.bool_],
) -> None:
    axes.imshow(
        np.where(untold, 0.0, values), cmap=_MAP, vmin=-largest, vmax=largest, aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    for (row, place), value in np.ndenumerate(values):
        colour = "white" if abs(value) > _DARK * largest else "#222222"
        axes.text(
            place, row, cell(float(value), report), ha="center", va="center_baseline",
            fontsize=5.5, color=_UNTOLD if untold[row, place] else colour,
        )  # fmt: skip


def interaction_map(report: DamageReport) -> Picture:
    """Which bands do damage together: a cell for each pair.

    Raises
    ------
    UsageError
        A report of drawn coalitions, or of one band.
    """
    interactions = report.interactions
    if interactions is None:
        raise UsageError(
            "which bands do damage together is known where all coalitions were evaluated, and this "
            "report holds drawn ones"
        )
    players = report.players
    if players < 2:
        raise UsageError("a report of one band has no pairs of bands")
    header = Header(
        "Bands that do damage together",
        f"{shortened(model_name(report), 30)}, "
        f"{one_line(perturbation_name(report.settings['perturbation']))}, "
        f"{len(report.labels)} images; interactions in {report.unit}",
        below=[
            *wrapped("orange: the damage needs both bands perturbed", SMALL, colour="#8a4a00"),
            *wrapped("violet: either of them does it alone", SMALL, colour="#4a2c80"),
            *wrapped("grey: an interval, of all pairs together, that holds 0", SMALL, colour=GREY),
            *(line for text in pairs_of_bands(report) for line in wrapped(text, SMALL)),
        ],
    )
    drawn = Picture(WIDTH, header.height + _SIDE + 0.33)
    header.draw(drawn)
    axes = drawn.panel(0.55, header.height - 0.06, _SIDE, _SIDE)
    lower = np.tril(np.ones((players, players), bool), -1)
    told = np.zeros((players, players), bool)
    for pair in pairs_told(report):
        told[pair.second, pair.first] = True
    shown = np.where(lower, np.where(told, interactions, 0.0), np.nan)
    largest = max(float(np.abs(interactions).max()), 1e-9)
    axes.imshow(shown, cmap=_MAP, vmin=-largest, vmax=largest, interpolation="nearest")
    if players <= 12:
        for row, place in zip(*np.nonzero(lower), strict=True):
            value = float(interactions[row, place])
            axes.text(
                place, row, cell(value, report), ha="center", va="center_baseline", fontsize=5.5,
                color=_UNTOLD if not told[row, place]
                else "white" if abs(value) > _DARK * largest else "#222222",
            )  # fmt: skip
    axes.set_xticks(range(players - 1), report.band_names[:-1])
    axes.set_yticks(range(1, players), report.band_names[1:])
    axes.set_xlim(-0.5, players - 1.5)
    axes.set_ylim(players - 0.5, 0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    title(axes, "", "band, low to high frequency", "band")
    return drawn
