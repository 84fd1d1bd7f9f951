"""Differences between two models on the same images: intervals, p-values, detectable effects.

Both models' rows of one image are resampled together, so what makes an image hard for both
cancels out (method, section 5: the paired bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from ..errors import UsageError
from .intervals import expanded_tail
from .kept import RESAMPLES as SHARE_RESAMPLES
from .kept import Resampled, resampled_share
from .score import resampled_means

RESAMPLES = 5000
_HALVINGS = 60
# Decimals of means over images beyond which there is only rounding.
_DIGITS = 12
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
        Two-sided p-value of "no difference", of the interval's own kind: below 1 - confidence
        exactly where the interval leaves out 0.
    stderr : float
        Standard error of the difference.
    mde : float
        Minimum detectable effect: a true difference of this size is seen (p < 1 - confidence)
        with a probability of 0.8 at this number of images.
    p_holm : float or None
        Adjusted for the other members of its family, where it has one. The interval is that of
        the quantity alone, as ``p`` is.
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


class Resamples:
    """Column means of tables of several models, and resamples of images, the same for all.

    Parameters
    ----------
    tables : sequence of arrays, each of shape (n, k)
        A row for each image: n at least 2, row i the same image in all.
    confidence : float
        Coverage aimed at, in (0, 1).

    Raises
    ------
    UsageError
        Fewer than two images, tables of different shapes, or values that are not finite.
    """

    def __init__(
        self,
        tables: Sequence[NDArray[Any]],
        confidence: float = 0.95,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> None:
        rows = [np.asarray(table, dtype=np.float64) for table in tables]
        shapes = [table.shape for table in rows]
        if len(set(shapes)) > 1 or len(shapes[0]) != 2 or shapes[0][0] < 2:
            raise UsageError(
                f"tables of shapes {' and '.join(map(str, shapes))}: tables of one shape with at "
                "least two rows are needed"
            )
        if not all(np.isfinite(table).all() for table in rows):
            raise UsageError("the tables hold values that are not finite")
        self.images = len(rows[0])
        self.confidence = confidence
        self._means = np.stack([table.mean(axis=0) for table in rows])
        drawn = resampled_means(np.concatenate(rows, axis=1), seed, resamples)
        self._resampled = np.stack(np.split(drawn, len(rows), axis=1))

    def changes_sign(self, statistic: Statistic) -> bool:
        """True where the sign of a statistic of any of the models is open on such a sample."""
        limit = (1 - self.confidence) / 2
        apart = np.sign(statistic(self._resampled)) != np.sign(statistic(self._means))[:, None]
        return bool((apart.mean(axis=1) > limit).any())


class PairedBootstrap(Resamples):
    """`Resamples` of two models, the reference and the other."""

    def __init__(
        self,
        reference: NDArray[Any],
        other: NDArray[Any],
        confidence: float = 0.95,
        seed: int = 0,
        resamples: int = RESAMPLES,
    ) -> None:
        super().__init__([reference, other], confidence, seed, resamples)

    def differences(self, statistic: Statistic) -> list[Difference]:
        """Differences of a function of the column means.

        The interval is the expanded percentile interval (see `expanded_tail`); the p-value is
        the level at which it just reaches 0. Where the percentile lies further out than the
        resamples resolve (few images, or a confidence close to 1), both go on from the outermost
        resample as a normal distribution would.

        `statistic` takes means of shape (..., k) to values of shape (..., m), which makes m
        differences.
        """
        reference, other = (statistic(means) for means in self._means)
        drawn = np.sort(statistic(self._resampled[1]) - statistic(self._resampled[0]), axis=0)
        freedom = self.images - 1
        widening = np.sqrt(self.images / freedom)
        tail = expanded_tail(self.images, self.confidence)
        difference = other - reference
        low = _quantile(drawn, tail, difference)
        # Subtracting from 0 leaves no negative zero.
        high = 0.0 - _quantile(-drawn[::-1], tail, -difference)
        share = np.minimum(
            _share_below(drawn, tail, difference), _share_below(-drawn[::-1], tail, -difference)
        )
        p = 2 * stdtr(freedom, ndtri(np.minimum(share, 0.5)) / widening)
        stderr = drawn.std(axis=0) * widening
        mde = stderr * detectable(freedom, self.confidence)
        columns = (reference, other, difference, low, high, p, stderr, mde)
        return [Difference(*map(float, row)) for row in zip(*columns, strict=True)]


def _quantile(
    drawn: NDArray[np.float64], share: float, centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Lower quantiles of sorted resamples, shape (R, m), linear between them.

    Below the least share that they resolve, a normal distribution around `centre` goes on from
    the lowest resample.
    """
    least = 1 / (len(drawn) + 1)
    if share <= least:
        further = float(ndtri(share) / ndtri(least)) - 1
        return np.asarray(drawn[0] - np.maximum(centre - drawn[0], 0) * further)
    return np.asarray(np.quantile(drawn, share, axis=0))


def _share_below(
    drawn: NDArray[np.float64], tail: float, centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Largest share whose `_quantile` is not above 0, shape (m,).

    Not below what the resamples resolve, unless `tail`, with which it is compared, is below it.
    """
    count = len(drawn)
    least = 1 / (count + 1)
    below = (drawn <= 0).sum(axis=0)
    columns = np.arange(drawn.shape[1])
    before = drawn[np.maximum(below - 1, 0), columns]
    after = drawn[np.minimum(below, count - 1), columns]
    step = np.where(after > before, after - before, 1.0)
    share = np.where(below < count, (below - 1 - before / step) / (count - 1), 1.0)
    if tail > least:
        return np.maximum(np.where(below > 0, share, 0.0), least)
    # From the lowest resample on, as `_quantile` does; `centre` is above it where all are above 0.
    spread = np.where(centre > drawn[0], centre - drawn[0], np.inf)
    reach = np.where(centre > 0, centre, 0.0) / spread
    beyond = np.where(np.isfinite(spread), ndtr(ndtri(least) * reach), tail / 2)
    lowest = drawn[0] > 0
    return np.where(lowest, np.minimum(beyond, least), np.maximum(share, least))


def detectable(freedom: int, confidence: float) -> float:
    """Standard errors that a difference must measure to be seen with a probability of `POWER`."""
    return float(stdtrit(freedom, 0.5 + confidence / 2) + stdtrit(freedom, POWER))


def right_answers(
    reference: NDArray[np.bool_], other: NDArray[np.bool_], confidence: float = 0.95
) -> Difference:
    """Difference of accuracy of two models on the same images, by one score test.

    The test is Tango's ("Equivalence test and confidence interval for the difference in
    proportions for the paired-sample design", Statistics in Medicine 17(8), 1998), see
    `paired_score`; of no difference it is McNemar's without a correction, (w - l) / sqrt(w + l)
    for w images that the other model alone gets right and l that the reference alone does.

    Parameters
    ----------
    reference, other : array of bool, shape (n,)
        Whether each model is right about each image.

    Notes
    -----
    ``p`` is that of the score test of no difference, the interval all differences that the same
    test does not reject. It keeps a width where both models agree on every image, as a bootstrap
    interval would not.
    """
    images = len(reference)
    lost = int(np.sum(reference & ~other))
    won = int(np.sum(other & ~reference))
    shares = np.array([won + 1, lost + 1]) / (images + 2)
    stderr = float(np.sqrt((shares.sum() - (shares[0] - shares[1]) ** 2) / (images + 2)))
    before, after = float(np.mean(reference)), float(np.mean(other))
    critical = float(ndtri(0.5 + confidence / 2))
    return Difference(
        before,
        after,
        (won - lost) / images,
        _score_end(won, lost, images, critical),
        # Subtracting from 0 leaves no negative zero.
        0.0 - _score_end(lost, won, images, critical),
        2 * float(ndtr(-abs(paired_score(won, lost, images, 0.0)))),
        stderr,
        stderr * (critical + float(ndtri(POWER))),
    )


def mean_differences(
    reference: NDArray[Any],
    other: NDArray[Any],
    confidence: float = 0.95,
    seed: int = 0,
    one: float = 1.0,
) -> list[Difference]:
    """Differences of means over the same images of numbers that are bounded.

    Means over corruptions of right answers are such numbers. Single right answers have
    `right_answers`, numbers without a bound `PairedBootstrap`.

    Parameters
    ----------
    reference, other : array, shape (n, k)
        A row for each image.
    confidence : float
    seed : int
        Of the resamples, which do not depend on the order of the images.
    one : float
        What an image counts that was not seen, with either sign: a whole answer.

    Notes
    -----
    The interval is that of `kept.resampled_share`, which keeps a width where both models say the
    same of every image. The p-value is the level at which it just reaches 0, and not below what
    the resamples resolve. Each column is treated as if it were alone.
    """
    before, after = (np.asarray(each, np.float64) for each in (reference, other))
    # Without rounding, so that ties are ties however the means came about.
    rows = ((after - before) / one).round(_DIGITS)
    images = len(rows)
    found = resampled_share(np.sort(rows, axis=0), seed, least=-1.0)
    found = replace(found, value=found.value.round(_DIGITS), drawn=found.drawn.round(_DIGITS))
    low, high = found.ends(confidence)
    # As many right answers more on either side as `right_answers` counts.
    padded = np.concatenate([rows, np.ones_like(rows[:1]), -np.ones_like(rows[:1])])
    stderr = one * padded.std(axis=0) / np.sqrt(images + 2)
    mde = stderr * float(ndtri(0.5 + confidence / 2) + ndtri(POWER))
    differences = []
    for at in range(rows.shape[1]):
        p = _level_at_none(found[[at]], confidence, (float(low[at]), float(high[at])))
        ends = one * float(low[at]), one * float(high[at])
        value = one * float(found.value[at])
        means = float(before[:, at].mean()), float(after[:, at].mean())
        differences.append(Difference(*means, value, *ends, p, float(stderr[at]), float(mde[at])))
    return differences


def _level_at_none(found: Resampled, confidence: float, ends: tuple[float, float]) -> float:
    """The level at which the interval of one quantity just reaches 0.

    It is on the side of ``1 - confidence`` that the interval, `ends`, says.
    """
    value, level = float(found.value[0]), 1.0 - confidence
    seen = ends[0] > 0.0 or ends[1] < 0.0
    least, most = 2.0 / (SHARE_RESAMPLES + 1), 1.0
    if value == 0.0:
        return most
    for _ in range(_HALVINGS // 2):
        middle = float(np.sqrt(least * most))
        low, high = found.ends(1.0 - middle)
        out = low[0] > 0.0 or high[0] < 0.0
        least, most = (least, middle) if out else (middle, most)
    if seen:
        return min(most, float(np.nextafter(level, 0.0)))
    return max(most, level)


def paired_score(won: int, lost: int, images: int, difference: float) -> float:
    """Tango's score statistic of a difference of two paired proportions, normal if it is true.

    ``(w - l - n d) / sqrt(n (2 q + d (1 - d)))``, with q the share of images that the reference
    alone gets right, estimated under the difference d: the larger root of
    ``2 n q^2 + (-w - l + (2 n - w + l) d) q - l d (1 - d) = 0``.

    `won` and `lost` are the images that the other model alone, that the reference alone gets right;
    the difference is in [-1, 1].
    """
    linear = -won - lost + (2 * images - won + lost) * difference
    constant = -lost * difference * (1 - difference)
    root = np.sqrt(max(0.0, linear**2 - 8 * images * constant))
    share = (root - linear) / (4 * images)
    variance = images * (2 * share + difference * (1 - difference))
    distance = won - lost - images * difference
    if distance == 0:
        return 0.0
    return (
        float(distance / np.sqrt(variance)) if variance > 0 else float(np.sign(distance) * np.inf)
    )


def _score_end(won: int, lost: int, images: int, critical: float) -> float:
    """Lower end of the score interval: the least difference that is not rejected."""
    low, high = -1.0, (won - lost) / images
    # The end is on the side of 0 that the test of no difference says, whatever rounding does.
    if high > 0:
        at_none = paired_score(won, lost, images, 0.0)
        low, high = (0.0, high) if at_none > critical else (low, 0.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if paired_score(won, lost, images, middle) > critical:
            low = middle
        else:
            high = middle
    return high


def holm(p: NDArray[Any]) -> NDArray[np.float64]:
    """p-values adjusted by Holm's step-down method, which keeps the family-wise error rate.

    With the p-values sorted, ``adjusted_k = max over j <= k of min(1, (m - j + 1) * p_j)``
    (Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6(2), 1979).

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
