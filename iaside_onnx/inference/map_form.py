"""How a map of class scores lies: which axis holds the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
        pairs = {False: (second, third), True: (first, second)}
        fits = [last for last, pair in pairs.items() if _alike(pair, (form.height, form.width))]
        last = fits[0] if len(fits) == 1 else form.layout == "nhwc"
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


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, up to whole pixels."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*other)
