"""What people see on a terminal: notes, progress, tables.

Results go to standard output; notes, warnings and progress to standard error.
"""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
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
from ..streams import broken
from .text import one_line

if TYPE_CHECKING:
    from ..results.result import Result

BAR_WIDTH = 24
# A bar that would be shorter is left out; so much of a name of several words stays on one line.
_LEAST_BAR, _LEAST_NAME = 8, 20
_CAPTION = 80
_UNBOUNDED = 100_000  # characters: standard output that is no terminal has no width
# Columns that stay with the one before them where a table is split.
_BELONGING = ("interval", "int.", "std. error", "R²")
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
    bar = Progress(console=errors, disable=quiet or not (progress or errors.is_terminal))
    tasks: list[Any] = []

    def start(done: int, total: int) -> None:
        for before in tasks:  # where several runs follow each other, one bar shows the last
            bar.remove_task(before)
        bar.columns = tuple(_columns(unit, total, errors.width))
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


def _columns(unit: str, total: int, width: int) -> list[ProgressColumn]:
    """What a line of progress shows where only so many characters are free: no number is cut."""
    numbers = MofNCompleteColumn()
    left = [TextColumn("left"), TimeRemainingColumn(compact=True)]
    short = len(f"{total}/{total} left 00:00:00")
    room = width - len(unit) - 1 - short
    if room < 0:  # what the numbers leave: first their unit goes, then the time
        return [numbers, *left] if short <= width else [numbers]
    speed = _Speed(unit)
    further: list[ProgressColumn] = []
    if (longest := len(f" 100,000 {speed.unit}/s")) <= room:
        room, further = room - longest, [speed]
    if (longest := len(" elapsed 0:00:00")) + 1 + _LEAST_BAR <= room:
        room, further = room - longest, [*further, TextColumn("elapsed"), TimeElapsedColumn()]
    bar = [BarColumn(bar_width=min(BAR_WIDTH, room - 1))] if room > _LEAST_BAR else []
    return [TextColumn("{task.description}"), *bar, numbers, *further, *left]


def _say(message: str) -> None:
    click.echo(broken(one_line(message), sys.stderr), err=True)


class Terminal(Console):
    """Standard output, with what all results print alike."""

    def print(self, *objects: Any, **look: Any) -> None:
        """Print, and never crop what does not fit."""
        super().print(*objects, **{"crop": False, **look})

    def say(
        self, *sentences: str, bold: bool = False, red: bool = False, verbatim: bool = False
    ) -> None:
        """Sentences, each on a line of its own, which break at words where the terminal ends.

        What is `verbatim`, such as a command to copy, gets no line breaks.
        """
        style = " ".join(["bold"] * bold + ["red"] * red) or None
        self.print(*sentences, sep="\n", soft_wrap=verbatim, style=style)

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
    """Standard output, of unbounded width where it is no terminal."""
    plain: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    out = Terminal(**plain)
    return out if out.is_terminal else Terminal(width=_UNBOUNDED, **plain)


@dataclass
class Rows:
    """A table that fits the terminal and loses no letter of a name and no digit.

    Where it is too wide, first its headings break at words, then its bars get shorter or go, then
    long names fold, and then the columns of numbers are split over several tables, each with the
    names. Its first columns hold texts, the others numbers.

    Attributes
    ----------
    bars : list of float, optional
        Of each row, from 0 to 1; not a number for a row without a bar.
    longest : int
        Letters that the longest bar takes.
    sections : set of int
        Rows with a line below.
    """

    texts: list[str]
    numbers: list[str]
    rows: list[list[str]] = field(default_factory=list)
    caption: str | None = None
    tight: bool = False
    bars: list[float] | None = None
    longest: int = BAR_WIDTH
    sections: set[int] = field(default_factory=set)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        wide = self._total(self._widths(wrapped=False), self.longest if self.bars else 0)
        return Measurement(min(wide, options.max_width), wide)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        room = options.max_width
        widest = 0
        for piece in self._pieces(room):
            wide = Measurement.get(console, options.update(max_width=_UNBOUNDED), piece).maximum
            widest = max(wide, widest)
            yield from console.render(piece, options.update(width=max(room, wide)))
        if self.caption:
            for line in self.caption.split("\n"):
                for part in textwrap.wrap(line, min(room, max(widest, _CAPTION))):
                    yield Text(part, style="table.caption")

    def _pieces(self, room: int) -> Iterator[RenderableType]:
        """The tables that this one takes."""
        every = list(range(len(self.texts), len(self.texts) + len(self.numbers)))
        texts = list(range(len(self.texts)))
        longest = self.longest if self.bars else 0
        for wrapped in (False, True):
            widths = self._widths(wrapped=wrapped)
            if self._total(widths, longest) <= room:
                yield self._table(widths, texts + every, longest)
                return
        if self._total(widths) <= room:
            left = room - self._total(widths) - self._gap
            yield self._table(widths, texts + every, left if left >= _LEAST_BAR else 0)
            return
        least = [self._least(at, room) for at in texts]
        while self._total(widths) > room and any(widths[at] > least[at] for at in texts):
            widths[max(texts, key=lambda at: widths[at] - least[at])] -= 1
        names = [widths[at] for at in texts]
        groups: list[list[int]] = []
        for unit in self._units(room - self._total(names), widths):
            taken = [*(groups[-1] if groups else []), *unit]
            if groups and self._total(names + [widths[at] for at in taken]) <= room:
                groups[-1] = taken
            else:
                groups.append(unit)
        for group in groups:
            yield self._table(widths, texts + group, 0)

    def _units(self, room: int, widths: list[int]) -> Iterator[list[int]]:
        """Columns of numbers that stay side by side, where there is room for it."""
        units: list[list[int]] = []
        for at, heading in enumerate(self.numbers, len(self.texts)):
            belongs = heading == "p" or any(word in heading for word in _BELONGING)
            if units and belongs:
                units[-1].append(at)
            else:
                units.append([at])
        for unit in units:
            if sum(widths[at] + self._gap for at in unit) <= room:
                yield unit
            else:
                yield from ([at] for at in unit)

    def _least(self, at: int, room: int) -> int:
        """Characters that a column of texts is left: its longest word where that is no giant."""
        words = [word for row in self.rows for word in row[at].split()]
        longest = max([_LEAST_NAME, *map(cell_len, words)])
        return min(longest, room // (1 + len(self.texts)))

    @property
    def _gap(self) -> int:
        """Characters between two columns."""
        return 2 if self.tight else 3

    def _total(self, widths: Sequence[int], bar: int = 0) -> int:
        """Characters that columns of these widths take, and a bar."""
        each = [*widths, *[bar] * bool(bar)]
        return sum(each) + self._gap * (len(each) - 1) + 2

    def _widths(self, *, wrapped: bool) -> list[int]:
        """Characters of each column, with headings that are `wrapped` at words or not."""
        cells = zip(*self.rows, strict=True) if self.rows else [()] * len(self._headings)
        widths = []
        for heading, column in zip(self._headings, cells, strict=True):
            lines = heading.split() if wrapped else heading.split("\n")
            widths.append(max([0, *map(cell_len, lines), *map(cell_len, column)]))
        return widths

    @property
    def _headings(self) -> list[str]:
        return [*self.texts, *self.numbers]

    def _table(self, widths: Sequence[int], columns: Sequence[int], bar: int) -> Table:
        filled = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=self.tight)
        for at in columns:
            look: Any = {"overflow": "fold"} if at < len(self.texts) else {"justify": "right"}
            filled.add_column(self._headings[at], width=widths[at], **look)
        if bar:
            filled.add_column("", width=bar)
        for number, row in enumerate(self.rows):
            cells = [row[at] for at in columns]
            if bar and self.bars:
                cells.append(share_bar(self.bars[number], bar))
            filled.add_row(*cells, end_section=number in self.sections)
        return filled


def table(
    texts: Sequence[str],
    numbers: Sequence[str],
    rows: Iterable[Iterable[str]] = (),
    *,
    caption: str | None = None,
    tight: bool = False,
    bars: Iterable[float] | None = None,
    longest: int = BAR_WIDTH,
) -> Rows:
    """A table whose first columns hold texts, and whose others hold numbers; see `Rows`."""
    filled = [list(row) for row in rows]
    drawn = None if bars is None else [float(bar) for bar in bars]
    return Rows(list(texts), list(numbers), filled, caption, tight, drawn, longest)


def share_bar(share: float, width: int) -> str:
    """A bar of text, `width` letters long for a share of 1; none for what is not a number."""
    eighths = 0 if math.isnan(share) else round(width * 8 * share)
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_BLOCKS[part] if part else "")
