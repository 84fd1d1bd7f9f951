"""What a report says, in the words that every view shows.

One score says where the evidence lies, on these images, and compares models; what damage costs a
model is measured, never predicted from its score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import check_kind
from ..errors import ReportError
from ..mathematics.proportion import normal_quantile, student_quantile
from ..mathematics.spacing import LINEAR
from ..plurals import counted, listed, plural
from .banded import names_with_waves, spacing_of
from .fed import fed_otherwise
from .part import part_note
from .precondition import enough_in_words, speaks_of_accuracy
from .robustness import RobustnessReport
from .value_table import FEW_IMAGES, ValueTable

# A signed score within this share of its attainable arms, on either side of 0, is none.
MARGIN = 0.05
NO_FINDING = "No finding"
# Beside every number of a report that says nothing.
NOT_A_FINDING = "not a finding"
_MOST_BANDS = 3
_COMPARES = "A score compares models on the same images: iaside compare REPORT OTHER."
_MEASURES = (
    "What damage costs {model} has to be measured: iaside robustness MODEL IMAGES -o FILE, then "
    "iaside show REPORT --robustness FILE."
)


@dataclass(frozen=True)
class Finding:
    """What a report says.

    Attributes
    ----------
    withheld : bool
        The precondition fails: no number of the report is a finding.
    evidence : str
        Where the evidence lies; where that is withheld, why.
    measured : str or None
        Errors measured of the same model, where they were given.
    further : str or None
        What to run to learn more; None where it was run, or would be in vain.
    """

    withheld: bool
    evidence: str
    measured: str | None
    further: str | None

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(filter(None, [self.evidence, self.measured, self.further]))


def finding(report: ValueTable, robustness: RobustnessReport | None = None) -> Finding:
    """What a report says, and what was measured of its model; see `Report.finding`."""
    measured = None
    if robustness is not None:
        check_kind("robustness", robustness, RobustnessReport, "a RobustnessReport, or None")
        check_measures("the measurement", robustness, [report.model])
        measured = _measured(report, robustness)
        if robustness.task != report.task:
            raise ReportError(
                f"the measurement is of {robustness.task.what}, the report of {report.task.what}; "
                "measure both alike"
            )
    reason = no_finding(report)
    if reason is not None:
        return Finding(True, reason, measured, None)
    return Finding(False, _evidence(report), measured, None if measured else next_words())


def next_words(model: str = "this model", *, comparable: bool = True) -> str:
    """What to run to learn more of a model; of reports that differ no comparison is proposed."""
    return " ".join([_COMPARES] * comparable + [_MEASURES.format(model=model)])


def no_finding(report: ValueTable) -> str | None:
    """Why a report says nothing; None where it says something."""
    reasons = report.precondition.reasons
    return f"{NO_FINDING}: {'. Also, '.join(reasons)}." if reasons else None


def check_measures(
    name: str | Path, robustness: RobustnessReport, models: Sequence[dict[str, Any]]
) -> None:
    """Refuse a measurement, called `name`, of a model that is none of these."""
    measured = robustness.model
    if any(model["sha256"] == measured["sha256"] for model in models):
        return
    known = ", ".join(f"{model['path']} ({model['sha256'][:12]})" for model in models)
    raise ReportError(
        f"{name}: was measured of another model, {measured['path']} (SHA-256 "
        f"{measured['sha256'][:12]}), not of {known}; measure that one: iaside robustness MODEL "
        "IMAGES -o FILE"
    )


def reservations(report: ValueTable) -> list[str]:
    """What speaks against reading a report, the weightiest first; empty where nothing does."""
    images, part = report.precondition.images, part_note(report)
    few = images < FEW_IMAGES
    few_images = f"{counted(images, 'image')} {plural(images, 'is', 'are')} few"
    return [
        *report.precondition.reasons,
        *filter(None, [report.precondition.accuracy_note]),
        *([f"{few_images}: intervals are too narrow"] if few else []),
        *([] if part is None else [part]),
        *run_warnings(report),
    ]


def run_warnings(report: ValueTable) -> list[str]:
    """What the run warned of, but for the accuracy, which the precondition judges."""
    warnings = map(str, report.run.get("warnings") or [])
    return [warning for warning in warnings if not speaks_of_accuracy(warning)]


def distance_to_decide(
    score: float, interval: tuple[float, float], margins: tuple[float, float]
) -> tuple[float, float]:
    """Half width of a score's interval, and how small it must get to decide where it lies.

    An interval that narrows around its estimate decides once it is clear of 0, or lies within the
    margins below and above 0: whichever bound is further away is cleared first.
    """
    within = min(score - margins[0], margins[1] - score)
    return (interval[1] - interval[0]) / 2, max(abs(score), within)


def _evidence(report: ValueTable) -> str:
    images = len(report.labels)
    on, evidence = f"On {counted(images, 'image')}", "evidence"
    if not report.of_classes:
        evidence = report.task.evidence
    elif report.of_own_answers:
        evidence = "evidence for the model's own answers, right or not,"
    if report.uniform:
        return (
            f"{on} all bands have the same Shapley value: the distribution is uniform, and no "
            "band matters more than another to this model."
        )
    score, interval, ends = report.srs_signed, report.intervals.srs_signed, report.srs_range
    margins = MARGIN * ends[0], MARGIN * ends[1]
    number = f"{score:+.3f} [{interval[0]:+.3f}, {interval[1]:+.3f}]"
    few = (
        " (intervals of so few images are too narrow, so a wider one is judged)"
        if images < FEW_IMAGES
        else ""
    )
    # Equal widths make the weights of bands weights of frequencies.
    parts = "frequencies" if spacing_of(report.settings) == LINEAR else "bands"
    low, high = _widened(score, interval, images, report.confidence)
    if margins[0] <= low and high <= margins[1]:
        return (
            f"{on} neither low nor high {parts} carry more of the {evidence}: the signed "
            f"score, {number}, lies within {MARGIN:.0%} of its attainable range on either side "
            f"of 0 ({margins[0]:+.3f} to {margins[1]:+.3f}){few}."
        )
    if low <= 0.0 <= high:
        more = enough_in_words(images, *distance_to_decide(score, interval, margins))
        return (
            f"Whether low or high {parts} carry more of the {evidence} cannot be decided from "
            f"{counted(images, 'image')}: the signed score is {number}{few}; {more}."
        )
    side, end = ("lowest", ends[1]) if score > 0 else ("highest", ends[0])
    return (
        f"{on} most of the {evidence} lies on {_bands(report)}. The signed score is {number}, "
        f"{score / end:.0%} of the way from even (0) to the {side} band alone ({end:+.3f}){few}."
    )


def _widened(
    score: float, interval: tuple[float, float], images: int, confidence: float
) -> tuple[float, float]:
    """An interval as it is judged: of few images wider, as Student's are wider than normal ones."""
    if not 1 < images < FEW_IMAGES:
        return interval
    factor = student_quantile(confidence, images - 1) / normal_quantile(confidence)
    factor *= math.sqrt(images / (images - 1))
    return score - factor * (score - interval[0]), score + factor * (interval[1] - score)


def _bands(report: ValueTable) -> str:
    """The fewest bands that have half of the importance, with their shares."""
    sid, ends, names = report.sid, report.intervals, report.band_names
    order = np.argsort(-sid, kind="stable")
    count = 1 + int(np.searchsorted(np.cumsum(sid[order]), 0.5 - 1e-9))
    named = sorted(order[: min(count, _MOST_BANDS)].tolist())
    bands = names_with_waves(report.settings, names)
    bands = [bands[band] for band in named]
    shares = [
        f"{sid[band]:.3f} [{ends.sid_low[band]:.3f}, {ends.sid_high[band]:.3f}]" for band in named
    ]
    if count > _MOST_BANDS:
        bands.append(f"{count - _MOST_BANDS} more")
        shares.append(f"together {float(sid[order[_MOST_BANDS:count]].sum()):.3f}")
    return (
        f"{plural(len(bands), 'band')} {listed(bands)} of {len(sid)}, counted from the "
        f"lowest frequency: {listed(shares)} of the importance"
    )


def measured_values(robustness: RobustnessReport) -> dict[str, Any]:
    """What the sentence on a measurement rests on, as plain JSON values."""
    damage, clean = robustness.damage, robustness.clean_spread
    worst, of_task, of_worst = int(np.argmax(damage.corruption_errors.value)), {}, {}
    if not robustness.of_classes:
        values, overall = robustness.mean_values
        worst = int(np.argmin(values.value))
        of_task = {"clean_value": overall[0].json(), "mean_value": overall[1].json()}
        of_worst = {"value": values[worst].json()}
    return {
        "images": len(robustness.labels),
        "source": robustness.data["source"],
        "corruptions": len(robustness.perturbations) - len(robustness.own),
        **({"own": len(robustness.own)} if robustness.own else {}),
        "severities": robustness.severities,
        "clean_error": None if clean is None else clean.json(),
        **robustness.as_errors("mean_error", "mean_flip_rate", damage.mean_error.json()),
        **of_task,
        "worst": {
            **of_worst,
            "name": robustness.perturbations[worst],
            **robustness.as_errors("error", "flip_rate", damage.corruption_errors[worst].json()),
        },
    }


def _measured(report: ValueTable, robustness: RobustnessReport) -> str:
    values = measured_values(robustness)
    worst, count, levels = values["worst"], values["corruptions"], values["severities"]
    over = [
        f"{counted(count, 'corruption')} at "
        f"{plural(len(levels), 'severity', 'severities')} {', '.join(map(str, levels))}"
    ] * bool(count)
    if own := values.get("own"):
        over.append(f"{counted(own, 'folder')} of perturbed pictures")
    others = fed_otherwise(report.settings, robustness.settings)
    otherwise = f", with {others}" if others else ""
    about = f"{counted(values['images'], 'image')} of {values['source']}{otherwise}"
    under = f"{' and '.join(over)}"
    name, kind = worst["name"].replace("_", " "), robustness.task
    if not robustness.of_classes:
        return (
            f"Mean {kind.quantity} measured of this model ({about}): "
            f"{_spread(values['clean_value'])} on clean images, "
            f"{_spread(values['mean_value'])} on average over {under}, "
            f"{_spread(worst['value'])} under the worst of them, {name}."
        )
    if robustness.of_own_answers:
        return (
            f"Flip rates measured of this model, shares of answers that are not those to the "
            f"clean images ({about}): {_spread(values['mean_flip_rate'])} on average over "
            f"{under}, {_spread(worst['flip_rate'])} under the worst of them, {name}."
        )
    return (
        f"Errors measured of this model ({about}): {_spread(values['clean_error'])} on "
        f"clean images, {_spread(values['mean_error'])} on average over "
        f"{under}, {_spread(worst['error'])} under the worst of them, {name}."
    )


def _spread(error: dict[str, float]) -> str:
    return f"{error['value']:.3f} [{error['low']:.3f}, {error['high']:.3f}]"
