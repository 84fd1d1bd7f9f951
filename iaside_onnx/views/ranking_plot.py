"""A ranking as a picture: a row a model, the first on top, with its interval."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from ..comparisons.ranking import RankedModel, Ranking
from ..errors import UsageError
from ..plurals import counted
from .figure import COLOURS, GREY, Header, Panel, Picture, column, scale_of, title
from .ranked import ROW, Dot, dots
from .text import both_ends, percent

_MOST, _LETTERS = 60, 26
# Inches: a column of names left of the panel.
_NAMES, _PANEL = 1.45, 1.95
_SERIES = ("first, or not told apart from it", "told apart from the first")


def ranking_figure(ranking: Ranking) -> Picture:
    """The measure that models are ranked by; colours say which are told apart from the first.

    Raises
    ------
    UsageError
        No model has a place, or more have one than a picture takes.
    """
    rows = _rows(ranking)
    header = Header(
        "Models in order",
        f"{counted(len(rows), 'model')} on {counted(rows[0].images, 'image')}; "
        f"{percent(ranking.confidence)} intervals of each model alone; told apart: paired "
        "differences, counting all pairs",
    )
    height = max(ROW * len(rows), 3 * ROW)
    panel = Panel(height, 0.62, lambda axes: _draw(axes, ranking, rows))
    return column(header, [panel], left=_NAMES, width=_PANEL)


def draw_order(axes: Axes, rankings: Sequence[Ranking], names: Sequence[str]) -> None:  # noqa: ARG001
    """The measure that models are ranked by, a row a model; they have names of their own."""
    (ranking,) = rankings
    _draw(axes, ranking, _rows(ranking))


def _rows(ranking: Ranking) -> list[RankedModel]:
    rows = [row for row in ranking.rows if row.rank is not None]
    if not 0 < len(rows) <= _MOST:
        raise UsageError(
            f"a picture of a ranking takes 1 to {_MOST} models, not {len(rows)}; --csv has them all"
        )
    return rows


def _draw(axes: Axes, ranking: Ranking, rows: list[RankedModel]) -> None:
    share = ranking.by not in ("score", "mpe")
    scale = 100.0 if share else 1.0
    apart = [row.from_first is not None and row.from_first.told_apart for row in rows]
    values = [row.values[ranking.by] for row in rows]
    marks: list[Dot] = [
        (scale * float(one.value), scale * float(one.low), scale * float(one.high))
        for one in values
    ]
    series = {
        label: [mark if far == told else None for mark, far in zip(marks, apart, strict=True)]
        for label, told in zip(_SERIES, (False, True), strict=True)
        if told in apart
    }
    names = [f"{row.rank}  {both_ends(row.name, _LETTERS)}" for row in rows]
    at = 0 if False in apart else 1
    # Dots of both series lie on the middle of their row.
    for number, (label, some) in enumerate(series.items(), at):
        dots(axes, names, {label: some}, colours=COLOURS[number:], markers="os"[number:])
    title(axes, "", f"{ranking.what}{', %' if share else ''}")
    if len(series) > 1:
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.2, -0.32 / axes.bbox.height * axes.figure.dpi),
            fontsize=5.5 * scale_of(axes), frameon=False, ncols=1, labelcolor=GREY,
        )  # fmt: skip
