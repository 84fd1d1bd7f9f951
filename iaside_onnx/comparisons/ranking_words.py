"""What a ranking says in words: which model comes first, and from which it cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..errors import IasideError, said
from ..results.report import Report
from ..results.result import ModelResult
from ..results.robustness import RobustnessReport
from ..spelling import on_command_line
from .ranking import RankedModel, Ranking, Standing, rank

# Models that a sentence names; the others it counts.
_MOST_NAMED = 6


def comes_first(ranking: Ranking) -> str:
    """Which model comes first, and from which it is not told apart; empty of one model."""
    found = _against_first(ranking)
    if found is None:
        return ""
    first, _, same = found
    if not same:
        return f"{first} comes first, and is told apart from all others."
    return f"{first} comes first; not told apart from it: {', '.join(same)}."


def _against_first(ranking: Ranking) -> tuple[str, list[str], list[str]] | None:
    """The first model, those told apart from it and those not; None of one model or image."""
    ranked = [row for row in ranking.rows if row.rank is not None]
    if len(ranked) < 2 or ranked[0].images < 2:
        return None
    told: dict[bool, list[str]] = {True: [], False: []}
    for row in ranked:
        if row.from_first is not None:
            told[row.from_first.told_apart].append(row.name)
    return next(row.name for row in ranked if row.from_first is None), told[True], told[False]


def ranked_together(
    results: Sequence[Report] | Sequence[RobustnessReport], names: Sequence[str], by: str
) -> Ranking | str:
    """Results of several models as a ranking that calls them by `names`, or why there is none.

    Every result has a row of its own, those of one model too.
    """
    alone: list[Any] = [
        replace(result, model={**result.model, "path": str(at), "sha256": str(at)})
        for at, result in enumerate(results)
    ]
    try:
        ranking = rank(alone, by=by, confidence=results[0].confidence)
    except IasideError as error:
        return f"They cannot be ranked: {on_command_line(said(error))}."
    return replace(
        ranking,
        rows=[_called(row, results, names) for row in ranking.rows],
        left_out=[replace(each, model=names[int(each.model)]) for each in ranking.left_out],
    )


def _called(row: RankedModel, results: Sequence[ModelResult], names: Sequence[str]) -> RankedModel:
    model = results[int(row.path)].model
    return replace(
        row,
        name=names[int(row.path)],
        path=model["path"],
        sha256=model["sha256"],
        from_first=_standing(row.from_first, names),
        from_next=_standing(row.from_next, names),
    )


def _standing(standing: Standing | None, names: Sequence[str]) -> Standing | None:
    return None if standing is None else replace(standing, other=names[int(standing.other)])


def order_words(ranking: Ranking, under: str = "") -> list[str]:
    """Sentences on which comes first and what it is told apart from, counting all pairs."""
    sentences = [f"{note[:1].upper()}{note[1:]}." for note in ranking.notes]
    sentences += [f"{row.name} has no place: no finding." for row in ranking.rows if row.no_finding]
    sentences += [f"{each.model} has no place: it {each.reason}." for each in ranking.left_out]
    found = _against_first(ranking)
    if found is None:
        return sentences
    first, apart, same = found
    count = len(apart) + len(same) + 1
    text = f"By {ranking.what}{under} {first} comes first"
    for names, words in ((apart, "told apart from it"), (same, "not told apart from it")):
        text += f"; {words}: {_listed(names)}" if names else ""
    pairs = count * (count - 1) // 2
    over = f"; Holm's method over all {pairs} pairs" if pairs > 1 else ""
    text += f" ({count} models{over})."
    return [text, *sentences]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
