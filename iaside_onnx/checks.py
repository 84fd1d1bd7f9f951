"""Checks of parameters that several functions take."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import InvalidOption


def check_number(
    parameter: str, value: float, least: float, most: float, what: str = "0 or a positive number"
) -> None:
    """Refuse a number outside its bounds, or none at all, by saying `what` is wanted.

    Raises
    ------
    InvalidOption
    """
    if not least <= value <= most:
        raise InvalidOption(parameter, value, f"give {what}, from {least:,} to {most:,}")


def check_share(parameter: str, value: float) -> None:
    """Refuse what does not lie between 0 and 1.

    Raises
    ------
    InvalidOption
    """
    if not 0.0 < value < 1.0:
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
