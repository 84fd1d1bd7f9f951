"""The model's own outputs for clean images, where they are too large to be kept for all."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..inference.model import Model
from ..inference.task import Task

# References of the whole sample that are kept.
MOST_BYTES = 1 << 28


class OwnOutputs:
    """References of a sample, made again for each image that is asked for.

    It stands where else an array is, of which images are taken by position. A forward pass more an
    image is little beside the coalitions of each.

    Parameters
    ----------
    task : Task
    images : int
    """

    def __init__(self, task: Task, images: int) -> None:
        self._task, self._images = task, images
        self._answer: Callable[[int], NDArray[Any]] | None = None
        self._last: dict[int, NDArray[Any]] = {}

    def bind(self, model: Model, pixels: Callable[[int], NDArray[np.float32]]) -> None:
        """Take them from this model, and from these images in pixel space by position."""

        def answer(position: int) -> NDArray[Any]:
            if position not in self._last:  # it is often asked for again at once
                scores = model.scores(pixels(position)[None])
                self._last = {position: self._task.answers(self._task.readings(scores))[0]}
            return self._last[position]

        self._answer = answer

    def __setitem__(self, positions: Any, references: Any) -> None:
        """Nothing is kept."""

    def __len__(self) -> int:
        return self._images

    def __getitem__(self, positions: Any) -> NDArray[Any]:
        assert self._answer is not None
        if np.ndim(positions) == 0:
            return self._answer(int(positions))
        return np.array([self._answer(int(position)) for position in positions])

    def copy(self) -> OwnOutputs:
        """The same: it holds nothing that changes."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Without the model, which other processes open themselves."""
        return {**vars(self), "_answer": None, "_last": {}}


def own_references(task: Task, images: int) -> NDArray[Any]:
    """Where the clean answers to all images of a sample go: an array, unless it would be large."""
    dtype, shape, _ = task.reference
    if np.dtype(dtype).itemsize * math.prod(shape) * images > MOST_BYTES:
        return cast(NDArray[Any], OwnOutputs(task, images))
    return np.zeros((images, *shape), dtype)
