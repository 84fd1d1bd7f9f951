"""Intervals of the importance distribution and the score over images.

Both subtract the least Shapley value, which has a kink where bands contend for being the least:
there noise makes the least look smaller than it is, score and shares lean towards "even", and
percentiles of a bootstrap lean with them (Fang and Santos, "Inference on directionally
differentiable functions", Review of Economic Studies 86, 2019, prove that no plain bootstrap is
consistent at such a kink). But with one band j put in the place of the least, everything is
smooth. For weights u with mean c, ``u . SID - c = A / B`` with ``A = (u - c) . psi`` and ``B = sum
psi - M min psi``, so that

    u . SID - c = min over j of A / B_j where A > 0, max over j where A < 0,
    B_j = sum psi - M psi_j,

over the bands with B_j > 0: a bound by an intersection. Such bounds are found from the intervals of
the single terms (Chernozhukov, Lee and Rosen, "Intersection bounds: estimation and inference",
Econometrica 81, 2013):

- The end towards "even" is the outermost of the terms' ends: whichever band is the least, its own
  interval reaches no further.
- The end away from "even" is the innermost of them. Since each of several terms may err, they
  err more seldom, all with the same probability, which is found from the resamples (Beran,
  "Balanced simultaneous confidence sets", Journal of the American Statistical Association 83,
  1988) such that both ends together err with probability 1 - confidence where the bands tie.
- Only bands within `CONTACT` standard errors of the least take part (the contact set).

Where one band is clearly the least this is the expanded percentile interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, erfc, pi, sin, sqrt, tan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice, check_share
from .score import (
    BOOTSTRAP_RESAMPLES,
    is_uniform,
    resampled_means,
    score_range,
    score_weights,
    signed_score,
    spectral_importance,
)

# Standard errors of the difference from the least band within which a band may be the least.
CONTACT = 3.0
METHODS = ("intersection", "percentile")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Intervals:
    """Intervals over images (method, section 5).

    Attributes
    ----------
    sid_low, sid_high : ndarray, shape (M,)
    srs, srs_signed : tuple of float
        Lower and upper end for the published and the signed score.
    srs_signed_stderr : float
        Standard deviation of the signed score over the resamples.
    """

    sid_low: Array
    sid_high: Array
    srs: tuple[float, float]
    srs_signed: tuple[float, float]
    srs_signed_stderr: float


def bootstrap_intervals(
    psi: NDArray[Any],
    beta: float = 0.75,
    confidence: float = 0.95,
    seed: int = 0,
    resamples: int = BOOTSTRAP_RESAMPLES,
    method: str = "intersection",
) -> Intervals:
    """Intervals of SID and score, resampling images with replacement.

    Parameters
    ----------
    psi : array, shape (n, M)
        Shapley values per image.
    beta, confidence : float
        Of the score, and the coverage aimed at, both in (0, 1).
    method : str
        "intersection", which holds where bands tie for the least (see the module), or
        "percentile", the plain percentile interval.

    Raises
    ------
    UsageError
        A confidence outside (0, 1), or an unknown method.

    Notes
    -----
    A single image says nothing about others: the intervals of "intersection" are then all that is
    attainable.
    """
    check_share("confidence", confidence)
    check_choice("method", method, METHODS)
    values = np.asarray(psi, dtype=np.float64)
    means = resampled_means(values, seed, resamples)
    signed = signed_score(spectral_importance(means), beta)
    if method == "percentile":
        return _percentiles(means, signed, confidence)
    images, bands = values.shape
    if images < 2:
        ends = np.stack([np.zeros(bands), np.ones(bands)])
        score = score_range(bands, beta)
    else:
        tail = expanded_tail(images, confidence)
        ends, score = profile_ends(means, contact_set(values), beta, tail)
    return Intervals(ends[0], ends[1], _without_sign(*score), score, float(signed.std()))


def _percentiles(means: Array, signed: Array, confidence: float) -> Intervals:
    ends = [50.0 * (1.0 - confidence), 50.0 * (1.0 + confidence)]
    low, high = np.percentile(spectral_importance(means), ends, axis=0)
    size_low, size_high = np.percentile(np.abs(signed), ends).tolist()
    signed_low, signed_high = np.percentile(signed, ends).tolist()
    scores = (size_low, size_high), (signed_low, signed_high)
    return Intervals(low, high, *scores, float(signed.std()))


def _without_sign(low: float, high: float) -> tuple[float, float]:
    """What the absolute value makes of an interval."""
    return max(low, -high, 0.0), max(abs(low), abs(high))


def score_stderr(
    psi: NDArray[Any], beta: float = 0.75, seed: int = 0, resamples: int = BOOTSTRAP_RESAMPLES
) -> float:
    """`Intervals.srs_signed_stderr` alone."""
    means = resampled_means(psi, seed, resamples)
    return float(signed_score(spectral_importance(means), beta).std())


def contact_set(psi: NDArray[Any], width: float = CONTACT) -> NDArray[np.intp]:
    """Positions of the bands that may be the least of the population, ascending.

    Parameters
    ----------
    psi : array, shape (n, M)
        Shapley values per image, n at least 2.
    width : float
        Standard errors of the difference from the least mean up to which a band belongs to it.
    """
    values = np.asarray(psi, dtype=np.float64)
    means = values.mean(axis=0)
    least = int(means.argmin())
    off = values - values[:, [least]]
    error = off.std(axis=0, ddof=1) / np.sqrt(len(values))
    near = means - means[least] <= width * error
    near[least] = True
    return np.flatnonzero(near)


def profile_ends(
    means: Array, contact: NDArray[np.intp], beta: float, tail: float
) -> tuple[Array, tuple[float, float]]:
    """Ends of the intervals of SID, shape (2, M), and of the score; see `importance_ends`."""
    rows = np.eye(means.shape[1])
    ends = [importance_ends(means, contact, weights, tail) for weights in rows]
    return np.array(ends).T, score_ends(means, contact, beta, tail)


def score_ends(
    means: Array, contact: NDArray[np.intp], beta: float, tail: float
) -> tuple[float, float]:
    """Ends of the interval of the signed score; see `importance_ends`."""
    weights, even = score_weights(means.shape[1], beta)
    if means.shape[1] == 1:
        return 0.0, 0.0
    low, high = importance_ends(means, contact, weights, tail)
    return (low - even) / (1.0 - even), (high - even) / (1.0 - even)


def importance_ends(
    means: Array, contact: NDArray[np.intp], weights: Array, tail: float
) -> tuple[float, float]:
    """Ends of the interval of ``weights . SID``.

    Parameters
    ----------
    means : ndarray, shape (resamples, M)
        Resampled mean Shapley values.
    contact : ndarray of int
        Bands that may be the least.
    weights : ndarray, shape (M,)
        Of the bands; a unit vector for the share of one band.
    tail : float
        Probability to err at either end of an interval without a kink.
    """
    centre = float(weights.mean())
    least, most = float(weights.min()), float(weights.max())
    # With itself as the least a band's share is 0, which bounds nothing.
    itself = weights.argmax() if np.count_nonzero(weights) == 1 else -1
    taking = contact[contact != itself]
    if len(taking) == 0:
        return least, least
    above, terms = least_terms(means, taking, weights)
    last = len(means) - 1
    outer = round(tail * last)
    # `above` alone tells the sign, for it has no kink.
    low_sign, high_sign = np.partition(above, (outer, last - outer))[[outer, last - outer]]
    if high_sign > 0.0:
        high = UpperEnds(terms).innermost(tail)
    else:
        high = float(np.partition(terms, last - outer, axis=1)[:, last - outer].max())
    if low_sign < 0.0:
        low = -UpperEnds(-terms).innermost(tail)
    else:
        low = float(np.partition(terms, outer, axis=1)[:, outer].min())
    low, high = (min(max(end + centre, least), most) for end in (low, high))
    return low, high


def least_terms(means: Array, bands: NDArray[np.intp], weights: Array) -> tuple[Array, Array]:
    """``A`` and ``A / B_j`` of resamples (see the module), infinite where ``B_j`` is not above 0.

    The shapes are (resamples,) and (k, resamples), for `bands` of shape (k,) that are put in the
    place of the least, and `means` and `weights` as for `importance_ends`.
    """
    flat = is_uniform(means)
    above = np.where(flat, 0.0, means @ (weights - weights.mean()))
    room = np.where(flat, 0.0, means.sum(axis=1) - means.shape[1] * means[:, bands].T)
    terms = np.where(above == 0.0, 0.0, np.copysign(np.inf, above))
    terms = np.tile(terms, (len(bands), 1))
    return above, np.divide(above, room, out=terms, where=room > 0.0)


class UpperEnds:
    """Upper ends of terms, shape (k, resamples), which together err as often as one may."""

    def __init__(self, terms: Array) -> None:
        order = terms.argsort(axis=1)
        self._sorted = ranked = np.take_along_axis(terms, order, axis=1)
        self._last = last = int(terms.shape[1]) - 1
        if len(terms) == 1:
            return
        rank = np.arange(last + 1)
        lowest = highest = np.broadcast_to(rank, terms.shape)
        new = ranked[:, 1:] > ranked[:, :-1]
        if not new.all():
            # Equal values share ranks: an infinite term never errs, nor one that never varies.
            edge = np.ones((len(terms), 1), bool)
            lowest = np.maximum.accumulate(np.where(np.hstack([edge, new]), rank, 0), axis=1)
            ends = np.where(np.hstack([new, edge]), rank, last)
            highest = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
        placed = np.empty_like(order)
        np.put_along_axis(placed, order, lowest, axis=1)
        self._furthest = np.sort(placed.max(axis=0))
        np.put_along_axis(placed, order, highest, axis=1)
        self._nearest = np.sort(placed.min(axis=0))

    def innermost(self, tail: float) -> float:
        """The least of the ends; `tail` is how often a single term's end errs."""
        outer = round(tail * self._last)
        at = self._last - outer
        if len(self._sorted) > 1:
            # Where terms tie, the other end errs only if all are beyond theirs at once.
            beyond = len(self._nearest) - np.searchsorted(self._nearest, at, side="right")
            other = float(beyond) / len(self._nearest)
            allowed = round(max(tail, 2.0 * tail - other) * self._last)
            at = max(int(self._furthest[self._last - allowed]), at)
        return float(self._sorted[:, at].min())


@lru_cache(maxsize=64)
def expanded_tail(images: int, confidence: float) -> float:
    """Share of resamples left out on either side by the expanded percentile interval.

    Percentiles further out, by the t distribution and sqrt(n / (n - 1)), than the plain ones,
    which are too narrow for small samples (Hesterberg, "What teachers should know about the
    bootstrap", The American Statistician 69(4), 2015).
    """
    freedom = images - 1
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return erfc(sqrt(freedom) * tan(low) * sqrt(images / freedom) / sqrt(2.0)) / 2


def _within(angle: float, freedom: int) -> float:
    """P(abs(T) <= sqrt(freedom) tan(angle)) of Student's T, by its finite series.

    Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4. (The
    same from scipy takes longer to import than a report takes to show.)
    """
    odd = freedom % 2
    steps = np.arange(1 + odd, freedom - 1, 2)
    terms = np.cumprod(steps / (steps + 1.0) * cos(angle) ** 2)
    series = sin(angle) * (1.0 + float(terms.sum()))
    if not odd:
        return series
    return 2.0 / pi * (angle + (cos(angle) * series if freedom > 1 else 0.0))
