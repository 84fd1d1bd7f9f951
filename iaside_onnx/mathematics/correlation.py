"""Correlation between properties of models, with intervals over the models.

Pearson's, Spearman's and Kendall's coefficients are one thing: the cosine between two vectors made
of the values. The vectors hold deviations from the mean, deviations of ranks from their mean, and
the signs of the differences between all pairs (which gives Kendall's tau-b, ties counted).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from ..checks import check_choice, check_share
from ..errors import UsageError
from ..plurals import counted

METHODS = ("spearman", "kendall", "pearson")
RESAMPLES = 2000
LEAST_MODELS = 4
# Of fewer models, resamples tell little: those of a perfect order are all in perfect order.
FEW_MODELS = 10
# Correlations closer to 1 than this leave nothing for another quantity to explain.
_COMPLETE = 1e-9
# Values of one quantity that agree in so many digits are equal.
_DIGITS = 12
_BLOCK_BYTES = 1 << 25


def correlation_matrix(values: NDArray[Any], method: str = "spearman") -> NDArray[np.float64]:
    """Correlations in [-1, 1] between k quantities of n models, one of `METHODS`.

    From shape (..., k, n) to shape (..., k, k); NaN where a quantity is the same for all models.
    Ranks and pairs take values that differ by rounding alone for equal.

    Examples
    --------
    >>> float(correlation_matrix([[1, 2, 3, 4], [1, 8, 27, 64]])[0, 1])
    1.0
    """
    check_choice("method", method, METHODS)
    vectors = _vectors(np.asarray(values, dtype=np.float64), method)
    lengths = np.linalg.norm(vectors, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        units = vectors / np.where(lengths > 0, lengths, np.nan)[..., None]
    return np.clip(units @ np.swapaxes(units, -1, -2), -1.0, 1.0)


def _vectors(values: NDArray[np.float64], method: str) -> NDArray[np.float64]:
    if method == "kendall":
        values = _tied(values)
        first, second = np.triu_indices(values.shape[-1], 1)
        return np.sign(values[..., first] - values[..., second])
    if method == "spearman":
        values = rankdata(_tied(values), axis=-1)
    apart = values - values.mean(axis=-1, keepdims=True)
    # The mean of equal numbers may miss them by rounding, which is no spread.
    apart[np.ptp(values, axis=-1) == 0] = 0.0
    return np.asarray(apart)


def _tied(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Equal where values differ by rounding alone, as sums of the same numbers in two orders."""
    known = np.isfinite(values)
    largest = np.max(np.abs(values), axis=-1, keepdims=True, initial=0.0, where=known)
    return np.round(values / np.where(largest > 0, largest, 1.0), _DIGITS)


def partial_correlation(matrix: NDArray[Any], fixed: int) -> NDArray[np.float64]:
    """Correlations with one quantity held fixed.

    ``r_xy.z = (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2))``; for ranks this is the partial
    rank correlation, and for Kendall's tau the partial tau (Kendall, "Partial rank correlation",
    Biometrika 32, 1942).

    `matrix`, shape (..., k, k), is that of `correlation_matrix`, and `fixed` is the position of z.
    NaN where z leaves nothing to correlate (its own row and column among them).
    """
    full = np.asarray(matrix, dtype=np.float64)
    with_fixed = full[..., fixed]
    left = 1.0 - with_fixed**2
    left = np.where(left > _COMPLETE, left, np.nan)
    scale = np.sqrt(left[..., :, None] * left[..., None, :])
    return np.asarray((full - with_fixed[..., :, None] * with_fixed[..., None, :]) / scale)


def approximate_ends(
    value: ArrayLike,
    models: int,
    method: str = "spearman",
    confidence: float = 0.95,
    held: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of an interval that needs nothing but the coefficient and the number of models.

    Normal after Fisher's transformation, with the variances of Bonett and Wright, "Sample size
    requirements for estimating Pearson, Kendall and Spearman correlations", Psychometrika 65, 2000:
    ``(1 + r^2 / 2) / (n - 3)`` for Spearman's coefficient, ``0.437 / (n - 4)`` for Kendall's and
    ``1 / (n - 3)`` for Pearson's. Four models make it very wide.

    Fisher's transformation has no place for 1. Where `value` lies closer to 1 or -1 than half a
    swap of neighbours in a perfect order, ``1 - 6 / (n (n^2 - 1))`` (of Kendall's coefficient
    ``1 - 2 / (n (n - 1))``), that is taken in its place; the interval holds `value` all the same.
    So a perfect order of 4 models, which chance makes once in 24, has the interval -0.69 to 1.

    Parameters
    ----------
    value : array of any shape
    models : int
    method : {"spearman", "kendall", "pearson"}
    confidence : float
        Coverage aimed at, in (0, 1).
    held : int
        Quantities held fixed (a partial correlation); each costs one model.

    Returns
    -------
    low, high : ndarray, shape of `value`
        NaN where `value` is, and with too few models: 3, or 4 for Kendall's, and one more for each
        quantity held.
    """
    check_choice("method", method, METHODS)
    check_share("confidence", confidence)
    r = np.asarray(value, dtype=np.float64)
    kendall = method == "kendall"
    free = models - held - (4 if kendall else 3)
    if free < 1:
        return np.full(r.shape, np.nan), np.full(r.shape, np.nan)
    swaps = models * (models - 1) / 2 if kendall else models * (models**2 - 1) / 6
    inside = np.clip(r, 1.0 / swaps - 1.0, 1.0 - 1.0 / swaps)
    variances = {"spearman": 1.0 + inside**2 / 2.0, "kendall": np.array(0.437)}
    error = np.sqrt(variances.get(method, np.array(1.0)) / free)
    reach = norm.ppf(0.5 + confidence / 2.0) * error
    middle = np.arctanh(inside)
    low, high = np.tanh(middle - reach), np.tanh(middle + reach)
    return np.minimum(low, r), np.maximum(high, r)


@dataclass(frozen=True)
class Correlations:
    """Correlations of some quantities with others, and the ends of their intervals.

    Attributes
    ----------
    value, low, high : ndarray, shape (predictors, outcomes)
    partial, partial_low, partial_high : ndarray, shape (predictors, outcomes)
        With one quantity held fixed; NaN where that leaves nothing.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    partial: NDArray[np.float64]
    partial_low: NDArray[np.float64]
    partial_high: NDArray[np.float64]


def correlations(
    predictors: NDArray[Any],
    outcomes: NDArray[Any],
    fixed: int,
    method: str = "spearman",
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Correlations:
    """Correlation of every predictor with every outcome over models.

    Intervals resample models with replacement and are percentiles; resamples in which a quantity
    does not vary have no correlation and are left out. Of fewer than `FEW_MODELS` models they are
    those of `approximate_ends`.

    Parameters
    ----------
    predictors : array, shape (p, n)
    outcomes : array, shape (o, n)
    fixed : int
        The predictor that partial correlations hold fixed.
    method : {"spearman", "kendall", "pearson"}
    confidence : float
        Coverage aimed at, in (0, 1).

    Raises
    ------
    UsageError
        Fewer than four models, values that are not finite, a confidence outside (0, 1).
    """
    values = np.concatenate([np.asarray(predictors, float), np.asarray(outcomes, float)])
    split, models = len(predictors), values.shape[1]
    if models < LEAST_MODELS:
        raise UsageError(f"{counted(models, 'model')}: a correlation needs at least {LEAST_MODELS}")
    if not np.isfinite(values).all():
        raise UsageError("a correlation needs finite values")
    check_share("confidence", confidence)

    def both(sample: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        matrix = correlation_matrix(sample, method)
        partial = partial_correlation(matrix, fixed)
        return matrix[..., :split, split:], partial[..., :split, split:]

    plain, partial = both(values)
    if models < FEW_MODELS:
        ends = approximate_ends(plain, models, method, confidence)
        partial_ends = approximate_ends(partial, models, method, confidence, held=1)
        return Correlations(plain, *ends, partial, *partial_ends)
    drawn = _resampled(values, both, seed, resamples)
    tails = [50.0 * (1.0 - confidence), 50.0 * (1.0 + confidence)]
    low, high = (_percentiles(drawn[0], end, plain) for end in tails)
    partial_low, partial_high = (_percentiles(drawn[1], end, partial) for end in tails)
    return Correlations(plain, low, high, partial, partial_low, partial_high)


def _resampled(
    values: NDArray[np.float64],
    statistic: Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], ...]],
    seed: int,
    resamples: int,
) -> list[NDArray[np.float64]]:
    """A statistic's parts for resamples of the columns, in blocks that bound the memory."""
    models = values.shape[1]
    chosen = np.random.default_rng(seed).integers(models, size=(resamples, models))
    step = max(1, _BLOCK_BYTES // (8 * len(values) * models * models))
    parts = [
        statistic(np.moveaxis(values[:, chosen[start : start + step]], 0, 1))
        for start in range(0, resamples, step)
    ]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _percentiles(
    drawn: NDArray[np.float64], end: float, value: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Percentile over the resamples that have a value; NaN where the sample itself has none."""
    result = np.full(value.shape, np.nan)
    for place in np.argwhere(np.isfinite(value)):
        column = drawn[(slice(None), *place)]
        result[tuple(place)] = np.percentile(column[np.isfinite(column)], end)
    return result
