"""Mutated tar shards, Parquet, arrays and tables that hold labels, sets of labels or masks."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from damage import damaged
from hostile_values import some
from PIL import Image

from iaside_onnx.images.masks import Masks
from iaside_onnx.images.sample import Reading

_COUNT = 6
_TASKS = ("classes", "several-labels", "dense")
Set = tuple[str, bytes, str]


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def _tar(endings: dict[str, list[bytes]]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for number in range(_COUNT):
            for ending, contents in endings.items():
                info = tarfile.TarInfo(f"{number:04d}.{ending}")
                info.size = len(contents[number])
                archive.addfile(info, io.BytesIO(contents[number]))
    return stream.getvalue()


def _parquet(images: list[bytes], labels: Any) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    stream = io.BytesIO()
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = pa.array([{"bytes": each, "path": None} for each in images], kind)
    pq.write_table(pa.table({"image": cells, "label": labels}), stream, row_group_size=3)
    return stream.getvalue()


def _arrays(images: np.ndarray, labels: np.ndarray) -> list[tuple[str, bytes]]:
    archive, file = io.BytesIO(), io.BytesIO()
    np.savez(archive, images=images, labels=labels)
    with h5py.File(file, "w") as held:
        held["images"], held["labels"] = images, labels
    return [(".npz", archive.getvalue()), (".h5", file.getvalue())]


def material(_: Path) -> list[Set]:
    """Sound sets: ending, content and the task that the labels are of."""
    import pyarrow as pa

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (_COUNT, 8, 8, 3), dtype=np.uint8)
    masks = rng.integers(0, 3, (_COUNT, 8, 8), dtype=np.uint8)
    many = rng.integers(0, 2, (_COUNT, 4))
    pictures, marks = [_png(each) for each in images], [_png(each) for each in masks]
    named = [[f"c{at}" for at in np.flatnonzero(row)] for row in many]
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    listed = [json.dumps(each).encode() for each in named]
    classes = [b"%d" % (number % 3) for number in range(_COUNT)]
    made = [
        (".tar", _tar({"png": pictures, "cls": classes}), "classes"),
        (".tar", _tar({"png": pictures, "json": listed}), "several-labels"),
        (".tar", _tar({"png": pictures, "seg.png": marks}), "dense"),
        (".parquet", _parquet(pictures, np.arange(_COUNT) % 3), "classes"),
        (".parquet", _parquet(pictures, pa.array(named)), "several-labels"),
        (
            ".parquet",
            _parquet(pictures, pa.array([{"bytes": m, "path": None} for m in marks], struct)),
            "dense",
        ),
    ]
    for labels, task in (
        (np.arange(_COUNT), "classes"),
        (many, "several-labels"),
        (masks, "dense"),
    ):
        made += [(*each, task) for each in _arrays(images, labels)]
    return made


def make(rng: np.random.Generator, sound: list[Set], folder: Path) -> tuple[Path, str, str]:
    """One mutated set, and the task that it is read for: now and then another than its own."""
    ending, content, task = some(rng, sound)
    for old in folder.glob("case.*"):
        old.unlink()
    path = folder / f"case{ending}"
    path.write_bytes(damaged(rng, content, most=some(rng, (1, 2, 8))))
    asked = task if rng.random() < 0.9 else some(rng, _TASKS)
    return path, f"bytes of {ending}, {task} read for {asked}", asked


def run(path: Path, task: Any) -> str:
    """Open, and read every picture with what it is held against."""
    source = Reading.asked(path).of_task(task or "dense").open()
    for index in range(min(len(source.ids), 20)):
        source.picture(index)
        source.content(index)
    truths = source.truths
    held = "classes" if truths is None else type(truths).__name__
    for name in source.ids[:20] if truths is not None else ():
        truths.digest(name)
        if isinstance(truths, Masks):
            truths.mask(name)
    return f"pictures with {held} read"
