"""Audits side by side on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..comparisons.audits import AuditComparison, AuditPair
from ..comparisons.verdict import p_text
from ..mathematics.paired import Difference
from .terminal import Rows, table, terminal
from .text import one_line, percent, told_apart, words

_NAME = 14


def print_audit_comparison(comparison: AuditComparison) -> None:
    """For every pair the sentence, then right answers by group and by corruption."""
    out = terminal()
    name, model = comparison.reference["audit"], comparison.reference["model"]["path"]
    level = percent(comparison.confidence)
    own = all(pair.clean is None for pair in comparison.pairs)
    counted = "each model's own answers" if own else "right answers"
    out.say(
        f"Reference: {one_line(name)} ({one_line(model)}). Points of {counted}, mean of "
        f"severities; differences are other - reference, with {level} intervals, paired image by "
        "image; p by Holm's method within groups and within corruptions"
    )
    for pair in comparison.pairs:
        left = pair.left_out
        counts = f"{pair.audit}: {pair.shared} shared images"
        if any(left.values()):
            counts += (
                f"; left out: {left['reference']} of the reference, {left['other']} of its own"
            )
        out.say(
            one_line(counts), *(f"  {one_line(text)}" for text in [pair.sentence, *pair.scores])
        )
        out.say(*(f"  Note: {one_line(note)}." for note in pair.notes))
        out.print(_table(pair, str(name), level))


def _table(pair: AuditPair, reference: str, level: str) -> Rows:
    verdicts = {kind: " -> ".join(dict.fromkeys(both)) for kind, both in pair.verdicts.items()}
    clean, counted = pair.clean, "same answers" if pair.clean is None else "right answers"
    rows = [] if clean is None else [["clean", "", *_cells(clean)]]
    rows += _rows(pair.groups, verdicts)
    sections = {*([0] if clean is not None else []), len(rows) - 1}
    worst = dict(sorted(pair.corruptions.items(), key=lambda item: item[1].difference))
    rows += _rows(worst, {})
    names = told_apart([reference, pair.audit], _NAME)
    headings = [*names, "difference", f"{level} interval", "p"]
    filled = table([counted, "verdict"], headings, rows, tight=True)
    filled.sections |= sections
    return filled


def _rows(found: Mapping[str, Difference], verdicts: Mapping[str, str]) -> Iterable[list[str]]:
    return [
        [words(name), verdicts.get(name, ""), *_cells(difference)]
        for name, difference in found.items()
    ]


def _cells(found: Difference) -> list[str]:
    low, value, high = (f"{100 * end:+.1f}" for end in (found.low, found.difference, found.high))
    p = found.p if found.p_holm is None else found.p_holm
    values = [f"{100 * each:.1f}" for each in (found.reference, found.other)]
    return [*values, value, f"{low} to {high}", p_text(p).removeprefix("= ")]
