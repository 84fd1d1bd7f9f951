"""The answer of an audit on a terminal: is it robust, why, how sure is that, what now."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..plurals import counted, listed
from ..results.audit import PAGE, Audit
from ..results.audit_words import worst_first
from ..results.group_verdict import SEVERITIES, Accuracy, GroupVerdict, points_kept
from ..spelling import command_text, path_word
from .terminal import Terminal, share_bar, terminal
from .text import model_name, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LABEL = 16
_INDENT = 2
_BAR = 8
_NAME = 10
_FIXED = "\N{NO-BREAK SPACE}"
# Room for what is kept under the weakest corruption, beside its name.
_WIDE = 100
_WIDEST = 120


def print_audit(audit: Audit) -> None:
    """The answer; figures are those of the reports in the audit's folder."""
    out = terminal()
    out.say()
    _say(out, "Is it robust?", [audit.verdicts.sentence])
    for line in group_lines(audit, out.width):
        out.say(line, verbatim=True)
    _say(out, "Why?", audit.why)
    if audit.confidence is not None:
        _say(out, "Its confidence", [audit.confidence])
    _say(out, "How sure?", [audit.how_sure])
    _say(out, "Not measured", ["; ".join(audit.not_measured) or "Nothing that iaside can measure."])
    _say(out, "What now?", audit.next)
    commands, page = audit.commands, audit.folder / PAGE
    for label, name in (("Go on", "audit"), ("Afterwards", "again"), ("", "compare")):
        if name in commands:
            out.say(command_line(label, commands[name]), verbatim=True)
    if page.is_file():
        out.say(_labelled("Page", command_text([path_word(page)])), verbatim=True)
    if "gate" in commands:
        out.say(command_line("CI", commands["gate"]), verbatim=True)
        _say(out, "", [audit.gate.now])


def group_lines(audit: Audit, width: int) -> list[str]:
    """The lines of the groups, the worst first, under that of clean images.

    Where `width` has room for it, they say too what is kept under the weakest corruption.
    """
    found, wide = audit.verdicts, width >= _WIDE
    groups = worst_first(found)
    levels = listed(map(str, SEVERITIES))
    right = f"{found.answers} of {counted(found.clean.n, 'image')}"
    about = f"corrupted: mean of severities {levels}"
    lines = [f"    {right}; {about}"]
    weakest = f"weakest corruption{f', it keeps ({found.scale})' * wide}"
    lines += [f"    {'':<{_NAME + _BAR + 16}}  {weakest}"]
    if found.accuracy is not None:
        lines.append(_line("clean", found.accuracy, ""))
    lines += [_line(group.kind, group, _weakest(group, found.keep, wide)) for group in groups]
    return lines + [f"    {found.below}"] * bool(wide and found.below)


def _line(name: str, share: Accuracy | GroupVerdict, further: str) -> str:
    bar = share_bar(share.right, _BAR)
    ends = f"[{_points(share.low):>2}, {_points(share.high):>2}]"
    text = f"    {name:<{_NAME}}{bar:<{_BAR}} {_points(share.right):>3} % {ends:<9}  {further}"
    return text.rstrip()


def _weakest(group: GroupVerdict, keep: float, wide: bool) -> str:
    words = group.weakest_words
    if not wide:
        return words
    kept = group.weakest_kept
    if not np.isfinite([kept.value, kept.low, kept.high]).any():
        return f"{words}: what is kept is not known"
    value, low, high = map(points_kept, (kept.value, kept.low, kept.high))
    text = f"{words}: {value} % kept, by an interval without bounds"
    if low != "?" or high != "?":
        text = f"{words}: {value} % [{low}, {high}] kept"
    until = group.open_until(keep)
    return text if until is None else f"{text}, as weakest of {len(group.kept)} up to {until}"


def _points(share: float) -> str:
    return f"{100 * share:.0f}"


def _labelled(label: str, text: str) -> str:
    return f"{' ' * _INDENT}{label:<{_LABEL}}{text}"


def command_line(label: str, words: Sequence[str]) -> str:
    """A command as it is typed, which gets no line breaks."""
    return _labelled(label, command_text(words))


def _say(out: Terminal, label: str, sentences: Sequence[str]) -> None:
    """Sentences behind their label, broken at words where the terminal ends."""
    indent = " " * (_INDENT + _LABEL)
    first = _labelled(label, "")
    for sentence in sentences:
        # No line ends between a number and its unit.
        text = one_line(sentence).replace(" %", f"{_FIXED}%")
        wrapped = textwrap.wrap(
            text,
            min(out.width, _WIDEST) if out.is_terminal else max(out.width, len(text) + len(first)),
            initial_indent=first,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        out.say(*(line.replace(_FIXED, " ") for line in wrapped), verbatim=True)
        first = indent


def audit_figure(audits: Sequence[Audit], names: Sequence[str]) -> Figure:
    """The errors of audits under every corruption; see `robustness_plot`."""
    from .robustness_plot import robustness_figure

    named = [name or model_name(audit) for name, audit in zip(names, audits, strict=True)]
    return robustness_figure([audit.robustness for audit in audits], named)


def draw_audit_errors(axes: Axes, audits: Sequence[Audit], names: Sequence[str]) -> None:
    """The errors of audits under every corruption."""
    from .robustness_plot import draw_errors

    draw_errors(axes, [audit.robustness for audit in audits], names)


def draw_audit_means(axes: Axes, audits: Sequence[Audit], names: Sequence[str]) -> None:
    """Clean, mean corrupted and adversarial errors of audits."""
    from .robustness_plot import draw_means

    draw_means(axes, [audit.robustness for audit in audits], names)
