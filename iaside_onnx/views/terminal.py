"""What people see on a terminal: notes, progress, tables.

Results go to standard output; notes, warnings and progress to standard error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ..listener import Listener
from ..results.finding import NOT_A_FINDING, run_warnings
from ..results.part import part_note
from ..results.report import Report
from ..results.robustness import RobustnessReport
from ..spelling import on_command_line
from .text import one_line

_BAR_WIDTH = 24
# Of what a model file says about itself, on the terminal.
_LONGEST_LINE = 1000
_BLOCKS = " ▏▎▍▌▋▊▉█"


class _Speed(ProgressColumn):
    """What is done per second, called by the last word of its unit."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit.split()[-1]

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else "", style="progress.data.speed")


def listener(*, quiet: bool, progress: bool, unit: str = "forward passes") -> Listener:
    """A listener that writes to standard error; progress only to a terminal unless forced."""
    errors = Console(stderr=True, force_terminal=True if progress else None)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=_BAR_WIDTH),
        MofNCompleteColumn(),
        _Speed(unit),
        TextColumn("elapsed"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        console=errors,
        disable=quiet or not (progress or errors.is_terminal),
    )
    tasks: list[Any] = []

    def start(done: int, total: int) -> None:
        tasks[:] = [bar.add_task(unit, completed=done, total=total)]
        bar.start()

    def advance(passes: int) -> None:
        bar.advance(tasks[0], passes)

    return Listener(
        words=on_command_line,
        note=(lambda _: None) if quiet else _say,
        warn=lambda message: _say(f"Warning: {message}"),
        start=start,
        advance=advance,
        stop=bar.stop,
    )


def _say(message: str) -> None:
    click.echo(one_line(message), err=True)


def terminal() -> Console:
    """Standard output; of a fixed width where it is no terminal."""
    console = Console(highlight=False, markup=False, emoji=False)
    # Piped output has no width of its own; do not wrap tables there.
    return (
        console
        if console.is_terminal
        else Console(width=110, highlight=False, markup=False, emoji=False)
    )


def share_bar(share: float, largest: float, width: int = _BAR_WIDTH) -> str:
    """A bar of text, `width` letters long where the share is the largest."""
    eighths = round(width * 8 * share / largest) if largest > 0 else 0
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_BLOCKS[part] if part else "")


def print_report(
    report: Report, *, per_class: bool = False, robustness: RobustnessReport | None = None
) -> None:
    """The result of a report as a table, the score and what it says; first why it says nothing.

    Raises
    ------
    ReportError
        `robustness` is of another model.
    """
    out = terminal()
    found = report.finding(robustness)
    no_finding = f" ({NOT_A_FINDING})" if found.withheld else ""
    if found.withheld:
        out.print(found.evidence, soft_wrap=True, style="bold red")
        out.print("No number below is a finding.\n", soft_wrap=True, style="bold")
    intervals = report.intervals
    level = f"{report.confidence:.0%}"
    settings = report.settings
    drawn = "" if report.exact else f", {settings['estimator']} from {settings['passes']} passes"
    out.print(
        f"{one_line(report.model['path'])} on {one_line(report.data['source'])}: "
        f"{report.data['samples']} images, clean accuracy {report.accuracy:.3f}, "
        f"{settings['bands']} bands ({settings['norm']}), absence {settings['absence']}, "
        f"value {settings['value']}{drawn}",
        soft_wrap=True,
    )
    if note := part_note(report):
        out.print(note, soft_wrap=True)
    out.print(
        f"v(none) {report.value_none:.3f}, v(all) {report.value_all:.3f}: "
        f"{report.value_all - report.value_none:+.3f} for the bands to share",
        soft_wrap=True,
    )
    out.print(_band_table(report, no_finding))
    low, high = report.srs_range
    out.print(
        f"Spectral robustness score (SRS): {report.srs:.3f}  [{level}: {intervals.srs[0]:.3f} to "
        f"{intervals.srs[1]:.3f}]{no_finding}",
        soft_wrap=True,
    )
    out.print(
        f"Signed score: {report.srs_signed:+.3f}  [{level}: {intervals.srs_signed[0]:+.3f} to "
        f"{intervals.srs_signed[1]:+.3f}]  on its range {low:+.3f} (highest band alone) to "
        f"{high:+.3f} (lowest band alone){no_finding}",
        soft_wrap=True,
    )
    for sentence in (None if found.withheld else found.evidence, found.measured, found.further):
        if sentence is not None:
            out.print(one_line(sentence), soft_wrap=True)
    for warning in run_warnings(report):
        out.print(f"Noted during the run: {one_line(warning)}", soft_wrap=True)
    if per_class:
        from .class_table import class_tables

        for part in class_tables(report, out.width):
            out.print(part)


def _band_table(report: Report, mark: str) -> Table:
    """A row a band; `mark` stands beside the names of what is derived from its values."""
    intervals, level = report.intervals, f"{report.confidence:.0%}"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("band", f"SID{mark}", f"{level} interval", "Shapley value", "std. error"):
        table.add_column(heading, justify="right")
    table.add_column("", min_width=_BAR_WIDTH)
    names = report.band_names
    sid, largest = report.sid, float(report.sid.max())
    for row, name in enumerate(names):
        note = " (lowest)" if row == 0 else " (highest)" if row == len(names) - 1 else ""
        table.add_row(
            name + note,
            f"{sid[row]:.3f}",
            f"{intervals.sid_low[row]:.3f} to {intervals.sid_high[row]:.3f}",
            f"{report.shapley[row]:+.4f}",
            f"{report.shapley_stderr[row]:.4f}",
            "" if mark else share_bar(float(sid[row]), largest),
        )
    return table


def _free_size(tried: list[int] | None, source: str | None) -> str:
    """What size was tried where the file leaves it free, and which one an audit takes."""
    if tried is None:
        return "left free: give --size HxW"
    size = f"left free: {tried[0]} x {tried[1]} was tried"
    if source == "--size":
        return f"{size}, as --size says"
    if source == "imgsz":
        return f"{size}, as imgsz in the metadata says"
    return (
        f"{size}; an audit takes 224 x 224, or that of images of one size, unless --size is given"
    )


def print_inspection(found: dict[str, Any]) -> None:
    """The result of ``iaside inspect`` as a table."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")

    def add(name: str, text: Any) -> None:
        line = one_line(str(text))
        table.add_row(name, line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "...")

    def shape(sizes: list[Any] | None) -> str:
        return "unknown rank" if sizes is None else "[" + ", ".join(map(str, sizes)) + "]"

    add("file", f"{found['path']} ({found['bytes']:,} bytes)")
    add("sha256", found["sha256"])
    for tensor in found["inputs"]:
        layout = f", {tensor['layout']}" if tensor["layout"] else ""
        add("input", f"{tensor['name']}: {tensor['dtype']} {shape(tensor['shape'])}{layout}")
    for tensor in found["outputs"]:
        add(
            "output",
            f"{tensor['name']}: {tensor['dtype']} {shape(tensor['shape'])}, kind {tensor['kind']}",
        )
    if before := found["read_before"]:
        add("read", f"before the final {before['operator']}, at {before['tensor']}")
    add("batch", found["batch"])
    if found["size"] and None in found["size"]:
        add("size", _free_size(found["size_tried"], found["size_from"]))
    add("classes", found["classes"] if found["classes"] is not None else "unknown")
    if found["meaning"]:
        add("meaning", found["meaning"])
    if found["range_hint"]:
        add("range", found["range_hint"])
    if found["parameters"] is None:
        add("format", "onnxruntime's own (.ort), which hides the graph")
    else:
        add("parameters", f"{found['parameters']:,}")
        extra = {name: version for name, version in found["opsets"].items() if name}
        add("opset", f"{found['opset']}" + "".join(f", {key} {extra[key]}" for key in extra))
        add("IR version", found["ir_version"])
    add("producer", found["producer"])
    for name in found["external_data"]:
        add("external data", name)
    for key, text in found["declared"].items():
        add(key, text)
    if found["preprocess_beside"]:
        add("beside the model", f"{found['preprocess_beside']['file']} says the preprocessing")
    names = ", ".join(found["provider_names"])
    add("active providers", ", ".join(found["providers"]) + f" (--provider {names})" * bool(names))
    for warning in found["warnings"]:
        add("warning", warning)
    terminal().print(table)


def print_candidates(found: dict[str, Any], written: Path | None) -> None:
    """What the search for a preprocessing found, best first, and the command that uses it."""
    out = terminal()
    rows, search = found["candidates"], found["search"]
    best = rows[0]
    out.print(f"\nPreprocessing tried on {search['images']} images, best first:")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("values", "resize, then centre crop"):
        table.add_column(heading)
    many = best["top5"] is not None
    numbers = ["accuracy", "95% interval", *(["top 5"] if many else []), "log-prob"]
    for heading in (*numbers, "p against best"):
        table.add_column(heading, justify="right")
    for row in rows:
        if row["label_offset"] != best["label_offset"]:
            continue
        table.add_row(
            one_line(row["values"]),
            row["geometry"],
            f"{row['accuracy']:.3f}",
            f"{row['accuracy_low']:.2f} to {row['accuracy_high']:.2f}",
            *([f"{row['top5']:.2f}"] if many else []),
            f"{row['mean_log_prob']:.2f}",
            "" if row is best else _p_value(row["p_value"]),
        )
    out.print(table)
    others: dict[int, float] = {}
    for row in rows:
        if row["label_offset"] != best["label_offset"]:
            others.setdefault(row["label_offset"], row["accuracy"])
    tried = [f"{offset} gives at most {accuracy:.3f}" for offset, accuracy in others.items()]
    if tried:
        out.print(f"Label offset {best['label_offset']}; {', '.join(tried)}.", soft_wrap=True)
    for sentence in search["findings"]:
        out.print(one_line(sentence), soft_wrap=True)
    if search["command"] is None:
        return
    if written is not None:
        out.print(f"Recipe: {one_line(str(written))}", soft_wrap=True)
    elif search["preset"] is None and search["source"] is None:
        out.print(
            "\nBest recipe, not written anywhere yet: save these lines as recipe.toml, or run "
            "this again with --write-recipe recipe.toml",
            soft_wrap=True,
        )
        out.print(search["toml"].rstrip(), soft_wrap=True)
    out.print(f"\nTo use it:\n{one_line(search['command'])}", soft_wrap=True)


def _p_value(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
