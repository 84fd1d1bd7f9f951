"""The classes of a report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from ..results.class_rows import (
    by_score,
    estimate_note,
    finding_notes,
    reservation,
    shown_estimate,
)
from ..results.finding import NOT_A_FINDING
from ..results.report import FEW_IMAGES, Report
from .terminal import Rows, table
from .text import UNDEFINED, interval, number, one_line, percent

# Characters that the columns of scores, and one of a band, take.
_SCORES, _BAND, _NAME = 54, 5, 16


def class_tables(report: Report, width: int) -> list[Rows]:
    """A row a class: the estimate that all views show, and the score of its own images beside it.

    ``*`` marks classes of few images, ``!`` those whose profile is mostly noise, ``?`` those of
    which it is open whether there is anything to read. The classes that lean most on high bands
    come first, those of which there is nothing last.
    One table, or scores and shares of the bands in two where `width` characters do not hold both.
    """
    profiles = report.class_profiles
    mark = "!" if profiles.weight is None else "*"
    few = reservation(profiles, FEW_IMAGES)
    notes = [estimate_note(profiles), None if few is None else f"{mark} {few}"]
    notes += [one_line(note) for note in finding_notes(report)]
    gains, every = report.class_gains, report.per_class()
    names: list[str] = []
    scores, shares = list[list[str]](), list[list[str]]()
    for place in by_score(report).tolist():
        row, marks = every[place], mark if every[place]["few"] else ""
        names.append(one_line(row["name"]))
        if gains.nothing[place]:
            scores.append(_without_score(row, marks))
            shares.append([UNDEFINED] * report.players)
        else:
            scores.append(_scores(row, f"{marks}?" if gains.open[place] else marks))
            shares.append([number(share, 2) for share in shown_estimate(row)["sid"]])
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
    tables[-1].caption = "\n".join(filter(None, notes)) or None
    return tables


def _without_score(row: dict[str, Any], marks: str) -> list[str]:
    """The cells of a class of whose shares there is no finding."""
    score = f"{UNDEFINED}{marks:<2}"
    return [str(row["n"]), number(row["accuracy"], 2), score, NOT_A_FINDING, UNDEFINED]


def _scores(row: dict[str, Any], marks: str) -> list[str]:
    shown = shown_estimate(row)
    low, high = shown["srs_signed_low"], shown["srs_signed_high"]
    return [
        str(row["n"]),
        number(row["accuracy"], 2),
        number(shown["srs_signed"], signed=True) + f"{marks:<2}",
        UNDEFINED if low is None else interval(low, high, signed=True),
        number(row["srs_signed"], signed=True),
    ]


def _table(headings: Sequence[str], names: Sequence[str], *parts: Sequence[Sequence[str]]) -> Rows:
    rows = ([name, *chain(*cells)] for name, *cells in zip(names, *parts, strict=True))
    return table(["class"], headings, rows, tight=True)
