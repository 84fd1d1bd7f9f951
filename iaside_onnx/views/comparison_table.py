"""What people see of a comparison on a terminal."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.table import Table

from ..comparisons.pairs import Comparison, Pair
from ..comparisons.verdict import decimals, p_text
from ..mathematics.paired import Difference
from ..mathematics.replicates import TrainingDifference
from ..results.report import FEW_IMAGES
from .terminal import terminal
from .text import one_line

_FILES_ONLY = (
    "A difference seen is one between these files. Trainings that differ only by their seed may "
    "differ as much: repeat a training to learn how much, and give its report as --replicate."
)
# Characters of a name over a column, and those that differences of classes take side by side.
_NAME, _WIDE = 14, 100
_TRAININGS = (
    "Intervals count images and trainings. The reference's column is the mean of its {count} "
    "trainings, between which the signed score has a standard deviation of {spread:.3f}; "
    "those of the other reports are taken to spread as much."
)


def print_comparison(found: Comparison) -> None:
    """For every pair the verdict, then the values of both reports with their differences."""
    out = terminal()
    view = found.view
    reasons = dict.fromkeys(reason for pair in found.pairs for reason in pair.no_finding)
    for reason in reasons:
        out.print(one_line(reason), soft_wrap=True, style="bold red")
    if reasons:
        out.print("Its differences of scores and bands are not findings.\n", style="bold")
    name, model = found.reference["report"], found.reference["model"]["path"]
    further = [entry["report"] for entry in found.replicates]
    also = f" and replicates {one_line(', '.join(further))}" if further else ""
    out.print(
        f"Reference: {one_line(name)} ({one_line(model)}){also}. Differences are other - "
        f"reference, with {view['confidence']:.0%} intervals; value {view['value']}, beta "
        f"{view['beta']}",
        soft_wrap=True,
    )
    for pair in found.pairs:
        heading, *lines = map(one_line, _lines(pair))
        out.print(heading, *(f"  {line}" for line in lines), sep="\n", soft_wrap=True)
        out.print(_table(found, pair))
        if any(row.srs_signed is not None for row in pair.per_class or []):
            for part in _class_tables(found, pair, out.width):
                out.print(part)
            if further:
                out.print(f"  Classes: {one_line(name)} alone, as files, without its replicates.")
        elif pair.per_class is not None:
            out.print(f"  No class has {FEW_IMAGES} shared images, so none is judged.")
    signed = [pair.srs_signed for pair in found.pairs]
    if isinstance(signed[0], TrainingDifference):
        count, spread = len(signed[0].trainings), signed[0].spread
        out.print(_TRAININGS.format(count=count, spread=spread), soft_wrap=True)
    elif any(each.p < 1 - view["confidence"] for each in signed):
        out.print(_FILES_ONLY, soft_wrap=True)


def _lines(pair: Pair) -> list[str]:
    left = pair.left_out
    counts = f"{pair.report}: {pair.shared} shared images (contents {pair.contents})"
    if any(left.values()):
        counts += f"; left out: {left['reference']} of the reference, {left['other']} of its own"
    verdict = pair.verdict
    if pair.no_finding:  # the reasons stand above
        verdict = {"score": "No conclusion about scores and bands.", "right": verdict["accuracy"]}
    lines = [counts, *dict.fromkeys(verdict.values())]
    if pair.settings:
        apart = ", ".join(
            f"{entry['setting']} {_value(entry['other'])} against {_value(entry['reference'])}"
            for entry in pair.settings
        )
        lines.append(f"Settings of the models that differ: {apart}.")
    return [*lines, *(f"Note: {note}." for note in pair.notes)]


def _value(setting: Any) -> str:
    return "not set" if setting is None else str(setting)


def _table(found: Comparison, pair: Pair) -> Table:
    level = 1 - float(found.view["confidence"])
    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        caption=f"Interval and p are of each row alone, and agree. * below {level:.2g}; of bands, "
        f"where that also holds among all {len(found.bands)} (Holm).",
        caption_justify="left",
    )
    mean = f"mean of {1 + len(found.replicates)}" if found.replicates else ""
    table.add_column("", no_wrap=True)
    for role, name in (
        ("reference", mean or found.reference["report"]),
        ("other", pair.report),
    ):
        table.add_column(f"{role}\n{_short(name)}", justify="right", no_wrap=True)
    table.add_column("other -\nreference", justify="right", no_wrap=True)
    table.add_column("interval", justify="right", no_wrap=True)
    table.add_column("p", justify="right", no_wrap=True)
    blocks = [
        [("signed SRS", pair.srs_signed)],
        [("SRS", pair.srs)],
        [("accuracy", pair.accuracy)],
        [("log-prob", pair.mean_log_prob)],
        [(f"SID {band}", d) for band, d in zip(found.bands, pair.sid, strict=True)],
        [(f"Shapley {band}", d) for band, d in zip(found.bands, pair.shapley, strict=True)],
    ]
    for block in blocks:
        digits = decimals([difference for _, difference in block])
        for name, d in block:
            values = [f"{d.reference:.{digits}f}", f"{d.other:.{digits}f}"]
            table.add_row(name, *values, *_cells(d, digits, level))
    return table


def _short(name: str) -> str:
    """A name that leaves the other columns their room: its beginning and its end."""
    line = one_line(name)
    half = _NAME // 2
    return line if len(line) <= _NAME else f"{line[: half - 1]}…{line[-half:]}"


def _cells(found: Difference, digits: int, level: float) -> list[str]:
    seen = (found.p if found.p_holm is None else found.p_holm) < level
    return [
        f"{found.difference:+.{digits}f}",
        f"{found.low:+.{digits}f} to {found.high:+.{digits}f}",
        p_text(found.p).removeprefix("= ") + ("*" if seen else " "),
    ]


def _class_tables(found: Comparison, pair: Pair, width: int) -> list[Table]:
    """Differences of the classes: score and accuracy in one table, or in two where it is narrow."""
    level = 1 - float(found.view["confidence"])
    rows = pair.per_class or []
    judged = sum(row.srs_signed is not None for row in rows)
    parts = [("signed SRS", "srs_signed"), ("accuracy", "accuracy")]
    groups = [parts] if width >= _WIDE else [[part] for part in parts]
    tables = []
    for group in groups:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption_justify="left")
        table.add_column("class", overflow="fold")
        for heading in ["images", *(h for name, _ in group for h in (name, "interval", "p"))]:
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows:
            cells: list[str] = []
            for _, part in group:
                difference: Difference | None = getattr(row, part)
                cells += ["-"] * 3 if difference is None else _cells(difference, 3, level)
            table.add_row(one_line(row.name), str(row.images), *cells)
        tables.append(table)
    tables[-1].caption = (
        "Differences of each class's own images, other - reference; interval and p are of one "
        f"class alone. * below {level:.2g} among all {judged} judged (Holm). Classes with fewer "
        f"than {FEW_IMAGES} images are not judged."
    )
    return tables
