"""How far two models are apart in any number of the same images, in standard errors.

Leaving out one image at a time gives each image's part in a number (Tukey's pseudo-values: n times
the number less n - 1 times that without the image). Their mean is about the number and their
scatter its standard error, so the parts of two models are compared as paired measurements are. The
p-value comes from Student's distribution, not from resamples, and so is resolved as finely as a
correction for many comparisons needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

# Decimals of what an image takes part beyond which there is only rounding.
_DIGITS = 12


def pseudo_values(
    rows: NDArray[Any], statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Each image's part in a function of the column means.

    Parameters
    ----------
    rows : array, shape (n, k)
        A row for each image, n at least 2.
    statistic : callable
        Takes means of shape (..., k) to numbers of shape (...).

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    Of a mean the parts are the rows themselves:

    >>> pseudo_values(np.array([[1.0], [4.0], [7.0]]), lambda means: means[..., 0]).tolist()
    [1.0, 4.0, 7.0]
    """
    table = np.asarray(rows, np.float64)
    images = len(table)
    mean = table.mean(axis=0)
    without = (images * mean - table) / (images - 1)
    return np.asarray(images * statistic(mean) - (images - 1) * statistic(without))


def paired_p(reference: NDArray[Any], other: NDArray[Any], one: float = 0.0) -> NDArray[np.float64]:
    """Two-sided p-values of "no difference" of means over the same images.

    Parameters
    ----------
    reference, other : array, shape (..., n)
        Each image's part in a number of each model.
    one : float
        The most that an image can count, where there is such a bound: one image more on either side
        then keeps a width where both models say the same of every image.

    Returns
    -------
    ndarray, shape (...)
        1 where the parts are the same throughout, or some are not defined.
    """
    apart = (np.asarray(other, np.float64) - np.asarray(reference, np.float64)).round(_DIGITS)
    images = apart.shape[-1]
    mean = apart.mean(axis=-1)
    squares = ((apart - mean[..., None]) ** 2).sum(axis=-1) + 2.0 * one**2
    error = np.sqrt(squares / (images - 1) / images)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(mean == 0.0, 0.0, np.abs(mean) / error)
    p = 2.0 * stdtr(images - 1, -distance)
    return np.asarray(np.where(np.isnan(p), 1.0, p))
