"""Corruption errors relative to those of a baseline model (Hendrycks and Dietterich, 2019)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ReportError
from ..mathematics.corruption_error import corruption_errors, relative_corruption_errors
from ..mathematics.score import resampled_means
from ..results.robustness import Relative, RobustnessReport
from ..results.spread import RESAMPLES, Spread
from ..spelling import option
from .agreement import Ground, grounds_apart


def check_same_ground(baseline: RobustnessReport, measured: Ground | RobustnessReport) -> None:
    """Refuse a baseline of other data, draws, corruptions or severities than a measurement.

    The `ReportError` names what differs, with both values.
    """
    refusals, _ = grounds_apart(measured, baseline)
    if refusals:
        raise ReportError(
            f"the baseline was measured with {', '.join(refusals)}; measure both models alike"
        )


def relative(report: RobustnessReport, baseline: RobustnessReport) -> Relative:
    """See `RobustnessReport.against`."""
    for each in (report, baseline):
        if each.of_own_answers:
            raise ReportError(
                f"{each.model['path']}: was measured with labels from the model "
                f"({option('labels', 'model')}), so that no error is known that corruption errors "
                "(CE) could be a ratio of; measure both models with true labels"
            )
    check_same_ground(baseline, report)
    same_labels = np.array_equal(report.labels, baseline.labels)
    if report.image_ids != baseline.image_ids or not same_labels:
        raise ReportError("the baseline holds other images or labels under the same digest")
    images = len(report.labels)
    # Wrong answers to the clean image, and to the corrupted ones, of both models.
    columns = [
        part.reshape(images, -1).astype(np.float64)
        for each in (report, baseline)
        for part in (each.clean_wrong, each.wrong)
    ]
    rows = np.concatenate(columns, axis=1)
    drawn = resampled_means(rows, int(report.settings["seed"]), RESAMPLES)
    means = np.concatenate([rows.mean(axis=0)[None], drawn])
    ends = np.cumsum([part.shape[1] for part in columns])[:-1]
    clean, errors, base_clean, base = np.split(means, ends, axis=1)
    shape = (len(means), *report.errors.shape)
    errors, base = errors.reshape(shape), base.reshape(shape)
    ce = corruption_errors(errors, base)
    relative_ce = relative_corruption_errors(errors, clean[:, 0], base, base_clean[:, 0])
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
