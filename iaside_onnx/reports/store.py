"""Reports on disk: the HDF5 layout, and the partial file that survives any interruption.

While an audit runs, ``REPORT.h5.partial`` is a whole HDF5 file at every instant: its structure is
written and closed first, with NaN for every value not evaluated yet, and finished rows are then
written in place through a memory map. A process killed at any moment loses at most the image it
was working on. The report appears under its own name by one atomic rename.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError
from ..mathematics.shapley import MAX_PLAYERS
from .report import FORMAT, FORMAT_VERSION, Report

_CHUNK_BYTES = 1 << 18
_ANEW = "use --overwrite to start anew"
# More than all other parts of the files take.
_PARTIAL_EXTRA = 1 << 13
_REPORT_EXTRA = 1 << 18


def write_report(report: Report, target: Path) -> None:
    """Write a finished report; nothing appears under `target` unless it is whole."""
    rows, columns = report.log_prob.shape
    ids = _text(report.image_ids)
    # An attribute has no room for a long list.
    data = dict(report.data)
    skipped = _text([json.dumps(item) for item in data.pop("skipped", [])])
    size = report.log_prob.nbytes + report.shapley_per_image.nbytes + ids.nbytes + skipped.nbytes
    size += 0 if report.image_digests is None else report.image_digests.nbytes
    with _atomically(target, size + _REPORT_EXTRA) as scratch, h5py.File(scratch, "w") as file:
        file.attrs.update(
            {
                **_header(report.model["sha256"], report.data["digest"], report.provider),
                "iaside_version": report.iaside_version,
                "created": report.created,
                "settings": json.dumps(report.settings),
                "model": json.dumps(report.model),
                "data": json.dumps(data),
                "run": json.dumps(report.run),
                "complete": True,
            }
        )
        per_chunk = min(rows, max(1, _CHUNK_BYTES // (4 * columns)))
        table = file.create_dataset(
            "game/log_prob",
            shape=(rows, columns),
            dtype="float32",
            chunks=(per_chunk, columns),
            fletcher32=True,
            fillvalue=np.nan,
        )
        for start in range(0, rows, per_chunk):
            table[start : start + per_chunk] = report.log_prob[start : start + per_chunk]
        _put(file, "game/labels", report.labels)
        _put(file, "game/predicted", report.predicted)
        _put(file, "game/image_ids", ids)
        if report.image_digests is not None:
            _put(file, "game/image_digests", report.image_digests)
        if len(skipped):
            _put(file, "data/skipped", skipped)
        if report.class_names is not None:
            _put(file, "data/class_names", _text(report.class_names))
        if report.example is not None:
            _put(file, "data/example", report.example)
        _put(file, "shapley/per_image", report.shapley_per_image)
        _put(file, "shapley/mean", report.shapley)
        _put(file, "shapley/stderr", report.shapley_stderr)
        _put(file, "shapley/interactions", report.interactions)
        intervals = report.intervals
        _put(file, "sid/values", report.sid)
        _put(file, "sid/low", intervals.sid_low)
        _put(file, "sid/high", intervals.sid_high)
        file["srs/value"] = report.srs
        file["srs/interval"] = intervals.srs
        file["srs/signed"] = report.srs_signed
        file["srs/signed_interval"] = intervals.srs_signed
        file["srs/range"] = report.srs_range
        file["srs/beta"] = report.beta
        for group in ("sid", "srs"):
            file[group].attrs["confidence"] = report.confidence


def _header(model_sha256: str, data_digest: str, provider: str) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model_sha256": model_sha256,
        "data_digest": data_digest,
        "provider": provider,
    }


def _put(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    file.create_dataset(name, data=values, chunks=values.shape, fletcher32=True)


def _text(names: list[str]) -> NDArray[Any]:
    encoded = [name.encode(errors="replace") for name in names]
    length = max([1, *(len(name) for name in encoded)])
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", length))


@contextmanager
def _atomically(target: Path, size: int) -> Iterator[Path]:
    """A scratch file beside `target` that takes its name when all went well, else vanishes.

    Room for `size` bytes is made sure of first: the HDF5 library does not survive a disk that
    fills up while it writes.
    """
    scratch = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("wb") as room:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(room.fileno(), 0, size)
            elif shutil.disk_usage(target.parent).free < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield scratch
        with scratch.open("rb+") as written:
            os.fsync(written.fileno())
        scratch.replace(target)
    except (OSError, RuntimeError, ValueError) as error:  # h5py raises all three
        raise ReportError(f"{target}: cannot be written: {_why(error)}") from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def _why(error: BaseException) -> str:
    known = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else None
    return (known or " ".join(str(error).split())[:200]).lower()


def read_report(path: Path) -> Report:
    """Read a finished report; see `iaside_onnx.load`."""
    with _opened(path) as file:
        _check_format(path, file)
        if not bool(file.attrs.get("complete", False)):
            raise ReportError(f"{path}: is not finished; continue it with analyze --resume")
        texts = {name: _json(path, file, name) for name in ("settings", "model", "data", "run")}
        table = _dataset(path, file, "game/log_prob", 2, "f")
        rows, columns = table.shape
        if columns & (columns - 1) or not 2 <= columns <= 1 << MAX_PLAYERS or rows < 1:
            raise ReportError(f"{path}: value table of shape {table.shape} is no game")
        labels, predicted, ids = (
            _dataset(path, file, f"game/{name}", 1, kind)
            for name, kind in (("labels", "i"), ("predicted", "i"), ("image_ids", "S"))
        )
        if not len(labels) == len(predicted) == len(ids) == rows:
            raise ReportError(f"{path}: labels and ids do not match the value table")
        names, example = "data/class_names", "data/example"
        skipped, digests = "data/skipped", "game/image_digests"
        if digests in file and _dataset(path, file, digests, 2, "u").shape != (rows, 32):
            raise ReportError(f"{path}: dataset '{digests}' does not match the value table")
        try:
            lines = _names(_dataset(path, file, skipped, 1, "S")) if skipped in file else []
            texts["data"]["skipped"] = [json.loads(line) for line in lines]
            report = Report(
                log_prob=table[:],
                labels=labels[:].astype(np.int64),
                predicted=predicted[:].astype(np.int64),
                image_ids=_names(ids),
                class_names=_names(_dataset(path, file, names, 1, "S")) if names in file else None,
                example=_dataset(path, file, example, 3, "u")[:] if example in file else None,
                image_digests=file[digests][:] if digests in file else None,
                settings=texts["settings"],
                model=texts["model"],
                data=texts["data"],
                run=texts["run"],
                provider=str(file.attrs["provider"]),
                created=str(file.attrs["created"]),
                iaside_version=str(file.attrs["iaside_version"]),
            )
        except (OSError, KeyError, ValueError, RecursionError) as error:
            raise ReportError(f"{path}: is damaged ({_why(error)})") from error
    if np.isnan(report.log_prob).any():
        raise ReportError(f"{path}: is marked complete but holds values not evaluated")
    return report


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    if not path.is_file():
        raise ReportError(f"{path}: no such report file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ReportError(f"{path}: not an HDF5 file, or a damaged one") from error
    with file:
        yield file


def _check_format(path: Path, file: h5py.File) -> None:
    if file.attrs.get("format") != FORMAT:
        raise ReportError(f"{path}: is not a report of iaside")
    version = file.attrs.get("format_version")
    if version != FORMAT_VERSION:
        raise ReportError(
            f"{path}: has report format {version}; this version of iaside reads format "
            f"{FORMAT_VERSION}, so update iaside"
        )


def _json(path: Path, file: h5py.File, name: str) -> dict[str, Any]:
    try:
        found = json.loads(str(file.attrs[name]))
    except (KeyError, ValueError, RecursionError) as error:
        raise ReportError(f"{path}: is damaged (attribute {name})") from error
    if not isinstance(found, dict):
        raise ReportError(f"{path}: is damaged (attribute {name})")
    return found


def _dataset(path: Path, file: h5py.File, name: str, ndim: int, kind: str) -> h5py.Dataset:
    """A dataset inside the file itself, of sane size: its declared bytes must really be there."""
    group, _, leaf = name.partition("/")
    here = file.get(group, getlink=True)
    if not isinstance(here, h5py.HardLink) or not isinstance(file[group], h5py.Group):
        raise ReportError(f"{path}: holds no group '{group}'")
    if not isinstance(file[group].get(leaf, getlink=True), h5py.HardLink):
        raise ReportError(f"{path}: holds no dataset '{name}'")
    found = file[name]
    if not isinstance(found, h5py.Dataset) or found.ndim != ndim or found.dtype.kind != kind:
        raise ReportError(f"{path}: dataset '{name}' is not of the report's format")
    if found.nbytes > path.stat().st_size or found.is_virtual or found.external:
        raise ReportError(f"{path}: dataset '{name}' claims more data than the file holds")
    return found


def _names(dataset: h5py.Dataset) -> list[str]:
    return [name.decode() for name in dataset[:].tolist()]


@dataclass
class Partial:
    """An audit under way: its identity and the rows finished so far.

    Attributes
    ----------
    path : Path
    table : memory map of float32, shape (K, 2**M)
        NaN where not evaluated; rows are written in place.
    """

    path: Path
    table: np.memmap[Any, np.dtype[np.float32]]

    def unfinished(self) -> list[int]:
        """Positions whose rows are not complete."""
        return [position for position, row in enumerate(self.table) if bool(np.isnan(row).any())]

    def store(self, position: int, values: NDArray[np.float32]) -> None:
        """Write one finished row."""
        self.table[position] = values

    def remove(self) -> None:
        """Delete the file: its content has gone into the report."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def partial_path(target: Path) -> Path:
    """Name of the partial file of a report."""
    return target.with_name(target.name + ".partial")


def create_partial(target: Path, identity: dict[str, Any], rows: int, columns: int) -> Partial:
    """Start a partial file with nothing evaluated; its full size is claimed on disk at once.

    Parameters
    ----------
    identity : dict
        JSON values that determine the table: settings, model_sha256, data_digest, provider.
    """
    path = partial_path(target)
    size = 4 * rows * columns + _PARTIAL_EXTRA
    with _atomically(path, size) as scratch, h5py.File(scratch, "w") as file:
        header = _header(identity["model_sha256"], identity["data_digest"], identity["provider"])
        file.attrs.update(
            {**header, "identity": json.dumps(identity, sort_keys=True), "complete": False}
        )
        table = file.create_dataset("game/log_prob", shape=(rows, columns), dtype="float32")
        step = max(1, _CHUNK_BYTES // (4 * columns))
        empty = np.full((min(step, rows), columns), np.nan, np.float32)
        for start in range(0, rows, step):
            table[start : start + step] = empty[: rows - start]
    return _mapped(path)


def open_partial(target: Path, identity: dict[str, Any]) -> Partial:
    """Continue a partial file; refuse it when it belongs to another audit.

    Raises
    ------
    ReportError
        Settings, model, data or provider differ; the message names the first difference.
    """
    path = partial_path(target)
    with _opened(path) as file:
        _check_format(path, file)
        held = _json(path, file, "identity")
    check_identity(path, held, identity)
    return _mapped(path)


def check_identity(path: Path, held: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse to continue an audit with anything changed that determines its table."""
    if held.get("model_sha256") != wanted["model_sha256"]:
        raise ReportError(f"{path}: belongs to another model; {_ANEW}")
    settings = held.get("settings", {})
    pairs = [(key, settings.get(key), new) for key, new in wanted["settings"].items()]
    pairs.append(("provider", held.get("provider"), wanted["provider"]))
    for key, old, new in pairs:
        if old != new:
            raise ReportError(
                f"{path}: was made with {key} {json.dumps(old)}, not {json.dumps(new)}; {_ANEW}"
            )
    if held.get("data_digest") != wanted["data_digest"]:
        raise ReportError(f"{path}: belongs to other images; {_ANEW}")


def _mapped(path: Path) -> Partial:
    with h5py.File(path, "r") as file:
        table = _dataset(path, file, "game/log_prob", 2, "f")
        offset, shape = table.id.get_offset(), table.shape
        if offset is None or table.dtype != np.float32:
            raise ReportError(f"{path}: is not a partial report of this version")
    return Partial(path, np.memmap(path, np.float32, "r+", offset, shape))
