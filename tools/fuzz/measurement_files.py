"""Mutated measurements (robustness, heat maps, signal to noise); read, printed and used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hdf5_damage import Anatomy, mutate
from hostile_values import some
from sound_files import sound_heatmap, sound_robustness, sound_snr
from uses import show, use

from iaside_onnx.results import heatmap_store, robustness_store, snr_store
from iaside_onnx.storage import opening
from iaside_onnx.storage.isolated import Arrays, Job

_LOAD: dict[str, Callable[[Path], Any]] = {
    "robustness": robustness_store.load_robustness,
    "heatmap": heatmap_store.load_heatmap,
    "snr": snr_store.load_snr,
}
_LAYOUTS = {
    "robustness": robustness_store.LAYOUT,
    "heatmap": heatmap_store.LAYOUT,
    "snr": snr_store.LAYOUT,
}
_MAKERS: dict[str, Callable[[int], Any]] = {
    "robustness": sound_robustness,
    "heatmap": sound_heatmap,
    "snr": sound_snr,
}
_HEADER = "header"


def material(folder: Path) -> list[tuple[str, bytes, str]]:
    """Two sound files of each kind: the kind, content, and summary."""
    made = []
    for name, maker in _MAKERS.items():
        for kind in range(2):
            path = folder / "sound.h5"
            maker(kind).save(path)
            made.append((name, path.read_bytes(), show(_read(name, path))))
            path.unlink()
    return made


def make(
    rng: np.random.Generator, sound: list[tuple[str, bytes, str]], folder: Path
) -> tuple[Path, str, Any]:
    """One mutated file; what was done to it; the summary that it must give if it is read."""
    name, content, summary = some(rng, sound)
    for old in folder.glob("case.*"):
        old.unlink()
    path = folder / f"case.{name}.h5"
    anatomy = Anatomy(
        datasets=(*_LAYOUTS[name].datasets, _HEADER),
        groups=(),
        attributes=("format", "format_version"),
        json=(_HEADER,),
    )
    recipe, sealed = mutate(rng, path, content, anatomy, folder)
    return path, f"{name}: {recipe}", summary if sealed else None


def run(path: Path, expected: str | None) -> str:
    """Read, sum up, print, use; in this process, whose limits are those of the reading process."""
    kind = path.suffixes[-2][1:]
    report = _read(kind, path)
    text = show(report)
    if expected is not None and text != expected:
        raise AssertionError("a changed measurement passed its checksum")
    used = use(report, path)
    return f"{kind}, unharmed" if expected is not None else f"{kind}, other content, {used}"


def run_contained(path: Path) -> None:
    """As users have it: the file is read in a process of its own."""
    _LOAD[path.suffixes[-2][1:]](path).summary()


def _read(kind: str, path: Path) -> Any:
    with mock.patch.object(opening, "isolated", _in_this_process):
        return _LOAD[kind](path)


def _in_this_process(job: Job, path: Path) -> tuple[dict[str, Any], Arrays]:
    values, arrays = job(path)
    return json.loads(json.dumps(values)), arrays
