"""The classes of a report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from ..results.class_rows import estimate_note, reservation, shown_estimate
from ..results.finding import NOT_A_FINDING
from ..results.report import FEW_IMAGES, Report
from .terminal import Rows, table
from .text import UNDEFINED, interval, number, one_line, percent

# Characters that the columns of scores, and one of a band, take.
_SCORES, _BAND, _NAME = 54, 5, 16


def class_tables(report: Report, width: int) -> list[Rows]:
    """A row a class: the estimate that all views show, and the score of its own images beside it.

    ``*`` marks classes of few images, ``!`` those whose profile is mostly noise. One table, or
    scores and shares of the bands in two where `width` characters do not hold both.
    """
    profiles = report.class_profiles
    mark = "!" if profiles.weight is None else "*"
    few = reservation(profiles, FEW_IMAGES)
    notes = filter(None, [estimate_note(profiles), None if few is None else f"{mark} {few}"])
    rows = report.per_class()
    names = [one_line(row["name"]) for row in rows]
    scores = [_scores(row, mark) for row in rows]
    shares = [[number(share, 2) for share in shown_estimate(row)["sid"]] for row in rows]
    signed = "signed\nscore" if report.precondition.holds else f"signed\nscore\n({NOT_A_FINDING})"
    headings = ["images", "accu-\nracy", signed, f"{percent(report.confidence)} interval"]
    if profiles.weight is None:
        scores = [cells[:-1] for cells in scores]
    else:
        headings.append("own\nimages")
    longest = min(_NAME, max(map(len, names)))
    if longest + _SCORES + (_BAND + 1) * report.players <= width:
        tables = [_table([*headings, *report.band_names], names, scores, shares)]
    else:
        bands = [f"band {name}" if name != "DC" else name for name in report.band_names[:1]]
        tables = [
            _table(headings, names, scores),
            _table([*bands, *report.band_names[1:]], names, shares),
        ]
    tables[-1].caption = "\n".join(notes) or None
    return tables


def _scores(row: dict[str, Any], mark: str) -> list[str]:
    shown = shown_estimate(row)
    low, high = shown["srs_signed_low"], shown["srs_signed_high"]
    return [
        str(row["n"]),
        number(row["accuracy"], 2),
        number(shown["srs_signed"], signed=True) + (mark if row["few"] else " "),
        UNDEFINED if low is None else interval(low, high, signed=True),
        number(row["srs_signed"], signed=True),
    ]


def _table(headings: Sequence[str], names: Sequence[str], *parts: Sequence[Sequence[str]]) -> Rows:
    rows = ([name, *chain(*cells)] for name, *cells in zip(names, *parts, strict=True))
    return table(["class"], headings, rows, tight=True)
