"""Scale and offset of the pixels, fitted to labelled images, for models that no preset suits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from ..inference.classifier import Classifier
from ..inference.model import Affine
from ..mathematics.temperature import log_softmax
from ..preprocessing.preprocess import Preprocess

Numbers = NDArray[np.float64]

# Where the search begins: factors on the scale, and offsets in units of the scale.
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
_OFFSETS = (-0.5, 0.0, 0.5)
_EVALUATIONS, _EVALUATIONS_APART = 40, 120
MOST_EVALUATIONS = 2 * (len(_FACTORS) * len(_OFFSETS) + _EVALUATIONS) + _EVALUATIONS_APART + 3
_DIGITS = 4
_NEGLIGIBLE = 0.05


def fitted_values(
    classifier: Classifier,
    pixels: NDArray[np.float32],
    targets: NDArray[np.int64],
    start: Preprocess,
    *,
    apart: bool,
    advance: Callable[[int], None] = lambda _: None,
) -> Preprocess:
    """Values under which the true classes of some images are most probable.

    Parameters
    ----------
    pixels : ndarray of float32, shape (n, C, H, W)
        In pixel space.
    targets : ndarray of int64, shape (n,)
    start : Preprocess
        Its values are where the search begins; its channel order stays.
    apart : bool
        A scale and an offset for each channel, instead of one of each on top of `start`.
    advance : callable
        Takes the forward passes done by each evaluation.

    Returns
    -------
    Preprocess
        Named "fitted"; its numbers have four digits.
    """
    order, gain, shift = start.affine(classifier.form.channels)
    starts = [(gain.astype(np.float64), shift.astype(np.float64))]
    if not apart:  # the start's own proportions between channels, and none at all
        starts.append((np.full_like(gain, np.median(gain), float),
                       np.full_like(shift, np.median(shift), float)))  # fmt: skip

    def cost(gain: Numbers, shift: Numbers) -> float:
        model = copy.copy(classifier.model)
        model.affine = Affine(order, gain.astype(np.float32), shift.astype(np.float32))
        logits = classifier.logits(np.nan_to_num(model.scores(pixels)).astype(np.float32))
        advance(len(pixels))
        return -float(log_softmax(logits)[np.arange(len(targets)), targets].mean())

    fits = [_fit(cost, *each, apart=apart) for each in starts]
    costs = [cost(*fit) for fit in fits]
    # The last, which is simpler, where the other is not better by more than next to nothing.
    best = fits[0] if costs[0] < costs[-1] - _NEGLIGIBLE else fits[-1]
    return _recipe(replace(start, name="fitted"), *best)


def _fit(
    cost: Callable[[Numbers, Numbers], float], gain: Numbers, shift: Numbers, *, apart: bool
) -> tuple[Numbers, Numbers]:
    """Gain and shift of least cost near those given."""
    unit = float(np.median(np.abs(gain)))
    count = len(gain) if apart else 1

    def values(point: Numbers) -> tuple[Numbers, Numbers]:
        factor = np.exp(np.clip(np.asarray(point[:count], np.float64), -8, 8))
        moved = shift * (1 if apart else factor) + unit * factor * point[count:]
        return np.asarray(gain * factor, np.float64), np.asarray(moved, np.float64)

    def at(point: Numbers) -> float:
        return cost(*values(point))

    first = np.zeros(2 * count)
    if not apart:
        grid = [np.array([np.log(a), b]) for a in _FACTORS for b in _OFFSETS]
        first = min(grid, key=at)
    steps = np.concatenate([np.full(count, 0.4), np.full(count, 0.2)])
    simplex = np.vstack([first, first + np.diag(steps)])
    most = _EVALUATIONS_APART if apart else _EVALUATIONS
    options = {"maxfev": most, "initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-4}
    optimum = optimize.minimize(at, first, method="Nelder-Mead", options=options)
    return values(np.asarray(optimum.x))


def _recipe(like: Preprocess, gain: NDArray[np.float64], shift: NDArray[np.float64]) -> Preprocess:
    """A recipe of these values: one scale and mean where they are one, else mean and deviation."""
    if np.allclose(gain, gain[0], rtol=1e-6) and np.allclose(shift, shift[0], rtol=1e-6):
        return replace(like, scale=_short(gain[0]), mean=(_short(-shift[0]),), std=(1.0,))
    mean = tuple(_short(-offset / factor) for offset, factor in zip(shift, gain, strict=True))
    return replace(like, scale=1.0, mean=mean, std=tuple(_short(1 / factor) for factor in gain))


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
