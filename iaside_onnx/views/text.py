"""Numbers, intervals and names as text: the one way in which every view writes them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from ..tasks import VALUED

if TYPE_CHECKING:
    from ..results.report import Report
    from ..results.spread import Spread

# What the game is played in.
_VALUE_NAMES = {
    "log-prob": "log-probability",
    "log-prob-clipped": "log-probability (floored)",
    "prob": "probability",
    **{each.value: each.quantity for each in VALUED},
}
UNDEFINED = "-"
# Of what cannot be known, such as accuracy without labels.
NOT_KNOWN = "not known"


def one_line(text: str) -> str:
    """Text from outside made safe for one terminal line: no control characters."""
    joined = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in joined)


def clean_words(report: Any, name: str, value: float | None) -> str:
    """A number of clean images by its name, where there are classes, else the task."""
    if not report.of_classes:
        return f"task {report.task.name}"
    return f"{name} {number(value)}"


def shortened(text: str, letters: int) -> str:
    """One line of at most so many letters; what is cut off at its end is marked."""
    line = one_line(text)
    return line if len(line) <= letters else line[: letters - 1] + "…"


def both_ends(name: str, letters: int) -> str:
    """One line of at most so many letters: the beginning and the end of a name."""
    line, half = one_line(name), letters // 2
    return line if len(line) <= letters else f"{line[: half - 1]}…{line[-half:]}"


def told_apart(names: Sequence[str], letters: int) -> list[str]:
    """Names of at most so many letters, cut so that those that differ still do.

    Where one is longer, the folders and file names that all paths share are left out first. Then
    `both_ends` are kept, or if that made two names alike, what is around the letters that differ.
    """
    lines = [one_line(name) for name in names]
    if all(len(line) <= letters for line in lines):
        return lines
    parts = [line.split("/") for line in lines]
    shared = _shared(parts)
    end = _shared([each[shared:][::-1] for each in parts])
    inner = ["/".join(each[shared : len(each) - end]) for each in parts]
    begun = _shared(inner)
    ended = _shared([each[begun:][::-1] for each in inner])
    core = [_around(each, begun, len(each) - ended, letters) for each in inner]
    for tried in (inner, lines, core):
        cut = [both_ends(each, letters) for each in tried]
        if all(cut) and len(set(cut)) == len(set(names)):
            return cut
    return [f"{both_ends(line, letters - 4)} ({n})" for n, line in enumerate(lines, 1)]


def _around(line: str, start: int, end: int, letters: int) -> str:
    """A part of a line, with as much of what is around it as there are letters for."""
    more = max(0, letters - 2 - (end - start))
    left = min(start, max(more // 2, more - (len(line) - end)))
    begin, stop = start - left, min(len(line), end + more - left)
    return "…" * (begin > 0) + line[begin:stop] + "…" * (stop < len(line))


def _shared(rows: Sequence[Sequence[str]]) -> int:
    """How many entries all begin with."""
    for place, entries in enumerate(zip(*rows, strict=False)):
        if len(set(entries)) > 1:
            return place
    return min(map(len, rows))


def words(name: str) -> str:
    """A name made of words, such as that of a corruption, as words."""
    return one_line(name.replace("_", " "))


def model_name(result: Any) -> str:
    """What a result is called by default: the file name of its model, without its ending."""
    return Path(getattr(result, "model", {}).get("path", "")).stem


def number(value: SupportsFloat | None, digits: int = 3, *, signed: bool = False) -> str:
    """A number with so many digits after the point; no number as a sign, None in words."""
    if value is None:
        return NOT_KNOWN
    exact = float(value)
    if math.isnan(exact):
        return UNDEFINED
    if math.isinf(exact):
        return "inf" if exact > 0 else "-inf"
    return f"{exact:{'+' if signed else ''}.{digits}f}"


def whole(value: float, *, signed: bool = False) -> str:
    """A number in whole figures, with no minus before 0."""
    return number(round(value) + 0.0 if math.isfinite(value) else value, 0, signed=signed)


def figures(value: SupportsFloat) -> str:
    """A ratio in three figures at most, two of them after the point."""
    exact = float(value)
    size = abs(exact)
    if not math.isfinite(size) or size < 9.995:
        return number(exact if math.isnan(exact) else round(exact, 2) + 0.0, 2)  # no minus before 0
    return f"{exact:.1f}" if size < 99.95 else f"{exact:.0f}" if exact < 1e5 else f"{exact:.0e}"


def interval(
    low: SupportsFloat, high: SupportsFloat, digits: int = 3, *, signed: bool = False
) -> str:
    """Ends of an interval; one sign where neither is defined."""
    ends = [number(end, digits, signed=signed) for end in (low, high)]
    return UNDEFINED if set(ends) == {UNDEFINED} else " to ".join(ends)


def ends(spread: Spread, digits: int = 3) -> str:
    """The interval of a quantity; a sign where the quantity is not defined."""
    undefined = math.isnan(float(spread.value))
    return UNDEFINED if undefined else interval(spread.low, spread.high, digits)


def value_and_ends(spread: Spread) -> list[str]:
    """A quantity and its interval, as cells of a table."""
    return [number(spread.value), ends(spread)]


def with_interval(spread: Spread, level: str) -> str:
    """A quantity and its interval, such as ``0.120 [95%: 0.100 to 0.140]``."""
    return f"{number(spread.value)} [{level}: {ends(spread)}]"


def percent(share: float) -> str:
    """A share, such as the coverage of intervals, as a whole percentage."""
    return f"{share:.0%}"


def levels(reports: Sequence[Any]) -> str:
    """The coverage of the intervals of results that stand together, such as "95%"."""
    return of_all(percent(report.confidence) for report in reports)


def of_all(words: Iterable[str]) -> str:
    """What is said of each of several, as it is said of all of them: each wording once."""
    return " or ".join(dict.fromkeys(words))


def rank_text(coefficient: float | None) -> str:
    """A rank correlation; None and not-a-number are not defined."""
    return UNDEFINED if coefficient is None else number(coefficient, 2, signed=True)


def p_value(p: float) -> str:
    """A p-value in a table."""
    from ..comparisons.verdict import p_text  # loads numpy, and a message needs only `one_line`

    return p_text(p).removeprefix("= ")


def value_name(report: Report) -> str:
    """What a report's game is played in, in words."""
    return _VALUE_NAMES.get(str(report.settings["value"]), "value")


def with_ends(names: Sequence[str]) -> list[str]:
    """Names of bands, the first and the last with what they are."""
    notes = [" (lowest)", *[""] * (len(names) - 2), " (highest)"][: len(names)]
    return [name + note for name, note in zip(names, notes, strict=True)]


def band_labels(report: Any) -> list[str]:
    """Names of a result's bands with what they are: their ends, or the lengths of their waves."""
    from ..results.banded import edges_of, names_with_waves  # loads numpy

    if edges_of(report.settings) is None:
        return with_ends(report.band_names)
    return names_with_waves(report.settings, report.band_names)


def band_table(
    report: Report, mark: str = "", *, extremes: bool = True
) -> tuple[list[str], list[list[str]]]:
    """Headings, and a row for each band; `mark` stands beside what is derived from its values.

    With `extremes` the names of the first and the last band say what these are.
    """
    intervals = report.intervals
    level = f"{percent(report.confidence)} interval"
    columns = (
        band_labels(report) if extremes else report.band_names,
        map(number, report.sid),
        map(interval, intervals.sid_low, intervals.sid_high),
        (number(value, 4, signed=True) for value in report.shapley),
        (number(error, 4) for error in report.shapley_stderr),
    )
    headings = ["band", f"SID{mark}", level, "Shapley value", "std. error"]
    return headings, [list(row) for row in zip(*columns, strict=True)]
