"""The kinds of result, by the format of their files; whatever reads a file of any kind asks here.

A further kind is a row of `KINDS`, beside the class itself.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ..storage.isolated import Child
from ..storage.opening import stored_content, wrong_kind
from .result import Result

# Loaded when a file of the kind is met.
KINDS = {
    "iaside-report": ("report", "Report"),
    "iaside-robustness": ("robustness", "RobustnessReport"),
    "iaside-heatmap": ("heatmap", "HeatmapReport"),
    "iaside-snr": ("snr", "SnrReport"),
    "iaside-damage": ("damage", "DamageReport"),
    "iaside-stand-ins": ("stand_ins", "StandInReport"),
}


def class_of(kind: str) -> type[Result]:
    """Class of the results that files of a format hold."""
    module, name = KINDS[kind]
    result: type[Result] = getattr(import_module(f".{module}", __package__), name)
    return result


def load(path: str | Path, reading: Child | None = None) -> Any:
    """Read a finished file of any kind, or the folder of an audit.

    Parameters
    ----------
    path : path
    reading : Child, optional
        From `begin_reading(path)`, where reading has begun already.

    Returns
    -------
    Report, RobustnessReport, HeatmapReport, SnrReport, DamageReport, StandInReport or Audit
        ``isinstance`` tells which; a file of one kind is read by ``load`` of its class.

    Raises
    ------
    ReportError
        No file of iaside, no folder of an audit, an unknown version, unfinished, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        return import_module(".audit", __package__).Audit.load(path)
    return load_file(path, reading)


def load_file(path: str | Path, reading: Child | None = None) -> Any:
    """As `load`, of files alone; a folder is a ReportError."""
    path = Path(path)
    stored, arrays = stored_content(path, reading)
    if stored["format"] not in KINDS:
        raise wrong_kind(path, stored["format"])
    return class_of(stored["format"]).of_stored(path, stored, arrays)


def load_one_of(path: str | Path, *kinds: type[Result]) -> Any:
    """Read a finished file of one of some kinds; others are refused."""
    path = Path(path)
    stored, arrays = stored_content(path, None)
    kind = next((each for each in kinds if each.SCHEMA.format == stored["format"]), None)
    if kind is None:
        raise wrong_kind(path, stored["format"], *(each.SCHEMA.format for each in kinds))
    return kind.of_stored(path, stored, arrays)
