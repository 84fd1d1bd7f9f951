"""Damage predicted: an audit's game joined with what perturbations do to each band."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind, plain
from ..errors import ReportError
from ..mathematics.correlation import correlation_matrix
from ..mathematics.prediction import (
    ATTENUATED,
    MASKED,
    band_presence,
    colour_presence,
    multilinear_extension,
)
from ..mathematics.score import resampled_means
from ..mathematics.shapley import game_values
from ..mathematics.signal_noise import gain_and_residual
from ..results.banded import OF_SPACING, spacing_words
from ..results.fed import fed_otherwise
from ..results.finding import no_finding
from ..results.report import Report
from ..results.result import OWN_ANSWERS
from ..results.robustness import RobustnessReport
from ..results.shown import Shown
from ..results.snr import SnrReport
from ..results.spread import Spread, check_confidence
from ..setting_roles import FED, SNR_FIT, settings_apart
from ..spelling import option, words


@dataclass(frozen=True)
class Trial:
    """How well the order of corruptions was predicted where it was measured.

    `mpe` and `accuracy_drop` are rank correlations over corruptions of the predicted damage with
    the measured one; for several networks their mean.
    """

    networks: str
    images: str
    corruptions: str
    mpe: float
    accuracy_drop: float


_PHOTOGRAPHS = "60 photographs of ImageNet classes"
# docs/prediction.md has the commands.
TRIALS = (
    Trial(
        "12 networks of models/zoo that had no part in choosing the rule, mean",
        "240 bundled crops of textures, 64 pixels",
        "19 corruptions, severities 1 to 5",
        0.90,
        0.88,
    ),
    *(
        Trial(networks, _PHOTOGRAPHS, "19 corruptions, severity 3", mpe, accuracy_drop)
        for networks, mpe, accuracy_drop in (
            ("SqueezeNet 1.1, ImageNet weights", 0.65, 0.64),
            ("EfficientNet-Lite0, ImageNet weights", 0.05, -0.05),
            ("EfficientNet-Lite0, report made with --separate-dc", -0.01, -0.08),
        )
    ),
    Trial(
        "10 networks with ImageNet weights, l2, reports made with --separate-dc, mean",
        "49 photographs of ImageNet classes, measured on 51 others",
        "19 corruptions, severities 1, 3, 5",
        0.45,
        0.43,
    ),
)


@dataclass(frozen=True)
class Agreement:
    """How well the order of damages was predicted (Spearman's rank correlation).

    Over corruptions, each the mean over its severities, and over all pairs of corruption and
    severity; NaN where fewer than two things are ordered, or all are equal.
    """

    corruptions: float
    pairs: float


@dataclass(frozen=True)
class Prediction(Shown):
    """Damage of P perturbations at S severities, predicted for the K images of an audit.

    Attributes
    ----------
    perturbations : list of str
    severities : list of int
    band_names : list of str
        The M players, "DC" among them where the audit has it apart.
    presence : ndarray, shape (P, S, M)
        How far each band survives, in [0, 1].
    probability : ndarray, shape (K,)
        Probability of the true class of the clean images.
    foretold : ndarray, shape (K, P, S)
        The same under each perturbation: the game's multilinear extension at `presence`.
    settings : dict
        bands, norm, separate_dc, seed, confidence, and how the model was fed.
    model, data, snr : dict
        Of the audit, and the data of the measurement.
    notes : list of str
        What to bear in mind.
    no_finding : str or None
        Why the report says nothing; then nothing is predicted either.
    measured_drop, measured_mpe : ndarray, shape (P, S), or None
        Fall of the accuracy, and mean prediction error, where they were measured.
    """

    perturbations: list[str]
    severities: list[int]
    band_names: list[str]
    presence: NDArray[np.float64]
    probability: NDArray[np.float64]
    foretold: NDArray[np.float64]
    settings: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    snr: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    no_finding: str | None = None
    measured_drop: NDArray[np.float64] | None = None
    measured_mpe: NDArray[np.float64] | None = None

    @property
    def drop(self) -> NDArray[np.float64]:
        """Mean fall of the true class's probability, shape (P, S)."""
        return np.asarray((self.probability[:, None, None] - self.foretold).mean(axis=0))

    @cached_property
    def _resampled(self) -> NDArray[np.float64]:
        """The mean fall and resamples of it over images, shape (1 + R, P, S)."""
        rows = (self.probability[:, None, None] - self.foretold).reshape(len(self.foretold), -1)
        drawn = resampled_means(rows, int(self.settings["seed"]))
        means = np.concatenate([rows.mean(axis=0)[None], drawn])
        return means.reshape(-1, *self.foretold.shape[1:])

    def _spread(self, means: NDArray[np.float64]) -> Spread:
        return Spread.of(means, float(self.settings["confidence"]))

    @cached_property
    def drops(self) -> Spread:
        """`drop` with percentile bootstrap intervals over images, shape (P, S)."""
        return self._spread(self._resampled)

    @cached_property
    def corruption_drops(self) -> Spread:
        """Mean of `drop` over severities, shape (P,)."""
        return self._spread(self._resampled.mean(axis=2))

    @cached_property
    def mean_drop(self) -> Spread:
        """Mean of `drop` over all, shape ()."""
        return self._spread(self._resampled.mean(axis=(1, 2)))

    def beside(self, measured: RobustnessReport) -> Prediction:
        """The same with the damage that was measured, for the perturbations of both.

        Raises `ReportError` for another model, or with no perturbation or severity in common.
        """
        if measured.model["sha256"] != self.model["sha256"]:
            raise ReportError(
                f"the measured damage is of another model ({measured.model['path']}, the report "
                f"is of {self.model['path']}); measure the model of the report"
            )
        names = [name for name in self.perturbations if name in measured.corruptions]
        levels = [level for level in self.severities if level in measured.severities]
        if not names or not levels:
            raise ReportError(
                "the measured damage has no corruption and severity in common with the "
                "signal-to-noise report; measure both on the same ones"
            )
        clean, unknown = measured.accuracy, self.settings.get("labels") == OWN_ANSWERS
        if clean is None or unknown:
            raise ReportError(
                f"{'the report' if unknown else 'the measured damage'} has labels from the model "
                f"({option('labels', 'model')}), so that no fall of accuracy is "
                f"{'predicted' if unknown else 'known'}; measure both with true labels"
            )
        fed = fed_otherwise(self.settings, measured.settings)
        more = [] if fed is None else [f"the damage was measured with {fed} than the report"]
        own, other = (
            np.ix_(
                [table.perturbations.index(name) for name in names],
                [table.severities.index(level) for level in levels],
            )
            for table in (self, measured)
        )
        return replace(
            self,
            perturbations=names,
            severities=levels,
            presence=self.presence[own],
            foretold=self.foretold[:, own[0].ravel()][:, :, own[1].ravel()],
            measured_drop=measured.errors[other] - (1.0 - clean),
            measured_mpe=measured.mpe[other],
            notes=[*self.notes, *more],
        )

    def agreement(self, measured: NDArray[Any]) -> Agreement:
        """Rank correlation of the predicted damage with a measured one, shape (P, S)."""
        tables = np.stack([self.drop, measured])
        of_corruptions, of_pairs = tables.mean(axis=2), tables.reshape(2, -1)
        return Agreement(
            *(float(correlation_matrix(rows)[0, 1]) for rows in (of_corruptions, of_pairs))
        )

    def summary(self) -> dict[str, Any]:
        """All results as plain JSON values."""
        measured = {"accuracy_drop": self.measured_drop, "mpe": self.measured_mpe}
        ranks = {
            name: {
                key: value if np.isfinite(value) else None
                for key, value in asdict(self.agreement(values)).items()
            }
            for name, values in measured.items()
            if values is not None
        }
        return {
            "model": self.model,
            "data": self.data,
            "snr": self.snr,
            "settings": self.settings,
            "band_names": self.band_names,
            "probability": float(self.probability.mean()),
            "mean_drop": self.mean_drop.json(),
            "spearman": ranks or None,
            "evidence": [asdict(trial) for trial in TRIALS],
            "perturbations": [
                {
                    "name": name,
                    "drop": self.corruption_drops[row].json(),
                    "severities": [
                        {
                            "severity": level,
                            "drop": self.drops[row, column].json(),
                            "presence": self.presence[row, column].tolist(),
                            **{
                                f"measured_{key}": None if v is None else float(v[row, column])
                                for key, v in measured.items()
                            },
                        }
                        for column, level in enumerate(self.severities)
                    ],
                }
                for row, name in enumerate(self.perturbations)
            ],
            "notes": self.notes,
            "no_finding": self.no_finding,
        }


def predict_damage(
    report: Report, snr: SnrReport, *, confidence: float | None = None
) -> Prediction:
    """Predict what perturbations cost a model, without running it on perturbed images.

    The probability of each image's true class is taken at the game's multilinear extension, at
    the share of each band that a perturbation leaves (see `mathematics.prediction`).

    Parameters
    ----------
    report : Report
        With DC as a player of its own (``separate_dc``) changes of brightness are told apart.
    snr : SnrReport
        Of the same input size, bands and norm. DC is taken as in the report.
    confidence : float, optional
        Coverage of the intervals, in (0, 1); by default the report's.

    Returns
    -------
    Prediction

    Raises
    ------
    ReportError
        The two do not fit together; the message names what differs.
    UsageError
        A confidence outside (0, 1).
    """
    check_kind("report", report, Report, "a Report")
    check_kind("snr", snr, SnrReport, "an SnrReport")
    confidence = plain(confidence)
    _check_fit(report, snr)
    level = report.confidence if confidence is None else confidence
    check_confidence(level)
    apart = bool(report.settings["separate_dc"])
    presence = presence_under(snr.view(separate_dc=apart))
    table = game_values(report.table, "prob")
    notes = []
    if not apart:
        notes.append(
            "the report's lowest band holds the mean colour, so brightness is not told apart from "
            "what else is in that band; a report made with --separate-dc has it apart"
        )
    if not set(report.image_ids) & set(snr.image_ids):
        notes.append("the signal-to-noise report was made on other images than the report")
    return Prediction(
        perturbations=snr.perturbations,
        severities=snr.severities,
        band_names=report.band_names,
        presence=presence,
        probability=table[:, -1],
        foretold=multilinear_extension(table, presence),
        settings={
            "bands": report.settings["bands"],
            "norm": report.settings["norm"],
            **{name: report.settings[name] for name in OF_SPACING if name in report.settings},
            "separate_dc": apart,
            "absence": report.settings["absence"],
            "seed": report.settings["seed"],
            "confidence": float(level),
            **{name: report.settings[name] for name in FED if name in report.settings},
            **({"labels": OWN_ANSWERS} if report.of_own_answers else {}),
        },
        model=report.model,
        data=report.data,
        snr=snr.data,
        notes=notes,
        no_finding=no_finding(report),
    )


def _check_fit(report: Report, snr: SnrReport) -> None:
    if not report.of_classes:
        raise ReportError(
            f"the report is of {report.task.what}, and what is predicted is a fall of accuracy, "
            "which takes a model of classes"
        )
    if not report.exact:
        raise ReportError(
            "the report holds drawn coalitions, and damage is predicted from all: audit with "
            f"{option('estimator', 'exact')}"
        )
    # Stricter than a comparison: what a perturbation leaves of a band depends on the size.
    height, width = report.size
    audited = {**report.settings, "size": f"{height}x{width}"}
    measured = {**snr.settings, "size": f"{snr.settings['height']}x{snr.settings['width']}"}
    apart = settings_apart(audited, measured, only=SNR_FIT)
    if apart:
        differ = [str(each) for each in apart]
        options = " ".join(
            word
            for each in apart
            for word in (
                spacing_words(report.settings)
                if each.setting in ("spacing", "edges")
                else words(each.setting, each.first)
            )
        )
        raise ReportError(
            f"the signal-to-noise report does not fit the report: {'; '.join(differ)}; make it "
            f"again with iaside snr {options}"
        )


def presence_under(
    snr: SnrReport, *, attenuated: float = ATTENUATED, masked: float = MASKED
) -> NDArray[np.float64]:
    """How far each band survives each perturbation, shape (P, S, M); see `band_presence`.

    DC, where it stands apart, is judged by its spread over the images (`colour_presence`).
    """
    signal, noise = snr.band_sums
    mean = noise.mean(axis=1)
    gain, residual = gain_and_residual(signal[1].mean(axis=0), mean[1], mean[2])
    presence = band_presence(gain, residual, attenuated=attenuated, masked=masked)
    if snr.settings["separate_dc"]:
        channels = int(snr.settings["channels"])
        spread = float((signal[0, :, 0] / channels).std())
        shift = np.sqrt(mean[1, ..., 0] / channels)
        presence[..., 0] = colour_presence(shift, spread, masked=masked)
    return presence
