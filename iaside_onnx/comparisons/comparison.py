"""Reports held against a reference, image by image: which differences are real, and how large.

Pairs are the images that two reports share. What defines the game must be equal; what belongs to a
model (its size, preprocessing, output, temperature) or to the estimator may differ and is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
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
from ..results.report import FEW_IMAGES, Report, check_view, load
from ..results.shown import Shown
from .comparable import VIEW, Agreement, Named, agreement, check_game, seen_alike
from .contrast import reasons_of, silenced
from .replication import check_trainings, replicate_rows
from .verdict import verdict

_MOST_RESAMPLES = 100_000


@dataclass(frozen=True)
class ClassDifference:
    """One class of a pair; differences only with at least 20 images, None with fewer."""

    label: int
    name: str
    images: int
    srs_signed: Difference | None = None
    accuracy: Difference | None = None


@dataclass(frozen=True)
class Pair:
    """One report held against the reference.

    Attributes
    ----------
    report : str
        What the report is called.
    model : dict
    shared : int
        Images in both reports; everything below speaks of these alone.
    left_out : dict
        Images of ``reference`` and ``other`` that the pair leaves out.
    contents : str
        "equal" where digests prove the images equal, else "not checked".
    identical : bool
        Every value of both tables is the same.
    settings : list of dict
        Permitted differences: ``setting``, ``reference``, ``other``.
    notes : list of str
        What to bear in mind.
    srs_signed, srs, accuracy, mean_log_prob : Difference
        Like those of bands `TrainingDifference` where the reference has replicates.
    right_alone : dict
        Images that only ``reference``, only ``other`` gets right.
    sid, shapley : list of Difference
        One a band; ``p_holm`` over the bands of this pair.
    per_class : list of ClassDifference or None
        ``p_holm`` over the classes of this pair with enough images; between the two files alone,
        also where the reference has replicates.
    equivalent : bool or None
        The interval of the signed score lies within the margin; None where none was given, or
        the scores are no findings.
    verdict : dict
        Plain sentences: ``score``, ``bands``, ``accuracy``, and ``margin`` where one was given.
    no_finding : list of str
        Why reports of the pair say nothing; then only accuracy is judged.
    """

    report: str
    model: dict[str, Any]
    shared: int
    left_out: dict[str, int]
    contents: str
    identical: bool
    settings: list[dict[str, Any]]
    notes: list[str]
    srs_signed: Difference
    srs: Difference
    accuracy: Difference
    right_alone: dict[str, int]
    mean_log_prob: Difference
    sid: list[Difference]
    shapley: list[Difference]
    per_class: list[ClassDifference] | None
    equivalent: bool | None
    verdict: dict[str, str]
    no_finding: list[str]


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """Result of `compare`.

    Attributes
    ----------
    reference : dict
        ``report``, ``model``, ``data``.
    replicates : list of dict
        ``report``, ``model`` of further trainings of the reference's recipe.
    view : dict
        ``value``, ``beta``, ``confidence``: one set for all reports.
    bands : list of str
        Names of the players, lowest first.
    srs_range : tuple of float
        Ends of the signed score.
    margin : float or None
    pairs : list of Pair
    """

    reference: dict[str, Any]
    replicates: list[dict[str, Any]]
    view: dict[str, Any]
    bands: list[str]
    srs_range: tuple[float, float]
    margin: float | None
    pairs: list[Pair]

    def summary(self) -> dict[str, Any]:
        """The result as plain JSON values; the keys are those of ``iaside compare --json``."""
        return asdict(self)


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
        raise UsageError(f"--margin {margin}: must be a positive number")
    everything = [reference, *others, *replicates]
    names = _names(everything)
    loaded = [given if isinstance(given, Report) else load(given) for given in everything]
    first = loaded[0].view(value=value, beta=beta, confidence=confidence)
    view = {key: first.settings[key] for key in VIEW}
    check_view(view["value"], first.beta, first.confidence)
    named = list(zip(names, loaded, strict=True))
    compared, further = named[1 : 1 + len(others)], named[1 + len(others) :]
    for each in named[1:]:
        check_game((names[0], first), each)
    trainings = [(name, report.view(**view)) for name, report in further]
    if trainings:
        for other in compared:
            check_trainings([(names[0], first), other, *trainings])
    pairs = []
    for name, report in compared:
        agreed = agreement((names[0], first), (name, report))
        agreed.check()
        # A view that was asked for needs no note.
        asked = report.view(value=value, beta=beta, confidence=confidence)
        seen, notes = seen_alike((names[0], first), (name, asked))
        pairs.append(
            _pair(
                (names[0], first),
                (name, seen),
                trainings,
                replace(agreed, notes=notes + agreed.notes),
                margin,
                classes=per_class,
            )
        )
    return Comparison(
        reference={"report": names[0], "model": first.model, "data": first.data},
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
    reference: Named,
    other: Named,
    replicates: Sequence[Named],
    agreed: Agreement,
    margin: float | None,
    *,
    classes: bool,
) -> Pair:
    first_name, first = reference
    name, second = other
    rows, notes = agreed.rows, list(agreed.notes)
    confidence = first.confidence
    tables = [_outcomes(report, at) for report, at in zip((first, second), rows, strict=True)]
    right = [
        report.predicted[at] == report.labels[at]
        for report, at in zip((first, second), rows, strict=True)
    ]
    identical = all(
        np.array_equal(getattr(first, part)[rows[0]], getattr(second, part)[rows[1]])
        for part in ("log_prob", "predicted")
    )
    bands = first.players
    drawn: PairedBootstrap | TrainingBootstrap
    accuracy: Difference
    if replicates:
        places = replicate_rows(reference, replicates, rows[0])
        tables_of_replicates = [
            _outcomes(report, at) for (_, report), at in zip(replicates, places, strict=True)
        ]
        drawn = TrainingBootstrap([tables[0], *tables_of_replicates], tables[1], confidence)
        (accuracy,) = drawn.differences(lambda means: means[..., -1:], step=1 / len(rows[0]))
    else:
        drawn = PairedBootstrap(tables[0], tables[1], confidence)
        accuracy = _accuracy(right, confidence, identical=identical)
    score = _scores(bands, first.beta)
    (signed,) = drawn.differences(score)
    if not replicates:
        signed = _held_where_bands_tie(signed, [table[:, :bands] for table in tables], first)
    if drawn.changes_sign(score):
        notes.append(
            "a signed score lies near 0, where intervals of the published score, an absolute "
            "value, do not hold; judge by the signed score"
        )
    sid = _adjusted(drawn.differences(lambda means: spectral_importance(means[..., :bands])))
    per_class = None
    if classes:
        per_class = _per_class(first, rows[0], tables, right, score, identical=identical)
    reasons = reasons_of([reference, other, *replicates])
    equivalent = None
    if margin is not None and not reasons:
        equivalent = -margin <= signed.low and signed.high <= margin
    made = Pair(
        report=name,
        model=second.model,
        shared=len(rows[0]),
        left_out=agreed.left_out,
        contents=agreed.contents,
        identical=identical,
        settings=agreed.settings,
        notes=notes,
        srs_signed=signed,
        srs=drawn.differences(lambda means: np.abs(score(means)))[0],
        accuracy=accuracy,
        right_alone={
            "reference": int(np.sum(right[0] & ~right[1])),
            "other": int(np.sum(right[1] & ~right[0])),
        },
        mean_log_prob=drawn.differences(lambda means: means[..., bands : bands + 1])[0],
        sid=sid,
        shapley=_adjusted(drawn.differences(lambda means: means[..., :bands])),
        per_class=per_class,
        equivalent=equivalent,
        verdict={},
        no_finding=reasons,
    )
    trainings = 1 + len(replicates)
    said = verdict(made, first_name, first, margin, trainings)
    return replace(made, verdict=silenced(said, reasons))


def _outcomes(report: Report, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Shapley values, log-probability and right (1) or wrong (0) of some images."""
    right = report.predicted[rows] == report.labels[rows]
    return np.column_stack([report.shapley_per_image[rows], report.log_prob[rows, -1], right])


def _held_where_bands_tie(
    found: Difference, psi: list[NDArray[np.float64]], first: Report
) -> Difference:
    """The interval that reaches as far as either kind does, and its p-value."""
    joint = ScoreDifference(psi[0], psi[1], first.beta)
    low, high = joint.interval(first.confidence)
    return replace(
        found,
        low=min(found.low, low),
        high=max(found.high, high),
        p=max(found.p, joint.p_value(first.confidence)),
    )


def _scores(bands: int, beta: float) -> Statistic:
    """Signed score as a function of means, shape (..., 1)."""
    return lambda means: signed_score(spectral_importance(means[..., :bands]), beta)[..., None]


def _adjusted(family: Sequence[Difference]) -> list[Difference]:
    adjusted = holm(np.array([member.p for member in family]))
    return [replace(d, p_holm=float(p)) for d, p in zip(family, adjusted, strict=True)]


def _accuracy(
    right: Sequence[NDArray[np.bool_]], confidence: float, *, identical: bool
) -> Difference:
    found = right_answers(right[0], right[1], confidence)
    # The same table is the same model on these images, of which no doubt is left.
    return replace(found, low=0.0, high=0.0, stderr=0.0, mde=0.0) if identical else found


def _per_class(
    report: Report,
    rows: NDArray[np.intp],
    tables: list[NDArray[np.float64]],
    right: list[NDArray[np.bool_]],
    score: Statistic,
    *,
    identical: bool,
) -> list[ClassDifference]:
    labels = report.labels[rows]
    members = {int(label): labels == label for label in np.unique(labels)}
    judged = [label for label, chosen in members.items() if chosen.sum() >= FEW_IMAGES]
    # Enough resamples for the smallest p-value to pass Holm's first step, within reason.
    wanted = round(4 * len(judged) / (1 - report.confidence))
    resamples = min(max(RESAMPLES, wanted), _MOST_RESAMPLES)
    found: dict[str, dict[int, Difference]] = {"srs_signed": {}, "accuracy": {}}
    for label in judged:
        chosen = members[label]
        drawn = PairedBootstrap(
            tables[0][chosen], tables[1][chosen], report.confidence, resamples=resamples
        )
        (found["srs_signed"][label],) = drawn.differences(score)
        found["accuracy"][label] = _accuracy(
            [r[chosen] for r in right], report.confidence, identical=identical
        )
    adjusted = {
        key: dict(zip(judged, _adjusted([entries[label] for label in judged]), strict=True))
        for key, entries in found.items()
    }
    return [
        ClassDifference(
            label,
            report.class_name(label),
            int(chosen.sum()),
            adjusted["srs_signed"].get(label),
            adjusted["accuracy"].get(label),
        )
        for label, chosen in members.items()
    ]
