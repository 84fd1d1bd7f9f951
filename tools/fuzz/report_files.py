"""Mutated reports: bytes, and structure through h5py; read, summed up, printed and used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hdf5_damage import Anatomy, mutate
from reading_here import read_here
from sound_files import REPORTS, sound_report
from uses import show, use

from iaside_onnx.results.report import SCHEMA, load

_JSON = ("settings", "model", "data", "run")
_ANATOMY = Anatomy(
    datasets=(*(each.where for each in SCHEMA.fields), "shapley/per_image", "sid/values"),
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
        sound_report(kind).save(path)
        made.append((path.read_bytes(), show(read_here(path))))
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
    report = read_here(path)
    text = show(report)
    if expected is not None and text != expected:
        raise AssertionError("a changed report passed its checksum")
    used = use(report, path)
    return "unharmed" if expected is not None else f"other content, {used}"


def run_contained(path: Path) -> None:
    """As users have it: the file is read in a process of its own."""
    load(path).summary(per_class=True)
