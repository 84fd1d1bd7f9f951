"""Mutated reports: bytes, and structure through h5py; read, summed up and printed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from unittest import mock

import h5py
import numpy as np
from damage import damaged
from hostile_values import attribute_values, json_text, numbers, some

from iaside_onnx.isolated import Arrays
from iaside_onnx.reports import opening, store
from iaside_onnx.reports.report import Report, load
from iaside_onnx.reports.report_reader import read_finished
from iaside_onnx.reports.seal import SEAL_BYTES, seal
from iaside_onnx.views.terminal import print_report

_JSON = ("settings", "model", "data", "run")
_ATTRIBUTES = (
    *_JSON, "format", "format_version", "complete", "created", "provider", "iaside_version",
    "model_sha256", "data_digest",
)  # fmt: skip
_DATASETS = (
    "game/log_prob", "game/labels", "game/predicted", "game/image_ids", "game/image_digests",
    "data/class_names", "data/example", "data/skipped", "shapley/per_image", "sid/values",
)  # fmt: skip


def material(folder: Path) -> list[tuple[bytes, str]]:
    """Sound reports of several kinds, each with its summary."""
    made = []
    for kind in range(3):
        path = folder / "sound.h5"
        store.write_report(sound_report(kind), path)
        made.append((path.read_bytes(), json.dumps(load(path).summary(per_class=True))))
        path.unlink()
    return made


def sound_report(kind: int) -> Report:
    """A small report: everything there is (0), as little as possible (1), DC as a player (2)."""
    rng = np.random.default_rng(kind)
    rows, bands = ((12, 4), (1, 1), (30, 3))[kind]
    players = bands + (kind == 2)
    digest = hashlib.sha256(bytes([kind])).hexdigest()
    settings = {
        "bands": bands, "separate_dc": kind == 2, "norm": "linf", "absence": "gaussian",
        "samples": 200, "seed": 7, "preprocess": {"name": "unit", "channels": "rgb"},
        "size": [8, 8], "input": "image", "output": "scores", "layout": "nchw",
        "output_kind": "logits", "label_offset": 0, "temperature": 1.0, "output_map": "real",
        "estimator": "exact", "players": players, "value": "log-prob", "beta": 0.75,
        "confidence": 0.95,
    }  # fmt: skip
    skipped = [{"id": "b.png", "reason": "truncated"}] if kind == 0 else []
    return Report(
        log_prob=-rng.exponential(size=(rows, 1 << players)).astype(np.float32),
        labels=np.arange(rows) % 4,
        predicted=rng.integers(0, 4, rows),
        image_ids=[f"class{row % 4}/{row}.png" for row in range(rows)],
        settings=settings,
        model={"path": "m.onnx", "sha256": digest, "producer": "fuzz", "parameters": 12},
        data={"source": "photos", "digest": digest, "samples": rows, "classes": 4}
        | {"skipped": skipped},
        run={"forward_passes": rows << players, "seconds": 0.5, "warnings": ["something"]},
        provider="cpu",
        created="2026-01-02T03:04:05+00:00",
        iaside_version="0.1.0",
        class_names=None if kind == 1 else [f"class{label}" for label in range(4)],
        example=None if kind == 1 else rng.integers(0, 256, (8, 8, 3), dtype=np.uint8),
        image_digests=rng.integers(0, 256, (rows, 32), dtype=np.uint8) if kind == 0 else None,
    )


def make(
    rng: np.random.Generator, sound: list[tuple[bytes, str]], folder: Path
) -> tuple[Path, str, Any]:
    """One mutated report; what was done to it; the summary that it must give if it is read."""
    content, summary = sound[int(rng.choice(3, p=[0.6, 0.15, 0.25]))]
    path = folder / "case.h5"
    path.write_bytes(content)
    recipe = []
    how = rng.random()
    if how >= 0.4:
        for _ in range(int(rng.choice(3, p=[0.7, 0.2, 0.1])) + 1):
            mutation = some(rng, _MUTATIONS)
            recipe.append(mutation.__name__.strip("_"))
            with h5py.File(path, "r+") as file:
                try:
                    mutation(rng, file, folder)
                except Exception:  # h5py's errors have no common base
                    recipe.append("(not possible)")
    if how < 0.6:
        path.write_bytes(damaged(rng, path.read_bytes(), most=some(rng, (1, 2, 8))))
        recipe.append("bytes")
    sealing = str(rng.choice(["as it was", "sealed anew", "unsealed"], p=[0.1, 0.45, 0.45]))
    if sealing == "sealed anew":
        seal(path)
    elif sealing == "unsealed":
        path.write_bytes(path.read_bytes()[SEAL_BYTES:])
    recipe.append(sealing)
    return path, ", ".join(recipe), summary if sealing == "as it was" else None


def run(path: Path, expected: str | None) -> str:
    """Read, sum up, print; in this process, whose limits are those of the reading process."""
    with mock.patch.object(opening, "Child", _InThisProcess):
        report = load(path)
    summary = report.summary(per_class=True)
    text = json.dumps(summary, allow_nan=False)
    print_report(report, per_class=True)
    if expected is not None and text != expected:
        raise AssertionError("a changed report passed its checksum")
    return "unharmed" if expected is not None else "other content"


def run_contained(path: Path) -> None:
    """As users have it: the file is read in a process of its own."""
    load(path).summary(per_class=True)


class _InThisProcess:
    """Stands in for the process that reads a report."""

    def __init__(self, _: str, path: Path) -> None:
        self._path = path

    def result(self) -> tuple[dict[str, Any], Arrays]:
        values, arrays = read_finished(self._path)
        return json.loads(json.dumps(values)), arrays


def _replace(file: h5py.File, name: str, values: Any, **storage: Any) -> None:
    if name in file:
        del file[name]
    file.create_dataset(name, data=values, **storage)


def _delete(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    if rng.random() < 0.5:
        del file[some(rng, (*_DATASETS, "game", "data"))]
    else:
        del file.attrs[some(rng, _ATTRIBUTES)]


def _attribute(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    name = some(rng, _ATTRIBUTES)
    value = some(rng, attribute_values(file))
    del file.attrs[name]
    file.attrs.create(name, **value)


def _json(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    name = some(rng, _JSON)
    file.attrs[name] = json_text(rng, json.loads(file.attrs[name]))


def _other_type(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    name = some(rng, _DATASETS)
    kinds: list[Any] = [
        "f2",
        "f4",
        "f8",
        ">f4",
        "i1",
        "i8",
        ">i8",
        "u1",
        "u8",
        "S4",
        "V8",
        "c8",
        "bool",
    ]
    kinds += [h5py.string_dtype(), h5py.ref_dtype, h5py.regionref_dtype, h5py.vlen_dtype("i4")]
    kinds += [h5py.enum_dtype({"a": 0, "b": 1}, "i8"), np.dtype([("a", "i4"), ("b", "f8")])]
    shape = file[name].shape
    del file[name]
    file.create_dataset(name, shape, dtype=kinds[int(rng.integers(len(kinds)))])


def _other_shape(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    name = some(rng, _DATASETS)
    dtype = file[name].dtype
    sizes = (0, 1, 2, 3, 4, 8, 12, 16, 17, 31, 65536)
    shape = tuple(int(rng.choice(sizes)) for _ in range(int(rng.integers(0, 4))))
    if np.prod(shape) * dtype.itemsize < 1 << 22:
        _replace(file, name, np.zeros(shape, dtype))


def _huge(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    """Shapes and chunks that promise more than there is, up to what overflows 64 bits."""
    name = some(rng, _DATASETS)
    dtype = file[name].dtype
    axes = max(1, file[name].ndim)
    del file[name]
    shape = tuple(int(rng.choice([16, 1 << 20, 1 << 30, 1 << 40, 1 << 60])) for _ in range(axes))
    chunks = tuple(min(size, int(rng.choice([1, 1 << 10, 1 << 28]))) for size in shape)
    file.create_dataset(name, shape, dtype, chunks=chunks, fletcher32=bool(rng.random() < 0.5))


def _values(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    name = some(rng, _DATASETS)
    values = file[name][()]
    flat = values.reshape(-1)
    count = int(rng.integers(1, 4))
    with np.errstate(over="ignore"):
        flat[rng.integers(0, flat.size, count)] = some(rng, numbers(values.dtype))
    file[name][()] = values


def _swap(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    first, second = some(rng, _DATASETS), some(rng, _DATASETS)
    file.move(first, "away")
    if first != second:
        file.move(second, first)
    file.move("away", second)


def _link(rng: np.random.Generator, file: h5py.File, folder: Path) -> None:
    name = some(rng, (*_DATASETS, "game", "data"))
    other = some(rng, ("/dev/zero", str(folder / "case.h5"), "/etc/passwd", "../x.h5"))
    links = (h5py.SoftLink("/" + some(rng, _DATASETS)), h5py.SoftLink("/nowhere"))
    del file[name]
    file[name] = some(rng, (*links, h5py.ExternalLink(other, "/game/labels"), file["/"]))


def _elsewhere(rng: np.random.Generator, file: h5py.File, folder: Path) -> None:
    """Data in other files: external storage and virtual datasets."""
    name = some(rng, _DATASETS)
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    if rng.random() < 0.5:
        where = some(rng, ("/dev/zero", "/etc/passwd", "side.bin"))
        file.create_dataset(name, shape, dtype, external=[(where, 0, h5py.h5f.UNLIMITED)])
        return
    limit = tuple(None for _ in shape) if rng.random() < 0.5 else shape
    layout = h5py.VirtualLayout(shape, dtype, maxshape=limit)
    layout[...] = h5py.VirtualSource(str(folder / "other.h5"), "x", shape, dtype)
    file.create_virtual_dataset(name, layout)


def _filters(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    name = some(rng, _DATASETS)
    values = file[name][()]
    shape = values.shape
    if rng.random() < 0.3:  # zeros compress a thousandfold
        values = np.zeros((1 << 20, *shape[1:]), values.dtype)
    kinds: tuple[dict[str, Any], ...] = (
        {"compression": "gzip"},
        {"compression": "lzf"},
        {"shuffle": True},
    )
    if rng.random() < 0.3:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk(shape)
        plan.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1, 2, 3))
        space = h5py.h5s.create_simple(shape)
        del file[name]
        h5py.h5d.create(
            file.id, name.encode(), h5py.h5t.py_create(values.dtype, logical=True), space, plan
        )
    else:
        _replace(file, name, values, **some(rng, kinds))


def _additions(rng: np.random.Generator, file: h5py.File, _: Path) -> None:
    """What a later version may add, and what nobody should."""
    file.attrs["later"] = "x" * int(rng.integers(1, 60_000))
    file["later/thing"] = np.arange(5)
    here = file.require_group("deep")
    for _level in range(int(rng.integers(1, 300))):
        here = here.create_group("d")
    here["up"] = file["/"]
    file["game"].attrs["later"] = np.arange(3)


_MUTATIONS = (
    _delete, _attribute, _json, _json, _other_type, _other_shape, _huge, _values, _values, _swap,
    _link, _elsewhere, _filters, _additions,
)  # fmt: skip
