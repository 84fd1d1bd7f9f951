"""The classes of a report on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from ..results.class_rows import estimate_note, reservation, shown_estimate
from ..results.finding import NOT_A_FINDING
from ..results.report import FEW_IMAGES, Report
from .text import one_line

# Characters that the columns of scores, and one of a band, take.
_SCORES, _BAND, _NAME = 54, 5, 16


def class_tables(report: Report, width: int) -> list[Table]:
    """A row a class: the estimate that all views show, and the score of its own images beside it.

    ``*`` marks classes of few images, ``!`` those whose profile is mostly noise. One table, or
    scores and shares of the bands in two where `width` characters do not hold both.
    """
    found = report.class_profiles
    mark = "!" if found.weight is None else "*"
    few = reservation(found, FEW_IMAGES)
    notes = filter(None, [estimate_note(found), None if few is None else f"{mark} {few}"])
    rows = report.per_class()
    names = [one_line(row["name"]) for row in rows]
    scores = [_scores(row, mark) for row in rows]
    shares = [[f"{share:.2f}" for share in shown_estimate(row)["sid"]] for row in rows]
    signed = "signed\nSRS" if report.precondition.holds else f"signed\nSRS\n({NOT_A_FINDING})"
    headings = ["images", "accu-\nracy", signed, f"{report.confidence:.0%} interval"]
    if found.weight is None:
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
        f"{row['accuracy']:.2f}",
        f"{shown['srs_signed']:+.3f}{mark if row['few'] else ' '}",
        "-" if low is None else f"{low:+.3f} to {high:+.3f}",
        f"{row['srs_signed']:+.3f}",
    ]


def _table(headings: Sequence[str], names: Sequence[str], *parts: Sequence[Sequence[str]]) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True, caption_justify="left"
    )
    table.add_column("class", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, *cells in zip(names, *parts, strict=True):
        table.add_row(name, *(cell for part in cells for cell in part))
    return table
