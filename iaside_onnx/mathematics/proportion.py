"""A share of right answers with its interval."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The largest level that a quantile is taken at: the last number below 1.
_HIGHEST_LEVEL = 1 - 2.0**-53


def normal_quantile(confidence: float) -> float:
    """Half of a two-sided interval of this coverage, in standard deviations.

    From the standard library: scipy takes longer to load than a report to show.
    """
    return NormalDist().inv_cdf(min(0.5 + confidence / 2, _HIGHEST_LEVEL))


def wilson(
    right: ArrayLike, images: ArrayLike, confidence: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's score interval of a proportion, which keeps a width at 0 and at 1.

    With p = right / n and z the normal quantile: ``(p + z^2 / 2n -+ z sqrt(p (1 - p) / n +
    z^2 / 4n^2)) / (1 + z^2 / n)`` (Wilson, "Probable inference, the law of succession, and
    statistical inference", Journal of the American Statistical Association 22, 1927).

    Parameters
    ----------
    right, images : array of int, one shape
        Right answers and images, the latter at least 1.
    confidence : float
        Coverage aimed at, in (0, 1).

    Returns
    -------
    low, high : ndarray of float64, of that shape
        In [0, 1].

    Examples
    --------
    >>> low, high = wilson(9, 10)
    >>> round(float(low), 4), round(float(high), 4)
    (0.5958, 0.9821)
    """
    count: NDArray[Any] = np.asarray(images, dtype=np.float64)
    share = np.asarray(right, dtype=np.float64) / count
    square = normal_quantile(confidence) ** 2
    centre = share + square / (2 * count)
    half = np.sqrt(square * (share * (1 - share) / count + square / (4 * count**2)))
    scale = 1 + square / count
    # Rounding may leave the ends a hair outside the range that they cannot leave.
    low, high = np.clip([(centre - half) / scale, (centre + half) / scale], 0.0, 1.0)
    return low, high
