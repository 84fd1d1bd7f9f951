"""A report as plain JSON values, and what its score says in one sentence."""

from __future__ import annotations

from typing import Any

from .report import Report


def summary(report: Report, *, per_class: bool = False) -> dict[str, Any]:
    """The result as plain JSON values; the keys are those of ``iaside show --json``."""
    intervals = report.intervals
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
        "interpretation": interpretation(report),
    }
    if per_class:
        result["per_class"] = report.per_class()
    return result


def interpretation(report: Report) -> str:
    """One plain sentence on what the score says."""
    if report.uniform:
        return (
            "All bands have the same Shapley value, so the distribution is uniform: no band "
            "matters more than another to this model on these images."
        )
    low, high = report.intervals.srs_signed
    ends = report.srs_range
    share = report.srs_signed / (ends[1] if report.srs_signed >= 0 else -ends[0])
    if low <= 0.0 <= high:
        return (
            "The interval of the signed score includes 0: on these images the model leans "
            "neither on low nor on high frequencies."
        )
    strength = next(
        word
        for bound, word in ((0.6, "mostly"), (0.3, "clearly"), (0.0, "somewhat"))
        if abs(share) >= bound
    )
    side = "low" if share > 0 else "high"
    outlook = (
        "which usually goes with more robustness to noise and other high-frequency damage"
        if share > 0
        else "which usually goes with less robustness to noise and other high-frequency damage"
    )
    return (
        f"The model leans {strength} on {side} frequencies ({abs(share):.0%} of the way to "
        f"the {side}est band alone), {outlook}."
    )
