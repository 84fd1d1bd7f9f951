"""Fourier heat maps as HDF5; `measurement_store` says how such files are kept and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..mathematics.bands import MOST_BANDS
from ..mathematics.fourier_basis import FrequencyGrid
from ..storage.isolated import Arrays
from ..storage.measurement_store import (
    Layout,
    check_target,
    is_norm,
    read_datasets,
    read_measurement,
    texts,
    write_measurement,
)
from ..storage.value_rules import (
    OF_CLASSES,
    OF_DATA,
    OF_MODEL,
    OF_PASSES,
    OF_RUN,
    ORIGIN,
    Need,
    check_rules,
    check_samples,
    is_name,
    is_object,
    is_positive,
    is_seed,
    is_share,
    is_truth,
    whole,
)
from .heatmap import HEATMAP_FORMAT, HEATMAP_VERSION, HeatmapReport

_MOST_SIDE = 1 << 12  # of images; all their frequencies are laid out to know the bands
LAYOUT = Layout(
    format=HEATMAP_FORMAT,
    version=HEATMAP_VERSION,
    datasets={
        "image_ids": (1, None),
        "labels": (1, "int64"),
        "predicted": (1, "int64"),
        "frequencies": (2, "int64"),
        "wrong": (2, "uint8"),
        "change": (2, "float32"),
    },
    header={
        "settings": is_object,
        "model": is_object,
        "data": is_object,
        "run": is_object,
        "provider": is_name,
        **ORIGIN,
    },
)


_RULES = {"model": OF_MODEL, "data": {**OF_DATA, **OF_CLASSES}, "run": {**OF_RUN, **OF_PASSES}}
_SETTINGS = {
    "size": lambda value: (
        isinstance(value, list) and len(value) == 2 and all(map(whole(1, _MOST_SIDE), value))
    ),
    "grid": lambda value: value is None or whole(1, 2 * _MOST_SIDE)(value),
    "strength": is_positive,
    "clip": is_truth,
    "seed": is_seed,
    "bands": whole(1, MOST_BANDS),
    "norm": is_norm,
    "separate_dc": is_truth,
    "confidence": is_share,
}


def write_heatmap(report: HeatmapReport, target: Path, *, overwrite: bool = False) -> None:
    """Write a report; nothing appears under `target` unless it is whole.

    Raises
    ------
    ReportError
        See `measurement_store.check_target`, or it cannot be written.
    """
    check_target(target, overwrite=overwrite)
    arrays: Arrays = {
        "labels": report.labels,
        "predicted": report.predicted,
        "frequencies": report.grid.vectors,
        "wrong": report.wrong.astype(np.uint8),
        "change": report.change,
    }
    header = {name: getattr(report, name) for name in LAYOUT.header}
    write_measurement(LAYOUT, header, arrays, {"image_ids": report.image_ids}, target)


def load_heatmap(path: str | Path) -> HeatmapReport:
    """Read a report, refusing whatever `write_heatmap` cannot have written.

    Raises
    ------
    ReportError
        Not such a file, another version, damaged, or with content that contradicts itself.
    """
    return read_measurement(LAYOUT, Path(path), read_heatmap_arrays, _checked)


def read_heatmap_arrays(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The datasets of a report; runs in the process that `load_heatmap` starts."""
    return read_datasets(LAYOUT, path)


def _checked(header: dict[str, Any], arrays: Arrays, need: Need) -> HeatmapReport:
    """The report, when its parts agree."""
    settings = header["settings"]
    check_rules(settings, _SETTINGS, "settings hold", need)
    for part, rules in _RULES.items():
        check_rules(header[part], rules, f"header holds no usable '{part}': it has", need)
    images, held = len(arrays["image_ids"]), arrays["frequencies"]
    check_samples(header, images, need)
    for name in ("labels", "predicted"):
        need(arrays[name].shape == (images,), f"{name} do not match the images")
    for name in ("wrong", "change"):
        need(arrays[name].shape == (images, len(held)), f"'{name}' does not match images and grid")
    # Before the grid is laid out: a file that claims a large one must hold one.
    height, width = settings["size"]
    lines = settings["grid"]
    frequencies = min(lines or height, height) * min(lines or width, width)
    need(2 * len(held) >= frequencies, "the frequencies are not those of its grid")
    vectors = FrequencyGrid(height, width, lines).vectors
    need(np.array_equal(vectors, held), "the frequencies are not those of its grid")
    change = arrays["change"]
    need(bool(np.isfinite(change).all()), "'change' holds values not finite")
    need(bool((change >= 0).all() and (change <= 2.001).all()), "'change' lies outside [0, 2]")
    need(bool((arrays["wrong"] <= 1).all()), "'wrong' holds more than yes and no")
    report = HeatmapReport(
        wrong=arrays["wrong"].astype(bool),
        change=change,
        labels=arrays["labels"],
        predicted=arrays["predicted"],
        image_ids=texts(arrays["image_ids"]),
        **{key: header[key] for key in LAYOUT.header},
    )
    need(len(report.band_of) == len(held), "the bands do not fit the images")
    return report
