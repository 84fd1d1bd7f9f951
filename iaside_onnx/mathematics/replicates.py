"""Differences between trainings: intervals that count images and seeds.

A training is one draw of its recipe. With trainings t of the reference's recipe, r + 1 in all, and
one of another, all on the same images, a quantity of training t is modelled as (two random
effects, images and trainings)::

    quantity_t = recipe + images' effect on the recipe + training_t + images' effect on training_t

The difference is the other training's quantity minus the mean of the r + 1. Its variance is a sum
of two parts that can be estimated:

- **trainings**: s^2 (1 + 1 / (r + 1)), with s^2 the variance of the quantity between the r + 1,
  on r degrees of freedom. It holds the last term too, which differs from training to training;
- **images**: what the paired bootstrap of that difference has beyond its share in s^2, the
  bootstrapped variance of the trainings around their mean. It is 0 for one and the same recipe.

The trainings of the other recipe are taken to spread as those of the reference's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri, ndtr, stdtrit

from ..errors import UsageError
from .paired import POWER, RESAMPLES, Difference, Resamples, Statistic

_BISECTIONS = 50
# Quantiles of an estimated variance over which the chance to see a difference is averaged.
_QUANTILES = 128


@dataclass(frozen=True, kw_only=True)
class TrainingDifference(Difference):
    """A difference between recipes of training; ``reference`` is the mean of its trainings.

    Attributes
    ----------
    trainings : list of float
        The quantity of every training of the reference's recipe, the reference first.
    spread : float
        Standard deviation between them (denominator: their number less one).
    image_stderr : float
        Standard error that is left when the trainings are taken as fixed: images alone.
    """

    trainings: list[float]
    spread: float
    image_stderr: float


class TrainingBootstrap(Resamples):
    """`Resamples` of two trainings or more of the reference's recipe, and one of another."""

    def __init__(
        self,
        reference: Sequence[NDArray[np.float64]],
        other: NDArray[np.float64],
        confidence: float = 0.95,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> None:
        if len(reference) < 2:
            raise UsageError(
                f"{len(reference)} trainings of the reference: two trainings at least are needed"
            )
        super().__init__([*reference, other], confidence, seed, resamples)

    def differences(self, statistic: Statistic, step: float = 0.0) -> list[TrainingDifference]:
        """Differences of a function of the column means between recipes of training.

        Half of the interval is sqrt(t_r^2 T + t_(n-1)^2 I), with T and I the estimated parts
        of the variance (see the module) and t the quantiles of Student's distribution. It covers
        at least as often as asked, whatever the ratio of the two (Banerjee, "Approximate
        confidence interval for linear functions of means of k populations when the population
        variances are not equal", Sankhya 22, 1960): exactly so where one part is 0, as I is for
        two trainings of one recipe. One t distribution with Satterthwaite's degrees of freedom
        would cover as little as 0.87 with one replicate. The p-value inverts the interval.

        A quantity that is the same in all trainings of the reference is taken to spread as the
        nearest in mean among the columns of `statistic`: a band that is the least important in
        all of them has a share of exactly 0, which tells nothing.

        `statistic` takes means of shape (..., k) to values of shape (..., m), which makes m
        differences. `step` is the distance of the values that the quantity can take. The variance
        of rounding to them, step^2 / 12, is added to that of the trainings, of which two with the
        same count of right answers would have none.
        """
        values = statistic(self._means)
        drawn = statistic(self._resampled)
        trainings, other = values[:-1], values[-1]
        replicates = len(trainings) - 1
        mean = trainings.mean(axis=0)
        spread = trainings.std(axis=0, ddof=1)
        share = 1 + 1 / (replicates + 1)
        between = share * (_filled(spread, mean) ** 2 + step**2 / 12)
        centre = drawn[:-1].mean(axis=0)
        widening = self.images / (self.images - 1)
        paired = widening * (drawn[-1] - centre).var(axis=0)
        own = widening * (drawn[:-1] - centre).var(axis=1).sum(axis=0) / replicates
        beyond = np.maximum(0.0, paired - share * own)
        parts = _Parts(between, beyond, replicates, self.images - 1)
        difference = other - mean
        half = parts.half(1 - self.confidence)
        columns = {
            "reference": mean,
            "other": other,
            "difference": difference,
            "low": difference - half,
            "high": difference + half,
            "p": parts.p_value(difference),
            "stderr": np.sqrt(between + beyond),
            "mde": parts.detectable(1 - self.confidence),
            "spread": spread,
            "image_stderr": np.sqrt(paired),
        }
        return [
            TrainingDifference(
                **{name: float(column[member]) for name, column in columns.items()},
                trainings=trainings[:, member].tolist(),
            )
            for member in range(len(other))
        ]


def _filled(spread: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spreads with those of the nearest mean where there is none."""
    there = np.flatnonzero(spread)
    if not there.size:
        return spread
    nearest = there[np.abs(mean[:, None] - mean[there]).argmin(axis=1)]
    return np.where(spread > 0, spread, spread[nearest])


@dataclass(frozen=True)
class _Parts:
    """Estimated variances of differences, shape (m,), and their degrees of freedom."""

    trainings: NDArray[np.float64]
    images: NDArray[np.float64]
    replicates: int
    freedom: int

    def half(self, level: ArrayLike) -> NDArray[np.float64]:
        """Half of the interval that errs with probability `level`."""
        tail = np.asarray(level, dtype=np.float64) / 2
        squares = stdtrit(self.replicates, tail) ** 2, stdtrit(self.freedom, tail) ** 2
        variance: NDArray[np.float64] = squares[0] * self.trainings + squares[1] * self.images
        return np.sqrt(variance)

    def p_value(self, difference: NDArray[np.float64]) -> NDArray[np.float64]:
        """The level at which the interval just reaches 0."""
        size = np.abs(difference)
        low, high = np.zeros_like(size), np.ones_like(size)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            reaches = self.half(middle) >= size
            low, high = np.where(reaches, middle, low), np.where(reaches, high, middle)
        return np.where(size > 0, high, 1.0)

    def detectable(self, level: float) -> NDArray[np.float64]:
        """True difference that is seen with a probability of `POWER`, these variances granted."""
        # The variance between trainings is estimated again each time: chi-squared over r.
        shares = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        scales = chdtri(self.replicates, shares)[:, None] / self.replicates
        half = replace(self, trainings=scales * self.trainings).half(level)
        stderr = np.sqrt(self.trainings + self.images)
        if not stderr.any():
            return stderr
        unit = np.where(stderr > 0, stderr, 1.0)
        low, high = np.zeros_like(stderr), self.half(level) + 10 * stderr
        for _ in range(_BISECTIONS // 2):
            middle = (low + high) / 2
            chances = ndtr((middle - half) / unit) + ndtr((-middle - half) / unit)
            enough = chances.mean(axis=0) >= POWER
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(stderr > 0, high, 0.0)
