"""Damage by band as pictures: the bands of one perturbation, or several as stacked bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from ..plurals import counted
from ..results.damage import DamageReport
from ..results.damage_words import perturbation_name, sentence, split_sentence
from .damage_rows import LOST, check_together, in_order
from .figure import (
    COLOURS,
    EDGE,
    GREY,
    NOTE,
    SMALL,
    WIDTH,
    Header,
    Line,
    Panel,
    Picture,
    column,
    is_alone,
    legend,
    scale_of,
    title,
    wrapped,
)
from .lettering import room_for
from .ranked import set_rows
from .text import both_ends, levels, model_name, one_line, percent

# Inches.
_ROW, _NAMES, _RIGHT, _BELOW, _KEY = 0.19, 1.3, 0.34, 0.42, 0.2
_PANEL = 1.7
_LONGEST = 2.4
_BANDS = "band, low to high frequency"
_KEYS = 8  # bands that a legend lists one by one
_ENTRY = 0.145  # of a legend


def damage_figure(reports: Sequence[DamageReport], names: Sequence[str]) -> Picture:
    """One report band by band with intervals; several as bars stacked by band, one bar each.

    Raises
    ------
    UsageError
        Reports of other bands or told in other units, or more than a picture takes.
    """
    check_together(reports, names, "picture")
    return _one(reports[0]) if len(reports) == 1 else _stacked(reports)


def band_colours(bands: int) -> list[str]:
    """A colour each, dark for the lowest band."""
    return [to_hex(colormaps["viridis"](place)) for place in np.linspace(0.0, 0.96, bands)]


def _about(report: DamageReport) -> str:
    name = perturbation_name(report.settings["perturbation"])
    return (
        f"{both_ends(model_name(report), 30)}, {one_line(name)}, "
        f"{counted(len(report.labels), 'image', 'images')}; "
        f"whiskers: {percent(report.confidence)} intervals"
    )


def _one(report: DamageReport) -> Picture:
    header = Header(
        "Where the damage comes in",
        _about(report),
        below=[
            line
            for text in (sentence(report), split_sentence(report))
            if text is not None
            for line in wrapped(text, SMALL)
        ],
    )
    entries = 1 + report.split + (report.only is not None) + (report.alone is not None)
    below = 0.42 + _ENTRY * entries
    return column(header, [Panel(_PANEL, below, lambda axes: _bands(axes, report), above=-0.05)])


def draw_damage(axes: Axes, reports: Sequence[DamageReport], names: Sequence[str]) -> None:
    """What comes in through each band, with intervals; several perturbations as stacked bars.

    Raises
    ------
    UsageError
        As for `damage_figure`.
    """
    check_together(reports, names, "panel")
    if len(reports) == 1:
        _bands(axes, reports[0])
        title(
            axes, "Where the damage comes in", _BANDS, LOST[reports[0].value],
            _about(reports[0]),
        )  # fmt: skip
        return
    ordered, called, shared = in_order(reports)
    colours = band_colours(ordered[0].players)
    _draw_stacks(axes, ordered, colours)
    set_rows(axes, called)
    handles = [
        Rectangle((0, 0), 1, 1, color=colour)
        for colour in (colours if len(colours) <= _KEYS else (colours[0], colours[-1]))
    ]
    bands = ordered[0].band_names
    legend(
        axes,
        handles=handles,
        labels=[
            f"band {name}" for name in (bands if len(bands) <= _KEYS else [bands[0], bands[-1]])
        ],
    )
    note = f"{', '.join(shared)}; dots: the whole damage, whiskers: {levels(ordered)} intervals"
    title(axes, "Where the damage comes in, by band", LOST[ordered[0].value], "", note)


def _bands(axes: Axes, report: DamageReport) -> None:
    """A bar a band with its interval, and marks for the band perturbed, and made clean, alone."""
    bands, places, k = report.bands, np.arange(report.players), scale_of(axes)
    off = np.clip([bands.value - bands.low, bands.high - bands.value], 0, None)
    axes.axhline(0, color=GREY, linewidth=0.6 * k)
    parts = report.parts
    if parts is None:
        axes.bar(places, bands.value, color=COLOURS[5], width=0.7, label="share of the damage")
    else:
        _split_bars(axes, parts.value[:, :-1], places)
    if np.isfinite(off).all():
        axes.errorbar(places, bands.value, off, fmt="none", ecolor="#222222", elinewidth=0.8 * k)
    for values, marker, label in (
        (report.only, "v", "that band alone perturbed"),
        (report.alone, "^", "what that band alone made clean gives back"),
    ):
        if values is not None:
            axes.plot(
                places, values, marker, markersize=3.5 * k, color=COLOURS[1],
                markerfacecolor="none" if marker == "^" else COLOURS[1], linestyle="none",
                markeredgewidth=0.7 * k, label=label,
            )  # fmt: skip
    axes.set_xticks(places, report.band_names)
    title(axes, "", _BANDS, LOST[report.value])
    if is_alone(axes):
        legend(axes)
    else:
        legend(axes, loc="upper center", bbox_to_anchor=(0.45, -0.2), handletextpad=0.4)


def _split_bars(axes: Axes, parts: NDArray[np.float64], places: NDArray[Any]) -> None:
    """Each band's two parts on top of one another, those below 0 downwards."""
    up, down = np.zeros(len(places)), np.zeros(len(places))
    for values, colour, hatch, label in zip(
        parts, (COLOURS[0], COLOURS[4]), ("", "////"),
        ("taken away of the band", "added to the band"), strict=True,
    ):  # fmt: skip
        base = np.where(values >= 0, up, down)
        axes.bar(
            places, values, bottom=base, color=colour, width=0.7, label=label, hatch=hatch,
            edgecolor="white", linewidth=0.3 * scale_of(axes),
        )  # fmt: skip
        up, down = up + np.maximum(values, 0), down + np.minimum(values, 0)


def _stacked(reports: Sequence[DamageReport]) -> Picture:
    ordered, called, shared = in_order(reports)
    first = ordered[0]
    negative = any((report.bands.value < 0).any() for report in ordered)
    below: list[Line] = []
    if negative:
        below = wrapped(
            "left of 0: bands whose perturbation helps; a dot is the whole damage, what is right "
            "of 0 less what is left of it", NOTE, colour=GREY,
        )  # fmt: skip
    header = Header(
        "Where the damage comes in, by band",
        f"{', '.join(shared)}; dots: the whole damage, {levels(reports)} intervals",
        below=below,
    )
    called, wide = room_for(called, _LONGEST)
    left = max(_NAMES, wide + 0.17)
    width = max(WIDTH + 0.6, left + 2.4 + _RIGHT)
    height = _ROW * len(ordered)
    top = header.height + _KEY - 0.12
    drawn = Picture(width, top + height + _BELOW)
    header.draw(drawn)
    colours = band_colours(first.players)
    _key(drawn, top - _KEY, first, colours, left)
    axes = drawn.panel(left, top, width - left - _RIGHT, height)
    _draw_stacks(axes, ordered, colours)
    axes.set_yticks(range(len(ordered)), called, parse_math=False)
    axes.set_ylim(len(ordered) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, pad=3 * drawn.scale)
    title(axes, "", LOST[first.value])
    return drawn


def _draw_stacks(axes: Axes, reports: Sequence[DamageReport], colours: Sequence[str]) -> None:
    k = scale_of(axes)
    axes.axvline(0, color=GREY, linewidth=0.6 * k)
    values = np.stack([report.bands.value for report in reports])
    places = np.arange(len(reports))
    right, left = np.zeros(len(reports)), np.zeros(len(reports))
    for band, colour in enumerate(colours):
        share = values[:, band]
        base = np.where(share >= 0, right, left)
        axes.barh(
            places,
            share,
            left=base,
            height=0.72,
            color=colour,
            edgecolor="white",
            linewidth=0.3 * k,
        )
        right, left = right + np.maximum(share, 0), left + np.minimum(share, 0)
    for place, report in enumerate(reports):
        damage = report.damage
        ends = np.array([damage.low, damage.high])
        if np.isfinite(ends).all():
            axes.plot(ends, [place, place], color="white", linewidth=2.2 * k, solid_capstyle="butt")
            axes.plot(ends, [place, place], color="#222222", linewidth=0.8 * k)
        axes.plot(
            float(damage.value), place, "o", markersize=3.4 * k, markerfacecolor="white",
            markeredgecolor="#222222", markeredgewidth=0.8 * k,
        )  # fmt: skip


def _key(
    drawn: Picture, top: float, report: DamageReport, colours: Sequence[str], left: float
) -> None:
    """The colours of the bands, low to high."""
    drawn.put(EDGE, top + 0.08, "band, low to high:", SMALL)
    room = drawn.width - _RIGHT - left
    step = min(0.32, room / max(1, report.players))
    every = max(1, int(np.ceil(0.14 / step)))
    for band, (name, colour) in enumerate(zip(report.band_names, colours, strict=True)):
        drawn.put(left + band * step, top + 0.085, "■", SMALL + 1.5, color=colour)
        if band % every == 0:
            drawn.put(left + band * step + 0.1, top + 0.08, name, SMALL)
