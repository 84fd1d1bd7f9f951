"""What a measurement says of its work: notes, warnings and progress as callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .spelling import in_python, on_command_line


def _nothing(*_: object) -> None:
    """Default of every callback."""


def _worded(listener: Listener, call: Callable[[str], None], message: str) -> None:
    call(listener.words(message))


@dataclass
class Listener:
    """What takes the notes, warnings and progress of a measurement; every part may be left out.

    Attributes
    ----------
    note, warn : callable
        Take one line each, in the words of `words`.
    title : callable
        Takes what the long part is that begins next, in the words of `words`.
    start : callable
        Takes the forward passes done already and in all, when the long part begins.
    advance : callable
        Takes the forward passes done by the last run.
    stop : callable
        Called when the long part ends, also by an error.
    warnings : list of str
        All warnings so far, as the command line words them; they go into the report.
    words : callable
        How parameters are named in both: as in Python, or as on the command line.
    """

    note: Callable[[str], None] = _nothing
    warn: Callable[[str], None] = _nothing
    title: Callable[[str], None] = _nothing
    start: Callable[[int, int], None] = _nothing
    advance: Callable[[int], None] = _nothing
    stop: Callable[[], None] = _nothing
    warnings: list[str] = field(default_factory=list)
    words: Callable[[str], str] = in_python

    def __setattr__(self, name: str, value: Any) -> None:
        takes_text = name in ("note", "warn", "title")
        super().__setattr__(name, partial(_worded, self, value) if takes_text else value)

    def warning(self, message: str) -> None:
        """Pass a warning on, and keep it for the report."""
        self.warnings.append(on_command_line(message))
        self.warn(message)

    def part(self, before: int, total: int) -> Listener:
        """One for a part of the work, of whose `total` so much was done `before`.

        This one hears all of it.
        It keeps the warnings so far, and those of its own part alone.
        """
        return Listener(
            note=self.note,
            warn=self.warning,
            start=lambda done, _: self.start(before + done, total),
            advance=self.advance,
            stop=self.stop,
            warnings=list(self.warnings),
            words=str,  # left to this one
        )
