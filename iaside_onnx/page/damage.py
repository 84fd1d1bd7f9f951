"""The page's part on damage: what perturbations cost, and through which bands it comes in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..results.damage import DamageReport
from ..results.damage_words import RULE, perturbation_name, sentence, split_sentence
from ..views.damage_rows import (
    LOST,
    cell,
    check_together,
    digits_of,
    ends,
    holds_zero,
    in_order,
    model_names,
    notes_beside,
    signed,
    unit_heading,
)
from ..views.text import levels, model_name, told_apart
from .charts import Words, stacked_rows
from .damage_details import details
from .groups import Group, bands_with_waves, other_bands

_SHADES = 9
_NAME_LETTERS = 24
# Pictures of more reports would make the page heavy.
_MOST_STRIPS = 12
# Low bands to high ones; between these colours others are mixed.
_COLOURS = np.array(
    [(0x5B, 0x3F, 0xA3), (0x2F, 0x7F, 0xA8), (0x3C, 0xB0, 0x83), (0xE3, 0xC5, 0x2B)]
)


def damage(reports: Sequence[DamageReport], groups: Sequence[Group]) -> dict[str, Any]:
    """What the template ``damage.html`` needs, beside the reports of these groups.

    Raises
    ------
    UsageError
        Reports of other bands or told in other units, or too many.
    """
    check_together(reports, list(map(model_name, reports)), "page")
    ordered, called, shared = in_order(reports)
    first = ordered[0]
    values = np.stack([report.bands.value for report in ordered])
    largest = float(np.abs(values).max()) or 1.0
    sums = [_sum(report) for report in ordered]
    texts = [_said(name, report) for name, report in zip(called, ordered, strict=True)]
    words = Words(
        "damage-chart",
        "Where the damage comes in, by band",
        "A bar for each perturbation, made of what comes in through each band from the lowest to "
        "the highest; left of 0 bands whose perturbation helps. A dot is the whole damage.",
        LOST[first.value],
    )
    chart, stacks = stacked_rows(values, sums, _names(ordered), texts, words)
    rows = [
        {
            "name": name,
            "sentences": [sentence(report), *filter(None, [split_sentence(report)])],
            "numbers": _numbers(report),
            "cells": _cells(report, largest),
            "details": details(report, with_strip=number < _MOST_STRIPS),
        }
        for number, (name, report) in enumerate(zip(called, ordered, strict=True))
    ]
    return {
        "about": ", ".join(shared),
        "band_kind": bands_with_waves(first.settings),
        "notes": [*notes_beside(ordered), *other_bands(first.settings, groups)],
        "unit": first.unit,
        "shares": "%" if first.in_points else unit_heading(first),
        "points": unit_heading(first),
        "level": levels(ordered),
        "rule": RULE,
        "bands": first.band_names,
        "colours": _colours(first.players),
        "chart": chart,
        "stacks": stacks,
        "rows": rows,
    }


def _sum(report: DamageReport) -> tuple[float, float, float]:
    """The damage and the ends of its interval, where it has any."""
    whole = report.damage
    value = float(whole.value)
    low, high = (float(end) if np.isfinite(end) else value for end in (whole.low, whole.high))
    return value, low, high


def _said(name: str, report: DamageReport) -> str:
    digits = digits_of(report)
    shares = ", ".join(
        f"{band}: {signed(value, digits)}"
        for band, value in zip(report.band_names, report.bands.value, strict=True)
    )
    return f"{name}: {signed(report.damage.value, digits)} {report.unit} lost; by band {shares}"


def _numbers(report: DamageReport) -> list[str]:
    """Clean, perturbed and lost, each with its interval."""
    digits = digits_of(report)
    clean, *others = (
        f"{signed(each.value, digits)} [{signed(each.low, digits)}, {signed(each.high, digits)}]"
        for each in (report.clean, report.perturbed, report.damage)
    )
    return [signed(report.clean.value, digits) if report.clean_is_settled else clean, *others]


def _names(reports: Sequence[DamageReport]) -> list[str]:
    """What a row of the chart is called: the perturbation, and below it the model if of several."""
    perturbations = [perturbation_name(report.settings["perturbation"]) for report in reports]
    lines = [told_apart(perturbations, _NAME_LETTERS)]
    models = model_names(reports)
    if len(set(models)) > 1:
        lines.append(told_apart(models, _NAME_LETTERS))
    return ["\n".join(each) for each in zip(*lines, strict=True)]


def _cells(report: DamageReport, largest: float) -> list[tuple[str, str, str]]:
    """Text, class and interval of each cell.

    p1 to p9 where the band helps, n1 to n9 where it lets damage in, untold where its interval
    holds 0.
    """
    cells, bands = [], report.bands
    for band, untold in enumerate(holds_zero(bands)):
        value = float(bands.value[band])
        shade = round(_SHADES * abs(value) / largest)
        look = f"{'n' if value > 0 else 'p'}{shade}" if shade else ""
        cells.append((cell(value, report), "untold" if untold else look, ends(report, bands[band])))
    return cells


def _colours(bands: int) -> list[str]:
    """A colour for each band."""
    places = np.linspace(0, len(_COLOURS) - 1, bands)
    channels = [np.interp(places, range(len(_COLOURS)), channel) for channel in _COLOURS.T]
    mixed = np.rint(np.stack(channels, axis=1)).astype(int)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in mixed.tolist()]
