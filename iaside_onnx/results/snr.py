"""Signal-to-noise ratios of perturbations: the measured sums, and everything derived from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..mathematics.bands import MOST_BANDS, band_names, check_bands
from ..mathematics.score import resampled_means
from ..mathematics.signal_noise import (
    Decay,
    fit_exponential,
    fit_power_law,
    gain_and_residual,
    signal_to_noise,
)
from ..mathematics.spacing import ring_edges
from ..storage import value_rules as rules
from ..storage.schema import IMAGE, Field, Schema
from .banded import check_partition, edges_summary
from .result import DIGESTS, IDS, LABELS, Result
from .spread import Spread

_RESAMPLES = 1000
_QUANTITIES = ("snr", "gain", "residual", "rings")
_FITS = {"power_law": fit_power_law, "exponential": fit_exponential}
# Pixels lie in [0, 1] and so many are in no image.
_LARGEST_SUM = 1e40
SCHEMA = Schema(
    format="iaside-snr",
    # The second of bands that are not of equal width.
    versions=(1, 2),
    # Corruptions need no model; what an attack was made on is in its settings.
    header={
        **rules.PERTURBED,
        **{name: rule for name, rule in rules.OF_ALL.items() if name not in ("model", "provider")},
    },
    inside={
        "settings": {
            "bands": rules.whole(1, MOST_BANDS),
            "rings": rules.whole(1, MOST_BANDS),
            "norm": rules.is_norm,
            "separate_dc": rules.is_truth,
            "confidence": rules.is_share,
            "seed": rules.is_seed,
            "height": rules.whole(1, rules.MOST_SIDE),
            "width": rules.whole(1, rules.MOST_SIDE),
            "channels": lambda value: value in (1, 3),
            "kinds": rules.are_kinds,
        },
        "data": rules.OF_DATA,
        "run": rules.OF_RUN,
    },
    counts={"perturbation": "perturbations", "severity": "severities"},
    fields=(
        IDS,
        Field("signal", ("signal_sum", IMAGE, "ring"), "float64", "sums of abs(X) and abs(X)^2",
              low=0, high=_LARGEST_SUM),
        Field("noise", ("noise_sum", IMAGE, "perturbation", "severity", "ring"), "float64",
              "sums of abs(D), abs(D)^2 and Re(conj(X) D)",
              low=-_LARGEST_SUM, high=_LARGEST_SUM),
        DIGESTS,
        replace(LABELS, meaning="true class, in parts of a sample",
                optional=True, part_only=True),
    ),
)  # fmt: skip
_SUMMED_UP = ("settings", "data", "run", "created", "iaside_version")
_ATTACK = {
    "name": rules.is_name,
    "model": rules.is_place,
    "epsilon": rules.is_positive,
    "queries": rules.whole(1, rules.MOST_CLASSES),
}


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


@dataclass(frozen=True, kw_only=True)
class SnrReport(Result):
    """Result of ``iaside snr``: sums of each image's spectrum and of what perturbations add.

    What it shares with others is at `Result`.

    Attributes
    ----------
    perturbations : list of str
    severities : list of int
    signal : ndarray, shape (2, n, 1 + rings)
        Sums of ``|X|`` and ``|X|^2``; see `mathematics.signal_noise`.
    noise : ndarray, shape (3, n, perturbations, severities, 1 + rings)
        Sums of ``|D|``, ``|D|^2`` and ``Re(conj(X) D)``.
    settings : dict
        bands, rings, norm, separate_dc, confidence, seed, samples, height, width, channels,
        preprocess, kinds (perturbation to kind), and with an attack `attack` (name, norm,
        epsilon, queries, model, sha256).
    model, provider : dict, str
        Empty: `settings` say what was attacked.
    image_digests, labels : ndarray of uint8, shape (n, 32), and of int64, shape (n,), or None
        Content and class of each image, in parts of a sample.
    """

    SCHEMA: ClassVar[Schema] = SCHEMA

    perturbations: list[str]
    severities: list[int]
    signal: NDArray[np.float64]
    noise: NDArray[np.float64]
    model: dict[str, Any] = field(default_factory=dict)
    provider: str = ""
    image_digests: NDArray[np.uint8] | None = None
    labels: NDArray[np.int64] | None = None

    def view(
        self, *, confidence: float | None = None, separate_dc: bool | None = None
    ) -> SnrReport:
        """The same measurement with other view settings.

        Raises
        ------
        UsageError
            A confidence outside (0, 1).
        """
        return self._viewed(confidence=confidence, separate_dc=separate_dc)

    def check(self) -> None:
        """Refuse sums that do not fit the settings; see `Result.check`."""
        settings, attack = self.settings, self.settings.get("attack")
        usable = attack is None or (
            isinstance(attack, dict) and all(rule(attack.get(key)) for key, rule in _ATTACK.items())
        )
        rules.need(usable, "attribute settings holds no usable 'attack'")
        rules.need(settings["rings"] % settings["bands"] == 0, "the rings do not fit the bands")
        height, width, rings = (settings[name] for name in ("height", "width", "rings"))
        check_partition({**settings, "separate_dc": False}, [(height, width)])
        check_bands(
            height, width, rings, settings["norm"], edges=self.ring_edges, parameter="rings"
        )
        sums = len(self.signal), len(self.noise)
        fits = sums == (2, 3) and self.signal.shape[-1] == settings["rings"] + 1
        rules.need(fits, "signal and noise do not match the number of sums and rings")
        known = set(self.perturbations) <= set(settings["kinds"])
        rules.need(known, "a perturbation has no kind")
        rules.need(bool((self.noise[:2] >= 0).all()), "'noise' holds negative sums")

    @property
    def rings(self) -> int:
        """Number of rings."""
        return int(self.signal.shape[-1]) - 1

    @property
    def radius(self) -> NDArray[np.float64]:
        """Middle of each ring, shape (rings,); 1 is Nyquist."""
        if self.ring_edges is None:
            return (np.arange(self.rings) + 0.5) / self.rings
        ends = np.array([0.0, *self.ring_edges, 1.0])
        return np.asarray((ends[1:] + ends[:-1]) / 2)

    @property
    def ring_edges(self) -> tuple[float, ...] | None:
        """Radii at which all rings but the first begin; None where all are of equal width."""
        edges = self.settings.get("edges")
        return None if edges is None else ring_edges(edges, int(self.settings["rings"]))

    @property
    def format_version(self) -> int:
        """See `Result`; earlier readers would take the rings for such of equal width."""
        return self.SCHEMA.versions[-1 if self.settings.get("edges") is not None else 0]

    @property
    def band_names(self) -> list[str]:
        """Names of the bands, lowest first; "DC" where it stands apart."""
        return band_names(self.settings["bands"], separate_dc=self.settings["separate_dc"])

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
        curves = []
        # One severity at a time: resamples take far more memory than the measurement.
        for severity in range(len(self.severities)):
            # Axes: images; then signal, power and the three of the noise; parts.
            table = np.concatenate([self.signal, self.noise[:, :, position, severity]])
            rows = table.swapaxes(0, 1).reshape(table.shape[1], -1)
            drawn = resampled_means(rows, int(self.settings["seed"]), _RESAMPLES)
            rings = np.concatenate([rows.mean(axis=0)[None], drawn])
            rings = rings.reshape(-1, 5, self.rings + 1)
            bands = self._banded(rings)
            gain, residual = gain_and_residual(bands[:, 1], bands[:, 3], bands[:, 4])
            ring_snr = signal_to_noise(rings[:, 0, 1:], rings[:, 2, 1:])
            quantities = signal_to_noise(bands[:, 0], bands[:, 2]), gain, residual, ring_snr
            fits = {name: self._fit(fit(self.radius, ring_snr)) for name, fit in _FITS.items()}
            spreads = (Spread.of(values, self.confidence) for values in quantities)
            curves.append(Curve(**dict(zip(_QUANTITIES, spreads, strict=True)), fits=fits))
        return curves

    def _fit(self, fit: Decay) -> tuple[Decay, Decay, Decay]:
        """A fit from those of resamples, and low and high ends of its numbers."""
        spreads = [Spread.of(values, self.confidence) for values in vars(fit).values()]
        return (
            Decay(*(spread.value for spread in spreads)),
            Decay(*(spread.low for spread in spreads)),
            Decay(*(spread.high for spread in spreads)),
        )

    def summary(self) -> dict[str, Any]:
        """All results as plain JSON values; null where a ratio is infinite or not defined."""
        return {
            "format": SCHEMA.format,
            **{name: getattr(self, name) for name in _SUMMED_UP},
            "band_names": self.band_names,
            "band_edges": edges_summary(self.settings),
            "radius": self.radius.tolist(),
            "perturbations": [
                {
                    "name": name,
                    "severity": severity,
                    **{key: getattr(curve, key).json() for key in _QUANTITIES},
                    **{
                        fit: {key: _ends(ends, key).json() for key in vars(ends[0])}
                        for fit, ends in curve.fits.items()
                    },
                }
                for name, row in zip(self.perturbations, self.curves, strict=True)
                for severity, curve in zip(self.severities, row, strict=True)
            ],
        }


load_snr = SnrReport.load


def _ends(fit: tuple[Decay, Decay, Decay], name: str) -> Spread:
    return Spread(*(np.asarray(getattr(end, name), np.float64) for end in fit))
