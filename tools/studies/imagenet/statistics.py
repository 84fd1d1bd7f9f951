"""Intervals of what was measured on the same images, and of what rests on families of networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.correlation import correlation_matrix
from iaside_onnx.mathematics.score import resampled_means

LEAST_FAMILIES = 8
_RESAMPLES, _SEED = 2000, 0
Array = NDArray[np.float64]


def means(rows: NDArray[Any]) -> Array:
    """Mean over images, then the means of resamples: shape (1 + resamples, columns).

    Tables of the same images are resampled alike, so that differences are paired.
    """
    values = np.asarray(rows, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    return np.concatenate([values.mean(axis=0)[None], resampled_means(values, _SEED, _RESAMPLES)])


def ends(values: NDArray[Any]) -> tuple[float, float, float]:
    """Value and ends of its 95 % interval, of a row as `means` gives it."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return float(values[0]), float(low), float(high)


def apart(value: tuple[float, float, float]) -> int:
    """Sign of a difference whose interval leaves out 0, else 0."""
    return int(value[1] > 0) - int(value[2] < 0)


def effective_number(shares: NDArray[Any]) -> NDArray[np.float64]:
    """Exponential of the entropy: of how many equal shares a distribution is worth."""
    held = np.where(shares > 0, shares, 1.0)
    return np.asarray(np.exp(-(shares * np.log(held)).sum(axis=-1)))


def spearman(first: NDArray[Any], second: NDArray[Any]) -> Any:
    """Rank correlation along the last axis; NaN where either is constant."""
    return correlation_matrix(np.stack([first, second], axis=-2))[..., 0, 1]


def resampled_spearman(first: Array, second: Array, drawn: NDArray[np.int64]) -> Array:
    """The correlation, then those of resampled networks; where one is constant it is 0."""
    values = spearman(first[drawn], second[drawn])
    return np.nan_to_num(np.concatenate([[spearman(first, second)], values]))


def resampled_groups(
    predictors: Sequence[Array], outcomes: Sequence[Array], groups: Sequence[str]
) -> Array:
    """Correlations of each predictor with each outcome, shape (1 + resamples, k, outcomes).

    The first row is of the networks as they are; the others resample groups with all their
    networks. Where one is constant it is 0.
    """
    rows = np.array([*predictors, *outcomes], np.float64)
    members = [np.flatnonzero(np.array(groups) == name) for name in sorted(set(groups))]
    resamples = [np.arange(rows.shape[1])]
    resamples += [
        np.concatenate([members[at] for at in drawn]) for drawn in drawn_families(len(members))
    ]
    count = len(predictors)
    values = [correlation_matrix(rows[:, some])[:count, count:] for some in resamples]
    return np.nan_to_num(np.array(values))


def drawn_families(families: int) -> NDArray[np.int64]:
    """Resamples of families, one row each."""
    return np.random.default_rng(_SEED).integers(families, size=(_RESAMPLES, families))


def spearman_of_families(
    first: Sequence[float], second: Sequence[float], families: Sequence[str]
) -> tuple[float, float, float] | None:
    """Rank correlation over networks; its interval resamples families with all their networks.

    None where there are fewer than `LEAST_FAMILIES`: nothing is then said.
    """
    names = sorted(set(families))
    if len(names) < LEAST_FAMILIES:
        return None
    rows = np.array([first, second], np.float64)
    members = [np.flatnonzero(np.array(families) == name) for name in names]
    values = [float(spearman(*rows))]
    for drawn in drawn_families(len(names)):
        value = float(spearman(*rows[:, np.concatenate([members[at] for at in drawn])]))
        # Of equal values no order can be given.
        values.append(value if np.isfinite(value) else 0.0)
    return ends(np.array(values))
