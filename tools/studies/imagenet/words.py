"""Numbers with their intervals, as the tables have them."""

from __future__ import annotations

Spread = tuple[float, float, float]


def told(spread: Spread, digits: int) -> str:
    """A value and the ends of its interval; no number is a negative 0."""
    value, low, high = (f"{round(number, digits) + 0.0:.{digits}f}" for number in spread)
    return f"{value} [{low}, {high}]"


def percent(spread: Spread) -> str:
    """The same in percent, or in points."""
    value, low, high = (100 * number for number in spread)
    return told((value, low, high), 1)
