"""Signal-to-noise reports as HDF5, written whole or not at all and read without trust.

The root carries ``format`` and ``format_version``; four datasets, each with Fletcher's checksum,
hold the rest: ``header`` (JSON as UTF-8 bytes), ``image_ids``, ``signal`` and ``noise``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5l, h5z
from numpy.typing import NDArray

from ..errors import ReportError
from ..isolated import Arrays
from ..output_file import check_folder, check_free
from .snr import SNR_FORMAT, SNR_VERSION, SnrReport
from .store import as_text, atomically, check_is_file, put, read_isolated

_EXTRA_BYTES = 1 << 16
_LONGEST_HEADER = 1 << 24
_MOST_RINGS = 1 << 16
_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}", re.ASCII)
# Number of axes and type; None stands for fixed-length text.
_DATASETS: dict[str, tuple[int, str | None]] = {
    "header": (1, "uint8"),
    "image_ids": (1, None),
    "signal": (3, "float64"),
    "noise": (5, "float64"),
}


def check_target(target: Path, *, overwrite: bool) -> None:
    """Refuse a place where no report can be written.

    Raises
    ------
    ReportError
        A folder, a folder that does not exist, or an existing file without `overwrite`.
    """
    check_folder(target)
    check_free(target, overwrite=overwrite)


def write_snr(report: SnrReport, target: Path, *, overwrite: bool = False) -> None:
    """Write a report; nothing appears under `target` unless it is whole.

    Raises
    ------
    ReportError
        See `check_target`, or it cannot be written.
    """
    check_target(target, overwrite=overwrite)
    header = {
        name: getattr(report, name)
        for name in (
            "perturbations", "severities", "settings", "data", "run", "created", "iaside_version",
        )
    }  # fmt: skip
    arrays = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "image_ids": as_text(report.image_ids),
        "signal": report.signal,
        "noise": report.noise,
    }
    size = sum(array.nbytes for array in arrays.values()) + _EXTRA_BYTES
    with atomically(target, size) as scratch, h5py.File(scratch, "w") as file:
        file.attrs.update({"format": SNR_FORMAT, "format_version": SNR_VERSION})
        for name, array in arrays.items():
            put(file, name, array)


def is_snr(path: Path) -> bool:
    """Whether a file says that it is a signal-to-noise report."""
    try:
        return bool(read_isolated(path, read_format)[0]["format"] == SNR_FORMAT)
    except ReportError:  # whoever reads it next says what is wrong
        return False


def read_format(path: Path) -> tuple[dict[str, Any], Arrays]:
    """What a file says that it is; runs in the process that `is_snr` starts."""
    try:
        with h5py.File(path, "r") as file:
            return {"format": str(_attribute(file, "format"))}, {}
    except Exception as error:  # h5py's errors have no common base
        raise ReportError(f"{path}: not an HDF5 file, or a damaged one") from error


def load_snr(path: str | Path) -> SnrReport:
    """Read a report, refusing whatever `write_snr` cannot have written.

    Raises
    ------
    ReportError
        Not such a file, another version, damaged, or with content that contradicts itself.
    """
    path = Path(path)
    check_is_file(path)
    _, arrays = read_isolated(path, read_arrays)
    try:
        return _checked(path, arrays)
    except ReportError:
        raise
    except Exception as error:  # a header can be wrong in any way
        reason = " ".join(str(error).split())[:200].lower()
        raise ReportError(f"{path}: not an HDF5 file, or a damaged one ({reason})") from error


def read_arrays(path: Path) -> tuple[dict[str, Any], Arrays]:
    """The datasets of a report; runs in the process that `load_snr` starts."""
    try:
        with h5py.File(path, "r") as file:
            if _attribute(file, "format") != SNR_FORMAT:
                raise ReportError(f"{path}: is not a signal-to-noise report of iaside")
            version = _attribute(file, "format_version")
            if version != SNR_VERSION:
                raise ReportError(
                    f"{path}: has format {str(version)[:20]}; this version of iaside reads "
                    f"format {SNR_VERSION}, so update iaside"
                )
            return {}, {name: _read(path, file, name) for name in _DATASETS}
    except ReportError:
        raise
    except Exception as error:  # h5py's errors have no common base
        reason = " ".join(str(error).split())[:200].lower()
        raise ReportError(f"{path}: not an HDF5 file, or a damaged one ({reason})") from error


def _attribute(file: h5py.File, name: str) -> Any:
    """A scalar attribute, or None where there is none that is short."""
    names = file.attrs
    if name not in names or names.get_id(name).shape != ():
        return None
    if names.get_id(name).get_storage_size() > _EXTRA_BYTES:
        return None
    found = names[name]
    return found.item() if isinstance(found, np.generic) else found


def _read(path: Path, file: h5py.File, name: str) -> NDArray[Any]:
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
    axes, kind = _DATASETS[name]
    dtype = found.dtype
    good = dtype.kind == "S" if kind is None else dtype == np.dtype(kind)
    if not good or found.ndim != axes or 0 in found.shape:
        raise ReportError(f"{where} is not of the report's format")
    size = math.prod(found.shape) * dtype.itemsize
    chunk = math.prod(found.chunks or (0,)) * dtype.itemsize
    if max(size, chunk) > path.stat().st_size or found.id.get_storage_size() < size:
        raise ReportError(f"{where} claims more data than the file holds")
    return np.asarray(found[:])


def _checked(path: Path, arrays: dict[str, NDArray[Any]]) -> SnrReport:
    """The report, when its parts agree."""

    def need(condition: bool, otherwise: str) -> None:
        if not condition:
            raise ReportError(f"{path}: {otherwise}")

    need(len(arrays["header"]) <= _LONGEST_HEADER, "the header is too long")
    header = json.loads(arrays["header"].tobytes(), parse_constant=_refuse)
    need(isinstance(header, dict), "the header is no JSON object")
    for key, rule in _HEADER.items():
        need(key in header and rule(header[key]), f"the header holds no usable '{key}'")
    settings = header["settings"]
    for key, rule in _SETTINGS.items():
        need(key in settings and rule(settings[key]), f"the settings hold no usable '{key}'")
    need(_attack(settings.get("attack")), "the settings hold no usable 'attack'")
    signal, noise = arrays["signal"], arrays["noise"]
    images, rings = len(arrays["image_ids"]), int(settings["rings"])
    parts = rings + 1
    wanted = (len(header["perturbations"]), len(header["severities"]))
    need(rings % int(settings["bands"]) == 0, "the rings do not fit the bands")
    need(
        signal.shape == (2, images, parts) and noise.shape == (3, images, *wanted, parts),
        "signal and noise do not match names, images and rings",
    )
    need(set(header["perturbations"]) <= set(settings["kinds"]), "a perturbation has no kind")
    need(bool(np.isfinite(signal).all() and np.isfinite(noise).all()), "holds values not finite")
    need(bool((signal >= 0).all() and (noise[:2] >= 0).all()), "holds negative sums")
    return SnrReport(
        signal=signal,
        noise=noise,
        image_ids=[name.decode(errors="replace") for name in arrays["image_ids"].tolist()],
        **{key: header[key] for key in _HEADER},
    )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _attack(value: Any) -> bool:
    """Nothing, or what `iaside snr --attack` says about the attack."""
    return value is None or (
        isinstance(value, dict)
        and _name(value.get("name"))
        and isinstance(value.get("model"), str)
        and type(value.get("epsilon")) is float
        and type(value.get("queries")) is int
    )


def _each(rule: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """A list without repetition, every entry of which passes."""
    return lambda value: (
        isinstance(value, list) and all(map(rule, value)) and 0 < len(value) == len(set(value))
    )


_HEADER: dict[str, Callable[[Any], bool]] = {
    "perturbations": _each(_name),
    "severities": _each(_whole(1, 1000)),
    "settings": lambda value: isinstance(value, dict),
    "data": lambda value: isinstance(value, dict) and isinstance(value.get("source"), str),
    "run": lambda value: isinstance(value, dict),
    "created": lambda value: isinstance(value, str),
    "iaside_version": _name,
}
_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "bands": _whole(1, _MOST_RINGS),
    "rings": _whole(1, _MOST_RINGS),
    "norm": _name,
    "separate_dc": lambda value: isinstance(value, bool),
    "confidence": lambda value: type(value) is float and 0 < value < 1,
    "seed": lambda value: type(value) is int and value >= 0,
    "height": _whole(1, 1 << 24),
    "width": _whole(1, 1 << 24),
    "kinds": lambda value: (
        isinstance(value, dict) and all(_name(k) and _name(v) for k, v in value.items())
    ),
}
