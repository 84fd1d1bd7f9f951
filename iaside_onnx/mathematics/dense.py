"""Maps of class scores, a score a pixel, compared with masks (method, section 10).

Maps have their classes first, shape (classes, height, width); masks hold the class of each pixel,
and -1 where a pixel does not count.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# In a mask: the pixel does not count.
IGNORED = -1
Map = NDArray[np.float32]


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
    return np.asarray(logits - log_normaliser(logits))


def answers(scores: NDArray[Any]) -> NDArray[np.int16]:
    """The class with the highest score at each pixel, the first of several; classes stand first."""
    return np.asarray(scores.argmax(axis=0), np.int16)


def log_normaliser(logits: Map) -> Map:
    """Logarithm of the sum of the exponentials over classes, at each pixel."""
    largest = logits.max(axis=0)
    return np.asarray(largest + np.log(np.exp(logits - largest).sum(axis=0)))


def of_classes(scores: Map, mask: NDArray[Any]) -> Map:
    """The score of each pixel's class by a mask; of class 0 where a pixel does not count."""
    index = np.maximum(mask, 0).astype(np.intp)[None]
    return np.asarray(np.take_along_axis(scores, index, axis=0)[0])


def mean_counted(numbers: NDArray[Any], mask: NDArray[Any]) -> float:
    """Mean over the counted pixels of a mask."""
    return float(numbers[mask != IGNORED].mean(dtype=np.float64))


def mean_margin(log_prob: Map, mask: NDArray[Any]) -> float:
    """Mean over counted pixels of the log-probability of their class less the highest other."""
    counted = mask != IGNORED
    of_pixels = log_prob[:, counted]
    classes, at = mask[counted].astype(np.intp), np.arange(int(counted.sum()))
    own = of_pixels[classes, at].astype(np.float64)
    of_pixels[classes, at] = -np.inf
    return float((own - of_pixels.max(axis=0)).mean())


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
