"""A report as plain JSON values."""

from __future__ import annotations

from typing import Any

from .finding import measured_values, reservations
from .report import Report
from .robustness import RobustnessReport


def summary(
    report: Report, *, per_class: bool = False, robustness: RobustnessReport | None = None
) -> dict[str, Any]:
    """The result as plain JSON values; the keys are those of ``iaside show --json``.

    Raises
    ------
    ReportError
        `robustness` is of another model.
    """
    intervals, text = report.intervals, report.finding(robustness).text
    result: dict[str, Any] = {
        "format_version": report.format_version,
        "iaside_version": report.iaside_version,
        "created": report.created,
        "model": report.model,
        "data": report.data,
        "settings": report.settings,
        "provider": report.provider,
        "run": report.run,
        "accuracy": report.accuracy,
        "mean_log_prob": report.mean_log_prob,
        "floor_share": report.floor_share,
        "shapley": report.shapley.tolist(),
        "shapley_stderr": report.shapley_stderr.tolist(),
        "sid": report.sid.tolist(),
        "sid_low": intervals.sid_low.tolist(),
        "sid_high": intervals.sid_high.tolist(),
        "uniform": report.uniform,
        "srs": report.srs,
        "srs_low": intervals.srs[0],
        "srs_high": intervals.srs[1],
        "srs_signed": report.srs_signed,
        "srs_signed_low": intervals.srs_signed[0],
        "srs_signed_high": intervals.srs_signed[1],
        "srs_signed_stderr": intervals.srs_signed_stderr,
        "srs_range": list(report.srs_range),
        "efficiency_residual": report.efficiency_residual,
        "forward_passes": report.run["forward_passes"],
        "seconds": report.run["seconds"],
        "interactions": report.interactions.tolist() if report.exact else None,
        "value_none": report.value_none,
        "value_all": report.value_all,
        "precondition": report.precondition.summary(),
        "finding": text,
        "interpretation": text,
        "reservations": reservations(report),
        "measured": None if robustness is None else measured_values(robustness),
    }
    if per_class:
        result["per_class"] = report.per_class()
    return result
