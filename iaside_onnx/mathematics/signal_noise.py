"""Spectral signal-to-noise ratio of a perturbation (method, section 6).

With X the DFT of an image and D that of what a perturbation adds to it, the sums that everything
here is made of are taken over the frequencies of a ring and over channels, image by image:
``|X|``, ``|X|^2``, ``|D|``, ``|D|^2`` and ``Re(conj(X) D)``. Part 0 is DC, part 1 + k is ring k
without DC.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .bands import partition


@dataclass(frozen=True)
class Rings:
    """The rings of an image size; their edges are those of as many bands of `band_index`.

    `edges` are those of the rings; None: of equal width.
    """

    height: int
    width: int
    rings: int
    norm: str
    edges: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        self.parts  # noqa: B018 - refuses what cannot be, before any work

    @cached_property
    def parts(self) -> NDArray[np.intp]:
        """Part of each frequency of the half plane, flat: 0 for DC, 1 + k for ring k."""
        size, kind = (self.height, self.width), (self.rings, self.norm)
        parts = partition(*size, *kind, edges=self.edges, parameter="rings") + 1
        parts[0, 0] = 0
        return parts[:, : self.width // 2 + 1].ravel()

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """How many frequencies of the whole plane each one of the half plane stands for."""
        twice = np.full(self.width // 2 + 1, 2.0)
        twice[0] = 1.0
        if self.width % 2 == 0:
            twice[-1] = 1.0
        return np.tile(twice, self.height)

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """Frequencies in each part, shape (rings + 1,)."""
        return np.asarray(np.bincount(self.parts, self.weights, self.rings + 1), np.float64)

    def spectrum(self, image: NDArray[Any]) -> NDArray[np.complexfloating[Any, Any]]:
        """The half plane of an image's DFT, flat: shape (C, H * (W // 2 + 1))."""
        return np.asarray(scipy.fft.rfft2(image).reshape(len(image), -1))

    def sums(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Sums over the frequencies of each part and over channels, shape (rings + 1,)."""
        weighted = values.sum(axis=0, dtype=np.float64) * self.weights
        return np.asarray(np.bincount(self.parts, weighted, self.rings + 1), np.float64)

    def signal(self, clean: NDArray[Any]) -> NDArray[np.float64]:
        """Sums of ``|X|`` and ``|X|^2`` of a spectrum, shape (2, rings + 1)."""
        amplitude = np.abs(clean)
        return np.stack([self.sums(amplitude), self.sums(np.square(amplitude))])

    def noise(self, clean: NDArray[Any], added: NDArray[Any]) -> NDArray[np.float64]:
        """Sums of ``|D|``, ``|D|^2`` and ``Re(conj(X) D)``, shape (3, rings + 1)."""
        amplitude = np.abs(added)
        cross = clean.real * added.real + clean.imag * added.imag
        return np.stack([self.sums(amplitude), self.sums(np.square(amplitude)), self.sums(cross)])


def signal_to_noise(signal: NDArray[Any], noise: NDArray[Any]) -> NDArray[np.float64]:
    """``SNR = E|X| / E|D|`` from the sums of amplitudes; infinite where nothing is added.

    Not a number where a part holds neither, such as a ring without frequencies.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(signal, noise), np.float64)


def gain_and_residual(
    power: NDArray[Any], added_power: NDArray[Any], cross: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a perturbation leaves of the signal, and what it adds besides.

    The perturbed spectrum X' = X + D is regressed on X, without intercept, over frequencies,
    channels and images: ``gain = sum Re(conj(X) X') / sum |X|^2``, and
    ``residual = sqrt(sum |X' - gain X|^2 / sum |X|^2)``. Turning contrast down by half gives
    gain 0.5 and residual 0; white noise gives gain 1 and its amplitude over the signal's.

    Both have the shape of the sums, and are not numbers where there is no signal.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.divide(cross, power)
        left = np.maximum(added_power - cross * share, 0.0)
        return np.asarray(1.0 + share), np.asarray(np.sqrt(left / power))


@dataclass(frozen=True)
class Decay:
    """A fitted line of log SNR: ``SNR = scale * r**-slope``, or ``scale * exp(-slope * r)``.

    Attributes
    ----------
    scale, slope : ndarray
        Slope > 0: the SNR falls with frequency.
    r_squared : ndarray
        Share of the variance of log SNR that the line explains.
    spread : ndarray
        Root mean square of what is left, in natural logarithms.
    """

    scale: NDArray[np.float64]
    slope: NDArray[np.float64]
    r_squared: NDArray[np.float64]
    spread: NDArray[np.float64]


def fit_power_law(radius: NDArray[Any], snr: NDArray[Any]) -> Decay:
    """``SNR = scale * r**-slope`` by least squares of log SNR on log r.

    Radii have the shape (R,) and lie in (0, 1], where 1 is Nyquist; ratios have the shape (..., R).
    Rings without frequencies (not a number) are left out. Where any other ratio is infinite or 0
    the fit is not a number.
    """
    return _line(np.log(np.asarray(radius, np.float64)), snr)


def fit_exponential(radius: NDArray[Any], snr: NDArray[Any]) -> Decay:
    """``SNR = scale * exp(-slope * r)`` by least squares of log SNR on r; see `fit_power_law`."""
    return _line(np.asarray(radius, np.float64), snr)


def _line(across: NDArray[np.float64], snr: NDArray[Any]) -> Decay:
    ratios = np.asarray(snr, np.float64)
    empty = np.isnan(ratios).reshape(-1, ratios.shape[-1]).all(axis=0)
    x, ratios = across[~empty], ratios[..., ~empty]
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.log(ratios)
        middle = up.mean(axis=-1)
        centred, risen = x - x.mean(), up - middle[..., None]
        slope = (risen @ centred) / (centred @ centred)
        rest = np.square(risen - slope[..., None] * centred).mean(axis=-1)
        whole = np.square(risen).mean(axis=-1)
        explained = np.where(whole > 0, 1.0 - rest / np.where(whole > 0, whole, 1.0), np.nan)
        scale = np.exp(middle - slope * x.mean())
    return Decay(scale, -slope, explained, np.sqrt(rest))
