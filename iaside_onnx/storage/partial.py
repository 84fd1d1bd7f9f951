"""The partial file, which survives any interruption, of whatever fills a table row by row.

While a measurement runs, ``REPORT.h5.partial`` is a whole HDF5 file at every instant: its structure
is written and closed first, with NaN for every value not evaluated yet, and finished rows are then
written in place through a memory map, each followed by its checksum. A process killed at any moment
loses at most the image it was working on, and a row that was damaged since is evaluated again. The
report appears under its own name by one atomic rename.
"""

from __future__ import annotations

import json
import math
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

from ..errors import ReportError, said
from ..setting_roles import identity_apart
from ..spelling import option
from .hdf5 import attribute, in_place, opened, stored_format, stored_type, stored_version
from .isolated import Arrays
from .opening import MADE_BY, check_is_file, read_isolated
from .output_file import check_free, check_is_ours, whole_file
from .value_rules import parse

# Of partial files of whatever kind; 2 where the coalitions are drawn.
_FORMAT, _VERSIONS = "iaside-report", (1, 2)
_TABLE, _ROW_SUMS, _SECONDS = "game/log_prob", "game/row_sums", "game/seconds"
_CHUNK_BYTES = 1 << 18
_RENEW = f"use {option('overwrite', True)} to start again"
Columns = slice | list[int]
WHOLE_ROWS: tuple[Columns, ...] = (slice(None),)
# More than all other parts of the file take.
_EXTRA = 1 << 13


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
        Finished rows that are not as they were written, and count as missing.
    clock : memory map of float64, shape (1, 1), or None
        Seconds that the finished rows took; None in a file of an early version.
    """

    path: Path
    table: np.memmap[Any, np.dtype[Any]]
    sums: np.memmap[Any, np.dtype[np.uint32]]
    parts: Sequence[Columns] = WHOLE_ROWS
    damaged: int = 0
    clock: np.memmap[Any, np.dtype[np.float64]] | None = None

    @property
    def seconds(self) -> float:
        """That the finished rows took, in all runs; 0 where the file does not know."""
        spent = 0.0 if self.clock is None else float(self.clock[0, 0])
        return spent if 0 <= spent < math.inf else 0.0

    @seconds.setter
    def seconds(self, spent: float) -> None:
        if self.clock is not None:
            self.clock[0, 0] = spent

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
        damage = self._damage()
        self.damaged = len({position for position, _ in damage})
        for position, part in damage:
            self.sums[position, part] = 0
        for part, columns in enumerate(self.parts):
            for position in self.unfinished(part):
                if not np.isnan(self.table[position, columns]).all():
                    self.table[position, columns] = np.nan

    def check(self) -> None:
        """Refuse rows that are not as they were stored, before a report is made of them."""
        if self._damage():
            raise ReportError(
                f"{self.path}: was changed by something else while it was written; repeat with "
                f"{option('resume', True)}, which evaluates the damaged rows again"
            )

    def _damage(self) -> list[tuple[int, int]]:
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
    """Refuse a target whose partial file would take the place of a file that is none."""
    path = partial_path(target)
    if not os.path.lexists(path):
        return
    check_free(path, overwrite=True)
    check_is_ours(
        path,
        "is no partial report, and would be replaced by one; move it away, or give the report "
        "another name",
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
        JSON values that determine the table: settings, model_sha256, data_digest, provider; and
        the kind of result, as the format of its files names it.
    rows, columns, parts, dtype
        Of the table, as `Partial` has them.
    """
    path = partial_path(target)
    kind = np.dtype(dtype)
    size = rows * (kind.itemsize * columns + 4 * len(parts)) + _EXTRA
    with whole_file(path, size) as scratch, h5py.File(scratch, "w") as file:
        drawn = identity["settings"].get("estimator", "exact") != "exact"
        file.attrs.update(
            {
                "format": _FORMAT,
                "format_version": _VERSIONS[drawn],
                **{name: identity[name] for name in ("model_sha256", "data_digest", "provider")},
                "identity": json.dumps(identity, sort_keys=True),
                "complete": False,
            }
        )
        table = file.create_dataset(_TABLE, shape=(rows, columns), dtype=kind)
        step = max(1, _CHUNK_BYTES // (kind.itemsize * columns))
        empty = np.full((min(step, rows), columns), np.nan, kind)
        for start in range(0, rows, step):
            table[start : start + step] = empty[: rows - start]
        sums = file.create_dataset(_ROW_SUMS, data=np.zeros((rows, len(parts)), np.uint32))
        clock = file.create_dataset(_SECONDS, data=np.zeros((1, 1)))
        places = [[int(each.id.get_offset()), *each.shape] for each in (table, sums, clock)]
    return _mapped(path, places[0], places[1], places[2], kind, parts)


def _mapped(
    path: Path,
    table: list[int],
    sums: list[int],
    clock: list[int] | None,
    kind: np.dtype[Any],
    parts: Sequence[Columns],
) -> Partial:
    """A partial file from where its datasets lie, and their shapes."""
    return Partial(
        path,
        np.memmap(path, kind, "r+", table[0], (table[1], table[2])),
        np.memmap(path, np.uint32, "r+", sums[0], (sums[1], sums[2])),
        parts,
        clock=None if clock is None else np.memmap(path, np.float64, "r+", clock[0], (1, 1)),
    )


def open_partial(
    target: Path,
    identity: dict[str, Any],
    rows: int,
    columns: int,
    parts: Sequence[Columns] = WHOLE_ROWS,
    dtype: str = "float32",
) -> Partial:
    """Continue a partial file; refuse one of other settings, model, data or provider, by name.

    The parameters are those of `create_partial`.
    """
    path, kind = partial_path(target), np.dtype(dtype)
    check_is_file(path)
    try:
        stored, _ = read_isolated(path, read_unfinished)
        begun = parse("identity", stored["identity"])
    except ReportError as error:
        raise ReportError(f"{said(error)}; {_RENEW}") from error
    except ValueError as error:
        raise ReportError(f"{path}: is damaged: {error}; {_RENEW}") from error
    check_identity(path, begun, identity)
    if stored["sums"] is None:
        raise ReportError(f"{path}: its rows carry no checksums, as iaside writes them; {_RENEW}")
    table, sums, clock = stored["table"], stored["sums"], stored["seconds"]
    ends = [table[0] + kind.itemsize * rows * columns, sums[0] + 4 * rows * len(parts)]
    if clock is not None and (clock[1:] != [1, 1] or clock[0] + 8 > path.stat().st_size):
        clock = None
    fits = table[1:] == [rows, columns] and sums[1:] == [rows, len(parts)]
    if table[1:] != [rows, columns] and table[1] == rows:
        raise ReportError(
            f"{path}: keeps {table[2]} numbers of each image, and this version {columns}, so it "
            f"cannot go on from there; {_RENEW}"
        )
    if stored["dtype"] != dtype or not fits or max(ends) > path.stat().st_size:
        raise ReportError(f"{path}: is damaged: its table is not of this audit; {_RENEW}")
    partial = _mapped(path, table, sums, clock, kind, parts)
    partial.clear_damage()
    return partial


def read_unfinished(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Identity of a partial file, type, offset and shape of its table, and of what goes with it.

    Checksums and seconds are None where there are none: early versions wrote none. Runs in the
    process that `open_partial` starts.
    """
    with opened(path) as file:
        if stored_format(path, file) != _FORMAT:
            raise ReportError(f"{path}: is not a partial report of this version")
        stored_version(path, file, _VERSIONS)
        identity, dtype = attribute(path, file, "identity", str), stored_type(path, file, _TABLE)
        table = None if dtype is None else in_place(path, file, _TABLE, dtype)
        if table is None:
            raise ReportError(f"{path}: is not a partial report of this version")
        sums = in_place(path, file, _ROW_SUMS, "uint32")
        clock = in_place(path, file, _SECONDS, "float64")
        found = {"table": table, "sums": sums, "seconds": clock}
        return {"identity": identity, "dtype": dtype, **found}, {}


def check_identity(path: Path, begun: dict[str, Any], identity: dict[str, Any]) -> None:
    """Refuse to continue a run with anything changed that determines its table, and name the first.

    `begun` and `identity` are those of the file at `path` and of the run, as `create_partial` has
    them.
    """
    kind = begun.get("kind", identity.get("kind"))  # of which early partial files say nothing
    if kind != identity.get("kind"):
        made_by = MADE_BY.get(kind) if isinstance(kind, str) else None
        of = "something else" if made_by is None else f"iaside {made_by}"
        raise ReportError(f"{path}: is of {of}; {_RENEW}")
    if begun.get("model_sha256") != identity["model_sha256"]:
        raise ReportError(f"{path}: belongs to another model; {_RENEW}")
    settings, asked = begun.get("settings"), identity["settings"]
    settings = settings if isinstance(settings, dict) else {}
    if settings.get("draws", "name") != asked.get("draws", "name"):
        raise ReportError(
            f"{path}: its baselines and other draws were made by file name, which this version "
            f"makes by pixels, so it cannot go on from there; {_RENEW}"
        )
    apart = identity_apart(asked, settings)
    pairs = [(each.setting, each.other, each.first) for each in apart]
    pairs += [(key, begun.get(key), identity.get(key)) for key in ("provider", "shard")]
    for key, old, new in pairs:
        if old != new:
            raise ReportError(
                f"{path}: was made with {key} {json.dumps(old)}, not {json.dumps(new)}; {_RENEW}"
            )
    if begun.get("data_digest") != identity["data_digest"]:
        raise ReportError(f"{path}: belongs to other images; {_RENEW}")
    if begun.get("pixels", identity.get("pixels")) != identity.get("pixels"):
        raise ReportError(
            f"{path}: its images decode to other pixels now than when it was begun, as they may "
            f"with another version of pillow; {_RENEW}"
        )
