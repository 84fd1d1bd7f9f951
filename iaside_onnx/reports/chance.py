"""Clean accuracy that guessing would give."""

from __future__ import annotations

import math


def chance_warning(right: int, count: int, classes: int) -> str | None:
    """What to tell when an accuracy is what guessing would give, plus two standard errors.

    Parameters
    ----------
    right, count : int
        Images whose class is right, of how many; of fewer than 5 nothing is said.
    classes : int
    """
    chance = 1.0 / classes
    bound = count * chance + 2.0 * math.sqrt(count * chance * (1.0 - chance))
    if count < 5 or right > bound:
        return None
    return (
        "clean accuracy is at chance: preprocessing, channel order, class order or label offset "
        "is probably wrong; iaside inspect MODEL --data IMAGES finds out which (then "
        "--preprocess, --labels, --label-offset)"
    )
