"""The keys of a preprocessing recipe, in TOML or JSON, and the values that they take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
LETTERBOX, UNRESIZED = "letterbox", "none"
# Of a file that holds a recipe; a config.json of a hub may also name thousands of classes.
MOST_BYTES = 1 << 24
_LONGEST_SIDE = 8192
_LARGEST_NUMBER = 1e6


def listed(value: Any) -> list[Any]:
    """A value that may stand alone or in a list, as a list."""
    return list(value) if isinstance(value, list | tuple) else [value]


def short_text(value: Any) -> str:
    """A value for an error message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_size(value: Any) -> tuple[bool, str]:
    sides = listed(value)
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    good = len(sides) in (1, 2) and whole and all(0 < side <= _LONGEST_SIDE for side in sides)
    return good, f"a number of pixels up to {_LONGEST_SIDE}, or [height, width]"


def _is_resize(value: Any) -> tuple[bool, str]:
    good, sizes = _is_size(value)
    return good or value in (LETTERBOX, UNRESIZED), f'{sizes}, "{LETTERBOX}" or "{UNRESIZED}"'


def _are_levels(value: Any) -> tuple[bool, str]:
    numbers = listed(value)
    good = len(numbers) in (1, 3) and all(_is_number(n) and 0 <= n <= 255 for n in numbers)
    return good, "a level of 0..255, or three (red, green, blue)"


def _is_number(value: Any, *, zero: bool = True) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= _LARGEST_NUMBER  # false for not-a-number
        and (zero or abs(value) >= 1 / _LARGEST_NUMBER)
    )


def _are_numbers(value: Any, *, zero: bool) -> tuple[bool, str]:
    numbers = listed(value)
    good = len(numbers) in (1, 3) and all(_is_number(number, zero=zero) for number in numbers)
    return good, "a number or three" + ("" if zero else ", not 0")


def _is_one_of(value: Any, names: Sequence[str]) -> tuple[bool, str]:
    return isinstance(value, str) and value in names, "one of " + ", ".join(names)


CHECKS: dict[str, Callable[[Any], tuple[bool, str]]] = {
    "resize": _is_resize,
    "crop": _is_size,
    "interpolation": lambda value: _is_one_of(value, INTERPOLATIONS),
    "antialias": lambda value: (isinstance(value, bool), "true or false"),
    "pad": _are_levels,
    "pad_position": lambda value: _is_one_of(value, ("center", "top-left")),
    "channels": lambda value: _is_one_of(value, ("rgb", "bgr")),
    "scale": lambda value: (_is_number(value, zero=False), "a number, not 0"),
    "mean": lambda value: _are_numbers(value, zero=True),
    "std": lambda value: _are_numbers(value, zero=False),
    "layout": lambda value: _is_one_of(value, ("nchw", "nhwc")),
}
RECIPE_KEYS = tuple(CHECKS)
