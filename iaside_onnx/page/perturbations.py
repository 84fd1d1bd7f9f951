"""The page's parts on measured perturbations: corruption errors beside the score, and the SNR."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..comparisons.agreement import grounds_apart, shared_attacks
from ..comparisons.baseline import relative
from ..errors import UsageError
from ..results.report import Report
from ..results.robustness import Relative, RobustnessReport
from ..results.snr import SnrReport
from ..results.spread import Spread
from .charts import Chart, Values, Words, dot_rows, line_chart, scatter

_MOST_MPE = 2.0
# From so many models on a scatter says something.
_SCATTERED = 3


def matched(
    reports: Sequence[Report], measured: Sequence[RobustnessReport]
) -> dict[int, RobustnessReport]:
    """Robustness reports by the number of the report of the same model.

    Raises
    ------
    UsageError
        A model that no report is of, two robustness reports of one model, or measurements of other
        corruptions, severities or images than each other's.
    """
    places: dict[str, list[int]] = {}
    for number, report in enumerate(reports):
        places.setdefault(report.model["sha256"], []).append(number)
    found: dict[int, RobustnessReport] = {}
    for entry in measured:
        name = Path(entry.model["path"]).name
        numbers = places.get(entry.model["sha256"])
        if numbers is None:
            raise UsageError(
                f"robustness was measured of {name}, but no report is of that file (by its hash)"
            )
        if any(number in found for number in numbers):
            raise UsageError(f"two robustness reports are of {name}; give one of them")
        refusals, _ = grounds_apart(measured[0], entry)
        if refusals:
            raise UsageError(
                f"robustness of {name} was measured with {', '.join(refusals)}; make a page of each"
            )
        found.update(dict.fromkeys(numbers, entry))
    return dict(sorted(found.items()))


def cost(
    reports: Sequence[Report],
    labels: Sequence[str],
    measured: dict[int, RobustnessReport],
    baseline: RobustnessReport | None,
) -> dict[str, Any]:
    """What the robustness part shows.

    Parameters
    ----------
    measured : dict
        From `matched`; not empty.
    baseline : RobustnessReport or None
        What mCE is relative to.

    Raises
    ------
    ReportError
        A baseline of other images or corruptions.
    """
    first = next(iter(measured.values()))
    against = {n: relative(entry, baseline) for n, entry in measured.items()} if baseline else {}
    attacks = _shared_attacks(list(measured.values()))
    rows = [
        {
            "number": number,
            "label": labels[number],
            "score": reports[number].srs_signed,
            "cells": _cells(entry, against.get(number), len(attacks)),
            "corruptions": _corruptions(entry),
        }
        for number, entry in measured.items()
    ]
    return {
        "level": f"{first.confidence:.0%}",
        "perturbations": first.perturbations,
        "severities": [str(level) for level in first.severities],
        "baseline": None if baseline is None else Path(baseline.model["path"]).name,
        "attacks": attacks,
        "rows": rows,
        "errors": _rows("errors", labels, measured),
        "changes": _rows("changes", labels, measured),
        "scatters": _scatters(reports, labels, measured, against),
        "notes": _notes(list(measured.values()), list(against.values())),
    }


def _notes(measured: Sequence[RobustnessReport], against: Sequence[Relative]) -> list[str]:
    """What to bear in mind about measurements side by side, and about the baseline."""
    notes = [note for entry in measured for note in grounds_apart(measured[0], entry)[1]]
    return list(dict.fromkeys(notes + [note for held in against for note in held.notes]))


def _shared_attacks(measured: Sequence[RobustnessReport]) -> list[dict[str, Any]]:
    """The attacks, where all models stood the same ones."""
    return [
        {
            "name": attack["name"],
            "radius": f"{attack['epsilon']:.3g}",
            "queries": attack["queries"],
        }
        for attack in shared_attacks(measured)
    ]


def _cells(entry: RobustnessReport, held: Relative | None, attacks: int) -> list[str]:
    damage = entry.damage
    cells = [
        f"{entry.clean_error:.3f}",
        f"{entry.mean_error:.3f}",
        _interval(damage.mean_error),
        f"{entry.mean_mpe:.3f}",
    ]
    if held is not None:
        cells += [_number(held.mce), _interval(held.mce), _number(held.relative_mce)]
    return cells + [f"{error:.3f}" for error in entry.adversarial_errors[:attacks]]


def _number(spread: Spread) -> str:
    value = float(spread.value)
    return f"{value:.3f}" if np.isfinite(value) else "not defined"


def _interval(spread: Spread) -> str:
    if not np.isfinite(spread.value):
        return ""
    return f"{float(spread.low):.3f} to {float(spread.high):.3f}"


def _corruptions(entry: RobustnessReport) -> list[list[str]]:
    damage = entry.damage
    return [
        [
            _word(name),
            f"{float(damage.corruption_errors[row].value):.3f}",
            _interval(damage.corruption_errors[row]),
            f"{float(damage.corruption_mpe[row].value):.3f}",
            _interval(damage.corruption_mpe[row]),
        ]
        for row, name in enumerate(entry.perturbations)
    ]


def _word(name: str) -> str:
    return name.replace("_", " ")


def _rows(what: str, labels: Sequence[str], measured: dict[int, RobustnessReport]) -> Chart:
    """Errors, or changes of prediction, corruption by corruption."""
    names = [_word(name) for name in next(iter(measured.values())).perturbations]
    errors = what == "errors"
    held = {
        number: entry.damage.corruption_errors if errors else entry.damage.corruption_mpe
        for number, entry in measured.items()
    }
    quantity = "error" if errors else "mPE"
    series = [
        Values(
            spread.value,
            [
                f"{labels[number]}, {name}: {quantity} {spread.value[row]:.3f}, interval "
                f"{spread.low[row]:.3f} to {spread.high[row]:.3f}"
                for row, name in enumerate(names)
            ],
            (spread.low, spread.high),
        )
        for number, spread in held.items()
    ]
    title = "Error under each corruption" if errors else "How far predictions move (mPE)"
    return dot_rows(
        series,
        names,
        numbers=list(held),
        most=1.0 if errors else _MOST_MPE,
        words=Words(
            name=what,
            title=title,
            description=f"A dot for each model and corruption: {quantity}, mean over severities, "
            "with its interval.",
            across="share of wrong answers" if errors else "mean change of the probabilities",
        ),
    )


def _scatters(
    reports: Sequence[Report],
    labels: Sequence[str],
    measured: dict[int, RobustnessReport],
    against: dict[int, Relative],
) -> list[Chart]:
    """The score against what was measured, a dot a model; none for too few models."""
    if len(measured) < _SCATTERED:
        return []
    mce = {number: float(held.mce.value) for number, held in against.items()}
    if mce and all(map(np.isfinite, mce.values())):
        outcomes = {"mCE": mce}
    else:
        outcomes = {"mean error": {n: entry.mean_error for n, entry in measured.items()}}
    outcomes["mPE"] = {number: entry.mean_mpe for number, entry in measured.items()}
    return [
        scatter(
            [
                (
                    number,
                    reports[number].srs_signed,
                    value,
                    f"{labels[number]}: signed score {reports[number].srs_signed:+.3f}, {outcome} "
                    f"{value:.3f}",
                )
                for number, value in values.items()
            ],
            words=Words(
                name=f"scatter-{position}",
                title=f"Signed score against {outcome}",
                description=f"A dot for each model; a score that foretells robustness has high "
                f"scores at low {outcome}.",
                across="signed score",
                up=outcome,
            ),
        )
        for position, (outcome, values) in enumerate(outcomes.items())
    ]


def noise(report: SnrReport) -> dict[str, Any]:
    """What the signal-to-noise part shows: a chart for each kind of perturbation."""
    kinds: dict[str, list[int]] = {}
    for position, name in enumerate(report.perturbations):
        kinds.setdefault(report.settings["kinds"][name], []).append(position)
    ratios = [curves[report.middle].snr for curves in report.curves]
    severity = report.severities[report.middle]
    with np.errstate(divide="ignore"):
        heights = [np.log10(ratio.value) for ratio in ratios]
    charts = [
        (_decay(report, kind, members, heights), [_word(report.perturbations[m]) for m in members])
        for kind, members in kinds.items()
    ]
    return {
        "images": len(report.image_ids),
        "severity": severity,
        "bands": report.band_names,
        "charts": charts,
        "rows": [
            (
                _word(name),
                [f"{value:.3g}" if np.isfinite(value) else "no noise" for value in ratio.value],
            )
            for name, ratio in zip(report.perturbations, ratios, strict=True)
        ],
    }


def _decay(report: SnrReport, kind: str, members: list[int], heights: list[Any]) -> Chart:
    return line_chart(
        [
            Values(
                heights[member],
                [
                    f"{_word(report.perturbations[member])}, band {band}: signal to noise "
                    f"{10.0**height:.3g}"
                    for band, height in zip(report.band_names, heights[member], strict=True)
                ],
            )
            for member in members
        ],
        span=heights,
        names=report.band_names,
        decades=True,
        group="noise",
        words=Words(
            name=f"noise-{kind}",
            title=f"Signal to noise by band: {kind}",
            description="Ratio of the image's amplitude to that of what the perturbation adds, on "
            "a logarithmic axis.",
            across="band, lowest to highest frequency",
            up="signal / noise",
        ),
    )
