"""Thresholds that a report must hold: the decision as data.

Each criterion judges one number. By default that is the end of its interval that speaks against
the model, so that a lucky sample does not pass; the estimate itself on request. Accuracy is judged
first; a score is judged only where it is a finding.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidOption, UsageError
from ..mathematics.proportion import wilson
from ..results.finding import no_finding
from ..results.part import part_note
from ..results.report import FEW_IMAGES, Report, check_view, load
from ..results.shown import Shown
from ..setting_roles import VIEW
from ..spelling import on_command_line, option
from ..storage.seal import NO_SEAL, is_sealed
from .comparable import Named
from .comparison import compare
from .pairs import Pair
from .verdict import decimals_of

# What each parameter sets a threshold on, in the order in which they are judged.
_WHAT = {
    "min_accuracy": "clean accuracy",
    "max_accuracy_drop": "drop of clean accuracy",
    "min_score": "signed score",
    "max_drop": "drop of signed score",
}
_DROPS = {"max_accuracy_drop", "max_drop"}


@dataclass(frozen=True)
class Criterion:
    """One threshold and what the report says to it.

    Attributes
    ----------
    option, what : str
        The option that sets it, such as ``--min-score``, and the quantity in words.
    at_least : bool
        The quantity must reach the threshold; else it must not exceed it.
    threshold, estimate, low, high : float
    judged : float
        The number compared with the threshold: an end of the interval, or the estimate.
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
    """A threshold on a score that is no finding; the attributes are as those of `Criterion`."""

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
        Names of the reports.
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
    """Judge a report by thresholds.

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
    given = {
        "min_accuracy": min_accuracy,
        "max_accuracy_drop": max_accuracy_drop,
        "min_score": min_score,
        "max_drop": max_drop,
    }
    limits = {name: limit for name, limit in given.items() if limit is not None}
    _check(limits, baseline)
    opened = report if isinstance(report, Report) else load(report)
    audited = opened.view(value=value, beta=beta, confidence=confidence)
    view = {key: audited.settings[key] for key in VIEW}
    check_view(**view)
    images = len(audited.labels)
    if images < 2 and not point:
        one = option("point", True)
        raise UsageError(f"{_name(report)}: one image has no interval; judge it with {one}")
    notes = list(filter(None, [part_note(audited)]))
    files = [Path(file) for file in (report, baseline) if isinstance(file, str | Path)]
    notes += [f"{file}: {NO_SEAL}" for file in files if file.is_file() and not is_sealed(file)]
    if images < FEW_IMAGES and not point:
        notes.append(f"{images} images are few: their bootstrap intervals are too narrow")
    lowest, highest = audited.srs_range
    if min_score is not None and not lowest <= min_score <= highest:
        raise InvalidOption(
            "min_score",
            min_score,
            f"the signed score lies between {lowest:.3f} and {highest:.3f} for "
            f"{audited.players} bands and beta {audited.beta:g}",
        )
    named = [(_name(report), audited)]
    if baseline is not None:
        reference = baseline if isinstance(baseline, Report) else load(baseline)
        named.append((_name(baseline), reference))
    silent = _silent(named)
    not_judged = [
        NotJudged(_flag(name), _WHAT[name], name.startswith("min"), limit, silent[name])
        for name, limit in limits.items()
        if name in silent
    ]
    judged = {name: limit for name, limit in limits.items() if name not in silent}
    pair = None
    if baseline is not None and _DROPS & judged.keys():
        pair = compare(baseline, report, **view).pairs[0]
        notes += pair.notes
        if any(pair.left_out.values()):
            notes.append(
                f"drops speak of the {pair.shared} shared images: {pair.left_out['reference']} of "
                f"the baseline and {pair.left_out['other']} of the report are left out"
            )
    criteria = [
        _judged(name, limit, *_measured(name, audited, pair), point=point)
        for name, limit in judged.items()
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
        model=audited.model,
        data=audited.data,
        view=view,
    )


def _check(limits: Mapping[str, float], baseline: object | None) -> None:
    """Refuse thresholds that cannot be used; the least score depends on the report's bands."""
    drops = f"{option('max_drop')} or {option('max_accuracy_drop')}"
    if not limits and baseline is None:
        raise UsageError(
            f"no threshold: give at least one of {option('min_score')}, {option('min_accuracy')}, "
            f"or {option('baseline')} with {drops}"
        )
    if baseline is None and _DROPS & limits.keys():
        reference = option("baseline", like="REPORT")
        raise UsageError(f"a largest drop needs {reference} to count from")
    if baseline is not None and not _DROPS & limits.keys():
        raise UsageError(f"{option('baseline')} needs {drops}")
    for name, limit in limits.items():
        share = "accuracy" in name
        most = 1.0 if share else sys.float_info.max
        if name != "min_score" and not 0 <= limit <= most:
            allowed = "a share from 0 to 1" if share else "0 or a positive number"
            raise InvalidOption(name, limit, f"must be {allowed}")


def _silent(named: Sequence[Named]) -> dict[str, str]:
    """Thresholds on scores that are no findings, and why; the audited report comes first."""
    reasons = [
        f"{name}: {reason}".rstrip(".") if (reason := no_finding(report)) else ""
        for name, report in named
    ]
    silent = {"min_score": reasons[0], "max_drop": reasons[0] or reasons[-1]}
    return {name: reason for name, reason in silent.items() if reason}


def _measured(name: str, report: Report, pair: Pair | None) -> tuple[float, tuple[float, float]]:
    """The quantity that a threshold bounds, and its interval."""
    if name == "min_accuracy":
        right = int(np.sum(report.predicted == report.labels))
        low, high = wilson(right, len(report.labels), report.confidence)
        return report.accuracy, (float(low), float(high))
    if name == "min_score":
        return report.srs_signed, report.intervals.srs_signed
    assert pair is not None
    fall = pair.accuracy if name == "max_accuracy_drop" else pair.srs_signed
    # Subtracting from 0 leaves no negative zero in reports of models that do not differ.
    return 0.0 - fall.difference, (0.0 - fall.high, 0.0 - fall.low)


def _judged(
    name: str, threshold: float, estimate: float, ends: tuple[float, float], *, point: bool
) -> Criterion:
    at_least, what, flag = name.startswith("min"), _WHAT[name], _flag(name)
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
        f"{measured}: {'the estimate' if point else end} {verdicts[passed]} {flag} {threshold:g}"
    )
    return Criterion(flag, what, at_least, threshold, estimate, low, high, judged, passed, reason)


def _flag(name: str) -> str:
    return on_command_line(option(name))


def _name(report: str | Path | Report) -> str:
    return Path(report.model["path"]).stem if isinstance(report, Report) else str(report)
