"""Maps of class scores, a score a pixel, held against masks (method, section 10).

Maps have their classes first, shape (classes, height, width); masks hold the class of each pixel,
and -1 where a pixel does not count.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# In a mask: the pixel does not count.
IGNORED = -1
Map = NDArray[np.float32]


class PixelNumbers(NamedTuple):
    """What the pixels of one image come to.

    Attributes
    ----------
    value : float
        Mean over the counted pixels of the log-probability of their class.
    margin : float
        Mean of log-probability of the class less the highest other one.
    share : float
        Share of the counted pixels whose highest score is that of their class.
    """

    value: float
    margin: float
    share: float


def resized(scores: Map, height: int, width: int) -> Map:
    """A map at another size: bilinear between the centres of pixels, without smoothing.

    As ONNX's Resize has it (linear, half_pixel), and torch's interpolate without aligned corners.
    """
    return _along(_along(scores, height, 1), width, 2)


def _along(scores: Map, size: int, axis: int) -> Map:
    """Bilinear along one axis."""
    old = scores.shape[axis]
    if old == size:
        return scores
    places = np.clip((np.arange(size) + 0.5) * (old / size) - 0.5, 0, old - 1)
    low = np.floor(places).astype(np.intp)
    high = np.minimum(low + 1, old - 1)
    shape = [1, 1, 1]
    shape[axis] = size
    part = (places - low).astype(np.float32).reshape(shape)
    return np.asarray(
        scores.take(low, axis) * (1 - part) + scores.take(high, axis) * part, np.float32
    )


def log_probabilities(logits: Map) -> Map:
    """Logarithm of the softmax over classes."""
    shifted = logits - logits.max(axis=0, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=0, keepdims=True)))


def answers(scores: NDArray[Any]) -> NDArray[np.int16]:
    """The class with the highest score at each pixel, the first of several; classes stand first."""
    return np.asarray(scores.argmax(axis=0), np.int16)


def pixel_numbers(log_prob: Map, mask: NDArray[Any]) -> PixelNumbers:
    """What a map of log-probabilities is worth by a mask with some pixel that counts."""
    counted = mask != IGNORED
    of_pixels = log_prob[:, counted]
    classes = mask[counted].astype(np.intp)
    at = np.arange(len(classes))
    own = of_pixels[classes, at].astype(np.float64)
    of_pixels[classes, at] = -np.inf
    best = of_pixels.max(axis=0)
    first = of_pixels.argmax(axis=0)
    # Of equal scores the first class is the answer.
    right = (own > best) | ((own == best) & (classes < first))
    return PixelNumbers(float(own.mean()), float((own - best).mean()), float(right.mean()))


def pixel_counts(given: NDArray[Any], mask: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """Pixels of each class in which answer and mask meet, in the answer, in the mask: (3, classes).

    Pixels that do not count are in none. Sums over images make the intersection over union of a
    set.
    """
    counted = mask != IGNORED
    answer, truth = given[counted].astype(np.intp), mask[counted].astype(np.intp)
    each = (truth[answer == truth], answer, truth)
    return np.stack([np.bincount(pixels, minlength=classes) for pixels in each])


def class_overlaps(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of each class over images, from counts of shape (n, 3, classes).

    NaN of a class that neither a mask nor an answer has.
    """
    both, answered, masked = counts.sum(axis=0, dtype=np.float64)
    either = answered + masked - both
    with np.errstate(invalid="ignore"):
        return np.asarray(both / np.where(either == 0, np.nan, either))


def mean_overlap(counts: NDArray[Any]) -> float:
    """Mean intersection over union of the classes that some mask or answer has; NaN if none."""
    known = class_overlaps(counts)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")


def share_of_commonest(counts: NDArray[Any]) -> float:
    """Share of its pixels that the best single class gets right, mean over images."""
    masked = counts[:, 2].astype(np.float64)
    return float((masked / masked.sum(axis=1, keepdims=True)).mean(axis=0).max())
