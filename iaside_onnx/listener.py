"""How an audit tells what it does: notes, warnings and progress as callbacks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


def _nothing(*_: object) -> None:
    """Default of every callback."""


@dataclass
class Listener:
    """Where an audit tells what it does; every part may be left out.

    Attributes
    ----------
    note, warn : callable
        Take one line each.
    start : callable
        Takes the forward passes done already and in all, when the long part begins.
    advance : callable
        Takes the forward passes done by the last run.
    stop : callable
        Called when the long part ends, also by an error.
    warnings : list of str
        All warnings so far; they go into the report.
    """

    note: Callable[[str], None] = _nothing
    warn: Callable[[str], None] = _nothing
    start: Callable[[int, int], None] = _nothing
    advance: Callable[[int], None] = _nothing
    stop: Callable[[], None] = _nothing
    warnings: list[str] = field(default_factory=list)

    def warning(self, message: str) -> None:
        """Tell a warning and keep it for the report."""
        self.warnings.append(message)
        self.warn(message)
