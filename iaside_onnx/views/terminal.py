"""What people see on a terminal: notes, progress, tables.

Results go to standard output; notes, warnings and progress to standard error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

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
from ..results.part import part_note
from ..spelling import on_command_line
from .text import one_line

if TYPE_CHECKING:
    from ..results.result import Result

BAR_WIDTH = 24
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
        BarColumn(bar_width=BAR_WIDTH),
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

    def heading(self, result: Result, about: str, *further: str) -> None:
        """What a result is of, and which part of a sample where it is one."""
        path = getattr(result, "model", {}).get("path")
        of = "" if path is None else f"{one_line(path)} on "
        part = filter(None, [part_note(result)])
        self.say(f"{of}{one_line(result.data['source'])}: {about}", *further, *part)

    def no_finding(self, reasons: Iterable[str], consequence: str) -> None:
        """Before all else why there is no finding, and what that means for the numbers below."""
        self.say(*map(one_line, reasons), bold=True, red=True)
        self.say(f"{consequence}\n", bold=True)

    def noted(self, warnings: Iterable[Any]) -> None:
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
    rows: Iterable[Iterable[str]] = (),
    *,
    caption: str | None = None,
    tight: bool = False,
    fold: bool = False,
    no_wrap: bool = False,
) -> Table:
    """A table whose first columns hold texts, which may `fold`, and whose others hold numbers.

    Intervals stay on one line, and with `no_wrap` all numbers do.
    """
    filled = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=tight, caption=caption,
        caption_justify="left",
    )  # fmt: skip
    for heading in texts:
        filled.add_column(heading, overflow="fold" if fold else "ellipsis", no_wrap=not fold)
    for heading in numbers:
        filled.add_column(heading, justify="right", no_wrap=no_wrap or "interval" in heading)
    for row in rows:
        filled.add_row(*row)
    return filled


def share_bar(share: float, largest: float, width: int = BAR_WIDTH) -> str:
    """A bar of text, `width` letters long where the share is the largest."""
    eighths = round(width * 8 * share / largest) if largest > 0 else 0
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_BLOCKS[part] if part else "")
