"""Thresholds that a report must hold: the decision as data.

Each criterion judges one number. By default that is the end of its interval that speaks against
the model, so that a lucky sample does not pass; the estimate itself on request. Accuracy is judged
first; a score is judged only where it is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from ..mathematics.proportion import wilson
from ..results.finding import no_finding
from ..results.part import part_note
from ..results.report import FEW_IMAGES, Report, check_view, load
from ..results.shown import Shown
from ..setting_roles import VIEW
from ..spelling import option
from ..storage.seal import NO_SEAL, is_sealed
from .comparison import compare
from .pairs import Pair
from .verdict import decimals_of

# What each option sets a threshold on, in the order in which they are judged.
_WHAT = {
    "--min-accuracy": "clean accuracy",
    "--max-accuracy-drop": "drop of clean accuracy",
    "--min-score": "signed score",
    "--max-drop": "drop of signed score",
}
_DROPS = ("--max-accuracy-drop", "--max-drop")


@dataclass(frozen=True)
class Criterion:
    """One threshold and what the report says to it.

    Attributes
    ----------
    option : str
        The option that sets it, such as ``--min-score``.
    what : str
        The quantity in words.
    at_least : bool
        The quantity must reach the threshold; else it must not exceed it.
    threshold, estimate, low, high : float
    judged : float
        The number held against the threshold: an end of the interval, or the estimate.
    passed : bool
    reason : str
        One line that says so.
    """

    option: str
    what: str
    at_least: bool
    threshold: float
    estimate: float
    low: float
    high: float
    judged: float
    passed: bool
    reason: str


@dataclass(frozen=True)
class NotJudged:
    """A threshold on a score that is no finding.

    Attributes
    ----------
    option, what, at_least, threshold
        As those of `Criterion`.
    reason : str
        Why, in one line.
    """

    option: str
    what: str
    at_least: bool
    threshold: float
    reason: str


@dataclass(frozen=True)
class Gate(Shown):
    """Result of `gate`.

    Attributes
    ----------
    report, baseline : str, str or None
        What the reports are called.
    passed : bool
        Every criterion was judged and holds.
    point : bool
        The estimates were judged, not the ends of the intervals.
    criteria : list of Criterion
        Those on accuracy first.
    not_judged : list of NotJudged
    reasons : list of str
        The reasons of the criteria that do not hold.
    notes : list of str
        What to bear in mind.
    model, data, view : dict
        What was audited, on what; ``value``, ``beta``, ``confidence``.
    """

    report: str
    baseline: str | None
    passed: bool
    point: bool
    criteria: list[Criterion]
    not_judged: list[NotJudged]
    reasons: list[str]
    notes: list[str]
    model: dict[str, Any]
    data: dict[str, Any]
    view: dict[str, Any]

    @property
    def undecided(self) -> bool:
        """No criterion fails, but some cannot be judged."""
        return bool(self.not_judged) and not self.reasons

    def summary(self) -> dict[str, Any]:
        """The result as plain JSON values; the keys are those of ``iaside gate --json``."""
        return asdict(self)


def gate(
    report: str | Path | Report,
    *,
    min_score: float | None = None,
    min_accuracy: float | None = None,
    baseline: str | Path | Report | None = None,
    max_drop: float | None = None,
    max_accuracy_drop: float | None = None,
    point: bool = False,
    value: str | None = None,
    beta: float | None = None,
    confidence: float | None = None,
) -> Gate:
    """Hold a report against thresholds.

    Parameters
    ----------
    report : path or Report
    min_score : float, optional
        Least signed score (not the published one, whose absolute value a model on the highest
        band would pass). Bootstrap interval.
    min_accuracy : float, optional
        Least clean accuracy, 0 to 1. Wilson interval.
    baseline : path or Report, optional
        What drops are counted from, on the images that both reports share.
    max_drop, max_accuracy_drop : float, optional
        Largest drop of the signed score (paired bootstrap) and of accuracy (score interval).
    point : bool
        Judge the estimates instead of the unfavourable ends of their intervals.
    value, beta, confidence
        View settings for all reports; by default those of `report`. An end of the two-sided
        interval of confidence c is exceeded by chance with a probability of (1 - c) / 2.

    Returns
    -------
    Gate

    Raises
    ------
    UsageError
        No threshold, one that cannot be used, or a baseline without a drop and the reverse.
    ReportError
        A report cannot be read, or the baseline cannot be compared.

    Notes
    -----
    Thresholds on a score that is no finding, of `report` or of the baseline, are not judged: the
    result has not passed, and names them in ``not_judged``.
    """
    limits = {
        "--min-accuracy": min_accuracy,
        "--max-accuracy-drop": max_accuracy_drop,
        "--min-score": min_score,
        "--max-drop": max_drop,
    }
    _check(limits, baseline)
    loaded = report if isinstance(report, Report) else load(report)
    seen = loaded.view(value=value, beta=beta, confidence=confidence)
    view = {key: seen.settings[key] for key in VIEW}
    check_view(**view)
    images = len(seen.labels)
    if images < 2 and not point:
        raise UsageError(
            f"{_name(report)}: one image has no interval; judge it with {option('point', True)}"
        )
    notes = list(filter(None, [part_note(seen)]))
    files = [one for one in (report, baseline) if isinstance(one, str | Path)]
    notes += [
        f"{one}: {NO_SEAL}" for one in files if Path(one).is_file() and not is_sealed(Path(one))
    ]
    if images < FEW_IMAGES and not point:
        notes.append(f"{images} images are few: their bootstrap intervals are too narrow")
    lowest, highest = seen.srs_range
    if min_score is not None and not lowest <= min_score <= highest:
        raise UsageError(
            f"{option('min_score', like=f'{min_score:g}')}: the signed score lies between "
            f"{lowest:.3f} and {highest:.3f} for {seen.players} bands and beta {seen.beta:g}"
        )
    named = [(_name(report), seen)]
    if baseline is not None:
        against = baseline if isinstance(baseline, Report) else load(baseline)
        named.append((_name(baseline), against))
    silent = _silent(named)
    asked = {option: limit for option, limit in limits.items() if limit is not None}
    not_judged = [
        NotJudged(option, _WHAT[option], option.startswith("--min"), limit, silent[option])
        for option, limit in asked.items()
        if option in silent
    ]
    judged = {option: limit for option, limit in asked.items() if option not in silent}
    pair = None
    if baseline is not None and any(option in judged for option in _DROPS):
        pair = compare(baseline, report, **view).pairs[0]
        notes += pair.notes
        if any(pair.left_out.values()):
            notes.append(
                f"drops speak of the {pair.shared} shared images: {pair.left_out['reference']} of "
                f"the baseline and {pair.left_out['other']} of the report are left out"
            )
    criteria = [
        _judged(option, limit, *_measured(option, seen, pair), point=point)
        for option, limit in judged.items()
    ]
    return Gate(
        report=_name(report),
        baseline=None if baseline is None else _name(baseline),
        passed=not not_judged and all(criterion.passed for criterion in criteria),
        point=point,
        criteria=criteria,
        not_judged=not_judged,
        reasons=[criterion.reason for criterion in criteria if not criterion.passed],
        notes=notes,
        model=seen.model,
        data=seen.data,
        view=view,
    )


def _check(limits: Mapping[str, float | None], baseline: object | None) -> None:
    drops = any(limits[flag] is not None for flag in _DROPS)
    largest = f"{option('max_drop')} or {option('max_accuracy_drop')}"
    if all(limit is None for limit in limits.values()) and baseline is None:
        raise UsageError(
            f"no threshold: give at least one of {option('min_score')}, {option('min_accuracy')}, "
            f"or {option('baseline')} with {largest}"
        )
    if baseline is None and drops:
        first = option("baseline", like="REPORT")
        raise UsageError(f"a largest drop needs {first} to count from")
    if baseline is not None and not drops:
        raise UsageError(f"{option('baseline')} needs {largest}")
    for flag, limit in limits.items():
        share = "accuracy" in flag
        most = 1.0 if share else np.inf
        if limit is None or flag == "--min-score":  # bounded by the report's bands and beta
            continue
        if not (0 <= limit <= most and np.isfinite(limit)):
            allowed = "a share from 0 to 1" if share else "0 or a positive number"
            name = flag.removeprefix("--").replace("-", "_")
            raise UsageError(f"{option(name, like=f'{limit:g}')}: must be {allowed}")


def _silent(named: Sequence[tuple[str, Report]]) -> dict[str, str]:
    """Options whose thresholds are on scores that are no findings, and why; the report first."""
    reasons = [
        f"{name}: {reason}".rstrip(".") if (reason := no_finding(report)) else ""
        for name, report in named
    ]
    silent = {"--min-score": reasons[0], "--max-drop": reasons[0] or reasons[-1]}
    return {option: why for option, why in silent.items() if why}


def _measured(option: str, seen: Report, pair: Pair | None) -> tuple[float, tuple[float, float]]:
    """What a threshold is held against, and its interval."""
    if option == "--min-accuracy":
        right = int(np.sum(seen.predicted == seen.labels))
        low, high = wilson(right, len(seen.labels), seen.confidence)
        return seen.accuracy, (float(low), float(high))
    if option == "--min-score":
        return seen.srs_signed, seen.intervals.srs_signed
    assert pair is not None
    fall = pair.accuracy if option == "--max-accuracy-drop" else pair.srs_signed
    # Subtracting from 0 leaves no negative zero in reports of models that do not differ.
    return 0.0 - fall.difference, (0.0 - fall.high, 0.0 - fall.low)


def _judged(
    option: str, threshold: float, estimate: float, ends: tuple[float, float], *, point: bool
) -> Criterion:
    at_least, what = option.startswith("--min"), _WHAT[option]
    judged = estimate if point else ends[0 if at_least else 1]
    passed = bool(judged >= threshold if at_least else judged <= threshold)
    low, high = ends
    digits = decimals_of([high - low])
    # As many as show on which side of the threshold a number lies.
    while digits < 7 and judged != threshold and round(judged, digits) == round(threshold, digits):
        digits += 1
    measured = f"{what} {estimate:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    end = f"its {'lower' if at_least else 'upper'} end {judged:.{digits}f}"
    verdicts = ("is below", "reaches") if at_least else ("exceeds", "stays within")
    reason = (
        f"{measured}: {'the estimate' if point else end} {verdicts[passed]} {option} {threshold:g}"
    )
    return Criterion(option, what, at_least, threshold, estimate, low, high, judged, passed, reason)


def _name(report: str | Path | Report) -> str:
    return Path(report.model["path"]).stem if isinstance(report, Report) else str(report)
