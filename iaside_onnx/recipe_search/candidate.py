"""What one preprocessing recipe gave on labelled images, and how two of them compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ..preprocessing.preprocess import Preprocess

LEVEL = 0.05
_PER_IMAGE = ("predicted", "targets", "right5", "log_prob", "finite")
# Mean gain of log-probability, in nats, that is too small to matter.
NEGLIGIBLE = 0.02
# Of the bootstrap: draws, and images below which it is not trusted.
_DRAWS, _LEAST_IMAGES = 4000, 8


@dataclass(frozen=True)
class Candidate:
    """A recipe and a label offset with what they gave on every image.

    Attributes
    ----------
    values, geometry : str
        Names on the two axes.
    recipe : Preprocess
        Settled for the input's size; named after the preset that it equals, else "".
    label_offset, classes : int
        What is added to labels; classes of the model.
    predicted, targets : ndarray of int64, shape (n,)
        The model's first choice, and the true class under this label offset.
    right5 : ndarray of bool, shape (n,)
        The true class is among the model's first five.
    log_prob : ndarray of float64, shape (n,)
        Log-probability of the true class.
    finite : ndarray of bool, shape (n,)
        Images for which the model returned finite scores; others count as wrong.
    """

    values: str
    geometry: str
    recipe: Preprocess
    label_offset: int
    classes: int
    predicted: NDArray[np.int64]
    targets: NDArray[np.int64]
    right5: NDArray[np.bool_]
    log_prob: NDArray[np.float64]
    finite: NDArray[np.bool_]

    @classmethod
    def joined(cls, parts: Sequence[Candidate]) -> Candidate:
        """The same candidate on the images of all parts."""
        whole: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in _PER_IMAGE
        }
        return replace(parts[0], **whole)

    def on(self, rows: NDArray[np.intp]) -> Candidate:
        """The same candidate on some of the images."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _PER_IMAGE})

    @property
    def right(self) -> NDArray[np.bool_]:
        """The true class is the model's first choice, shape (n,)."""
        return np.asarray(self.finite & (self.predicted == self.targets))

    @property
    def chance(self) -> float:
        """Accuracy of as many guesses of each class that do not look at the images."""
        shares = np.bincount(self.predicted, minlength=self.classes) / len(self.predicted)
        return float(max(shares[self.targets].mean(), 1.0 / self.classes))

    def above_chance(self, tried: int) -> bool:
        """Right more often than the best of `tried` candidates that only guess."""
        count = len(self.right)
        return bool(tried * stats.binom.sf(self.right.sum() - 1, count, self.chance) <= LEVEL)

    @property
    def right_renumbered(self) -> NDArray[np.bool_]:
        """Right if the model's classes had other numbers, shape (n,).

        Each answer is read as the label that most of the other images with that answer have.
        """
        pairs, where, counts = np.unique(
            np.stack([self.predicted, self.targets], axis=1),
            axis=0,
            return_inverse=True,
            return_counts=True,
        )
        usual = np.empty(len(pairs), bool)
        for row, (answer, _) in enumerate(pairs):
            others = counts * (pairs[:, 0] == answer)
            others[row] -= 1
            usual[row] = others[row] > 0 and others.argmax() == row
        return np.asarray(self.finite & usual[where.ravel()])

    def usual_answers(self) -> dict[int, int]:
        """The model's most frequent answer to the images of each label."""
        return {
            int(target) - self.label_offset: int(
                np.bincount(self.predicted[self.targets == target]).argmax()
            )
            for target in np.unique(self.targets)
        }

    @property
    def rank(self) -> tuple[float, float]:
        """Larger is better: accuracy, then mean log-probability."""
        return float(self.right.mean()), float(self.log_prob.mean())

    def better_than(self, other: Candidate) -> float:
        """P-value of "no better than the other", paired by image; 1 where nothing speaks for it.

        The smallest of three, all one-sided, times six (two sides, three tests): McNemar's exact
        test on right and wrong; Wilcoxon's signed-rank test on log-probabilities, which sees a
        small gain on many images; and a paired bootstrap of their mean, which sees a large gain
        on some.
        """
        smallest = mcnemar(self.right, other.right)
        gain = self.log_prob - other.log_prob
        if gain.any():
            signed_rank = stats.wilcoxon(gain, alternative="greater").pvalue
            smallest = min(smallest, signed_rank, no_gain(gain))
        return float(min(1.0, 6.0 * smallest))

    def clearly_better_than(self, other: Candidate) -> bool:
        """Better by more than chance, and by more than nothing.

        A difference that is as small as it is steady (a mean of 0.5 for one of 127/255) speaks
        against no recipe.
        """
        if self.better_than(other) > LEVEL:
            return False
        matters = float((self.log_prob - other.log_prob).mean()) >= NEGLIGIBLE
        return matters or 6.0 * mcnemar(self.right, other.right) <= LEVEL


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """One-sided exact p-value of "the first is right no more often", paired by image."""
    only_first, only_second = (first & ~second).sum(), (~first & second).sum()
    return float(stats.binom.sf(only_first - 1, only_first + only_second, 0.5))


def no_gain(gain: NDArray[np.float64]) -> float:
    """Share of resamples of the images whose mean gain is not above 0; 1 for few images."""
    if len(gain) < _LEAST_IMAGES or gain.mean() <= 0:
        return 1.0
    drawn = np.random.default_rng(0).integers(0, len(gain), (_DRAWS, len(gain)))
    return float((1 + (gain[drawn].mean(axis=1) <= 0).sum()) / (1 + _DRAWS))
