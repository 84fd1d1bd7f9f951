"""The sentences of a picture: why it shows no finding, first and largest, or what it says."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from ..comparisons.contrast import contrasts
from ..results.finding import NO_FINDING, NOT_A_FINDING
from ..results.report import Report
from ..results.robustness import RobustnessReport
from .text import one_line

RED = "#A03000"
NOTE_LINE = 0.11  # inches
_LEFT = 0.03  # of the width
_PLAIN, _LARGE, _LARGEST = 6.5, 9.0, 11.0
# Letters that a line of 3.5 inches takes, by size of the text.
_LETTERS = {_PLAIN: 64, _LARGE: 46, _LARGEST: 38}


@dataclass(frozen=True)
class Line:
    """A line of text in a picture, or with none a gap."""

    text: str
    size: float = _PLAIN
    bold: bool = False
    colour: str = "#222222"

    @property
    def height(self) -> float:
        """In inches."""
        return self.size / 72 * 1.3


_GAP = Line("", 4.0)


def warning_lines(reports: Sequence[Report], labels: Sequence[str]) -> list[Line]:
    """Why reports say nothing, in the largest letters of the picture; nothing where all do."""
    lines: list[Line] = []
    for report, label in zip(reports, labels, strict=True):
        if report.precondition.holds:
            continue
        whose = f": {label}" if len(reports) > 1 else ""
        lines += _wrapped(f"{NO_FINDING}{whose}", _LARGEST, bold=True, colour=RED)
        for reason in report.precondition.reasons:
            lines += _wrapped(f"{reason[0].upper()}{reason[1:]}.", _LARGE, colour=RED)
        lines += _wrapped(f"What is drawn of it is {NOT_A_FINDING}.", _LARGE, bold=True, colour=RED)
        lines.append(_GAP)
    return lines


def reason_lines(reason: str | None) -> list[Line]:
    """The sentence on why there is no finding, in large letters; nothing for None."""
    return [] if reason is None else [*_wrapped(reason, _LARGE, bold=True, colour=RED), _GAP]


def finding_lines(
    reports: Sequence[Report],
    labels: Sequence[str],
    robustness: Sequence[RobustnessReport | None],
) -> list[Line]:
    """What the reports say: of one report where its evidence lies, of several how they differ."""
    several = len(reports) > 1
    lines: list[Line] = []
    for report, label, measured in zip(reports, labels, robustness, strict=True):
        found = report.finding(measured)
        if not several and not found.withheld:
            lines += [*_wrapped(found.evidence), _GAP, *_wrapped(found.further or ""), _GAP]
        if found.measured is not None:
            lines += _wrapped(f"{label}: {found.measured}" if several else found.measured)
            lines.append(_GAP)
    for sentence in contrasts(reports, labels):
        lines += _wrapped(sentence)
    return lines


def lines_height(lines: Sequence[Line]) -> float:
    """What lines take, in inches."""
    return sum(line.height for line in lines)


def draw_lines(drawn: Figure, lines: Sequence[Line], top: float, total: float) -> None:
    """Lines from the height `top` downwards, in a picture of the height `total`, both in inches."""
    for line in lines:
        top -= line.height
        drawn.text(
            _LEFT,
            top / total,
            line.text,
            fontsize=line.size,
            fontweight="bold" if line.bold else "normal",
            color=line.colour,
            parse_math=False,
        )


def draw_notes(drawn: Figure, lines: Sequence[str], top: float, total: float) -> None:
    """What to bear in mind, from `top` downwards; inches of a figure of height `total`."""
    for number, text in enumerate(lines):
        height = (top - NOTE_LINE * number) / total
        drawn.text(0.03, height, text, fontsize=_PLAIN - 0.5, color=RED, parse_math=False)


def _wrapped(
    text: str, size: float = _PLAIN, *, bold: bool = False, colour: str = "#222222"
) -> list[Line]:
    letters = _LETTERS[size] - (4 if bold else 0)
    return [Line(part, size, bold, colour) for part in textwrap.wrap(one_line(text), letters)]
