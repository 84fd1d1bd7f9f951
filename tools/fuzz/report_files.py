"""Mutated reports: bytes, and structure through h5py; read, summed up, printed and used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hdf5_damage import Anatomy, mutate
from sound_files import REPORTS, sound_report
from uses import show, use

from iaside_onnx.results.report import Report, load
from iaside_onnx.storage import opening, store
from iaside_onnx.storage.isolated import Arrays
from iaside_onnx.storage.report_reader import read_finished

_JSON = ("settings", "model", "data", "run")
_ANATOMY = Anatomy(
    datasets=(
        "game/log_prob", "game/labels", "game/predicted", "game/image_ids", "game/image_digests",
        "game/coalitions", "data/class_names", "data/example", "data/skipped",
        "shapley/per_image", "sid/values",
    ),
    groups=("game", "data"),
    attributes=(
        *_JSON, "format", "format_version", "complete", "created", "provider", "iaside_version",
        "model_sha256", "data_digest",
    ),
    json=_JSON,
)  # fmt: skip


def material(folder: Path) -> list[tuple[bytes, str]]:
    """Sound reports of several kinds, each with its summary."""
    made = []
    for kind in range(REPORTS):
        path = folder / "sound.h5"
        store.write_report(sound_report(kind), path)
        made.append((path.read_bytes(), show(_read(path))))
        path.unlink()
    return made


def make(
    rng: np.random.Generator, sound: list[tuple[bytes, str]], folder: Path
) -> tuple[Path, str, Any]:
    """One mutated report; what was done to it; the summary that it must give if it is read."""
    content, summary = sound[int(rng.choice(REPORTS, p=[0.4, 0.1, 0.15, 0.15, 0.2]))]
    path = folder / "case.h5"
    recipe, sealed = mutate(rng, path, content, _ANATOMY, folder)
    return path, recipe, summary if sealed else None


def run(path: Path, expected: str | None) -> str:
    """Read, sum up, print, use; in this process, whose limits are those of the reading process."""
    report = _read(path)
    text = show(report)
    if expected is not None and text != expected:
        raise AssertionError("a changed report passed its checksum")
    used = use(report, path)
    return "unharmed" if expected is not None else f"other content, {used}"


def run_contained(path: Path) -> None:
    """As users have it: the file is read in a process of its own."""
    load(path).summary(per_class=True)


def _read(path: Path) -> Report:
    with mock.patch.object(opening, "Child", _InThisProcess):
        return load(path)


class _InThisProcess:
    """Stands in for the process that reads a report."""

    def __init__(self, _: str, path: Path) -> None:
        self._path = path

    def result(self) -> tuple[dict[str, Any], Arrays]:
        values, arrays = read_finished(self._path)
        return json.loads(json.dumps(values)), arrays
