"""Cells of tables whose shade says how large their number is; the style sheet has the colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..views.text import number

SHADES = 9


def shade(value: float, largest: float) -> int:
    """0, which is none, to 9, which is as large as any."""
    return round(SHADES * abs(value) / largest)


def matrix(values: Any, digits: int = 3) -> list[list[tuple[str, str]]]:
    """Text and shade of each cell of a square: p1 to p9 above 0, n1 to n9 below.

    The diagonal is empty.

    Parameters
    ----------
    values : array, shape (m, m)
    digits : int
        After the point.
    """
    square = np.asarray(values, np.float64)
    others: Sequence[float] = square[~np.eye(len(square), dtype=bool)].tolist()
    largest = max(map(abs, others), default=0.0) or 1.0

    def cell(value: float) -> tuple[str, str]:
        steps = shade(value, largest)
        look = f"{'p' if value > 0 else 'n'}{steps}" if steps else ""
        return number(value, digits, signed=True), look

    return [
        [cell(float(value)) if across != down else ("", "") for across, value in enumerate(row)]
        for down, row in enumerate(square)
    ]
