"""Results as pandas frames, where that library is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import one_of
from ..comparisons.pairs import Comparison
from ..comparisons.ranking import Ranking
from ..errors import InvalidOption, UsageError
from ..mathematics.paired import Difference
from ..results.damage import DamageReport
from ..results.report import Report
from .ranking_table import ranking_rows

if TYPE_CHECKING:
    from pandas import DataFrame

_NOT_JUDGED = dict.fromkeys(field.name for field in fields(Difference))
_SCORES = ("srs_signed", "srs", "accuracy", "mean_log_prob")


def report_frame(report: Report, rows: str | None = None) -> DataFrame:
    """See `Report.to_pandas`."""
    kinds = {"bands": _band_columns, "images": _image_columns, "classes": _class_columns}
    columns = chosen(kinds, rows)(report)
    pandas = loaded_pandas()
    names = report.band_names
    columns["band"] = pandas.Categorical(columns["band"], categories=names, ordered=True)
    frame: DataFrame = pandas.DataFrame(columns)
    return frame


def damage_frame(report: DamageReport, rows: str | None = None) -> DataFrame:
    """See `DamageReport.to_pandas`."""
    kinds = {"bands": _damage_bands, "images": _damage_images}
    columns = chosen(kinds, rows)(report)
    pandas = loaded_pandas()
    names = report.band_names
    columns["band"] = pandas.Categorical(columns["band"], categories=names, ordered=True)
    frame: DataFrame = pandas.DataFrame(columns)
    return frame


def _damage_bands(report: DamageReport) -> dict[str, Any]:
    logs, nothing = report.per_image_log_prob, np.full(report.players, np.nan)
    return {
        "band": report.band_names,
        "damage": report.bands.value,
        "low": report.bands.low,
        "high": report.bands.high,
        "log_prob": nothing if logs is None else logs.mean(axis=0),
        "only": nothing if report.only is None else report.only,
        "alone": nothing if report.alone is None else report.alone,
    }


def _damage_images(report: DamageReport) -> dict[str, Any]:
    per_image: dict[str, Any] = {
        "image": report.image_ids,
        "class": report.labels,
        "name": [report.class_name(int(label)) for label in report.labels],
        "lost": report.lost,
    }
    return {
        **{name: np.repeat(values, report.players) for name, values in per_image.items()},
        "band": report.band_names * len(report.labels),
        "damage": report.per_image.ravel(),
    }


def comparison_frame(comparison: Comparison, rows: str | None = None) -> DataFrame:
    """See `Comparison.to_pandas`."""
    kinds = {"scores": _score_rows, "bands": _band_rows, "classes": _class_rows}
    lines = list(chosen(kinds, rows)(comparison))
    pandas = loaded_pandas()
    frame: DataFrame = pandas.DataFrame(lines).astype(dict.fromkeys(_NOT_JUDGED, float))
    if "band" in frame:
        bands = pandas.Categorical(frame["band"], categories=comparison.bands, ordered=True)
        frame["band"] = bands
    return frame


def ranking_frame(ranking: Ranking, rows: str | None = None) -> DataFrame:
    """See `Ranking.to_pandas`: a row a model."""
    lines = list(chosen({"models": ranking_rows}, rows)(ranking))
    frame: DataFrame = loaded_pandas().DataFrame(lines)
    return frame


def loaded_pandas() -> Any:
    """The library, where it is installed."""
    try:
        return import_module("pandas")
    except ModuleNotFoundError as error:
        raise UsageError("to_pandas needs pandas: pip install 'iaside-onnx[notebook]'") from error


def chosen(kinds: Mapping[str, Callable[[Any], Any]], rows: str | None) -> Callable[[Any], Any]:
    """The function of a kind of rows, of the first where none is named."""
    name = rows or next(iter(kinds))
    if name not in kinds:
        raise InvalidOption("rows", rows, one_of(name, kinds))
    return kinds[name]


def _band_columns(report: Report) -> dict[str, Any]:
    return {
        "band": report.band_names,
        "shapley": report.shapley,
        "shapley_stderr": report.shapley_stderr,
        "sid": report.sid,
        "sid_low": report.intervals.sid_low,
        "sid_high": report.intervals.sid_high,
    }


def _image_columns(report: Report) -> dict[str, Any]:
    per_image = {
        "image": report.image_ids,
        "class": report.labels,
        "name": [report.class_name(int(label)) for label in report.labels],
        "predicted": report.predicted,
        "correct": None if report.of_own_answers else report.predicted == report.labels,
        ("log_prob" if report.of_classes else "value"): report.table[:, -1],
    }
    return {
        **{
            name: None if values is None else np.repeat(values, report.players)
            for name, values in per_image.items()
        },
        "band": report.band_names * len(report.labels),
        "shapley": report.shapley_per_image.ravel(),
    }


def _class_columns(report: Report) -> dict[str, Any]:
    """Every entry of `per_class`: lists are spread over the bands, the rest is repeated."""
    rows, players = [dict(_flat(row)) for row in report.per_class()], report.players
    columns: dict[str, Any] = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        columns[key] = [
            np.nan if part is None else part
            for value in (row.get(key) for row in rows)
            for part in (value if isinstance(value, list) else [value] * players)
        ]
    return {**columns, "band": report.band_names * len(rows)}


def _flat(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{key}_{inner}", part) for inner, part in value.items())
        else:
            yield key, value


def difference_fields(difference: Difference | None) -> dict[str, Any]:
    """A difference as columns, missing where it was not judged."""
    if difference is None:
        return _NOT_JUDGED
    # One value a cell: those of every training stay with the difference.
    return {name: value for name, value in asdict(difference).items() if name != "trainings"}


def _score_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for pair in comparison.pairs:
        for quantity in _SCORES:
            yield {
                "report": pair.report,
                "quantity": quantity,
                **difference_fields(getattr(pair, quantity)),
            }


def _band_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for pair in comparison.pairs:
        for quantity in ("sid", "shapley"):
            for band, difference in zip(comparison.bands, getattr(pair, quantity), strict=True):
                row = {"report": pair.report, "quantity": quantity, "band": band}
                yield {**row, **difference_fields(difference)}


def _class_rows(comparison: Comparison) -> Iterator[dict[str, Any]]:
    if any(pair.per_class is None for pair in comparison.pairs):
        raise UsageError("to_pandas rows 'classes': compare with per_class=True first")
    for pair in comparison.pairs:
        for row in pair.per_class or []:
            about = {"class": row.label, "name": row.name, "n": row.images}
            for quantity in ("srs_signed", "accuracy"):
                difference = difference_fields(getattr(row, quantity))
                yield {"report": pair.report, "quantity": quantity, **about, **difference}
