"""Mutated measurements (all kinds beside reports); read, printed and used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hdf5_damage import Anatomy, mutate
from hostile_values import some
from reading_here import read_here
from sound_files import (
    part,
    proven,
    sound_damage,
    sound_heatmap,
    sound_robustness,
    sound_snr,
    sound_stand_ins,
)
from uses import show, use

from iaside_onnx.results import damage, heatmap, robustness, snr, stand_ins
from iaside_onnx.results.kinds import load
from iaside_onnx.storage.value_rules import is_object

_MAKERS: dict[str, Callable[[int], Any]] = {
    "robustness": sound_robustness,
    "heatmap": sound_heatmap,
    "snr": sound_snr,
    "damage": sound_damage,
    "stand_ins": sound_stand_ins,
}
_SCHEMAS = {
    "robustness": robustness.SCHEMA,
    "heatmap": heatmap.SCHEMA,
    "snr": snr.SCHEMA,
    "damage": damage.SCHEMA,
    "stand_ins": stand_ins.SCHEMA,
}
_HEADER = "header"


def material(folder: Path) -> list[tuple[str, bytes, str]]:
    """Three sound files of each kind, the last a part: the kind, content, and summary."""
    made = []
    for name, maker in _MAKERS.items():
        for kind in range(3):
            path = folder / "sound.h5"
            (part(proven(maker(0)), 1) if kind == 2 else maker(kind)).save(path)
            made.append((name, path.read_bytes(), show(read_here(path))))
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
    schema = _SCHEMAS[name]
    datasets = tuple(each.where for each in schema.fields)
    # Where the header lies in attributes, its objects are some of these.
    own = tuple(schema.header) if schema.attributes else ()
    objects = tuple(key for key in own if schema.header[key] is is_object)
    anatomy = Anatomy(
        datasets=datasets if own else (*datasets, _HEADER),
        groups=("game", "data") if own else (),
        attributes=("format", "format_version", *own, *schema.copies),
        json=objects or (_HEADER,),
    )
    recipe, sealed = mutate(rng, path, content, anatomy, folder)
    return path, f"{name}: {recipe}", summary if sealed else None


def run(path: Path, expected: str | None) -> str:
    """Read, sum up, print, use; in this process, whose limits are those of the reading process."""
    kind = path.suffixes[-2][1:]
    report = read_here(path)
    text = show(report)
    if expected is not None and text != expected:
        raise AssertionError("a changed measurement passed its checksum")
    used = use(report, path)
    return f"{kind}, unharmed" if expected is not None else f"{kind}, other content, {used}"


def run_contained(path: Path) -> None:
    """As users have it: the file is read in a process of its own."""
    load(path).summary()  # type: ignore[attr-defined]
