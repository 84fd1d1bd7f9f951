"""What a model keeps of its accuracy under corruptions, with intervals that few images do not fool.

``kept = (A_c - q) / (A_clean - q)``: accuracy A_c under corruption c and A_clean on clean
images, both counted from the accuracy q of guessing. 1 is as on clean images, 0 no better than
guessing.

The intervals are of the bootstrap over images, the answers to an image and to its corrupted
versions together, with percentiles that are corrected for bias and skewness (BCa; Efron, "Better
bootstrap confidence intervals", Journal of the American Statistical Association 82, 1987): where a
corruption costs few images all their right answers, plain percentiles see too few of those and err
on the side of "kept". Two things need more than that:

- n images that all say the same have resamples that all say the same, so no width. What n images
  did not show may yet happen to a share 1 - tail^(1/n) of all others. So an end is never nearer
  than where such a share takes it: for the lower end images that only the clean version of is
  answered right, for the upper end images of which only the corrupted one is.
- A resample may lie at or below q on clean images, where the ratio says nothing. It counts as
  below every lower end and as above every upper one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .score import in_order, resampled_means

RESAMPLES = 4000
# With fewer images there is no verdict.
LEAST_IMAGES = 30
# Half a hair: what a threshold and a quotient that should be equal may differ by.
_ROUNDING = 1e-9
# Of means, so that what is equal is equal however it was summed up.
_DIGITS = 12
# Shares of resamples nearer to 0 or 1 have no normal quantile.
_HAIR = 1e-6
# More images than anyone measures decide nothing.
_MOST_IMAGES = 10_000_000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Resampled:
    """A quantity of n images and its resamples, from which intervals of any confidence follow.

    Attributes
    ----------
    value : ndarray, shape (k,)
        Not a number where it is not defined.
    drawn : ndarray, shape (resamples, k)
        Not a number where a resample does not define it.
    acceleration : ndarray, shape (k,)
        A sixth of the skewness of the quantity over samples, from its jackknife to first order.
    images : int
    means : ndarray, shape (k,)
        Shares of right answers.
    clean : float or None
        The same of clean images; None where the quantity is the shares themselves.
    guess : float
        Accuracy of guessing.
    least : float
        What an image can count at least, where the quantity is the means themselves; at most 1.
    """

    value: Array
    drawn: Array
    acceleration: Array
    images: int
    means: Array
    clean: float | None
    guess: float
    least: float = 0.0

    def __getitem__(self, places: Any) -> Resampled:
        """The same of some of the quantities."""
        parts = self.value[places], self.acceleration[places], self.means[places]
        value, acceleration, means = parts
        drawn = self.drawn[:, places]
        return replace(self, value=value, drawn=drawn, acceleration=acceleration, means=means)

    def ends(self, confidence: float) -> tuple[Array, Array]:
        """Lower and upper ends, shape (k,), infinite where nothing bounds the quantity."""
        tail = (1.0 - confidence) / 2
        low, high = (
            self._end(ordered, share)
            for ordered, share in zip(self._ordered, (tail, 1.0 - tail), strict=True)
        )
        least, most = self._unseen(tail)
        low, high = np.minimum(low, least), np.maximum(high, most)
        undefined = np.isnan(self.value)
        return np.where(undefined, -np.inf, low), np.where(undefined, np.inf, high)

    @cached_property
    def _ordered(self) -> tuple[Array, Array]:
        """Resamples in order, what is not defined below all others, and above."""
        ordered = np.sort(self.drawn, axis=0)
        if not np.isnan(ordered[-1]).any():
            return ordered, ordered
        below = np.sort(np.where(np.isnan(self.drawn), -np.inf, self.drawn), axis=0)
        return below, np.where(np.isnan(ordered), np.inf, ordered)

    def _end(self, ordered: Array, share: float) -> Array:
        """The corrected percentile of each quantity at a share of the resamples."""
        normal, last = NormalDist(), len(ordered) - 1
        less = (ordered < self.value).sum(axis=0) + (ordered == self.value).sum(axis=0) / 2
        bias = [normal.inv_cdf(min(max(each / (last + 1), _HAIR), 1 - _HAIR)) for each in less]
        at = []
        for shift, skew in zip(bias, self.acceleration.tolist(), strict=True):
            moved = shift + normal.inv_cdf(share)
            room = 1.0 - skew * moved
            corrected = normal.cdf(shift + moved / room) if room > 0 else round(share)
            place = corrected * last
            at.append(int(np.floor(place) if share < 0.5 else np.ceil(place)))
        return np.asarray(np.take_along_axis(ordered, np.array(at)[None], axis=0)[0])

    def _unseen(self, tail: float) -> tuple[Array, Array]:
        share = unseen_share(self.images, tail)
        fewer = (1.0 - share) * self.means
        if self.clean is None:
            return fewer + share * self.least, fewer + share
        clean = (1.0 - share) * self.clean
        return (
            kept(fewer, clean + share, self.guess),
            np.nan_to_num(kept(fewer + share, clean, self.guess), nan=np.inf),
        )


def unseen_share(images: int, tail: float) -> float:
    """The largest share of all images that is missing among so many with a probability of `tail`.

    Examples
    --------
    >>> round(unseen_share(40, 0.025), 3)
    0.088
    """
    return float(1.0 - tail ** (1.0 / images))


def kept(right: Any, clean: Any, guess: float) -> Array:
    """What is kept of the accuracy on clean images; not a number where that is at most q.

    Parameters
    ----------
    right, clean : array
        Shares of right answers to corrupted and to clean images, of shapes that broadcast.
    guess : float
        q, the share of right answers that guessing gives.

    Examples
    --------
    >>> round(float(kept(0.5, 0.9, 0.1)), 3)
    0.5
    """
    above = np.asarray(right, np.float64) - guess
    room = np.asarray(clean, np.float64) - guess
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(room > 0.0, above / room, np.nan))


def resampled_kept(clean: NDArray[Any], right: NDArray[Any], guess: float, seed: int) -> Resampled:
    """What is kept under k corruptions, with its resamples.

    Parameters
    ----------
    clean : array of bool, shape (n,)
        Right answers to clean images.
    right : array, shape (n, k)
        Right answers to each image under each corruption, in [0, 1] where it is a mean over
        severities.
    guess : float
    seed : int
        Of the resamples, which do not depend on the order of the images.
    """
    rows = np.column_stack([clean, right]).astype(np.float64)
    rows = rows[in_order(rows)]
    means, drawn = rows.mean(axis=0), resampled_means(rows, seed, RESAMPLES)
    value = kept(means[1:], means[0], guess)
    resamples = kept(drawn[:, 1:], drawn[:, :1], guess)
    # What each image adds to the ratio, to first order and but for a factor.
    own = rows[:, 1:] - guess - np.nan_to_num(value) * (rows[:, :1] - guess)
    skew = _acceleration(own)
    return Resampled(value, resamples, skew, len(rows), means[1:], float(means[0]), guess)


def resampled_share(right: NDArray[Any], seed: int, least: float = 0.0) -> Resampled:
    """Means over images, shape (n, k), of numbers from `least` to 1, with their resamples.

    Each is resampled in its own order, so that its interval is the same whatever stands beside it.
    """
    rows = np.sort(np.asarray(right, np.float64), axis=0)
    means, drawn = rows.mean(axis=0), resampled_means(rows, seed, RESAMPLES)
    means, drawn = (np.round(each, _DIGITS) for each in (means, drawn))
    return Resampled(means, drawn, _acceleration(rows), len(rows), means, None, 0.0, least)


def _acceleration(rows: Array) -> Array:
    """Of the means of columns: sum of cubes over six times the sum of squares to the 3/2."""
    off = rows - rows.mean(axis=0)
    squares = (off**2).sum(axis=0)
    cubes = (off**3).sum(axis=0)
    flat = squares < _ROUNDING
    return np.asarray(np.where(flat, 0.0, cubes / (6 * np.where(flat, 1.0, squares) ** 1.5)))


def strict_confidence(confidence: float, corruptions: int) -> float:
    """Confidence at which one of several corruptions may fall short: Bonferroni's correction."""
    return 1.0 - (1.0 - confidence) / corruptions


def decision(low: Array, high: Array, keep: float) -> str:
    """The verdict on a group of corruptions.

    Parameters
    ----------
    low : ndarray, shape (k,)
        Lower ends of what is kept under each.
    high : ndarray, shape (k,)
        Upper ends at `strict_confidence`.
    keep : float
        What has to be kept.

    Returns
    -------
    str
        "robust" where every lower end reaches `keep`, "not robust" where some upper end lies below
        it, else "undecided".

    Examples
    --------
    >>> decision(np.array([0.8, 0.9]), np.array([0.95, 1.0]), 0.8)
    'robust'
    >>> decision(np.array([0.3, 0.9]), np.array([0.79, 1.0]), 0.8)
    'not robust'
    """
    if bool((low >= keep - _ROUNDING).all()):
        return "robust"
    return "not robust" if bool((high < keep - _ROUNDING).any()) else "undecided"


def images_that_decide(
    value: Array, low: Array, high: Array, keep: float, images: int
) -> int | None:
    """About how many images would decide, should the estimates stay as they are.

    Intervals shrink with the root of the number of images. One corruption that falls short is
    enough for "not robust"; for "robust" all have to reach `keep`. The arguments are those of
    `decision` and the estimates; None where no number would.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        short = ((high - value) / (keep - value)) ** 2
        enough = ((value - low) / (value - keep)) ** 2
    below = value < keep - _ROUNDING
    factor = float(short[below].min() if below.any() else enough.max())
    if not factor < _MOST_IMAGES / images:
        return None
    return max(images + 1, LEAST_IMAGES, int(np.ceil(round(factor * images, 6))))
