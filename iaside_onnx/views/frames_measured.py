"""Measurements and what follows from several results as pandas frames; see `frames`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparisons.correlation import Correlation
from ..comparisons.damage import DamageComparison
from ..comparisons.prediction import Prediction
from ..comparisons.shares import Shares
from ..results.audit import Audit
from ..results.heatmap import HeatmapReport
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..results.spread import Spread
from ..results.stand_ins import StandInReport
from .frames import chosen, difference_fields, loaded_pandas

if TYPE_CHECKING:
    from pandas import DataFrame

_Columns = Mapping[str, Any]


def robustness_frame(report: RobustnessReport, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    kinds = {"corruptions": _corruptions, "attacks": _attacks, "images": _images}
    return _framed(kinds, report.with_attacks_run(), rows)


def heatmap_frame(report: HeatmapReport, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    return _framed({"waves": _waves, "bands": _heatmap_bands}, report, rows, report.band_names)


def snr_frame(report: SnrReport, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    return _framed({"bands": _snr_bands, "rings": _snr_rings}, report, rows, report.band_names)


def prediction_frame(prediction: Prediction, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    return _framed({"corruptions": _foretold}, prediction, rows)


def stand_in_frame(report: StandInReport, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    return _framed({"corruptions": _stand_ins}, report, rows)


def shares_frame(shares: Shares, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    return _framed({"corruptions": _shares}, shares, rows)


def correlation_frame(correlation: Correlation, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    return _framed({"models": _models}, correlation, rows)


def damage_comparison_frame(comparison: DamageComparison, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    kinds = {"bands": _damage_differences}
    return _framed(kinds, comparison, rows, comparison.bands)


def audit_frame(audit: Audit, rows: str | None = None) -> DataFrame:
    """See `Shown.to_pandas`."""
    return _framed({"groups": _groups}, audit, rows)


def _framed(
    kinds: Mapping[str, Callable[[Any], _Columns]],
    result: Any,
    rows: str | None,
    bands: list[str] | None = None,
) -> DataFrame:
    columns = chosen(kinds, rows)(result)
    pandas = loaded_pandas()
    frame: DataFrame = pandas.DataFrame(columns)
    if bands is not None and "band" in frame:
        frame["band"] = pandas.Categorical(frame["band"], categories=bands, ordered=True)
    return frame


def _spread(name: str, spread: Spread) -> dict[str, Any]:
    """A quantity and the ends of its interval, as three columns."""
    parts = {name: spread.value, f"{name}_low": spread.low, f"{name}_high": spread.high}
    return {key: np.ravel(part) for key, part in parts.items()}


def _cells(result: Any) -> dict[str, Any]:
    """Perturbation, kind and severity of each cell of a table of these."""
    names, levels = result.perturbations, result.severities
    kinds = result.settings.get("kinds", {})
    return {
        "perturbation": np.repeat(names, len(levels)),
        "kind": np.repeat([kinds.get(name) for name in names], len(levels)),
        "severity": np.tile(levels, len(names)),
    }


def _corruptions(report: RobustnessReport) -> _Columns:
    damage, name = report.damage, report.error_name.replace(" ", "_")
    if not report.of_classes:
        values = report.values[1].mean(axis=0, dtype=np.float64)
        return {**_cells(report), **_spread("lost_share", damage.errors), "value": values.ravel()}
    return {**_cells(report), **_spread(name, damage.errors), **_spread("mpe", damage.mpe)}


def _attacks(report: RobustnessReport) -> _Columns:
    attacks = report.attacks
    return {
        **{key: [attack[key] for attack in attacks] for key in ("name", "norm", "epsilon")},
        "queries": [attack["queries"] for attack in attacks],
        "images": report.attacked.sum(axis=0),
        **_spread(report.error_name.replace(" ", "_"), report.adversarial_spread),
        **({"mpe": report.adversarial_mpe} if report.of_classes else {}),
    }


def _images(report: RobustnessReport) -> _Columns:
    cells = report.errors.size
    per_image: dict[str, Any] = {
        "image": report.image_ids,
        "class": report.labels,
        "predicted": report.predicted,
    }
    of_cells = {
        "wrong": report.wrong,
        "change": report.change,
        "log_prob": report.corrupted_log_prob,
        "value": report.corrupted_value,
        "share": report.corrupted_share,
    }
    images = len(report.image_ids)
    return {
        **{
            name: np.repeat(values, cells)
            for name, values in per_image.items()
            if values is not None
        },
        **{name: np.tile(values, images) for name, values in _cells(report).items()},
        **{name: values.ravel() for name, values in of_cells.items() if values is not None},
    }


def _waves(report: HeatmapReport) -> _Columns:
    cycles = np.asarray(report.frequencies)
    height, width = report.settings["size"]
    names = report.band_names
    return {
        "cycles_down": cycles[:, 0],
        "cycles_across": cycles[:, 1],
        "per_pixel_down": cycles[:, 0] / height,
        "per_pixel_across": cycles[:, 1] / width,
        "band": [names[band] for band in report.band_of],
        report.error_name.replace(" ", "_"): report.error,
        "mpe": report.mpe,
    }


def _heatmap_bands(report: HeatmapReport) -> _Columns:
    damage = report.band_damage
    return {
        "band": report.band_names,
        "coefficients": damage.coefficients,
        **_spread(report.error_name.replace(" ", "_"), damage.error),
        **_spread("mpe", damage.mpe),
    }


def _snr(report: SnrReport, along: str, names: Any, quantities: tuple[str, ...]) -> _Columns:
    count = len(names)
    curves = [curve for row in report.curves for curve in row]
    return {
        **{key: np.repeat(values, count) for key, values in _cells(report).items()},
        along: np.tile(names, len(curves)),
        **{
            key: np.concatenate([values[key] for values in columns])
            for name in quantities
            for columns in [[_spread(name, getattr(curve, name)) for curve in curves]]
            for key in columns[0]
        },
    }


def _snr_bands(report: SnrReport) -> _Columns:
    return _snr(report, "band", report.band_names, ("snr", "gain", "residual"))


def _snr_rings(report: SnrReport) -> _Columns:
    columns = dict(_snr(report, "radius", report.radius, ("rings",)))
    return {key.replace("rings", "snr"): values for key, values in columns.items()}


def _foretold(prediction: Prediction) -> _Columns:
    columns = _cells(prediction)
    del columns["kind"]
    measured = {
        "measured_drop": prediction.measured_drop,
        "measured_mpe": prediction.measured_mpe,
    }
    return {
        **columns,
        "foretold_drop": prediction.drop.ravel(),
        **{name: np.nan if v is None else v.ravel() for name, v in measured.items()},
    }


def _stand_ins(report: StandInReport) -> _Columns:
    found = report.foretold
    return {**_cells(report), **_spread("foretold_drop", found.drops), **_spread("mpe", found.mpe)}


def _shares(shares: Shares) -> _Columns:
    return {
        "perturbation": shares.report.perturbations,
        **_spread("measured", shares.measured),
        **_spread("spectral", shares.spectral),
        **_spread("structural", shares.structural),
    }


def _models(correlation: Correlation) -> _Columns:
    return {"model": correlation.names, **correlation.predictors, **correlation.outcomes}


def _damage_differences(comparison: DamageComparison) -> _Columns:
    lines = [
        {"report": pair.report, "band": band, **difference_fields(difference)}
        for pair in comparison.pairs
        for band, difference in zip(comparison.bands, pair.bands, strict=True)
    ]
    return {key: [line[key] for line in lines] for key in lines[0]} if lines else {}


def _groups(audit: Audit) -> _Columns:
    groups = list(audit.verdicts.groups.values())
    return {
        "kind": [group.kind for group in groups],
        "verdict": [group.verdict for group in groups],
        **{name: [getattr(group, name) for group in groups] for name in ("right", "low", "high")},
        "weakest": [group.weakest for group in groups],
        "kept": [float(group.weakest_kept.value) for group in groups],
        "kept_low": [float(group.weakest_kept.low) for group in groups],
        "kept_high": [float(group.weakest_kept.high) for group in groups],
    }
