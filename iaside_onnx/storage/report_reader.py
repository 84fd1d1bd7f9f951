"""What a report file holds, read without trust (docs/format.md); runs inside `isolated`.

Only what the format names is opened, step by step and through hard links alone, and nothing is
read before its type, its size and how it is stored are known to be what iaside writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5l, h5o, h5s, h5t, h5z
from numpy.typing import NDArray

from ..errors import ReportError, UnreadableError
from ..results.report import DRAWN_FORMAT_VERSION, FORMAT, FORMAT_VERSION
from ..results.report_checks import JSON_TEXTS
from .opening import wrong_kind

HEADER = ("model_sha256", "data_digest", "provider", "created", "iaside_version")
# Longest attribute; those that iaside writes are far shorter.
_LONGEST_TEXT = 1 << 22
_TEXT = "text"
# Number of axes, type, whether every finished report has it.
_DATASETS: dict[str, tuple[int, str, bool]] = {
    "game/log_prob": (2, "float32", True),
    "game/labels": (1, "int64", True),
    "game/predicted": (1, "int64", True),
    "game/image_ids": (1, _TEXT, True),
    "game/coalitions": (2, "uint64", False),
    "game/image_digests": (2, "uint8", False),
    "data/skipped": (1, _TEXT, False),
    "data/class_names": (1, _TEXT, False),
    "data/example": (3, "uint8", False),
}
# What follows from the table, and its number of axes.
_DERIVED = {
    "shapley/per_image": 2,
    "shapley/mean": 1,
    "shapley/stderr": 1,
    "shapley/interactions": 2,
    "sid/values": 1,
    "sid/low": 1,
    "sid/high": 1,
    "srs/value": 0,
    "srs/interval": 1,
    "srs/signed": 0,
    "srs/signed_interval": 1,
    "srs/range": 1,
    "srs/beta": 0,
}
_COALITIONS = "game/coalitions"
# Of a partial file, in place of all others.
_TABLE, _ROW_SUMS = "game/log_prob", "game/row_sums"
_TYPES = {
    "uint64": (h5t.STD_U64LE, h5t.STD_U64BE),
    "uint32": (h5t.STD_U32LE, h5t.STD_U32BE),
    "float32": (h5t.IEEE_F32LE, h5t.IEEE_F32BE),
    "float64": (h5t.IEEE_F64LE, h5t.IEEE_F64BE),
    "int64": (h5t.STD_I64LE, h5t.STD_I64BE),
    "uint8": (h5t.STD_U8LE, h5t.STD_U8BE),
}
_SCALARS = {str: h5t.STRING, int: h5t.INTEGER, bool: h5t.ENUM}


def read_finished(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Texts of the header, and the arrays, of a finished report.

    Raises
    ------
    ReportError
        Not a report, another version, unfinished, or not as the format has it.
    """
    with _opened(path) as file:
        if not _attribute(path, file, "complete", bool):
            raise UnreadableError(f"{path}: is not finished; continue it with analyze --resume")
        texts = {name: _attribute(path, file, name, str) for name in (*HEADER, *JSON_TEXTS)}
        arrays = {}
        version = _attribute(path, file, "format_version", int)
        for name, (axes, kind, required) in _DATASETS.items():
            if name == _COALITIONS:
                # Part of that version alone, and there it may not be missing.
                if version != DRAWN_FORMAT_VERSION:
                    continue
                required = True
            found = _find(path, file, name)
            if found is not None:
                arrays[name] = _values(_checked(path, name, found, axes, kind), kind)
            elif required:
                raise ReportError(f"{path}: holds no dataset '{name}'")
    return texts, arrays


def read_derived(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The numbers that a finished report holds beside its table, and what it names.

    Raises
    ------
    ReportError
        As for `read_finished`.
    """
    arrays = {}
    with _opened(path) as file:
        texts = {name: _attribute(path, file, name, str) for name in HEADER}
        texts["interval"] = _method(file)
        for name, axes in _DERIVED.items():
            found = _find(path, file, name)
            if found is not None:
                arrays[name] = _values(_checked(path, name, found, axes, "float64"), "float64")
    return texts, arrays


def _method(file: h5py.File) -> str:
    """How the stored intervals were made; the first reports do not say."""
    if not isinstance(file.get("sid", getlink=True), h5py.HardLink):
        return ""
    found = file["sid"].attrs.get("interval")
    return found if isinstance(found, str) else ""


def read_unfinished(
    path: Path, kind: str = "float32"
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Identity of a partial file, and offset and shape of its table and of its checksums.

    The checksums are None where there are none: early versions wrote none.

    Raises
    ------
    ReportError
        Not a partial file of this version.
    """
    with _opened(path) as file:
        identity = _attribute(path, file, "identity", str)
        table = _in_place(path, file, _TABLE, kind)
        if table is None:
            raise ReportError(f"{path}: is not a partial report of this version")
        sums = _in_place(path, file, _ROW_SUMS, "uint32")
        return {"identity": identity, "table": table, "sums": sums}, {}


def read_unfinished_sums(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The same where the table holds sums in double precision."""
    return read_unfinished(path, "float64")


READ_UNFINISHED = {"float32": read_unfinished, "float64": read_unfinished_sums}


def _in_place(path: Path, file: h5py.File, name: str, kind: str) -> list[int] | None:
    """Where a dataset of two axes lies in the file as in memory, then its shape; None: nowhere."""
    found = _find(path, file, name)
    if found is None:
        return None
    dataset = _checked(path, name, found, 2, kind)
    offset = dataset.get_offset()
    if offset is None or dataset.get_type() != _TYPES[kind][0]:
        raise ReportError(f"{path}: is not a partial report of this version")
    return [offset, *dataset.shape]


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, a report of a known version; whatever the HDF5 library raises is our error."""
    try:
        with h5py.File(path, "r") as file:
            named = h5a.exists(file.id, b"format")
            found = _attribute(path, file, "format", str) if named else None
            if found != FORMAT:
                raise wrong_kind(path, found, FORMAT)
            version = _attribute(path, file, "format_version", int)
            if version not in (FORMAT_VERSION, DRAWN_FORMAT_VERSION):
                raise UnreadableError(
                    f"{path}: has report format {version}; this version of iaside reads formats "
                    f"{FORMAT_VERSION} and {DRAWN_FORMAT_VERSION}, so update iaside"
                )
            yield file
    except (ReportError, MemoryError):
        raise
    except Exception as error:  # h5py's errors have no common base
        reason = " ".join(str(error).replace("synchronously ", "").split())[:200].lower()
        raise ReportError(f"{path}: not an HDF5 file, or a damaged one ({reason})") from error


def _attribute(path: Path, file: h5py.File, name: str, kind: type) -> Any:
    """A single text, number or truth of the root group."""
    if not h5a.exists(file.id, name.encode()):
        raise ReportError(f"{path}: is damaged (attribute {name} is missing)")
    stored = h5a.open(file.id, name.encode())
    fits = stored.get_type().get_class() == _SCALARS[kind] and stored.shape == ()
    # Texts lie elsewhere and count as one reference here.
    found = file.attrs[name] if fits and stored.get_storage_size() <= _LONGEST_TEXT else None
    found = found.item() if isinstance(found, np.generic) else found
    long = isinstance(found, str) and len(found) > _LONGEST_TEXT
    if type(found) is not kind or long:
        raise ReportError(f"{path}: is damaged (attribute {name} is not of the report's format)")
    return found


def _find(path: Path, file: h5py.File, name: str) -> h5d.DatasetID | None:
    """A dataset inside the file itself, or None: no other kind of link is followed."""
    here: Any = file["/"].id
    for step in name.encode().split(b"/"):
        if not isinstance(here, h5g.GroupID) or not here.links.exists(step):
            return None
        if here.links.get_info(step).type != h5l.TYPE_HARD:
            raise ReportError(f"{path}: '{name}' is a link to somewhere else")
        here = h5o.open(here, step)
    if not isinstance(here, h5d.DatasetID):
        raise ReportError(f"{path}: '{name}' is no dataset")
    return here


def _checked(path: Path, name: str, found: h5d.DatasetID, axes: int, kind: str) -> h5d.DatasetID:
    """Refuse a dataset that is not stored as iaside does, before any of it is read."""
    plan = found.get_create_plist()
    where = f"{path}: dataset '{name}'"
    # First of all: the shape of a virtual dataset is found by opening other files.
    if plan.get_layout() not in (h5d.CONTIGUOUS, h5d.CHUNKED) or plan.get_external_count():
        raise ReportError(f"{where} keeps its data elsewhere")
    filters = [plan.get_filter(number)[0] for number in range(plan.get_nfilters())]
    if set(filters) - {h5z.FILTER_FLETCHER32} or len(filters) > 1:
        raise ReportError(
            f"{where} went through filters ({', '.join(map(str, filters))}) that iaside does not "
            "write; store it without compression"
        )
    stored = found.get_type()
    text = isinstance(stored, h5t.TypeStringID) and not stored.is_variable_str()
    if not (text if kind == _TEXT else any(stored == known for known in _TYPES[kind])):
        raise ReportError(f"{where} is not of type {kind}")
    shape: tuple[int, ...] = found.shape
    if len(shape) != axes or 0 in shape:
        raise ReportError(f"{where} has shape {shape}; {axes} axes are needed, none empty")
    size = math.prod(shape) * stored.get_size()
    chunked = plan.get_layout() == h5d.CHUNKED
    chunk = math.prod(plan.get_chunk()) * stored.get_size() if chunked else 0
    if max(size, chunk) > path.stat().st_size or found.get_storage_size() < size:
        raise ReportError(f"{where} claims more data than the file holds")
    return found


def _values(dataset: h5d.DatasetID, kind: str) -> NDArray[Any]:
    dtype = f"S{dataset.get_type().get_size()}" if kind == _TEXT else kind
    values = np.empty(dataset.shape, dtype)
    # Text is taken as its bytes, whatever padding and encoding the type claims.
    memory = dataset.get_type() if kind == _TEXT else None
    dataset.read(h5s.ALL, h5s.ALL, values, memory)
    return values
