"""The classes of a report on the terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table

from ..reports.class_rows import reservation
from ..reports.finding import NOT_A_FINDING
from ..reports.report import FEW_IMAGES, Report
from .text import one_line


def class_table(report: Report) -> Table:
    """A row a class: its own estimates, or marked ones where its images are few.

    ``*`` marks estimates drawn towards all classes, ``!`` those that are mostly noise.
    """
    known = report.class_profiles.weight is not None
    note = reservation(report.class_profiles, FEW_IMAGES)
    mark = "*" if known else "!"
    score = "signed SRS" if report.precondition.holds else f"signed SRS ({NOT_A_FINDING})"
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        caption=None if note is None else f"{mark} {note}",
        caption_justify="left",
    )
    table.add_column("class", overflow="fold")
    interval = f"{report.confidence:.0%} interval"
    for heading in ("images", "accuracy", score, interval, *report.band_names):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.per_class():
        shown = row["shrunk"] if row["few"] and row["shrunk"] else row
        low, high = shown["srs_signed_low"], shown["srs_signed_high"]
        table.add_row(
            one_line(row["name"]),
            str(row["n"]),
            f"{row['accuracy']:.2f}",
            f"{shown['srs_signed']:+.3f}{mark if row['few'] else ' '}",
            "-" if low is None else f"{low:+.3f} to {high:+.3f}",
            *(f"{share:.2f}" for share in shown["sid"]),
        )
    return table
