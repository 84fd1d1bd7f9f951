"""Checks of parameters that several functions take."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from os import PathLike
from typing import Any

from .errors import InvalidOption

# How like a name must be to be taken for another one, from 0 to 1; longer ones are cut off.
_ALIKE, _LONGEST_NAME = 0.7, 100


def plain(value: Any) -> Any:
    """A value as Python has it: numbers, texts and arrays of numpy's become Python's.

    Examples
    --------
    >>> import numpy as np
    >>> plain(np.int64(8)), plain(np.True_), plain(np.array([16, 16])), plain((np.int64(3), None))
    (8, True, [16, 16], (3, None))
    """
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def several(parameter: str, value: Any) -> tuple[Any, ...]:
    """The values of a parameter that takes some: a text, a path or a number is a list of one.

    Raises
    ------
    InvalidOption
        Neither one nor a list.
    """
    value = plain(value)
    if value is None:
        return ()
    if isinstance(value, str | PathLike | Real):
        return (value,)
    if isinstance(value, bytes | bytearray | Mapping) or not isinstance(value, Iterable):
        raise InvalidOption(parameter, value, "give a list")
    return tuple(map(plain, value))


def is_number(value: Any) -> bool:
    """Whether something is a real number, numpy's included; a truth value is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: Any) -> bool:
    """Whether something is an integer, numpy's included; a truth value is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_kind(parameter: str, value: Any, kind: type | tuple[type, ...], what: str) -> None:
    """Refuse what is not of a kind (or kinds), by saying that `what` should be given.

    Raises
    ------
    InvalidOption
    """
    if not isinstance(value, kind):
        raise InvalidOption(parameter, value, f"give {what}")


def check_text(parameter: str, value: Any) -> None:
    """Refuse what is neither a text nor None.

    Raises
    ------
    InvalidOption
    """
    check_kind(parameter, value, (str, type(None)), "a text")


def check_path(parameter: str, value: Any) -> None:
    """Refuse what is neither a path nor None.

    Raises
    ------
    InvalidOption
    """
    check_kind(parameter, value, (str, PathLike, type(None)), "a path")


def check_truth(parameter: str, value: Any) -> None:
    """Refuse what is neither True nor False.

    Raises
    ------
    InvalidOption
    """
    check_kind(parameter, plain(value), bool, "True or False")


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


_DURATION = re.compile(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?")


def duration_seconds(text: str) -> float | None:
    """Seconds of a time such as 10m or 1h30m; None where it is none.

    Examples
    --------
    >>> duration_seconds("1h30m"), duration_seconds("30")
    (5400.0, None)
    """
    parts = _DURATION.fullmatch(text)
    if parts is None or not text:
        return None
    hours, minutes, seconds = (int(part or 0) for part in parts.groups())
    return 3600.0 * hours + 60.0 * minutes + seconds


def check_positive(parameter: str, value: float) -> None:
    """Refuse what is no positive, finite number.

    Raises
    ------
    InvalidOption
    """
    if not is_number(value) or not 0.0 < value < math.inf:
        raise InvalidOption(parameter, value, "must be a positive number")


def check_choice(parameter: str, value: str | None, choices: Iterable[str | None]) -> None:
    """Refuse what is not among the choices; None may be one, which is not named.

    Raises
    ------
    InvalidOption
    """
    choices = tuple(choices)
    if not isinstance(value, str | None) or value not in choices:
        raise InvalidOption(parameter, value, one_of(value, filter(None, choices)))


def one_of(value: Any, choices: Iterable[str], ask: str = "choose") -> str:
    """What to say of a value that is none of the choices: which is meant, and which there are.

    Examples
    --------
    >>> one_of("gausian", ["gaussian", "mean"])
    'did you mean gaussian? choose one of gaussian, mean'
    >>> one_of("x", ["gaussian", "mean"])
    'choose one of gaussian, mean'
    """
    names = list(choices)
    near = likeliest(value, names)
    question = f"did you mean {near}? " if near else ""
    return f"{question}{ask} one of {', '.join(names)}"


def likeliest(value: Any, choices: Iterable[str]) -> str | None:
    """The choice that a value was most likely meant to be; None where none is like it."""
    from difflib import get_close_matches

    names = {name.lower(): name for name in choices}
    near = get_close_matches(str(value).lower()[:_LONGEST_NAME], names, 1, _ALIKE)
    return names[near[0]] if near else None
