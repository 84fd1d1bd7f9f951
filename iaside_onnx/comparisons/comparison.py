"""Reports compared with a reference, image by image: which differences are real, and how large.

Pairs are the images that two reports share. What defines the game must be equal; what belongs to a
model (its size, preprocessing, output, temperature) or to the estimator may differ and is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidOption, UsageError
from ..mathematics.paired import (
    RESAMPLES,
    Difference,
    PairedBootstrap,
    Statistic,
    holm,
    right_answers,
)
from ..mathematics.paired_score import ScoreDifference
from ..mathematics.replicates import TrainingBootstrap
from ..mathematics.score import signed_score, spectral_importance
from ..results.damage import DamageReport
from ..results.finding import no_finding
from ..results.kinds import load_one_of
from ..results.report import FEW_IMAGES, Report, check_view
from ..results.result import Result
from ..setting_roles import VIEW
from ..spelling import option
from .comparable import Agreement, agreement, in_view_of, names_of
from .damage import compare_damage, refuse_others
from .pairs import ClassDifference, Comparison, Pair
from .replication import check_trainings, replicate_rows
from .verdict import verdict

_MOST_RESAMPLES = 100_000
# The columns of `_Side.table`, and of means over its rows: Shapley values, the log-probability of
# the true class with every band present, and 1 where the answer is right.
_SHAPLEY, _LOG_PROB, _RIGHT = slice(None, -2), slice(-2, -1), slice(-1, None)


@dataclass(frozen=True)
class _Side:
    """A report as one side of a pair: the rows of the shared images."""

    name: str
    report: Report
    rows: NDArray[np.intp]

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Whether the answer to each image is right, shape (n,)."""
        return np.asarray(self.report.predicted[self.rows] == self.report.labels[self.rows])

    @cached_property
    def table(self) -> NDArray[np.float64]:
        """What is compared, a row an image."""
        report, rows = self.report, self.rows
        psi, log_prob = report.shapley_per_image[rows], report.table[rows, -1]
        return np.column_stack([psi, log_prob, self.right])


def _sid(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spectral importance of mean Shapley values, shape (..., M)."""
    return spectral_importance(means[..., _SHAPLEY])


def compare(
    reference: str | Path | Report,
    *others: str | Path | Report,
    replicates: Sequence[str | Path | Report] = (),
    value: str | None = None,
    beta: float | None = None,
    confidence: float | None = None,
    margin: float | None = None,
    per_class: bool = False,
) -> Comparison:
    """Compare reports with a reference on the images that they share.

    Every interval is a paired bootstrap interval over images (see `PairedBootstrap`), but for
    accuracy (a score interval, see `right_answers`), and the p-value inverts it: it is below 1 -
    confidence exactly where the interval leaves out 0. They speak of the two files and, where
    coalitions were drawn, count the error of drawing. With replicates the differences
    are from the mean of the reference and its replicates, and intervals count the variance
    between trainings as well (see `TrainingBootstrap`): they speak of trainings. P-values of
    bands and of classes are also given adjusted by Holm's method within their pair; the pairs
    are separate questions.

    Parameters
    ----------
    reference, *others : path or Report
        The reference first; differences are other minus reference.
    replicates : sequence of path or Report
        Further trainings of the reference's recipe, which differ from it by their seed alone, on
        the same images.
    value : {"log-prob", "log-prob-clipped", "prob"}, optional
        What the game is played in; by default as in the reference, for all reports.
    beta, confidence : float, optional
        Decay of the score's weights and coverage of the intervals, both in (0, 1); by default as
        in the reference.
    margin : float, optional
        Differences of the signed score within plus or minus this count as none.
    per_class : bool
        Add the differences of every class.

    Returns
    -------
    Comparison
        A pair for every report after the reference. Of damage reports (`iaside_onnx.explain`) a
        `DamageComparison`, which takes `value` and `confidence` alone.

    Raises
    ------
    ReportError
        The reports played different games, hold different images or labels under the same
        names, or share fewer than two images. A replicate has other images or settings than the
        reference, or is of a model that is there already.
    UsageError
        No report to compare with, or a view setting or margin that cannot be used.
    """
    if not others:
        raise UsageError("give at least two reports: the reference first, then what to compare")
    if margin is not None and not 0 < margin < np.inf:
        raise InvalidOption("margin", margin, "must be a positive number")
    given = [reference, *others, *replicates]
    first_read = _read(reference, Report, DamageReport)
    kind = DamageReport if isinstance(first_read, DamageReport) else Report
    read = [first_read, *(_read(each, kind) for each in given[1:])]
    if isinstance(first_read, DamageReport):
        given_too = {"beta": beta, "margin": margin, "replicates": replicates}
        refuse_others(given_too | {"per_class": per_class})
        named = list(zip(names_of(given), read, strict=True))
        damages: Any = compare_damage(named, value=value, confidence=confidence)
        return damages  # type: ignore[no-any-return]
    reports = [each if isinstance(each, Report) else Report.load(each) for each in read]
    first = reports[0] = reports[0].view(value=value, beta=beta, confidence=confidence)
    view = {key: first.settings[key] for key in VIEW}
    check_view(view["value"], first.beta, first.confidence)
    if per_class and first.of_own_answers:
        raise UsageError(
            f"{option('per_class', True)} goes with true labels: these are each model's own "
            "answers, so that a class has other images in each report"
        )
    base, *rest = zip(names_of(given), reports, strict=True)
    agreements = [agreement(base, each) for each in rest]
    for agreed in agreements:
        agreed.check(images=False)
    count = len(others)
    compared = list(zip(rest[:count], agreements[:count], strict=True))
    trainings = [(name, report.view(**view)) for name, report in rest[count:]]
    if trainings:
        for other in rest[:count]:
            check_trainings([base, other, *trainings])
    for _, agreed in compared:
        agreed.check()
    rows = [replicate_rows(base, *each) for each in zip(trainings, agreements[count:], strict=True)]
    pairs = []
    for (name, report), agreed in compared:
        # A view that was asked for needs no note.
        asked = report.view(value=value, beta=beta, confidence=confidence)
        alike, notes = in_view_of(base, (name, asked))
        sides = [_Side(*base, agreed.rows[0]), _Side(name, alike, agreed.rows[1])]
        sides += [
            _Side(*each, own[agreed.rows[0]]) for each, own in zip(trainings, rows, strict=True)
        ]
        agreed = replace(agreed, notes=notes + agreed.notes)
        pairs.append(_pair(sides, agreed, margin, classes=per_class))
    return Comparison(
        reference={"report": base[0], "model": first.model, "data": first.data},
        replicates=[{"report": name, "model": report.model} for name, report in trainings],
        view=view,
        bands=first.band_names,
        srs_range=first.srs_range,
        margin=margin,
        pairs=pairs,
    )


def _read(given: str | Path | Report, *kinds: type[Result]) -> Any:
    """A report of one of some kinds."""
    return load_one_of(given, *kinds) if isinstance(given, str | Path) else given


def _pair(
    sides: Sequence[_Side], agreed: Agreement, margin: float | None, *, classes: bool
) -> Pair:
    """One report and the reference: these two sides first, then the replicates."""
    base, other, *replicates = sides
    first, notes = base.report, list(agreed.notes)
    confidence = first.confidence
    identical = all(
        np.array_equal(*(getattr(side.report, part)[side.rows] for side in (base, other)))
        for part in ("table", "predicted")
    )
    drawn: PairedBootstrap | TrainingBootstrap
    accuracy: Difference | None

    def score(means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed score of mean outcomes, shape (..., 1)."""
        return signed_score(_sid(means), first.beta)[..., None]

    if replicates:
        trainings = [side.table for side in (base, *replicates)]
        drawn = TrainingBootstrap(trainings, other.table, confidence)
        (accuracy,) = drawn.differences(lambda means: means[..., _RIGHT], step=1 / len(base.rows))
    else:
        drawn = PairedBootstrap(base.table, other.table, confidence)
        accuracy = _accuracy(base.right, other.right, confidence, identical=identical)
    (signed,) = drawn.differences(score)
    if not replicates:
        psi = [side.table[:, _SHAPLEY] for side in (base, other)]
        signed = _also_where_bands_tie(signed, psi[0], psi[1], first.beta, confidence)
    (published,) = drawn.differences(lambda means: np.abs(score(means)))
    open_sign = drawn.changes_sign(score)
    if not replicates:
        published = _as_signed(published, signed, open_sign=open_sign)
    if open_sign:
        notes.append(
            "a signed score lies near 0, where intervals of the published score, an absolute "
            "value, do not hold; judge by the signed score"
        )
    unknown = first.accuracy is None
    if unknown:
        accuracy = None
    reasons = [f"{side.name}: {reason}" for side in sides if (reason := no_finding(side.report))]
    equivalent = None
    if margin is not None and not reasons:
        equivalent = -margin <= signed.low and signed.high <= margin
    pair = Pair(
        report=other.name,
        model=other.report.model,
        shared=len(base.rows),
        left_out=agreed.left_out,
        contents=agreed.contents,
        identical=identical,
        settings=agreed.settings,
        notes=notes,
        srs_signed=signed,
        srs=published,
        accuracy=accuracy,
        right_alone=None
        if unknown
        else {
            "reference": int(np.sum(base.right & ~other.right)),
            "other": int(np.sum(other.right & ~base.right)),
        },
        mean_log_prob=drawn.differences(lambda means: means[..., _LOG_PROB])[0],
        sid=_adjusted(drawn.differences(_sid)),
        shapley=_adjusted(drawn.differences(lambda means: means[..., _SHAPLEY])),
        per_class=_per_class(base, other, score, identical=identical) if classes else None,
        equivalent=equivalent,
        verdict={},
        no_finding=reasons,
    )
    return replace(pair, verdict=verdict(pair, base.name, first, margin, 1 + len(replicates)))


def paired_signed_scores(
    reference: NDArray[np.float64], other: NDArray[np.float64], beta: float, confidence: float
) -> Difference:
    """Difference of two signed scores, from Shapley values of the same images, shape (n, M)."""

    def score(means: NDArray[np.float64]) -> NDArray[np.float64]:
        return signed_score(spectral_importance(means), beta)[..., None]

    (found,) = PairedBootstrap(reference, other, confidence).differences(score)
    return _also_where_bands_tie(found, reference, other, beta, confidence)


def _also_where_bands_tie(
    signed: Difference,
    reference: NDArray[np.float64],
    other: NDArray[np.float64],
    beta: float,
    confidence: float,
) -> Difference:
    """The interval that reaches as far as either kind does, and its p-value."""
    joint = ScoreDifference(reference, other, beta)
    low, high = joint.interval(confidence)
    return replace(
        signed,
        low=min(signed.low, low),
        high=max(signed.high, high),
        p=max(signed.p, joint.p_value(confidence)),
    )


def _as_signed(published: Difference, signed: Difference, *, open_sign: bool) -> Difference:
    """The published score's difference, which is the signed one's where both lie on one side of 0.

    One number has one interval and one p-value. Where the sample leaves a sign open, the interval
    reaches as far as either does.
    """
    if signed.reference * signed.other <= 0:
        return published
    ends = signed.low, signed.high
    if signed.reference < 0:  # subtracting from 0 leaves no negative zero
        ends = 0.0 - signed.high, 0.0 - signed.low
    if open_sign:
        ends = min(published.low, ends[0]), max(published.high, ends[1])
        return replace(published, low=ends[0], high=ends[1], p=max(published.p, signed.p))
    return replace(
        published, low=ends[0], high=ends[1], p=signed.p, stderr=signed.stderr, mde=signed.mde
    )


def _adjusted(family: Sequence[Difference]) -> list[Difference]:
    adjusted = holm(np.array([member.p for member in family]))
    return [replace(d, p_holm=float(p)) for d, p in zip(family, adjusted, strict=True)]


def _accuracy(
    reference: NDArray[np.bool_], other: NDArray[np.bool_], confidence: float, *, identical: bool
) -> Difference:
    accuracy = right_answers(reference, other, confidence)
    # The same table is the same model on these images, of which no doubt is left.
    return replace(accuracy, low=0.0, high=0.0, stderr=0.0, mde=0.0) if identical else accuracy


def _per_class(
    base: _Side, other: _Side, score: Statistic, *, identical: bool
) -> list[ClassDifference]:
    """Differences class by class, between the two files alone."""
    report = base.report
    labels = report.labels[base.rows]
    members = {int(label): labels == label for label in np.unique(labels)}
    judged = [label for label, chosen in members.items() if chosen.sum() >= FEW_IMAGES]
    reasons = _class_reasons(base, other)
    # Enough resamples for the smallest p-value to pass Holm's first step, within reason.
    needed = round(4 * len(judged) / (1 - report.confidence))
    resamples = min(max(RESAMPLES, needed), _MOST_RESAMPLES)
    scores, accuracies = [], []
    for label in judged:
        chosen = members[label]
        if label not in reasons:
            drawn = PairedBootstrap(
                base.table[chosen], other.table[chosen], report.confidence, resamples=resamples
            )
            scores += drawn.differences(score)
        right = base.right[chosen], other.right[chosen]
        accuracies.append(_accuracy(*right, report.confidence, identical=identical))
    scored = [label for label in judged if label not in reasons]
    of_score = dict(zip(scored, _adjusted(scores), strict=True))
    of_accuracy = dict(zip(judged, _adjusted(accuracies), strict=True))
    return [
        ClassDifference(
            label,
            report.class_name(label),
            int(chosen.sum()),
            of_score.get(label),
            of_accuracy.get(label),
            reasons.get(label),
        )
        for label, chosen in members.items()
    ]


def _class_reasons(base: _Side, other: _Side) -> dict[int, str]:
    """Classes of which one side or the other has no finding, and why."""
    reasons: dict[int, str] = {}
    for side in (other, base):
        gains = side.report.class_gains_of(side.rows)
        for row, label in enumerate(gains.labels.tolist()):
            if reason := gains.reason(row):
                reasons[label] = f"{side.name}: {reason}"
    return reasons
