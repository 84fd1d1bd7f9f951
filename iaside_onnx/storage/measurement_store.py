"""Measurements beside the report as HDF5: written whole or not at all, read without trust.

The root carries ``format`` and ``format_version``; a dataset ``header`` holds JSON as UTF-8 bytes,
and each array has a dataset of its own, with Fletcher's checksum. The user block in front carries
the checksum over the whole file (`seal`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from h5py import h5d, h5l, h5z
from numpy.typing import NDArray

from ..errors import ReportError, UnreadableError
from ..mathematics.bands import NORMS
from ..results.report_checks import WrongContentError, parse
from .isolated import Arrays, Job
from .opening import check_is_file, mentions, read_isolated, wrong_kind
from .output_file import check_folder, check_free, whole_file
from .seal import SEAL_BYTES, check_seal, seal
from .store import as_text, put
from .value_rules import Need, Rule, check_rules, is_name

_EXTRA_BYTES = 1 << 16
_LONGEST_HEADER = 1 << 24
_HEADER = "header"
# Of one measurement: bounds of what resampling and pictures have to hold.
MOST_PERTURBATIONS, MOST_SEVERITIES = 64, 20
Made = TypeVar("Made")


@dataclass(frozen=True)
class Layout:
    """What files of one format hold.

    Attributes
    ----------
    format, version : str, int
    datasets : dict
        Number of axes and type of each dataset; None stands for fixed-length text.
    header : dict
        What each entry of the header must fulfil.
    optional : frozenset of str
        Datasets that may be missing.
    """

    format: str
    version: int
    datasets: dict[str, tuple[int, str | None]]
    header: dict[str, Rule]
    optional: frozenset[str] = frozenset()


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a place where no measurement can be written.

    Raises
    ------
    ReportError
        A folder, a folder that does not exist, or an existing file without `overwrite`.
    """
    check_folder(target)
    check_free(target, overwrite=overwrite)


def write_measurement(
    layout: Layout, header: dict[str, Any], arrays: Arrays, names: dict[str, list[str]], path: Path
) -> None:
    """Write a file; nothing appears under `path` unless it is whole.

    Parameters
    ----------
    header : dict
        JSON values.
    arrays, names : dict
        The datasets: arrays, and lists of text.

    Raises
    ------
    ReportError
        It cannot be written.
    """
    held: Arrays = {
        _HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8),
        **{name: as_text(texts) for name, texts in names.items()},
        **arrays,
    }
    size = sum(array.nbytes for array in held.values()) + _EXTRA_BYTES
    with whole_file(path, size) as scratch:
        with h5py.File(scratch, "w", userblock_size=SEAL_BYTES) as file:
            file.attrs.update({"format": layout.format, "format_version": layout.version})
            for name, array in held.items():
                put(file, name, array)
        seal(scratch)


def format_of(path: Path, formats: list[str]) -> str | None:
    """Which of these formats a file says that it has, or None.

    A look for their names comes first, so that no other file costs a process.
    """
    if not mentions(path, formats):
        return None
    try:
        check_seal(path)
        found = read_isolated(path, read_format)[0]["format"]
    except (OSError, ReportError):  # whoever reads it next says what is wrong
        return None
    return found if found in formats else None


def read_format(path: Path) -> tuple[dict[str, Any], Arrays]:
    """What a file says that it is; runs in the process that `format_of` starts."""
    try:
        with h5py.File(path, "r") as file:
            return {"format": str(_attribute(file, "format"))}, {}
    except Exception as error:  # h5py's errors have no common base
        raise ReportError(f"{path}: not an HDF5 file, or a damaged one") from error


def read_measurement(
    layout: Layout,
    path: Path,
    job: Job,
    build: Callable[[dict[str, Any], Arrays, Need], Made],
) -> Made:
    """Read a file, refusing whatever `write_measurement` cannot have written.

    Parameters
    ----------
    job : callable
        A named function that calls `read_datasets`; it runs in a process with limits.
    build : callable
        Makes the result of header, arrays and a function that takes a condition and what is wrong
        where it does not hold.

    Raises
    ------
    ReportError
        Not such a file, another version, damaged, or with content that contradicts itself.
    """

    def need(condition: bool, otherwise: str) -> None:
        if not condition:
            raise ReportError(f"{path}: {otherwise}")

    check_is_file(path)
    check_seal(path)
    _, arrays = read_isolated(path, job)
    try:
        stored = arrays.pop(_HEADER)
        need(len(stored) <= _LONGEST_HEADER, "the header is too long")
        header = parse(_HEADER, stored.tobytes().decode(errors="replace"))
        check_rules(header, layout.header, "header holds", need)
        need(is_name(header["settings"].get("draws", "name")), "settings hold no usable 'draws'")
        return build(header, arrays, need)
    except ReportError:
        raise
    except WrongContentError as error:
        raise ReportError(f"{path}: is damaged: {error}") from error
    except Exception as error:  # a header can be wrong in any way
        raise _damaged(path, error) from error


def read_datasets(layout: Layout, path: Path) -> tuple[dict[str, Any], Arrays]:
    """The datasets of a file; for functions that run in a process with limits."""
    try:
        with h5py.File(path, "r") as file:
            found = _attribute(file, "format")
            if found != layout.format:
                raise wrong_kind(path, found, layout.format)
            version = _attribute(file, "format_version")
            if version != layout.version:
                raise UnreadableError(
                    f"{path}: has format {str(version)[:20]}; this version of iaside reads "
                    f"format {layout.version}, so update iaside"
                )
            wanted = {_HEADER: (1, "uint8"), **layout.datasets}
            return {}, {
                name: _read(path, file, name, axes, kind)
                for name, (axes, kind) in wanted.items()
                if name not in layout.optional or file.id.links.exists(name.encode())
            }
    except (ReportError, MemoryError):
        raise
    except Exception as error:  # h5py's errors have no common base
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ReportError:
    reason = " ".join(str(error).split())[:200].lower()
    return ReportError(f"{path}: not an HDF5 file, or a damaged one ({reason})")


def _attribute(file: h5py.File, name: str) -> Any:
    """A scalar attribute, or None where there is none that is short."""
    names = file.attrs
    if name not in names or names.get_id(name).shape != ():
        return None
    if names.get_id(name).get_storage_size() > _EXTRA_BYTES:
        return None
    found = names[name]
    return found.item() if isinstance(found, np.generic) else found


def _read(path: Path, file: h5py.File, name: str, axes: int, kind: str | None) -> NDArray[Any]:
    """A dataset that lies in the file itself, of the type and size that it claims."""
    where = f"{path}: dataset '{name}'"
    links = file.id.links
    if not links.exists(name.encode()) or links.get_info(name.encode()).type != h5l.TYPE_HARD:
        raise ReportError(f"{where} is missing")
    found = file[name]
    if not isinstance(found, h5py.Dataset):
        raise ReportError(f"{where} is missing")
    plan = found.id.get_create_plist()
    if plan.get_layout() not in (h5d.CONTIGUOUS, h5d.CHUNKED) or plan.get_external_count():
        raise ReportError(f"{where} keeps its data elsewhere")
    filters = {plan.get_filter(number)[0] for number in range(plan.get_nfilters())}
    if filters - {h5z.FILTER_FLETCHER32}:
        raise ReportError(f"{where} is compressed, which iaside does not do")
    dtype = found.dtype
    good = dtype.kind == "S" if kind is None else dtype == np.dtype(kind)
    if not good or found.ndim != axes or 0 in found.shape:
        raise ReportError(f"{where} is not of the report's format")
    size = math.prod(found.shape) * dtype.itemsize
    chunk = math.prod(found.chunks or (0,)) * dtype.itemsize
    if max(size, chunk) > path.stat().st_size or found.id.get_storage_size() < size:
        raise ReportError(f"{where} claims more data than the file holds")
    return np.asarray(found[:])


def texts(stored: NDArray[Any]) -> list[str]:
    """Names as `write_measurement` stored them."""
    return [name.decode(errors="replace") for name in stored.tolist()]


def is_norm(value: Any) -> bool:
    """A norm of frequencies."""
    return isinstance(value, str) and value in NORMS
