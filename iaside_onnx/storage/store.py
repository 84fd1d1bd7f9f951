"""Reports on disk: the HDF5 layout, and the partial file that survives any interruption.

While an audit runs, ``REPORT.h5.partial`` is a whole HDF5 file at every instant: its structure is
written and closed first, with NaN for every value not evaluated yet, and finished rows are then
written in place through a memory map, each followed by its checksum. A process killed at any moment
loses at most the image it was working on, and a row that was damaged since is evaluated again. The
report appears under its own name by one atomic rename.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..comparisons.agreement import identity_apart
from ..errors import ReportError
from ..mathematics.intervals import METHODS
from ..results.report import DRAWN_FORMAT_VERSION, FORMAT, FORMAT_VERSION, Report
from ..results.report_checks import JSON_TEXTS, check, parse
from . import report_reader
from .isolated import Child
from .opening import begin_reading, check_is_file, read_isolated, report_errors, why
from .output_file import check_free, whole_file
from .seal import BEGINNINGS, SEAL_BYTES, seal

_CHUNK_BYTES = 1 << 18
# What was so before a setting was recorded.
_BEFORE = {"tf32": True}
_ANEW = "use --overwrite to start anew"
Columns = slice | list[int]
WHOLE_ROWS: tuple[Columns, ...] = (slice(None),)
# More than all other parts of the files take.
_PARTIAL_EXTRA = 1 << 13
_REPORT_EXTRA = 1 << 18


def write_report(report: Report, target: Path) -> None:
    """Write a finished report; nothing appears under `target` unless it is whole."""
    ids = as_text(report.image_ids)
    # An attribute has no room for a long list.
    data = dict(report.data)
    skipped = as_text([json.dumps(item) for item in data.pop("skipped", [])])
    size = report.log_prob.nbytes + report.shapley_per_image.nbytes + ids.nbytes + skipped.nbytes
    size += sum(
        part.nbytes for part in (report.image_digests, report.coalitions) if part is not None
    )
    with whole_file(target, size + _REPORT_EXTRA) as scratch:
        _write(report, scratch, ids, skipped, data)
        seal(scratch)


def _write(
    report: Report, scratch: Path, ids: NDArray[Any], skipped: NDArray[Any], data: dict[str, Any]
) -> None:
    rows, columns = report.log_prob.shape
    with h5py.File(scratch, "w", userblock_size=SEAL_BYTES) as file:
        file.attrs.update(
            {
                **_header(
                    report.model["sha256"],
                    report.data["digest"],
                    report.provider,
                    report.format_version,
                ),
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
        if report.coalitions is not None:
            put(file, "game/coalitions", report.coalitions)
        put(file, "game/labels", report.labels)
        put(file, "game/predicted", report.predicted)
        put(file, "game/image_ids", ids)
        if report.image_digests is not None:
            put(file, "game/image_digests", report.image_digests)
        if len(skipped):
            put(file, "data/skipped", skipped)
        if report.class_names is not None:
            put(file, "data/class_names", as_text(report.class_names))
        if report.example is not None:
            put(file, "data/example", report.example)
        put(file, "shapley/per_image", report.shapley_per_image)
        put(file, "shapley/mean", report.shapley)
        put(file, "shapley/stderr", report.shapley_stderr)
        if report.exact:
            put(file, "shapley/interactions", report.interactions)
        intervals = report.intervals
        put(file, "sid/values", report.sid)
        put(file, "sid/low", intervals.sid_low)
        put(file, "sid/high", intervals.sid_high)
        file["srs/value"] = report.srs
        file["srs/interval"] = intervals.srs
        file["srs/signed"] = report.srs_signed
        file["srs/signed_interval"] = intervals.srs_signed
        file["srs/range"] = report.srs_range
        file["srs/beta"] = report.beta
        for group in ("sid", "srs"):
            file[group].attrs["confidence"] = report.confidence
            file[group].attrs["interval"] = METHODS[0]


def _header(model_sha256: str, data_digest: str, provider: str, version: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": version,
        "model_sha256": model_sha256,
        "data_digest": data_digest,
        "provider": provider,
    }


def put(file: h5py.File, name: str, values: NDArray[Any]) -> None:
    """Write a dataset in checksummed chunks of rows."""
    file.create_dataset(name, data=values, chunks=values.shape, fletcher32=True)


def as_text(names: list[str]) -> NDArray[Any]:
    """Names as a fixed-length array of UTF-8, as datasets hold them."""
    encoded = [name.encode(errors="replace") for name in names]
    length = max([1, *(len(name) for name in encoded)])
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", length))


def read_report(path: Path, reading: Child | None = None) -> Report:
    """Read a finished report; see `iaside_onnx.load`.

    Parameters
    ----------
    path : Path
    reading : Child, optional
        From `begin_reading(path)`, where reading has begun already.
    """
    reading = reading or begin_reading(path)
    with report_errors(path):
        texts, arrays = reading.result()
    names, skipped = "data/class_names", "data/skipped"
    try:
        held = {name: parse(name, texts[name]) for name in JSON_TEXTS}
        lines = _names(arrays[skipped]) if skipped in arrays else []
        held["data"]["skipped"] = [parse(skipped, line) for line in lines]
        report = Report(
            log_prob=arrays["game/log_prob"],
            labels=arrays["game/labels"],
            predicted=arrays["game/predicted"],
            image_ids=_names(arrays["game/image_ids"]),
            class_names=_names(arrays[names]) if names in arrays else None,
            example=arrays.get("data/example"),
            image_digests=arrays.get("game/image_digests"),
            coalitions=arrays.get("game/coalitions"),
            settings=held["settings"],
            model=held["model"],
            data=held["data"],
            run=held["run"],
            provider=texts["provider"],
            created=texts["created"],
            iaside_version=texts["iaside_version"],
        )
        check(report)
    except ValueError as error:
        raise ReportError(f"{path}: is damaged: {error}") from error
    return report


def _names(texts: NDArray[Any]) -> list[str]:
    return [text.decode() for text in texts.tolist()]


@dataclass
class Partial:
    """An audit under way: its identity and the rows finished so far.

    Attributes
    ----------
    path : Path
    table : memory map of float32 or float64, shape (K, columns)
        NaN where not evaluated; `store` writes in place.
    sums : memory map of uint32, shape (K, parts)
        Checksum of each part of each row; 0 where it is not finished.
    parts : sequence of slice or list of int
        Columns that are evaluated together, each in one part.
    damaged : int
        Finished rows that were found otherwise than they had been written, and count as missing.
    """

    path: Path
    table: np.memmap[Any, np.dtype[Any]]
    sums: np.memmap[Any, np.dtype[np.uint32]]
    parts: Sequence[Columns] = WHOLE_ROWS
    damaged: int = 0

    def unfinished(self, part: int = 0) -> list[int]:
        """Positions whose rows are not complete, as far as one part of the columns goes."""
        return np.flatnonzero(self.sums[:, part] == 0).tolist()

    def store(self, position: int, values: NDArray[Any], part: int = 0) -> None:
        """Write one finished row, or one finished part of it."""
        row = np.asarray(values, self.table.dtype)
        self.table[position, self.parts[part]] = row
        # Last: a row without its checksum is one that was not finished.
        self.sums[position, part] = _row_sum(position, row)

    def clear_damage(self) -> None:
        """Forget rows whose values are not those that were stored, as after a kill or damage."""
        bad = self._bad()
        self.damaged = len({position for position, _ in bad})
        for position, part in bad:
            self.sums[position, part] = 0
        for part, columns in enumerate(self.parts):
            for position in self.unfinished(part):
                if not np.isnan(self.table[position, columns]).all():
                    self.table[position, columns] = np.nan

    def check(self) -> None:
        """Refuse rows that are not as they were stored, before a report is made of them.

        Raises
        ------
        ReportError
        """
        if self._bad():
            raise ReportError(
                f"{self.path}: was changed by something else while it was written; repeat with "
                "--resume, which evaluates the damaged rows again"
            )

    def _bad(self) -> list[tuple[int, int]]:
        """Row and part of what is marked as finished but is not what was stored."""
        return [
            (position, part)
            for part, columns in enumerate(self.parts)
            for position in np.flatnonzero(self.sums[:, part]).tolist()
            if _row_sum(position, self.table[position, columns]) != self.sums[position, part]
        ]

    def remove(self) -> None:
        """Delete the file: its content has gone into the report."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def _row_sum(position: int, row: NDArray[Any]) -> int:
    """CRC-32 of a row at its place in the table; never 0, which stands for none."""
    return zlib.crc32(np.ascontiguousarray(row).tobytes(), position) or 1


def partial_path(target: Path) -> Path:
    """Name of the partial file of a report."""
    return target.with_name(target.name + ".partial")


def check_partial(target: Path) -> None:
    """Refuse a target whose partial file would take the place of a file that is none.

    Raises
    ------
    ReportError
    """
    path = partial_path(target)
    if not os.path.lexists(path):
        return
    check_free(path, overwrite=True)
    try:
        with path.open("rb") as file:
            ours = file.read(SEAL_BYTES).startswith(BEGINNINGS)
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {why(error)}") from error
    if not ours:
        raise ReportError(
            f"{path}: is no partial report, and would be replaced by one; move it away, or give "
            "the report another name"
        )


def create_partial(
    target: Path,
    identity: dict[str, Any],
    rows: int,
    columns: int,
    parts: Sequence[Columns] = WHOLE_ROWS,
    dtype: str = "float32",
) -> Partial:
    """Start a partial file with nothing evaluated; its full size is claimed on disk at once.

    Parameters
    ----------
    identity : dict
        JSON values that determine the table: settings, model_sha256, data_digest, provider.
    parts : sequence
        As `Partial` has them.
    dtype : {"float32", "float64"}
        Of the table.
    """
    path, kind = partial_path(target), np.dtype(dtype)
    size = rows * (kind.itemsize * columns + 4 * len(parts)) + _PARTIAL_EXTRA
    with whole_file(path, size) as scratch, h5py.File(scratch, "w") as file:
        exact = identity["settings"].get("estimator", "exact") == "exact"
        version = FORMAT_VERSION if exact else DRAWN_FORMAT_VERSION
        header = _header(
            identity["model_sha256"], identity["data_digest"], identity["provider"], version
        )
        file.attrs.update(
            {**header, "identity": json.dumps(identity, sort_keys=True), "complete": False}
        )
        table = file.create_dataset("game/log_prob", shape=(rows, columns), dtype=kind)
        step = max(1, _CHUNK_BYTES // (kind.itemsize * columns))
        empty = np.full((min(step, rows), columns), np.nan, kind)
        for start in range(0, rows, step):
            table[start : start + step] = empty[: rows - start]
        sums = file.create_dataset("game/row_sums", data=np.zeros((rows, len(parts)), np.uint32))
        offsets = int(table.id.get_offset()), int(sums.id.get_offset())
    return _mapped(path, offsets, rows, columns, parts, kind)


def _mapped(
    path: Path,
    offsets: tuple[int, int],
    rows: int,
    columns: int,
    parts: Sequence[Columns],
    kind: np.dtype[Any],
) -> Partial:
    table = np.memmap(path, kind, "r+", offsets[0], (rows, columns))
    sums = np.memmap(path, np.uint32, "r+", offsets[1], (rows, len(parts)))
    return Partial(path, table, sums, parts)


def open_partial(
    target: Path,
    identity: dict[str, Any],
    rows: int,
    columns: int,
    parts: Sequence[Columns] = WHOLE_ROWS,
    dtype: str = "float32",
) -> Partial:
    """Continue a partial file; refuse it when it belongs to another audit.

    Parameters
    ----------
    identity, rows, columns, parts, dtype
        As for `create_partial`.

    Raises
    ------
    ReportError
        Settings, model, data or provider differ; the message names the first difference.
    """
    path = partial_path(target)
    check_is_file(path)
    kind = np.dtype(dtype)
    reader = report_reader.READ_UNFINISHED[dtype]
    found, _ = read_isolated(path, reader)
    try:
        held = parse("identity", found["identity"])
    except ValueError as error:
        raise ReportError(f"{path}: is damaged: {error}") from error
    check_identity(path, held, identity)
    if found["sums"] is None:
        raise ReportError(f"{path}: its rows carry no checksums, as iaside writes them; {_ANEW}")
    (offset, *shape), (sums_offset, *sums_shape) = found["table"], found["sums"]
    ends = offset + kind.itemsize * rows * columns, sums_offset + 4 * rows * len(parts)
    fits = shape == [rows, columns] and sums_shape == [rows, len(parts)]
    if not fits or max(ends) > path.stat().st_size:
        raise ReportError(f"{path}: is damaged: its table is not of this audit; {_ANEW}")
    partial = _mapped(path, (offset, sums_offset), rows, columns, parts, kind)
    partial.clear_damage()
    return partial


def check_identity(path: Path, held: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse to continue an audit with anything changed that determines its table."""
    if held.get("model_sha256") != wanted["model_sha256"]:
        raise ReportError(f"{path}: belongs to another model; {_ANEW}")
    settings = held.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    if settings.get("draws", "name") != wanted["settings"].get("draws", "name"):
        raise ReportError(
            f"{path}: its baselines and other draws were made by file name, which this version "
            f"makes by pixels, so it cannot go on from there; {_ANEW}"
        )
    before = {key: value for key, value in _BEFORE.items() if key in wanted["settings"]}
    apart = identity_apart(wanted["settings"], {**before, **settings})
    pairs = [(each.setting, each.other, each.first) for each in apart]
    pairs += [(key, held.get(key), wanted.get(key)) for key in ("provider", "shard")]
    for key, old, new in pairs:
        if old != new:
            raise ReportError(
                f"{path}: was made with {key} {json.dumps(old)}, not {json.dumps(new)}; {_ANEW}"
            )
    if held.get("data_digest") != wanted["data_digest"]:
        raise ReportError(f"{path}: belongs to other images; {_ANEW}")
    if held.get("pixels", wanted.get("pixels")) != wanted.get("pixels"):
        raise ReportError(
            f"{path}: its images decode to other pixels now than when it was begun, as they may "
            f"with another version of pillow; {_ANEW}"
        )
