"""A linear filter between a perturbation and a model: gain per frequency, and a kernel for it.

Of all linear filters the one with the gain ``sum Re(conj(X') X) / sum |X'|^2`` brings perturbed
images X' nearest to their clean forms X in the mean square (Wiener, "Extrapolation, interpolation,
and smoothing of stationary time series", 1949). Here gains are cut to [0, 1], so the filter only
takes away, and are 1 at frequency 0, so that it leaves the mean of an image alone and commutes with
any normalisation of its channels.

Images are extended by reflection at their borders, ``d c b | a b c d | c b a``, as the convolution
will do it. The spectrum of such an extension is the discrete cosine transform of type I, and
convolution with a kernel that is symmetric along both axes is a product there, borders included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

# Largest kernel that is tried, and the share of the wanted change that a smaller one may miss.
LARGEST = 15
_MISSED = 0.01
# What keeps frequencies without power out of the equations, as a share of their mean.
_RIDGE = 1e-8
_NOTHING = 1e-12

Array = NDArray[np.float64]


class Spectra:
    """Sums over pairs of clean and perturbed images, per frequency.

    Parameters
    ----------
    height, width : int
        Of the images, at least 2 each.
    """

    def __init__(self, height: int, width: int) -> None:
        self._cross, self._power = np.zeros((height, width)), np.zeros((height, width))

    def add(self, clean: NDArray[Any], perturbed: NDArray[Any]) -> None:
        """Take in an image and its perturbed form, each of shape (C, H, W)."""
        own, other = (
            dctn(np.asarray(image, np.float64), type=1, axes=(1, 2)) for image in (clean, perturbed)
        )
        self._cross += (own * other).sum(axis=0)
        self._power += (other * other).sum(axis=0)

    @property
    def power(self) -> Array:
        """Of the perturbed images, shape (H, W), each frequency as often as its extension has it.

        0 at frequency 0, where the gain is fixed.
        """
        power = self._power * np.outer(*map(_often, self._power.shape))
        power[0, 0] = 0.0
        return power

    def gain(self, *, by_ring: bool = True) -> Array:
        """Gain per frequency, shape (H, W), in [0, 1].

        By ring it is the same at all frequencies of one ring, which is as wide as the frequencies
        of the shorter side lie apart: fewer numbers from the same images, and smoother.
        """
        cross: Array = self._cross
        power: Array = self._power
        if by_ring:
            ring = self._rings()
            often = np.outer(*map(_often, power.shape))
            cross, power = (
                np.asarray(np.bincount(ring.ravel(), (part * often).ravel())[ring], np.float64)
                for part in (cross, power)
            )
        gains = np.divide(cross, power, out=np.ones_like(cross), where=power > 0)
        gains[0, 0] = 1.0
        return np.clip(gains, 0.0, 1.0)

    def _rings(self) -> NDArray[np.intp]:
        height, width = self._power.shape
        radius = np.hypot(
            np.linspace(0.0, 1.0, height)[:, None], np.linspace(0.0, 1.0, width)[None]
        )
        return np.asarray(np.rint(radius * (min(height, width) - 1)), np.intp)


@dataclass(frozen=True)
class Kernel:
    """A convolution kernel whose weights sum to 1.

    Attributes
    ----------
    weights : ndarray, shape (n, n)
        n odd; symmetric along both axes.
    missed : float
        Share of the wanted change of perturbed images, as mean square, that it does not make.
    """

    weights: Array
    missed: float

    @property
    def size(self) -> int:
        """Weights along one axis."""
        return len(self.weights)

    def at(self, strength: float) -> Array:
        """The kernel between nothing (0) and itself (1)."""
        weights = strength * self.weights
        weights[self.size // 2, self.size // 2] += 1.0 - strength
        return weights


def kernel_of_size(gain: Array, power: Array, size: int) -> Kernel:
    """The kernel of odd size, with weights that sum to 1, whose response is nearest to a gain.

    The distance is weighted by the power of the perturbed images, so it is the mean square of what
    is wrong with the filtered images.

    Parameters
    ----------
    gain, power : ndarray, shape (H, W)
        As `Spectra` has them.
    size : int
        Odd, and at most ``2 min(H, W) - 1``.
    """
    radius = size // 2
    rows, columns = (_waves(sides, radius) for sides in gain.shape)
    counts = np.outer(rows[0], columns[0]).ravel()
    pairs = np.einsum("ui,uk,uv->ikv", rows, rows, power, optimize=True)
    square = np.einsum("ikv,vj,vl->ijkl", pairs, columns, columns, optimize=True)
    equations = np.zeros((len(counts) + 1, len(counts) + 1))
    equations[:-1, :-1] = square.reshape(len(counts), len(counts))
    ridge = _RIDGE * np.trace(equations) / len(counts) + _NOTHING
    equations[:-1, :-1] += ridge * np.eye(len(counts))
    equations[-1, :-1] = equations[:-1, -1] = counts
    wanted = np.append((rows.T @ (power * gain) @ columns).ravel(), 1.0)
    quarter = np.linalg.solve(equations, wanted)[:-1].reshape(radius + 1, radius + 1)
    change = float((power * (1.0 - gain) ** 2).sum())
    left = float((power * (rows @ quarter @ columns.T - gain) ** 2).sum())
    places = np.abs(np.arange(-radius, radius + 1))
    weights = quarter[np.ix_(places, places)]
    # Their sum is 1 but for rounding.
    weights[radius, radius] += 1.0 - weights.sum()
    nothing = change <= _NOTHING * float(power.sum())
    return Kernel(weights, 0.0 if nothing else left / change)


def smallest_kernel(gain: Array, power: Array) -> Kernel:
    """The smallest kernel that makes all but a hundredth of the wanted change, or the best one."""
    largest = min(LARGEST, 2 * min(gain.shape) - 1)
    tried: list[Kernel] = []
    for size in range(3, largest + 1, 2):
        tried.append(kernel_of_size(gain, power, size))
        if tried[-1].missed <= _MISSED:
            return tried[-1]
    return min(tried, key=lambda kernel: kernel.missed)


def filtered(images: NDArray[np.float32], weights: NDArray[Any]) -> NDArray[np.float32]:
    """Images, shape (..., H, W), convolved with a kernel, their borders reflected."""
    radius = len(weights) // 2
    height, width = images.shape[-2:]
    around = [(0, 0)] * (images.ndim - 2) + [(radius, radius)] * 2
    padded = np.pad(images, around, mode="reflect")
    result = np.zeros(images.shape, np.float32)
    for (row, column), weight in np.ndenumerate(np.asarray(weights, np.float32)):
        result += weight * padded[..., row : row + height, column : column + width]
    return result


def _often(length: int) -> Array:
    """How often each frequency stands in the spectrum of an extension."""
    often = np.full(length, 2.0)
    often[[0, -1]] = 1.0
    return often


def _waves(length: int, radius: int) -> Array:
    """Response to each distance from a kernel's centre at each frequency, (length, radius + 1)."""
    distances = np.arange(radius + 1)
    waves = np.cos(np.pi * np.outer(np.arange(length), distances) / (length - 1))
    return np.asarray(waves * np.where(distances > 0, 2.0, 1.0))
