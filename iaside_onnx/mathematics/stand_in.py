"""Spectral stand-ins: images that differ from clean ones by a perturbation's spectrum alone.

A perturbation is described ring by ring: the gain that the perturbed spectrum follows the clean one
with, and the power of the residual that does not follow it (regression without intercept, as in
`signal_noise.gain_and_residual`). A stand-in is the clean image with every ring scaled by the gain,
noise of the residual's power with random phase in every ring, and the mean shifted as the
perturbation shifts it. What a model loses on it is lost through the spectrum; where in the image
the perturbation strikes, and how its phases hang together, is not in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from .signal_noise import Rings

# Shares of a ring's power below which nothing but rounding is left of it.
_NOTHING = 1e-10
# Width of the window in which energy counts as being at one place, as a share of the image's side.
_PLACE = 1 / 20


@dataclass(frozen=True)
class Spectrum:
    """What a perturbation does, ring by ring; pixels lie in [0, 1].

    Attributes
    ----------
    gain : ndarray, shape (R, C)
        Factor of each ring of each channel.
    residual : ndarray, shape (R, C, C)
        Covariance over channels of what does not follow the clean image: mean over the ring's
        frequencies of ``Re(R_c conj(R_d)) / (H W)``. White noise of standard deviation s that is
        independent between channels has s^2 times the unit matrix in every ring.
    shift : ndarray, shape (C,)
        What is added to the mean of each channel.
    following : ndarray, shape (R, C, C), or None
        What `residual` gains for each unit of the clean image's own power in the ring (the trace
        of its covariance over channels): noise is the same on every image, what blur scrambles
        grows with what there is to scramble.
    """

    gain: NDArray[np.float64]
    residual: NDArray[np.float64]
    shift: NDArray[np.float64]
    following: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Moments:
    """Sums over the frequencies of rings of products of clean and perturbed spectra.

    Those of several images are added up for a perturbation's average.

    Attributes
    ----------
    clean, cross, perturbed : ndarray, shape (R, C, C)
        Sums of ``Re(X_c conj(X_d))``, ``Re(X_c conj(X'_d))``, ``Re(X'_c conj(X'_d))`` over (H W).
    shift : ndarray, shape (C,)
        Sum of the changes of the mean.
    images : int
        How many images they are of.
    """

    clean: NDArray[np.float64]
    cross: NDArray[np.float64]
    perturbed: NDArray[np.float64]
    shift: NDArray[np.float64]
    images: int = 1

    def __add__(self, other: Moments) -> Moments:
        own, its = vars(self).values(), vars(other).values()
        return Moments(*(first + second for first, second in zip(own, its, strict=True)))


class Plane:
    """Spectra of images of one size, in the order of their rings."""

    def __init__(self, rings: Rings) -> None:
        self.rings = rings
        self._order = np.argsort(rings.parts, kind="stable")
        parts = rings.parts[self._order]
        self._weights = rings.weights[self._order] / (rings.height * rings.width)
        # Ring of each frequency but DC, which is the first.
        self._ring = parts[1:] - 1

    @property
    def counts(self) -> NDArray[np.float64]:
        """Frequencies in each ring, shape (R,)."""
        return self.rings.counts[1:]

    @property
    def _divisors(self) -> NDArray[np.float64]:
        """`counts`, with 1 for a ring that holds nothing beside DC."""
        return np.maximum(self.counts, 1.0)[:, None, None]

    def spectrum(self, image: NDArray[Any]) -> NDArray[np.complex128]:
        """Half plane of an image's DFT, DC first and then ring by ring, shape (C, F)."""
        flat = self.rings.spectrum(np.asarray(image, np.float64))
        return np.asarray(flat[:, self._order], np.complex128)

    def image(self, spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
        """The image of such a spectrum, shape (C, H, W)."""
        height, width = self.rings.height, self.rings.width
        flat = np.empty_like(spectrum)
        flat[:, self._order] = spectrum
        planes = flat.reshape(len(flat), height, -1)
        return np.asarray(scipy.fft.irfft2(planes, (height, width)))

    def products(
        self, first: NDArray[np.complex128], second: NDArray[np.complex128]
    ) -> NDArray[np.float64]:
        """Sums of ``Re(A_c conj(B_d))`` over each ring, over (H W), shape (R, C, C)."""
        sums = np.empty((self.rings.rings, len(first), len(second)))
        for row, a in enumerate(first):
            for column, b in enumerate(second):
                terms = ((a.real * b.real + a.imag * b.imag) * self._weights)[1:]
                sums[:, row, column] = np.bincount(self._ring, terms, self.rings.rings)
        return sums

    def mixed(
        self, matrices: NDArray[np.float64], spectrum: NDArray[np.complex128]
    ) -> NDArray[np.complex128]:
        """Channels mixed by the matrix (C, C) of their ring; DC becomes 0."""
        mixed = np.zeros((matrices.shape[1], spectrum.shape[1]), np.complex128)
        for row in range(matrices.shape[1]):
            for column, values in enumerate(spectrum):
                mixed[row, 1:] += matrices[self._ring, row, column] * values[1:]
        return mixed

    def moments(self, clean: NDArray[Any], perturbed: NDArray[Any]) -> Moments:
        """Those of an image and its perturbed copy, both of shape (C, H, W)."""
        return self.moments_of(self.spectrum(clean), self.spectrum(perturbed))

    def moments_of(
        self, clean: NDArray[np.complex128], perturbed: NDArray[np.complex128]
    ) -> Moments:
        """As `moments`, of their spectra."""
        pixels = self.rings.height * self.rings.width
        return Moments(
            self.products(clean, clean),
            self.products(clean, perturbed),
            self.products(perturbed, perturbed),
            (perturbed[:, 0] - clean[:, 0]).real / pixels,
        )

    def described(self, moments: Moments, *, pooled: bool = False) -> Spectrum:
        """Gain, residual and shift, by least squares over all that the moments are of.

        With `pooled` channels share one gain, and the residual is alike in them and independent
        between them. A ring in which the clean images hold nothing has gain 1.
        """
        diagonal = np.arange(moments.clean.shape[-1])
        power = moments.clean[:, diagonal, diagonal]
        follows = moments.cross[:, diagonal, diagonal]
        if pooled:
            power, follows = (
                np.broadcast_to(each.mean(axis=1, keepdims=True), each.shape)
                for each in (power, follows)
            )
        held = power > _NOTHING * moments.images
        gain = np.where(held, follows / np.where(held, power, 1.0), 1.0)
        along = gain[:, :, None] * moments.cross
        left = moments.perturbed - along - along.swapaxes(1, 2)
        left = left + gain[:, :, None] * gain[:, None, :] * moments.clean
        residual = left / (self._divisors * moments.images)
        if pooled:
            mean = residual[:, diagonal, diagonal].mean(axis=1)
            residual = mean[:, None, None] * np.eye(len(diagonal))
        return Spectrum(gain, residual, moments.shift / moments.images)

    def place(
        self,
        clean: NDArray[np.complex128],
        perturbed: NDArray[np.complex128],
        spectrum: Spectrum,
    ) -> NDArray[np.float64]:
        """Where in an image the residual lies: its local root mean square, shape (H, W)."""
        left = perturbed.copy()
        left[:, 0] = 0.0
        left[:, 1:] -= clean[:, 1:] * spectrum.gain.T[:, self._ring]
        energy = np.square(self.image(left)).mean(axis=0)
        width = _PLACE * min(energy.shape)
        energy = scipy.ndimage.gaussian_filter(energy, width, mode="wrap")
        # Nowhere exactly none, so that every ring has noise to give its power to.
        return np.asarray(np.sqrt(np.maximum(energy, 0) + _NOTHING))

    def stand_in(
        self,
        clean: NDArray[np.complex128],
        spectrum: Spectrum,
        rng: np.random.Generator,
        *,
        place: NDArray[Any] | None = None,
        cut: bool = True,
    ) -> NDArray[np.float64]:
        """The image that differs from a clean one by a perturbation's spectrum alone.

        In every ring the noise is made uncorrelated with the clean image and of exactly the
        covariance asked for, wherever the ring has frequencies enough.

        Parameters
        ----------
        clean : ndarray, shape (C, F)
            From `spectrum`.
        rng : numpy.random.Generator
            Of the noise's phases and of how its power lies within a ring.
        place : array, shape (H, W), optional
            How strong the noise is where, before its rings get their power; from `place`.
        cut : bool
            Cut the pixels to [0, 1], where all perturbed images lie.
        """
        channels, (height, width) = len(clean), (self.rings.height, self.rings.width)
        changed = np.empty_like(clean)
        changed[:, 0] = clean[:, 0] + spectrum.shift * (height * width)
        changed[:, 1:] = clean[:, 1:] * spectrum.gain.T[:, self._ring]
        power = self.products(clean, clean)
        residual = spectrum.residual
        if spectrum.following is not None:
            own = _trace(power) / self._divisors[:, 0, 0]
            residual = residual + own[:, None, None] * spectrum.following
        if residual.any():
            noise = rng.standard_normal((channels, height, width))
            white = self.spectrum(noise if place is None else noise * place)
            changed += self._coloured(clean, power, white, residual)
        image = self.image(changed)
        return np.clip(image, 0.0, 1.0) if cut else image

    def _coloured(
        self,
        clean: NDArray[np.complex128],
        power: NDArray[np.float64],
        white: NDArray[np.complex128],
        covariance: NDArray[np.float64],
    ) -> NDArray[np.complex128]:
        """White noise brought to a covariance in every ring, without what follows the image."""
        follows = self.products(white, clean) @ np.linalg.pinv(power, _NOTHING, hermitian=True)
        apart = white - self.mixed(follows, clean)
        drawn, before = self.products(apart, apart), self.products(white, white)
        # A ring of too few frequencies: nothing would be left of the noise.
        few = _trace(drawn) <= _NOTHING * _trace(before)
        apart = np.where(few[self._ring_of_all], white, apart)
        drawn = np.where(few[:, None, None], before, drawn)
        wanted = covariance * self.counts[:, None, None]
        mixing = _power(wanted, 0.5) @ _power(drawn, -0.5)
        made = _trace(mixing @ drawn @ mixing.swapaxes(1, 2))
        scale = np.sqrt(np.maximum(_trace(wanted), 0) / np.where(made > 0, made, 1.0))
        return self.mixed(mixing * scale[:, None, None], apart)

    @property
    def _ring_of_all(self) -> NDArray[np.intp]:
        return np.concatenate([[0], self._ring])


def averaged(moments: Sequence[Moments]) -> Moments:
    """The sum over images: what a perturbation does on average."""
    total = moments[0]
    for each in moments[1:]:
        total = total + each
    return total


def constant_and_following(
    power: NDArray[Any], residual: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The line ``residual = a + b power`` over images, by least squares with neither negative.

    Parameters
    ----------
    power, residual : array, shape (n, R)
        Power of the clean image, and of what a perturbation leaves besides, in each ring.

    Returns
    -------
    a, b : ndarray, shape (R,)
        The mean of the line is the mean of the residuals.
    """
    powers, left = np.asarray(power, np.float64), np.asarray(residual, np.float64)
    mean, level = powers.mean(axis=0), np.maximum(left.mean(axis=0), 0.0)
    apart = powers - mean
    spread = np.square(apart).sum(axis=0)
    slope = (apart * left).sum(axis=0) / np.where(spread > 0, spread, 1.0)
    most = level / np.where(mean > 0, mean, 1.0)
    slope = np.where((spread > 0) & (mean > 0), np.clip(slope, 0.0, most), 0.0)
    return np.maximum(level - slope * mean, 0.0), slope


def _trace(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.trace(matrices, axis1=1, axis2=2))


def _power(matrices: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    """Powers of symmetric matrices without negative eigenvalues; what is 0 stays 0."""
    values, vectors = np.linalg.eigh((matrices + matrices.swapaxes(1, 2)) / 2)
    held = values > _NOTHING * np.maximum(values[:, -1:], 0.0)
    powers = np.where(held, np.where(held, values, 1.0) ** exponent, 0.0)
    return np.asarray((vectors * powers[:, None, :]) @ vectors.swapaxes(1, 2))
