"""The keys of a preprocessing recipe, in TOML or JSON, and the values that they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
LETTERBOX, UNRESIZED = "letterbox", "none"
# Of a file that holds a recipe; a config.json of a hub may also name thousands of classes.
MOST_BYTES = 1 << 24
_LONGEST_SIDE = 8192
_LARGEST_NUMBER = 1e6
_SMALLEST_NUMBER = 1 / _LARGEST_NUMBER


def listed(value: Any) -> list[Any]:
    """A value that may stand alone or in a list, as a list."""
    return list(value) if isinstance(value, list | tuple) else [value]


def short_text(value: Any) -> str:
    """A value for an error message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_size(value: Any) -> bool:
    sides = listed(value)
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    return len(sides) in (1, 2) and whole and all(0 < side <= _LONGEST_SIDE for side in sides)


def _is_number(value: Any, least: float = 0.0) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and least <= abs(value) <= _LARGEST_NUMBER  # false for not-a-number


def _are_numbers(value: Any, least: float = 0.0) -> bool:
    numbers = listed(value)
    return len(numbers) in (1, 3) and all(_is_number(number, least) for number in numbers)


def _is_one_of(*names: str) -> tuple[Callable[[Any], bool], str]:
    return lambda value: isinstance(value, str) and value in names, "one of " + ", ".join(names)


_SIZES = f"a number of pixels up to {_LONGEST_SIDE}, or [height, width]"
# Whether a value is one of the key, and in words what is.
CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "resize": (
        lambda value: _is_size(value) or value in (LETTERBOX, UNRESIZED),
        f'{_SIZES}, "{LETTERBOX}" or "{UNRESIZED}"',
    ),
    "crop": (_is_size, _SIZES),
    "interpolation": _is_one_of(*INTERPOLATIONS),
    "antialias": (lambda value: isinstance(value, bool), "true or false"),
    "pad": (
        lambda value: _are_numbers(value) and all(0 <= level <= 255 for level in listed(value)),
        "a level of 0..255, or three (red, green, blue)",
    ),
    "pad_position": _is_one_of("center", "top-left"),
    "channels": _is_one_of("rgb", "bgr"),
    "scale": (lambda value: _is_number(value, _SMALLEST_NUMBER), "a number, not 0"),
    "mean": (_are_numbers, "a number or three"),
    "std": (lambda value: _are_numbers(value, _SMALLEST_NUMBER), "a number or three, not 0"),
    "layout": _is_one_of("nchw", "nhwc"),
}
RECIPE_KEYS = tuple(CHECKS)
