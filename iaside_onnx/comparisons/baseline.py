"""Corruption errors held against those of a baseline model (Hendrycks and Dietterich, 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError
from ..mathematics.corruption_error import corruption_errors, relative_corruption_errors
from ..mathematics.score import resampled_means
from ..results.robustness import RESAMPLES, Relative, RobustnessReport
from ..results.spread import Spread
from .agreement import Ground, grounds_apart


def check_baseline(report: RobustnessReport, baseline: RobustnessReport) -> None:
    """Refuse a baseline that was measured on something else.

    Raises
    ------
    ReportError
        The message names what differs, with both values.
    """
    check_same_ground(baseline, report)
    same_labels = np.array_equal(report.labels, baseline.labels)
    if report.image_ids != baseline.image_ids or not same_labels:
        raise ReportError("the baseline holds other images or labels under the same digest")


def check_same_ground(baseline: RobustnessReport, measured: Ground | RobustnessReport) -> None:
    """Refuse a baseline of other data, draws, corruptions or severities.

    Parameters
    ----------
    measured : Ground or RobustnessReport
        A measurement, or the ground of one that is to be made.

    Raises
    ------
    ReportError
        The message names what differs, with both values.
    """
    refusals, _ = grounds_apart(measured, baseline)
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
        notes=grounds_apart(report, baseline)[1],
    )


def summary(report: RobustnessReport, baseline: RobustnessReport | None) -> dict[str, Any]:
    """`RobustnessReport.summary` and, with a baseline, its errors relative to that one's."""
    values = report.summary()
    if baseline is not None:
        values["baseline"] = relative(report, baseline).summary(report.perturbations)
    return values


def _rows(report: RobustnessReport) -> NDArray[np.float64]:
    """Wrong answers to the untouched image, then to the corrupted ones, shape (n, 1 + P S)."""
    images = len(report.labels)
    rows = np.column_stack([report.clean_wrong, report.wrong.reshape(images, -1)])
    return rows.astype(np.float64)
