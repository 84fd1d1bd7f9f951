"""The rows of a comparison, as a terminal and a notebook show them."""

from __future__ import annotations

from collections.abc import Iterator

from ..comparisons.pairs import Comparison, Pair
from ..comparisons.verdict import decimals
from ..mathematics.paired import Difference
from .text import interval, number, p_value


def no_finding_of(comparison: Comparison) -> list[str]:
    """Why reports of a comparison say nothing; empty where all say something."""
    return list(dict.fromkeys(reason for pair in comparison.pairs for reason in pair.no_finding))


def pair_rows(comparison: Comparison, pair: Pair) -> Iterator[tuple[str, list[str], Difference]]:
    """What is compared in a pair: its name, its cells, and the difference that these tell.

    The cells are the values of the reference and of the other, and those of `difference_cells`.
    """
    blocks = [
        {"signed score": pair.srs_signed},
        {"published score": pair.srs},
        {} if pair.accuracy is None else {"accuracy": pair.accuracy},
        {"log-prob": pair.mean_log_prob},
        {f"SID {band}": d for band, d in zip(comparison.bands, pair.sid, strict=True)},
        {f"Shapley {band}": d for band, d in zip(comparison.bands, pair.shapley, strict=True)},
    ]
    for block in blocks:
        digits = decimals(list(block.values()))
        for name, difference in block.items():
            both = [number(value, digits) for value in (difference.reference, difference.other)]
            yield name, both + difference_cells(difference, digits), difference


def difference_cells(difference: Difference, digits: int = 3) -> list[str]:
    """The difference, its interval and its p-value."""
    return [
        number(difference.difference, digits, signed=True),
        interval(difference.low, difference.high, digits, signed=True),
        p_value(difference.p),
    ]
