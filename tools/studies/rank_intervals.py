"""Intervals of rank correlations over networks, and of differences of two of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iaside_onnx.mathematics.correlation import (
    RESAMPLES,
    correlation_matrix,
    partial_correlation,
)

Interval = tuple[float, float, float]
# Predictors at a time, so that the coefficients between them need little memory.
_ROWS = 16


def correlation(first: ArrayLike, outcome: ArrayLike) -> Interval:
    """Spearman's coefficient with its 95 % ends, networks resampled."""
    return with_ends(_resampled(first, outcome)[:, 0, 1])


def difference(
    first: ArrayLike, second: ArrayLike, outcome: ArrayLike, held: ArrayLike | None = None
) -> Interval:
    """Spearman's coefficient of `first` with the outcome less that of `second`, with 95 % ends.

    With `held` both are partial coefficients.
    """
    if held is None:
        matrix = _resampled(first, second, outcome)
    else:
        matrix = partial_correlation(_resampled(first, second, outcome, held), 3)
    return with_ends(matrix[:, 0, 2] - matrix[:, 1, 2])


def all_correlations(predictors: ArrayLike, outcomes: ArrayLike) -> NDArray[np.float64]:
    """Spearman's coefficient of every predictor with every outcome, for `with_ends`.

    Shape (1 + resamples, predictors, outcomes): of the networks, and of these resampled, the same
    ones throughout, so that coefficients may be subtracted.
    """
    rows, against = np.asarray(predictors, np.float64), np.asarray(outcomes, np.float64)
    count = len(against)
    parts = [
        _resampled(*rows[start : start + _ROWS], *against)[:, :-count, -count:]
        for start in range(0, len(rows), _ROWS)
    ]
    return np.concatenate(parts, axis=1)


def _resampled(*rows: ArrayLike) -> NDArray[np.float64]:
    """Coefficients between numbers of the same networks, and of these resampled.

    Resampled as `iaside_onnx.mathematics.correlation.correlations` does it by default.
    """
    values = np.array(rows, np.float64)
    count = values.shape[1]
    drawn = np.random.default_rng(0).integers(count, size=(RESAMPLES, count))
    return correlation_matrix(np.concatenate([values[None], values[:, drawn].swapaxes(0, 1)]))


def with_ends(values: NDArray[np.float64]) -> Interval:
    """The first value, and the 95 % ends of the others, which are resamples of it."""
    low, high = np.nanpercentile(values[1:], (2.5, 97.5))
    return float(values[0]), float(low), float(high)
