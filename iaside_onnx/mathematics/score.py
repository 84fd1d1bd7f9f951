"""From Shapley values to the importance distribution and the score; resamples of images.

Method, sections 4 and 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_share
from ..errors import InvalidOption
from .numbers import real_numbers

BOOTSTRAP_RESAMPLES = 2000
# Nearer to 1 all weights are alike, and the score is a difference of roundings.
_LARGEST_BETA = 0.9999
# Shapley values closer together than this share of their size are one value, not a ranking.
_EQUAL = 1e-12


def is_uniform(psi: NDArray[Any]) -> NDArray[np.bool_]:
    """True where all Shapley values of the last axis are equal (up to float64 rounding)."""
    values = np.asarray(psi, dtype=np.float64)
    size = np.abs(values).max(axis=-1)
    equal: NDArray[np.bool_] = np.asarray(np.ptp(values, axis=-1) <= _EQUAL * size)
    return equal


def spectral_importance(psi: NDArray[Any]) -> NDArray[np.float64]:
    """Spectral importance distribution (SID): ``(psi - min psi) / sum(psi - min psi)``.

    Parameters
    ----------
    psi : array, shape (..., M)
        Shapley values; lowest band first.

    Returns
    -------
    ndarray of float64, shape (..., M)
        Non-negative, sums to 1 over the last axis; uniform where all psi are equal
        (method, section 4).

    Raises
    ------
    UsageError
        Values that are no finite numbers.
    """
    values = real_numbers("Shapley values", psi).astype(np.float64, copy=False)
    shifted = values - values.min(axis=-1, keepdims=True)
    uniform = is_uniform(values)[..., None]
    total = np.where(uniform, 1.0, shifted.sum(axis=-1, keepdims=True))
    return np.asarray(np.where(uniform, 1.0 / values.shape[-1], shifted / total))


def signed_score(sid: NDArray[Any], beta: float = 0.75) -> NDArray[np.float64]:
    """Spectral robustness score with its sign: ``(b2 . SID - eta) / (1 - eta)``.

    Positive: the weight lies on low frequencies. ``b = (beta**0, ..., beta**(M-1))``,
    ``b2 = b / ||b||_2``, ``eta = ||b||_1 / (M ||b||_2)`` (method, section 5).

    Parameters
    ----------
    sid : array, shape (..., M)
        Importance distributions.
    beta : float
        Decay of the weights from band to band, in (0, 1).

    Returns
    -------
    ndarray of float64, shape (...)
        0 for the uniform distribution; see `score_range` for the ends.

    Raises
    ------
    UsageError
        beta outside (0, 1), or distributions that are no finite numbers.
    """
    distribution = real_numbers("importance distributions", sid).astype(np.float64, copy=False)
    weights, eta = score_weights(distribution.shape[-1], beta)
    if distribution.shape[-1] == 1:
        return np.zeros(distribution.shape[:-1])
    return np.asarray((distribution @ weights - eta) / (1.0 - eta))


def spectral_robustness_score(sid: NDArray[Any], beta: float = 0.75) -> Any:
    """Spectral robustness score as published: ``|b2 . SID - eta| / (1 - eta)``.

    See `signed_score` for the symbols, shapes and errors. The absolute value makes a model
    that relies on high frequencies outrank an even one; look at `signed_score` beside it.

    Examples
    --------
    >>> round(float(spectral_robustness_score([1, 0, 0, 0, 0, 0, 0, 0])), 3)
    0.522
    """
    score = np.abs(signed_score(sid, beta))
    return float(score) if score.ndim == 0 else score


def score_range(bands: int, beta: float = 0.75) -> tuple[float, float]:
    """Lowest and highest signed score: all mass on the highest, on the lowest band."""
    ends = np.eye(bands)[[-1, 0]]
    low, high = signed_score(ends, beta)
    return float(low), float(high)


def score_weights(bands: int, beta: float = 0.75) -> tuple[NDArray[np.float64], float]:
    """Weights ``b2`` of the bands in the score, and ``eta``, their mean (see `signed_score`)."""
    check_share("beta", beta)
    if beta > _LARGEST_BETA:
        alike = "the weights of all bands are then alike, and the score is 0 whatever the bands"
        raise InvalidOption("beta", beta, f"{alike}; the most is {_LARGEST_BETA}")
    powers = beta ** np.arange(bands, dtype=np.float64)
    length = float(np.linalg.norm(powers))
    return powers / length, float(powers.sum()) / (bands * length)


def in_order(psi: NDArray[Any]) -> NDArray[np.intp]:
    """Rows in lexicographic order: resamples of rows ordered so do not depend on theirs."""
    values = np.asarray(psi, dtype=np.float64)
    return np.lexsort(values.T[::-1])


def resampled_means(
    psi: NDArray[Any], seed: int = 0, resamples: int = BOOTSTRAP_RESAMPLES
) -> NDArray[np.float64]:
    """Means of bootstrap resamples of the rows, shape (resamples, M).

    Rows are drawn through multinomial counts, so two tables of the same length and seed are
    resampled alike: the pairing that differences between models on the same images need.
    """
    values = np.asarray(psi, dtype=np.float64)
    rows = len(values)
    rng = np.random.default_rng(seed)
    even = np.full(rows, 1.0 / rows)
    means = np.empty((resamples, values.shape[1]))
    step = max(1, (1 << 18) // rows)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        means[start : start + size] = rng.multinomial(rows, even, size=size) @ values / rows
    return means
