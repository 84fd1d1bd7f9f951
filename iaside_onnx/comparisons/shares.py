"""How much of a measured damage is spectral: stand-ins compared with the corruptions themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind
from ..errors import ReportError
from ..mathematics.correlation import correlation_matrix
from ..mathematics.score import resampled_means
from ..results.fed import fed_otherwise
from ..results.part import part_of
from ..results.robustness import RobustnessReport
from ..results.shown import Shown
from ..results.spread import Spread
from ..results.stand_ins import OWN, RESAMPLES, StandInReport
from .agreement import Ground, grounds_apart
from .prediction import Agreement


@dataclass(frozen=True)
class Shares(Shown):
    """Measured damage of P corruptions at S severities, split in two, on the same images.

    A fall of the accuracy is what corrupted images cost. Its spectral share is what their
    stand-ins cost, its structural share the rest: what hangs on where a corruption strikes and how
    its phases hang together. A structural share is negative where the stand-ins cost more.

    Attributes
    ----------
    report : StandInReport
        The stand-ins, of the perturbations, severities and images of both.
    measured, spectral, structural : Spread of shape (P,)
        Mean over severities; intervals resample images, the three of an image together.
    measured_drop, measured_mpe : ndarray, shape (P, S)
        Fall of the accuracy, and mean prediction error, as they were measured.
    total : Spread of shape (3,)
        Means of measured, spectral and structural over all.
    notes : list of str
        What to bear in mind.
    """

    report: StandInReport
    measured: Spread
    spectral: Spread
    structural: Spread
    measured_drop: NDArray[np.float64]
    measured_mpe: NDArray[np.float64]
    total: Spread
    notes: list[str]

    @property
    def agreement(self) -> dict[str, Agreement]:
        """Rank correlation of what was predicted with what was measured: accuracy_drop and mpe."""
        foretold = self.report.foretold
        return {
            "accuracy_drop": _agreement(foretold.drops.value, self.measured_drop),
            "mpe": _agreement(foretold.mpe.value, self.measured_mpe),
        }

    def summary(self) -> dict[str, Any]:
        """All results as plain JSON values; null where there is no order to correlate."""
        values = self.report.summary()
        for row, entry in enumerate(values["perturbations"]):
            for name in ("measured", "spectral", "structural"):
                entry[name] = getattr(self, name)[row].json()
            for column, cell in enumerate(entry["severities"]):
                cell["measured_accuracy_drop"] = float(self.measured_drop[row, column])
                cell["measured_mpe"] = float(self.measured_mpe[row, column])
        names = ("measured", "spectral", "structural")
        values["mean"] = {name: self.total[place].json() for place, name in enumerate(names)}
        values["spearman"] = {
            name: {
                key: value if np.isfinite(value) else None for key, value in asdict(each).items()
            }
            for name, each in self.agreement.items()
        }
        return {**values, "notes": self.notes}


def _agreement(foretold: NDArray[Any], measured: NDArray[Any]) -> Agreement:
    tables = np.stack([foretold, measured])
    of_corruptions, of_pairs = tables.mean(axis=2), tables.reshape(2, -1)
    return Agreement(
        *(float(correlation_matrix(rows)[0, 1]) for rows in (of_corruptions, of_pairs))
    )


def damage_shares(report: StandInReport, measured: RobustnessReport) -> Shares:
    """Split the measured damage of a model's corruptions into spectral and structural.

    Parameters
    ----------
    report : StandInReport
        Of ``measure_stand_ins``.
    measured : RobustnessReport
        Of the same model, images and draws.

    Raises
    ------
    ReportError
        They are of different models, images or draws, or have no corruption and severity in
        common; the message names what differs.
    """
    check_kind("report", report, StandInReport, "a StandInReport")
    check_kind("measured", measured, RobustnessReport, "a RobustnessReport")
    if part_of(report) is not None:
        raise ReportError(
            "the stand-ins are of a part of a sample; join the parts with iaside merge first"
        )
    check_same_images(
        measured,
        report.model["sha256"],
        report.run.get("sample_digest", report.data["digest"]),
        report.settings,
        (report.perturbations, report.severities),
    )
    rows = _rows(report, measured)
    names = [name for name in report.perturbations if name in measured.corruptions]
    levels = [level for level in report.severities if level in measured.severities]
    stand_ins = report.only(names, levels)
    cells: Any = np.ix_(
        rows.tolist(),
        [measured.perturbations.index(name) for name in names],
        [measured.severities.index(level) for level in levels],
    )
    fall = measured.wrong[cells].astype(np.float64) - measured.clean_wrong[rows][:, None, None]
    spectral = stand_ins.fall
    # Means over severities, and over all, of the three; the rest is exactly what is left.
    parts = np.stack([fall, spectral, fall - spectral], axis=1).mean(axis=3)
    parts = np.concatenate([parts, parts.mean(axis=2, keepdims=True)], axis=2)
    flat = parts.reshape(len(parts), -1)
    drawn = resampled_means(flat, int(report.settings["seed"]), RESAMPLES)
    means = np.concatenate([flat.mean(axis=0)[None], drawn]).reshape(-1, 3, len(names) + 1)
    spread = Spread.of(means, report.confidence)
    notes = []
    if report.settings["spectra"] != OWN:
        notes.append(
            "the spectra are averages of other images or of a table, so what differs between "
            "images counts as structural"
        )
    return Shares(
        stand_ins,
        measured=spread[0, :-1],
        spectral=spread[1, :-1],
        structural=spread[2, :-1],
        measured_drop=fall.mean(axis=0),
        measured_mpe=measured.change[cells].mean(axis=0, dtype=np.float64),
        total=spread[:, -1],
        notes=notes,
    )


def _rows(report: StandInReport, measured: RobustnessReport) -> NDArray[np.intp]:
    """Where the images of the stand-ins stand in the measurement."""
    places = {name: row for row, name in enumerate(measured.image_ids)}
    missing = next((name for name in report.image_ids if name not in places), None)
    if missing is not None:
        raise ReportError(f"the measured damage holds no image {missing}; measure both alike")
    rows = np.array([places[name] for name in report.image_ids], np.intp)
    same = np.array_equal(measured.labels[rows], report.labels)
    if not same or not np.array_equal(measured.predicted[rows], report.predicted):
        raise ReportError("the measured damage holds other labels or answers for the same images")
    return rows


def check_same_images(
    measured: RobustnessReport,
    sha256: str,
    digest: str,
    settings: Mapping[str, Any],
    cells: tuple[list[str], list[int]],
) -> None:
    """Refuse a measurement of another model, other images or draws, or of nothing in common.

    `cells` are the perturbations and severities of the stand-ins.
    """
    if measured.model["sha256"] != sha256:
        raise ReportError(
            f"the measured damage is of another model ({measured.model['path']}); measure the "
            "model of the prediction"
        )
    if part_of(measured) is not None:
        raise ReportError(
            "the measured damage is of a part of a sample; join the parts with iaside merge first"
        )
    whole = measured.run.get("sample_digest", measured.data["digest"])
    # Pictures of the user's own, measured beside the corruptions, have no stand-ins.
    others = {name: value for name, value in measured.settings.items() if name != "pairs"}
    ground = Ground(whole, others, *cells, Ground.of(measured).samples)
    own = {name: settings[name] for name in settings.keys() - _OWN}
    refusals, _ = grounds_apart(Ground(digest, own, *cells), ground)
    fed = fed_otherwise(settings, measured.settings, fitted=False)
    refusals += [] if fed is None else [fed]
    if refusals:
        raise ReportError(
            f"the measured damage was measured with {', '.join(refusals)}; measure both alike"
        )
    shared = [set(cells[0]) & set(measured.corruptions), set(cells[1]) & set(measured.severities)]
    if not all(shared):
        raise ReportError(
            "the measured damage has no corruption and severity in common with the stand-ins; "
            "measure both on the same ones"
        )


# Settings of stand-ins that no measurement of corruptions has.
_OWN = {"perturbations", "severities", "rings", "norm", "spectra", "spectra_digest", "placed"}
