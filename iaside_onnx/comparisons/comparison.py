"""Reports held against a reference, image by image: which differences are real, and how large.

Pairs are the images that two reports share. What defines the game must be equal; what belongs to a
model (its size, preprocessing, output, temperature) or to the estimator may differ and is named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

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
from ..results.finding import no_finding
from ..results.report import FEW_IMAGES, Report, check_view, load
from ..setting_roles import VIEW
from .comparable import Agreement, agreement, seen_alike
from .pairs import ClassDifference, Comparison, Pair
from .replication import check_trainings, replicate_rows
from .verdict import verdict

_MOST_RESAMPLES = 100_000


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
        """The columns of `_Outcomes`, a row an image."""
        report, rows = self.report, self.rows
        psi, log_prob = report.shapley_per_image[rows], report.log_prob[rows, -1]
        return np.column_stack([psi, log_prob, self.right])


class _Outcomes:
    """The columns of `_Side.table` by name, of images or of means over them.

    Attributes
    ----------
    shapley : ndarray, shape (..., M)
    log_prob, right : ndarray, shape (..., 1)
        Log-probability of the true class with every band present; 1 where the answer is right.
    """

    def __init__(self, table: NDArray[np.float64]) -> None:
        self.shapley = table[..., :-2]
        self.log_prob = table[..., -2:-1]
        self.right = table[..., -1:]

    @property
    def sid(self) -> NDArray[np.float64]:
        """Spectral importance of mean Shapley values, shape (..., M)."""
        return spectral_importance(self.shapley)


def _of(quantity: Callable[[_Outcomes], NDArray[np.float64]]) -> Statistic:
    """A quantity of mean outcomes as the bootstrap takes it."""
    return lambda means: quantity(_Outcomes(means))


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
    """Hold reports against a reference on the images that they share.

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
    beta : float, optional
        Decay of the score's weights, in (0, 1); by default as in the reference.
    confidence : float, optional
        Coverage of the intervals, in (0, 1); by default as in the reference.
    margin : float, optional
        Differences of the signed score within plus or minus this count as none.
    per_class : bool
        Add the differences of every class.

    Returns
    -------
    Comparison
        A pair for every report after the reference.

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
    everything = [reference, *others, *replicates]
    loaded = [given if isinstance(given, Report) else load(given) for given in everything]
    first = loaded[0].view(value=value, beta=beta, confidence=confidence)
    view = {key: first.settings[key] for key in VIEW}
    check_view(view["value"], first.beta, first.confidence)
    base, *rest = zip(_names(everything), [first, *loaded[1:]], strict=True)
    agreements = [agreement(base, each) for each in rest]
    for agreed in agreements:
        agreed.check(images=False)
    compared, further = rest[: len(others)], rest[len(others) :]
    trainings = [(name, report.view(**view)) for name, report in further]
    if trainings:
        for other in compared:
            check_trainings([base, other, *trainings])
    for agreed in agreements[: len(others)]:
        agreed.check()
    places = [
        replicate_rows(base, each, agreed)
        for each, agreed in zip(trainings, agreements[len(others) :], strict=True)
    ]
    pairs = []
    for (name, report), agreed in zip(compared, agreements[: len(others)], strict=True):
        # A view that was asked for needs no note.
        asked = report.view(value=value, beta=beta, confidence=confidence)
        seen, notes = seen_alike(base, (name, asked))
        sides = [_Side(*base, agreed.rows[0]), _Side(name, seen, agreed.rows[1])]
        sides += [
            _Side(*each, place[agreed.rows[0]])
            for each, place in zip(trainings, places, strict=True)
        ]
        agreed = replace(agreed, notes=notes + agreed.notes)
        pairs.append(_pair(sides, agreed, margin, classes=per_class))
    return Comparison(
        reference={"report": base[0], "model": first.model, "data": first.data},
        replicates=[{"report": name, "model": report.model} for name, report in further],
        view=view,
        bands=first.band_names,
        srs_range=first.srs_range,
        margin=margin,
        pairs=pairs,
    )


def _names(reports: Sequence[str | Path | Report]) -> list[str]:
    """What to call the reports: shortest of file stem or path that tells them apart."""
    paths = [Path(r.model["path"] if isinstance(r, Report) else r) for r in reports]
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [path.as_posix() for path in paths]


def _pair(
    sides: Sequence[_Side], agreed: Agreement, margin: float | None, *, classes: bool
) -> Pair:
    """One report held against the reference: these two sides first, then the replicates."""
    base, other, *replicates = sides
    first, notes = base.report, list(agreed.notes)
    confidence = first.confidence
    identical = all(
        np.array_equal(*(getattr(side.report, part)[side.rows] for side in (base, other)))
        for part in ("log_prob", "predicted")
    )
    drawn: PairedBootstrap | TrainingBootstrap
    accuracy: Difference

    def score(means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed score of mean outcomes, shape (..., 1)."""
        return signed_score(_Outcomes(means).sid, first.beta)[..., None]

    if replicates:
        trainings = [side.table for side in (base, *replicates)]
        drawn = TrainingBootstrap(trainings, other.table, confidence)
        (accuracy,) = drawn.differences(_of(lambda means: means.right), step=1 / len(base.rows))
    else:
        drawn = PairedBootstrap(base.table, other.table, confidence)
        accuracy = _accuracy(base.right, other.right, confidence, identical=identical)
    (signed,) = drawn.differences(score)
    if not replicates:
        signed = _held_where_bands_tie(signed, base, other)
    if drawn.changes_sign(score):
        notes.append(
            "a signed score lies near 0, where intervals of the published score, an absolute "
            "value, do not hold; judge by the signed score"
        )
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
        srs=drawn.differences(lambda means: np.abs(score(means)))[0],
        accuracy=accuracy,
        right_alone={
            "reference": int(np.sum(base.right & ~other.right)),
            "other": int(np.sum(other.right & ~base.right)),
        },
        mean_log_prob=drawn.differences(_of(lambda means: means.log_prob))[0],
        sid=_adjusted(drawn.differences(_of(lambda means: means.sid))),
        shapley=_adjusted(drawn.differences(_of(lambda means: means.shapley))),
        per_class=_per_class(base, other, score, identical=identical) if classes else None,
        equivalent=equivalent,
        verdict={},
        no_finding=reasons,
    )
    return replace(pair, verdict=verdict(pair, base.name, first, margin, 1 + len(replicates)))


def _held_where_bands_tie(signed: Difference, base: _Side, other: _Side) -> Difference:
    """The interval that reaches as far as either kind does, and its p-value."""
    first, second = (_Outcomes(side.table).shapley for side in (base, other))
    joint = ScoreDifference(first, second, base.report.beta)
    low, high = joint.interval(base.report.confidence)
    return replace(
        signed,
        low=min(signed.low, low),
        high=max(signed.high, high),
        p=max(signed.p, joint.p_value(base.report.confidence)),
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
    # Enough resamples for the smallest p-value to pass Holm's first step, within reason.
    needed = round(4 * len(judged) / (1 - report.confidence))
    resamples = min(max(RESAMPLES, needed), _MOST_RESAMPLES)
    scores, accuracies = [], []
    for label in judged:
        chosen = members[label]
        drawn = PairedBootstrap(
            base.table[chosen], other.table[chosen], report.confidence, resamples=resamples
        )
        scores += drawn.differences(score)
        accuracies.append(
            _accuracy(
                base.right[chosen], other.right[chosen], report.confidence, identical=identical
            )
        )
    of_score = dict(zip(judged, _adjusted(scores), strict=True))
    of_accuracy = dict(zip(judged, _adjusted(accuracies), strict=True))
    return [
        ClassDifference(
            label,
            report.class_name(label),
            int(chosen.sum()),
            of_score.get(label),
            of_accuracy.get(label),
        )
        for label, chosen in members.items()
    ]
