"""The catalogue of corruptions: how strong each is at each severity, for images of any size.

The constants were published for two sizes: those of ImageNet-C for 224 pixels and those of
CIFAR-10-C for 32 (Hendrycks & Dietterich, ICLR 2019; the scripts that made both sets are in
github.com/hendrycks/robustness). The elastic transform at 224 pixels is that of
github.com/bethgelab/imagecorruptions, which leaves out the random affine map: with it severity 2
moves pixels ten times as far as severity 3.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from ..checks import check_choice, is_whole, one_of
from ..errors import InvalidOption
from .planes import Planes

SEVERITIES = (1, 2, 3, 4, 5)
SMALL, LARGE = 32, 224
# The published set is measured unless others are named, whatever else there is.
IMAGENET_C = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise",
    "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur",
    "snow", "frost", "fog", "brightness", "spatter",
    "contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate",
)  # fmt: skip
SETS = {"imagenet-c": IMAGENET_C}
CATALOGUE: dict[str, Corruption] = {}
F = TypeVar("F", bound=Callable[..., Planes])


@dataclass(frozen=True)
class Corruption:
    """One corruption; its parameters are the keyword arguments of its function, `int` for counts.

    Attributes
    ----------
    kind : str
        "noise", "blur", "weather" or "digital".
    function : callable
        Planes, with a random generator where it draws, and the parameters to planes.
    small, large : tuple
        For each severity the values of all parameters, at 32 and at 224 pixels.
    """

    kind: str
    function: Callable[..., Planes]
    small: tuple[Any, ...]
    large: tuple[Any, ...]

    @cached_property
    def arguments(self) -> list[inspect.Parameter]:
        """Those of the function."""
        return list(inspect.signature(self.function).parameters.values())

    @cached_property
    def random(self) -> bool:
        """Whether it draws, from its argument ``rng``."""
        return any(each.name == "rng" for each in self.arguments)


def corruption(kind: str, *, small: Sequence[Any], large: Sequence[Any]) -> Callable[[F], F]:
    """Put a function into the catalogue, under its name; see `Corruption`."""

    def enter(function: F) -> F:
        CATALOGUE[function.__name__] = Corruption(kind, function, tuple(small), tuple(large))
        return function

    return enter


def known() -> list[str]:
    """Names of all corruptions: the published set first, in its order."""
    return list(dict.fromkeys([*IMAGENET_C, *CATALOGUE]))


def choices() -> list[str]:
    """What may be asked for: single corruptions, and sets."""
    return [*known(), *SETS]


def chosen(names: Iterable[str]) -> list[str]:
    """Corruptions asked for by their names or by those of sets, in the order of `known`."""
    asked = {one for name in names for one in SETS.get(name, (name,))}
    if unknown := sorted(asked - CATALOGUE.keys()):
        raise InvalidOption("corruption", unknown[0], one_of(unknown[0], choices()))
    return [name for name in known() if name in asked]


def check_severity(severity: int) -> None:
    """Refuse what is none of the severities with an `InvalidOption`."""
    if not is_whole(severity) or severity not in SEVERITIES:
        raise InvalidOption("severity", severity, f"choose one of 1 to {len(SEVERITIES)}")


def parameters(name: str, severity: int, height: int, width: int) -> dict[str, float]:
    """Parameters of a corruption for an image of `height` x `width` pixels.

    With s the shorter side, t = log(s / 32) / log(224 / 32) cut to [0, 1]: the published values
    of 32 pixels at t = 0 and those of 224 at t = 1, outside the nearest, and in between the
    geometric mean ``small**(1 - t) * large**t`` where both are positive, else the weighted mean
    ``(1 - t) * small + t * large``. Counts are rounded.

    Raises
    ------
    UsageError
        A corruption or a severity that does not exist.
    """
    check_choice("corruption", name, known())
    check_severity(severity)
    entry = CATALOGUE[name]
    keywords = [each for each in entry.arguments if each.kind is each.KEYWORD_ONLY]
    rows = [table[severity - 1] for table in (entry.small, entry.large)]
    values = [row if isinstance(row, tuple) else (row,) for row in rows]
    side = min(max(min(height, width), SMALL), LARGE)
    part = math.log(side / SMALL) / math.log(LARGE / SMALL)
    between = {}
    for keyword, small, large in zip(keywords, *values, strict=True):
        if small > 0 and large > 0 and 0 < part < 1:
            value = small ** (1 - part) * large**part
        else:
            value = (1 - part) * small + part * large
        between[keyword.name] = round(value) if keyword.annotation in ("int", int) else value
    return between
