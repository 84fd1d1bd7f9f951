"""What was asked of a file and found, as lines."""

from __future__ import annotations

from ..results.verification import Verification
from .text import one_line

_WORDS = {True: "holds", False: "DOES NOT HOLD", None: "nothing to hold"}


def lines(found: Verification) -> list[str]:
    """A line a question, then what the answer does not say."""
    shown = [
        f"{check.name + ':':<11}{_WORDS[check.holds]}: {one_line(check.text)}"
        for check in found.checks
    ]
    if found.holds and found.limits:
        shown.append("This does not tell " + "; nor ".join(found.limits) + ".")
    return shown
