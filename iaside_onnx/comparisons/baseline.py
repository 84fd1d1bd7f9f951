"""Corruption errors held against those of a baseline model (Hendrycks and Dietterich, 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError
from ..mathematics.corruption_error import corruption_errors, relative_corruption_errors
from ..mathematics.score import resampled_means
from ..results.robustness import RESAMPLES, RobustnessReport
from ..results.spread import Spread
from .agreement import Ground, grounds_apart


@dataclass(frozen=True)
class Relative:
    """Errors of a model as shares of a baseline's; 1 is the baseline itself.

    The intervals resample images, the same for both models.

    Attributes
    ----------
    ce, relative_ce : Spread of shape (P,)
    mce, relative_mce : Spread of shape ()
        Their means over corruptions.
    model : dict
        The baseline's.
    notes : list of str
        What to bear in mind about the pair.
    """

    ce: Spread
    mce: Spread
    relative_ce: Spread
    relative_mce: Spread
    model: dict[str, Any]
    notes: list[str]

    def summary(self, names: list[str]) -> dict[str, Any]:
        """Plain JSON values; null where the baseline makes no error, so no ratio is defined."""
        return {
            "model": self.model,
            "mce": self.mce.json(),
            "relative_mce": self.relative_mce.json(),
            "corruptions": [
                {
                    "name": name,
                    "ce": self.ce[row].json(),
                    "relative_ce": self.relative_ce[row].json(),
                }
                for row, name in enumerate(names)
            ],
            "notes": self.notes,
        }


def check_baseline(report: RobustnessReport, baseline: RobustnessReport) -> None:
    """Refuse a baseline that was measured on something else.

    Raises
    ------
    ReportError
        The message names what differs, with both values.
    """
    check_same_ground(baseline, ground_of(report))
    same_labels = np.array_equal(report.labels, baseline.labels)
    if report.image_ids != baseline.image_ids or not same_labels:
        raise ReportError("the baseline holds other images or labels under the same digest")


def ground_of(report: RobustnessReport) -> Ground:
    """What a measurement stands on."""
    return Ground(
        report.data["digest"],
        report.settings,
        report.perturbations,
        report.severities,
        f"{report.data['samples']} of {report.data['source']}",
    )


def check_same_ground(baseline: RobustnessReport, ground: Ground) -> None:
    """Refuse a baseline of other data, draws, corruptions or severities, before the long work.

    Parameters
    ----------
    ground : Ground
        Of the measurement that is to be made.

    Raises
    ------
    ReportError
        The message names what differs, with both values.
    """
    refusals, _ = grounds_apart(ground, ground_of(baseline))
    if refusals:
        raise ReportError(
            f"the baseline was measured with {', '.join(refusals)}; measure both models alike"
        )


def relative(report: RobustnessReport, baseline: RobustnessReport) -> Relative:
    """See `RobustnessReport.against`."""
    check_baseline(report, baseline)
    shape = report.errors.shape
    rows = np.concatenate([_rows(report), _rows(baseline)], axis=1)
    drawn = resampled_means(rows, int(report.settings["seed"]), RESAMPLES)
    means = np.concatenate([rows.mean(axis=0)[None], drawn])
    ours, theirs = np.split(means, 2, axis=1)
    clean, base_clean = ours[:, 0], theirs[:, 0]
    errors, base = (part[:, 1:].reshape(-1, *shape) for part in (ours, theirs))
    ce = corruption_errors(errors, base)
    relative_ce = relative_corruption_errors(errors, clean, base, base_clean)
    level = report.confidence
    return Relative(
        ce=Spread.of(ce, level),
        mce=Spread.of(ce.mean(axis=1), level),
        relative_ce=Spread.of(relative_ce, level),
        relative_mce=Spread.of(relative_ce.mean(axis=1), level),
        model=baseline.model,
        notes=grounds_apart(ground_of(report), ground_of(baseline))[1],
    )


def _rows(report: RobustnessReport) -> NDArray[np.float64]:
    """Wrong answers to the untouched image, then to the corrupted ones, shape (n, 1 + P S)."""
    images = len(report.labels)
    rows = np.column_stack([report.clean_wrong, report.wrong.reshape(images, -1)])
    return rows.astype(np.float64)
