"""Which of several recipes that do equally well is the one that was meant."""

from __future__ import annotations

import numpy as np

from ..preprocessing.preprocess import PRESETS, Preprocess
from .axes import UNTOUCHED, Given
from .candidate import Candidate


def most_plausible_first(
    candidates: list[Candidate], given: Given, label_offset: int
) -> list[Candidate]:
    """The candidates, best first, with the most plausible of those at the top put before them.

    What the file declares is more plausible than what lies beside it, that than the presets, and
    those than anything else.

    Parameters
    ----------
    candidates : list of Candidate
        Sorted by what they gave.
    given : mapping of str to Preprocess
        Recipes that somebody wrote down for the model.
    label_offset : int
        The one in use: as the file declares it, or 0.
    """

    def implausible(candidate: Candidate) -> tuple[int, int, int]:
        preset = candidate.recipe.name in PRESETS
        return (
            int(candidate.label_offset != label_offset),
            _values_rank(candidate, given),
            _rank(candidate.geometry, given, otherwise=len(given) + (0 if preset else 1)),
        )

    best, tried = candidates[0], len(candidates)
    alike = [
        item
        for item in candidates
        if not best.clearly_better_than(item)
        and (item.above_chance(tried) or not best.above_chance(tried))
    ]
    # Of those that are as plausible `min` takes the first, so the one that gave most.
    first = min(alike, key=implausible)
    return [first, *(item for item in candidates if item is not first)]


def source_of(candidate: Candidate, given: Given) -> str | None:
    """The first of those given that is this very recipe, if one is."""
    return next((name for name, recipe in given.items() if _says(recipe, candidate)), None)


def _says(recipe: Preprocess, candidate: Candidate) -> bool:
    tried = candidate.recipe
    assert tried.crop is not None
    settled = recipe.for_size(*tried.crop)
    order, *numbers = settled.affine(3)
    tried_order, *tried_numbers = tried.affine(3)
    values = order == tried_order and np.array_equal(numbers, tried_numbers)
    geometry = ("resize", "resize_ratio", "interpolation", "antialias", "pad", "pad_position")
    same = all(getattr(settled, key) == getattr(tried, key) for key in geometry)
    return values and (same or candidate.geometry == UNTOUCHED)


def _name(candidate: Candidate) -> str:
    """The name of the values, without the channel order that they were tried with."""
    return candidate.values.partition(", ")[0]


def _values_rank(candidate: Candidate, given: Given) -> int:
    """The place of the values among those given, then presets, then all others."""
    name = _name(candidate)
    named = given.get(name) or PRESETS.get(name)
    if named is None or named.channels != candidate.recipe.channels:
        return len(given) + 1
    return _rank(name, given, otherwise=len(given))


def _rank(name: str, given: Given, *, otherwise: int) -> int:
    return list(given).index(name) if name in given else otherwise
