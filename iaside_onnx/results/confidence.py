"""How sure a model is of its answers, clean and perturbed, beside how often they are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.calibration import calibrated_error, expected_calibration_error
from ..mathematics.score import in_order, resampled_means
from .spread import RESAMPLES, Spread, plain


@dataclass(frozen=True)
class Confidence:
    """Of some answers; arrays of one shape.

    Attributes
    ----------
    gap : Spread
        Mean confidence less accuracy: above 0 a model is surer than it is right.
    when_wrong : Spread
        Mean confidence of the wrong answers; not a number where there are none.
    ece : ndarray
        Expected calibration error in 15 bins of equal width.
    ece_if_calibrated : ndarray
        What it would be on average of so few images if the model were calibrated.
    """

    gap: Spread
    when_wrong: Spread
    ece: NDArray[np.float64]
    ece_if_calibrated: NDArray[np.float64]

    def __getitem__(self, place: Any) -> Confidence:
        """The same of some entries."""
        ece = [np.asarray(each[place]) for each in (self.ece, self.ece_if_calibrated)]
        return Confidence(self.gap[place], self.when_wrong[place], *ece)

    def summary(self) -> dict[str, Any]:
        """Plain JSON values; null where a quantity is not defined."""
        return {
            "gap": self.gap.json(),
            "when_wrong": self.when_wrong.json(),
            "ece": plain(self.ece),
            "ece_if_calibrated": plain(self.ece_if_calibrated),
        }


@dataclass(frozen=True)
class Confidences:
    """Of the answers to clean images, to those under each perturbation, and to all of these.

    Intervals are percentile bootstrap intervals over images, each with its own answers. Over
    several severities gap and errors are means of theirs, and `Confidence.when_wrong` is that of
    all their wrong answers together.

    Attributes
    ----------
    clean, perturbed : Confidence of shape ()
    perturbations : Confidence of shape (P,)
    cells : Confidence of shape (P, S)
    """

    clean: Confidence
    perturbed: Confidence
    perturbations: Confidence
    cells: Confidence


def confidences(
    clean: tuple[NDArray[Any], NDArray[np.bool_]],
    perturbed: tuple[NDArray[Any], NDArray[np.bool_]],
    seed: int,
    level: float,
) -> Confidences:
    """Confidence in answers, from the probability of each and whether it is wrong.

    Parameters
    ----------
    clean : tuple of ndarrays, shape (n,)
    perturbed : tuple of ndarrays, shape (n, P, S)
    seed : int
        Of the resamples, which do not depend on the order of the images.
    level : float
        Coverage of the intervals.
    """
    cells = perturbed[0].shape[1:]
    # The clean image comes before the cells.
    sure, wrong = (
        np.concatenate([one[:, None], many.reshape(len(one), -1)], axis=1)
        for one, many in zip(clean, perturbed, strict=True)
    )
    sure = sure.astype(np.float64)
    order = in_order(np.concatenate([sure, wrong], axis=1))
    sure, wrong = sure[order], wrong[order]
    rows = np.concatenate([sure - ~wrong, sure * wrong, wrong], axis=1)
    drawn = resampled_means(rows, seed, RESAMPLES)
    means = np.concatenate([rows.mean(axis=0)[None], drawn]).reshape(len(drawn) + 1, 3, -1)
    sure = sure.clip(0.0, 1.0)  # rounding may carry a probability beyond 1
    errors = np.stack([expected_calibration_error(sure, ~wrong), calibrated_error(sure, seed)])

    def of(values: NDArray[Any], ece: NDArray[Any], *axes: int) -> Confidence:
        """Means over axes of the cells; `values` has two axes more, and `ece` one."""
        gap, missed, share = values.swapaxes(0, 1)
        behind = tuple(axis + 1 for axis in axes)
        with np.errstate(invalid="ignore"):
            ratio = missed.sum(axis=behind) / share.sum(axis=behind) if axes else missed / share
        gap = gap.mean(axis=behind) if axes else gap
        ece = ece.mean(axis=behind) if axes else ece
        return Confidence(Spread.of(gap, level), Spread.of(ratio, level), ece[0], ece[1])

    original = of(means[..., 0], errors[:, 0])
    means = means[..., 1:].reshape(*means.shape[:2], *cells)
    errors = errors[:, 1:].reshape(2, *cells)
    return Confidences(original, of(means, errors, 0, 1), of(means, errors, 1), of(means, errors))
