"""Damage by band as maps: perturbation by band, and bands that do damage together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..errors import UsageError
from ..plurals import counted
from ..results.damage import DamageReport
from ..results.damage_pairs import pairs_told
from ..results.damage_words import pairs_of_bands, perturbation_name
from .damage_rows import cell, check_together, holds_zero, in_order
from .figure import GREY, NOTE, SMALL, WIDTH, Header, Picture, scale_of, title, wrapped
from .lettering import beside, room_for
from .text import both_ends, model_name, one_line

# Inches.
_ROW, _CELL, _EDGE, _BELOW = 0.17, 0.3, 0.12, 0.36
_SIDE = 2.5
_MOST_NAMES = 2.4
_BANDS = "band, low to high frequency"
_GREY_NOTE = "grey: an interval that holds 0"
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
    header = Header(
        "Damage by perturbation and band",
        f"{', '.join(shared)}; {first.unit}",
        below=wrapped(_GREY_NOTE, NOTE, colour=GREY) if _has_grey(ordered) else (),
    )
    called, wide = room_for(called, _MOST_NAMES)
    left = wide + 0.17
    span, height = _CELL * (first.players + 1.4), _ROW * len(ordered)
    width = max(WIDTH, left + span + _EDGE)
    drawn = Picture(width, header.height - 0.04 + height + _BELOW)
    header.draw(drawn)
    axes = drawn.panel(left, header.height - 0.04, span, height)
    _draw_map(axes, ordered)
    axes.set_yticks(range(len(ordered)), called, parse_math=False)
    title(axes, "", _BANDS)
    return drawn


def draw_map(axes: Axes, reports: Sequence[DamageReport], names: Sequence[str]) -> None:
    """The damage by perturbation and band, and the whole of each perturbation.

    Raises
    ------
    UsageError
        As for `damage_figure`.
    """
    check_together(reports, names, "panel")
    ordered, called, shared = in_order(reports)
    _draw_map(axes, ordered)
    axes.set_yticks(range(len(ordered)), beside(axes, called), parse_math=False)
    note = f"{', '.join(shared)}; {ordered[0].unit}"
    note += f"; {_GREY_NOTE}" if _has_grey(ordered) else ""
    title(axes, "Damage by perturbation and band", _BANDS, "", note)


def _has_grey(reports: Sequence[DamageReport]) -> bool:
    return any(holds_zero(report.bands).any() or holds_zero(report.damage) for report in reports)


def _draw_map(axes: Axes, reports: Sequence[DamageReport]) -> None:
    """A column for each band, and apart from them one for the whole."""
    first, k = reports[0], scale_of(axes)
    values = np.stack([report.bands.value for report in reports])
    untold = np.stack([holds_zero(report.bands) for report in reports])
    largest = max(float(np.abs(values).max()), 1e-9)
    _cells(axes, values, largest, first, untold)
    whole = first.players + 0.2
    for row, report in enumerate(reports):
        axes.text(
            whole, row, cell(float(report.damage.value), first), ha="center", va="center_baseline",
            fontsize=SMALL * k, fontweight="bold",
            color=_UNTOLD if holds_zero(report.damage) else "#222222",
        )  # fmt: skip
    axes.set_xlim(-0.5, first.players + 0.9)
    axes.set_xticks([*range(first.players), whole], [*first.band_names, "all"])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


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
            fontsize=5.5 * scale_of(axes), color=_UNTOLD if untold[row, place] else colour,
        )  # fmt: skip


def interaction_map(report: DamageReport) -> Picture:
    """Which bands do damage together: a cell for each pair.

    Raises
    ------
    UsageError
        A report of drawn coalitions, or of one band.
    """
    _pairs(report)
    header = Header(
        "Bands that do damage together",
        f"{both_ends(model_name(report), 30)}, "
        f"{one_line(perturbation_name(report.settings['perturbation']))}, "
        f"{counted(len(report.labels), 'image')}; interactions in {report.unit}",
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
    _draw_pairs(axes, report)
    title(axes, "", _BANDS, "band")
    return drawn


def draw_together(axes: Axes, reports: Sequence[DamageReport], names: Sequence[str]) -> None:
    """Which bands do damage together: a cell for each pair.

    Raises
    ------
    UsageError
        A report of drawn coalitions, or of one band.
    """
    report = reports[0]
    _pairs(report)
    _draw_pairs(axes, report)
    note = (
        f"{both_ends(names[0], 40)}, {one_line(perturbation_name(report.settings['perturbation']))}"
        f", {counted(len(report.labels), 'image')}; interactions in {report.unit}; orange: the "
        "damage needs both bands perturbed, violet: either does it alone, grey: an interval, of "
        "all pairs "
        "together, that holds 0"
    )
    title(axes, "Bands that do damage together", _BANDS, "band", note)


def _pairs(report: DamageReport) -> NDArray[np.float64]:
    """The interactions of a report, which may have none."""
    interactions = report.interactions
    if interactions is None:
        raise UsageError(
            "which bands do damage together is known where all coalitions were evaluated, and this "
            "report holds drawn ones"
        )
    if report.players < 2:
        raise UsageError("a report of one band has no pairs of bands")
    return np.asarray(interactions)


def _draw_pairs(axes: Axes, report: DamageReport) -> None:
    interactions, players = _pairs(report), report.players
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
                place, row, cell(value, report), ha="center", va="center_baseline",
                fontsize=5.5 * scale_of(axes),
                color=_UNTOLD if not told[row, place]
                else "white" if abs(value) > _DARK * largest else "#222222",
            )  # fmt: skip
    axes.set_xticks(range(players - 1), report.band_names[:-1])
    axes.set_yticks(range(1, players), report.band_names[1:])
    axes.set_xlim(-0.5, players - 1.5)
    axes.set_ylim(players - 0.5, 0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
