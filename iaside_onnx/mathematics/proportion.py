"""Intervals of a share of right answers and of a mean, without scipy, which is slow to load."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The largest level that a quantile is taken at: the last number below 1.
_HIGHEST_LEVEL = 1 - 2.0**-53


def normal_quantile(confidence: float) -> float:
    """Half of a two-sided interval of this coverage, in standard deviations."""
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


def mean_interval(values: NDArray[Any], confidence: float = 0.95) -> tuple[float, float]:
    """Student's interval of a mean, ``m -+ t s / sqrt(n)`` with n - 1 degrees of freedom.

    The ends are infinite for a single value, which says nothing of its spread.

    Examples
    --------
    >>> low, high = mean_interval([1.0, 2.0, 4.0, 5.0])
    >>> round(low, 2), round(high, 2)
    (0.1, 5.9)
    """
    sample = np.asarray(values, dtype=np.float64)
    count = len(sample)
    if count < 2:
        return -math.inf, math.inf
    middle = float(sample.mean())
    half = student_quantile(confidence, count - 1) * float(sample.std(ddof=1)) / math.sqrt(count)
    return middle - half, middle + half


def student_quantile(confidence: float, freedom: int) -> float:
    """Half of a two-sided interval of Student's distribution, in standard errors.

    Exact for 1 and 2 degrees of freedom, else by the expansion about the normal quantile (Fisher
    and Cornish, "The percentile points of distributions having known cumulants", Technometrics 2,
    1960), which for coverages up to 0.99 is right to 1 %, and to 1e-4 from 10 degrees on.
    """
    if freedom == 1:
        return math.tan(math.pi * confidence / 2)
    if freedom == 2:
        return confidence * math.sqrt(2 / (1 - confidence**2))
    z = normal_quantile(confidence)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / freedom**power for power, term in enumerate(terms)))
