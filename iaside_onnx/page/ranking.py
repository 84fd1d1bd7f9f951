"""The page of a ranking: the order of models, and which of them cannot be told apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..comparisons.ranking import RankedModel, Ranking
from ..comparisons.ranking_words import comes_first
from ..plurals import counted
from ..views.ranking_table import (
    about,
    cell,
    notes_of,
    table_cells,
)
from ..views.text import percent, told_apart
from .charts import Chart, Values, Words, dot_rows
from .record import RANKING
from .rendering import no_overview, rendered

_LETTERS = 19


def ranking_page(ranking: Ranking) -> str:
    """The page as text: a pure function of the ranking."""
    beside = [name for name in ranking.measures if name != ranking.by]
    headings, rows = table_cells(ranking, beside)
    ranked = [row for row in ranking.rows if row.rank is not None]
    context: dict[str, Any] = {
        **no_overview(f"{counted(len(ranked), 'model')} by {ranking.what}"),
        "ranking": {
            "first": comes_first(ranking) or "One model has a place: there is nothing to tell.",
            "about": about(ranking),
            "what": ranking.what,
            "headings": headings,
            "rows": rows,
            "chart": _chart(ranking, ranked) if ranked else None,
            "level": percent(ranking.confidence),
            "rule": ranking.rule,
            "notes": notes_of(ranking),
            "models": ranking.rows,
        },
        "record": None,
        "record_name": RANKING,
        "record_text": "",
        "sections": [],
        "answer": None,
        "first": None,
        "warnings": [],
    }
    return rendered(context, {})


def _chart(ranking: Ranking, rows: list[RankedModel]) -> Chart:
    """What models are ranked by, with its intervals, in the order of the table."""
    values = [row.values[ranking.by] for row in rows]
    parts = np.array([[each.value, each.low, each.high] for each in values], np.float64)
    known = np.nan_to_num(parts)
    least, most, unit = 0.0, 1.0, "%"
    if ranking.by in ("score", "mpe"):
        unit, most = "", max(0.1, float(np.ceil(10 * np.abs(known).max()) / 10))
        least = -most if known.min() < 0 else 0.0
    ends = [np.where(np.isfinite(end), end, parts[:, 0]) for end in parts.T[1:]]
    said = [
        f"{row.name}: {cell(ranking.by, value)}, {ranking.what}"
        for row, value in zip(rows, values, strict=True)
    ]
    words = Words(
        "ranked",
        f"Models by {ranking.what}",
        "A dot for each model in the order of the table, with the interval of the model alone; "
        "whether two are told apart is judged by their difference on the same images.",
        ranking.what,
    )
    series = Values(parts[:, 0], said, (ends[0], ends[1]))
    names = told_apart([row.name for row in rows], _LETTERS)
    return dot_rows(
        [series], names, words, numbers=[0], most=most, least=least, uprights=[("clean", 0.0)],
        unit=unit,
    )  # fmt: skip
