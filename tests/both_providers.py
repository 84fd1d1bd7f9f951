"""The same measurements on the processor and on another provider: what differs, and by how much.

``python -m tests.both_providers PROVIDER [ONLY]`` prints a table of them: every task, every
measurement. Written for a graphics card; ``cpu`` tries it where there is none.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import iaside_onnx as ia

from . import graphs
from .conftest import ROOT, write_npz

SIZE, WAVES = 16, [1, 3, 5, 7]
COUNT = 12


def pictures(folder: Path) -> Path:
    """Pictures of a few waves of their own, in a folder without classes, made once."""
    target = folder / "pictures"
    if not target.exists():
        target.mkdir()
        rng = np.random.default_rng(0)
        for number in range(COUNT):
            waves = sum(rng.uniform(0.03, 0.1) * graphs.wave(SIZE, each) for each in WAVES)
            pixels = np.rint(255 * (0.5 + np.moveaxis(waves, 0, -1))).astype(np.uint8)
            Image.fromarray(pixels).save(target / f"{number:02}.png")
    return target


def sets(folder: Path) -> Path:
    """A table of several labels for them."""
    target = folder / "sets.csv"
    rows = [[f"{number:02}.png", *"0123"[number % 4 : 4]] for number in range(COUNT)]
    target.write_text("file,label,label,label,label\n" + "\n".join(map(",".join, rows)))
    return target


def classes(folder: Path) -> Path:
    """Random pictures with a class."""
    images = np.random.default_rng(2).integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype=np.uint8)
    return write_npz(folder / "classes.npz", images, np.arange(COUNT) % 4)


def _classifier(folder: Path) -> tuple[Any, ...]:
    return graphs.small_network(folder / "classifier.onnx", size=SIZE), classes(folder), {}


def _demo(_: Path) -> tuple[Any, ...]:
    demo = ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test"
    return *demo, {"samples": 40}


def _tagger(folder: Path) -> tuple[Any, ...]:
    model = graphs.tagger(folder / "tagger.onnx", SIZE, WAVES)
    return model, pictures(folder), {"labels": sets(folder)}


def _embedding(folder: Path) -> tuple[Any, ...]:
    return graphs.embedding_of(folder / "embedding.onnx", SIZE, WAVES), pictures(folder), {}


def _dense(folder: Path) -> tuple[Any, ...]:
    model = graphs.band_map(folder / "dense.onnx", SIZE, 1, 4, channels=2)
    return model, pictures(folder), {"task": "dense", "labels": "model"}


def _other(folder: Path) -> tuple[Any, ...]:
    model = graphs.linear_outputs(folder / "other.onnx", SIZE, WAVES, maps=True)
    return model, pictures(folder), {"task": "other"}


def _detector(folder: Path, *, suppressed: bool = False) -> tuple[Any, ...]:
    path = folder / f"detector-{suppressed}.onnx"
    model = graphs.detector(path, SIZE, WAVES, 1, suppressed=suppressed)
    return model, pictures(folder), {}


SUBJECTS = {
    "one label": _classifier,
    "one label, the demo's photographs": _demo,
    "several labels": _tagger,
    "embedding": _embedding,
    "dense": _dense,
    "other outputs": _other,
    "detector": _detector,
    "detector, suppressed": lambda folder: _detector(folder, suppressed=True),
}
CLASSES = ("one label", "one label, the demo's photographs")
_READ = {"preprocess": "unit"}
# What is measured, and with which settings beside those of the task.
MEASUREMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "analyze": ("analyze", {"bands": 6}),
    "analyze, linf": ("analyze", {"bands": 4, "norm": "linf"}),
    "analyze, octaves": ("analyze", {"spacing": "octave", "bands": 4}),
    "analyze, equal energy": ("analyze", {"spacing": "equal-energy", "bands": 4}),
    "analyze, permutation": ("analyze", {"bands": 8, "estimator": "permutation"}),
    "robustness": ("measure_robustness", {"attack": "none"}),
    "robustness, attacked": (
        "measure_robustness",
        {"corruption": "fog", "severity": 3, "attack": ["square-linf", "spsa-l2"],
         "epsilon": [0.05, 0.5], "attack_samples": 4, "queries": 40},
    ),
    "explain": ("explain", {"corruption": "contrast", "severity": 5, "bands": 4}),
    "explain, attack": ("explain", {"attack": "square-linf", "epsilon": 0.05, "queries": 40,
                                    "bands": 4}),
    "heatmap": ("measure_heatmap", {"bands": 4, "grid": 5, "strength": 1.0}),
    "stand-ins": ("measure_stand_ins", {"severity": [1, 5]}),
    "snr, attack": (
        "measure_snr",
        {"attack": "square-linf", "epsilon": 0.1, "severity": [3], "queries": 40, "bands": 4},
    ),
}  # fmt: skip
# Right and wrong classes are what these count.
ONLY_CLASSES = ("stand-ins",)


@dataclass
class Pair:
    """What two runs of one measurement found."""

    here: Any
    there: Any
    seconds: tuple[float, float]

    def numbers(self) -> dict[str, float]:
        """Largest difference of each array of numbers; infinite where one alone is not finite."""
        found = {}
        for name, one, other in self._arrays():
            if one.dtype.kind == "f":
                apart = np.abs(one.astype(float) - other)
                alike = (one == other) | (np.isnan(one) & np.isnan(other))
                apart = np.where(alike, 0, np.nan_to_num(apart, nan=np.inf))
                found[name] = float(apart.max(initial=0))
        return found

    def answers(self) -> dict[str, int]:
        """How many entries of the other arrays differ: answers, right and wrong, queries."""
        return {
            name: int((one != other).sum())
            for name, one, other in self._arrays()
            if one.dtype.kind != "f"
        }

    def warnings(self) -> tuple[set[str], set[str]]:
        """Said here alone, and there alone."""
        here, there = (set(each.run["warnings"]) for each in (self.here, self.there))
        return here - there, there - here

    def _arrays(self) -> list[tuple[str, Any, Any]]:
        names = [each.name for each in fields(self.here) if each.name != "created"]
        names += [name for name in ("sid", "shapley_per_image") if hasattr(self.here, name)]
        both = [(name, getattr(self.here, name), getattr(self.there, name)) for name in names]
        assert all(isinstance(one, np.ndarray) == isinstance(other, np.ndarray)
                   for _, one, other in both)  # fmt: skip
        kept = [row for row in both if isinstance(row[1], np.ndarray)]
        for name, one, other in kept:
            assert (one.shape, one.dtype) == (other.shape, other.dtype), name
        return kept


def cases() -> list[tuple[str, str]]:
    """Pairs of a measurement and a subject."""
    return [
        (kind, subject)
        for kind in MEASUREMENTS
        for subject in SUBJECTS
        if subject in CLASSES or kind not in ONLY_CLASSES
    ]


def measured(kind: str, subject: str, provider: str, folder: Path) -> Pair:
    """Both runs; products are not rounded where that can be forbidden."""
    model, images, own = SUBJECTS[subject](folder)
    name, settings = MEASUREMENTS[kind]
    given = {**settings, **_READ, **own}
    if subject == CLASSES[1]:
        given["preprocess"] = "imagenet"
        if name == "measure_robustness" and "corruption" not in settings:
            given["samples"] = 14
    first = (images,) if name == "measure_snr" else (model, images)
    if name == "measure_snr":
        given["model"] = model
        given.setdefault("samples", 4)
    found, seconds = [], []
    for where in ("cpu", provider):
        exact = {"tf32": False} if where.startswith("cuda") else {}
        began = time.perf_counter()
        found.append(getattr(ia, name)(*first, provider=where, **given, **exact))
        seconds.append(time.perf_counter() - began)
    return Pair(*found, (seconds[0], seconds[1]))


def main(provider: str, only: str = "") -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as place:
        for kind, subject in cases():
            if only not in f"{kind} of {subject}":
                continue
            try:
                pair = measured(kind, subject, provider, Path(place))
            except ia.IasideError as error:
                print(f"| {kind} | {subject} | {type(error).__name__}: {error} |", flush=True)
                continue
            numbers = {name: f"{each:.1e}" for name, each in pair.numbers().items() if each}
            answers = {name: each for name, each in pair.answers().items() if each}
            less, more = pair.warnings()
            left = (pair.there.run.get("placement") or {}).get("left")
            times = " and ".join(f"{each:.2f} s" for each in pair.seconds)
            cells = [kind, subject, numbers, answers, left or "", times]
            print("|", " | ".join(map(str, cells)), "|", flush=True)
            for word, said in (("here", less), ("there", more)):
                for text in sorted(said):
                    print(f"  only {word}: {text}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
