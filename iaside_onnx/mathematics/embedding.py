"""Embeddings: rows of numbers whose direction is what a model says of an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Cosines of embeddings that are the same but for rounding.
SAME = 1 - 1e-6


def directions(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Rows of length 1, shape (n, D); a row of zeros stays one.

    They are divided by their largest number first, whose square might not be finite, or be 0.
    """
    exact = np.asarray(rows, np.float64).reshape(len(rows), -1)
    largest = np.abs(exact).max(axis=1, keepdims=True, initial=0.0)
    exact = exact / np.where(largest > 0, largest, 1.0)
    lengths = np.sqrt(np.square(exact).sum(axis=1, keepdims=True))
    return np.asarray(exact / np.where(largest > 0, lengths, 1.0))


def cosines(first: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Cosine of each direction with the one of the same row, shape (n,), in [-1, 1]."""
    product = np.asarray(first, np.float64) * np.asarray(other, np.float64)
    return np.asarray(product.sum(axis=-1).clip(-1, 1))  # rounding goes beyond


def nearest_other(
    directions: NDArray[Any], references: NDArray[Any], bank: NDArray[Any]
) -> NDArray[np.float64]:
    """Highest cosine with a direction in the bank that is not the reference's, shape (n,).

    Parameters
    ----------
    directions, references : ndarray, shape (n, D)
    bank : ndarray, shape (K, D)
        Those that are the reference but for rounding are passed over; -1 where no other is left.
    """
    known = np.asarray(bank, np.float64)
    others = np.asarray(directions, np.float64) @ known.T
    same = np.asarray(references, np.float64) @ known.T > SAME
    return np.asarray(np.where(same, -1.0, others).max(axis=1, initial=-1.0))


def nearest_means(
    rows: NDArray[Any], labels: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Direction of the mean direction of each class, shape (classes, D): the nearest class mean."""
    exact = directions(rows)
    sums = np.zeros((classes, exact.shape[1]))
    np.add.at(sums, labels, exact)
    return directions(sums)


def without_own(rows: NDArray[Any], labels: NDArray[np.int64], classes: int) -> NDArray[np.float64]:
    """Cosines of rows with means of classes, the own one without the row, shape (n, classes).

    The own one is NaN where the row is the only one of its class.
    """
    exact = directions(rows)
    sums = np.zeros((classes, exact.shape[1]))
    np.add.at(sums, labels, exact)
    cosines = exact @ directions(sums).T
    alone = np.bincount(labels, minlength=classes)[labels] == 1
    own = (exact * directions(sums[labels] - exact)).sum(axis=1)
    cosines[np.arange(len(labels)), labels] = np.where(alone, np.nan, own)
    return cosines
