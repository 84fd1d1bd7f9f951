"""The rows of each result's table as plain values, for CSV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..results.audit import Audit
from ..results.confidence import Confidence
from ..results.damage import DamageReport
from ..results.heatmap import HeatmapReport
from ..results.report import Report
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..results.spread import Spread
from ..results.stand_ins import StandInReport

Row = dict[str, Any]


def with_ends(name: str, spread: Spread | None, place: Any = ()) -> Row:
    """A quantity and its ends as cells; None where it is infinite, not defined or not known."""
    parts = (None,) * 3 if spread is None else (spread.value, spread.low, spread.high)
    values = [None if part is None else _plain(np.asarray(part)[place]) for part in parts]
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def report_rows(report: Report) -> Iterator[Row]:
    """A row a band."""
    ends = report.intervals
    for at, name in enumerate(report.band_names):
        yield {
            "band": name,
            "sid": float(report.sid[at]),
            "sid_low": float(ends.sid_low[at]),
            "sid_high": float(ends.sid_high[at]),
            "shapley": float(report.shapley[at]),
            "shapley_stderr": _plain(report.shapley_stderr[at]),
        }


def robustness_rows(report: RobustnessReport) -> Iterator[Row]:
    """A row for clean images, one a corruption and severity, and one for each mean."""
    if not report.of_classes:
        yield from _task_rows(report)
        return
    damage, sure = report.damage, report.confidences
    error = report.error_name.replace(" ", "_")

    def row(
        name: str,
        severity: str,
        wrong: Spread | None,
        mpe: Spread | None,
        lost: Spread | None,
        answers: Confidence | None,
    ) -> Row:
        return {
            "corruption": name,
            "severity": severity,
            **with_ends(error, wrong),
            **with_ends("mpe", mpe),
            **with_ends("lost_log_prob", lost),
            **with_ends("confidence_gap", None if answers is None else answers.gap),
            **with_ends("sure_when_wrong", None if answers is None else answers.when_wrong),
        }

    clean = None if sure is None else sure.clean
    yield row("none", "", report.clean_spread, None, None, clean)
    for at, name in enumerate(report.perturbations):
        single = name in report.own
        for place, severity in enumerate(report.severities[: 1 if single else None]):
            cell = at, place
            one = None if sure is None else sure.cells[cell]
            told = "" if single else str(severity)
            yield row(name, told, damage.errors[cell], damage.mpe[cell], None, one)
        means = damage.corruption_errors[at], damage.corruption_mpe[at], report.lost_log_prob[at]
        yield row(name, "mean", *means, None if sure is None else sure.perturbations[at])
    every = None if sure is None else sure.perturbed
    yield row("mean", "mean", damage.mean_error, damage.mean_mpe, None, every)
    for at, attack in enumerate(report.attacks):
        mpe = np.asarray(report.adversarial_mpe[at])
        alone = Spread(mpe, *(np.full((), np.nan),) * 2)
        yield row(attack["name"], "", report.adversarial_spread[at], alone, None, None)


def _task_rows(report: RobustnessReport) -> Iterator[Row]:
    """The same of another task than classes: values, and the share that is lost."""
    lost, (means, overall) = report.damage, report.mean_values
    cells = report.values[1].mean(axis=0, dtype=np.float64)

    def row(name: str, severity: str, value: Spread | None, share: Spread | None) -> Row:
        return {
            "corruption": name,
            "severity": severity,
            **with_ends("value", value),
            **with_ends("lost_share", share),
        }

    yield row("none", "", overall[0], report.clean_spread)
    for at, name in enumerate(report.perturbations):
        single = name in report.own
        for place, severity in enumerate(report.severities[: 1 if single else None]):
            alone = Spread(cells[at, place], *(np.full((), np.nan),) * 2)
            yield row(name, "" if single else str(severity), alone, lost.errors[at, place])
        yield row(name, "mean", means[at], lost.corruption_errors[at])
    yield row("mean", "mean", overall[1], lost.mean_error)
    for at, attack in enumerate(report.attacks):
        yield row(attack["name"], "", None, report.adversarial_spread[at])


def audit_rows(audit: Audit) -> Iterator[Row]:
    """Those of its errors under corruptions."""
    yield from robustness_rows(audit.robustness)


def damage_rows(report: DamageReport) -> Iterator[Row]:
    """A row a band, in the unit of the report."""
    logs = report.per_image_log_prob
    for at, name in enumerate(report.band_names):
        yield {
            "band": name,
            **with_ends("damage", report.bands, at),
            "unit": report.unit,
            "log_prob": None if logs is None else _plain(logs.mean(axis=0)[at]),
            "only": None if report.only is None else _plain(report.only[at]),
            "alone": None if report.alone is None else _plain(report.alone[at]),
        }


def snr_rows(report: SnrReport) -> Iterator[Row]:
    """A row a band of each perturbation and severity."""
    for name, curves in zip(report.perturbations, report.curves, strict=True):
        for severity, curve in zip(report.severities, curves, strict=False):
            for at, band in enumerate(report.band_names):
                yield {
                    "perturbation": name,
                    "severity": severity,
                    "band": band,
                    **with_ends("snr", curve.snr, at),
                    **with_ends("gain", curve.gain, at),
                    **with_ends("residual", curve.residual, at),
                }


def heatmap_rows(report: HeatmapReport) -> Iterator[Row]:
    """A row a band."""
    damage = report.band_damage
    for at, band in enumerate(report.band_names):
        yield {
            "band": band,
            "coefficients": int(damage.coefficients[at]),
            **with_ends(report.error_name.replace(" ", "_"), damage.error, at),
            **with_ends("mpe", damage.mpe, at),
        }


def stand_in_rows(report: StandInReport) -> Iterator[Row]:
    """A row a perturbation, mean over severities."""
    foretold = report.foretold
    for at, name in enumerate(report.perturbations):
        yield {
            "perturbation": name,
            **with_ends("accuracy_fall", foretold.corruption_drops, at),
            **with_ends("mpe", foretold.corruption_mpe, at),
        }
