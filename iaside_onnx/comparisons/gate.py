"""Thresholds that a report must hold: the decision as data.

Each criterion judges one number. By default that is the end of its interval that speaks against
the model, so that a lucky sample does not pass; the estimate itself on request. Accuracy is judged
first; a score is judged only where it is a finding.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..checks import is_number
from ..errors import InvalidOption, UsageError
from ..mathematics.paired import right_answers
from ..mathematics.proportion import wilson
from ..results.finding import NOT_A_FINDING, no_finding
from ..results.part import part_note
from ..results.report import FEW_IMAGES, Report, check_view
from ..results.shown import Shown
from ..spelling import on_command_line, option
from ..storage.seal import NO_SEAL, is_sealed
from .comparable import Named
from .comparison import compare
from .gated import (
    JUDGED,
    Ends,
    Gated,
    Judged,
    check_errors,
    check_paired,
    checked_limits,
    error,
    files_of,
    game_said,
    least_score_notes,
    mce,
    no_ratio,
    rise,
    words_of,
)
from .verdict import decimals_of

# What each parameter sets a threshold on, in the order in which they are judged.
_WHAT = {
    "min_accuracy": "clean accuracy",
    "max_accuracy_drop": "drop of clean accuracy",
    "max_mce": "mean corruption error (mCE)",
    "min_score": "signed score",
    "max_drop": "drop of signed score",
}
_DROPS = ("max_drop", "max_accuracy_drop")
_SCORES = ("min_score", "max_drop")
# Those that mean nothing without true labels.
_OF_LABELS = ("min_accuracy", "max_accuracy_drop", "max_mce")
NOT_DEFINED = "not defined"
_FROM_ERRORS: tuple[str, ...] = ("max_mce", "max_error_rise")
_FROM_BASELINE = (*_DROPS, *_FROM_ERRORS)


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
    """A threshold on what has no number that could be judged; else as `Criterion`.

    Attributes
    ----------
    state : str
        "not a finding" of a score, "not defined" of a ratio.
    """

    option: str
    what: str
    at_least: bool
    threshold: float
    reason: str
    state: str


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
        What was audited, on what; ``confidence``, and of scores ``value`` and ``beta``.
    game : str or None
        Bands and absence that the scores are of.
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
    game: str | None = None

    @property
    def undecided(self) -> bool:
        """No criterion fails, but some cannot be judged."""
        return bool(self.not_judged) and not self.reasons

    def summary(self) -> dict[str, Any]:
        """The result as plain JSON values; the keys are those of ``iaside gate --json``."""
        values = asdict(self)
        for entry in values["criteria"]:
            entry |= {end: None for end in ("low", "high") if not np.isfinite(entry[end])}
        return values


def gate(
    report: Judged,
    *,
    min_score: float | None = None,
    min_accuracy: float | None = None,
    baseline: Judged | None = None,
    max_drop: float | None = None,
    max_accuracy_drop: float | None = None,
    max_error: Mapping[str, float] | None = None,
    max_error_rise: Mapping[str, float] | None = None,
    max_mce: float | None = None,
    point: bool = False,
    value: str | None = None,
    beta: float | None = None,
    confidence: float | None = None,
) -> Gate:
    """Judge a report by thresholds.

    Parameters
    ----------
    report : path, Report, RobustnessReport or Audit
        Scores are those of a `Report`, errors those of a `RobustnessReport`; an audit and its
        folder have both.
    min_score : float, optional
        Least signed score (not the published one, whose absolute value a model on the highest
        band would pass). Bootstrap interval.
    min_accuracy : float, optional
        Least clean accuracy, 0 to 1. Wilson interval.
    baseline : path, Report, RobustnessReport or Audit, optional
        What drops and rises are counted from, on the images that both reports share; errors on
        the same images.
    max_drop, max_accuracy_drop : float, optional
        Largest drop of the signed score (paired bootstrap) and of accuracy (score interval).
    max_error, max_error_rise : dict of str to float, optional
        By corruption or group of corruptions ("noise"): largest share of wrong answers, mean over
        severities, and its largest rise (bootstrap, paired for a rise). Of measurements with the
        model's own answers as labels: of answers that flip.
    max_mce : float, optional
        Largest mean corruption error relative to the baseline's.
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
    Thresholds on a score that is no finding, of `report` or of the baseline, and on a ratio to a
    baseline without errors are not judged: the result has not passed, and names them in
    ``not_judged``; all others are judged.
    """
    given = {
        "min_accuracy": min_accuracy,
        "max_accuracy_drop": max_accuracy_drop,
        "max_mce": max_mce,
        "min_score": min_score,
        "max_drop": max_drop,
    }
    limits = {name: limit for name, limit in given.items() if limit is not None}
    errors = {"max_error": max_error, "max_error_rise": max_error_rise}
    by_name = {name: checked_limits(name, each) for name, each in errors.items() if each}
    _check(limits, by_name, baseline)
    needed = _needed(limits, by_name)
    gated = Gated.of(report, needed)
    for name, asked in (("value", value), ("beta", beta)):
        if asked is not None:
            gated.analysed(name)
    gated = gated.view(value=value, beta=beta, confidence=confidence)
    reference = None if baseline is None else Gated.of(baseline, needed)
    for each in filter(None, (gated, reference)):
        _check_known(limits, each)
    if gated.analysis is not None:
        check_view(**gated.view_settings)
    notes = _notes([report, baseline], gated, point=point)
    silent: dict[str, str] = {}
    if limits.keys() & set(_SCORES):
        _check_score(
            min_score, gated.analysed("min_score" if "min_score" in limits else "max_drop")
        )
        others = [reference] if reference is not None and max_drop is not None else []
        silent = _silent([(each.name, each.analysed("max_drop")) for each in (gated, *others)])
    judged = {name: limit for name, limit in limits.items() if name not in silent}
    if "min_score" in judged:
        other = None if reference is None else reference.analysis
        lines = least_score_notes(gated.analysed("min_score"), other)
        notes += map(on_command_line, lines)
    found: dict[str, tuple[float, Ends]] = {}
    if reference is not None:
        found, further = _from_baseline(judged, by_name, gated, reference)
        notes += further
        if "max_mce" in judged and (why := no_ratio(*found["max_mce"], point=point)):
            silent["max_mce"] = on_command_line(why)
            del judged["max_mce"]
    not_judged = [
        NotJudged(
            _flag(name), _WHAT[name], name.startswith("min"), limit, silent[name],
            state=NOT_A_FINDING if name in _SCORES else NOT_DEFINED,
        )
        for name, limit in limits.items()
        if name in silent
    ]  # fmt: skip
    criteria = [
        _judged(
            _flag(name), _WHAT[name], limit, *(found.get(name) or _own(name, gated)),
            at_least=name.startswith("min"), point=point,
        )
        for name, limit in judged.items()
    ]  # fmt: skip
    criteria += _errors(by_name, gated, reference, point=point)
    return Gate(
        report=gated.name,
        baseline=None if reference is None else reference.name,
        passed=not not_judged and all(criterion.passed for criterion in criteria),
        point=point,
        criteria=criteria,
        not_judged=not_judged,
        reasons=[criterion.reason for criterion in criteria if not criterion.passed],
        notes=notes,
        model=gated.first.model,
        data=gated.first.data,
        view=gated.view_settings,
        game=None if gated.analysis is None else game_said(gated.analysis),
    )


def _needed(limits: Mapping[str, float], by_name: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Formats of the files that hold what thresholds are on; accuracy is in either."""
    analysis, measurement = JUDGED
    asked = [analysis] * bool(limits.keys() & set(_SCORES))
    asked += [measurement] * bool(by_name or "max_mce" in limits)
    return asked or list(JUDGED)


def _check(
    limits: Mapping[str, float], by_name: Mapping[str, Mapping[str, float]], baseline: object | None
) -> None:
    """Refuse thresholds that cannot be used; some depend on what the report holds."""
    drops = " or ".join(map(option, _FROM_BASELINE))
    asked = [name for name in _FROM_BASELINE if name in limits or name in by_name]
    if not limits and not by_name and baseline is None:
        raise UsageError(
            f"no threshold: give at least one of {option('min_score')}, {option('min_accuracy')}, "
            f"{option('max_error')}, or {option('baseline')} with {drops}"
        )
    if baseline is None and asked:
        like = option("baseline", like="REPORT")
        raise UsageError(f"{option(asked[0])} needs {like} to count from")
    if baseline is not None and not asked:
        raise UsageError(f"{option('baseline')} needs {drops}")
    for name, limit in limits.items():
        if not is_number(limit):
            raise InvalidOption(name, limit, "must be a number")
        share = "accuracy" in name
        most = 1.0 if share else sys.float_info.max
        if name != "min_score" and not 0 <= limit <= most:
            allowed = "a share from 0 to 1" if share else "0 or a positive number"
            raise InvalidOption(name, limit, f"must be {allowed}")


def _check_known(limits: Mapping[str, float], gated: Gated) -> None:
    """Refuse thresholds on what is not known where labels are the model's own answers."""
    unknown = [name for name in limits if name in _OF_LABELS]
    without = next((each.task for each in gated.reports if not each.of_classes), None)
    if unknown and without is not None:
        raise UsageError(
            f"{gated.name}: {option(unknown[0])} needs classes, and it is of {without.what}, which "
            f"has no accuracy; {option('min_score')} bounds the score"
        )
    if unknown and any(each.of_own_answers for each in gated.reports):
        raise UsageError(
            f"{gated.name}: {option(unknown[0])} needs true labels, and these are the model's own "
            f"answers ({option('labels', 'model')}), so that accuracy is not known; "
            f"{option('max_error')} bounds flips, {option('min_score')} the score"
        )


def _check_score(least: float | None, report: Report) -> None:
    """Refuse a least score that no score can have."""
    lowest, highest = report.srs_range
    if least is not None and not lowest <= least <= highest:
        raise InvalidOption(
            "min_score",
            least,
            f"the signed score lies between {lowest:.3f} and {highest:.3f} for "
            f"{report.players} bands and beta {report.beta:g}",
        )


def _notes(given: Sequence[Judged | None], gated: Gated, *, point: bool) -> list[str]:
    """What to bear in mind of the files, and of few images."""
    images = min(len(each.labels) for each in gated.reports)
    if images < 2 and not point:
        one = option("point", True)
        raise UsageError(f"{gated.name}: one image has no interval; judge it with {one}")
    notes = list(filter(None, [part_note(gated.first)]))
    files = [file for each in given for file in files_of(each)]
    notes += [f"{file}: {NO_SEAL}" for file in files if file.is_file() and not is_sealed(file)]
    if images < FEW_IMAGES and not point:
        notes.append(f"{images} images are few: their bootstrap intervals are too narrow")
    return notes


def _silent(named: Sequence[Named]) -> dict[str, str]:
    """Thresholds on scores that are no findings, and why; the audited report comes first."""
    reasons = [
        f"{name}: {reason}".rstrip(".") if (reason := no_finding(report)) else ""
        for name, report in named
    ]
    silent = {"min_score": reasons[0], "max_drop": reasons[0] or reasons[-1]}
    return {name: reason for name, reason in silent.items() if reason}


def _own(name: str, gated: Gated) -> tuple[float, Ends]:
    """The quantity of the report alone that a threshold bounds, and its interval."""
    if name == "min_accuracy":
        report = gated.robustness or gated.first
        right = int(np.sum(report.predicted == report.labels))
        low, high = wilson(right, len(report.labels), report.confidence)
        return float(np.mean(report.predicted == report.labels)), (float(low), float(high))
    scores = gated.analysed(name)
    return scores.srs_signed, scores.intervals.srs_signed


def _from_baseline(
    judged: Mapping[str, float],
    by_name: Mapping[str, Any],
    gated: Gated,
    reference: Gated,
) -> tuple[dict[str, tuple[float, Ends]], list[str]]:
    """Quantities that are counted from a baseline, and what to bear in mind."""
    found: dict[str, tuple[float, Ends]] = {}
    notes: list[str] = []
    measured = [name for name in _FROM_ERRORS if name in {*judged, *by_name}]
    scored = gated.analysis is not None and reference.analysis is not None
    if "max_accuracy_drop" in judged and not scored:
        measured.append("max_accuracy_drop")
    for name in measured:
        for each in (gated, reference):
            each.measured(name)
    if measured:
        notes += check_paired(gated, reference)
    if "max_mce" in judged:
        found["max_mce"] = mce(*(each.measured("max_mce") for each in (gated, reference)))
    drops = [name for name in _DROPS if name in judged]
    if scored and drops:
        assert reference.source is not None
        assert gated.source is not None
        pair = compare(reference.source, gated.source, **gated.view_settings).pairs[0]
        notes += pair.notes
        if any(pair.left_out.values()):
            notes.append(
                f"drops speak of the {pair.shared} shared images: {pair.left_out['reference']} of "
                f"the baseline and {pair.left_out['other']} of the report are left out"
            )
        falls = {"max_drop": pair.srs_signed}
        if pair.accuracy is not None:
            falls["max_accuracy_drop"] = pair.accuracy
    elif "max_accuracy_drop" in judged:
        first, other = (each.measured("max_accuracy_drop") for each in (reference, gated))
        level = other.confidence
        answers = right_answers(~first.clean_wrong, ~other.clean_wrong, level)
        falls = {"max_accuracy_drop": answers}
    for name in drops:
        # Subtracting from 0 leaves no negative zero in reports of models that do not differ.
        fall = falls[name]
        found[name] = 0.0 - fall.difference, (0.0 - fall.high, 0.0 - fall.low)
    return found, notes


def _errors(
    by_name: Mapping[str, Mapping[str, float]],
    gated: Gated,
    reference: Gated | None,
    *,
    point: bool,
) -> list[Criterion]:
    """Thresholds on measured errors, by corruption or group."""
    criteria = []
    for parameter, limits in by_name.items():
        report = gated.measured(parameter)
        check_errors(parameter, limits, report)
        for name, limit in limits.items():
            if parameter == "max_error" or reference is None:
                found = error(report, name)
            else:
                found = rise(report, reference.measured(parameter), name)
            flag, what = f"{_flag(parameter)} {name}=", words_of(parameter, name, report)
            criteria.append(_judged(flag, what, limit, *found, at_least=False, point=point))
    return criteria


def _judged(
    flag: str,
    what: str,
    threshold: float,
    estimate: float,
    ends: Ends,
    *,
    at_least: bool,
    point: bool,
) -> Criterion:
    judged = estimate if point else ends[0 if at_least else 1]
    passed = bool(judged >= threshold if at_least else judged <= threshold)
    low, high = ends
    digits = decimals_of([high - low] if np.isfinite([low, high]).all() else [])
    # As many as show on which side of the threshold a number lies.
    while digits < 7 and judged != threshold and round(judged, digits) == round(threshold, digits):
        digits += 1
    bounded = np.isfinite([low, high]).all()  # a ratio may have no interval
    interval = f" [{low:.{digits}f}, {high:.{digits}f}]" if bounded else ""
    measured = f"{what} {estimate:.{digits}f}{interval}"
    end = f"its {'lower' if at_least else 'upper'} end {judged:.{digits}f}"
    verdicts = ("is below", "reaches") if at_least else ("exceeds", "stays within")
    asked = f"{flag}{'' if flag.endswith('=') else ' '}{threshold:g}"
    reason = f"{measured}: {'the estimate' if point else end} {verdicts[passed]} {asked}"
    option_name = flag.removesuffix("=")
    return Criterion(
        option_name, what, at_least, threshold, estimate, low, high, judged, passed, reason
    )


def _flag(name: str) -> str:
    return on_command_line(option(name))
