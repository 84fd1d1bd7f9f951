"""Differences between two models on the same images: intervals, p-values, detectable effects.

Both models' rows of one image are resampled together, so what makes an image hard for both
cancels out (method, section 5: the paired bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri, stdtr, stdtrit

from ..errors import UsageError
from .intervals import expanded_tail
from .score import resampled_means

RESAMPLES = 5000
# The chance to see a difference that the minimum detectable effect stands for.
POWER = 0.8

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Difference:
    """One quantity of two models on the same images; the difference is other minus reference.

    Attributes
    ----------
    reference, other : float
        The quantity of each model.
    difference : float
    low, high : float
        Interval of the difference.
    p : float
        Two-sided p-value of "no difference"; below 1 - confidence where the interval leaves out 0.
    stderr : float
        Standard error of the difference.
    mde : float
        Minimum detectable effect: a true difference of this size is seen (p < 1 - confidence)
        with a probability of 0.8 at this number of images.
    p_holm : float or None
        Adjusted for the other members of its family, where it has one.
    """

    reference: float
    other: float
    difference: float
    low: float
    high: float
    p: float
    stderr: float
    mde: float
    p_holm: float | None = None


class PairedBootstrap:
    """Resamples of images, the same for both models.

    Parameters
    ----------
    reference, other : array, shape (n, k)
        A row for each image and model: n at least 2, row i the same image in both.
    confidence : float
        Coverage aimed at, in (0, 1).
    seed, resamples : int
        The same seed gives the same intervals.

    Raises
    ------
    UsageError
        Fewer than two images, tables of different shapes, or values that are not finite.
    """

    def __init__(
        self,
        reference: NDArray[Any],
        other: NDArray[Any],
        confidence: float = 0.95,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> None:
        rows = [np.asarray(table, dtype=np.float64) for table in (reference, other)]
        if rows[0].shape != rows[1].shape or rows[0].ndim != 2 or len(rows[0]) < 2:
            raise UsageError(
                f"paired tables of shapes {rows[0].shape} and {rows[1].shape}: two tables of one "
                "shape with at least two rows are needed"
            )
        if not all(np.isfinite(table).all() for table in rows):
            raise UsageError("paired tables hold values that are not finite")
        self.images = len(rows[0])
        self.confidence = confidence
        self._means = [table.mean(axis=0) for table in rows]
        both = resampled_means(np.concatenate(rows, axis=1), seed, resamples)
        self._resampled = np.split(both, 2, axis=1)

    def differences(self, statistic: Statistic) -> list[Difference]:
        """Differences of a function of the column means.

        The interval is the expanded percentile interval (see `expanded_tail`); the p-value
        inverts it.

        Parameters
        ----------
        statistic : callable
            Means of shape (..., k) to values of shape (..., m).

        Returns
        -------
        list of Difference, length m
        """
        reference, other = (statistic(means) for means in self._means)
        drawn = statistic(self._resampled[1]) - statistic(self._resampled[0])
        freedom = self.images - 1
        widening = np.sqrt(self.images / freedom)
        tail = expanded_tail(self.images, self.confidence)
        low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
        # Share of resamples on the other side of 0, the observed sample counted among them.
        beyond = np.minimum((drawn <= 0).sum(axis=0), (drawn >= 0).sum(axis=0)) + 1
        share = np.minimum(beyond / (len(drawn) + 1), 0.5)
        p = 2 * stdtr(freedom, ndtri(share) / widening)
        stderr = drawn.std(axis=0) * widening
        mde = stderr * detectable(freedom, self.confidence)
        columns = (reference, other, other - reference, low, high, p, stderr, mde)
        return [Difference(*map(float, row)) for row in zip(*columns, strict=True)]

    def changes_sign(self, statistic: Statistic) -> bool:
        """True where the sign of a statistic of either model is open on such a sample."""
        limit = (1 - self.confidence) / 2
        return any(
            bool((np.sign(statistic(drawn)) != np.sign(statistic(means))).mean() > limit)
            for means, drawn in zip(self._means, self._resampled, strict=True)
        )


def detectable(freedom: int, confidence: float) -> float:
    """Standard errors that a difference must measure to be seen with a probability of `POWER`."""
    return float(stdtrit(freedom, 0.5 + confidence / 2) + stdtrit(freedom, POWER))


def right_answers(
    reference: NDArray[np.bool_], other: NDArray[np.bool_], confidence: float = 0.95
) -> Difference:
    """Difference of accuracy of two models on the same images.

    Parameters
    ----------
    reference, other : array of bool, shape (n,)
        Whether each model is right about each image.

    Returns
    -------
    Difference
        ``p`` is McNemar's, exact: the images that one model alone gets right are coin tosses
        where both are equally good. The interval is that of Bonett and Price ("Adjusted Wald
        confidence interval for a difference of binomial proportions based on paired data",
        Journal of Educational and Behavioral Statistics 37(4), 2012), which keeps a width where
        both models agree on every image, as a bootstrap interval would not.
    """
    images = len(reference)
    lost = int(np.sum(reference & ~other))
    won = int(np.sum(other & ~reference))
    p = min(1.0, 2.0 * float(bdtr(min(lost, won), lost + won, 0.5))) if lost + won else 1.0
    shares = np.array([won + 1, lost + 1]) / (images + 2)
    centre = float(shares[0] - shares[1])
    stderr = float(np.sqrt((shares.sum() - centre**2) / (images + 2)))
    half = float(ndtri(0.5 + confidence / 2)) * stderr
    before, after = float(np.mean(reference)), float(np.mean(other))
    return Difference(
        before,
        after,
        (won - lost) / images,
        max(-1.0, centre - half),
        min(1.0, centre + half),
        p,
        stderr,
        stderr * float(ndtri(0.5 + confidence / 2) + ndtri(POWER)),
    )


def holm(p: NDArray[Any]) -> NDArray[np.float64]:
    """p-values adjusted by Holm's step-down method, which keeps the family-wise error rate.

    With the p-values sorted, ``adjusted_k = max over j <= k of min(1, (m - j + 1) * p_j)``
    (Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6(2), 1979).

    Parameters
    ----------
    p : array, shape (m,)

    Returns
    -------
    ndarray of float64, shape (m,)
        In the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(10).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = (len(values) - np.arange(len(values))) * values[order]
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted
