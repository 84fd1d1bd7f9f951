"""The images that an attack may return: a ball around one image, cut with the box [0, 1]."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

# An attack on one image gives images of its ball to score, and is sent the margin of each. It is
# made of the ball, the number of images that it may ask for, and a source of random numbers.
Search = Generator[NDArray[np.float32], float, None]
TINY = np.float32(1e-12)  # keeps a change of 0 from being divided by


class Ball:
    """Images in [0, 1] within a distance of one image.

    Parameters
    ----------
    image : ndarray of float32, shape (C, H, W)
        The centre, in [0, 1].
    epsilon : float
        Radius, in units of pixel space: of the largest difference of a value ("linf"), or of
        the Euclidean norm of the difference over all values ("l2").
    norm : {"linf", "l2"}
    """

    def __init__(self, image: NDArray[np.float32], epsilon: float, norm: str) -> None:
        self.image, self.epsilon, self.norm = image, np.float32(epsilon), norm
        reach = self.epsilon if norm == "linf" else np.float32(1)
        self.low = np.maximum(image - reach, np.float32(0))
        self.high = np.minimum(image + reach, np.float32(1))

    def inside(self, change: NDArray[np.float32]) -> NDArray[np.float32]:
        """The image with a change, moved into the ball and the box.

        The box holds the image, so clipping to it brings no value farther from the image.
        """
        if self.norm == "l2":
            change = change * np.minimum(self.epsilon / np.maximum(length(change), TINY), 1)
        return np.asarray(np.clip(self.image + change, self.low, self.high))


def signs(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Fair draws of -1 and 1."""
    return np.where(rng.random(shape, np.float32) < 0.5, np.float32(-1), np.float32(1))


def length(change: NDArray[np.float32]) -> np.float32:
    """Euclidean norm over all values."""
    return np.float32(np.linalg.norm(change))
