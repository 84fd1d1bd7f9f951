"""Signal-to-noise reports as HDF5; `measurement_store` says how such files are kept and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..mathematics.bands import MOST_BANDS
from ..storage.isolated import Arrays
from ..storage.measurement_store import (
    MOST_PERTURBATIONS,
    MOST_SEVERITIES,
    Layout,
    check_target,
    is_norm,
    read_datasets,
    read_measurement,
    texts,
    write_measurement,
)
from ..storage.value_rules import (
    MOST_CLASSES,
    MOST_SIDE,
    OF_DATA,
    OF_RUN,
    ORIGIN,
    Need,
    are_kinds,
    check_rules,
    check_samples,
    each,
    is_name,
    is_object,
    is_place,
    is_positive,
    is_seed,
    is_share,
    is_truth,
    whole,
)
from .snr import SNR_FORMAT, SNR_VERSION, SnrReport

# Pixels lie in [0, 1] and so many are in no image.
_LARGEST_SUM = 1e40
LAYOUT = Layout(
    format=SNR_FORMAT,
    version=SNR_VERSION,
    datasets={"image_ids": (1, None), "signal": (3, "float64"), "noise": (5, "float64")},
    header={
        "perturbations": each(is_name, MOST_PERTURBATIONS),
        "severities": each(whole(1, 1000), MOST_SEVERITIES),
        "settings": is_object,
        "data": is_object,
        "run": is_object,
        **ORIGIN,
    },
)
_SETTINGS = {
    "bands": whole(1, MOST_BANDS),
    "rings": whole(1, MOST_BANDS),
    "norm": is_norm,
    "separate_dc": is_truth,
    "confidence": is_share,
    "seed": is_seed,
    "height": whole(1, MOST_SIDE),
    "width": whole(1, MOST_SIDE),
    "channels": lambda value: value in (1, 3),
    "kinds": are_kinds,
}


def write_snr(report: SnrReport, target: Path, *, overwrite: bool = False) -> None:
    """Write a report; nothing appears under `target` unless it is whole.

    Raises
    ------
    ReportError
        See `measurement_store.check_target`, or it cannot be written.
    """
    check_target(target, overwrite=overwrite)
    header = {name: getattr(report, name) for name in LAYOUT.header}
    arrays = {"signal": report.signal, "noise": report.noise}
    write_measurement(LAYOUT, header, arrays, {"image_ids": report.image_ids}, target)


def load_snr(path: str | Path) -> SnrReport:
    """Read a report, refusing whatever `write_snr` cannot have written.

    Raises
    ------
    ReportError
        Not such a file, another version, damaged, or with content that contradicts itself.
    """
    return read_measurement(LAYOUT, Path(path), read_snr_arrays, _checked)


def read_snr_arrays(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The datasets of a report; runs in the process that `load_snr` starts."""
    return read_datasets(LAYOUT, path)


def _checked(header: dict[str, Any], arrays: Arrays, need: Need) -> SnrReport:
    """The report, when its parts agree."""
    settings = header["settings"]
    check_rules(settings, _SETTINGS, "settings hold", need)
    for part, rules in (("data", OF_DATA), ("run", OF_RUN)):
        check_rules(header[part], rules, f"header holds no usable '{part}': it has", need)
    need(_is_attack(settings.get("attack")), "the settings hold no usable 'attack'")
    signal, noise = arrays["signal"], arrays["noise"]
    images, rings = len(arrays["image_ids"]), int(settings["rings"])
    parts = rings + 1
    wanted = (len(header["perturbations"]), len(header["severities"]))
    check_samples(header, images, need)
    need(rings % int(settings["bands"]) == 0, "the rings do not fit the bands")
    need(
        signal.shape == (2, images, parts) and noise.shape == (3, images, *wanted, parts),
        "signal and noise do not match names, images and rings",
    )
    need(set(header["perturbations"]) <= set(settings["kinds"]), "a perturbation has no kind")
    need(bool(np.isfinite(signal).all() and np.isfinite(noise).all()), "holds values not finite")
    need(bool((signal >= 0).all() and (noise[:2] >= 0).all()), "holds negative sums")
    largest = max(float(np.abs(sums).max()) for sums in (signal, noise))
    need(largest <= _LARGEST_SUM, f"holds a sum of {largest:g}, which no image has")
    return SnrReport(
        signal=signal,
        noise=noise,
        image_ids=texts(arrays["image_ids"]),
        **{key: header[key] for key in LAYOUT.header},
    )


def _is_attack(value: Any) -> bool:
    """Nothing, or what `iaside snr --attack` says about the attack."""
    return value is None or (
        isinstance(value, dict)
        and is_name(value.get("name"))
        and is_place(value.get("model"))
        and is_positive(value.get("epsilon"))
        and whole(1, MOST_CLASSES)(value.get("queries"))
    )
