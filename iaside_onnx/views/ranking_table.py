"""A ranking on a terminal, and its rows as plain columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..comparisons.ranking import RankedModel, Ranking, Standing
from ..comparisons.ranking_words import comes_first
from ..plurals import counted, plural
from ..results.spread import Spread
from .terminal import Rows, Terminal, table, terminal
from .text import UNDEFINED, number, one_line, percent, told_apart, whole

_NAME = 30
_HEADINGS = {
    "accuracy": "clean %",
    "corrupted": "corrupted %",
    "kept": "kept %",
    "mpe": "mPE",
    "score": "signed score",
}
# Of these the table shows what fits, the first ones first.
_BESIDE = ("accuracy", "corrupted", "score", "kept", "mpe")


def print_ranking(ranking: Ranking) -> None:
    """The table, then when models are told apart, and what to bear in mind."""
    out = terminal()
    out.say(about(ranking))
    out.print(_fitting(ranking, out))
    for line in filter(None, [comes_first(ranking), ranking.rule, *notes_of(ranking)]):
        out.say(one_line(line))
    if ranking.rule:
        out.say("Next: iaside compare FILE OTHER says what two of them differ in.")


def notes_of(ranking: Ranking) -> list[str]:
    """Models without a finding, what to bear in mind, and what was left out."""
    silent = [f"{row.name}: {row.no_finding}" for row in ranking.rows if row.no_finding]
    notes = [f"Note: {note}." for note in ranking.notes]
    left = [f"Left out: {each.file} ({each.model}) {each.reason}" for each in ranking.left_out]
    return [*silent, *notes, *left]


def about(ranking: Ranking) -> str:
    """What is ranked, by what, and on which images."""
    ranked = sum(row.rank is not None for row in ranking.rows)
    of = ranking.data.get("analysis" if ranking.by == "score" else "robustness")
    of = of or next(iter(ranking.data.values()))
    images = next((row.images for row in ranking.rows if row.images), 0)
    under = ""
    if ranking.measured:
        levels = ranking.measured["severities"]
        severity = plural(len(levels), "severity", "severities")
        under = (
            f"; corrupted: mean of {counted(len(ranking.measured['corruptions']), 'corruption')} "
            f"at {severity} {', '.join(map(str, levels))}"
        )
    return one_line(
        f"{counted(ranked, 'model')} by {ranking.what}, on {counted(images, 'image')} of "
        f"{of['source']}{under}; in brackets {percent(ranking.confidence)} intervals"
    )


def _fitting(ranking: Ranking, out: Terminal) -> Rows:
    """The table with as many measures as fit the terminal."""
    beside = [name for name in _BESIDE if name in ranking.measures and name != ranking.by]
    room = out.options.update(max_width=500)
    for count in range(len(beside), -1, -1):
        made = _table(ranking, beside[:count])
        if out.measure(made, options=room).maximum <= out.width:
            break
    captions = []
    if "kept" in (ranking.by, *beside[:count]):
        captions.append("kept: of the right answers beyond guessing, what corruptions leave.")
    if left := beside[count:]:
        names = ", ".join(_HEADINGS[name] for name in left)
        captions.append(f"Also known: {names}; --json and --csv have all.")
    made.caption = " ".join(captions) or None
    return made


def _table(ranking: Ranking, beside: Sequence[str]) -> Rows:
    headings, rows = table_cells(ranking, beside)
    return table(["#", "model"], headings, rows, tight=True)


def table_cells(ranking: Ranking, beside: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Headings behind those of place and model, and the rows; measures `beside` come last."""
    names = told_apart([row.name for row in ranking.rows], _NAME)
    headings = [
        _heading(ranking.by, ranking.counted),
        "from the first",
        "told apart from it",
        "told apart from the one above",
        *(_heading(name, ranking.counted) for name in beside),
    ]
    rows = [
        [
            UNDEFINED if row.rank is None else str(row.rank),
            name,
            cell(ranking.by, row.values.get(ranking.by)),
            _apart(ranking.by, row.from_first),
            _whether(row.from_first),
            _whether(row.from_next),
            *(cell(each, row.values.get(each)) for each in beside),
        ]
        for name, row in zip(names, ranking.rows, strict=True)
    ]
    return headings, rows


def _heading(name: str, counted: str) -> str:
    if name == "corrupted" and counted != "right answers":
        return f"{counted} %"
    return _HEADINGS.get(name, f"{name} %")


def cell(name: str, spread: Spread | None) -> str:
    """A measure with its interval, in the unit of its column."""
    if spread is None or np.isnan(float(spread.value)):
        return UNDEFINED
    value, low, high = (_figure(name, float(end)) for end in _parts(spread))
    return f"{value} [{low}, {high}]"


def _parts(spread: Spread) -> tuple[Any, Any, Any]:
    return spread.value, spread.low, spread.high


def _figure(name: str, value: float) -> str:
    if name == "score":
        return number(value, 2, signed=True)
    return number(value, 2) if name == "mpe" else number(100 * value, 0)


def _apart(name: str, standing: Standing | None) -> str:
    if standing is None:
        return ""
    found, scale = standing.difference, 1 if name in ("score", "mpe") else 100
    ends = (found.difference, found.low, found.high)
    value, low, high = (
        number(end, 2, signed=True) if scale == 1 else whole(scale * end, signed=True)
        for end in ends
    )
    return f"{value} [{low}, {high}]"


def _whether(standing: Standing | None) -> str:
    return "" if standing is None else "yes" if standing.told_apart else "no"


def ranking_rows(ranking: Ranking) -> Iterator[dict[str, Any]]:
    """A row a model: its values with their ends, and how it stands to the first and the next."""
    for row in ranking.rows:
        yield {
            "rank": row.rank,
            "model": row.name,
            "sha256": row.sha256,
            "images": row.images,
            **_values(ranking, row),
            **_standing("first", row.from_first),
            **_standing("next", row.from_next),
        }


def _values(ranking: Ranking, row: RankedModel) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in ranking.measures:
        parts = (None, None, None) if name not in row.values else _parts(row.values[name])
        ends = [None if part is None else float(part) for part in parts]
        values |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    return values


def _standing(which: str, standing: Standing | None) -> dict[str, Any]:
    names = ("difference", "low", "high", "p_holm")
    found = [None if standing is None else getattr(standing.difference, name) for name in names]
    return {
        **{f"from_{which}_{name}": value for name, value in zip(names, found, strict=True)},
        f"told_apart_from_{which}": None if standing is None else standing.told_apart,
    }
