"""Which neighbouring bands hold most of a sum over bands, and intervals that choosing them leaves.

An interval of the bands that look largest is too high if it is made as if they had been named
before: they were chosen on the same images. So the intervals of all runs that can be chosen are
made to hold together, and that of whichever run is chosen afterwards holds as well. They are of one
width in standard errors, the quantile over resamples of the largest deviation of any run (Montiel
Olea and Plagborg-Moller, "Simultaneous confidence bands: theory, implementation, and an
application to SVARs", Journal of Applied Econometrics 34, 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .intervals import expanded_tail
from .score import BOOTSTRAP_RESAMPLES, in_order, resampled_means

# Share of the whole that the bands named hold at least.
MOST_OF_IT = 0.75


@dataclass(frozen=True)
class Run:
    """Neighbouring bands, with their sum and its interval.

    Attributes
    ----------
    first, last : int
        Positions of the outermost bands.
    value, low, high : float
        The sum over the run, and ends that hold for all runs together.
    """

    first: int
    last: int
    value: float
    low: float
    high: float


def mean_ends(
    rows: NDArray[np.float64], confidence: float, seed: int, attainable: float = np.inf
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ends of expanded percentile intervals of column means, shapes (k,); see `expanded_tail`.

    The rows, shape (n, k), are resampled together, in an order of their own values. A single one
    says nothing of others: its ends are what is `attainable`, with either sign.
    """
    images, columns = rows.shape
    if images < 2:
        return np.full(columns, -attainable), np.full(columns, attainable)
    drawn = resampled_means(rows[in_order(rows)], seed)
    tail = expanded_tail(images, confidence)
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return low, high


class RunSums:
    """Sums over runs of neighbouring bands, with intervals that hold for all of them at once.

    Parameters
    ----------
    rows : ndarray, shape (n, M)
        Of each image by band, n at least 2.
    confidence : float
        That all of the runs lie within their intervals.
    longest : int, optional
        Bands of the longest run; all by default.
    """

    def __init__(
        self, rows: NDArray[np.float64], confidence: float, seed: int, longest: int | None = None
    ) -> None:
        images, bands = rows.shape
        most = bands if longest is None else longest
        self.spans = [
            (first, last)
            for first in range(bands)
            for last in range(first, min(bands, first + most))
        ]
        member = np.zeros((len(self.spans), bands))
        for row, (first, last) in enumerate(self.spans):
            member[row, first : last + 1] = 1
        sums = rows @ member.T
        self.means = sums.mean(axis=0)
        self._errors = sums.std(axis=0, ddof=1) / np.sqrt(images)
        drawn = resampled_means(rows[in_order(rows)], seed, BOOTSTRAP_RESAMPLES) @ member.T
        off = np.abs(drawn - self.means)
        varies = self._errors > 0
        furthest = np.where(varies, off / np.where(varies, self._errors, 1.0), 0.0).max(axis=1)
        widening = float(np.sqrt(images / (images - 1)))
        self._width = float(np.quantile(furthest, confidence)) * widening

    def run(self, first: int, last: int) -> Run:
        """One of them."""
        at = self.spans.index((first, last))
        value, half = float(self.means[at]), self._width * float(self._errors[at])
        return Run(first, last, value, value - half, value + half)


def largest_run(rows: NDArray[np.float64], confidence: float, seed: int) -> Run | None:
    """The fewest neighbouring bands that hold `MOST_OF_IT` of a positive sum over all bands.

    Of several runs of as few, that with the largest sum. None where it takes more than half of the
    bands, so that naming them says little, or where the sum is not positive. The interval is one of
    `RunSums` of up to half of the bands, whose parameters these are.
    """
    sums = RunSums(rows, confidence, seed, max(1, rows.shape[1] // 2))
    widths = np.array([1 + last - first for first, last in sums.spans])
    whole = float(rows.mean(axis=0).sum())
    enough = sums.means >= MOST_OF_IT * whole
    if whole <= 0 or not enough.any():
        return None
    few = np.where(enough & (widths == widths[enough].min()), sums.means, -np.inf)
    return sums.run(*sums.spans[int(few.argmax())])
