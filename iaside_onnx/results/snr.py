"""Signal-to-noise ratios of perturbations: the measured sums, and everything derived from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.score import resampled_means
from ..mathematics.signal_noise import (
    Decay,
    fit_exponential,
    fit_power_law,
    gain_and_residual,
    signal_to_noise,
)
from .shown import Shown
from .spread import Spread, check_confidence

SNR_FORMAT = "iaside-snr"
SNR_VERSION = 1
SNR_RESAMPLES = 1000
FITS = {"power_law": fit_power_law, "exponential": fit_exponential}


@dataclass(frozen=True)
class Curve:
    """What one perturbation does, band by band and ring by ring.

    Attributes
    ----------
    snr, gain, residual : Spread of shape (bands,)
        With DC in the lowest band, or as an entry of its own before it (`SnrReport.band_names`).
    rings : Spread of shape (rings,)
        SNR of the rings, DC left out.
    fits : dict of str to (Decay, Decay, Decay)
        "power_law" and "exponential": fit of the rings, and low and high ends of its numbers.
    """

    snr: Spread
    gain: Spread
    residual: Spread
    rings: Spread
    fits: dict[str, tuple[Decay, Decay, Decay]]


@dataclass(frozen=True, repr=False)
class SnrReport(Shown):
    """Result of ``iaside snr``: sums of each image's spectrum and of what perturbations add.

    Attributes
    ----------
    perturbations : list of str
    severities : list of int
    signal : ndarray, shape (2, n, 1 + rings)
        Sums of ``|X|`` and ``|X|^2``; see `mathematics.signal_noise`.
    noise : ndarray, shape (3, n, perturbations, severities, 1 + rings)
        Sums of ``|D|``, ``|D|^2`` and ``Re(conj(X) D)``.
    image_ids : list of str
    settings : dict
        bands, rings, norm, separate_dc, confidence, seed, samples, height, width, channels,
        preprocess, kinds (perturbation to kind), and with an attack `attack` (name, norm,
        epsilon, queries, model, sha256).
    data, run : dict
        What was measured, and how it went.
    created, iaside_version : str
    """

    perturbations: list[str]
    severities: list[int]
    signal: NDArray[np.float64]
    noise: NDArray[np.float64]
    image_ids: list[str]
    settings: dict[str, Any]
    data: dict[str, Any]
    run: dict[str, Any]
    created: str
    iaside_version: str

    def view(
        self, *, confidence: float | None = None, separate_dc: bool | None = None
    ) -> SnrReport:
        """The same measurement with other view settings.

        Raises
        ------
        UsageError
            A confidence outside (0, 1).
        """
        changed = dict(self.settings)
        if confidence is not None:
            check_confidence(confidence)
            changed["confidence"] = confidence
        if separate_dc is not None:
            changed["separate_dc"] = separate_dc
        return replace(self, settings=changed)

    @property
    def rings(self) -> int:
        """Number of rings."""
        return int(self.signal.shape[-1]) - 1

    @property
    def radius(self) -> NDArray[np.float64]:
        """Middle of each ring, shape (rings,); 1 is Nyquist."""
        return (np.arange(self.rings) + 0.5) / self.rings

    @property
    def band_names(self) -> list[str]:
        """Names of the bands, lowest first; "DC" where it stands apart."""
        names = [str(band) for band in range(int(self.settings["bands"]))]
        return ["DC", *names] if self.settings["separate_dc"] else names

    @property
    def middle(self) -> int:
        """Position of the severity that tables and pictures show."""
        return (len(self.severities) - 1) // 2

    def _banded(self, sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over bands of sums over parts, on the last axis."""
        bands = int(self.settings["bands"])
        grouped = sums[..., 1:].reshape(*sums.shape[:-1], bands, -1).sum(axis=-1)
        if self.settings["separate_dc"]:
            return np.concatenate([sums[..., :1], grouped], axis=-1)
        grouped[..., 0] += sums[..., 0]
        return np.asarray(grouped)

    @property
    def band_sums(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`signal` and `noise` with one entry a band (`band_names`) in place of the parts."""
        return self._banded(self.signal), self._banded(self.noise)

    @cached_property
    def curves(self) -> list[list[Curve]]:
        """One for each perturbation and severity.

        Intervals resample images, alike for all perturbations, signal and noise together.
        """
        return [self._curves(position) for position in range(len(self.perturbations))]

    def _curves(self, position: int) -> list[Curve]:
        found = []
        # One severity at a time: resamples take far more memory than the measurement.
        for severity in range(len(self.severities)):
            # Axes: images; then signal, power and the three of the noise; parts.
            table = np.concatenate([self.signal, self.noise[:, :, position, severity]])
            rows = table.swapaxes(0, 1).reshape(table.shape[1], -1)
            drawn = resampled_means(rows, int(self.settings["seed"]), SNR_RESAMPLES)
            rings = np.concatenate([rows.mean(axis=0)[None], drawn])
            rings = rings.reshape(-1, 5, self.rings + 1)
            bands = self._banded(rings)
            gain, residual = gain_and_residual(bands[:, 1], bands[:, 3], bands[:, 4])
            ring_snr = signal_to_noise(rings[:, 0, 1:], rings[:, 2, 1:])
            found.append(
                Curve(
                    self._spread(signal_to_noise(bands[:, 0], bands[:, 2])),
                    self._spread(gain),
                    self._spread(residual),
                    self._spread(ring_snr),
                    {name: self._fit(fit(self.radius, ring_snr)) for name, fit in FITS.items()},
                )
            )
        return found

    def _spread(self, values: NDArray[np.float64]) -> Spread:
        return Spread.of(values, float(self.settings["confidence"]))

    def _fit(self, fitted: Decay) -> tuple[Decay, Decay, Decay]:
        parts = [
            self._spread(part)
            for part in (fitted.scale, fitted.slope, fitted.r_squared, fitted.spread)
        ]
        return (
            Decay(*(part.value for part in parts)),
            Decay(*(part.low for part in parts)),
            Decay(*(part.high for part in parts)),
        )

    def summary(self) -> dict[str, Any]:
        """All results as plain JSON values; null where a ratio is infinite or not defined."""
        return {
            "format": SNR_FORMAT,
            "settings": self.settings,
            "data": self.data,
            "run": self.run,
            "created": self.created,
            "iaside_version": self.iaside_version,
            "band_names": self.band_names,
            "radius": self.radius.tolist(),
            "perturbations": [
                {
                    "name": name,
                    "severity": severity,
                    **{
                        part: getattr(curve, part).json()
                        for part in ("snr", "gain", "residual", "rings")
                    },
                    **{fit: _fit_json(ends) for fit, ends in curve.fits.items()},
                }
                for name, row in zip(self.perturbations, self.curves, strict=True)
                for severity, curve in zip(self.severities, row, strict=True)
            ],
        }

    def save(self, target: str | Path, *, overwrite: bool = False) -> None:
        """Write the report; `results.snr_store.load_snr` reads it back."""
        from .snr_store import write_snr

        write_snr(self, Path(target), overwrite=overwrite)


def _fit_json(ends: tuple[Decay, Decay, Decay]) -> dict[str, Any]:
    fit, low, high = ends
    return {
        name: Spread(
            *(np.asarray(getattr(end, name), np.float64) for end in (fit, low, high))
        ).json()
        for name in ("scale", "slope", "r_squared", "spread")
    }
