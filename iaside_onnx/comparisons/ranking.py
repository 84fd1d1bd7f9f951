"""Many models in one table: what each gets right, and which of them can be told apart.

Rows are in the order of one measure. Which model comes first, and which are neighbours, is seen
from the same images that the differences are then judged by. So a pair is told apart where its
p-value allows for all pairs of the table (Holm's method).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import one_of
from ..errors import InvalidOption, UsageError
from ..listener import Listener
from ..mathematics.paired import Difference
from ..plurals import counted
from ..results.finding import no_finding
from ..results.report import Report
from ..results.result import ModelResult
from ..results.robustness import RobustnessReport
from ..results.shown import Shown
from ..results.spread import Spread, check_confidence
from .ranked_files import (
    Entry,
    LeftOut,
    Ranked,
    joined_models,
    of_one_task,
    on_one_ground,
    opened,
)
from .ranking_measures import BY, Known, values_of
from .ranking_pairs import Judge

# Of these the least is the first.
_LEAST_FIRST = ("mpe",)
_RULE = (
    "Told apart: the difference on the same images is seen at {level} confidence, counting all "
    "{pairs} of the table (Holm's method), since the first and the neighbours are chosen by the "
    "same images; intervals are of each pair alone."
)
_RULE_OF_TWO = "Told apart: the difference on the same images is seen at {level} confidence."


@dataclass(frozen=True)
class Standing:
    """How a model stands to another one of the table.

    Attributes
    ----------
    other : str
        The other model.
    difference : Difference
        This model less the other; ``p_holm`` counts all pairs of the table.
    told_apart : bool
    """

    other: str
    difference: Difference
    told_apart: bool


@dataclass(frozen=True)
class RankedModel:
    """A row of the table.

    Attributes
    ----------
    rank : int or None
        Its place by the measure, 1 for the first; models of equal numbers share one. None where
        that measure is not known.
    name, path, sha256 : str
    files : list of str
        Where its numbers are from.
    images : int
        That the measure ranked by is of; 0 where that is not known.
    values : dict of str to Spread
        By the names of `MEASURES`, and of groups of corruptions; what is not known is absent.
    no_finding : str or None
        Why its score says nothing.
    from_first, from_next : Standing or None
        Against the model of the first place, and against the one in the row above.
    """

    rank: int | None
    name: str
    path: str
    sha256: str
    files: list[str]
    images: int
    values: dict[str, Spread]
    no_finding: str | None
    from_first: Standing | None
    from_next: Standing | None


@dataclass(frozen=True)
class Ranking(Shown):
    """Result of `rank`.

    Attributes
    ----------
    by, what : str
        The measure that rows are in the order of, by name and in words.
    reverse : bool
        The last comes first.
    confidence : float
        Of the intervals, and of telling apart.
    rows : list of RankedModel
        Those whose measure is not known come last.
    data : dict of str to dict
        ``source``, ``digest`` and ``samples`` of the images: of "robustness", and of "analysis".
    measured : dict
        ``corruptions`` and ``severities``; empty where none were measured.
    own_answers : bool
        Labels are each model's own answers: shares under corruptions count answers that stay.
    counted : str
        What shares under corruptions count.
    rule : str
        When models are told apart.
    notes : list of str
        What to bear in mind.
    left_out : list of LeftOut
        Results on other images, or of other settings.
    """

    by: str
    what: str
    reverse: bool
    confidence: float
    rows: list[RankedModel]
    data: dict[str, dict[str, Any]]
    measured: dict[str, Any]
    own_answers: bool
    counted: str
    rule: str
    notes: list[str]
    left_out: list[LeftOut]

    @property
    def measures(self) -> list[str]:
        """Names of what is known of any model, in the order of the columns."""
        return [name for name in BY if any(name in row.values for row in self.rows)]

    def summary(self) -> dict[str, Any]:
        """The result as plain JSON values; the keys are those of ``iaside rank --json``."""
        return {
            "by": self.by,
            "reverse": self.reverse,
            "confidence": self.confidence,
            "data": self.data,
            **self.measured,
            "own_answers": self.own_answers,
            "models": [_summary(row, self.measures) for row in self.rows],
            "rule": self.rule,
            "notes": self.notes,
            "left_out": [asdict(each) for each in self.left_out],
        }


def _summary(row: RankedModel, measures: Sequence[str]) -> dict[str, Any]:
    values = {name: row.values[name].json() if name in row.values else None for name in measures}
    about = {
        "rank": row.rank,
        "name": row.name,
        "path": row.path,
        "sha256": row.sha256,
        "files": row.files,
        "images": row.images,
    }
    standings = {
        "from_first": _standing_json(row.from_first),
        "from_next": _standing_json(row.from_next),
    }
    return {**about, **values, "no_finding": row.no_finding, **standings}


def _standing_json(standing: Standing | None) -> dict[str, Any] | None:
    """Plain JSON values; null for what is infinite or not defined."""
    if standing is None:
        return None
    found = {
        name: value if value is None or np.isfinite(value) else None
        for name, value in asdict(standing.difference).items()
    }
    return {**asdict(standing), "difference": found}


def rank(
    results: Ranked | Sequence[Ranked],
    *,
    by: str | None = None,
    reverse: bool = False,
    confidence: float = 0.95,
    listener: Listener | None = None,
) -> Ranking:
    """Many models in one table, in the order of one measure.

    Parameters
    ----------
    results : paths, Report, RobustnessReport or Audit
        Files of `measure_robustness` and of `analyze`, audits, and folders of them, in any order.
        Those of one model (by SHA-256) make one row. Models are ranked on one ground: what was
        measured with other corruptions, bands or images than of most models is left out and named,
        and of samples that differ the shared images count.
    by : str, optional
        A name of `MEASURES`, "accuracy", "corrupted", "kept", "mpe" or "score", or a group of
        corruptions: "noise", "blur", "weather", "digital". By default "corrupted" where errors
        were measured, else "score". Of mPE the least comes first, of all others the largest. A
        larger signed score means evidence on lower frequencies, and need not be better.
    reverse : bool
        The last comes first.
    confidence : float
        Of the intervals, and of telling apart.
    listener : Listener, optional
        Told of the files that are read.

    Returns
    -------
    Ranking

    Raises
    ------
    UsageError
        Nothing to rank, a measure that is none or is not known of any model, or two results of
        one model that do not say the same.
    ReportError
        A file cannot be read, or is of another kind.

    Examples
    --------
    >>> ranking = ia.rank(["plain.h5", "robust.h5"])
    >>> ranking.by, [row.rank for row in ranking.rows]
    ('score', [1, 2])
    """
    check_ranking(by, confidence)
    one = isinstance(results, str | Path) or hasattr(results, "model")
    if not one and not isinstance(results, Iterable):
        raise UsageError("give files of iaside robustness or iaside analyze, or their results")
    given: Sequence[Any] = [results] if one else list(results)  # type: ignore[arg-type]
    if not given:
        raise UsageError("nothing to rank: give files of iaside robustness or iaside analyze")
    held, notes = opened(given, listener or Listener())
    first, second = (Report, RobustnessReport)[:: 1 if by == "score" else -1]
    leading, apart, shared = on_one_ground(held, first)
    held, of_others = of_one_task(held, leading, second)
    following, apart_too, shared_too = on_one_ground(held, second)
    errors, analyses = (leading, following)[:: 1 if first is RobustnessReport else -1]
    models, further = joined_models([*errors, *analyses])
    if not models:
        raise UsageError(
            "nothing to rank: none of these files is of iaside robustness or iaside analyze"
        )
    _in_view(models, confidence)
    left_out, notes = [*apart, *of_others, *apart_too], notes + shared + shared_too + further
    known = Known(models)
    by = by or known.default
    if not known.has(by):
        raise UsageError(known.lacks(by))
    rows = _rows(models, known, by, confidence, reverse=reverse)
    return Ranking(
        by=by,
        what=known.words(by),
        reverse=reverse,
        confidence=confidence,
        rows=rows,
        data={name: each.result.data for name, (each, *_) in _kinds(errors, analyses).items()},
        measured=known.measured,
        own_answers=known.own_answers,
        counted=known.counted,
        rule=_rule(rows, confidence),
        notes=notes + known.notes(by),
        left_out=left_out,
    )


def check_ranking(by: str | None, confidence: float) -> None:
    """Refuse a measure that is none, and a coverage that no interval can have."""
    if by is not None and by not in BY:
        raise InvalidOption("by", by, one_of(by, BY))
    check_confidence(confidence)


def _kinds(errors: Sequence[Any], analyses: Sequence[Any]) -> dict[str, Sequence[Any]]:
    return {name: each for name, each in (("robustness", errors), ("analysis", analyses)) if each}


def _in_view(models: Sequence[Entry], confidence: float) -> None:
    """All results in the view of the first, at one confidence."""
    first = next((each.analysis for each in models if each.analysis is not None), None)
    for each in models:
        if each.robustness is not None and each.robustness.confidence != confidence:
            each.robustness = each.robustness.view(confidence=confidence)
        if each.analysis is not None and first is not None:
            view = {name: first.settings[name] for name in ("value", "beta")}
            each.analysis = each.analysis.view(confidence=confidence, **view)


def _rows(
    models: Sequence[Entry], known: Known, by: str, confidence: float, *, reverse: bool
) -> list[RankedModel]:
    """The models in order, each with its values and how it stands to the first and the next."""
    values = [values_of(each, known, confidence) for each in models]
    silent = [None if each.analysis is None else no_finding(each.analysis) for each in models]
    for each, reason in zip(values, silent, strict=True):
        if reason is not None:
            each.pop("score", None)
    sign = 1.0 if by in _LEAST_FIRST else -1.0
    ranked = [at for at, each in enumerate(values) if by in each and np.isfinite(each[by].value)]
    ranked.sort(key=lambda at: (sign * float(values[at][by].value), models[at].name))
    results = [known.of(models[at], by) for at in ranked]
    standings = _standings([models[at] for at in ranked], results, by, confidence, reverse=reverse)
    rows = []
    place = 0
    for number, at in enumerate(ranked):
        if not number or values[at][by].value != values[ranked[number - 1]][by].value:
            place = number + 1
        first, before = standings[number]
        rows.append(_row(models[at], place, results[number], values[at], silent[at], first, before))
    rows = rows[::-1] if reverse else rows
    others = [at for at in range(len(models)) if at not in ranked]
    return rows + [
        _row(models[at], None, None, values[at], silent[at], None, None) for at in others
    ]


def _row(
    model: Entry,
    place: int | None,
    result: ModelResult | None,
    values: dict[str, Spread],
    silent: str | None,
    *standings: Standing | None,
) -> RankedModel:
    images = 0 if result is None else len(result.image_ids)
    about = (place, model.name, model.path, model.sha256, model.files, images)
    return RankedModel(*about, values, silent, *standings)


def _standings(
    models: Sequence[Entry],
    results: Sequence[Any],
    by: str,
    confidence: float,
    *,
    reverse: bool,
) -> list[tuple[Standing | None, Standing | None]]:
    """Of each model in order, against the first, and against the one in the row above."""
    count = len(models)
    if not count:
        return []
    if len(results[0].image_ids) < 2:
        return [(None, None)] * count
    above = [at + 1 if reverse else at - 1 for at in range(count)]
    wanted = [
        (other, at)
        for at in range(count)
        for other in dict.fromkeys((0, above[at]))
        if other != at and 0 <= other < count
    ]
    judged = Judge(results, by, confidence)(wanted) if wanted else {}

    def standing(at: int, other: int) -> Standing | None:
        found = judged.get((other, at))
        return None if found is None else Standing(models[other].name, *found)

    return [(standing(at, 0), standing(at, above[at])) for at in range(count)]


def _rule(rows: Sequence[RankedModel], confidence: float) -> str:
    ranked = sum(row.rank is not None for row in rows)
    pairs = ranked * (ranked - 1) // 2
    if not pairs:
        return ""
    rule = _RULE if pairs > 1 else _RULE_OF_TWO
    return rule.format(level=f"{confidence:.0%}", pairs=counted(pairs, "pair"))
