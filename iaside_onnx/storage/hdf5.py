"""Files of results as HDF5: written whole or not at all, read without trust (docs/format.md).

The functions that read run inside `isolated`. Only what a schema names is opened, step by step and
through hard links alone, and nothing is read before its type, its size and how it is stored are
known to be what iaside writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z
from numpy.typing import NDArray

from ..errors import ReportError, UnreadableError
from ..plurals import listed
from ..spelling import option
from .isolated import Arrays
from .output_file import whole_file
from .schema import BOOLEAN, HEADER, JSON, LINES, TEXT, Field, Schema
from .seal import SEAL_BYTES, seal
from .value_rules import need

# Longest attribute, and longest header that is a dataset; those that iaside writes are shorter.
_LONGEST_TEXT, _LONGEST_HEADER = 1 << 22, 1 << 24
_CHUNK_BYTES = 1 << 18
_HEADER = Field(HEADER, ("byte",), "uint8", "JSON")
# More than all but the fields of a file takes.
_EXTRA_BYTES = 1 << 18
_TYPES = {
    "uint64": (h5t.STD_U64LE, h5t.STD_U64BE),
    "uint32": (h5t.STD_U32LE, h5t.STD_U32BE),
    "float32": (h5t.IEEE_F32LE, h5t.IEEE_F32BE),
    "float64": (h5t.IEEE_F64LE, h5t.IEEE_F64BE),
    "int64": (h5t.STD_I64LE, h5t.STD_I64BE),
    "int32": (h5t.STD_I32LE, h5t.STD_I32BE),
    "uint8": (h5t.STD_U8LE, h5t.STD_U8BE),
    BOOLEAN: (h5t.py_create(np.dtype(bool), logical=True),),
}
_SCALARS = {str: h5t.STRING, int: h5t.INTEGER, bool: h5t.ENUM}


def as_stored(
    schema: Schema, version: int, header: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[dict[str, str], Arrays]:
    """Texts of a header and arrays of the fields as `read_content` would take them from a file.

    `header` has the keys of ``schema.header``, `values` are those of the fields by name (None, and
    empty lists of text, are not stored). What `read_content` would not take is a WrongContentError.
    """
    arrays: Arrays = {}
    for each in schema.fields:
        array, needed = _as_stored(each, values.get(each.name)), schema.needs(each, version)
        need(needed is not None or array is None, f"version {version} holds no '{each.where}'")
        need(not needed or array is not None, f"dataset '{each.where}' is missing")
        if array is not None:
            fits = array.ndim == len(each.dims)
            need(fits, f"'{each.where}' has {array.ndim} axes, not {len(each.dims)}")
            arrays[each.name] = array
    if schema.attributes:
        texts = {
            name: value if isinstance(value := header[name], str) else json.dumps(value)
            for name in schema.header
        }
        texts |= {name: str(header[outer][inner]) for name, (outer, inner) in schema.copies.items()}
        longest = max(map(len, texts.values()))
        need(longest <= _LONGEST_TEXT, "an attribute is too long")
    else:
        texts = {HEADER: json.dumps(header)}
        need(len(texts[HEADER]) <= _LONGEST_HEADER, "the header is too long")
    return texts, arrays


def write(
    schema: Schema,
    target: Path,
    version: int,
    texts: Mapping[str, str],
    arrays: Arrays,
    derived: Mapping[str, Any],
    notes: Mapping[str, Mapping[str, Any]],
) -> None:
    """Write a file; nothing appears under `target` unless it is whole, else it is a ReportError.

    `texts` and `arrays` come from `as_stored`; `derived` are values of ``schema.derived`` by place,
    and `notes` attributes of groups.
    """
    size = sum(array.nbytes for array in arrays.values()) + sum(map(len, texts.values()))
    size += sum(np.asarray(value).nbytes for value in derived.values())
    with whole_file(target, size + _EXTRA_BYTES) as scratch:
        with h5py.File(scratch, "w", userblock_size=SEAL_BYTES) as file:
            file.attrs.update({"format": schema.format, "format_version": version})
            if schema.attributes:  # a finished file says that it is complete
                file.attrs.update({**texts, "complete": True})
            else:
                _put(file, _HEADER, np.frombuffer(texts[HEADER].encode(), np.uint8))
            for each in schema.fields:
                _put(file, each, arrays.get(each.name))
            for each in schema.derived:
                _put(file, each, derived.get(each.where))
            for group, attributes in notes.items():
                file[group].attrs.update(attributes)
        seal(scratch)


def _as_stored(each: Field, value: Any) -> NDArray[Any] | None:
    """An array as the file holds it; None where it holds none."""
    if value is None or (each.optional and not len(value)):
        return None
    if each.dtype in LINES:
        lines = [json.dumps(line) for line in value] if each.dtype == JSON else value
        encoded = [line.encode(errors="replace") for line in lines]
        length = max([1, *map(len, encoded)])
        return np.array(encoded, dtype=h5py.string_dtype("utf-8", length))
    array = np.asarray(value, bool if each.stored == BOOLEAN else each.stored)
    return array if array.size else None


def _put(file: h5py.File, each: Field, values: Any) -> None:
    if values is None:
        return
    if not each.checksum:
        file[each.where] = values
        return
    chunks, fill = values.shape, None
    if each.by_rows:
        rows, columns = values.shape
        chunks = min(rows, max(1, _CHUNK_BYTES // (values.itemsize * columns))), columns
        fill = np.nan
    file.create_dataset(each.where, data=values, chunks=chunks, fletcher32=True, fillvalue=fill)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file; whatever the HDF5 library raises is a ReportError."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (ReportError, MemoryError):
        raise
    except Exception as error:  # h5py's errors have no common base
        reason = " ".join(str(error).replace("synchronously ", "").split())[:200].lower()
        raise ReportError(f"{path}: not an HDF5 file, or a damaged one ({reason})") from error


def stored_format(path: Path, file: h5py.File) -> str:
    """What a file says that it is; empty where it does not say."""
    if not h5a.exists(file.id, b"format"):
        return ""
    return str(attribute(path, file, "format", str))


def stored_version(path: Path, file: h5py.File, versions: tuple[int, ...]) -> int:
    """Version of the format; one that is not among those read is an UnreadableError."""
    version: int = attribute(path, file, "format_version", int)
    if version not in versions:
        many = "formats" if len(versions) > 1 else "format"
        raise UnreadableError(
            f"{path}: has format {version}; this version of iaside reads {many} "
            f"{listed(map(str, versions))}, so update iaside"
        )
    return version


def read_content(path: Path, file: h5py.File, schema: Schema) -> tuple[dict[str, Any], Arrays]:
    """Version, texts of the header, and fields of a finished file that is as the schema has it."""
    version = stored_version(path, file, schema.versions)
    if schema.attributes:
        if not attribute(path, file, "complete", bool):
            again = option("resume", True)
            raise UnreadableError(f"{path}: is not finished; continue it with {again}")
        header = {
            name: attribute(path, file, name, str) for name in (*schema.copies, *schema.header)
        }
    else:
        header = {HEADER: _header_text(path, file)}
    arrays = {}
    for each in schema.fields:
        needed = schema.needs(each, version)
        if needed is None:
            continue
        dataset = _dataset(path, file, each, needed=needed)
        if dataset is not None:
            arrays[each.name] = _values(dataset, each.stored)
    return {"version": version, "header": header}, arrays


def read_derived(path: Path, file: h5py.File, schema: Schema) -> tuple[dict[str, Any], Arrays]:
    """The numbers that a finished file holds beside its fields, by place, and what it repeats."""
    stored_version(path, file, schema.versions)
    texts = {name: attribute(path, file, name, str) for name in schema.copies}
    texts["interval"] = _interval(file)
    arrays = {}
    for each in schema.derived:
        dataset = _dataset(path, file, each)
        if dataset is not None:
            arrays[each.where] = _values(dataset, each.stored)
    return texts, arrays


def _interval(file: h5py.File) -> str:
    """How the stored intervals were made; the first reports do not say."""
    if not isinstance(file.get("sid", getlink=True), h5py.HardLink):
        return ""
    kind = file["sid"].attrs.get("interval")
    return kind if isinstance(kind, str) else ""


def _header_text(path: Path, file: h5py.File) -> str:
    dataset = _dataset(path, file, _HEADER, needed=True)
    assert dataset is not None
    if dataset.shape[0] > _LONGEST_HEADER:
        raise ReportError(f"{path}: the header is too long")
    return str(_values(dataset, "uint8").tobytes().decode(errors="replace"))


def attribute(path: Path, file: h5py.File, name: str, kind: type) -> Any:
    """A single text, number or truth of the root group; anything else is a ReportError."""
    if not h5a.exists(file.id, name.encode()):
        raise ReportError(f"{path}: is damaged (attribute {name} is missing)")
    stored = h5a.open(file.id, name.encode())
    fits = stored.get_type().get_class() == _SCALARS[kind] and stored.shape == ()
    # Texts lie elsewhere and count as one reference here.
    value = file.attrs[name] if fits and stored.get_storage_size() <= _LONGEST_TEXT else None
    value = value.item() if isinstance(value, np.generic) else value
    long = isinstance(value, str) and len(value) > _LONGEST_TEXT
    if type(value) is not kind or long:
        raise ReportError(f"{path}: is damaged (attribute {name} is not of the report's format)")
    return value


def _find(path: Path, file: h5py.File, name: str) -> h5d.DatasetID | None:
    """A dataset inside the file itself, or None: no other kind of link is followed."""
    node: Any = file["/"].id
    for step in name.encode().split(b"/"):
        if not isinstance(node, h5g.GroupID) or not node.links.exists(step):
            return None
        if node.links.get_info(step).type != h5l.TYPE_HARD:
            raise ReportError(f"{path}: '{name}' is missing: there is a link to somewhere else")
        node = h5o.open(node, step)
    if not isinstance(node, h5d.DatasetID):
        raise ReportError(f"{path}: '{name}' is no dataset")
    return node


def _dataset(
    path: Path, file: h5py.File, each: Field, *, needed: bool = False
) -> h5d.DatasetID | None:
    """A dataset that is stored as iaside does, of which nothing is read yet; None if missing."""
    where, kind = f"{path}: dataset '{each.where}'", each.stored
    dataset = _find(path, file, each.where)
    if dataset is None:
        if needed:
            raise ReportError(f"{where} is missing")
        return None
    plan = dataset.get_create_plist()
    # First of all: asking a virtual dataset for its shape opens other files.
    if plan.get_layout() not in (h5d.CONTIGUOUS, h5d.CHUNKED) or plan.get_external_count():
        raise ReportError(f"{where} keeps its data elsewhere")
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    if set(filters) - {h5z.FILTER_FLETCHER32} or len(filters) > 1:
        raise ReportError(
            f"{where} went through filters ({', '.join(map(str, filters))}) that iaside does not "
            "write; nothing may be compressed"
        )
    stored = dataset.get_type()
    text = isinstance(stored, h5t.TypeStringID) and not stored.is_variable_str()
    if not (text if kind == TEXT else any(stored == known for known in _TYPES[kind])):
        raise ReportError(f"{where} is not of the report's format: it is not of type {kind}")
    shape, axes = dataset.shape, len(each.dims)
    if len(shape) != axes or 0 in shape:
        raise ReportError(f"{where} has shape {shape}; {axes} axes are needed, none empty")
    size = math.prod(shape) * stored.get_size()
    chunked = plan.get_layout() == h5d.CHUNKED
    chunk = math.prod(plan.get_chunk()) * stored.get_size() if chunked else 0
    if max(size, chunk) > path.stat().st_size or dataset.get_storage_size() < size:
        raise ReportError(f"{where} claims more data than the file holds")
    return dataset


def stored_type(path: Path, file: h5py.File, name: str) -> str | None:
    """Type of a dataset, where it is there and one that iaside writes."""
    dataset = _find(path, file, name)
    if dataset is None:
        return None
    stored = dataset.get_type()
    return next((kind for kind, known in _TYPES.items() if stored == known[0]), None)


def in_place(path: Path, file: h5py.File, name: str, kind: str) -> list[int] | None:
    """Where a dataset of two axes lies in the file as in memory, then its shape; None: nowhere."""
    dataset = _dataset(path, file, Field(name, ("row", "column"), kind, ""))
    if dataset is None:
        return None
    offset = dataset.get_offset()
    if offset is None or dataset.get_type() != _TYPES[kind][0]:
        raise ReportError(f"{path}: is not a partial report of this version")
    return [offset, *dataset.shape]


def _values(dataset: h5d.DatasetID, kind: str) -> NDArray[Any]:
    # Text is taken as its bytes, whatever padding and encoding the type claims, and truths too,
    # which may be none.
    bytes_of = {TEXT: f"S{dataset.get_type().get_size()}", BOOLEAN: "uint8"}
    values = np.empty(dataset.shape, bytes_of.get(kind, kind))
    memory = dataset.get_type() if kind in bytes_of else None
    dataset.read(h5s.ALL, h5s.ALL, values, memory)
    return values
