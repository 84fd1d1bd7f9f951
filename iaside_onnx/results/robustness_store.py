"""Robustness reports as HDF5; `measurement_store` says how such files are kept and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..storage.isolated import Arrays
from ..storage.measurement_store import (
    MOST_PERTURBATIONS,
    MOST_SEVERITIES,
    Layout,
    check_target,
    read_datasets,
    read_measurement,
    texts,
    write_measurement,
)
from ..storage.value_rules import (
    MOST_SIDE,
    OF_CLASSES,
    OF_DATA,
    OF_MODEL,
    OF_PASSES,
    OF_RUN,
    ORIGIN,
    Need,
    are_kinds,
    check_rules,
    check_samples,
    each,
    is_name,
    is_object,
    is_positive,
    is_seed,
    is_share,
    whole,
)
from .robustness import NOT_ATTACKED, ROBUSTNESS_FORMAT, ROBUSTNESS_VERSION, RobustnessReport

_MOST = 1 << 31
# Rounding of probabilities lets their logarithm exceed 0, and their distance 2, by no more.
_ROUNDING = 0.1
_TABLES = ("wrong", "change", "corrupted_log_prob")
_ATTACKED = ("attack_wrong", "attack_queries", "attack_change")
_TRUTHS = ("wrong", "attack_wrong")


LAYOUT = Layout(
    format=ROBUSTNESS_FORMAT,
    version=ROBUSTNESS_VERSION,
    datasets={
        "image_ids": (1, None),
        "labels": (1, "int64"),
        "predicted": (1, "int64"),
        "log_prob": (1, "float32"),
        "wrong": (3, "uint8"),
        "change": (3, "float32"),
        "corrupted_log_prob": (3, "float32"),
        "attack_wrong": (2, "uint8"),
        "attack_queries": (2, "int32"),
        "attack_change": (2, "float32"),
    },
    header={
        "perturbations": each(is_name, MOST_PERTURBATIONS),
        "severities": each(whole(1, 1000), MOST_SEVERITIES),
        "attacks": lambda value: (
            isinstance(value, list)
            and len(value) <= MOST_PERTURBATIONS
            and all(map(is_object, value))
        ),
        "settings": is_object,
        "model": is_object,
        "data": is_object,
        "run": is_object,
        "provider": is_name,
        **ORIGIN,
    },
    optional=frozenset(_ATTACKED),
)
_RULES: dict[str, dict[str, Callable[[Any], bool]]] = {
    "settings": {
        "seed": is_seed,
        "confidence": is_share,
        "height": whole(1, MOST_SIDE),
        "width": whole(1, MOST_SIDE),
        "label_offset": whole(-_MOST, _MOST),
        "temperature": is_positive,
        "kinds": are_kinds,
    },
    "model": OF_MODEL,
    "data": {**OF_DATA, **OF_CLASSES},
    "run": {**OF_RUN, **OF_PASSES},
}
_ATTACK: dict[str, Callable[[Any], bool]] = {
    "name": is_name,
    "norm": lambda value: value in ("linf", "l2"),
    "epsilon": is_positive,
    "queries": whole(1, _MOST),
}


def write_robustness(report: RobustnessReport, target: Path, *, overwrite: bool = False) -> None:
    """Write a report; nothing appears under `target` unless it is whole.

    Raises
    ------
    ReportError
        See `measurement_store.check_target`, or it cannot be written.
    """
    check_target(target, overwrite=overwrite)
    arrays: Arrays = {}
    for name, (_, kind) in LAYOUT.datasets.items():
        if kind is not None and (report.attacks or name not in _ATTACKED):
            arrays[name] = np.asarray(getattr(report, name), kind)
    header = {name: getattr(report, name) for name in LAYOUT.header}
    write_measurement(LAYOUT, header, arrays, {"image_ids": report.image_ids}, target)


def load_robustness(path: str | Path) -> RobustnessReport:
    """Read a report, refusing whatever `write_robustness` cannot have written.

    Raises
    ------
    ReportError
        Not such a file, another version, damaged, or with content that contradicts itself.
    """
    return read_measurement(LAYOUT, Path(path), read_robustness_arrays, _checked)


def read_robustness_arrays(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The datasets of a report; runs in the process that `load_robustness` starts."""
    return read_datasets(LAYOUT, path)


def _checked(header: dict[str, Any], arrays: Arrays, need: Need) -> RobustnessReport:
    """The report, when its parts agree."""
    for part, rules in _RULES.items():
        check_rules(header[part], rules, f"{part} hold", need)
    attacks = header["attacks"]
    for attack in attacks:
        check_rules(attack, _ATTACK, "attacks hold", need)
    images = len(arrays["image_ids"])
    shapes: dict[str, tuple[int, ...]] = {"labels": (images,), "predicted": (images,)}
    shapes["log_prob"] = (images,)
    shape = (images, len(header["perturbations"]), len(header["severities"]))
    shapes |= dict.fromkeys(_TABLES, shape)
    if attacks:
        shapes |= dict.fromkeys(_ATTACKED, (images, len(attacks)))
    else:
        need(not set(_ATTACKED) & set(arrays), "holds results of attacks that it does not name")
        for name in _ATTACKED:
            arrays[name] = np.empty((images, 0), LAYOUT.datasets[name][1])
    check_samples(header, images, need)
    need(
        all(name in arrays and arrays[name].shape == shapes[name] for name in shapes),
        "the arrays do not match names, images and severities",
    )
    kinds = header["settings"]["kinds"]
    need(set(header["perturbations"]) <= set(kinds), "a perturbation has no kind")
    _check_values(header, arrays, need)
    held = {**arrays, **{name: arrays[name].astype(bool) for name in _TRUTHS}}
    held["image_ids"] = texts(arrays["image_ids"])  # type: ignore[assignment]
    return RobustnessReport(**held, **{key: header[key] for key in LAYOUT.header})  # type: ignore[arg-type]


def _check_values(header: dict[str, Any], arrays: Arrays, need: Need) -> None:
    for name in _TRUTHS:
        need(bool((arrays[name] <= 1).all()), f"'{name}' holds something else than 0 and 1")
    for name in ("log_prob", "corrupted_log_prob", "change", "attack_change"):
        need(bool(np.isfinite(arrays[name]).all()), f"'{name}' holds values not finite")
    for name in ("log_prob", "corrupted_log_prob"):
        need(float(arrays[name].max()) <= _ROUNDING, f"'{name}' holds a log-probability above 0")
    for name in ("change", "attack_change"):
        inside = (arrays[name] >= 0) & (arrays[name] <= 2 + _ROUNDING)
        need(bool(inside.all()), f"'{name}' holds values outside [0, 2]")
    offset, classes = header["settings"]["label_offset"], header["data"]["classes"]
    for name in ("labels", "predicted"):
        low, high = int(arrays[name].min()) + offset, int(arrays[name].max()) + offset
        need(low >= 0 and high < classes, f"'{name}' lie outside the {classes} classes")
    for place, attack in enumerate(header["attacks"]):
        queries = arrays["attack_queries"][:, place]
        skipped = queries == NOT_ATTACKED
        need(
            bool((queries >= NOT_ATTACKED).all() and (queries <= attack["queries"]).all()),
            f"more queries than the budget of {attack['name']}, or fewer than none",
        )
        need(not skipped.all(), f"no image was attacked by {attack['name']}")
        need(
            not arrays["attack_wrong"][skipped, place].any()
            and not arrays["attack_change"][skipped, place].any(),
            "holds results of images that were not attacked",
        )
