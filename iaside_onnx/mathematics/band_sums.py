"""Which neighbouring bands hold most of a sum over bands, and intervals that choosing them leaves.

An interval of the bands that look largest is too high if it is made as if they had been named
before: they were chosen on the same images. So the intervals of all runs that can be chosen are
made to hold together, and that of whichever run is chosen afterwards holds as well. They are of one
width in standard errors, the quantile over resamples of the largest deviation of any run (Montiel
Olea and Plagborg-Moller, "Simultaneous confidence bands: theory, implementation, and an
application to SVARs", Journal of Applied Econometrics 34, 2019).

Images that all lose the same say too little of others. Where what one image counts is bounded, no
end is nearer than where images that were not seen may take it (`kept.unseen_share`): images that
lose or gain all that one can through the band or the run. For runs the share is that of Bonferroni
over all of them, since a different kind of image may be missing from each.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from .intervals import expanded_tail
from .kept import resampled_share, unseen_share
from .score import BOOTSTRAP_RESAMPLES, in_order, resampled_means

# Share of the whole that the bands named hold at least.
MOST_OF_IT = 0.75
# Standard errors below this share of the largest number are rounding.
_ROUNDING = 1e-9


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
    """Ends of intervals of column means, shapes (k,), over the images that make the rows.

    Where one image counts `attainable` at most, with either sign, they are those of
    `kept.resampled_share`; else expanded percentiles, see `expanded_tail`. The rows, shape (n, k),
    are resampled together, in an order of their own values. A single one says nothing of others:
    its ends are what is attainable.
    """
    images, columns = rows.shape
    if images < 2:
        return np.full(columns, -attainable), np.full(columns, attainable)
    if np.isfinite(attainable):
        low, high = resampled_share(rows / attainable, seed, least=-1.0).ends(confidence)
        return attainable * low.clip(-1.0, 1.0), attainable * high.clip(-1.0, 1.0)
    drawn = resampled_means(rows[in_order(rows)], seed)
    tail = expanded_tail(images, confidence)
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return low, high


def most_of_run(members: int, players: int) -> float:
    """The largest sum of Shapley values of some players of a game whose values are 0 and 1.

    The sum is linear in the values of the game, so the largest takes 1 where the coefficient is
    positive. A coalition of s players, r of them among the L of M, has
    ``r w(s - 1) - (L - r) w(s)``, with ``w(s) = s! (M - 1 - s)! / M!``.

    Examples
    --------
    >>> most_of_run(1, 8), most_of_run(8, 8)
    (1.0, 1.0)
    """
    total = 0.0
    for size in range(1, players + 1):
        enters = 1.0 / (players * comb(players - 1, size - 1))
        leaves = 1.0 / (players * comb(players - 1, size)) if size < players else 0.0
        for inside in range(max(0, size - players + members), min(members, size) + 1):
            worth = inside * enters - (members - inside) * leaves
            ways = comb(members, inside) * comb(players - members, size - inside)
            total += ways * max(0.0, worth)
    return round(total, 12)


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
    attainable : float
        What one image counts at most through one band, with either sign. For runs no end lies
        beyond what they can sum to, see `most_of_run`.
    models : int
        2 where the rows are differences of two models, which can be twice as large; an image that
        was not seen counts one answer all the same.
    """

    def __init__(
        self,
        rows: NDArray[np.float64],
        confidence: float,
        seed: int,
        longest: int | None = None,
        attainable: float = np.inf,
        models: int = 1,
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
        errors = sums.std(axis=0, ddof=1) / np.sqrt(images)
        varies = errors > _ROUNDING * np.abs(sums).max()
        errors = np.where(varies, errors, 0.0)
        drawn = resampled_means(rows[in_order(rows)], seed, BOOTSTRAP_RESAMPLES) @ member.T
        off = np.abs(drawn - self.means)
        furthest = np.where(varies, off / np.where(varies, errors, 1.0), 0.0).max(axis=1)
        widening = float(np.sqrt(images / (images - 1)))
        if np.isfinite(attainable):
            # With an image more at either end, as `paired.right_answers` has them: few images that
            # lose something have too small an error just where there are fewer than elsewhere.
            one = np.full_like(sums[:1], attainable)
            padded = np.concatenate([sums, one, -one]).std(axis=0) / np.sqrt(images + 2)
            errors = np.maximum(errors, padded)
        half = float(np.quantile(furthest, confidence)) * widening * errors
        self._ends = self.means - half, self.means + half
        if np.isfinite(attainable):
            unseen = unseen_share(images, (1.0 - confidence) / (2 * len(self.spans)))
            least = {count: attainable * most_of_run(count, bands) for count in range(1, most + 1)}
            bounds = models * np.array([least[1 + last - first] for first, last in self.spans])
            low, high = (
                (1.0 - unseen) * self.means + sign * unseen * attainable for sign in (-1.0, 1.0)
            )
            # An estimate of drawn coalitions may lie beyond what is attainable itself.
            self._ends = (
                np.minimum(np.minimum(self._ends[0], low).clip(-bounds, bounds), self.means),
                np.maximum(np.maximum(self._ends[1], high).clip(-bounds, bounds), self.means),
            )

    def run(self, first: int, last: int) -> Run:
        """One of them."""
        at = self.spans.index((first, last))
        return Run(first, last, *(float(each[at]) for each in (self.means, *self._ends)))


def largest_run(
    rows: NDArray[np.float64], confidence: float, seed: int, attainable: float = np.inf
) -> Run | None:
    """The fewest neighbouring bands that hold `MOST_OF_IT` of a positive sum over all bands.

    Of several runs of as few, that with the largest sum. None where it takes more than half of the
    bands, so that naming them says little, or where the sum is not positive. The interval is one of
    `RunSums` of up to half of the bands, whose parameters these are.
    """
    sums = RunSums(rows, confidence, seed, max(1, rows.shape[1] // 2), attainable)
    widths = np.array([1 + last - first for first, last in sums.spans])
    whole = float(rows.mean(axis=0).sum())
    enough = sums.means >= MOST_OF_IT * whole
    if whole <= 0 or not enough.any():
        return None
    few = np.where(enough & (widths == widths[enough].min()), sums.means, -np.inf)
    return sums.run(*sums.spans[int(few.argmax())])
