"""Boxes of detectors: overlap, non-maximum suppression, and how well two sets of them match.

A detection is a row of six numbers: two corners (x1, y1, x2, y2), a confidence, a class. Sets of
them have `MOST` rows, the most confident first; rows of confidence 0 are none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Detections of an image that are kept, and numbers of each.
MOST, NUMBERS = 100, 6
# Overlap from which the less confident of two boxes of one class is the same object.
SAME = 0.45
# Less confident ones count as absent; they could add no more than a few hundredths to a match.
LEAST = 0.01
# Candidates that suppression looks at, and how many of them at once.
_CANDIDATES, _BLOCK = 500, 64


def overlaps(boxes: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of each box (n, 4) with each other one (m, 4), shape (n, m).

    Boxes without an area overlap wholly where they are the same, and else not at all.
    """
    boxes, others = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    # Planes of each corner: products over a last axis of two are many times slower.
    ours, theirs = boxes.T[:, :, None], others.T[:, None]
    with np.errstate(invalid="ignore"):  # of boxes without an end
        widths, heights = (
            np.maximum(
                np.minimum(ours[2 + axis], theirs[2 + axis]) - np.maximum(ours[axis], theirs[axis]),
                0,
            )
            for axis in (0, 1)
        )
        common = widths * heights
        areas = [(x2 - x1).clip(0) * (y2 - y1).clip(0) for x1, y1, x2, y2 in (ours, theirs)]
        union = areas[0] + areas[1] - common
    some = union > 0
    shares = np.divide(common, union, out=np.zeros_like(common), where=some)
    if not some.all():
        rows, columns = np.nonzero(~some)
        shares[rows, columns] = (boxes[rows] == others[columns]).all(axis=1)
    return np.asarray(shares)


def corners(boxes: NDArray[Any]) -> NDArray[Any]:
    """Boxes (..., 4) of centre, width and height as two corners."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def detections(
    boxes: NDArray[Any], scores: NDArray[Any], classes: NDArray[Any], *, suppress: bool
) -> NDArray[np.float32]:
    """The most confident boxes of an image as a set of detections, shape (MOST, NUMBERS).

    Parameters
    ----------
    boxes : ndarray, shape (n, 4)
        Two corners each.
    scores, classes : ndarray, shape (n,)
    suppress : bool
        Leave out those that overlap a more confident box of the same class by more than `SAME`.
    """
    found = np.zeros((MOST, NUMBERS), np.float32)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= LEAST]
    if suppress:
        order = order[:_CANDIDATES]
        order = order[_unlike(boxes[order], classes[order])]
    order = order[:MOST]
    found[: len(order)] = np.column_stack([boxes[order], scores[order], classes[order]])
    return found


def _unlike(boxes: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Places of boxes that no better one before them is the same object as, `MOST` of them."""
    kept = np.empty(0, np.intp)
    for first in range(0, len(boxes), _BLOCK):
        block = np.arange(first, min(first + _BLOCK, len(boxes)))
        before = np.concatenate([kept, block])
        same = overlaps(boxes[block], boxes[before]) > SAME
        same &= classes[block][:, None] == classes[before]
        left = np.logical_not(same[:, : len(kept)].any(axis=1, keepdims=True)).ravel()
        own = same[:, len(kept) :]
        for place in range(len(block)):
            if left[place]:
                left[place + 1 :] &= ~own[place, place + 1 :]
        kept = np.concatenate([kept, block[left]])
        if len(kept) >= MOST:
            break
    return kept[:MOST]


def matched(found: NDArray[Any], clean: NDArray[Any], threshold: float) -> float:
    """How well the detections of a perturbed image match those of the clean one, in [0, 1].

    The objects are the clean detections whose confidence p is at least `threshold`. Object r and a
    detection d of the same class fit by IoU(r, d) min(1, p_d / p_r). The pair that fits best is
    matched first, and each object and each detection once; what is matched with none fits by 0.
    The value is the mean fit of the objects: 1 at the clean image, and 0 where all are lost.

    Where the clean image has no object, the value is 1 less the highest confidence of a detection
    that reaches the threshold: 1 while none appears.

    Parameters
    ----------
    found, clean : ndarray, shape (MOST, NUMBERS)
    """
    objects = clean[(clean[:, 4] >= threshold) & (clean[:, 4] > 0)].astype(np.float64)
    found = found[found[:, 4] > 0].astype(np.float64)
    if not len(objects):
        return float(1 - max(found[found[:, 4] >= threshold, 4], default=0.0))
    fits = overlaps(objects[:, :4], found[:, :4]) * (objects[:, 5][:, None] == found[:, 5])
    fits *= np.minimum(1, found[:, 4] / objects[:, 4][:, None])
    rows, columns = np.nonzero(fits > 0)
    # Of equal fits that of the surest object comes first, so that a set matches itself wholly.
    order = np.lexsort((-found[columns, 4], -objects[rows, 4], -fits[rows, columns]))
    total, used = 0.0, (set[int](), set[int]())
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in used[0] and column not in used[1]:
            total += float(fits[row, column])
            used[0].add(row)
            used[1].add(column)
    return min(1.0, total / len(objects))
