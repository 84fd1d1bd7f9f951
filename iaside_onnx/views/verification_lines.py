"""What was asked of a file, and the answers, as lines."""

from __future__ import annotations

from ..results.verification import Verification
from .text import one_line

_WORDS = {True: "holds", False: "DOES NOT HOLD", None: "nothing to hold"}


def lines(answer: Verification) -> list[str]:
    """A line a question, then what the answer does not say."""
    shown = [
        f"{check.name + ':':<11}{_WORDS[check.holds]}: {one_line(check.text)}"
        for check in answer.checks
    ]
    if answer.holds and answer.limits:
        shown.append("This does not tell " + "; nor ".join(answer.limits) + ".")
    return shown
