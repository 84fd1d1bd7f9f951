"""What the search for a detector's head goes by, and how it says what does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Outputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class HeadFacts:
    """What is known of a file beside what its outputs hold.

    Attributes
    ----------
    counts : mapping of int to str
        How many classes are named, and where.
    size : (height, width) or None
        Of the input.
    suppresses : bool
        The graph has a node that suppresses boxes.
    choices : mapping of str to set of str
        Operators of the graph that take an output for scores of classes.
    """

    counts: Mapping[int, str] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    suppresses: bool = False
    choices: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def classes(self) -> int | None:
        """How many classes there are, where all that names some agree."""
        return next(iter(self.counts)) if len(self.counts) == 1 else None


class UnfitError(Exception):
    """Outputs are not of a form: why, and the form that they might have all the same."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


def joined(runs: Sequence[Outputs], name: str) -> NDArray[Any]:
    """Outputs for all images, one below another, rows of the last axis."""
    width = runs[0][name].shape[-1]
    same = all(run[name].shape[-1:] == (width,) for run in runs)
    need(same, f"the last axis of output '{name}' is not as long for each image")
    if not width:
        return np.empty((0, 0))
    rows = [np.asarray(run[name], np.float32).reshape(-1, width) for run in runs]
    return np.concatenate(rows) if rows else np.empty((0, width))


def need(fits: bool, why: str) -> None:
    """Refuse outputs that do not fit a form, saying why."""
    if not fits:
        raise UnfitError(why)


def shape_of(shape: Sequence[int]) -> str:
    """A shape in words."""
    return f"({', '.join(map(str, shape))})"


def range_of(numbers: NDArray[Any]) -> str:
    """The least and the greatest of some numbers, in words."""
    return f"{numbers.min():.4g} to {numbers.max():.4g}" if numbers.size else "none"
