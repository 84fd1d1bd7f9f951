"""What people see on a terminal: notes, progress, tables.

Results go to standard output; notes, warnings and progress to standard error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from .text import band_table, interval, number, one_line, p_value, percent, with_ends

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


class Terminal(Console):
    """Standard output, with what all results print alike."""

    def say(self, *sentences: str, bold: bool = False, red: bool = False) -> None:
        """Sentences, which break where the terminal ends, each on a line of its own."""
        style = " ".join(["bold"] * bold + ["red"] * red) or None
        self.print(*sentences, sep="\n", soft_wrap=True, style=style)

    def no_finding(self, reasons: Iterable[str], consequence: str) -> None:
        """Before all else why there is no finding, and what that means for the numbers below."""
        self.say(*map(one_line, reasons), bold=True, red=True)
        self.say(f"{consequence}\n", bold=True)

    def noted(self, warnings: Iterable[str]) -> None:
        """What a run warned of."""
        for warning in warnings:
            self.say(f"Noted during the run: {one_line(str(warning))}")


def terminal() -> Terminal:
    """Standard output; of a fixed width where it is no terminal."""
    plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    out = Terminal(**plain)
    # Piped output has no width of its own; do not wrap tables there.
    return out if out.is_terminal else Terminal(width=110, **plain)


def table(
    texts: Sequence[str],
    numbers: Sequence[str],
    *,
    caption: str | None = None,
    tight: bool = False,
    fold: bool = False,
    no_wrap: bool = False,
) -> Table:
    """A table whose first columns hold texts, which may `fold`, and whose others hold numbers.

    Intervals stay on one line, and with `no_wrap` all numbers do.
    """
    made = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=tight,
        caption=caption,
        caption_justify="left",
    )
    for heading in texts:
        made.add_column(heading, overflow="fold" if fold else "ellipsis", no_wrap=not fold)
    for heading in numbers:
        made.add_column(heading, justify="right", no_wrap=no_wrap or "interval" in heading)
    return made


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
    finding = report.finding(robustness)
    mark = f" ({NOT_A_FINDING})" if finding.withheld else ""
    if finding.withheld:
        out.no_finding([finding.evidence], "No number below is a finding.")
    intervals, settings = report.intervals, report.settings
    level = percent(report.confidence)
    drawn = "" if report.exact else f", {settings['estimator']} from {settings['passes']} passes"
    out.say(
        f"{one_line(report.model['path'])} on {one_line(report.data['source'])}: "
        f"{report.data['samples']} images, clean accuracy {number(report.accuracy)}, "
        f"{settings['bands']} bands ({settings['norm']}), absence {settings['absence']}, "
        f"value {settings['value']}{drawn}"
    )
    if note := part_note(report):
        out.say(note)
    gain = number(report.value_all - report.value_none, signed=True)
    out.say(
        f"v(none) {number(report.value_none)}, v(all) {number(report.value_all)}: {gain} for the "
        "bands to share"
    )
    out.print(_band_table(report, mark))
    low, high = (number(end, signed=True) for end in report.srs_range)
    signed = interval(*intervals.srs_signed, signed=True)
    out.say(
        f"Spectral robustness score (SRS): {number(report.srs)}  "
        f"[{level}: {interval(*intervals.srs)}]{mark}",
        f"Signed score: {number(report.srs_signed, signed=True)}  [{level}: {signed}]  on its "
        f"range {low} (highest band alone) to {high} (lowest band alone){mark}",
    )
    for sentence in (
        None if finding.withheld else finding.evidence,
        finding.measured,
        finding.further,
    ):
        if sentence is not None:
            out.say(one_line(sentence))
    out.noted(run_warnings(report))
    if per_class:
        from .class_table import class_tables

        for part in class_tables(report, out.width):
            out.print(part)


def _band_table(report: Report, mark: str) -> Table:
    """A row a band; `mark` stands beside the names of what is derived from its values."""
    headings, rows = band_table(report, mark)
    made = table([], headings)
    made.add_column("", min_width=_BAR_WIDTH)
    largest = float(report.sid.max())
    names = with_ends(report.band_names)
    for name, share, (_, *cells) in zip(names, report.sid, rows, strict=True):
        made.add_row(name, *cells, "" if mark else share_bar(float(share), largest))
    return made


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
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold")
    made.add_column(overflow="fold")

    def add(name: str, text: Any) -> None:
        line = one_line(str(text))
        made.add_row(name, line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "...")

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
    terminal().print(made)


def print_candidates(found: dict[str, Any], written: Path | None) -> None:
    """What the search for a preprocessing found, best first, and the command that uses it."""
    out = terminal()
    rows, search = found["candidates"], found["search"]
    best = rows[0]
    out.print(f"\nPreprocessing tried on {search['images']} images, best first:")
    many = best["top5"] is not None
    numbers = ["accuracy", "95% interval", *(["top 5"] if many else []), "log-prob"]
    made = table(["values", "resize, then centre crop"], [*numbers, "p against best"])
    for row in rows:
        if row["label_offset"] != best["label_offset"]:
            continue
        made.add_row(
            one_line(row["values"]),
            row["geometry"],
            number(row["accuracy"]),
            interval(row["accuracy_low"], row["accuracy_high"], 2),
            *([number(row["top5"], 2)] if many else []),
            number(row["mean_log_prob"], 2),
            "" if row is best else p_value(row["p_value"]),
        )
    out.print(made)
    others: dict[int, float] = {}
    for row in rows:
        if row["label_offset"] != best["label_offset"]:
            others.setdefault(row["label_offset"], row["accuracy"])
    tried = [f"{offset} gives at most {accuracy:.3f}" for offset, accuracy in others.items()]
    if tried:
        out.say(f"Label offset {best['label_offset']}; {', '.join(tried)}.")
    for sentence in search["findings"]:
        out.say(one_line(sentence))
    if search["command"] is None:
        return
    if written is not None:
        out.say(f"Recipe: {one_line(str(written))}")
    elif search["preset"] is None and search["source"] is None:
        out.say(
            "\nBest recipe, not written anywhere yet: save these lines as recipe.toml, or run "
            "this again with --write-recipe recipe.toml",
            search["toml"].rstrip(),
        )
    out.say(f"\nTo use it:\n{one_line(search['command'])}")
