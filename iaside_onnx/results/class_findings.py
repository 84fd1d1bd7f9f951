"""Whether there is anything to read of single classes: what all bands give each one over none.

The shares of a class are shares of its gain, as those of a whole report are (`precondition`). A
class that the model knows as well without any band has none, and the shift that makes shares of
its values would crown the band of least effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ..mathematics.profiles import class_spread, credibility
from ..mathematics.proportion import mean_interval
from ..plurals import counted
from .precondition import LEVEL, floored, least_gain


@dataclass(frozen=True)
class ClassGains:
    """What all bands give each class over none, in log-probability.

    Attributes
    ----------
    labels, images : ndarray of int64, shape (C,)
        Classes in ascending order, and how many images each has.
    empty, grand : ndarray of float64, shape (C,)
        v(none) and v(all), means over the class's own images.
    low : ndarray of float64, shape (C,)
        Lower 95 % end of the gain; NaN where images are too few for one.
    needed : float
        The gain that a finding needs, 0.1 ln(classes).
    """

    labels: NDArray[np.int64]
    images: NDArray[np.int64]
    empty: NDArray[np.float64]
    grand: NDArray[np.float64]
    low: NDArray[np.float64]
    needed: float

    @property
    def gain(self) -> NDArray[np.float64]:
        """v(all) - v(none) of each class, shape (C,)."""
        return self.grand - self.empty

    @property
    def nothing(self) -> NDArray[np.bool_]:
        """Classes without enough to share out, on their own images."""
        return self.gain <= self.needed

    @property
    def open(self) -> NDArray[np.bool_]:
        """Classes of which the images do not tell whether there is enough to share out."""
        return ~self.nothing & (self.low < self.needed)

    @property
    def order(self) -> NDArray[np.int64]:
        """0 for classes of which something may be read, 1 where that is open, 2 for nothing."""
        return np.where(self.nothing, 2, np.where(self.open, 1, 0))

    def reason(self, row: int) -> str | None:
        """Why nothing may be read of a class, in words; None where something may."""
        ends = f"v(all) {self.grand[row]:.3f}, v(none) {self.empty[row]:.3f}"
        if self.nothing[row]:
            little = "nothing" if self.gain[row] < 0 else "next to nothing"
            return (
                f"{little} to share out between the bands: v(all) - v(none) is "
                f"{self.gain[row]:.3f} in log-probability, and {self.needed:.3f} is needed ({ends})"
            )
        if self.open[row]:
            return (
                "whether there is enough to share out between the bands cannot be decided from "
                f"{counted(int(self.images[row]), 'image')}: v(all) - v(none) is "
                f"{self.gain[row]:.3f}, its lower 95% end {self.low[row]:.3f}, and "
                f"{self.needed:.3f} is needed ({ends})"
            )
        return None


def class_gains(
    labels: NDArray[np.int64], ends: NDArray[np.float64], classes: int, *, few: int
) -> ClassGains:
    """The gain of every class and its lower end, by the rule of `precondition.precondition`.

    The end is that of the credibility estimate, as it is shown of classes (see
    `mathematics.profiles`); where the sample gives none, that of the class's own images from `few`
    on (Student).

    Parameters
    ----------
    labels : ndarray of int64, shape (n,)
    ends : ndarray of float64, shape (n, 2)
        Log-probability of the label with no band, and with all.
    classes : int
        That the model chooses among.
    """
    ends = floored(ends)
    gains = ends[:, 1] - ends[:, 0]
    known, where, images = np.unique(labels, return_inverse=True, return_counts=True)
    empty, grand, gain = (
        np.bincount(where, values) / images for values in (ends[:, 0], ends[:, 1], gains)
    )
    within = np.array([[np.sum((gains - gain[where]) ** 2)]])
    spread = class_spread(gain[:, None], images, within)
    if spread is None:
        low = np.array(
            [
                mean_interval(gains[where == row], LEVEL)[0] if count >= few else np.nan
                for row, count in enumerate(images)
            ]
        )
    else:
        weight = credibility(images, spread.images_for_half)
        error = (1 - weight) ** 2 * (spread.between + spread.centre_covariance)[0, 0]
        error += weight**2 * spread.within[0, 0] / images
        shrunk = weight * gain + (1 - weight) * spread.centre[0]
        low = shrunk - ndtri((1 + LEVEL) / 2) * np.sqrt(error)
    return ClassGains(known.astype(np.int64), images, empty, grand, low, least_gain(classes))
