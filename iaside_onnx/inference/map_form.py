"""How a map lies: which axis holds the classes, or the channels of any other output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.agreement import Block, block_of, pairs_alike
from .input_form import InputForm


@dataclass(frozen=True)
class MapForm:
    """One image's map, as the model gives it.

    Attributes
    ----------
    shape : tuple of int
        Channels, height and width, in the model's order.
    channels_last : bool
        The channels stand on the last axis.
    """

    shape: tuple[int, int, int]
    channels_last: bool

    @classmethod
    def of(cls, shape: tuple[int, ...], form: InputForm) -> MapForm:
        """The form of an output of three axes an image, for an input of known size.

        The axes that have the input's proportions are height and width; where both ways do, the
        order of the input's axes is taken.
        """
        first, second, third = shape
        found = pairs_alike(shape, (form.height, form.width))
        last = found[0] == 0 if len(found) == 1 else form.layout == "nhwc"
        return cls((first, second, third), last)

    @property
    def channels(self) -> int:
        """Scores of a pixel."""
        return self.shape[-1 if self.channels_last else 0]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.shape[:2] if self.channels_last else self.shape[1:]
        return height, width

    def maps(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Scores of n images as maps with the channels first, shape (n, channels, h, w): a view."""
        maps = scores.reshape(len(scores), *self.shape)
        return np.moveaxis(maps, -1, 1) if self.channels_last else maps

    def pixels(self, scores: NDArray[Any]) -> NDArray[Any]:
        """The scores of each pixel of all images, shape (n * h * w, channels)."""
        return np.moveaxis(self.maps(scores), 1, -1).reshape(-1, self.channels)


def channels_of(shape: Sequence[int], form: InputForm) -> Block:
    """The channels of any output of one image, for an input of known size."""
    return block_of(shape, (form.height, form.width), last=form.layout == "nhwc")


def axes_of(shapes: Sequence[Sequence[int]], form: InputForm) -> list[int | None]:
    """The axis of each output that holds its channels, after the batch; None: one channel."""
    return [channels_of(shape, form).axis for shape in shapes]


def by_length(shapes: Sequence[Sequence[int]], form: InputForm) -> bool:
    """Whether proportions change none of these axes.

    Files that do not name their axes are from when lengths alone decided of maps.
    """
    maps = [shape for shape in shapes if len(shape) > 2]
    return axes_of(maps, form) == [block_of(shape).axis for shape in maps]
