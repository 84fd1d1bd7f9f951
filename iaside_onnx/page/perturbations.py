"""The page's parts on measured perturbations: corruption errors beside the score, and the SNR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparisons.agreement import grounds_apart, shared_attacks
from ..comparisons.baseline import relative
from ..errors import UsageError
from ..results.damage_words import radius_text
from ..results.fed import beside, fed_otherwise, one_file
from ..results.report import Report
from ..results.robustness import Relative, RobustnessReport
from ..results.snr import SnrReport
from ..results.spread import Spread
from ..views.snr_plot import by_kind
from ..views.text import NOT_KNOWN, interval, levels, number, percent, words
from .charts import Chart, Values, Words, dot_rows, line_chart, scatter
from .groups import Group, bands_with_waves, other_bands
from .measured import guess_words, right_rows

_MOST_MPE = 2.0
_BANDS = "band, lowest to highest frequency"
# From so many models on a scatter says something.
_SCATTERED = 3


def matched(
    reports: Sequence[Report], measured: Sequence[RobustnessReport]
) -> dict[int, RobustnessReport]:
    """Robustness reports by the number of the report that each stands beside.

    Raises
    ------
    UsageError
        A model that no report is of, or that is fed otherwise in several, two robustness reports
        of one, or measurements of other corruptions, severities or images than each other's.
    """
    of_report: dict[int, RobustnessReport] = {}
    for entry, numbers in zip(measured, beside(reports, measured), strict=True):
        name = Path(entry.model["path"]).name
        if not numbers:
            raise UsageError(_no_report(reports, entry))
        if numbers[0] in of_report:
            raise UsageError(f"two robustness reports are of {name}; give one of them")
        refusals, _ = grounds_apart(measured[0], entry)
        if refusals:
            raise UsageError(
                f"robustness of {name} was measured with {', '.join(refusals)}; make a page of each"
            )
        of_report |= dict.fromkeys(numbers, entry)
    return dict(sorted(of_report.items()))


def _no_report(reports: Sequence[Report], entry: RobustnessReport) -> str:
    """What is wrong with a measurement that stands beside none of the reports."""
    name = Path(entry.model["path"]).name
    own = [report for report in reports if one_file(report, entry)]
    if not own:
        return f"robustness was measured of {name}, but no report is of that file (by its hash)"
    otherwise = fed_otherwise(own[0].settings, entry.settings) or "settings that are not all known"
    return (
        f"robustness of {name} was measured with {otherwise}, and no report here is "
        "of that file so fed; analyze it so, or leave the measurement out"
    )


def cost(
    groups: Sequence[Group],
    labels: Sequence[str],
    measured: dict[int, RobustnessReport],
    baseline: RobustnessReport | None,
    once: Mapping[int, str],
) -> dict[str, Any]:
    """What the robustness part shows of what `matched` gave; mCE is relative to the baseline.

    Scores stand there for every report, what was measured of a model `once`, under that name.

    Raises
    ------
    ReportError
        A baseline of other images or corruptions.
    """
    measured = {place: entry.with_attacks_run() for place, entry in measured.items()}
    models = {place: entry for place, entry in measured.items() if place in once}
    entries = list(measured.values())
    first = entries[0]
    against = {n: relative(entry, baseline) for n, entry in measured.items()} if baseline else {}
    attacks = shared_attacks(entries)
    notes = [note for entry in entries for note in grounds_apart(first, entry)[1]]
    notes += [note for each in against.values() for note in each.notes]
    scores = {
        number: (_score(report), group.heading if len(groups) > 1 else "")
        for group in groups
        for number, report in zip(group.numbers, group.reports, strict=True)
    }
    fed = {
        number: fed_otherwise(report.settings, measured[number].settings)
        for group in groups
        for number, report in zip(group.numbers, group.reports, strict=True)
        if number in measured
    }
    rows = [
        {
            "number": place,
            "label": labels[place],
            "fed": fed[place],
            "score": scores[place][0],
            "bands": scores[place][1],
            "cells": _cells(entry, against.get(place), len(attacks)),
            "model": once.get(place),
            "corruptions": _corruptions(entry) if place in once else [],
            "level": percent(entry.confidence),
        }
        for place, entry in measured.items()
    ]
    return {
        "level": levels(entries),
        "error": first.error_name,
        "own_answers": first.of_own_answers,
        # Of another task than classes the mean value stands where the mPE does.
        "task": None if first.of_classes else first.task,
        "counted": first.task.counted_as(own=first.of_own_answers),
        "of_same": first.of_own_answers and first.task.same is not None,
        "moved": "mPE" if first.of_classes else f"Mean {first.task.quantity}",
        "clean": "Clean error" if first.of_classes else f"Clean: {first.error_name}",
        "perturbations": first.perturbations,
        "severities": [str(level) for level in first.severities],
        "baseline": None if baseline is None else Path(baseline.model["path"]).name,
        "attacks": [
            {**attack, "radius": radius_text(attack["epsilon"]), "images": int(count)}
            for attack, count in zip(attacks, first.attacked.sum(axis=0), strict=False)
        ],
        "rows": rows,
        "images": len(first.labels),
        "several": len(models) > 1,
        "guess": guess_words(first),
        "errors": right_rows(once, models),
        "changes": _changes(once, models) if _drawn(first) else None,
        "scatters": [
            group.placed(chart, place)
            for place, group in enumerate(groups)
            for chart in _scatters(group, measured, against)
        ],
        "notes": list(dict.fromkeys(notes)),
    }


def _score(report: Report) -> str:
    low, high = (number(end, signed=True) for end in report.intervals.srs_signed)
    return f"{number(report.srs_signed, signed=True)} [{low}, {high}]"


def _cells(entry: RobustnessReport, against: Relative | None, attacks: int) -> list[str]:
    """Each figure with its interval."""
    found = [entry.clean_spread, entry.damage.mean_error, entry.damage.mean_mpe]
    if not entry.of_classes:
        found[2] = entry.mean_values[1][1]
    if against is not None:
        found += [against.mce, against.relative_mce]
    spread = entry.adversarial_spread
    found += [spread[place] for place in range(attacks)]
    return [_told(each) for each in found]


def _told(spread: Spread | None) -> str:
    """A quantity and its interval."""
    if spread is None:
        return NOT_KNOWN
    if not np.isfinite(spread.value):
        return "not defined"
    ends = [number(end) for end in (spread.low, spread.high)]
    return f"{number(spread.value)} [{ends[0]}, {ends[1]}]"


def _ends(spread: Spread) -> str:
    return interval(spread.low, spread.high) if np.isfinite(spread.value) else ""


def _corruptions(entry: RobustnessReport) -> list[list[str]]:
    """Each corruption with its error and mPE (or mean value), the largest error first."""
    columns = entry.damage.corruption_errors, _moved(entry)
    order = np.argsort(-columns[0].value, kind="stable").tolist()
    return [
        [
            words(entry.perturbations[row]),
            *(cell for c in columns for cell in (number(c.value[row]), _ends(c[row]))),
        ]
        for row in order
    ]


def _moved(entry: RobustnessReport) -> Spread:
    """What is shown beside the errors of each corruption: the mPE, or the mean value."""
    return entry.damage.corruption_mpe if entry.of_classes else entry.mean_values[0]


def _drawn(entry: RobustnessReport) -> bool:
    """Whether that fits a chart whose axis begins at 0."""
    return bool(np.min(_moved(entry).low) >= 0)


def _changes(labels: Mapping[int, str], measured: dict[int, RobustnessReport]) -> Chart:
    """Changes of prediction by corruption, or mean values, the worst first."""
    first = next(iter(measured.values()))
    classes, quantity = first.of_classes, first.task.quantity
    spreads = {place: _moved(entry) for place, entry in measured.items()}
    mean = np.mean([each.value for each in spreads.values()], axis=0)
    order = np.argsort(-mean if classes else mean, kind="stable")
    names = [words(first.perturbations[at]) for at in order]
    told = "mPE" if classes else f"mean {quantity}"
    series = []
    for place, whole in spreads.items():
        spread = whole[order]
        said = [
            f"{labels[place]}, {name}: {told} {number(spread.value[row])}, interval "
            f"{interval(spread.low[row], spread.high[row])}"
            for row, name in enumerate(names)
        ]
        series.append(Values(spread.value, said, (spread.low, spread.high)))
    about = Words(
        "changes",
        "How far predictions move (mPE)" if classes else f"Mean {quantity} under each corruption",
        f"A dot for each model and corruption: {told}, mean over severities, with its interval; "
        f"the {'largest' if classes else 'least'} on top.",
        "mean change of the probabilities, 0 to 2" if classes else told,
    )
    most = _MOST_MPE if classes else 1.0
    return dot_rows(series, names, about, numbers=list(measured), most=most)


def _scatters(
    group: Group, measured: dict[int, RobustnessReport], against: dict[int, Relative]
) -> list[Chart]:
    """The score against what was measured, a dot a model; none for too few models."""
    measured = {at: measured[n] for at, n in enumerate(group.numbers) if n in measured}
    against = {at: against[n] for at, n in enumerate(group.numbers) if n in against}
    if len(measured) < _SCATTERED:
        return []
    entries = list(measured.values())
    outcomes = {"mCE": {place: float(each.mce.value) for place, each in against.items()}}
    if not against or not all(map(np.isfinite, outcomes["mCE"].values())):
        outcomes = {
            f"mean {entries[0].error_name}": {
                place: entry.mean_error for place, entry in measured.items()
            }
        }
    if entries[0].of_classes:
        outcomes["mPE"] = {place: entry.mean_mpe for place, entry in measured.items()}
    charts = []
    for position, (outcome, values) in enumerate(outcomes.items()):
        points = []
        for place, value in values.items():
            score = group.reports[place].srs_signed
            said = f"signed score {number(score, signed=True)}, {outcome} {number(value)}"
            points.append((place, score, value, f"{group.labels[place]}: {said}"))
        about = Words(
            f"scatter-{position}",
            f"Signed score against {outcome}",
            f"A dot for each model; a score that predicts robustness has high scores at low "
            f"{outcome}.",
            "signed score",
            outcome,
        )
        charts.append(scatter(points, about))
    return charts


def _without_curve(ratio: NDArray[np.float64]) -> str:
    """What a legend adds to the name of a perturbation that has no curve, which it explains."""
    if np.isposinf(ratio).all():
        return " (no noise, so no curve)"
    return "" if (np.isfinite(ratio) & (ratio > 0)).any() else " (no curve)"


def noise(report: SnrReport, groups: Sequence[Group]) -> dict[str, Any]:
    """What the signal-to-noise part shows: a chart for each kind of perturbation."""
    ratios = [curves[report.middle].snr.value for curves in report.curves]
    with np.errstate(divide="ignore"):
        heights = [np.log10(ratio) for ratio in ratios]
    names = [words(name) for name in report.perturbations]
    series = []
    for name, decades in zip(names, heights, strict=True):
        said = [
            f"{name}, band {band}: signal to noise {10.0**height:.3g}"
            for band, height in zip(report.band_names, decades, strict=True)
        ]
        series.append(Values(decades, said))
    charts = []
    for kind, members in by_kind(report).items():
        about = Words(
            f"noise-{kind}",
            f"Signal to noise by band: {kind}",
            "Ratio of the image's amplitude to that of what the perturbation adds, on a "
            "logarithmic axis.",
            _BANDS,
            "signal / noise",
        )
        chart = line_chart(
            [series[member] for member in members], about, span=heights, names=report.band_names,
            decades=True, group="noise",
        )  # fmt: skip
        legend = [f"{names[member]}{_without_curve(ratios[member])}" for member in members]
        charts.append((chart, legend))
    return {
        "images": len(report.image_ids),
        "severity": report.severities[report.middle],
        "bands": report.band_names,
        "band_kind": bands_with_waves(report.settings),
        "notes": other_bands(report.settings, groups),
        "charts": charts,
        "rows": [
            (name, [f"{value:.3g}" if np.isfinite(value) else "no noise" for value in ratio])
            for name, ratio in zip(names, ratios, strict=True)
        ],
    }
