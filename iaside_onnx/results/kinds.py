"""The kinds of result, by the format of their files; whatever reads a file of any kind asks here.

A further kind is a row of `_CLASSES`, beside the class itself.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ..errors import ReportError
from ..storage.hdf5 import opened, read_content, stored_format
from ..storage.hdf5 import read_derived as derived_of
from ..storage.isolated import Arrays, Child
from ..storage.opening import begin_reading, mentions, read_isolated, report_errors, wrong_kind
from ..storage.seal import check_seal
from .result import Result

# Loaded when a file of the kind is met.
_CLASSES = {
    "iaside-report": ("report", "Report"),
    "iaside-robustness": ("robustness", "RobustnessReport"),
    "iaside-heatmap": ("heatmap", "HeatmapReport"),
    "iaside-snr": ("snr", "SnrReport"),
}


def class_of(kind: str) -> type[Result]:
    """Class of the results that files of a format hold."""
    module, name = _CLASSES[kind]
    found: type[Result] = getattr(import_module(f".{module}", __package__), name)
    return found


def load(path: str | Path, reading: Child | None = None) -> Any:
    """Read a finished file of any kind.

    Parameters
    ----------
    path : path
    reading : Child, optional
        From `begin_reading(path)`, where reading has begun already.

    Returns
    -------
    Report, RobustnessReport, HeatmapReport or SnrReport
        ``isinstance`` tells which; a file of one kind is read by ``load`` of its class.

    Raises
    ------
    ReportError
        No file of iaside, an unknown version, unfinished, or damaged.
    """
    path = Path(path)
    reading = reading or begin_reading(path)
    with report_errors(path):
        stored, arrays = reading.result()
    if stored["format"] not in _CLASSES:
        raise wrong_kind(path, stored["format"])
    return class_of(stored["format"]).of_stored(path, stored, arrays)


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


def read_stored(path: Path) -> tuple[dict[str, Any], Arrays]:
    """What a file of any kind holds; runs in the process that `begin_reading` starts."""
    with opened(path) as file:
        kind = stored_format(path, file)
        if kind not in _CLASSES:
            return {"format": kind[:100]}, {}
        try:
            stored, arrays = read_content(path, file, class_of(kind).SCHEMA)
        except ReportError as error:  # said to those alone who want a file of this kind
            return {"format": kind, "error": type(error).__name__, "parts": error.parts}, {}
        return {"format": kind, **stored}, arrays


def read_format(path: Path) -> tuple[dict[str, Any], Arrays]:
    """What a file says that it is; runs in a process of its own."""
    with opened(path) as file:
        return {"format": stored_format(path, file)}, {}


def read_derived(path: Path) -> tuple[dict[str, Any], Arrays]:
    """What a file holds that follows from its fields; runs in a process of its own."""
    with opened(path) as file:
        return derived_of(path, file, class_of(stored_format(path, file)).SCHEMA)
