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
# What likeness of a name's beginning is worth, and how many equally like names are told.
_OF_HEAD, _MOST_ALIKE = 0.9, 3


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
        bounds = [
            f"{each:,}" if isinstance(each, int) else f"{each:,.10g}" for each in (least, most)
        ]
        raise InvalidOption(parameter, value, f"give {what}, from {bounds[0]} to {bounds[1]}")
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
    return f"{meant(value, names)}{ask} one of {', '.join(names)}"


def meant(value: Any, choices: Iterable[str]) -> str:
    """Ask which of the choices was meant, with a space behind; "" where none is like the value.

    Examples
    --------
    >>> meant("fgo", ["fog", "frost"]), meant("l3", ["linf", "l2", "l1"])
    ('did you mean fog? ', 'did you mean l2 or l1? ')
    """
    near = likeliest(value, choices)
    return f"did you mean {' or '.join(near)}? " if near else ""


def likeliest(value: Any, choices: Iterable[str], *, whole: bool = False) -> list[str]:
    """The choices that a value was most likely meant to be, all of them that are equally like it.

    Unless names are compared as a `whole`, their beginning up to a hyphen counts too.

    Examples
    --------
    >>> likeliest("sqare", ["square-linf", "square-l2", "spsa-l2"])
    ['square-linf', 'square-l2']
    """
    given = str(value).lower()[:_LONGEST_NAME]
    likeness = {}
    for name in choices:
        full = name.lower()
        head = full.replace("_", "-").partition("-")[0]
        likeness[name] = _likeness(given, full)
        if head != full and not whole:
            likeness[name] = max(likeness[name], _OF_HEAD * _likeness(given, head))
    best = max(likeness.values(), default=0.0)
    if best < _ALIKE:
        return []
    return [name for name, like in likeness.items() if like == best][:_MOST_ALIKE]


def _likeness(one: str, other: str) -> float:
    """How alike two words are, 0 to 1; one slip of the finger, also a swap, leaves them alike."""
    from difflib import SequenceMatcher

    both = len(one) + len(other)
    if min(len(one), len(other)) > 1 and _is_slip(one, other):
        return 1 - 1 / both
    matcher = SequenceMatcher(None, one, other)
    return matcher.ratio() if matcher.quick_ratio() >= _ALIKE else 0.0


def _is_slip(one: str, other: str) -> bool:
    """Whether one letter too many, too few or wrong, or two swapped, set two words apart."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    pairs = enumerate(zip(one, other, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    first, second = one[same:], other[same:]
    swapped = first[:2] == second[1::-1] and first[2:] == second[2:]
    return swapped or second[1:] in (first, first[1:]) or second == first[1:]
