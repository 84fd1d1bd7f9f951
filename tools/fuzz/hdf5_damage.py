"""Mutations of HDF5 files: bytes, and structure through h5py."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from damage import damaged
from hostile_values import attribute_values, json_text, numbers, some

from iaside_onnx.storage.seal import SEAL_BYTES, seal


@dataclass(frozen=True)
class Anatomy:
    """What can be hurt in files of one format.

    Attributes
    ----------
    datasets, groups, attributes : tuple of str
        Those that may be missing in a file are among them.
    json : tuple of str
        Attributes that hold JSON objects, or the dataset that holds one as bytes.
    """

    datasets: tuple[str, ...]
    groups: tuple[str, ...]
    attributes: tuple[str, ...]
    json: tuple[str, ...]


def mutate(
    rng: np.random.Generator, path: Path, content: bytes, anatomy: Anatomy, folder: Path
) -> tuple[str, bool]:
    """Write a mutated version of a sound file: what was done, and whether its seal must break."""
    path.write_bytes(content)
    recipe = []
    how = rng.random()
    if how >= 0.4:
        for _ in range(int(rng.choice(3, p=[0.7, 0.2, 0.1])) + 1):
            mutation = some(rng, _MUTATIONS)
            recipe.append(mutation.__name__.strip("_"))
            with h5py.File(path, "r+") as file:
                try:
                    mutation(rng, file, anatomy, folder)
                except Exception:  # h5py's errors have no common base
                    recipe.append("(not possible)")
    if how < 0.6:
        path.write_bytes(damaged(rng, path.read_bytes(), most=some(rng, (1, 2, 8))))
        recipe.append("bytes")
    sealing = str(rng.choice(["as it was", "sealed anew", "unsealed"], p=[0.1, 0.45, 0.45]))
    if sealing == "sealed anew":
        seal(path)
    elif sealing == "unsealed":
        # Piece by piece: a mutation may have made the file nearly as large as the bounds allow.
        sealed = path.rename(path.with_name(f"{path.name}.sealed"))
        with sealed.open("rb") as whole, path.open("wb") as rest:
            whole.seek(SEAL_BYTES)
            shutil.copyfileobj(whole, rest)
        sealed.unlink()
    recipe.append(sealing)
    return ", ".join(recipe), sealing == "as it was"


def _replace(file: h5py.File, name: str, values: Any, **storage: Any) -> None:
    if name in file:
        del file[name]
    file.create_dataset(name, data=values, **storage)


def _delete(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    if rng.random() < 0.5:
        del file[some(rng, (*anatomy.datasets, *anatomy.groups))]
    else:
        del file.attrs[some(rng, anatomy.attributes)]


def _attribute(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    name = some(rng, anatomy.attributes)
    value = some(rng, attribute_values(file))
    del file.attrs[name]
    file.attrs.create(name, **value)


def _json(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    name = some(rng, anatomy.json)
    if name in file.attrs:
        file.attrs[name] = json_text(rng, json.loads(file.attrs[name]))
    else:
        text = json_text(rng, json.loads(file[name][()].tobytes()))
        _replace(file, name, np.frombuffer(text.encode(), np.uint8))


def _other_type(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    name = some(rng, anatomy.datasets)
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


def _other_shape(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    name = some(rng, anatomy.datasets)
    dtype = file[name].dtype
    sizes = (0, 1, 2, 3, 4, 8, 12, 16, 17, 31, 65536)
    shape = tuple(int(rng.choice(sizes)) for _ in range(int(rng.integers(0, 4))))
    if np.prod(shape) * dtype.itemsize < 1 << 22:
        _replace(file, name, np.zeros(shape, dtype))


def _huge(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    """Shapes and chunks that promise more than there is, up to what overflows 64 bits."""
    name = some(rng, anatomy.datasets)
    dtype = file[name].dtype
    axes = max(1, file[name].ndim)
    del file[name]
    shape = tuple(int(rng.choice([16, 1 << 20, 1 << 30, 1 << 40, 1 << 60])) for _ in range(axes))
    chunks = tuple(min(size, int(rng.choice([1, 1 << 10, 1 << 28]))) for size in shape)
    file.create_dataset(name, shape, dtype, chunks=chunks, fletcher32=bool(rng.random() < 0.5))


def _values(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    name = some(rng, anatomy.datasets)
    values = file[name][()]
    flat = values.reshape(-1)
    count = int(rng.integers(1, 4))
    with np.errstate(over="ignore"):
        flat[rng.integers(0, flat.size, count)] = some(rng, numbers(values.dtype))
    file[name][()] = values


def _swap(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    first, second = some(rng, anatomy.datasets), some(rng, anatomy.datasets)
    file.move(first, "away")
    if first != second:
        file.move(second, first)
    file.move("away", second)


def _link(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, folder: Path) -> None:
    name = some(rng, (*anatomy.datasets, *anatomy.groups))
    other = some(rng, ("/dev/zero", str(folder / "case.h5"), "/etc/passwd", "../x.h5"))
    links = (h5py.SoftLink("/" + some(rng, anatomy.datasets)), h5py.SoftLink("/nowhere"))
    del file[name]
    file[name] = some(rng, (*links, h5py.ExternalLink(other, "/" + anatomy.datasets[0]), file["/"]))


def _elsewhere(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, folder: Path) -> None:
    """Data in other files: external storage and virtual datasets."""
    name = some(rng, anatomy.datasets)
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


def _filters(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    name = some(rng, anatomy.datasets)
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


def _additions(rng: np.random.Generator, file: h5py.File, anatomy: Anatomy, _: Path) -> None:
    """What a later version may add, and what nobody should."""
    file.attrs["later"] = "x" * int(rng.integers(1, 60_000))
    file["later/thing"] = np.arange(5)
    here = file.require_group("deep")
    for _level in range(int(rng.integers(1, 300))):
        here = here.create_group("d")
    here["up"] = file["/"]
    file[some(rng, anatomy.datasets)].attrs["later"] = np.arange(3)


_MUTATIONS = (
    _delete, _attribute, _json, _json, _other_type, _other_shape, _huge, _values, _values, _swap,
    _link, _elsewhere, _filters, _additions,
)  # fmt: skip
