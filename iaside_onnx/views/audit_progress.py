"""The stages of an audit while they last, on standard error: lines, and bars on a terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from ..listener import Listener
from ..plurals import lasting
from ..spelling import in_python, on_command_line
from .text import one_line

_BAR = 8
# Seconds after which a part without a bar says how far it is.
_SILENCE = 20.0
# What stands right of a title: a bar, how far it is, and the time left.
_BESIDE = 26


def interactive_listener() -> Listener:
    """What tells somebody at a terminal or a notebook of the stages, and nobody else."""
    errors = Console(stderr=True)
    if not (errors.is_terminal or errors.is_jupyter):
        return Listener()
    listener = audit_listener(quiet=False, progress=False)
    listener.words = in_python
    return listener


def audit_listener(*, quiet: bool, progress: bool) -> Listener:
    """A listener that writes the stages; bars where there is a terminal or a notebook."""
    errors = Console(stderr=True, force_terminal=True if progress else None, highlight=False)
    shown = not quiet and (progress or errors.is_terminal or errors.is_jupyter)
    title: list[str] = [""]
    bars: list[tuple[Progress, TaskID]] = []

    def say(message: str) -> None:
        click.echo(_aligned(message), err=True)

    def begin(text: str) -> None:
        title[:] = [_aligned(text)]
        if not quiet and not shown:
            say(text)

    pulse = Pulse(say)

    def start(done: int, total: int) -> None:
        if not shown and not quiet:
            pulse.start(done, total)
        if not shown or done >= total:
            return
        columns: list[ProgressColumn] = [
            TextColumn("{task.description}", markup=False),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
        ]
        if len(title[0]) + _BESIDE <= errors.width:
            columns.insert(1, BarColumn(bar_width=_BAR))
        room = errors.width - len(f" {total}/{total} 00:00 ")
        bar = Progress(*columns, console=errors)
        bars[:] = [(bar, bar.add_task(title[0][:room], completed=done, total=total))]
        bar.start()

    def advance(passes: int) -> None:
        if bars:
            bars[0][0].advance(bars[0][1], passes)
        elif not shown and not quiet:
            pulse.advance(passes)

    def stop() -> None:
        if bars:
            bars.pop()[0].stop()

    return Listener(
        words=on_command_line,
        note=(lambda _: None) if quiet else say,
        warn=lambda message: say(f"Warning: {message}"),
        title=begin,
        start=start,
        advance=advance,
        stop=stop,
    )


class Pulse:
    """Says now and then how far the long part is, where there is no bar."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.start(0, 0)

    def start(self, done: int, total: int) -> None:
        """Begin a part of so many forward passes."""
        self._done, self._before, self._total = done, done, total
        self._began = self._said = time.monotonic()

    def advance(self, passes: int) -> None:
        """Take passes that are done, and say how far it is if nothing was said for long."""
        self._done += passes
        now = time.monotonic()
        if now - self._said < _SILENCE or self._done >= self._total:
            return
        self._said = now
        left = (self._total - self._done) * (now - self._began) / (self._done - self._before)
        self._say(
            f"      {self._done:,} of {self._total:,} forward passes, about {lasting(left)} left"
        )


def _aligned(line: str) -> str:
    """One line, which keeps the spaces after the name of its stage."""
    stage = re.match(r"\[\d/\d\] \w+ *", line)
    at = stage.end() if stage else 0
    return line[:at] + one_line(line[at:])
