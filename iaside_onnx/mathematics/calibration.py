"""Whether a model is as often right as it says: calibration error (Naeini et al., AAAI 2015)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
_DRAWS = 200


def expected_calibration_error(
    confidence: NDArray[np.floating[Any]], right: NDArray[np.bool_], bins: int = BINS
) -> NDArray[np.float64]:
    """ECE: sum over bins of the share of images times |their accuracy - their mean confidence|.

    Bins are of equal width, (k / bins, (k + 1) / bins]. Of few images it is too high even where a
    model is calibrated: see `calibrated_error`.

    Parameters
    ----------
    confidence : ndarray, shape (n, ...)
        Probability of the model's own answer, in [0, 1].
    right : ndarray of bool, shape (n, ...)
        Whether that answer is right.

    Returns
    -------
    ndarray, shape (...)
        In [0, 1].

    Examples
    --------
    >>> sure = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5])
    >>> right = np.array([True, True, False, False, True, False])
    >>> round(float(expected_calibration_error(sure, right)), 4)
    0.2667
    """
    return _error(_bins(confidence, bins), confidence - right, bins)


def calibrated_error(
    confidence: NDArray[np.floating[Any]], seed: int = 0, bins: int = BINS
) -> NDArray[np.float64]:
    """The mean ECE of a calibrated model that is as sure: what so few images alone come to.

    Answers are drawn right with the probability that the model gives them, 200 times.
    """
    rng, places = np.random.default_rng(seed), _bins(confidence, bins)
    total = np.zeros(confidence.shape[1:])
    for _ in range(_DRAWS):
        right = rng.random(confidence.shape) < confidence
        total += _error(places, confidence - right, bins)
    return np.asarray(total / _DRAWS)


def _bins(confidence: NDArray[Any], bins: int) -> NDArray[np.intp]:
    places = np.ceil(np.asarray(confidence, np.float64) * bins) - 1
    return np.asarray(places.clip(0, bins - 1), np.intp)


def _error(places: NDArray[np.intp], gaps: NDArray[Any], bins: int) -> NDArray[np.float64]:
    """Sum over bins of the size of their mean gap, weighted by their share of images."""
    shape, count = gaps.shape[1:], len(gaps)
    columns = np.arange(int(np.prod(shape)))
    flat = places.reshape(count, -1) + bins * columns
    sums = np.bincount(flat.ravel(), gaps.reshape(-1), bins * len(columns))
    return np.asarray(np.abs(sums).reshape(*shape, bins).sum(axis=-1) / count)
