"""Checks of parameters that several functions take."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from .errors import InvalidOption


def is_number(value: Any) -> bool:
    """Whether something is a real number, numpy's included."""
    return isinstance(value, Real)


def is_whole(value: Any) -> bool:
    """Whether something is an integer, numpy's included."""
    return isinstance(value, Integral)


def check_whole(parameter: str, value: Any) -> None:
    """Refuse what is no whole number.

    Raises
    ------
    InvalidOption
    """
    if not is_whole(value):
        raise InvalidOption(parameter, value, "must be a whole number")


def check_number(
    parameter: str, value: Any, least: float, most: float, what: str = "0 or a positive number"
) -> None:
    """Refuse what is no number within its bounds, by saying that it should be `what`.

    Bounds that are whole numbers are those of a whole number.

    Raises
    ------
    InvalidOption
    """
    if not is_number(value) or not least <= value <= most:
        raise InvalidOption(parameter, value, f"give {what}, from {least:,} to {most:,}")
    if isinstance(least, int) and isinstance(most, int):
        check_whole(parameter, value)


def check_share(parameter: str, value: float) -> None:
    """Refuse what does not lie between 0 and 1.

    Raises
    ------
    InvalidOption
    """
    if not is_number(value) or not 0.0 < value < 1.0:
        raise InvalidOption(parameter, value, "must lie between 0 and 1, both excluded")


def check_choice(parameter: str, value: str | None, choices: Iterable[str | None]) -> None:
    """Refuse what is not among the choices; None may be one, which is not named.

    Raises
    ------
    InvalidOption
    """
    choices = tuple(choices)
    if value not in choices:
        names = ", ".join(name for name in choices if name)
        raise InvalidOption(parameter, value, f"choose one of {names}")
