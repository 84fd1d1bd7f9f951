"""The rows of a comparison, as a terminal and a notebook show them."""

from __future__ import annotations

from ..comparisons.pairs import Comparison, Pair
from ..comparisons.verdict import decimals
from ..mathematics.paired import Difference
from .text import interval, number, p_value


def pair_rows(comparison: Comparison, pair: Pair) -> list[tuple[str, Difference, int]]:
    """What is compared in a pair: its name, the difference, and the digits that tell it."""
    blocks = [
        {"signed SRS": pair.srs_signed},
        {"SRS": pair.srs},
        {"accuracy": pair.accuracy},
        {"log-prob": pair.mean_log_prob},
        {f"SID {band}": d for band, d in zip(comparison.bands, pair.sid, strict=True)},
        {f"Shapley {band}": d for band, d in zip(comparison.bands, pair.shapley, strict=True)},
    ]
    return [
        (name, difference, decimals(list(block.values())))
        for block in blocks
        for name, difference in block.items()
    ]


def both_values(difference: Difference, digits: int) -> list[str]:
    """Those of the reference and of the other."""
    return [number(difference.reference, digits), number(difference.other, digits)]


def difference_cells(difference: Difference, digits: int) -> list[str]:
    """The difference, its interval and its p-value."""
    return [
        number(difference.difference, digits, signed=True),
        interval(difference.low, difference.high, digits, signed=True),
        p_value(difference.p),
    ]
