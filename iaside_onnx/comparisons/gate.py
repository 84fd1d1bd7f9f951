"""Thresholds that a report must hold: the decision as data.

Each criterion judges one number. By default that is the end of its interval that speaks against
the model, so that a lucky sample does not pass; the estimate itself on request. Accuracy is judged
first; a score is judged only where it is a finding.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UsageError
from ..mathematics.paired import Difference
from ..mathematics.proportion import wilson
from ..results.finding import no_finding
from ..results.part import part_note
from ..results.report import FEW_IMAGES, Report, check_view, load
from ..results.shown import Shown
from ..storage.seal import NO_SEAL, is_sealed
from .comparison import compare
from .verdict import decimals


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


@dataclass(frozen=True, repr=False)
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
    _check(min_score, min_accuracy, baseline, max_drop, max_accuracy_drop)
    loaded = report if isinstance(report, Report) else load(report)
    seen = loaded.view(value=value, beta=beta, confidence=confidence)
    view = {key: seen.settings[key] for key in ("value", "beta", "confidence")}
    check_view(**view)
    images = len(seen.labels)
    if images < 2 and not point:
        raise UsageError(f"{_name(report)}: one image has no interval; judge it with --point")
    notes = list(filter(None, [part_note(seen)]))
    files = [one for one in (report, baseline) if isinstance(one, str | Path)]
    notes += [
        f"{one}: {NO_SEAL}" for one in files if Path(one).is_file() and not is_sealed(Path(one))
    ]
    if images < FEW_IMAGES and not point:
        notes.append(f"{images} images are few: their bootstrap intervals are too narrow")
    if min_score is not None:
        lowest, highest = seen.srs_range
        if not lowest <= min_score <= highest:
            raise UsageError(
                f"--min-score {min_score:g}: the signed score lies between {lowest:.3f} and "
                f"{highest:.3f} for {seen.players} bands and beta {seen.beta:g}"
            )
    criteria = []
    if min_accuracy is not None:
        right = int(np.sum(seen.predicted == seen.labels))
        low, high = wilson(right, images, seen.confidence)
        ends = float(low), float(high)
        criteria.append(
            _judged(
                "--min-accuracy", "clean accuracy", min_accuracy, seen.accuracy, ends, point=point
            )
        )
    against = None
    if baseline is not None:
        against = baseline if isinstance(baseline, Report) else load(baseline)
    not_judged = _not_judged(report, seen, min_score, baseline, against, max_drop)
    pair = None
    if baseline is not None and (max_accuracy_drop is not None or not not_judged):
        pair = compare(baseline, report, **view).pairs[0]
        notes += pair.notes
        if any(pair.left_out.values()):
            notes.append(
                f"drops speak of the {pair.shared} shared images: {pair.left_out['reference']} of "
                f"the baseline and {pair.left_out['other']} of the report are left out"
            )
    if pair is not None and max_accuracy_drop is not None:
        drop, ends = _drop(pair.accuracy)
        what = "drop of clean accuracy"
        criteria.append(
            _judged("--max-accuracy-drop", what, max_accuracy_drop, drop, ends, point=point)
        )
    judged = {entry.option for entry in not_judged}
    if min_score is not None and "--min-score" not in judged:
        ends = seen.intervals.srs_signed
        criteria.append(
            _judged("--min-score", "signed score", min_score, seen.srs_signed, ends, point=point)
        )
    if pair is not None and max_drop is not None and "--max-drop" not in judged:
        drop, ends = _drop(pair.srs_signed)
        criteria.append(
            _judged("--max-drop", "drop of signed score", max_drop, drop, ends, point=point)
        )
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


def _not_judged(
    report: str | Path | Report,
    seen: Report,
    min_score: float | None,
    baseline: str | Path | Report | None,
    against: Report | None,
    max_drop: float | None,
) -> list[NotJudged]:
    """Thresholds on scores that are no findings."""
    ours = no_finding(seen)
    own = None if ours is None else f"{_name(report)}: {ours}"
    theirs = None if against is None else no_finding(against)
    other = None if baseline is None or theirs is None else f"{_name(baseline)}: {theirs}"
    asked = (
        ("--min-score", "signed score", min_score, own),
        ("--max-drop", "drop of signed score", max_drop, own or other),
    )
    return [
        NotJudged(option, what, option.startswith("--min"), limit, why.rstrip("."))
        for option, what, limit, why in asked
        if limit is not None and why is not None
    ]


def _check(
    min_score: float | None,
    min_accuracy: float | None,
    baseline: object | None,
    max_drop: float | None,
    max_accuracy_drop: float | None,
) -> None:
    drops = max_drop, max_accuracy_drop
    if all(limit is None for limit in (min_score, min_accuracy, *drops)) and baseline is None:
        raise UsageError(
            "no threshold: give at least one of --min-score, --min-accuracy, or --baseline with "
            "--max-drop or --max-accuracy-drop"
        )
    if baseline is None and drops != (None, None):
        raise UsageError("a largest drop needs --baseline REPORT to count from")
    if baseline is not None and drops == (None, None):
        raise UsageError("--baseline needs --max-drop or --max-accuracy-drop")
    for option, limit, most in (
        ("--min-accuracy", min_accuracy, 1.0),
        ("--max-drop", max_drop, np.inf),
        ("--max-accuracy-drop", max_accuracy_drop, 1.0),
    ):
        if limit is not None and not (0 <= limit <= most and np.isfinite(limit)):
            allowed = "a share from 0 to 1" if most == 1 else "0 or a positive number"
            raise UsageError(f"{option} {limit:g}: must be {allowed}")


def _drop(found: Difference) -> tuple[float, tuple[float, float]]:
    # Subtracting from 0 leaves no negative zero in reports of models that do not differ.
    return 0.0 - found.difference, (0.0 - found.high, 0.0 - found.low)


def _judged(
    option: str,
    what: str,
    threshold: float,
    estimate: float,
    ends: tuple[float, float],
    *,
    point: bool,
) -> Criterion:
    at_least = option.startswith("--min")
    judged = estimate if point else ends[0 if at_least else 1]
    passed = judged >= threshold if at_least else judged <= threshold
    low, high = ends
    digits = _digits(low, high, judged, threshold)
    limit = f"{option} {threshold:g}"
    number, side = f"{judged:.{digits}f}", ("lower" if at_least else "upper")
    measured = f"{what} {estimate:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    where = "the estimate" if point else f"its {side} end {number}"
    if at_least:
        verdict = "reaches" if passed else "is below"
    else:
        verdict = "stays within" if passed else "exceeds"
    reason = f"{measured}: {where} {verdict} {limit}"
    return Criterion(option, what, at_least, threshold, estimate, low, high, judged, passed, reason)


def _digits(low: float, high: float, judged: float, threshold: float) -> int:
    """Digits that show the interval, and on which side of the threshold a number lies."""
    digits = decimals([Difference(0, 0, 0, low, high, 1, 0, 0)])
    while digits < 7 and judged != threshold and round(judged, digits) == round(threshold, digits):
        digits += 1
    return digits


def _name(report: str | Path | Report) -> str:
    return Path(report.model["path"]).stem if isinstance(report, Report) else str(report)
